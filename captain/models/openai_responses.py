"""OpenAI's Responses interface, at OpenAI or at any server that offers it, without state on the server."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, ClassVar

from captain.core.clock import Clock
from captain.core.messages import JsonObject, Request
from captain.models.base import Profile
from captain.models.openai_endpoint import OpenAIEndpoint
from captain.models.openai_hosts import OPENAI_URL
from captain.models.responses_answer import ResponsesAnswer
from captain.models.responses_request import Summary, encode, habits_of

if TYPE_CHECKING:
    from openai import AsyncOpenAI


class OpenAIResponses(OpenAIEndpoint):
    """One model behind a Responses endpoint.

    Key, client and time limits are as with `OpenAIChat`. `server_tools` are tools that run at the
    provider, as it describes them (`{"type": "web_search"}`); what they do rides along in the answers as
    opaque parts. `reasoning_summary` asks for summaries of the reasoning, which OpenAI gives to verified
    organizations only.
    """

    _scheme: ClassVar[str] = "openai"
    _api: ClassVar[str] = "Responses"
    _path: ClassVar[str] = "/responses"

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
        server_tools: Sequence[JsonObject] = (),
        reasoning_summary: Summary | None = None,
        timeout_s: float = 1800.0,
        idle_timeout_s: float = 120.0,
        clock: Clock | None = None,
    ) -> None:
        super().__init__(
            model,
            id=id,
            profile=profile,
            api_key=api_key,
            base_url=base_url,
            headers=headers,
            client=client,
            timeout_s=timeout_s,
            idle_timeout_s=idle_timeout_s,
            clock=clock,
        )
        self._habits = habits_of(self._host, server_tools=tuple(server_tools), summary=reasoning_summary)

    def _encode(self, request: Request) -> bytes:
        return encode(request, model=self._model, name=self._id, profile=self._profile, habits=self._habits)

    def _answer(self) -> ResponsesAnswer:
        return ResponsesAnswer(self._site, provider=self._habits.provider)
