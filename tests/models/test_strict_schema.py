from __future__ import annotations

import enum
from typing import Annotated, Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import BaseModel, Field, ValidationError

from captain.models.strict_schema import NotStrict, is_strict, narrowed

TEXT = {"type": "string"}


class Severity(enum.StrEnum):
    MAJOR = "major"
    MINOR = "minor"


class Anchor(BaseModel):
    path: str
    line: int | None = Field(default=None, ge=1)


class Objection(BaseModel):
    kind: Literal["objection"]
    severity: Severity = Field(default=Severity.MINOR, description="How bad it is.")
    anchors: list[Anchor] = []


class Praise(BaseModel):
    kind: Literal["praise"]
    text: str = ""


class Review(BaseModel):
    title: str
    first: Anchor = Field(description="Where to look first.")
    remarks: list[Annotated[Objection | Praise, Field(discriminator="kind")]] = []


def test_what_people_write_becomes_strict() -> None:
    schema = narrowed(Review.model_json_schema())

    assert is_strict(schema)
    assert schema["required"] == ["title", "first", "remarks"]
    assert schema["additionalProperties"] is False
    assert schema["properties"]["first"] == {"$ref": "#/$defs/Anchor"}
    assert "anyOf" in schema["properties"]["remarks"]["items"]
    assert schema["$defs"]["Anchor"]["required"] == ["path", "line"]


def test_a_strict_schema_stays_as_it_is() -> None:
    schema = {
        "type": "object",
        "properties": {"b": TEXT, "a": {"type": ["integer", "null"], "minimum": 1}},
        "required": ["a", "b"],
        "additionalProperties": False,
    }

    assert narrowed(schema) == schema
    assert is_strict(schema)


@pytest.mark.parametrize(
    "schema",
    [
        {"type": "object", "properties": {"a": TEXT}, "required": [], "additionalProperties": False},
        {"type": "object", "properties": {"a": TEXT}, "required": ["a"]},
        {
            "type": "object",
            "properties": {"a": {**TEXT, "default": ""}},
            "required": ["a"],
            "additionalProperties": False,
        },
        {"type": "string"},
    ],
)
def test_a_schema_that_leaves_something_open_is_not_strict(schema: dict[str, Any]) -> None:
    assert not is_strict(schema)


@pytest.mark.parametrize(
    ("inner", "why"),
    [
        ({"type": "object", "additionalProperties": TEXT}, "#/properties/a allows properties of any name"),
        ({"type": "object"}, "does not name its properties"),
        ({"type": "object", "properties": {}, "required": ["x"], "additionalProperties": False}, "does not describe"),
        ({"type": "array"}, "does not say what its items are"),
        ({"type": "array", "items": {}}, "#/properties/a/items does not say what it allows"),
        ({"type": "array", "items": True}, "does not say what it allows"),
        ({**TEXT, "minLength": 1}, "uses minLength, which is not enforced"),
        ({**TEXT, "format": "uri"}, "has the format 'uri'"),
        ({"anyOf": [TEXT, {"not": TEXT}]}, "#/properties/a/anyOf/1 uses not"),
        ({"oneOf": [TEXT]}, "uses oneOf"),
    ],
)
def test_what_is_not_enforced_is_not_promised(inner: dict[str, Any], why: str) -> None:
    with pytest.raises(NotStrict, match=why):
        narrowed({"type": "object", "properties": {"a": inner}})


@pytest.mark.parametrize("root", [{"anyOf": [TEXT]}, {"type": "array", "items": TEXT}, {"$ref": "#/$defs/A"}])
def test_an_answer_is_always_an_object(root: dict[str, Any]) -> None:
    with pytest.raises(NotStrict, match="its root is not an object"):
        narrowed(root)


NAMES = st.sampled_from(["x", ""])
ANCHORS = st.fixed_dictionaries({"path": NAMES, "line": st.none() | st.integers(-1, 2)}, optional={"more": NAMES})
REMARKS = st.fixed_dictionaries(
    {"kind": st.sampled_from(["objection", "praise"])},
    optional={"severity": st.sampled_from(["minor", "x"]), "anchors": st.lists(ANCHORS, max_size=2), "text": NAMES},
)


@given(st.fixed_dictionaries({"title": NAMES, "first": ANCHORS, "remarks": st.lists(REMARKS, max_size=2)}))
def test_whatever_fits_the_strict_form_fits_the_schema_it_was_made_of(answer: dict[str, Any]) -> None:
    jsonschema = pytest.importorskip("jsonschema", reason="jsonschema is in the dev extra")
    schema = Review.model_json_schema()

    if jsonschema.Draft202012Validator(narrowed(schema)).is_valid(answer):
        try:
            Review.model_validate(answer)
        except ValidationError as error:
            pytest.fail(str(error))
