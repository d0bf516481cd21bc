"""A model that says what a script tells it to, for tests, examples and runs without a key.

It can check what it is asked before it answers, so a script is also a test of the conversation around it.
"""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any, Final, TypeAlias

import anyio.lowlevel

from captain.core.errors import ModelError, ScriptError, UsageError
from captain.core.messages import (
    AssistantMessage,
    Finished,
    Media,
    Message,
    Part,
    Reply,
    Request,
    StopReason,
    StreamEvent,
    Text,
    TextDelta,
    ToolCall,
    ToolCallDelta,
    ToolResult,
)
from captain.core.usage import Usage
from captain.models.base import Profile

_SHOWN_CHARS: Final = 600

Expectation: TypeAlias = str | tuple[str, ...] | Callable[[Request], bool]


def call(name: str, /, **arguments: Any) -> ToolCall:
    """A tool call; the model gives it its id. For arguments that are no JSON, make a `ToolCall` with `id=""`."""
    return ToolCall(id="", name=name, arguments=json.dumps(arguments, ensure_ascii=False))


@dataclass(frozen=True, slots=True, kw_only=True)
class ScriptedReply:
    """One turn of a script.

    `expects` is what this turn must have been asked: text that occurs in the last message (results of
    tools included), several such, or a test of the whole request. `error` is raised after the text has
    been streamed, as a connection that breaks would.
    """

    text: str = ""
    calls: tuple[ToolCall, ...] = ()
    expects: Expectation = ()
    usage: Usage | None = None
    stop: StopReason | None = None
    error: ModelError | None = None


Scripted: TypeAlias = str | ToolCall | ScriptedReply | Sequence[str | ToolCall]
Script: TypeAlias = Sequence[Scripted] | Mapping[str, Sequence[Scripted]] | Callable[[Request], Scripted]


@dataclass(slots=True)
class _Track:
    """One sequence of replies and how far it has been played."""

    replies: tuple[Scripted, ...]
    played: int = 0


