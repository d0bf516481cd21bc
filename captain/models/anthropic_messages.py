"""Messages over the official SDK, at Anthropic or at a server or gateway that speaks as it does.

The SDK carries the call (address, key, transport); encoding the request and reading the stream are done
here, because standard encoding, copies and models for every delta cost more CPU than all of the rest.
Retries are not done here either: a call is made once.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import aclosing, asynccontextmanager
from typing import TYPE_CHECKING, Final
from urllib.parse import urlsplit

from captain.core.clock import Clock, SystemClock
from captain.core.messages import Request, StreamEvent
from captain.models.address import check_key, check_url
from captain.models.answering import events_of
from captain.models.anthropic_answer import AnthropicAnswer
from captain.models.anthropic_request import encode
from captain.models.anthropic_settings import betas
from captain.models.base import Profile
from captain.models.call_errors import Site
from captain.models.exchange import Limits
from captain.models.profiles import profile_of

if TYPE_CHECKING:
    from anthropic import AsyncAnthropic

ANTHROPIC_URL: Final = "https://api.anthropic.com"
_URL_FORM: Final = "which /v1/messages is put behind"


class AnthropicMessages:
    """One model behind a Messages endpoint, whose `base_url` is what stands before /v1/messages.

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
        base_url: str = ANTHROPIC_URL,
        headers: Mapping[str, str] | None = None,
        client: AsyncAnthropic | None = None,
        timeout_s: float = 1800.0,
        idle_timeout_s: float = 120.0,
        clock: Clock | None = None,
    ) -> None:
        self._model = model
        self._url = check_url(base_url if client is None else str(client.base_url)).removesuffix("/v1")
        self._api_key = check_key(
            api_key, needed_by="Anthropic" if client is None and self._url == ANTHROPIC_URL else None
        )
        self._headers = dict(headers or {})
        self._given_client = client
        self._own_client: AsyncAnthropic | None = None
        self._timeout_s = timeout_s
        self._idle_timeout_s = idle_timeout_s
        self._clock: Clock = clock or SystemClock()
        self._id = id or f"anthropic:{model}"
        host = urlsplit(self._url).hostname or ""
        # A signature of one server means nothing to another.
        self._provider = "anthropic" if host == urlsplit(ANTHROPIC_URL).hostname else f"anthropic@{host}"
        self._profile = profile or profile_of(model, host=host)
        keys = (self._api_key,) if client is None else (client.api_key or "", client.auth_token or "")
        secrets = tuple(text for text in (*keys, *self._headers.values()) if len(text) > 5)
        self._site = Site(model=self._id, url=self._url, api="Messages", url_form=_URL_FORM, secrets=secrets)

    def __repr__(self) -> str:
        return f"AnthropicMessages({self._model!r}, base_url={self._url!r})"

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
        from captain.models.anthropic_transport import post

        began_s = self._clock.monotonic_s()
        body = encode(request, model=self._model, name=self._id, profile=self._profile, provider=self._provider)
        headers = betas(self._profile)
        answer = AnthropicAnswer(self._site, provider=self._provider)
        limits = Limits(idle_s=self._idle_timeout_s, whole_s=self._timeout_s)
        async with (
            post(self._client(), body, headers=headers, site=self._site, limits=limits, clock=self._clock) as exchange,
            aclosing(
                events_of(exchange, answer, site=self._site, model=self._model, clock=self._clock, began_s=began_s)
            ) as events,
        ):
            yield events

    async def aclose(self) -> None:
        """Closes the client made here; one that was handed in stays open."""
        client, self._own_client = self._own_client, None
        if client is not None:
            await client.close()

    def _client(self) -> AsyncAnthropic:
        if self._given_client is not None:
            return self._given_client
        if self._own_client is None:
            from captain.models.anthropic_transport import new_client

            self._own_client = new_client(self._url, api_key=self._api_key, headers=self._headers)
        return self._own_client
