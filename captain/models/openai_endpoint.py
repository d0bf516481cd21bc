"""One model behind an endpoint of OpenAI's kind: what Chat Completions and Responses have in common.

The SDK carries the call (address, key, transport); encoding the request and reading the stream are done
in modules beside this one, because the SDK's walk over the history and its models for every delta cost
more CPU than all of the rest. Retries are not done here either: a call is made once.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import aclosing, asynccontextmanager
from typing import TYPE_CHECKING, ClassVar
from urllib.parse import urlsplit

from captain.core.clock import Clock, SystemClock
from captain.core.messages import Request, StreamEvent
from captain.models.address import check_key, check_url
from captain.models.answering import Answer, events_of
from captain.models.base import Profile
from captain.models.call_errors import Site
from captain.models.exchange import Exchange, Limits
from captain.models.openai_hosts import OPENAI_URL, is_azure, is_openai
from captain.models.profiles import profile_of

if TYPE_CHECKING:
    from openai import AsyncOpenAI


class OpenAIEndpoint(ABC):
    """Its subclasses say what a request looks like (`_encode`) and how an answer is read (`_answer`)."""

    _scheme: ClassVar[str]  # what the names of these models begin with
    _api: ClassVar[str]
    _path: ClassVar[str]

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
        self._api_key = check_key(api_key, needed_by="OpenAI" if client is None and self._url == OPENAI_URL else None)
        self._headers = dict(headers or {})
        self._given_client = client
        self._own_client: AsyncOpenAI | None = None
        self._timeout_s = timeout_s
        self._idle_timeout_s = idle_timeout_s
        self._clock: Clock = clock or SystemClock()
        self._host = urlsplit(self._url).hostname or ""
        self._id = id or f"{self._scheme}:{model}"
        self._profile = profile or profile_of(model, host=self._host)
        key = self._api_key if client is None else client.api_key
        secrets = tuple(text for text in (key, *self._headers.values()) if len(text) > 5)
        self._site = Site(model=self._id, url=self._url, api=self._api, secrets=secrets)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._model!r}, base_url={self._url!r})"

    @property
    def id(self) -> str:
        return self._id

    @property
    def profile(self) -> Profile:
        return self._profile

    @property
    def secrets(self) -> tuple[str, ...]:
        """Its key and what its own headers say, to be masked wherever they turn up."""
        return self._site.secrets

    @asynccontextmanager
    async def stream(self, request: Request, /) -> AsyncIterator[AsyncIterator[StreamEvent]]:
        from captain.models.openai_transport import post

        began_s = self._clock.monotonic_s()
        body = self._encode(request)
        limits = Limits(idle_s=self._idle_timeout_s, whole_s=self._timeout_s)
        async with (
            post(self._client(), self._path, body, site=self._site, limits=limits, clock=self._clock) as exchange,
            aclosing(self._events(exchange, began_s)) as events,
        ):
            yield events

    async def aclose(self) -> None:
        """Closes the client made here; one that was handed in stays open."""
        client, self._own_client = self._own_client, None
        if client is not None:
            await client.close()

    @abstractmethod
    def _encode(self, request: Request) -> bytes:
        """The body of the call. Raises `RequestRejectedError` for what this model does not take."""

    @abstractmethod
    def _answer(self) -> Answer: ...

    def _events(self, exchange: Exchange, began_s: float) -> AsyncGenerator[StreamEvent]:
        answer = self._answer()
        return events_of(exchange, answer, site=self._site, model=self._model, clock=self._clock, began_s=began_s)

    def _client(self) -> AsyncOpenAI:
        if self._given_client is not None:
            return self._given_client
        if self._own_client is None:
            from captain.models.openai_transport import new_client

            official = is_openai(self._host) or is_azure(self._host)
            self._own_client = new_client(self._url, api_key=self._api_key, headers=self._headers, official=official)
        return self._own_client
