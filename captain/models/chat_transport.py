"""Carries the bytes of a Chat Completions call over the official SDK; loaded at the first call.

The only module that knows the SDK, the transports below it and their exceptions: importing them costs
most of a second.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing, asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any, Final

import aiohttp
import anyio
import httpx2
import openai

from captain.core.clock import Clock
from captain.core.errors import ModelError
from captain.models.chat_errors import Complaint, Site, interrupted, read_complaint, refused, timed_out

_NO_KEY: Final = "none"  # the SDK insists on one; servers without keys ignore it
_CONNECT_S: Final = 30.0
_HEADERS: Final = {"Content-Type": "application/json", "Accept": "text/event-stream, application/json"}

# What a call can raise: the SDK lets errors of the transports through while a body is read, and so does its
# aiohttp transport with errors it does not map; anyio's comes when a TLS peer just leaves.
FAILURES: Final = (
    openai.OpenAIError,
    httpx2.HTTPError,
    httpx2.InvalidURL,
    aiohttp.ClientError,
    OSError,
    anyio.EndOfStream,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Seconds: of silence before and between pieces of an answer, and for the whole call."""

    idle_s: float
    whole_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """An answer that has begun: its headers, and its bytes as they come."""

    headers: Mapping[str, str]
    chunks: AsyncGenerator[bytes]


def new_client(url: str, *, api_key: str, headers: Mapping[str, str], official: bool) -> openai.AsyncOpenAI:
    """A client on the SDK's aiohttp transport, whose pool stays flat to thousands of connections."""
    key = api_key or _NO_KEY
    client = openai.AsyncOpenAI(
        api_key=key,
        base_url=url,
        # Stated here, an Authorization line in the SDK's environment variable for headers does not count.
        default_headers={"Authorization": f"Bearer {key}", **headers},
        max_retries=0,
        # A redirect would turn the POST into a GET; it is reported instead.
        http_client=openai.DefaultAioHttpClient(follow_redirects=False),
    )
    if not official:  # the SDK takes them from the environment, and they are nobody else's business
        client.organization = client.project = None
    return client


@asynccontextmanager
async def post(
    client: openai.AsyncOpenAI, body: bytes, *, site: Site, limits: Limits, clock: Clock
) -> AsyncIterator[Exchange]:
    """One call, made once. Raises `ModelError`, here or while the chunks are read."""
    deadline_s = clock.monotonic_s() + limits.whole_s
    options: Any = {
        "headers": _HEADERS,
        "max_retries": 0,
        "timeout": httpx2.Timeout(None, connect=min(_CONNECT_S, limits.idle_s)),
    }
    stream: bool = True  # typed as any bool: with this `cast_to` the SDK hands over its response unread
    try:
        with anyio.fail_after(min(limits.idle_s, limits.whole_s)):
            response = await client.post(
                "/chat/completions", content=body, cast_to=httpx2.Response, options=options, stream=stream
            )
    except TimeoutError:
        raise timed_out(site, f"for {limits.idle_s:g} seconds") from None
    except FAILURES as error:
        raise translate(site, error, started=False) from None
    try:
        async with aclosing(_chunks(response, deadline_s, site=site, limits=limits, clock=clock)) as chunks:
            yield Exchange(headers=response.headers, chunks=chunks)
    finally:
        with anyio.CancelScope(shield=True), suppress(*FAILURES):
            await response.aclose()


async def _chunks(
    response: httpx2.Response, deadline_s: float, *, site: Site, limits: Limits, clock: Clock
) -> AsyncGenerator[bytes]:
    async with aclosing(response.aiter_bytes()) as chunks:
        while True:
            left_s = max(0.0, deadline_s - clock.monotonic_s())
            try:
                with anyio.fail_after(min(limits.idle_s, left_s)):
                    chunk = await anext(chunks, None)
            except TimeoutError:
                idle = limits.idle_s <= left_s
                how_long = f"for {limits.idle_s:g} seconds" if idle else f"to the end within {limits.whole_s:g} seconds"
                raise timed_out(site, how_long) from None
            except FAILURES as error:
                raise translate(site, error, started=True) from None
            if chunk is None:
                return
            yield chunk


def translate(site: Site, error: Exception, *, started: bool) -> ModelError:
    """Any of `FAILURES` as a `ModelError`; `started` says whether the answer had begun.

    Raise it unchained: what the SDK's own errors print may repeat the key.
    """
    if isinstance(error, openai.APIStatusError):
        body = error.body if error.body is not None else error.response.text
        said = read_complaint(body)
        complaint = Complaint(text=said.text, code=said.code, status=error.status_code)
        request_id = error.request_id or error.response.headers.get("request-id")
        return refused(site, complaint, headers=error.response.headers, request_id=request_id)
    causes: list[BaseException] = [error]
    while causes[-1].__cause__ is not None:
        causes.append(causes[-1].__cause__)
    # The aiohttp transport calls every lost connection a connect time-out; what caused it knows better.
    if isinstance(causes[-1], httpx2.TimeoutException) or any(isinstance(cause, TimeoutError) for cause in causes):
        return timed_out(site, "in time")
    why = site.quote(str(causes[-1]) or type(causes[-1]).__name__)
    if started:
        return interrupted(site, f": {why}")
    return ModelError(
        f"No connection to {site.url}: {why}",
        model=site.model,
        hint="Check that the URL is right and that the server can be reached.",
        retryable=True,
    )
