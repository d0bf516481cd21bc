"""Chat Completions over the official SDK, at OpenAI or at any server that is compatible with it.

The SDK carries the call (address, key, transport); encoding the request and reading the stream are done
here, because the SDK's walk over the history and its models for every delta cost more CPU than all of the
rest (see `chat_request`). Retries are not done here either: a call is made once.
"""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing, asynccontextmanager, suppress
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import urlsplit

import anyio

from captain.core.clock import Clock, SystemClock
from captain.core.errors import BadResponseError, ModelError, UsageError
from captain.core.messages import Finished, Reply, Request, StreamEvent
from captain.models.base import Profile
from captain.models.chat_answer import Answer
from captain.models.chat_errors import Site, interrupted
from captain.models.chat_request import check_media, dialect_of, encode
from captain.models.profiles import profile_of
from captain.models.sse import DONE, AnswerDecoder

if TYPE_CHECKING:
    from openai import AsyncOpenAI

    from captain.models.chat_transport import Exchange

OPENAI_URL: Final = "https://api.openai.com/v1"
_DRAIN_S: Final = 0.1  # reading to the very end lets the connection be used again
_REQUEST_ID_HEADERS: Final = ("x-request-id", "request-id", "apim-request-id")


class OpenAIChat:
    """One model behind a Chat Completions endpoint.

    `api_key` goes to `base_url` and nowhere else, and is never looked up: without one a placeholder is
    sent, as local servers expect. A `client` that is handed in keeps its own key and address, and its
    owner closes it. `idle_timeout_s` limits the silence before and between pieces of an answer,
    `timeout_s` the whole call.
    """

    def __init__(
        self,
        model: str,
        *,
        id: str | None = None,  # noqa: A002 - its name on every model
        profile: Profile | None = None,
        api_key: str | None = None,
        base_url: str = OPENAI_URL,
        headers: Mapping[str, str] | None = None,
        client: AsyncOpenAI | None = None,
        timeout_s: float = 1800.0,
        idle_timeout_s: float = 120.0,
        clock: Clock | None = None,
    ) -> None:
        self._model = model
        self._url = check_url(base_url if client is None else str(client.base_url))
        self._api_key = _checked_key(api_key, needed=client is None and self._url == OPENAI_URL)
        self._headers = dict(headers or {})
        self._given_client = client
        self._own_client: AsyncOpenAI | None = None
        self._timeout_s = timeout_s
        self._idle_timeout_s = idle_timeout_s
        self._clock: Clock = clock or SystemClock()
        host = urlsplit(self._url).hostname or ""
        self._dialect = dialect_of(host)
        self._id = id or f"openai-chat:{model}"
        self._profile = profile or profile_of(model, host=host)
        key = self._api_key if client is None else client.api_key
        secrets = tuple(text for text in (key, *self._headers.values()) if len(text) > 5)
        self._site = Site(model=self._id, url=self._url, secrets=secrets)

    def __repr__(self) -> str:
        return f"OpenAIChat({self._model!r}, base_url={self._url!r})"

    @property
    def id(self) -> str:
        return self._id

    @property
    def profile(self) -> Profile:
        return self._profile

    @asynccontextmanager
    async def stream(self, request: Request, /) -> AsyncIterator[AsyncIterator[StreamEvent]]:
        from captain.models.chat_transport import Limits, post

        began_s = self._clock.monotonic_s()
        check_media(request, name=self._id, profile=self._profile)
        body = encode(request, model=self._model, profile=self._profile, dialect=self._dialect)
        limits = Limits(idle_s=self._idle_timeout_s, whole_s=self._timeout_s)
        async with (
            post(self._client(), body, site=self._site, limits=limits, clock=self._clock) as exchange,
            aclosing(self._events(exchange, began_s)) as events,
        ):
            yield events

    async def aclose(self) -> None:
        """Closes the client made here; one that was handed in stays open."""
        client, self._own_client = self._own_client, None
        if client is not None:
            await client.close()

    def _client(self) -> AsyncOpenAI:
        if self._given_client is not None:
            return self._given_client
        if self._own_client is None:
            from captain.models.chat_transport import new_client

            self._own_client = new_client(
                self._url, api_key=self._api_key, headers=self._headers, official=self._dialect.official
            )
        return self._own_client

    async def _events(self, exchange: Exchange, began_s: float) -> AsyncGenerator[StreamEvent]:
        answer = Answer(self._site, provider=self._dialect.provider)
        first_s: float | None = None
        async with aclosing(self._read(exchange.chunks, answer)) as events:
            async for event in events:
                if first_s is None:
                    first_s = self._clock.monotonic_s() - began_s
                yield event
        message, stop = answer.finish()
        await _drain(exchange.chunks)
        duration_s = self._clock.monotonic_s() - began_s
        headers = exchange.headers
        reply = Reply(
            message=message,
            stop=stop,
            usage=answer.usage,
            model=answer.served_by or self._model,
            request_id=next((headers[name] for name in _REQUEST_ID_HEADERS if name in headers), answer.id),
            first_event_s=duration_s if first_s is None else first_s,
            duration_s=duration_s,
        )
        yield Finished(reply=reply)

    async def _read(self, chunks: AsyncIterator[bytes], answer: Answer) -> AsyncGenerator[StreamEvent]:
        """The events of the answer, up to its end mark or the end of the bytes."""
        decoder = AnswerDecoder()
        async for chunk in chunks:
            for data in decoder.feed(chunk):
                if data.startswith(DONE):
                    return
                for event in answer.take(self._load(data)):
                    yield event
        for data in decoder.end():
            if data.startswith(DONE):
                return
            for event in self._last(data, decoder, answer):
                yield event
        if not answer.heard:
            self._explain(decoder.head)

    def _last(self, data: bytes, decoder: AnswerDecoder, answer: Answer) -> list[StreamEvent]:
        if decoder.is_whole:
            return answer.take_whole(self._load(data))
        try:
            chunk = json.loads(data)
        except ValueError:  # the bytes ended in the middle of an event
            raise interrupted(self._site, ".", request_id=answer.id) from None
        return answer.take(chunk)

    def _load(self, data: bytes) -> Any:
        try:
            return json.loads(data)
        except (ValueError, RecursionError):
            piece = self._site.quote(data.decode("utf-8", "replace"))
            raise BadResponseError(
                f"The answer of {self._id} has a piece that is no JSON: {piece}",
                model=self._id,
                hint="Try again.",
                retryable=True,
            ) from None

    def _explain(self, head: bytes) -> None:
        """Raises for an answer in which nothing could be read."""
        start = head.decode("utf-8", "replace").strip()
        if not start or start.startswith((":", "data:", "event:")):
            raise interrupted(self._site, ".")
        what = "an HTML page." if start.startswith("<") else f"no completion: {self._site.quote(start)}"
        raise BadResponseError(
            f"The answer of {self._url} is {what}",
            model=self._id,
            hint="Check that the URL is that of a Chat Completions server; it often ends in /v1.",
        )