class ScriptedModel:
    """Plays `replies`: in order, or as a function of the request, or by needle.

    With a mapping, the first key that occurs in the instructions or in the first user message selects the
    sequence, so that agents at work at the same time each follow their own. `requests` is everything that
    was asked. Raises `ScriptError` where the script has ended or is asked what it does not expect.

    With `by_turn`, the n-th turn of any conversation gets the n-th reply of its sequence: several conversations may
    follow one sequence, and a run that is resumed with a new model goes on where it was.
    """

    def __init__(
        self,
        replies: Script,
        *,
        id: str = "scripted",  # noqa: A002
        profile: Profile | None = None,
        by_turn: bool = False,
    ) -> None:
        self.requests: list[Request] = []
        self._id = id
        self._profile = profile or Profile(family="scripted")
        self._function = replies if callable(replies) else None
        self._by_needle = isinstance(replies, Mapping)
        self._by_turn = by_turn
        self._tracks: dict[str, _Track] = {}
        if isinstance(replies, Mapping):
            self._tracks = {needle: _track(sequence, f"replies[{needle!r}]") for needle, sequence in replies.items()}
        elif not callable(replies):
            self._tracks = {"": _track(replies, "replies")}

    def __repr__(self) -> str:
        return f"ScriptedModel(id={self._id!r})"

    @property
    def id(self) -> str:
        return self._id

    @property
    def profile(self) -> Profile:
        return self._profile

    @property
    def remaining(self) -> int:
        """Replies that were not asked for yet."""
        return sum(len(track.replies) - track.played for track in self._tracks.values())

    @asynccontextmanager
    async def stream(self, request: Request, /) -> AsyncIterator[AsyncIterator[StreamEvent]]:
        self.requests.append(request)
        reply, place = self._next(request)
        self._check(reply, place, request)
        async with aclosing(self._events(request, reply)) as events:
            yield events

    async def aclose(self) -> None:
        """Nothing is held open."""

    def _next(self, request: Request) -> tuple[_Turn, str]:
        if self._function is not None:
            return _turn(self._function(request)), f"request {len(self.requests)}"
        key = self._key(request)
        track, where = self._tracks[key], f" for {key!r}" if self._by_needle else ""
        if self._by_turn:
            track.played = sum(isinstance(message, AssistantMessage) for message in request.messages)
        if track.played >= len(track.replies):
            raise ScriptError(
                f"The script of {self._id}{where} has only {_replies(len(track.replies))} and was asked for one more: "
                f"{_head(_last_text(request))}",
                model=self._id,
                hint="Add a reply to the script, or find out why the model is asked again.",
            )
        track.played += 1
        return _turn(track.replies[track.played - 1]), f"reply {track.played}{where}"

    def _key(self, request: Request) -> str:
        if not self._by_needle:
            return ""
        opening = next((message for message in request.messages if message.role == "user"), None)
        first = "" if opening is None else _text_of(opening)
        key = next((needle for needle in self._tracks if needle in request.instructions or needle in first), None)
        if key is None:
            raise ScriptError(
                f"No key of the script of {self._id} occurs in what it was asked: {_head(first)}",
                model=self._id,
                hint="The keys are " + ", ".join(repr(needle) for needle in self._tracks) + ".",
            )
        return key

    def _check(self, reply: _Turn, place: str, request: Request) -> None:
        asked = _last_text(request)
        if callable(reply.expects):
            missing = [] if reply.expects(request) else [getattr(reply.expects, "__name__", "its test")]
        else:
            expected = (reply.expects,) if isinstance(reply.expects, str) else reply.expects
            missing = [repr(text) for text in expected if text not in asked]
        if missing:
            raise ScriptError(
                f"{place.capitalize()} of {self._id} expects {' and '.join(missing)}, but was asked: {_head(asked)}",
                model=self._id,
                hint="Compare the script with the conversation; `requests` holds all that was asked.",
            )

    async def _events(self, request: Request, reply: _Turn) -> AsyncGenerator[StreamEvent]:
        parts = tuple(_with_ids(reply.parts, request))
        calls = 0
        for part in parts:
            await anyio.lowlevel.checkpoint()
            if isinstance(part, Text):
                yield TextDelta(text=part.text)
            else:
                yield ToolCallDelta(index=calls, arguments=part.arguments, id=part.id, name=part.name)
                calls += 1
        if reply.error is not None:
            raise reply.error
        await anyio.lowlevel.checkpoint()
        yield Finished(
            reply=Reply(
                message=AssistantMessage(parts=parts),
                stop=reply.stop or ("tool_calls" if calls else "end"),
                usage=reply.usage or _estimate(request, parts),
                model=self._id,
            )
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Turn:
    """A reply in its one full form."""

    parts: tuple[Text | ToolCall, ...]
    expects: Expectation = ()
    usage: Usage | None = None
    stop: StopReason | None = None
    error: ModelError | None = None


def _turn(reply: Scripted) -> _Turn:
    if isinstance(reply, ScriptedReply):
        return _Turn(
            parts=(*_parts((reply.text,) if reply.text else ()), *reply.calls),
            expects=reply.expects,
            usage=reply.usage,
            stop=reply.stop,
            error=reply.error,
        )
    return _Turn(parts=_parts((reply,) if isinstance(reply, str | ToolCall) else reply))


def _parts(said: Sequence[str | ToolCall]) -> tuple[Text | ToolCall, ...]:
    return tuple(Text(text=part) if isinstance(part, str) else part for part in said)


def _track(replies: Sequence[Scripted], name: str) -> _Track:
    if isinstance(replies, str):
        raise UsageError(f"{name} is one text, not a list of replies.", hint=f"Write {name} as a list: [{replies!r}].")
    return _Track(tuple(replies))


def _with_ids(parts: Sequence[Text | ToolCall], request: Request) -> Iterator[Text | ToolCall]:
    """Calls without an id get the next one that is free in the conversation, whoever else is asking."""
    used = {part.id for message in request.messages for part in message.parts if isinstance(part, ToolCall)}
    number = len(used)
    for part in parts:
        if isinstance(part, ToolCall) and not part.id:
            number += 1
            while f"call_{number}" in used:
                number += 1
            yield replace(part, id=f"call_{number}")
        else:
            yield part


def _estimate(request: Request, parts: Sequence[Part]) -> Usage:
    """A quarter of the bytes: deterministic, and near enough to what a tokenizer would count."""
    asked = [request.instructions, *(_text_of(message) for message in request.messages)]
    asked += [tool.name + tool.description + json.dumps(tool.parameters) for tool in request.tools]
    return Usage(input_tokens=_tokens("".join(asked)), output_tokens=_tokens("".join(_text(part) for part in parts)))


def _tokens(text: str) -> int:
    return -(-len(text.encode("utf-8", "replace")) // 4)


def _text_of(message: Message) -> str:
    return "\n".join(_text(part) for part in message.parts)


def _text(part: Part) -> str:
    match part:
        case ToolResult():
            return "\n".join(_text(shown) for shown in part.content)
        case ToolCall():
            return part.name + part.arguments
        case Media():
            return part.name or part.media_type
        case _:
            return part.text


def _last_text(request: Request) -> str:
    return _text_of(request.messages[-1]) if request.messages else request.instructions


def _head(text: str) -> str:
    return repr(text if len(text) <= _SHOWN_CHARS else f"{text[:_SHOWN_CHARS]}…")


def _replies(count: int) -> str:
    return "1 reply" if count == 1 else f"{count} replies"
