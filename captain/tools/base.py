"""What a tool is: a name, a schema, an effect, and one call.

Everything a call gives rise to stands in its `ToolOutput`, so that a remembered output is as good as the
call itself when a run is resumed.
"""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Annotated, Any, Literal, Protocol, TypeAlias, get_args, get_origin, get_type_hints

from captain.core import codec
from captain.core.errors import ToolError
from captain.core.messages import JsonObject, Media, Text, ToolSpec
from captain.core.tasks import FollowUp
from captain.sandbox import Box

if TYPE_CHECKING:
    from pydantic import BaseModel

Effect: TypeAlias = Literal["read", "write", "execute", "external"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolOutput:
    """What the model is told, and what else came of the call.

    `submission` is JSON that ends the agent's work; `follow_ups` are notes for the report. `failed` says of a command
    that it did not end with exit code 0, which is an answer and no error.
    """

    content: tuple[Text | Media, ...]
    is_error: bool = False
    submission: str | None = None
    follow_ups: tuple[FollowUp, ...] = ()
    failed: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolContext:
    """What a call may use. An agent that runs without a workspace has no box.

    `agent` is the name of whoever calls, `path` that of the call as a step of the run. `clipped` are earlier results
    that were cut from the conversation, whole, by the id of their call.
    `image_types` are the media types of images that the model reads, of `image_bytes` at most if that is known.
    """

    maybe_box: Box | None = None
    agent: str = "agent"
    path: str = ""
    clipped: Mapping[str, str] = field(default_factory=dict)
    command_timeout_s: float = 600.0
    image_types: tuple[str, ...] = ()
    image_bytes: int | None = None

    @property
    def box(self) -> Box:
        if self.maybe_box is None:
            raise ToolError("This tool needs a workspace, and this agent has none.")
        return self.maybe_box


class Tool(Protocol):
    """`call` raises `ToolError` for what the model should be told; any other error ends the agent."""

    @property
    def spec(self) -> ToolSpec: ...

    @property
    def effect(self) -> Effect: ...

    async def call(self, arguments: JsonObject, context: ToolContext, /) -> ToolOutput: ...


def said(text: str, *, is_error: bool = False) -> ToolOutput:
    return ToolOutput(content=(Text(text=text),), is_error=is_error)


class FunctionTool:
    """A tool made of an async function; `tool` is the usual way to make one.

    The function's name, docstring and annotated parameters become the spec. `Annotated[str, "…"]`
    describes a parameter. A first parameter of type `ToolContext` receives the context.
    """

    def __init__(self, function: Callable[..., Awaitable[ToolOutput | str]], effect: Effect, name: str | None) -> None:
        self._function = function
        self._effect = effect
        self._name = name or function.__name__

    @property
    def effect(self) -> Effect:
        return self._effect

    @cached_property
    def spec(self) -> ToolSpec:
        schema = self._arguments.model_json_schema()
        schema.pop("title", None)
        schema.pop("description", None)
        for parameter in schema.get("properties", {}).values():
            parameter.pop("title", None)
        schema.setdefault("properties", {})
        return ToolSpec(
            name=self._name, description=inspect.cleandoc(self._function.__doc__ or self._name), parameters=schema
        )

    async def call(self, arguments: JsonObject, context: ToolContext, /) -> ToolOutput:
        try:
            values = self._arguments.model_validate(arguments)
        except ValueError as error:
            raise ToolError(f"The arguments of {self._name} do not fit:\n{codec.explain(error)}") from error
        given = {str(field.alias): getattr(values, place) for place, field in type(values).model_fields.items()}
        output = await (self._function(context, **given) if self._takes_context else self._function(**given))
        return said(output) if isinstance(output, str) else output

    @cached_property
    def _takes_context(self) -> bool:
        hints = get_type_hints(self._function)
        first = next(iter(inspect.signature(self._function).parameters), None)
        return first is not None and hints.get(first) is ToolContext

    @cached_property
    def _arguments(self) -> type[BaseModel]:
        from pydantic import ConfigDict, create_model

        hints = get_type_hints(self._function, include_extras=True)
        # The fields are numbered, since a field of a model cannot be called `schema` or `_x`, and a parameter can.
        fields: dict[str, Any] = {
            f"argument_{number}": (
                _described(hints.get(name, Any), name),
                ... if parameter.default is parameter.empty else parameter.default,
            )
            for number, (name, parameter) in enumerate(inspect.signature(self._function).parameters.items())
            if hints.get(name) is not ToolContext
        }
        return create_model(self._name, __config__=ConfigDict(extra="forbid"), **fields)


def _described(hint: Any, name: str) -> Any:
    """`Annotated[str, "what it is"]` in pydantic's words, and the name the model knows it by."""
    from pydantic import Field

    notes = get_args(hint)[1:] if get_origin(hint) is Annotated else ()
    text = next((note for note in notes if isinstance(note, str)), None)
    return Annotated[hint, Field(alias=name, description=text) if text else Field(alias=name)]


def tool(
    *, effect: Effect = "read", name: str | None = None
) -> Callable[[Callable[..., Awaitable[ToolOutput | str]]], FunctionTool]:
    """Makes a tool of an async function; see `FunctionTool` for what its signature says."""

    def make(function: Callable[..., Awaitable[ToolOutput | str]]) -> FunctionTool:
        return FunctionTool(function, effect, name)

    return make
