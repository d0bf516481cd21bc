"""Recorded traffic of Anthropic, served to the adapter as it was.

What the adapter makes of an answer is compared with what a plain reading of the recording says: this
reading knows nothing of streams that break, and is written apart from the adapter on purpose.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from itertools import chain
from typing import Any

import httpx2
import pytest

from captain.core.errors import (
    AuthenticationError,
    BadResponseError,
    ContextOverflowError,
    ModelError,
    RateLimitError,
    RequestRejectedError,
)
from captain.core.messages import (
    AssistantMessage,
    Media,
    Message,
    Opaque,
    Reasoning,
    ReasoningDelta,
    Request,
    Text,
    TextDelta,
    ToolCall,
    ToolCallDelta,
    ToolResult,
    ToolSpec,
    UserMessage,
)
from captain.models import Profile
from captain.models.anthropic_request import FILE_TYPES, encode
from tests.models.anthropic_wire import drained, served
from tests.models.conformance import SCHEMAS, TRAFFIC, folder, root

STOPS = {
    "tool_use": "tool_calls",
    "max_tokens": "length",
    "refusal": "refusal",
    "pause_turn": "pause",
    "model_context_window_exceeded": "length",
}


def lines(fits: Callable[[dict[str, Any]], bool], *names: str) -> list[Any]:
    """Each line of the traffic files that is a Messages call and fits, named as pytest shows it."""
    if not (root() / TRAFFIC).is_dir():
        reason = "the conformance material is not here (CAPTAIN_CONFORMANCE names its place)"
        return [pytest.param({}, id="absent", marks=pytest.mark.skip(reason=reason))]
    found = []
    for name in names:
        for number, text in enumerate((root() / TRAFFIC / f"{name}.jsonl").read_text().splitlines(), start=1):
            line = json.loads(text)
            if line["api"].startswith("messages") and fits(line):
                found.append(pytest.param(line, id=f"{name}-{line.get('id', number)}"))
    return found


def body_of(line: dict[str, Any]) -> bytes:
    body = line["response_body"]
    return (body if isinstance(body, str) else json.dumps(body)).encode()


def serving(line: dict[str, Any]) -> httpx2.Response:
    # Bodies were recorded decoded and whole.
    dropped = {"content-encoding", "content-length", "transfer-encoding"}
    headers = {name: value for name, value in (line["headers"] or {}).items() if name.lower() not in dropped}
    return httpx2.Response(line["status"], headers=headers, content=body_of(line))


@dataclass
class Reading:
    """The blocks of an answer, whole, as a recording of either form spells them."""

    blocks: list[dict[str, Any]] = field(default_factory=list)
    usage: dict[str, Any] = field(default_factory=dict)
    stop: str | None = None
    error: Any = None
    over: bool = False

    def add(self, event: dict[str, Any]) -> None:
        kind = event.get("type")
        if kind == "message_start":
            self.usage |= event["message"]["usage"]
        elif kind == "content_block_start":
            self.blocks.append({**event["content_block"], "json": ""})
        elif kind == "content_block_delta":
            self.extend(self.blocks[event["index"]], event["delta"])
        elif kind == "message_delta":
            self.usage |= {name: count for name, count in event["usage"].items() if count is not None}
            self.stop = event["delta"]["stop_reason"]
        elif kind == "message_stop":
            self.over = True
        elif kind == "error":
            self.error = event

    def extend(self, block: dict[str, Any], delta: dict[str, Any]) -> None:
        for name, value in delta.items():
            if name == "partial_json":
                block["json"] += value
            elif name in ("text", "thinking"):
                block[name] += value
            elif name == "citation":
                block["citations"] = [*(block.get("citations") or []), value]
            elif name != "type":
                block[name] = value

    def text_of(self, kind: str) -> str:
        return "".join(block[kind] for block in self.blocks if block["type"] == kind)

    @property
    def calls(self) -> list[tuple[str, str, Any]]:
        return [
            (block["id"], block["name"], self.input_of(block)) for block in self.blocks if block["type"] == "tool_use"
        ]

    def input_of(self, block: dict[str, Any]) -> Any:
        written = block.get("json") or json.dumps(block["input"])
        try:
            return json.loads(written)
        except ValueError:  # the limit cut it
            return written

    @property
    def own(self) -> list[dict[str, Any]]:
        """The blocks that only Anthropic understands."""
        found = []
        for block in self.blocks:
            if block["type"] not in ("text", "thinking", "tool_use"):
                known = {name: value for name, value in block.items() if name != "json"}
                found.append({**known, "input": self.input_of(block)} if "input" in known else known)
        return found


def read(line: dict[str, Any]) -> Reading:
    reading, body = Reading(), line["response_body"]
    if isinstance(body, str) and body.lstrip().startswith((":", "data:", "event:")):
        for text in body.splitlines():
            if text.startswith("data:") and not reading.over:
                reading.add(json.loads(text[5:]))
        return reading
    whole = json.loads(body) if isinstance(body, str) else body
    reading.blocks, reading.usage = whole.get("content") or [], whole.get("usage") or {}
    reading.stop, reading.error = whole.get("stop_reason"), whole.get("error")
    return reading


def is_answer(line: dict[str, Any]) -> bool:
    reading = read(line)
    return bool(line["status"] == 200 and reading.stop and not reading.error)


@pytest.mark.parametrize("line", lines(is_answer, "anthropic-messages", "compatible"))
async def test_an_answer_is_read_as_it_was_recorded(line: dict[str, Any]) -> None:
    expected = read(line)

    async with served(lambda _request: serving(line)) as model:
        events, reply = await drained(model)

    parts = reply.message.parts
    thoughts = [part for part in parts if isinstance(part, Reasoning)]
    assert reply.message.text == expected.text_of("text")
    assert "".join(part.text for part in thoughts) == expected.text_of("thinking")
    assert reply.stop == STOPS.get(str(expected.stop), "end")
    assert [(c.id, c.name, loaded(c.arguments)) for c in reply.message.tool_calls] == expected.calls
    assert "".join(event.text for event in events if isinstance(event, TextDelta)) == reply.message.text
    assert "".join(event.text for event in events if isinstance(event, ReasoningDelta)) == expected.text_of("thinking")
    for place, call in enumerate(reply.message.tool_calls):
        pieces = [event for event in events if isinstance(event, ToolCallDelta) and event.index == place]
        assert (pieces[0].id, pieces[0].name) == (call.id, call.name)
        assert "".join(piece.arguments for piece in pieces) == call.arguments
    kept = [json.loads(part.opaque.data) for part in parts if part.opaque is not None]
    assert [block for block in kept if block.get("type", "thinking") != "thinking" and "type" in block] == expected.own
    signed = [block for block in expected.blocks if block["type"] == "thinking" and block.get("signature")]
    assert [(block["thinking"], block["signature"]) for block in kept if block.get("type") == "thinking"] == [
        (block["thinking"], block["signature"]) for block in signed
    ]
    count = {name: value or 0 for name, value in expected.usage.items() if not isinstance(value, dict)}
    cached, written = count.get("cache_read_input_tokens", 0), count.get("cache_creation_input_tokens", 0)
    assert reply.usage.input_tokens == count["input_tokens"] + cached + written
    assert (reply.usage.cached_tokens, reply.usage.cache_write_tokens) == (cached, written)
    assert reply.usage.output_tokens == count["output_tokens"]
    assert reply.usage.reasoning_tokens == (expected.usage.get("output_tokens_details") or {}).get("thinking_tokens", 0)
    recorded_id = {name.lower(): value for name, value in (line["headers"] or {}).items()}.get("request-id")
    assert recorded_id is None or reply.request_id == recorded_id


def loaded(arguments: str) -> Any:
    try:
        return json.loads(arguments)
    except ValueError:
        return arguments


def is_failure(line: dict[str, Any]) -> bool:
    return line["response_body"] is not None and not is_answer(line)


@pytest.mark.parametrize("line", lines(is_failure, "anthropic-messages", "compatible", "errors-reported"))
async def test_an_error_or_an_odd_answer_is_a_clear_model_error(line: dict[str, Any]) -> None:
    async with served(lambda _request: serving(line)) as model:
        with pytest.raises(ModelError) as caught:
            await drained(model)

    features = line["features"]
    by_status: dict[int, type[ModelError]] = {
        200: BadResponseError,
        401: AuthenticationError,
        429: RateLimitError,
        529: RateLimitError,
    }
    kind = by_status.get(line["status"], RequestRejectedError)
    assert type(caught.value) is (ContextOverflowError if "context_too_long" in features else kind)
    assert str(caught.value)
    assert caught.value.hint
    if kind is RateLimitError:
        assert caught.value.retryable is ("not-retryable" not in features)


# Recorded requests in Captain's words and back.


def request_of(sent: dict[str, Any]) -> Request | None:
    """A recorded request in Captain's words; None where it holds what they cannot say."""
    if "messages" not in sent or any("input_schema" not in tool for tool in sent.get("tools") or []):
        return None
    messages = [message_of(message) for message in sent["messages"]]
    system = sent.get("system") or ""
    instructions = system if isinstance(system, str) else "\n".join(block["text"] for block in system)
    if None in messages:
        return None
    return Request(
        instructions=instructions,
        messages=tuple(message for message in messages if message is not None),
        tools=tuple(
            ToolSpec(name=tool["name"], description=tool.get("description") or "", parameters=tool["input_schema"])
            for tool in sent.get("tools") or []
        ),
    )


