"""What models around models have in common, and the one moment that matters to them: the first event.

Until then a call can be made again, elsewhere or twice; what has been passed on cannot be taken back.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import AsyncExitStack, aclosing
from dataclasses import replace

from captain.core.errors import StreamInterruptedError
from captain.core.messages import Finished, Request, StreamEvent
from captain.models.base import Model, Profile, secrets_of


class Around:
    """Goes by the name of the model inside, has its profile, and closes it with itself."""

    def __init__(self, model: Model) -> None:
        self._model = model

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self._model!r})"

    @property
    def id(self) -> str:
        return self._model.id

    @property
    def profile(self) -> Profile:
        return self._model.profile

    @property
    def secrets(self) -> tuple[str, ...]:
        return secrets_of(self._model)

    async def aclose(self) -> None:
        await self._model.aclose()


async def begin(model: Model, request: Request, stack: AsyncExitStack) -> AsyncIterator[StreamEvent]:
    """The events of a call whose first one has come; `stack` closes it.

    Raises `ModelError` with nothing left open, so that the call can be made again.
    """
    async with AsyncExitStack() as opened:
        events = await opened.enter_async_context(model.stream(request))
        first = await anext(events, None)
        if first is None:
            raise StreamInterruptedError(
                f"The answer of {model.id} ended before it began.", model=model.id, hint="Try again.", retryable=True
            )
        begun = await opened.enter_async_context(aclosing(_preceded(first, events)))
        stack.push_async_exit(opened.pop_all())
    return begun


async def with_lost(events: AsyncIterator[StreamEvent], lost_calls: Callable[[], int]) -> AsyncGenerator[StreamEvent]:
    """The same events; the reply at their end tells of calls that were lost on the way to it."""
    async for event in events:
        if isinstance(event, Finished) and (lost := lost_calls()):
            reply = event.reply
            yield replace(event, reply=replace(reply, lost_calls=reply.lost_calls + lost))
        else:
            yield event


async def _preceded(first: StreamEvent, rest: AsyncIterator[StreamEvent]) -> AsyncGenerator[StreamEvent]:
    yield first
    async for event in rest:
        yield event
