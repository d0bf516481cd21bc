"""Recorded traffic of OpenAI and of compatible servers, served to the adapter as it was.

What the adapter makes of an answer is compared with what a plain reading of the recording says: this
reading knows nothing of streams that break, and is written apart from the adapter on purpose.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
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
    Message,
    Reasoning,
    ReasoningDelta,
    Request,
    Settings,
    Text,
    TextDelta,
    ToolCall,
    ToolCallDelta,
    ToolResult,
    ToolSpec,
    UserMessage,
)
from captain.models import Profile
from captain.models.chat_request import dialect_of, encode
from tests.models.conformance import SCHEMAS, TRAFFIC, folder, root
from tests.models.wire import drained, served

STOPS = {"length": "length", "content_filter": "refusal"}


def lines(fits: Callable[[dict[str, Any]], bool], *names: str) -> list[Any]:
    """Each line of the traffic files that is a Chat Completions call and fits, named as pytest shows it."""
    if not (root() / TRAFFIC).is_dir():
        reason = "the conformance material is not here (CAPTAIN_CONFORMANCE names its place)"
        return [pytest.param({}, id="absent", marks=pytest.mark.skip(reason=reason))]
    found = []
    for name in names:
        for number, text in enumerate((root() / TRAFFIC / f"{name}.jsonl").read_text().splitlines(), start=1):
            line = json.loads(text)
            if line["api"] == "chat" and fits(line):
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
    """What a recording says, taken together piece by piece."""

    text: str = ""
    refusal: str = ""
    reasoning: str = ""
    calls: dict[int, dict[str, str]] = field(default_factory=dict)
    finish: str = ""
    usage: dict[str, Any] = field(default_factory=dict)
    errors: int = 0

    def add(self, piece: dict[str, Any]) -> None:
        self.errors += "error" in piece
        self.usage = piece.get("usage") or (piece.get("x_groq") or {}).get("usage") or self.usage
        for choice in piece.get("choices") or []:
            if choice["index"] == 0:
                self.finish = choice.get("finish_reason") or self.finish
                self.say(choice.get("delta") or choice.get("message") or {})

    def say(self, said: dict[str, Any]) -> None:
        content = said.get("content") or ""
        pieces: list[Any] = content if isinstance(content, list) else [{"type": "text", "text": content}]
        for item in pieces:
            if item["type"] == "thinking":
                self.reasoning += "".join(thought["text"] for thought in item["thinking"])
            else:
                self.text += item["text"]
        self.refusal += said.get("refusal") or ""
        self.reasoning += said.get("reasoning_content") or said.get("reasoning") or ""
        for position, call in enumerate(said.get("tool_calls") or []):
            self.call(call.get("index", position), call.get("id"), call["function"])
        if (said.get("function_call") or {}).get("name"):
            self.call(0, None, said["function_call"])

    def call(self, index: int, call_id: str | None, function: dict[str, Any]) -> None:
        known = self.calls.setdefault(index, {"id": "", "name": "", "arguments": ""})
        known["id"] += call_id or ""
        known["name"] += function.get("name") or ""
        known["arguments"] += function.get("arguments") or ""

    @property
    def stop(self) -> str:
        if self.refusal:
            return "refusal"
        return STOPS.get(self.finish) or ("tool_calls" if self.calls else "end")


def read(line: dict[str, Any]) -> Reading:
    reading = Reading()
    body = line["response_body"]
    if isinstance(body, str) and body.lstrip().startswith((":", "data:", "event:")):
        for text in body.splitlines():
            if text.startswith("data: {"):
                reading.add(json.loads(text[6:]))
    else:
        reading.add(json.loads(body) if isinstance(body, str) else body)
    return reading


def is_answer(line: dict[str, Any]) -> bool:
    return bool(line["status"] == 200 and not line.get("oddity") and not read(line).errors)


def is_failure(line: dict[str, Any]) -> bool:
    return line["response_body"] is not None and not is_answer(line)


@pytest.mark.parametrize("line", lines(is_answer, "openai-chat", "compatible"))
async def test_an_answer_is_read_as_it_was_recorded(line: dict[str, Any]) -> None:
    expected = read(line)

    async with served(lambda _request: serving(line)) as model:
        events, reply = await drained(model)

    assert reply.message.text == expected.text + expected.refusal
    assert "".join(part.text for part in reply.message.parts if isinstance(part, Reasoning)) == expected.reasoning
    assert reply.stop == expected.stop
    calls = list(expected.calls.values())
    assert [(call.name, call.arguments) for call in reply.message.tool_calls] == [
        (call["name"], call["arguments"]) for call in calls
    ]
    assert all(
        made.id == call["id"] or not call["id"] for made, call in zip(reply.message.tool_calls, calls, strict=True)
    )
    assert "".join(event.text for event in events if isinstance(event, TextDelta)) == reply.message.text
    assert "".join(event.text for event in events if isinstance(event, ReasoningDelta)) == expected.reasoning
    for position, call in enumerate(reply.message.tool_calls):
        pieces = [event for event in events if isinstance(event, ToolCallDelta) and event.index == position]
        assert (pieces[0].id, pieces[0].name) == (call.id, call.name)
        assert "".join(piece.arguments for piece in pieces) == call.arguments
    prompt, completion = (expected.usage.get(f"{side}_tokens_details") or {} for side in ("prompt", "completion"))
    assert reply.usage.input_tokens == expected.usage.get("prompt_tokens", 0)
    assert reply.usage.output_tokens == expected.usage.get("completion_tokens", 0)
    assert reply.usage.cached_tokens == (prompt.get("cached_tokens") or 0)
    assert reply.usage.reasoning_tokens == (completion.get("reasoning_tokens") or 0)
    recorded_id = {name.lower(): value for name, value in line["headers"].items()}.get("x-request-id")
    assert recorded_id is None or reply.request_id == recorded_id


@pytest.mark.parametrize("line", lines(is_failure, "openai-chat", "compatible", "errors-reported"))
async def test_an_error_or_an_odd_answer_is_a_clear_model_error(line: dict[str, Any]) -> None:
    async with served(lambda _request: serving(line)) as model:
        with pytest.raises(ModelError) as caught:
            await drained(model)

    features = line["features"]
    by_status: dict[int, type[ModelError]] = {200: BadResponseError, 401: AuthenticationError, 429: RateLimitError}
    kind = by_status.get(line["status"], RequestRejectedError)
    assert type(caught.value) is (ContextOverflowError if "context_too_long" in features else kind)
    assert str(caught.value)
    assert caught.value.hint
    if line["status"] == 429:
        assert caught.value.retryable is ("not-retryable" not in features)


def plain(message: dict[str, Any]) -> dict[str, Any]:
    """A message without what may be said in two ways."""
    content = message.get("content") or ""
    text = content if isinstance(content, str) else "\n\n".join(item["text"] for item in content)
    calls = [
        (call["id"], call["function"]["name"], call["function"]["arguments"])
        for call in message.get("tool_calls") or []
    ]
    return {"role": message["role"], "text": text or "", "calls": calls, "answers": message.get("tool_call_id")}


def request_of(sent: dict[str, Any]) -> Request | None:
    """A recorded request in Captain's words; None where it holds what they cannot say."""
    said = list(sent["messages"])
    instructions = said.pop(0)["content"] if said and said[0]["role"] == "system" else ""
    messages = [message_of(message) for message in said]
    tools = sent.get("tools") or []
    if not isinstance(instructions, str) or None in messages or any("function" not in tool for tool in tools):
        return None
    return Request(
        instructions=instructions,
        messages=tuple(message for message in messages if message is not None),
        tools=tuple(
            ToolSpec(
                name=tool["function"]["name"],
                description=tool["function"].get("description") or "",
                parameters=tool["function"].get("parameters") or {"type": "object", "properties": {}},
            )
            for tool in tools
        ),
        settings=Settings(temperature=sent.get("temperature")),
    )