def message_of(message: dict[str, Any]) -> Message | None:
    content = message["content"]
    blocks = [{"type": "text", "text": content}] if isinstance(content, str) else content
    if message["role"] == "user":
        shown = (result_of(block) if block["type"] == "tool_result" else shown_of(block) for block in blocks)
        return UserMessage(parts=tuple(shown))
    if message["role"] == "assistant":
        return AssistantMessage(parts=tuple(said_of(block) for block in blocks))
    return None


def shown_of(block: dict[str, Any]) -> Text | Media:
    source = block.get("source") or {}
    if block["type"] == "text":
        return Text(text=block["text"])
    if source.get("type") == "base64":
        return Media(media_type=source["media_type"], data=base64.b64decode(source["data"]), name=block.get("title"))
    return Text(text="", opaque=Opaque(provider="anthropic", data=json.dumps(block)))


def result_of(block: dict[str, Any]) -> ToolResult:
    content = block.get("content") or []
    parts = [{"type": "text", "text": content}] if isinstance(content, str) else content
    return ToolResult(
        call_id=block["tool_use_id"],
        content=tuple(shown_of(part) for part in parts),
        is_error=block.get("is_error", False),
    )


def said_of(block: dict[str, Any]) -> Text | ToolCall | Reasoning:
    whole = Opaque(provider="anthropic", data=json.dumps(block))
    if block["type"] in ("thinking", "redacted_thinking"):
        return Reasoning(text=block.get("thinking", ""), opaque=whole)
    if block["type"] == "tool_use":
        extra = {"caller": block["caller"]} if "caller" in block else None
        opaque = Opaque(provider="anthropic", data=json.dumps(extra)) if extra else None
        return ToolCall(id=block["id"], name=block["name"], arguments=json.dumps(block["input"]), opaque=opaque)
    if block["type"] == "text" and not block.get("citations"):
        return Text(text=block["text"])
    return Text(text="", opaque=whole)


