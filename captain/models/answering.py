"""From the bytes of an answer to its events and the reply at their end, whichever interface they came by."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, suppress
from typing import Any, Final, Protocol

import anyio

from captain.core.clock import Clock
from captain.core.errors import BadResponseError, ModelError
from captain.core.messages import AssistantMessage, Finished, Reply, StopReason, StreamEvent
from captain.core.usage import Usage
from captain.models import fast_json
from captain.models.call_errors import Site, interrupted
from captain.models.exchange import Exchange
from captain.models.sse import DONE, AnswerDecoder

_DRAIN_S: Final = 0.1  # reading to the very end lets the connection be used again
_REQUEST_ID_HEADERS: Final = ("request-id", "x-request-id", "apim-request-id")  # a proxy adds the second to Anthropic's
_STREAM_BEGINS: Final = (":", "data:", "event:", "id:", "retry:")


class Answer(Protocol):
    """Takes the pieces of one answer as they come; `finish` is what they add up to.

    `heard` is true after any piece that is JSON, `complete` once nothing is left to wait for.
    """

    id: str | None
    served_by: str | None
    heard: bool
    complete: bool

    @property
    def usage(self) -> Usage: ...

    def take(self, chunk: Any) -> list[StreamEvent]:
        """The events this piece makes. Raises `ModelError` for one that is an error or makes no sense."""
        ...

    def take_whole(self, body: Any) -> list[StreamEvent]:
        """As `take`, for a server that answers with one JSON body."""
        ...

    def finish(self) -> tuple[AssistantMessage, StopReason]:
        """The message and why it ended. Raises `ModelError` unless the server said that it is finished."""
        ...


async def events_of(
    exchange: Exchange, answer: Answer, *, site: Site, model: str, clock: Clock, began_s: float
) -> AsyncGenerator[StreamEvent]:
    """All events of the answer, `Finished` last; `model` is the name to use where the server says none."""
    first_s: float | None = None
    async with aclosing(_read(exchange.chunks, answer, site)) as events:
        async for event in events:
            if first_s is None:
                first_s = clock.monotonic_s() - began_s
            yield event
    message, stop = answer.finish()
    await _drain(exchange.chunks)
    duration_s = clock.monotonic_s() - began_s
    headers = exchange.headers
    reply = Reply(
        message=message,
        stop=stop,
        usage=answer.usage,
        model=answer.served_by or model,
        request_id=next((headers[name] for name in _REQUEST_ID_HEADERS if name in headers), answer.id),
        first_event_s=duration_s if first_s is None else first_s,
        duration_s=duration_s,
    )
    yield Finished(reply=reply)


async def _read(chunks: AsyncIterator[bytes], answer: Answer, site: Site) -> AsyncGenerator[StreamEvent]:
    """The events of the answer, up to its end mark or the end of the bytes."""
    decoder = AnswerDecoder()
    async for chunk in chunks:
        for data in decoder.feed(chunk):
            if data.startswith(DONE):
                return
            for event in answer.take(_load(data, site)):
                yield event
            if answer.complete:
                return
    for data in decoder.end():
        if data.startswith(DONE):
            return
        for event in _last(data, decoder, answer, site):
            yield event
    if not answer.heard:
        raise _explained(decoder.head, site)


def _last(data: bytes, decoder: AnswerDecoder, answer: Answer, site: Site) -> list[StreamEvent]:
    if decoder.is_whole:
        return answer.take_whole(_load(data, site))
    try:
        chunk = fast_json.loads(data)
    except ValueError:  # the bytes ended in the middle of an event
        raise interrupted(site, ".", request_id=answer.id) from None
    return answer.take(chunk)


def _load(data: bytes, site: Site) -> Any:
    try:
        return fast_json.loads(data)
    except (ValueError, RecursionError):
        piece = site.quote(data.decode("utf-8", "replace"))
        raise BadResponseError(
            f"The answer of {site.model} has a piece that is no JSON: {piece}",
            model=site.model,
            hint="Try again.",
            retryable=True,
        ) from None


def _explained(head: bytes, site: Site) -> ModelError:
    """The error for an answer in which nothing could be read."""
    start = head.decode("utf-8", "replace").strip()
    if any(start.startswith(mark) or mark.startswith(start) for mark in _STREAM_BEGINS):
        return interrupted(site, ".")
    what = "an HTML page." if start.startswith("<") else f"no {site.api} answer: {site.quote(start)}"
    return BadResponseError(
        f"The answer of {site.url} is {what}",
        model=site.model,
        hint=f"Check the URL, {site.url_form}, and that a {site.api} server answers there.",
    )


async def _drain(chunks: AsyncIterator[bytes]) -> None:
    with anyio.move_on_after(_DRAIN_S), suppress(ModelError):
        async for _ in chunks:
            pass
