"""A JSON schema as Anthropic's structured output takes it.

Objects are closed; what the grammar does not know (lengths, ranges, patterns) is told to the model in the
description and not enforced. A schema that the grammar could only fulfil in a way nobody means is refused.
"""

from __future__ import annotations

from typing import Any, Final

from captain.core.messages import JsonObject

_TYPES: Final = frozenset({"object", "array", "string", "integer", "number", "boolean", "null"})
_FORMATS: Final = frozenset(
    {"date-time", "time", "date", "duration", "email", "hostname", "uri", "ipv4", "ipv6", "uuid"}
)
_HERE: Final = ("#/$defs/", "#/definitions/")
_COMBINING: Final = {"anyOf": "anyOf", "oneOf": "anyOf", "allOf": "allOf"}


def fit(schema: JsonObject) -> JsonObject:
    """Raises `ValueError` with the reason, as the end of a sentence, for a schema that cannot be promised."""
    definitions = {**(schema.get("definitions") or {}), **(schema.get("$defs") or {})}
    _check_references(schema, definitions, (), set())
    fitted = _fit(
        {key: value for key, value in schema.items() if key not in ("$schema", "$id", "definitions", "$defs")}
    )
    if definitions:
        fitted["$defs"] = {name: _fit(definition) for name, definition in definitions.items()}
    return fitted


def _fit(schema: Any) -> JsonObject:
    if not isinstance(schema, dict):
        raise ValueError("it has a part that says nothing about the value")  # noqa: TRY004 - one kind of error
    if "$ref" in schema:
        return {"$ref": f"#/$defs/{_name(schema['$ref'])}"}
    rest = dict(schema)
    fitted: JsonObject = {key: rest.pop(key) for key in ("description", "title") if key in rest}
    literal = next((key for key in ("enum", "const") if key in rest), None)
    combining = next((key for key in _COMBINING if key in rest), None)
    kind = rest.pop("type", None)
    if literal:
        fitted[literal] = rest.pop(literal)
    elif combining:
        fitted[_COMBINING[combining]] = [_fit(variant) for variant in rest.pop(combining)]
    elif isinstance(kind, list):
        return {**fitted, "anyOf": [_fit({**rest, "type": one}) for one in kind]}
    elif kind not in _TYPES:
        raise ValueError("it has a part without a type")
    else:
        fitted["type"] = kind
        _fill(fitted, kind, rest)
    if rest:
        told = "{" + ", ".join(f"{key}: {value}" for key, value in rest.items()) + "}"
        fitted["description"] = "\n\n".join(text for text in (fitted.get("description"), told) if text)
    return fitted


def _fill(fitted: JsonObject, kind: str, rest: JsonObject) -> None:
    """Moves what the grammar knows about values of this kind from `rest` to `fitted`."""
    if kind == "object":
        properties = rest.pop("properties", None) or {}
        if not properties and rest.get("additionalProperties", True) is not False:
            raise ValueError("it has an object with free keys")
        rest.pop("additionalProperties", None)
        fitted["properties"] = {name: _fit(value) for name, value in properties.items()}
        fitted["additionalProperties"] = False
        fitted["required"] = [name for name in rest.pop("required", ()) if name in properties]
    elif kind == "array":
        if "items" in rest:
            fitted["items"] = _fit(rest.pop("items"))
        if rest.get("minItems") in (0, 1):
            fitted["minItems"] = rest.pop("minItems")
    elif kind == "string" and rest.get("format") in _FORMATS:
        fitted["format"] = rest.pop("format")


def _name(reference: Any) -> str:
    for prefix in _HERE:
        if isinstance(reference, str) and reference.startswith(prefix):
            return reference.removeprefix(prefix)
    raise ValueError(f"it refers to {reference!r}, which is not one of its own definitions")


def _check_references(part: Any, definitions: JsonObject, open_names: tuple[str, ...], done: set[str]) -> None:
    """A definition that leads back to itself has no end, and the grammar none either."""
    if isinstance(part, list):
        for item in part:
            _check_references(item, definitions, open_names, done)
    elif isinstance(part, dict):
        if "$ref" in part:
            _follow(_name(part["$ref"]), definitions, open_names, done)
        for key, value in part.items():
            if key not in ("$defs", "definitions"):
                _check_references(value, definitions, open_names, done)


def _follow(name: str, definitions: JsonObject, open_names: tuple[str, ...], done: set[str]) -> None:
    if name in open_names:
        raise ValueError(f"its definition {name!r} contains itself")
    if name not in definitions:
        raise ValueError(f"its definition {name!r} is missing")
    if name not in done:
        _check_references(definitions[name], definitions, (*open_names, name), done)
        done.add(name)
