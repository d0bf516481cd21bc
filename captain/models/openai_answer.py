"""What the answers of both of OpenAI's interfaces have in common while they are put together."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from typing import Any

from captain.core.errors import BadResponseError
from captain.core.messages import JsonObject, Opaque, StreamEvent
from captain.core.usage import Usage
from captain.models.call_errors import Site, reported


class OpenAIAnswer(ABC):
    """An answer of Chat Completions or of Responses (see `answering.Answer`)."""

    def __init__(self, site: Site, *, provider: str) -> None:
        self.id: str | None = None
        self.served_by: str | None = None
        self.usage = Usage()
        self.heard = False
        self.complete = False
        self._site = site
        self._provider = provider

    def take(self, chunk: Any) -> list[StreamEvent]:
        self.heard = True
        if not isinstance(chunk, dict):
            raise self._bad(f"has a piece that is no JSON object: {self._site.quote(repr(chunk))}")
        if chunk.get("error") or chunk.get("object") == "error" or chunk.get("type") == "error":
            raise reported(self._site, chunk, request_id=self.id)
        try:
            return self._take(chunk)
        except (AttributeError, KeyError, OverflowError, TypeError, ValueError):  # a shape no documented server sends
            piece = self._site.quote(json.dumps(chunk))
            raise self._bad(f"has a piece of an unknown shape: {piece}") from None

    @abstractmethod
    def _take(self, chunk: JsonObject) -> list[StreamEvent]: ...

    def _opaque(self, payload: JsonObject | None) -> Opaque | None:
        return Opaque(provider=self._provider, data=json.dumps(payload)) if payload else None

    def _bad(self, what: str) -> BadResponseError:
        return BadResponseError(
            f"The answer of {self._site.model} {what}.",
            model=self._site.model,
            hint=f"Try again; if it stays so, check that the URL is that of a {self._site.api} server.",
            request_id=self.id,
            retryable=True,
        )


def text_of(value: Any) -> str:
    """The value, if it is a text. Raises `TypeError`."""
    if not isinstance(value, str):
        raise TypeError(f"{type(value).__name__} in place of a text")
    return value


def count_of(value: Any) -> int:
    """A number of tokens; 0 for whatever is none."""
    return int(value) if isinstance(value, int | float) and value > 0 else 0
