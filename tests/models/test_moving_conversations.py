"""A conversation that moves between providers: what each is sent fits its schema and is nobody else's."""

from __future__ import annotations

import json
from contextlib import AbstractAsyncContextManager
from itertools import product
from typing import Final, Literal, TypeAlias

import httpx2
import pytest

from captain.core.messages import (
    Media,
    Message,
    Reply,
    Request,
    Text,
    ToolResult,
    ToolSpec,
    UserMessage,
)
from captain.models import Model, complete
from tests.models import anthropic_wire
from tests.models.conformance import validator
from tests.models.test_responses_stream import call, closed, message, stream
from tests.models.wire import call_delta, chunk, served, served_responses, sse

Provider: TypeAlias = Literal["openai", "anthropic", "compatible"]
PROVIDERS: Final[tuple[Provider, ...]] = ("openai", "anthropic", "compatible")
SCHEMA: Final = {
    "openai": "openai-responses-request",
    "anthropic": "anthropic-messages-request",
    "compatible": "openai-chat-request",
}
SECRETS: Final = {"openai": "known-to-openai", "anthropic": "known-to-anthropic", "compatible": "known-to-the-gateway"}
PICTURE: Final = Media(media_type="image/png", data=b"\x89PNG")
READ: Final = ToolSpec(
    name="read", description="Reads.", parameters={"type": "object", "properties": {"path": {"type": "string"}}}
)


def answer_of(provider: Provider, number: int) -> bytes:
    """Reasoning, an opaque part or two, a text, and a call of a tool."""
    secret, text, arguments = SECRETS[provider], f"Step {number}.", json.dumps({"path": f"{number}.py"})
    call_id = f"call_{number}_{provider}"
    if provider == "openai":
        thought = {"type": "reasoning", "id": f"rs_{number}", "encrypted_content": secret, "summary": []}
        action = {"type": "search", "query": secret}
        search = {"type": "web_search_call", "id": f"ws_{number}", "status": "completed", "action": action}
        made = call(arguments, call_id=call_id, id=f"fc_{number}", status="completed")
        return stream(closed(thought, search, message(text, item_id=f"msg_{number}"), made))
    if provider == "anthropic":
        thinking = anthropic_wire.block(
            0,
            {"type": "thinking", "thinking": "", "signature": ""},
            {"type": "thinking_delta", "thinking": "Hm."},
            {"type": "signature_delta", "signature": secret},
        )
        said = anthropic_wire.text(text, index=1)
        made_blocks = anthropic_wire.tool_use(call_id, "read", arguments, index=2)
        return anthropic_wire.answer(thinking, said, made_blocks, reason="tool_use")
    signed = {"type": "reasoning.text", "index": 0, "text": "Hm.", "signature": secret}
    made_delta = call_delta(arguments, call_id=call_id, name="read")
    return sse(
        chunk({"reasoning_details": [signed]}), chunk({"content": text}), chunk(made_delta), chunk(finish="tool_calls")
    )


def model_of(provider: Provider, number: int, seen: list[bytes]) -> AbstractAsyncContextManager[Model]:
    def handle(request: httpx2.Request) -> httpx2.Response:
        seen.append(request.content)
        return httpx2.Response(200, content=answer_of(provider, number))

    if provider == "openai":
        return served_responses(handle, model="gpt-5.5")
    if provider == "anthropic":
        return anthropic_wire.served(handle, model="claude-opus-4-7")
    return served(handle, model="openai/gpt-5.5", base_url="https://openrouter.ai/api/v1")


async def turn(provider: Provider, number: int, history: list[Message]) -> tuple[Reply, bytes]:
    seen: list[bytes] = []
    request = Request(instructions="Be brief.", messages=tuple(history), tools=(READ,), conversation="c")
    async with model_of(provider, number, seen) as model:
        reply = await complete(model, request)
    [body] = seen
    return reply, body


def check(provider: Provider, body: bytes, visited: list[Provider]) -> None:
    sent = json.loads(body)
    for item in sent.get("input", ()):  # recorded traffic has no `logprobs` there either
        for piece in item["content"] if item.get("type") == "message" else ():
            piece.setdefault("logprobs", [])
    validator(SCHEMA[provider]).validate(sent)
    for other in PROVIDERS:
        known = SECRETS[other] in body.decode()
        assert known is (other == provider and other in visited)
    for number in range(len(visited)):
        assert f"Step {number}." in body.decode()
        assert f"{number}.py" in body.decode()
        assert f"result {number}" in body.decode()


@pytest.mark.parametrize("route", [pytest.param(route, id="-".join(route)) for route in product(PROVIDERS, repeat=2)])
async def test_every_stop_of_a_conversation_gets_all_that_is_for_it(route: tuple[Provider, ...]) -> None:
    history: list[Message] = [UserMessage(parts=(Text(text="Look:"), PICTURE))]
    visited: list[Provider] = []

    for number, provider in enumerate(route):
        reply, body = await turn(provider, number, history)

        check(provider, body, visited)
        [made] = reply.message.tool_calls
        assert (made.name, reply.message.text, reply.stop) == ("read", f"Step {number}.", "tool_calls")
        result = ToolResult(call_id=made.id, content=(Text(text=f"result {number}"), PICTURE))
        history += [reply.message, UserMessage(parts=(result,))]
        visited.append(provider)

    for provider in PROVIDERS:
        _, body = await turn(provider, len(route), history)
        check(provider, body, visited)


async def test_what_came_from_openai_is_in_its_place_after_a_detour() -> None:
    history: list[Message] = [UserMessage(parts=(Text(text="Go"),))]
    for number, provider in enumerate(PROVIDERS):
        reply, _ = await turn(provider, number, history)
        results = [ToolResult(call_id=made.id, content=()) for made in reply.message.tool_calls]
        history += [reply.message, UserMessage(parts=tuple(results))]

    _, body = await turn("openai", 3, history)

    assert [item.get("type", item.get("role")) for item in json.loads(body)["input"]] == [
        "user",
        *("reasoning", "web_search_call", "message", "function_call", "function_call_output"),
        *("assistant", "function_call", "function_call_output"),
        *("assistant", "function_call", "function_call_output"),
    ]
