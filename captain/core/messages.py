"""What is said to a model and what it answers, in words that belong to no provider.

Five parts make up two kinds of message; what only one provider understands rides along as `Opaque`
and goes back to that provider alone.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass, field
from typing import Annotated, Any, ClassVar, Literal, TypeAlias

from captain.core.usage import Usage

JsonObject: TypeAlias = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Opaque:
    """A vendor's own form of a part, as JSON text; it goes back to that provider only, others drop it."""

    provider: str
    data: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Text:
    """With an empty `text`, only the vendor's payload: a server-side tool's call or result, for instance."""

    text: str
    opaque: Opaque | None = None
    kind: Literal["text"] = "text"


class _Base64:
    """Bytes that are base64 in JSON, also in JSON that `json.loads` has read (`val_json_bytes` is not)."""

    @classmethod
    def __get_pydantic_core_schema__(cls, source: Any, handler: Any) -> Any:
        from pydantic_core import core_schema

        return core_schema.no_info_before_validator_function(
            lambda value: base64.urlsafe_b64decode(value) if isinstance(value, str) else value, handler(source)
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Media:
    """An image or a file, by its bytes."""

    media_type: str
    data: Annotated[bytes, _Base64]
    name: str | None = None
    kind: Literal["media"] = "media"

    __pydantic_config__: ClassVar = {"ser_json_bytes": "base64"}


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolCall:
    """`arguments` is the JSON text the model wrote, kept as it came: it may be invalid."""

    id: str
    name: str
    arguments: str
    opaque: Opaque | None = None
    kind: Literal["tool_call"] = "tool_call"


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolResult:
    call_id: str
    content: tuple[Text | Media, ...]
    is_error: bool = False
    kind: Literal["tool_result"] = "tool_result"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reasoning:
    text: str
    opaque: Opaque | None = None
    kind: Literal["reasoning"] = "reasoning"


Part: TypeAlias = Text | Media | ToolCall | ToolResult | Reasoning


@dataclass(frozen=True, slots=True, kw_only=True)
class UserMessage:
    parts: tuple[Text | Media | ToolResult, ...]
    role: Literal["user"] = "user"


@dataclass(frozen=True, slots=True, kw_only=True)
class AssistantMessage:
    parts: tuple[Text | ToolCall | Reasoning, ...]
    role: Literal["assistant"] = "assistant"

    @property
    def text(self) -> str:
        return "".join(part.text for part in self.parts if isinstance(part, Text))

    @property
    def tool_calls(self) -> tuple[ToolCall, ...]:
        return tuple(part for part in self.parts if isinstance(part, ToolCall))


Message: TypeAlias = UserMessage | AssistantMessage


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolSpec:
    """What a model is told about a tool; `parameters` is a JSON Schema of an object."""

    name: str
    description: str
    parameters: JsonObject


@dataclass(frozen=True, slots=True, kw_only=True)
class OutputSchema:
    """The answer has to be JSON of this schema. Raises before the call where a model cannot promise it."""

    name: str
    schema: JsonObject


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """Tuning knobs; one that a model does not take is dropped by its adapter."""

    max_output_tokens: int | None = None
    temperature: float | None = None
    reasoning_effort: Literal["none", "minimal", "low", "medium", "high", "xhigh"] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One model call. `messages` only ever grows between calls, so that prompt caches hit.

    `conversation` is a stable name for the calls that share a beginning, for providers that route by it.
    """

    instructions: str
    messages: tuple[Message, ...]
    tools: tuple[ToolSpec, ...] = ()
    settings: Settings = field(default_factory=Settings)
    output: OutputSchema | None = None
    conversation: str = ""


StopReason: TypeAlias = Literal["end", "tool_calls", "length", "refusal", "pause"]
"""`pause`: a provider wants the same conversation again before it goes on with its own tools."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """A finished answer. `first_event_s` and `duration_s` are seconds from the start of the call.

    Where another model answered than the one that was asked, `answered_by` is its id and `priced_as` the
    provider and the name of its price. `lost_calls` are other attempts at this answer that came to nothing and may
    be charged for: they broke off, or were given up for the one that answered.
    """

    message: AssistantMessage
    stop: StopReason
    usage: Usage
    model: str
    request_id: str | None = None
    first_event_s: float = 0.0
    duration_s: float = 0.0
    answered_by: str = ""
    priced_as: tuple[str, str] | None = None
    lost_calls: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class TextDelta:
    text: str
    kind: Literal["text_delta"] = "text_delta"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReasoningDelta:
    text: str
    kind: Literal["reasoning_delta"] = "reasoning_delta"


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolCallDelta:
    """A piece of the arguments of the call at `index`; `id` and `name` come with its first piece."""

    index: int
    arguments: str
    id: str | None = None
    name: str | None = None
    kind: Literal["tool_call_delta"] = "tool_call_delta"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """Always the last event of a stream, and the only one that carries the whole reply."""

    reply: Reply
    kind: Literal["finished"] = "finished"


StreamEvent: TypeAlias = TextDelta | ReasoningDelta | ToolCallDelta | Finished


def user(text: str) -> UserMessage:
    return UserMessage(parts=(Text(text=text),))
