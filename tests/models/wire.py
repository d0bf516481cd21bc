"""Answers of OpenAI's interfaces as bytes, and models that are served them."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, TypeVar

import httpx2
from openai import AsyncOpenAI

from captain.core.messages import Finished, Reply, Request, StreamEvent, user
from captain.models import Model, OpenAIChat, OpenAIResponses, Profile

Endpoint = TypeVar("Endpoint", OpenAIChat, OpenAIResponses)

SECRET = "sk-test-0123456789abcdef"
ASK = Request(instructions="Be brief.", messages=(user("Hello?"),))


def chunk(delta: dict[str, Any] | None = None, *, finish: str | None = None, **more: Any) -> dict[str, Any]:
    choice = {"index": 0, "delta": delta or {}, "finish_reason": finish}
    return {"id": "chatcmpl-1", "model": "served-1", "choices": [choice], **more}


def usage_chunk(**usage: Any) -> dict[str, Any]:
    return {"id": "chatcmpl-1", "choices": [], "usage": usage}


def sse(*chunks: dict[str, Any], done: bool = True) -> bytes:
    body = "".join(f"data: {json.dumps(piece)}\n\n" for piece in chunks)
    return (body + ("data: [DONE]\n\n" if done else "")).encode()


def call_delta(
    arguments: Any, *, index: int | None = 0, call_id: str | None = None, name: str | None = None
) -> dict[str, Any]:
    function = {"arguments": arguments} | ({"name": name} if name else {})
    wire = {"index": index, "id": call_id, "function": function}
    return {"tool_calls": [{key: value for key, value in wire.items() if value is not None}]}


@asynccontextmanager
async def serving(
    kind: type[Endpoint],
    answer: bytes | Callable[[httpx2.Request], httpx2.Response],
    *,
    status: int = 200,
    headers: dict[str, str] | None = None,
    base_url: str = "https://api.openai.com/v1",
    model: str = "gpt-4.1",
    profile: Profile | None = None,
) -> AsyncIterator[Endpoint]:
    """A model of this kind whose every call is given that answer."""

    def handle(request: httpx2.Request) -> httpx2.Response:
        return answer(request) if callable(answer) else httpx2.Response(status, headers=headers, content=answer)

    async with httpx2.AsyncClient(transport=httpx2.MockTransport(handle)) as http:
        client = AsyncOpenAI(api_key=SECRET, base_url=base_url, http_client=http)
        yield kind(model, client=client, profile=profile)


served = partial(serving, OpenAIChat)
served_responses = partial(serving, OpenAIResponses)


async def listen(model: Model, request: Request, heard: list[StreamEvent]) -> None:
    """Keeps what comes before an error, too."""
    async with model.stream(request) as stream:
        async for event in stream:
            heard.append(event)  # noqa: PERF401 - a comprehension would lose what came before an error


async def drained(model: Model, request: Request = ASK) -> tuple[list[StreamEvent], Reply]:
    async with model.stream(request) as stream:
        events = [event async for event in stream]
    last = events[-1]
    assert isinstance(last, Finished)
    return events, last.reply