def is_expressible(line: dict[str, Any]) -> bool:
    return bool(line["request"]) and request_of(line["request"]) is not None


def message_of(message: dict[str, Any]) -> Message | None:
    content = message.get("content")
    texts = [{"type": "text", "text": content}] if isinstance(content, str) else content or []
    if any(item.get("type") != "text" for item in texts):
        return None
    parts = tuple(Text(text=item["text"]) for item in texts)
    match message["role"]:
        case "user":
            return UserMessage(parts=parts)
        case "tool":
            return UserMessage(parts=(ToolResult(call_id=message["tool_call_id"], content=parts),)) if content else None
        case "assistant":
            calls = message.get("tool_calls") or []
            made = (
                ToolCall(id=c["id"], name=c["function"]["name"], arguments=c["function"]["arguments"]) for c in calls
            )
            return AssistantMessage(parts=(*parts, *made))
        case _:
            return None


@pytest.mark.parametrize("line", lines(is_expressible, "openai-chat", "compatible"))
def test_a_recorded_conversation_is_sent_as_it_was(line: dict[str, Any]) -> None:
    jsonschema = pytest.importorskip("jsonschema", reason="jsonschema is in the dev extra")
    schema = json.loads((folder(SCHEMAS) / "openai-chat-request.schema.json").read_text())
    sent = line["request"]
    request = request_of(sent)
    assert request is not None

    profile = Profile(family="any", images=True)
    dialect = dialect_of("api.openai.com" if line["provider"] == "openai" else "localhost")
    body = json.loads(encode(request, model=sent["model"], name="m", profile=profile, dialect=dialect))

    jsonschema.Draft202012Validator(schema).validate(body)
    assert [plain(message) for message in body["messages"]] == [plain(message) for message in sent["messages"]]
