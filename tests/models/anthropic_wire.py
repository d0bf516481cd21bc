"""Messages answers as bytes, and a model that is served them."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

import httpx2
from anthropic import AsyncAnthropic

from captain.core.messages import Finished, Reply, Request, StreamEvent, user
from captain.models import AnthropicMessages, Model, Profile

SECRET = "sk-ant-test-0123456789abcdef"
ASK = Request(instructions="Be brief.", messages=(user("Hello?"),))
STOP: dict[str, Any] = {"type": "message_stop"}


def start(**usage: Any) -> dict[str, Any]:
    message = {"id": "msg_1", "type": "message", "role": "assistant", "model": "served-1", "content": []}
    return {"type": "message_start", "message": {**message, "stop_reason": None, "usage": usage}}


def ended(reason: str | None = "end_turn", **usage: Any) -> dict[str, Any]:
    return {"type": "message_delta", "delta": {"stop_reason": reason, "stop_sequence": None}, "usage": usage}


def block(index: int, begins: dict[str, Any], *deltas: dict[str, Any]) -> list[dict[str, Any]]:
    return [
        {"type": "content_block_start", "index": index, "content_block": begins},
        *({"type": "content_block_delta", "index": index, "delta": delta} for delta in deltas),
        {"type": "content_block_stop", "index": index},
    ]


def text(*pieces: str, index: int = 0) -> list[dict[str, Any]]:
    deltas = ({"type": "text_delta", "text": piece} for piece in pieces)
    return block(index, {"type": "text", "text": ""}, *deltas)


def tool_use(call_id: str, name: str, *pieces: str, index: int = 0, **begins: Any) -> list[dict[str, Any]]:
    deltas = ({"type": "input_json_delta", "partial_json": piece} for piece in pieces)
    return block(index, {"type": "tool_use", "id": call_id, "name": name, "input": {}, **begins}, *deltas)


def sse(*events: dict[str, Any]) -> bytes:
    return "".join(f"event: {event.get('type')}\ndata: {json.dumps(event)}\n\n" for event in events).encode()


def answer(*blocks: list[dict[str, Any]], reason: str = "end_turn") -> bytes:
    """A whole answer of these blocks."""
    return sse(start(), *(event for events in blocks for event in events), ended(reason), STOP)


@asynccontextmanager
async def served(
    body: bytes | Callable[[httpx2.Request], httpx2.Response],
    *,
    status: int = 200,
    headers: dict[str, str] | None = None,
    base_url: str = "https://api.anthropic.com",
    model: str = "claude-opus-4-7",
    profile: Profile | None = None,
) -> AsyncIterator[AnthropicMessages]:
    def handle(request: httpx2.Request) -> httpx2.Response:
        return body(request) if callable(body) else httpx2.Response(status, headers=headers, content=body)

    async with httpx2.AsyncClient(transport=httpx2.MockTransport(handle)) as http:
        client = AsyncAnthropic(api_key=SECRET, base_url=base_url, http_client=http)
        yield AnthropicMessages(model, client=client, profile=profile)


async def drained(model: Model, request: Request = ASK) -> tuple[list[StreamEvent], Reply]:
    async with model.stream(request) as stream:
        events = [event async for event in stream]
    last = events[-1]
    assert isinstance(last, Finished)
    return events, last.reply
