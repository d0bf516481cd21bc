"""Carries the bytes of a call over Anthropic's SDK; loaded at the first call, since importing it is slow."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from functools import partial
from typing import Any, Final

import anthropic
import httpx2

from captain.core.clock import Clock
from captain.core.errors import ModelError
from captain.models.anthropic_errors import refused
from captain.models.call_errors import Site
from captain.models.exchange import Exchange, Limits
from captain.models.transport import HEADERS, NO_KEY, exchanged, once

# The bodies are written for this version, whatever the installed SDK is made for: newer ones know no temperature.
_VERSION: Final = "2023-06-01"


def new_client(url: str, *, api_key: str, headers: Mapping[str, str]) -> anthropic.AsyncAnthropic:
    """A client on the SDK's aiohttp transport, whose pool stays flat to thousands of connections."""
    client = anthropic.AsyncAnthropic(
        api_key=api_key or NO_KEY,
        base_url=url,
        max_retries=0,
        # A redirect would turn the POST into a GET; it is reported instead.
        http_client=anthropic.DefaultAioHttpClient(follow_redirects=False),
    )
    # The SDK adds the lines of an environment variable, keys among them, wherever the URL leads.
    client._custom_headers = dict(headers)  # noqa: SLF001
    return client


@asynccontextmanager
async def post(
    client: anthropic.AsyncAnthropic,
    body: bytes,
    *,
    headers: Mapping[str, str],
    site: Site,
    limits: Limits,
    clock: Clock,
) -> AsyncIterator[Exchange]:
    """One call, made once. Raises `ModelError`, here or while the chunks are read."""
    options: Any = {
        "headers": {**HEADERS, "anthropic-version": _VERSION, **_joined(client, headers)},
        **once(limits),
    }
    stream: bool = True  # typed as any bool: with this `cast_to` the SDK hands over its response unread
    send = partial(client.post, "/v1/messages", content=body, cast_to=httpx2.Response, options=options, stream=stream)
    refusal = partial(_refusal, site)
    async with exchanged(
        send, site=site, limits=limits, clock=clock, sdk_error=anthropic.AnthropicError, refusal=refusal
    ) as exchange:
        yield exchange


def _joined(client: anthropic.AsyncAnthropic, headers: Mapping[str, str]) -> dict[str, str]:
    """The headers, with what a host's own client says under the same names before them, as for betas."""
    theirs = {name.lower(): value for name, value in client.default_headers.items()} if headers else {}
    return {
        name: ",".join([*([str(theirs[name])] if name in theirs else []), value]) for name, value in headers.items()
    }


def _refusal(site: Site, error: Exception) -> ModelError | None:
    if not isinstance(error, anthropic.APIStatusError):
        return None
    body = error.body if error.body is not None else error.response.text
    return refused(site, body, status=error.status_code, headers=error.response.headers)
