"""Carries the bytes of a call over OpenAI's SDK; loaded at the first call, since importing it is slow."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from functools import partial
from typing import Any

import httpx2
import openai

from captain.core.clock import Clock
from captain.core.errors import ModelError
from captain.models.call_errors import Complaint, Site, read_complaint, refused
from captain.models.exchange import Exchange, Limits
from captain.models.transport import HEADERS, NO_KEY, exchanged, once


def new_client(url: str, *, api_key: str, headers: Mapping[str, str], official: bool) -> openai.AsyncOpenAI:
    """A client on the SDK's aiohttp transport, whose pool stays flat to thousands of connections."""
    key = api_key or NO_KEY
    client = openai.AsyncOpenAI(
        api_key=key,
        base_url=url,
        max_retries=0,
        # A redirect would turn the POST into a GET; it is reported instead.
        http_client=openai.DefaultAioHttpClient(follow_redirects=False),
    )
    # The SDK adds the lines of an environment variable, keys among them, wherever the URL leads.
    client._custom_headers = {"Authorization": f"Bearer {key}", **headers}  # noqa: SLF001
    if not official:  # the SDK takes them from the environment, and they are nobody else's business
        client.organization = client.project = None
    return client


@asynccontextmanager
async def post(
    client: openai.AsyncOpenAI, path: str, body: bytes, *, site: Site, limits: Limits, clock: Clock
) -> AsyncIterator[Exchange]:
    """One call to `path` below the client's URL, made once. Raises `ModelError`, here or while the chunks are read."""
    options: Any = {"headers": HEADERS, **once(limits)}
    stream: bool = True  # typed as any bool: with this `cast_to` the SDK hands over its response unread
    send = partial(client.post, path, content=body, cast_to=httpx2.Response, options=options, stream=stream)
    refusal = partial(_refusal, site)
    async with exchanged(
        send, site=site, limits=limits, clock=clock, sdk_error=openai.OpenAIError, refusal=refusal
    ) as exchange:
        yield exchange


def _refusal(site: Site, error: Exception) -> ModelError | None:
    if not isinstance(error, openai.APIStatusError):
        return None
    said = read_complaint(error.body if error.body is not None else error.response.text)
    complaint = Complaint(text=said.text, code=said.code, status=error.status_code)
    headers = error.response.headers
    return refused(site, complaint, headers=headers, request_id=error.request_id or headers.get("request-id"))
