"""The events of a Messages stream put together.

An answer is a row of blocks, each with a beginning, pieces and an end. Text, thoughts and tool calls are
Captain's own parts; every other block (a server's tool and its result, a compaction, whatever comes next)
is kept as it is and goes back as it came, which is also what signed thoughts and citations need.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final, TypeAlias

from captain.core.errors import BadResponseError
from captain.core.messages import (
    AssistantMessage,
    JsonObject,
    Opaque,
    Reasoning,
    ReasoningDelta,
    StopReason,
    StreamEvent,
    Text,
    TextDelta,
    ToolCall,
    ToolCallDelta,
)
from captain.core.usage import Usage
from captain.models.anthropic_errors import reported
from captain.models.call_errors import Site, interrupted

# A full context window cuts an answer off just as a limit does: what was written until then is paid and usable.
_STOPS: Final[dict[str, StopReason]] = {
    "end_turn": "end",
    "stop_sequence": "end",
    "tool_use": "tool_calls",
    "max_tokens": "length",
    "model_context_window_exceeded": "length",
    "refusal": "refusal",
    "pause_turn": "pause",
    "compaction": "pause",
}
_Part: TypeAlias = Text | ToolCall | Reasoning


@dataclass(slots=True)
class _Block:
    """`wire` is how it began; `place` counts the calls among the blocks."""

    kind: str
    wire: JsonObject
    place: int = -1
    texts: list[str] = field(default_factory=list)
    arguments: list[str] = field(default_factory=list)

    def input_text(self) -> str:
        """The JSON of a tool's input, also of one that came with the beginning of its block."""
        return "".join(self.arguments) or json.dumps(self.wire.get("input") or {}, ensure_ascii=False)