async def _drain(chunks: AsyncIterator[bytes]) -> None:
    with anyio.move_on_after(_DRAIN_S), suppress(ModelError):
        async for _ in chunks:
            pass


def check_url(url: str) -> str:
    """The URL without its last slash. Raises `UsageError` unless it is a plain http or https URL."""
    try:
        parts = urlsplit(url)
        valid = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # a port that is no number, a bracket that does not close
        parts, valid = urlsplit(""), False
    if "@" in parts.netloc or parts.query or parts.fragment:
        raise UsageError(
            f"The URL of {parts.hostname} carries credentials or a query, which do not belong there.",
            hint="Give the plain URL, and the key as api_key.",
        )
    if not valid:
        raise UsageError(
            f"{url!r} is not an http or https URL.", hint="Write it in full, for example http://localhost:8000/v1."
        )
    return url.rstrip("/")


def _checked_key(given: str | None, *, needed: bool) -> str:
    key = (given or "").strip()
    if needed and not key:
        raise UsageError(
            "OpenAI's API is called with a key, and none was given.",
            hint="Pass api_key, or let captain.models.resolve() find it.",
        )
    if not key.isascii() or not key.isprintable() or " " in key:
        # Said here, since the transports quote a header that they refuse.
        raise UsageError("The API key contains characters that no key has.", hint="Copy the key again, on one line.")
    return key
