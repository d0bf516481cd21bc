from __future__ import annotations

from typing import Any

import pytest

from captain.core.messages import JsonObject
from captain.models.anthropic_schema import fit


def closed(**properties: Any) -> JsonObject:
    return {"type": "object", "properties": properties, "additionalProperties": False, "required": list(properties)}


@pytest.mark.parametrize(
    ("schema", "fitted"),
    [
        ({"type": "string", "format": "date"}, {"type": "string", "format": "date"}),
        (
            {"type": "string", "description": "A key.", "format": "color", "maxLength": 3},
            {"type": "string", "description": "A key.\n\n{format: color, maxLength: 3}"},
        ),
        ({"type": "integer", "minimum": 1}, {"type": "integer", "description": "{minimum: 1}"}),
        (
            {"type": "array", "items": {"type": "null"}, "minItems": 1, "maxItems": 2},
            {"type": "array", "items": {"type": "null"}, "minItems": 1, "description": "{maxItems: 2}"},
        ),
        ({"type": "string", "enum": ["a", "b"]}, {"enum": ["a", "b"]}),
        ({"const": 1}, {"const": 1}),
        (
            {"type": ["string", "null"], "title": "T"},
            {"title": "T", "anyOf": [{"type": "string"}, {"type": "null"}]},
        ),
        ({"oneOf": [{"type": "string"}]}, {"anyOf": [{"type": "string"}]}),
        (
            {"type": "object", "properties": {"a": {"type": "string"}}, "additionalProperties": True},
            closed(a={"type": "string"}) | {"required": []},
        ),
        (
            {"$schema": "x", "$ref": "#/definitions/A", "definitions": {"A": closed(b={"$ref": "#/$defs/B"})}}
            | {"$defs": {"B": {"type": "boolean"}}},
            {"$ref": "#/$defs/A", "$defs": {"A": closed(b={"$ref": "#/$defs/B"}), "B": {"type": "boolean"}}},
        ),
    ],
)
def test_a_schema_is_put_as_anthropic_takes_it(schema: JsonObject, fitted: JsonObject) -> None:
    assert fit(schema) == fitted
    assert fit(fitted) == fitted


NODE = {"type": "object", "properties": {"next": {"$ref": "#/$defs/Node"}}}


@pytest.mark.parametrize(
    ("schema", "why"),
    [
        ({"type": "object"}, "free keys"),
        ({"type": "object", "additionalProperties": {"type": "string"}}, "free keys"),
        ({"type": "array", "items": {}}, "a part without a type"),
        ({"type": "array", "items": True}, "says nothing about the value"),
        ({"$ref": "#/$defs/Node", "$defs": {"Node": NODE}}, "'Node' contains itself"),
        ({"$ref": "#/$defs/None"}, "'None' is missing"),
        ({"$ref": "https://example.com/s.json"}, "not one of its own definitions"),
        ({"$ref": "#"}, "not one of its own definitions"),
    ],
)
def test_a_schema_that_cannot_be_promised_is_refused(schema: JsonObject, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        fit(schema)


def test_definitions_that_share_others_are_looked_at_once() -> None:
    layers = {f"L{n}": closed(a={"$ref": f"#/$defs/L{n + 1}"}, b={"$ref": f"#/$defs/L{n + 1}"}) for n in range(40)}
    definitions = layers | {"L40": {"type": "string"}}

    assert fit({"$ref": "#/$defs/L0", "$defs": definitions})["$defs"] == definitions
