"""JSON Schemas in the strict subset: every property required, none besides, no keyword left unchecked.

Only for such a schema does OpenAI promise that what is written fits it. An answer's schema is narrowed
into the subset: asking for more properties and allowing fewer keeps every answer valid for the schema as
it was given. A tool's is not, since a model that has to fill optional arguments makes some up: a tool is
strict when its schema already is, and otherwise offered without the promise.
"""

from __future__ import annotations

import re
from typing import Any, Final

from captain.core.errors import RequestRejectedError
from captain.core.messages import JsonObject, OutputSchema
from captain.models.base import Profile

_CHECKED: Final = frozenset(
    {"type", "properties", "required", "additionalProperties", "items", "enum", "const", "anyOf", "$ref", "$defs"}
    | {"definitions", "pattern", "format", "multipleOf", "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"}
    | {"minItems", "maxItems", "title", "description"}
)
_IGNORED: Final = frozenset({"default", "examples", "$schema", "$id", "$comment", "deprecated", "readOnly"})
_FORMATS: Final = frozenset({"date-time", "time", "date", "duration", "email", "hostname", "ipv4", "ipv6", "uuid"})
_MAPS: Final = frozenset({"properties", "$defs", "definitions"})


_NO_NAME: Final = re.compile(r"[^A-Za-z0-9_-]")


class NotStrict(ValueError):  # noqa: N818 - an answer, not a failure
    """The schema cannot be put into the subset; the text says where and why."""


def format_of(output: OutputSchema, *, name: str, profile: Profile) -> JsonObject:
    """Name, schema and strictness as both of OpenAI's interfaces want them.

    Raises `RequestRejectedError` where the model `name` cannot promise an answer of this schema.
    """
    if profile.schemas == "none":
        raise RequestRejectedError(
            f"{name} does not promise answers of a JSON schema.",
            model=name,
            hint="Use a model that does, or ask for JSON in the instructions and check what comes.",
        )
    label = _NO_NAME.sub("_", output.name)[:64] or "output"
    try:
        return {"name": label, "schema": narrowed(output.schema), "strict": True}
    except NotStrict as error:
        if profile.schemas == "any":
            return {"name": label, "schema": output.schema, "strict": False}
        raise RequestRejectedError(
            f"{name} cannot promise answers of the schema {output.name!r}: {error}.",
            model=name,
            hint="Write the schema with plain types, named properties and anyOf, and check the rest afterwards.",
        ) from None


def is_strict(schema: JsonObject) -> bool:
    """Whether a schema is in the subset as it stands."""
    try:
        return narrowed(schema) == schema
    except NotStrict:
        return False


def narrowed(schema: JsonObject) -> JsonObject:
    """A schema of the subset whose answers are all valid for this one. Raises `NotStrict` where there is none."""
    if "anyOf" in schema or schema.get("type") != "object":
        raise NotStrict("its root is not an object")
    found: JsonObject = _narrowed(schema, "#")
    return found


def _narrowed(schema: Any, where: str) -> Any:
    if not isinstance(schema, dict):
        raise NotStrict(f"{where} does not say what it allows")
    schema = _simple(schema)
    unknown = schema.keys() - _CHECKED - _IGNORED
    if unknown:
        raise NotStrict(f"{where} uses {', '.join(sorted(unknown))}, which is not enforced")
    if schema.get("format", "date") not in _FORMATS:
        raise NotStrict(f"{where} has the format {schema['format']!r}, which is not enforced")
    if not schema.keys() & {"type", "anyOf", "$ref", "enum", "const"}:
        raise NotStrict(f"{where} does not say what it allows")
    narrow = {key: _inside(key, value, where) for key, value in schema.items() if key not in _IGNORED}
    kinds = schema.get("type")
    if kinds == "object" or (isinstance(kinds, list) and "object" in kinds):
        narrow |= _closed(schema, where)
    elif (kinds == "array" or (isinstance(kinds, list) and "array" in kinds)) and "items" not in schema:
        raise NotStrict(f"{where} does not say what its items are")
    return narrow


def _simple(schema: JsonObject) -> JsonObject:
    """Without notes beside a reference, which must stand alone, and with tagged unions as unions."""
    if "$ref" in schema:
        return {key: value for key, value in schema.items() if key not in ("title", "description")}
    if "oneOf" in schema and "discriminator" in schema:  # of which an answer can fit only one
        union = {key: value for key, value in schema.items() if key not in ("oneOf", "discriminator")}
        return {**union, "anyOf": schema["oneOf"]}
    return schema


def _inside(key: str, value: Any, where: str) -> Any:
    if key in _MAPS and isinstance(value, dict):
        return {name: _narrowed(inner, f"{where}/{key}/{name}") for name, inner in value.items()}
    if key == "anyOf" and isinstance(value, list):
        return [_narrowed(inner, f"{where}/anyOf/{at}") for at, inner in enumerate(value)]
    return _narrowed(value, f"{where}/items") if key == "items" else value


def _closed(schema: JsonObject, where: str) -> JsonObject:
    """The keywords that make an object take exactly its properties."""
    if schema.get("additionalProperties", False) not in (False, True):
        raise NotStrict(f"{where} allows properties of any name")
    properties, required = schema.get("properties", {}), schema.get("required", [])
    if not properties and schema.get("additionalProperties") is not False:
        raise NotStrict(f"{where} does not name its properties")
    if set(required) - set(properties):
        raise NotStrict(f"{where} requires properties that it does not describe")
    # In the order of a schema that is strict already, so that it stays as it is.
    complete = required if len(required) == len(properties) else list(properties)
    return {"properties": _inside("properties", properties, where), "required": complete, "additionalProperties": False}
