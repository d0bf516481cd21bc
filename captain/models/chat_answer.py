"""The chunks of a Chat Completions stream put together, with the liberties that compatible servers take.

Known liberties: tool calls without index or id, one index for several calls, arguments as an object,
thinking inside the content list, reasoning under two names, usage in an extension, reasoning tokens
counted beside the completion instead of inside it, and chunks after the one that names the finish.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Final

from captain.core.messages import (
    AssistantMessage,
    JsonObject,
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
from captain.models.call_errors import Site, interrupted
from captain.models.openai_answer import OpenAIAnswer, count_of, text_of

_STOPS: Final[dict[str, StopReason]] = {
    "stop": "end",
    "eos": "end",
    "end_turn": "end",
    "stop_sequence": "end",
    "tool_calls": "tool_calls",
    "function_call": "tool_calls",
    "tool_use": "tool_calls",
    "length": "length",
    "max_tokens": "length",
    "model_length": "length",
    "content_filter": "refusal",
    "refusal": "refusal",
    "safety": "refusal",
}
_BROKEN_OFF: Final = frozenset({"abort", "cancelled", "insufficient_system_resource"})
_REASONING_FIELDS: Final = ("reasoning_content", "reasoning")


@dataclass(slots=True)
class _Call:
    id: str
    name: str
    given_id: str  # as the server wrote it, which may be nothing
    extra: JsonObject | None = None
    arguments: list[str] = field(default_factory=list)


class ChatAnswer(OpenAIAnswer):
    """The answer of a Chat Completions call."""

    def __init__(self, site: Site, *, provider: str) -> None:
        super().__init__(site, provider=provider)
        self._began = False  # a choice
        self._text: list[str] = []
        self._reasoning: list[str] = []
        self._reasoning_field = ""
        self._reasoning_details: list[JsonObject] = []
        self._calls: list[_Call] = []
        self._by_index: dict[int, int] = {}
        self._refused = False
        self._finish: str | None = None

    def take_whole(self, body: Any) -> list[StreamEvent]:
        """That the body is whole is its finish."""
        events = self.take(body[0] if isinstance(body, list) and body else body)
        if self._began and not self._finish:
            self._finish = "stop"
        return events

    def finish(self) -> tuple[AssistantMessage, StopReason]:
        if not self._began:
            raise self._bad("has no choices")
        word = (self._finish or "").lower()
        if not word or word in _BROKEN_OFF:
            raise interrupted(self._site, f" (the server says {word!r})." if word else ".", request_id=self.id)
        if word not in _STOPS:
            raise self._bad(f"ended for a reason that is not known: {self._site.quote(word)}")
        if any(not call.name for call in self._calls):
            raise self._bad("has a tool call without a name")
        stop = _STOPS[word]
        if self._refused:
            stop = "refusal"
        elif stop in ("end", "tool_calls"):
            stop = "tool_calls" if self._calls else "end"
        return AssistantMessage(parts=tuple(self._parts())), stop

    def _take(self, chunk: JsonObject) -> list[StreamEvent]:
        self.id = self.id or text_of(chunk.get("id") or "") or None
        self.served_by = self.served_by or text_of(chunk.get("model") or "") or None
        usage = chunk.get("usage") or (chunk.get("x_groq") or {}).get("usage")
        if usage:
            self.usage = read_usage(usage)
        choice = next((choice for choice in chunk.get("choices") or () if not choice.get("index")), None)
        if choice is None:
            return []
        self._began = True
        self._finish = text_of(choice.get("finish_reason") or "") or self._finish
        delta = choice.get("delta") or choice.get("message")
        return list(self._delta(delta)) if delta else []

    def _delta(self, delta: JsonObject) -> Iterator[StreamEvent]:
        yield from self._think(delta)
        content = delta.get("content")
        if isinstance(content, list):
            yield from self._content_list(content)
        elif content:
            yield self._say(content)
        if refusal := delta.get("refusal"):
            self._refused = True
            yield self._say(refusal)
        for wire in delta.get("tool_calls") or ():
            yield from self._call(wire)
        legacy = delta.get("function_call")
        if legacy and (legacy.get("name") or legacy.get("arguments")):
            yield from self._call({"index": 0, "function": legacy})

    def _say(self, text: Any) -> TextDelta:
        self._text.append(text_of(text))
        return TextDelta(text=text)

    def _think(self, delta: JsonObject) -> Iterator[StreamEvent]:
        for detail in delta.get("reasoning_details") or ():
            _merge(self._reasoning_details, detail)
        for name in _REASONING_FIELDS:
            if text := delta.get(name):
                self._reasoning_field = name
                self._reasoning.append(text_of(text))
                yield ReasoningDelta(text=text)
                return  # the other name, where it comes too, repeats it

    def _content_list(self, content: list[JsonObject]) -> Iterator[StreamEvent]:
        for item in content:
            if item.get("type") == "thinking":
                thought = item.get("thinking") or ()
                text = thought if isinstance(thought, str) else "".join(piece.get("text", "") for piece in thought)
                self._reasoning.append(text)
                yield ReasoningDelta(text=text)
            elif item.get("text"):
                yield self._say(item["text"])

    def _call(self, wire: JsonObject) -> Iterator[StreamEvent]:
        function = wire.get("function") or {}
        name, given_id = text_of(function.get("name") or ""), text_of(wire.get("id") or "")
        position, new = self._place(wire.get("index"), given_id, name)
        call = self._calls[position]
        if not new and name and not call.name:
            call.name, new = name, True
        if extra := wire.get("extra_content"):  # a signature that the server wants to see again
            call.extra = {"extra_content": extra}
        arguments = function.get("arguments") or ""
        if not isinstance(arguments, str):
            arguments = json.dumps(arguments, ensure_ascii=False)
        call.arguments.append(arguments)
        if new:
            yield ToolCallDelta(index=position, arguments=arguments, id=call.id, name=call.name)
        elif arguments:
            yield ToolCallDelta(index=position, arguments=arguments)

    def _place(self, index: int | None, given_id: str, name: str) -> tuple[int, bool]:
        """Which call a piece belongs to, and whether it begins one."""
        if index is None:
            same = [at for at, call in enumerate(self._calls) if given_id and call.given_id == given_id]
            known = same[-1] if same else None
            if known is None and not given_id and not name and self._calls:
                known = len(self._calls) - 1
        else:
            known = self._by_index.get(index)
            if known is not None and name and given_id and given_id != self._calls[known].given_id:
                known = None  # some servers give every call the index 0
        if known is not None:
            return known, False
        call_id = given_id or f"call_{secrets.token_hex(8)}"
        self._calls.append(_Call(id=call_id, name=name, given_id=given_id))
        if index is not None:
            self._by_index[index] = len(self._calls) - 1
        return len(self._calls) - 1, True

    def _parts(self) -> Iterator[Text | ToolCall | Reasoning]:
        if self._reasoning or self._reasoning_details:
            payload: JsonObject = {"field": self._reasoning_field} if self._reasoning_field else {}
            if self._reasoning_details:
                payload["reasoning_details"] = self._reasoning_details
            yield Reasoning(text="".join(self._reasoning), opaque=self._opaque(payload))
        if self._text:
            yield Text(text="".join(self._text))
        for call in self._calls:
            yield ToolCall(
                id=call.id, name=call.name, arguments="".join(call.arguments), opaque=self._opaque(call.extra)
            )


def read_usage(wire: JsonObject) -> Usage:
    """Token counts, made inclusive: cached inside input, reasoning inside output."""
    prompt, completion = wire.get("prompt_tokens_details") or {}, wire.get("completion_tokens_details") or {}
    input_tokens, output_tokens = count_of(wire.get("prompt_tokens")), count_of(wire.get("completion_tokens"))
    # xAI and Gemini count reasoning into the total only.
    output_tokens = max(output_tokens, count_of(wire.get("total_tokens")) - input_tokens)
    cached = prompt.get("cached_tokens") or wire.get("prompt_cache_hit_tokens") or wire.get("cached_tokens")
    reasoning = completion.get("reasoning_tokens") or wire.get("reasoning_tokens")
    return Usage(
        input_tokens=input_tokens,
        output_tokens=output_tokens,
        cached_tokens=min(count_of(cached), input_tokens),
        cache_write_tokens=min(count_of(prompt.get("cache_write_tokens")), input_tokens),
        reasoning_tokens=min(count_of(reasoning), output_tokens),
    )


def _merge(details: list[JsonObject], piece: JsonObject) -> None:
    """Streamed reasoning details come in pieces; the pieces of one block share type and index."""
    last = details[-1] if details else {}
    if not last or (last.get("type"), last.get("index")) != (piece.get("type"), piece.get("index")):
        details.append(dict(piece))
        return
    for key, value in piece.items():
        joined = key in ("text", "summary", "data") and isinstance(value, str) and isinstance(last.get(key), str)
        if joined:
            last[key] += value
        elif value is not None:
            last[key] = value
