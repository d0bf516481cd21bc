"""What the calls over both vendors' SDKs have in common on the wire; loaded at the first call.

With the two transports above it, the only module that knows the libraries below the SDKs and their
exceptions: importing those costs most of a second.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager, suppress
from typing import Any, Final

import aiohttp
import anyio
import httpx2

from captain.core.clock import Clock
from captain.core.errors import ModelError
from captain.models.call_errors import Site, interrupted, timed_out
from captain.models.exchange import Exchange, Limits, in_time

NO_KEY: Final = "none"  # the SDKs insist on one; servers without keys ignore it
HEADERS: Final = {"Content-Type": "application/json", "Accept": "text/event-stream, application/json"}
_CONNECT_S: Final = 30.0

# What a call can raise besides the SDK's own errors: those of the transports come through while a body is read,
# and so do errors that the SDK's aiohttp transport does not map; anyio's comes when a TLS peer just leaves.
_FAILURES: Final = (httpx2.HTTPError, httpx2.InvalidURL, aiohttp.ClientError, OSError, anyio.EndOfStream)


def once(limits: Limits) -> dict[str, Any]:
    """The SDKs' options of a call that is made once and whose time is measured here."""
    return {"max_retries": 0, "timeout": httpx2.Timeout(None, connect=min(_CONNECT_S, limits.idle_s))}


@asynccontextmanager
async def exchanged(
    send: Callable[[], Awaitable[httpx2.Response]],
    *,
    site: Site,
    limits: Limits,
    clock: Clock,
    sdk_error: type[Exception],
    refusal: Callable[[Exception], ModelError | None],
) -> AsyncIterator[Exchange]:
    """The answer to one call. Raises `ModelError`, here or while the chunks are read.

    `refusal` reads what a server said in an error of the SDK; None for one in which it said nothing.
    """
    deadline_s = clock.monotonic_s() + limits.whole_s
    failures = (sdk_error, *_FAILURES)
    # What the SDKs' own errors print may repeat the key, so that they are never chained.
    try:
        with anyio.fail_after(min(limits.idle_s, limits.whole_s)):
            response = await send()
    except TimeoutError:
        raise timed_out(site, f"for {limits.idle_s:g} seconds") from None
    except failures as error:
        raise (refusal(error) or _lost(site, error, started=False)) from None

    def late(error: Exception) -> ModelError:
        return refusal(error) or _lost(site, error, started=True)

    try:
        async with (
            aclosing(response.aiter_bytes()) as sent,
            aclosing(
                in_time(sent, deadline_s, site=site, limits=limits, clock=clock, failures=failures, translate=late)
            ) as chunks,
        ):
            yield Exchange(headers=response.headers, chunks=chunks)
    finally:
        with anyio.CancelScope(shield=True), suppress(*failures):
            await response.aclose()


def _lost(site: Site, error: Exception, *, started: bool) -> ModelError:
    """The error for a connection that failed; `started` says whether the answer had begun."""
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
