"""The one road to a model: `Model.stream()`.

An adapter turns a `Request` into one provider's call; everything else around a call (metering, record
and replay, later retry and fallback) is a Model around a Model.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Literal, Protocol, TypeAlias, runtime_checkable

from captain.core.errors import StreamInterruptedError
from captain.core.messages import Finished, Reply, Request, StreamEvent

Effort: TypeAlias = Literal["minimal", "low", "medium", "high"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """Facts about a model's family. Token limits are None where they are not known.

    `pricing` is the provider id and model name under which `genai-prices` knows the model. `efforts` are
    the reasoning efforts it takes, least first. `reasons_with_tools` is False where Chat Completions
    takes function tools only with reasoning switched off.
    """

    family: str
    pricing: tuple[str, str] | None = None
    context_tokens: int | None = None
    output_tokens: int | None = None
    images: bool = False
    edit_dialect: Literal["replace", "patch"] = "replace"
    temperature: bool = True
    efforts: tuple[Effort, ...] = ()
    reasons_with_tools: bool = True


@runtime_checkable
class Model(Protocol):
    """`id` is the name it goes by in crews, events and reports; `aclose` frees what it holds open."""

    @property
    def id(self) -> str: ...

    @property
    def profile(self) -> Profile: ...

    def stream(self, request: Request, /) -> AbstractAsyncContextManager[AsyncIterator[StreamEvent]]:
        """Events of one call, ending with `Finished`. Raises `ModelError`."""
        ...

    async def aclose(self) -> None: ...


async def complete(model: Model, request: Request) -> Reply:
    """The whole reply of one call: its stream, drained."""
    async with model.stream(request) as events:
        async for event in events:
            if isinstance(event, Finished):
                return event.reply
    raise StreamInterruptedError(
        f"The answer of {model.id} ended before it was finished.", model=model.id, retryable=True
    )
