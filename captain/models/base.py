"""The one road to a model: `Model.stream()`.

An adapter turns a `Request` into one provider's call; everything else around a call (metering, record
and replay, later retry and fallback) is a Model around a Model.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from functools import partial
from typing import Final, Literal, Protocol, TypeAlias, runtime_checkable

from captain.core.errors import ModelError, RateLimitError, StreamInterruptedError
from captain.core.messages import Finished, Reply, Request, StreamEvent

Effort: TypeAlias = Literal["none", "minimal", "low", "medium", "high", "xhigh"]
EFFORTS: Final[tuple[Effort, ...]] = ("none", "minimal", "low", "medium", "high", "xhigh")
IMAGE_TYPES: Final = ("image/png", "image/jpeg", "image/gif", "image/webp")


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """Facts about a model's family. Limits are None where they are not known.

    `note` is a sentence for a person where these are assumptions about a model that is not known.
    `pricing` is the provider id and model name under which `genai-prices` knows the model.
    `images` says whether it sees pictures at all, `file_types` which media types it reads besides.
    `efforts` are the reasoning efforts it takes, least first; none where it does not reason on request.
    `reasons_with_tools` is False where Chat Completions takes function tools only with reasoning
    switched off. `schemas` is what structured output it promises: of the strict subset (every property
    required, no others), of any JSON schema, or none. `cache`: prefixes are found by the provider, or
    where breakpoints are set. `system_role` is the role of the instructions where they are a message.

    The last three are Claude's: how thinking is asked for, how it is switched off where leaving it unsaid
    does not, and whether thoughts are bound to all that stood before them.
    """

    family: str
    note: str = ""
    pricing: tuple[str, str] | None = None
    context_tokens: int | None = None
    output_tokens: int | None = None
    images: bool = False
    image_types: tuple[str, ...] = IMAGE_TYPES
    image_bytes: int | None = None
    file_types: tuple[str, ...] = ()
    file_bytes: int | None = None
    edit_dialect: Literal["replace", "patch"] = "replace"
    temperature: bool = True
    efforts: tuple[Effort, ...] = ()
    reasons_with_tools: bool = True
    schemas: Literal["strict", "any", "none"] = "any"
    cache: Literal["automatic", "breakpoints"] = "automatic"
    system_role: Literal["system", "developer"] = "system"
    thinking: Literal["none", "budget", "adaptive"] = "none"
    thinking_off: Literal["unsaid", "disabled", "between_tools"] = "unsaid"
    binds_thinking: bool = False


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


def secrets_of(model: Model) -> tuple[str, ...]:
    """What a model is called with and nobody must see; none of a model that does not say, such as a script."""
    said: object = getattr(model, "secrets", ())
    return tuple(secret for secret in said if isinstance(secret, str)) if isinstance(said, tuple) else ()


async def repeated(ask: Callable[[], Awaitable[Reply]], repeats: int) -> Reply:
    """A call whose answer breaks off is made again, `repeats` times at most and at once.

    Waiting is `Retrying`'s business, which lets a retryable error through only if an answer had begun; a rate limit
    is never met at once.
    """
    for _ in range(repeats):
        try:
            return await ask()
        except ModelError as error:
            if not error.retryable or isinstance(error, RateLimitError):
                raise
    return await ask()


async def complete(model: Model, request: Request, *, repeats: int = 0) -> Reply:
    """The whole reply of one call: its stream, drained. One that breaks off is made again, `repeats` times at most."""
    return await repeated(partial(_drained, model, request), repeats)


async def _drained(model: Model, request: Request) -> Reply:
    async with model.stream(request) as events:
        async for event in events:
            if isinstance(event, Finished):
                return event.reply
    raise StreamInterruptedError(
        f"The answer of {model.id} ended before it was finished.", model=model.id, retryable=True
    )