def plain(messages: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Messages without what may be said in two ways: neighbours, strings, marks, blocks of nothing."""
    said: list[dict[str, Any]] = []
    for message in messages:
        blocks = [plain_block(block) for block in as_blocks(message["content"])]
        blocks = [block for block in blocks if block != {"type": "text", "text": ""}]
        if said and said[-1]["role"] == message["role"]:
            said[-1]["content"] += blocks
        elif blocks:
            said.append({"role": message["role"], "content": blocks})
    for message in said:
        message["content"].sort(key=lambda block: block["type"] != "tool_result")
    return said


def as_blocks(content: Any) -> list[dict[str, Any]]:
    return [{"type": "text", "text": content}] if isinstance(content, str) else list(content)


def plain_block(block: dict[str, Any]) -> dict[str, Any]:
    dropped = ("cache_control", "is_error") + (("citations",) if not block.get("citations") else ())
    known = {name: value for name, value in block.items() if name not in dropped}
    if block["type"] == "tool_result":
        inner = [plain_block(part) for part in as_blocks(block.get("content") or "(no output)")]
        return {**known, "content": inner, "is_error": bool(block.get("is_error"))}
    return known


def is_expressible(line: dict[str, Any]) -> bool:
    return bool(line["request"]) and request_of(line["request"]) is not None


@pytest.mark.parametrize("line", lines(is_expressible, "anthropic-messages", "compatible"))
def test_a_recorded_conversation_is_sent_as_it_was(line: dict[str, Any]) -> None:
    jsonschema = pytest.importorskip("jsonschema", reason="jsonschema is in the dev extra")
    sent = line["request"]
    request = request_of(sent)
    assert request is not None

    profile = Profile(family="any", images=True, file_types=FILE_TYPES)
    body = json.loads(encode(request, model=sent["model"], name="m", profile=profile, provider="anthropic"))

    published = json.loads((folder(SCHEMAS) / f"{schema_of(line)}.schema.json").read_text())
    jsonschema.Draft202012Validator(published).validate(body)
    assert plain(body["messages"]) == plain(sent["messages"])


def schema_of(line: dict[str, Any]) -> str:
    return f"anthropic-messages{'-beta' if 'beta=true' in (line['path'] or '') else ''}-request"


def follows(line: dict[str, Any], later: dict[str, Any]) -> bool:
    return bool(
        later["request"]
        and line["source"]["path"] == later["source"]["path"]
        and len(line["request"]["messages"]) < len(later["request"]["messages"])
        and plain(later["request"]["messages"])[: len(plain(line["request"]["messages"]))]
        == plain(line["request"]["messages"])
    )


def continued() -> list[Any]:
    """Each answer with the recorded request that comes after it in the same conversation."""
    answers = [
        param.values[0] for param in lines(lambda line: is_answer(line) and is_expressible(line), "anthropic-messages")
    ]
    if answers == [{}]:
        [absent] = lines(is_answer, "anthropic-messages")
        return [pytest.param({}, {}, marks=absent.marks)]
    pairs = []
    for at, line in enumerate(answers):
        later = next((other for other in answers[at + 1 :] if follows(line, other)), None)
        if later is not None:
            pairs.append(pytest.param(line, later, id=f"{line['id']}-{later['id']}"))
    return pairs


@pytest.mark.parametrize(("line", "later"), continued())
async def test_the_next_request_is_rebuilt_from_the_answer(line: dict[str, Any], later: dict[str, Any]) -> None:
    before = request_of(line["request"])
    assert before is not None
    async with served(lambda _request: serving(line)) as model:
        _, reply = await drained(model)

    profile = Profile(family="any", images=True, file_types=FILE_TYPES)
    grown = Request(instructions="", messages=(*before.messages, reply.message))
    body = json.loads(encode(grown, model="m", name="m", profile=profile, provider="anthropic"))

    recorded = plain(later["request"]["messages"])
    rebuilt = plain(body["messages"])
    assert said_by(rebuilt[-1]) == said_by(recorded[len(rebuilt) - 1])


def said_by(message: dict[str, Any]) -> list[Any]:
    """What a turn said, without what the recording clients added to or took from it on the way."""
    keys = {"text": "text", "tool_use": "input", "thinking": "signature", "redacted_thinking": "data"}
    found = [(block["type"], block[keys[block["type"]]]) for block in message["content"] if block["type"] in keys]
    return [item for item in found if item[1] != ""]


# Recorded answers that are cut off.


async def cut_is_whole_or_an_error(body: bytes, places: Iterable[int]) -> None:
    """Whatever is left of an answer is the whole reply, or an error that is worth another try."""
    async with served(body) as model:
        _, whole = await drained(model)
    part = b""
    wholes = errors = 0
    async with served(lambda _request: httpx2.Response(200, content=part)) as model:
        for at in places:
            part = body[:at]
            try:
                _, reply = await drained(model)
            except ModelError as error:
                assert error.retryable, (at, str(error))  # noqa: PT017 - which error it is depends on the place
                errors += 1
            else:
                wholes += 1
                assert (reply.message, reply.stop, reply.usage) == (whole.message, whole.stop, whole.usage), at
    assert errors > wholes > 0


def is_short_stream(line: dict[str, Any]) -> bool:
    text = line["response_body"]
    return is_answer(line) and isinstance(text, str) and text.startswith("event:") and len(text) < 4_000


CUT = lines(is_short_stream, "anthropic-messages", "compatible")[:3]


@pytest.mark.parametrize("line", CUT)
async def test_a_recorded_stream_cut_anywhere_is_whole_or_an_error(line: dict[str, Any]) -> None:
    body = body_of(line)
    await cut_is_whole_or_an_error(body, chain(range(12), range(len(body), 12, -41)))


@pytest.mark.slow
@pytest.mark.parametrize("line", CUT)
async def test_a_recorded_stream_cut_at_every_byte_is_whole_or_an_error(line: dict[str, Any]) -> None:
    body = body_of(line)
    await cut_is_whole_or_an_error(body, range(len(body) + 1))
