"""The events of a Responses stream put together.

Items are kept as they are said to be when done; deltas are only passed on. An item of the provider's own
(reasoning, a search, a call of a tool that runs there) becomes a part whose payload is that item, so that
it goes back as it came.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, ClassVar, Final

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
from captain.models.call_errors import Site, interrupted, reported
from captain.models.openai_answer import OpenAIAnswer, count_of, text_of

_CUT_SHORT: Final[dict[str, StopReason]] = {"max_output_tokens": "length", "content_filter": "refusal"}
_WHOLE: Final = frozenset({"completed", "complete"})
_UNFINISHED: Final = frozenset({"queued", "in_progress"})


class ResponsesAnswer(OpenAIAnswer):
    """The answer of a Responses call."""

    def __init__(self, site: Site, *, provider: str) -> None:
        super().__init__(site, provider=provider)
        self._items: dict[int, JsonObject] = {}
        self._streamed: set[int] = set()  # items of which something was passed on
        self._calls: dict[int, int] = {}  # the positions of items that are calls, among the calls
        self._response: JsonObject | None = None
        self._parts: tuple[Text | ToolCall | Reasoning, ...] = ()
        self._refused = False

    def take_whole(self, body: Any) -> list[StreamEvent]:
        return self.take(body[0] if isinstance(body, list) and body else body)

    def finish(self) -> tuple[AssistantMessage, StopReason]:
        response = self._response
        if response is None:
            raise interrupted(self._site, ".", request_id=self.id)
        stop = self._stop(response)
        if not self._parts and stop == "end":
            raise self._bad("has no output")
        if stop == "end" and self._refused:
            stop = "refusal"
        elif stop == "end" and any(isinstance(part, ToolCall) for part in self._parts):
            stop = "tool_calls"
        return AssistantMessage(parts=self._parts), stop

    def _take(self, chunk: JsonObject) -> list[StreamEvent]:
        if "type" not in chunk:
            return self._settle(chunk)
        reader = self._READERS.get(chunk["type"])
        return [] if reader is None else reader(self, chunk)

    def _text(self, event: JsonObject) -> list[StreamEvent]:
        self._streamed.add(event["output_index"])
        return [TextDelta(text=text_of(event["delta"]))]

    def _reasoning(self, event: JsonObject) -> list[StreamEvent]:
        self._streamed.add(event["output_index"])
        return [ReasoningDelta(text=text_of(event["delta"]))]

    def _next_summary(self, event: JsonObject) -> list[StreamEvent]:
        return [ReasoningDelta(text="\n\n")] if event.get("summary_index") else []

    def _arguments(self, event: JsonObject) -> list[StreamEvent]:
        index = event["output_index"]
        self._streamed.add(index)
        return [ToolCallDelta(index=self._calls[index], arguments=text_of(event["delta"]))]

    def _begin(self, event: JsonObject) -> list[StreamEvent]:
        item = event["item"]
        return self._call(event["output_index"], item) if item["type"] == "function_call" else []

    def _end(self, event: JsonObject) -> list[StreamEvent]:
        index, item = event["output_index"], event["item"]
        self._items[index] = item
        return self._unheard(index, item)

    def _open(self, event: JsonObject) -> list[StreamEvent]:
        self._meet(event["response"])
        return []

    def _close(self, event: JsonObject) -> list[StreamEvent]:
        return self._settle(event["response"])

    def _meet(self, response: JsonObject) -> None:
        self.id = text_of(response.get("id") or "") or self.id
        self.served_by = text_of(response.get("model") or "") or self.served_by

    def _settle(self, response: JsonObject) -> list[StreamEvent]:
        """The last word: the response as a whole, whose items count where it has any."""
        self._meet(response)
        if response.get("error"):
            raise reported(self._site, response, request_id=self.id)
        if usage := response.get("usage"):
            self.usage = read_usage(usage)
        if "output" not in response and not self._items:
            raise self._bad("has no output")
        output = dict(enumerate(response.get("output") or ())) or self._items
        items = [output[index] for index in sorted(output)]
        self._parts = tuple(part for item in items for part in self._parts_of(item))
        self._refused = any(map(_is_refusal, items))
        self._response, self.complete = response, True
        known = {item.get("id") for item in self._items.values()} - {None}
        late = [(index, item) for index, item in output.items() if item.get("id") not in known]
        return [event for index, item in late for event in self._unheard(index, item)]

    def _unheard(self, index: int, item: JsonObject) -> list[StreamEvent]:
        """What a finished item says, if none of it was passed on while it was made."""
        if index in self._streamed:
            return []
        self._streamed.add(index)
        match item["type"]:
            case "message":
                return [TextDelta(text=text) for piece in item["content"] if (text := _said(piece))]
            case "reasoning":
                text = _thought(item)
                return [ReasoningDelta(text=text)] if text else []
            case "function_call":
                return self._call(index, item)
            case _:
                return []

    def _call(self, index: int, item: JsonObject) -> list[StreamEvent]:
        arguments = text_of(item.get("arguments") or "")
        if index in self._calls:
            return [ToolCallDelta(index=self._calls[index], arguments=arguments)] if arguments else []
        self._calls[index] = len(self._calls)
        if arguments:
            self._streamed.add(index)
        call_id, name = text_of(item["call_id"]), text_of(item["name"])
        return [ToolCallDelta(index=self._calls[index], arguments=arguments, id=call_id, name=name)]

    def _stop(self, response: JsonObject) -> StopReason:
        status = response.get("status") or "completed"
        if status in _WHOLE:
            return "end"
        if status == "incomplete":
            reason = (response.get("incomplete_details") or {}).get("reason")
            if reason in _CUT_SHORT:
                return _CUT_SHORT[reason]
            raise self._bad(f"ended for a reason that is not known: {self._site.quote(str(reason))}")
        if status in _UNFINISHED:
            raise self._bad("is still being made, and calls in the background are not supported")
        raise interrupted(self._site, f" (the server says {status!r}).", request_id=self.id)

    def _parts_of(self, item: JsonObject) -> Iterator[Text | ToolCall | Reasoning]:
        match item["type"]:
            case "message":
                # Without its text, which stands in the part itself.
                for piece in item["content"]:
                    rest = {key: value for key, value in piece.items() if key not in ("text", "refusal")}
                    yield Text(text=_said(piece), opaque=self._opaque({**item, "content": [rest]}))
            case "function_call":
                own = {key: value for key, value in item.items() if key not in ("call_id", "name", "arguments")}
                yield ToolCall(
                    id=item["call_id"],
                    name=item["name"],
                    arguments=item.get("arguments") or "",
                    opaque=self._opaque(own),
                )
            case "reasoning":
                yield Reasoning(text=_thought(item), opaque=self._opaque(item))
            case _:
                yield Text(text="", opaque=self._opaque(item))

    _READERS: ClassVar[dict[str, Callable[[ResponsesAnswer, JsonObject], list[StreamEvent]]]] = {
        "response.output_text.delta": _text,
        "response.refusal.delta": _text,
        "response.reasoning_summary_text.delta": _reasoning,
        "response.reasoning_text.delta": _reasoning,
        "response.reasoning_summary_part.added": _next_summary,
        "response.function_call_arguments.delta": _arguments,
        "response.output_item.added": _begin,
        "response.output_item.done": _end,
        "response.created": _open,
        "response.completed": _close,
        "response.incomplete": _close,
        "response.failed": _close,
        "response.cancelled": _close,
    }


def read_usage(wire: JsonObject) -> Usage:
    """Token counts, inclusive as they come: cached and written inside input, reasoning inside output."""
    asked, said = wire.get("input_tokens_details") or {}, wire.get("output_tokens_details") or {}
    input_tokens, output_tokens = count_of(wire.get("input_tokens")), count_of(wire.get("output_tokens"))
    return Usage(
        input_tokens=input_tokens,
        output_tokens=output_tokens,
        cached_tokens=min(count_of(asked.get("cached_tokens")), input_tokens),
        cache_write_tokens=min(count_of(asked.get("cache_write_tokens")), input_tokens),
        reasoning_tokens=min(count_of(said.get("reasoning_tokens")), output_tokens),
    )


def _said(piece: JsonObject) -> str:
    return text_of(piece.get("refusal") or piece.get("text") or "")


def _thought(item: JsonObject) -> str:
    pieces = [*(item.get("summary") or ()), *(item.get("content") or ())]
    return "\n\n".join(text_of(piece.get("text") or "") for piece in pieces)


def _is_refusal(item: JsonObject) -> bool:
    return item["type"] == "message" and any(piece.get("type") == "refusal" for piece in item["content"])
