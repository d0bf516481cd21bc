"""A tool is an async function: its signature says everything a model is told."""

from __future__ import annotations

import json
from contextlib import suppress
from dataclasses import dataclass
from typing import Annotated, Any, Literal

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import Field

from captain.core.errors import ToolError
from captain.core.messages import Text
from captain.tools import WORKING, Tool, ToolContext, ToolOutput, tool
from tests.core.values import JSON
from tests.tools.conftest import text_of


@dataclass(frozen=True)
class Place:
    path: str
    line: int = 1


@tool(effect="external", name="send")
async def example(
    context: ToolContext,
    to: Annotated[str, "Who gets it."],
    level: Literal["low", "high"] = "low",
    *,
    times: int = 1,
    places: list[Place] = [],  # noqa: B006
    note: str | None = None,
) -> str:
    """Sends something.

    With a second paragraph.
    """
    return f"{to} {level} {times} {places} {note} {context.command_timeout_s:g}"


def test_the_spec_comes_from_the_signature() -> None:
    spec = example.spec
    assert (spec.name, example.effect) == ("send", "external")
    assert spec.description == "Sends something.\n\nWith a second paragraph."
    properties = spec.parameters["properties"]
    assert list(properties) == ["to", "level", "times", "places", "note"]
    assert properties["to"] == {"type": "string", "description": "Who gets it."}
    assert properties["level"]["enum"] == ["low", "high"]
    assert properties["times"] == {"type": "integer", "default": 1}
    assert spec.parameters["required"] == ["to"]
    assert spec.parameters["type"] == "object"
    assert spec.parameters["additionalProperties"] is False
    assert "context" not in json.dumps(spec.parameters)


def test_a_limit_in_an_annotation_is_kept_beside_its_description() -> None:
    @tool()
    async def wait(seconds: Annotated[float, "How long.", Field(gt=0)]) -> str:
        return str(seconds)

    described = wait.spec.parameters["properties"]["seconds"]
    assert described == {"type": "number", "description": "How long.", "exclusiveMinimum": 0}


def test_a_tool_without_parameters_and_docstring_has_a_whole_spec() -> None:
    @tool()
    async def ping() -> str:
        return "pong"

    assert ping.spec.description == "ping"
    assert ping.spec.parameters == {"type": "object", "properties": {}, "additionalProperties": False}
    assert ping.effect == "read"


@pytest.mark.parametrize("each", WORKING, ids=lambda each: each.spec.name)
def test_the_spec_of_every_tool_is_json_and_describes_itself(each: Tool) -> None:
    assert json.loads(json.dumps(each.spec.parameters)) == each.spec.parameters
    assert len(each.spec.description) > 20


async def test_defaults_are_filled_in_and_the_context_is_handed_over() -> None:
    output = await example.call({"to": "you"}, ToolContext(command_timeout_s=5))
    assert text_of(output) == "you low 1 [] None 5"


async def test_values_come_in_as_the_types_of_the_signature() -> None:
    output = await example.call({"to": "you", "times": "3", "places": [{"path": "a"}]}, ToolContext())
    assert text_of(output) == "you low 3 [Place(path='a', line=1)] None 600"


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        ({}, "to: Field required"),
        ({"to": 1}, "to: Input should be a valid string"),
        ({"to": "x", "level": "middle"}, "level: Input should be 'low' or 'high'"),
        ({"to": "x", "times": "many"}, "times: Input should be a valid integer"),
        ({"to": "x", "places": [{"line": 2}]}, "places.0.path: Field required"),
        ({"to": "x", "colour": "red"}, "colour: Extra inputs are not permitted"),
        ({"to": "x", "context": {}}, "context: Extra inputs are not permitted"),
    ],
)
async def test_arguments_that_do_not_fit_are_explained_by_name(arguments: dict[str, Any], says: str) -> None:
    with pytest.raises(ToolError) as caught:
        await example.call(arguments, ToolContext())
    first, *rest = str(caught.value).splitlines()
    assert first == "The arguments of send do not fit:"
    assert any(line.startswith(says) for line in rest)


async def test_several_problems_are_told_at_once() -> None:
    with pytest.raises(ToolError) as caught:
        await example.call({"level": "x", "odd": 1}, ToolContext())
    assert len(str(caught.value).splitlines()) == 4


@pytest.mark.parametrize("name", ["json", "schema", "copy", "validate", "dict", "model_config", "model_fields", "_x"])
def test_a_parameter_can_have_any_name(name: str) -> None:
    names: dict[str, Any] = {"tool": tool}
    exec(f"@tool()\nasync def named({name}: str = 'x') -> str:\n    return {name}", names)
    assert list(names["named"].spec.parameters["properties"]) == [name]


async def test_a_default_that_can_be_changed_is_not_shared() -> None:
    @tool()
    async def collect(items: list[str] = []) -> str:  # noqa: B006
        items.append("x")
        return str(len(items))

    for _ in range(2):
        assert text_of(await collect.call({}, ToolContext())) == "1"


async def test_an_output_is_handed_on_as_it_is() -> None:
    made = ToolOutput(content=(Text(text="a"), Text(text="b")), is_error=True)

    @tool()
    async def give() -> ToolOutput:
        return made

    assert await give.call({}, ToolContext()) is made


async def test_an_error_of_the_tools_own_is_no_tool_error() -> None:
    @tool()
    async def broken() -> str:
        raise KeyError("a defect")

    with pytest.raises(KeyError, match="a defect"):
        await broken.call({}, ToolContext())


@settings(deadline=None, suppress_health_check=[HealthCheck.too_slow])  # of the machine it tells, not of the tool
@given(arguments=st.dictionaries(st.sampled_from(["to", "level", "times", "places", "note", "odd\udcff"]), JSON))
async def test_whatever_a_model_sends_is_taken_or_told(arguments: dict[str, Any]) -> None:
    with suppress(ToolError):
        assert text_of(await example.call(arguments, ToolContext()))
