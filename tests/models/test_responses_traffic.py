"""Recorded Responses traffic, served to the adapter as it was, and conversations rebuilt from it.

What the adapter makes of an answer is compared with what a plain reading of the recording says: this
reading knows nothing of streams that break, and is written apart from the adapter on purpose.
"""

from __future__ import annotations

import base64
import json
from collections import defaultdict
from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest

from captain.core.errors import BadResponseError, ModelError, RequestRejectedError
from captain.core.messages import (
    AssistantMessage,
    Media,
    Message,
    Opaque,
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
from captain.models.profiles import profile_of
from captain.models.responses_request import Habits, encode
from tests.models.conformance import TRAFFIC, root, validator
from tests.models.test_recorded_traffic import serving
from tests.models.wire import drained, served_responses

HERE = "openai@api.openai.com"
ABSENT = "the conformance material is not here (CAPTAIN_CONFORMANCE names its place)"


def recorded() -> list[dict[str, Any]]:
    file = root() / TRAFFIC / "openai-responses.jsonl"
    lines = [json.loads(text) for text in file.read_text().splitlines()] if file.is_file() else []
    return [line for line in lines if line["api"] == "responses"]


def lines(fits: Callable[[dict[str, Any]], bool]) -> list[Any]:
    found = [pytest.param(line, id=line["id"]) for line in recorded() if fits(line)]
    return found or [pytest.param({}, id="absent", marks=pytest.mark.skip(reason=ABSENT))]


def events_of(line: dict[str, Any]) -> list[dict[str, Any]]:
    return [json.loads(text[6:]) for text in line["response_body"].splitlines() if text.startswith("data: {")]


def response_of(line: dict[str, Any]) -> dict[str, Any]:
    """The response as a whole: the body, or the last word of the stream."""
    body = line["response_body"]
    if not isinstance(body, str):
        return dict(body)
    if body.lstrip().startswith("{"):
        return dict(json.loads(body))
    return dict(next(event["response"] for event in reversed(events_of(line)) if "response" in event))


def is_answer(line: dict[str, Any]) -> bool:
    return bool(
        line["status"] == 200
        and not line.get("oddity")
        and response_of(line).get("status", "completed") in ("completed", "complete", "incomplete")
    )


def texts_of(item: dict[str, Any], *fields: str) -> list[str]:
    return [piece.get("text") or piece.get("refusal") or "" for name in fields for piece in item.get(name) or ()]


def spoken(line: dict[str, Any]) -> str:
    if not isinstance(line["response_body"], str):
        return ""
    return "".join(event["delta"] for event in events_of(line) if event["type"] == "response.output_text.delta")


@pytest.mark.parametrize("line", lines(is_answer))
async def test_an_answer_is_read_as_it_was_recorded(line: dict[str, Any]) -> None:
    response = response_of(line)
    items = response["output"]
    said = "".join("".join(texts_of(item, "content")) for item in items if item["type"] == "message")
    thoughts = ["\n\n".join(texts_of(item, "summary", "content")) for item in items if item["type"] == "reasoning"]
    calls = [item for item in items if item["type"] == "function_call"]

    async with served_responses(lambda _request: serving(line)) as model:
        events, reply = await drained(model)

    parts = reply.message.parts
    assert reply.message.text == said
    assert [part.text for part in parts if isinstance(part, Reasoning)] == thoughts
    assert [(call.id, call.name, call.arguments) for call in reply.message.tool_calls] == [
        (call["call_id"], call["name"], call["arguments"]) for call in calls
    ]
    assert reply.stop == ("tool_calls" if calls else "end")
    # Some fixtures keep only a few of the deltas.
    assert "".join(event.text for event in events if isinstance(event, TextDelta)) == (spoken(line) or said)
    assert "".join(event.text for event in events if isinstance(event, ReasoningDelta)) == "".join(thoughts)
    for position, call in enumerate(reply.message.tool_calls):
        pieces = [event for event in events if isinstance(event, ToolCallDelta) and event.index == position]
        assert (pieces[0].id, pieces[0].name) == (call.id, call.name)
        assert "".join(piece.arguments for piece in pieces) == call.arguments
    usage = response.get("usage") or {}
    asked, answered = usage.get("input_tokens_details") or {}, usage.get("output_tokens_details") or {}
    assert reply.usage.input_tokens == usage.get("input_tokens", 0)
    assert reply.usage.output_tokens == usage.get("output_tokens", 0)
    assert reply.usage.cached_tokens == asked.get("cached_tokens", 0)
    assert reply.usage.cache_write_tokens == asked.get("cache_write_tokens", 0)
    assert reply.usage.reasoning_tokens == answered.get("reasoning_tokens", 0)
    assert reply.model == response["model"]
    headers = {name.lower(): value for name, value in (line["headers"] or {}).items()}
    assert reply.request_id == headers.get("x-request-id", response["id"])


@pytest.mark.parametrize("line", lines(is_answer))
async def test_an_answer_goes_back_as_it_came(line: dict[str, Any]) -> None:
    async with served_responses(lambda _request: serving(line)) as model:
        _, reply = await drained(model)

    body = body_of(Request(instructions="", messages=(reply.message,)))

    # The texts of a message stand in its parts, where an absent `text` cannot be told from an empty one.
    assert body["input"] == response_of(line)["output"]


@pytest.mark.parametrize("line", lines(lambda line: not is_answer(line)))
async def test_an_error_or_an_odd_answer_is_a_clear_model_error(line: dict[str, Any]) -> None:
    async with served_responses(lambda _request: serving(line)) as model:
        with pytest.raises(ModelError) as caught:
            await drained(model)

    assert type(caught.value) is (BadResponseError if line["status"] == 200 else RequestRejectedError)
    assert str(caught.value)
    assert caught.value.hint


def body_of(request: Request, *, model: str = "any", server_tools: tuple[dict[str, Any], ...] = ()) -> dict[str, Any]:
    habits = Habits(provider=HERE, server_tools=server_tools)
    profile = profile_of("gpt-5.4", host="")
    body: dict[str, Any] = json.loads(encode(request, model=model, name=model, profile=profile, habits=habits))
    return body


def items_of(sent: dict[str, Any]) -> list[dict[str, Any]]:
    asked = sent["input"]
    return [{"role": "user", "content": asked}] if isinstance(asked, str) else list(asked)


def history_of(items: list[dict[str, Any]]) -> tuple[Message, ...] | None:
    """Recorded items in Captain's words; None where they hold what those cannot say."""
    messages = [message_of(item) for item in items]
    return None if None in messages else tuple(message for message in messages if message is not None)


def message_of(item: dict[str, Any]) -> Message | None:  # noqa: PLR0911 - one for each kind of item
    match item.get("type", "message"), item.get("role"):
        case "message", "user":
            parts = shown_of(item["content"])
            return UserMessage(parts=parts) if parts is not None else None
        case "message", "assistant" if "type" not in item or isinstance(item["content"], str):
            return AssistantMessage(parts=(Text(text=item["content"]),))
        case "message", "assistant":
            [piece] = item["content"]
            rest = {key: value for key, value in piece.items() if key != "text"}
            return AssistantMessage(parts=(Text(text=piece["text"], opaque=own({**item, "content": [rest]})),))
        case "function_call_output", _:
            parts = shown_of(item["output"])
            return UserMessage(parts=(ToolResult(call_id=item["call_id"], content=parts),)) if parts else None
        case "function_call", _:
            rest = {key: value for key, value in item.items() if key not in ("call_id", "name", "arguments")}
            call = ToolCall(id=item["call_id"], name=item["name"], arguments=item["arguments"], opaque=own(rest))
            return AssistantMessage(parts=(call,))
        case "reasoning", _:
            return AssistantMessage(parts=(Reasoning(text="", opaque=own(item)),))
        case _:
            return AssistantMessage(parts=(Text(text="", opaque=own(item)),))


def own(payload: dict[str, Any]) -> Opaque:
    return Opaque(provider=HERE, data=json.dumps(payload))


def shown_of(content: Any) -> tuple[Text | Media, ...] | None:
    if isinstance(content, str):
        return (Text(text=content),)
    shown: list[Text | Media] = []
    for piece in content:
        url = piece.get("image_url") or piece.get("file_data") or ""
        if piece["type"] == "input_text":
            shown.append(Text(text=piece["text"]))
        elif url.startswith("data:"):
            kind, _, data = url.removeprefix("data:").partition(";base64,")
            shown.append(Media(media_type=kind, data=base64.b64decode(data), name=piece.get("filename")))
        else:  # a file that lies elsewhere
            return None
    return tuple(shown)


def plain(item: dict[str, Any]) -> dict[str, Any]:
    """An item without what may be said in two ways or left out."""
    match item.get("type", "message"):
        case "message":
            content = item["content"]
            pieces = [{"text": content}] if isinstance(content, str) else content
            shown = [piece.get("text") or piece.get("image_url") or piece.get("file_data") for piece in pieces]
            return {"role": item["role"], "shown": shown, "phase": item.get("phase") if "type" in item else None}
        case "function_call_output":
            output = item["output"]
            pieces = [{"text": output}] if isinstance(output, str) else output
            shown = [piece.get("text") or piece.get("image_url") or piece.get("file_data") for piece in pieces]
            return {"answers": item["call_id"], "shown": shown}
        case "function_call":
            return {key: item.get(key) for key in ("call_id", "name", "arguments", "namespace")}
        case "reasoning":
            return {key: item.get(key) for key in ("id", "encrypted_content")}
        case kind:
            return {"type": kind, "id": item.get("id")}


def is_expressible(line: dict[str, Any]) -> bool:
    sent = line["request"]
    return bool(sent and "input" in sent and line["status"] == 200 and history_of(items_of(sent)) is not None)


def request_of(sent: dict[str, Any], messages: tuple[Message, ...]) -> tuple[Request, tuple[dict[str, Any], ...]]:
    tools = sent.get("tools") or []
    request = Request(
        instructions=sent.get("instructions") or "",
        messages=messages,
        tools=tuple(
            ToolSpec(name=tool["name"], description=tool.get("description") or "", parameters=tool["parameters"])
            for tool in tools
            if tool["type"] == "function"
        ),
        settings=Settings(reasoning_effort=(sent.get("reasoning") or {}).get("effort")),
    )
    return request, tuple(tool for tool in tools if tool["type"] != "function")


def check(body: dict[str, Any], expected: list[dict[str, Any]]) -> None:
    schema = validator("openai-responses-request")
    assert [plain(item) for item in body["input"]] == [plain(item) for item in expected]
    for item in body["input"]:  # of which the schema wants what the service itself leaves out
        for piece in item["content"] if item.get("type") == "message" else ():
            piece.setdefault("logprobs", [])
        if item.get("type") == "image_generation_call":
            item |= {"result": item.get("result"), "status": item.get("status", "completed")}
    schema.validate(body)


@pytest.mark.parametrize("line", lines(is_expressible))
def test_a_recorded_conversation_is_sent_as_it_was(line: dict[str, Any]) -> None:
    sent = line["request"]
    messages = history_of(items_of(sent))
    assert messages is not None
    request, server_tools = request_of(sent, messages)

    body = body_of(request, model=sent["model"], server_tools=server_tools)

    check(body, items_of(sent))
    assert sorted(tool["type"] for tool in body.get("tools", [])) == sorted(
        tool["type"] for tool in sent.get("tools") or []
    )


def turns() -> list[Any]:
    """Recorded calls of which the second continues the first."""
    by_path = defaultdict(list)
    for line in recorded():
        if line["request"] and is_answer(line) and is_expressible(line):
            by_path[line["source"]["path"]].append(line)
    found = [
        pytest.param(before, after, id=f"{before['id']}-{after['id']}")
        for story in by_path.values()
        for before, after in pairwise(story)
        if continues(before, after)
    ]
    return found or [pytest.param({}, {}, id="absent", marks=pytest.mark.skip(reason=ABSENT))]


def continues(before: dict[str, Any], after: dict[str, Any]) -> bool:
    known = [plain(item) for item in (*items_of(before["request"]), *response_of(before)["output"])]
    asked = [plain(item) for item in items_of(after["request"])]
    return asked[: len(known)] == known


@pytest.mark.parametrize(("before", "after"), turns())
async def test_the_next_request_is_rebuilt_from_the_history_and_the_answer(
    before: dict[str, Any], after: dict[str, Any]
) -> None:
    sent, answered = items_of(before["request"]), response_of(before)["output"]
    asked = items_of(after["request"])
    async with served_responses(lambda _request: serving(before)) as model:
        _, reply = await drained(model)
    history, news = history_of(sent), history_of(asked[len(sent) + len(answered) :])
    assert history is not None
    assert news is not None
    request, server_tools = request_of(after["request"], (*history, reply.message, *news))

    body = body_of(request, model=after["request"]["model"], server_tools=server_tools)

    check(body, asked)