class AnthropicAnswer:
    """Takes the events of one answer as they come; `finish` is what they add up to.

    `heard` is true after any piece that is JSON, `complete` once the server has said that it is finished.
    """

    def __init__(self, site: Site, *, provider: str) -> None:
        self.id: str | None = None
        self.served_by: str | None = None
        self.heard = False
        self.complete = False
        self._site = site
        self._provider = provider
        self._began = False
        self._blocks: dict[int, _Block] = {}
        self._calls = 0
        self._counts: dict[str, int] = {}
        self._stop: str | None = None

    @property
    def usage(self) -> Usage:
        """Anthropic counts what was read from and written to the cache beside the input; here it is inside."""
        count = self._counts.get
        cached, written = count("cache_read_input_tokens", 0), count("cache_creation_input_tokens", 0)
        output = count("output_tokens", 0)
        return Usage(
            input_tokens=count("input_tokens", 0) + cached + written,
            output_tokens=output,
            cached_tokens=cached,
            cache_write_tokens=written,
            reasoning_tokens=min(count("thinking_tokens", 0), output),
        )

    def take(self, event: Any) -> list[StreamEvent]:
        """The events this piece makes. Raises `ModelError` for one that is an error or makes no sense."""
        self.heard = True
        if not isinstance(event, dict):
            raise self._bad(f"has a piece that is no JSON object: {self._site.quote(repr(event))}")
        if event.get("type") == "error" or event.get("error"):
            raise reported(self._site, event, request_id=self.id)
        try:
            return self._take(event)
        except (AttributeError, KeyError, OverflowError, TypeError, ValueError):  # a shape no documented server sends
            raise self._bad(f"has a piece of an unknown shape: {self._site.quote(json.dumps(event))}") from None

    def take_whole(self, body: Any) -> list[StreamEvent]:
        """As `take`, for a server that answers with one JSON body."""
        blocks = body.get("content") if isinstance(body, dict) else None
        if not isinstance(blocks, list):
            return self.take(body)
        events = self.take({"type": "message_start", "message": {**body, "content": []}})
        for index, block in enumerate(blocks):
            events += self.take({"type": "content_block_start", "index": index, "content_block": block})
            events += self.take({"type": "content_block_stop", "index": index})
        return events + self.take({"type": "message_delta", "delta": body}) + self.take({"type": "message_stop"})

    def finish(self) -> tuple[AssistantMessage, StopReason]:
        """The message and why it ended. Raises `ModelError` unless the server said that it is finished."""
        if self.heard and not self._began:
            raise self._bad("has no message")
        if not self.complete or self._stop is None:
            raise interrupted(self._site, ".", request_id=self.id)
        if self._stop not in _STOPS:
            raise self._bad(f"ended for a reason that is not known: {self._site.quote(self._stop)}")
        stop = _STOPS[self._stop]
        if stop in ("end", "tool_calls"):
            stop = "tool_calls" if self._calls else "end"
        parts = (self._part(block) for _, block in sorted(self._blocks.items()))
        return AssistantMessage(parts=tuple(part for part in parts if part is not None)), stop

    def _take(self, event: JsonObject) -> list[StreamEvent]:
        match event.get("type"):
            case "content_block_delta":
                return list(self._delta(self._blocks[event["index"]], event["delta"]))
            case "content_block_start":
                return list(self._start(event["index"], event["content_block"]))
            case "content_block_stop":
                return list(self._end(self._blocks[event["index"]]))
            case "message_start":
                message = event["message"]
                self._began = True
                self.id = _text(message.get("id") or "") or None
                self.served_by = _text(message.get("model") or "") or None
                self._count(message.get("usage"))
            case "message_delta":
                self._count(event.get("usage"))
                self._stop = _text(event["delta"].get("stop_reason") or "") or self._stop
            case "message_stop":
                self.complete = True
            case _:  # a ping, or something that did not exist when this was written
                pass
        return []

    def _start(self, index: Any, wire: JsonObject) -> Iterator[StreamEvent]:
        block = _Block(kind=_text(wire["type"]), wire=dict(wire))
        if not isinstance(index, int) or index in self._blocks:
            raise ValueError(index)
        self._blocks[index] = block
        if block.kind == "tool_use":
            block.place, self._calls = self._calls, self._calls + 1
            name, given = _text(wire["name"]), _text(wire["id"])
            yield ToolCallDelta(index=block.place, arguments="", id=given, name=name)
        elif block.kind in ("text", "thinking") and wire.get(block.kind):
            yield _said(block, wire[block.kind])

    def _delta(self, block: _Block, delta: JsonObject) -> Iterator[StreamEvent]:
        match delta["type"]:
            case "text_delta":
                yield _said(block, delta["text"])
            case "thinking_delta":
                if delta["thinking"]:
                    yield _said(block, delta["thinking"])
            case "input_json_delta":
                piece = _text(delta["partial_json"])
                block.arguments.append(piece)
                if piece and block.place >= 0:
                    yield ToolCallDelta(index=block.place, arguments=piece)
            case "citations_delta":
                block.wire["citations"] = [*(block.wire.get("citations") or ()), delta["citation"]]
            case _:  # a signature, a compaction, or what else belongs to the block
                block.wire |= {key: value for key, value in delta.items() if key != "type"}

    def _end(self, block: _Block) -> Iterator[StreamEvent]:
        if block.place >= 0 and not any(block.arguments):
            block.arguments.append(block.input_text())
            yield ToolCallDelta(index=block.place, arguments=block.arguments[-1])

    def _count(self, usage: JsonObject | None) -> None:
        """Counts are cumulative, so the last one holds; a refusal can take back what was counted before."""
        usage = usage or {}
        for name, count in (usage | (usage.get("output_tokens_details") or {})).items():
            if isinstance(count, int) and count >= 0:
                self._counts[name] = count

    def _part(self, block: _Block) -> _Part | None:
        text = "".join(block.texts)
        match block.kind:
            case "text":
                extra = {key: value for key, value in block.wire.items() if key not in ("type", "text") and value}
                return Text(text=text, opaque=self._opaque(extra)) if text else None
            case "thinking":
                # Without its signature (the limit came first) it would be refused.
                signed = {**block.wire, "thinking": text} if block.wire.get("signature") else {}
                return Reasoning(text=text, opaque=self._opaque(signed))
            case "redacted_thinking":
                return Reasoning(text="", opaque=self._opaque(block.wire))
            case "tool_use":
                known = ("type", "id", "name", "input")
                extra = {key: value for key, value in block.wire.items() if key not in known and value}
                return ToolCall(
                    id=block.wire["id"],
                    name=block.wire["name"],
                    arguments=block.input_text(),
                    opaque=self._opaque(extra),
                )
        return self._other(block)

    def _other(self, block: _Block) -> Text | None:
        if "input" in block.wire:
            try:
                block.wire["input"] = json.loads(block.input_text())
            except (ValueError, RecursionError):  # cut off in the middle, and of no use to the server it came from
                return None
        return Text(text="", opaque=self._opaque(block.wire))

    def _opaque(self, payload: JsonObject) -> Opaque | None:
        return Opaque(provider=self._provider, data=json.dumps(payload)) if payload else None

    def _bad(self, what: str) -> BadResponseError:
        return BadResponseError(
            f"The answer of {self._site.model} {what}.",
            model=self._site.model,
            hint=f"Try again; if it stays so, check that the URL is that of a {self._site.api} server.",
            request_id=self.id,
            retryable=True,
        )


def _said(block: _Block, text: Any) -> TextDelta | ReasoningDelta:
    block.texts.append(_text(text))
    return TextDelta(text=text) if block.kind == "text" else ReasoningDelta(text=text)


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{type(value).__name__} in place of a text")
    return value
