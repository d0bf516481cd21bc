"""The window: the conversation as it is sent, with a running count of its tokens.

It only grows, so that prompt caches hit, unless it is compacted. The count is exact up to the last reply
(its provider counted) and estimated after it, so that no turn has to measure the whole history again.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from captain.core import codec
from captain.core.messages import AssistantMessage, Message, Reply, Text, ToolResult, UserMessage

CHARS_PER_TOKEN: Final = 4  # a usual estimate for English and code; reservations and compaction rest on it
_IMAGE_TOKENS: Final = 1_600
_HEAD_CHARS: Final = 400


@dataclass(frozen=True, slots=True, kw_only=True)
class Transcript:
    """A conversation to go on from. `clipped` are the whole results of tools that were cut, by call id."""

    messages: tuple[Message, ...] = ()
    clipped: tuple[tuple[str, str], ...] = ()


@dataclass(slots=True)
class Window:
    """`overhead_tokens` stands for what is sent beside the messages: instructions and tools."""

    overhead_tokens: int
    messages: list[Message] = field(default_factory=list)
    clipped: dict[str, str] = field(default_factory=dict)
    _counted: int = 0
    _counted_messages: int = 0
    _hash: Any = field(default_factory=hashlib.sha256)
    _hashed: list[Message] = field(default_factory=list)

    @property
    def tokens(self) -> int:
        """What the next request will hold, estimated where no provider has counted yet."""
        fresh = sum(tokens_of(message) for message in self.messages[self._counted_messages :])
        return (self._counted or self.overhead_tokens) + fresh

    @property
    def transcript(self) -> Transcript:
        return Transcript(messages=tuple(self.messages), clipped=tuple(self.clipped.items()))

    def fingerprint(self) -> str:
        """A digest of all messages, kept up as they come: only what is new is encoded."""
        settled = len(self._hashed)
        if any(now is not then for now, then in zip(self.messages, self._hashed, strict=False)):
            settled, self._hash = 0, hashlib.sha256()
        for message in self.messages[settled:]:
            self._hash.update(codec.to_json(message).encode())
        self._hashed = list(self.messages)
        return str(self._hash.hexdigest())

    def add(self, message: Message) -> None:
        self.messages.append(message)

    def replied(self, reply: Reply) -> None:
        """Adds the reply's message; a provider that counts makes the count exact again."""
        self.messages.append(reply.message)
        if reply.usage.input_tokens:
            self._counted = reply.usage.total_tokens
            self._counted_messages = len(self.messages)

    def say(self, text: str) -> None:
        """Adds words to the last message if it is the user's side's, as a second one would follow it."""
        last = self.messages[-1] if self.messages else None
        if isinstance(last, UserMessage) and len(self.messages) > self._counted_messages:
            self.messages[-1] = UserMessage(parts=(*last.parts, Text(text=text)))
        else:
            self.add(UserMessage(parts=(Text(text=text),)))

    def clip(self, keep_turns: int) -> None:
        """The first stage of compaction: results of tools, but for the last turns, are cut to their heads."""
        recent = turn_start(self.messages, keep_turns)
        self._replace([self._clipped(message) if i < recent else message for i, message in enumerate(self.messages)])

    def fold(self, summary: str, keep_turns: int) -> None:
        """The second stage: all but the opening and the last `keep_turns` turns become a summary.

        The opening message stays as it was, with the summary behind it.
        """
        opening = self.messages[0]
        assert isinstance(opening, UserMessage)
        recent = self.messages[turn_start(self.messages, keep_turns) :]
        self._replace([UserMessage(parts=(*_without_summary(opening), Text(text=_SUMMARY + summary))), *recent])

    def _replace(self, messages: list[Message]) -> None:
        self.messages[:] = messages
        self._counted = self._counted_messages = 0

    def _clipped(self, message: Message) -> Message:
        if not isinstance(message, UserMessage):
            return message
        return UserMessage(
            parts=tuple(self._cut(part) if isinstance(part, ToolResult) else part for part in message.parts)
        )

    def _cut(self, result: ToolResult) -> ToolResult:
        text = "".join(part.text for part in result.content if isinstance(part, Text))
        if len(text) <= 2 * _HEAD_CHARS or result.call_id in self.clipped:
            return result
        self.clipped[result.call_id] = text
        note = f"\n… {len(text) - _HEAD_CHARS} characters left out; `recall` with id {result.call_id!r} has them."
        return replace(result, content=(Text(text=text[:_HEAD_CHARS] + note),))


_SUMMARY: Final = "# What was done so far (the messages themselves are left out)\n\n"


def _without_summary(opening: UserMessage) -> list[Text]:
    return [part for part in opening.parts if isinstance(part, Text) and not part.text.startswith(_SUMMARY)]


def turn_start(messages: Sequence[Message], turns: int) -> int:
    """Where the last `turns` turns begin: at a model's message, so that calls stay with their results."""
    places = [place for place, message in enumerate(messages) if isinstance(message, AssistantMessage)]
    if not places or turns == 0:
        return len(messages)
    return places[-min(turns, len(places))]


def tokens_of(message: Message) -> int:
    return sum(_tokens(part) for part in message.parts)


def _tokens(part: object) -> int:
    if isinstance(part, ToolResult):
        return 8 + sum(_tokens(inner) for inner in part.content)
    text = getattr(part, "text", None)
    if text is None:
        text = getattr(part, "arguments", None)
    return _IMAGE_TOKENS if text is None else len(text) // CHARS_PER_TOKEN + 4
