"""Chat Completions, at OpenAI or at any server that is compatible with it."""

from __future__ import annotations

from typing import ClassVar

from captain.core.messages import Request
from captain.models.chat_answer import ChatAnswer
from captain.models.chat_request import dialect_of, encode
from captain.models.openai_endpoint import OpenAIEndpoint


class OpenAIChat(OpenAIEndpoint):
    """One model behind a Chat Completions endpoint.

    `api_key` goes to `base_url` and nowhere else, and is never looked up: without one a placeholder is
    sent, as local servers expect. A `client` that is handed in keeps its own key and address, and its
    owner closes it. `idle_timeout_s` limits the silence before and between pieces of an answer,
    `timeout_s` the whole call.
    """

    _scheme: ClassVar[str] = "openai-chat"
    _api: ClassVar[str] = "Chat Completions"
    _path: ClassVar[str] = "/chat/completions"

    def _encode(self, request: Request) -> bytes:
        dialect = dialect_of(self._host)
        return encode(request, model=self._model, name=self._id, profile=self._profile, dialect=dialect)

    def _answer(self) -> ChatAnswer:
        return ChatAnswer(self._site, provider=dialect_of(self._host).provider)
