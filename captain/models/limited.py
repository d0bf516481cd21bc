"""Lets calls pass through an account's gate and tells the gate what became of them."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Iterator
from contextlib import AsyncExitStack, aclosing, asynccontextmanager, contextmanager

from captain.core.errors import RateLimitError
from captain.core.messages import Request, StreamEvent
from captain.models.around import Around
from captain.models.base import Model
from captain.models.rate_gate import Admission, RateGate


class Limited(Around):
    """Answers as `model` does, once `gate` lets the call pass. A rejected call is not made again here."""

    def __init__(self, model: Model, gate: RateGate) -> None:
        super().__init__(model)
        self._gate = gate

    @asynccontextmanager
    async def stream(self, request: Request, /) -> AsyncIterator[AsyncIterator[StreamEvent]]:
        async with self._gate.admission(self.id) as admission, AsyncExitStack() as stack:
            with self._told(admission):
                events = await stack.enter_async_context(self._model.stream(request))
            yield await stack.enter_async_context(aclosing(self._watched(events, admission)))

    async def _watched(self, events: AsyncIterator[StreamEvent], admission: Admission) -> AsyncGenerator[StreamEvent]:
        with self._told(admission):  # some providers begin an answer with the rejection
            async for event in events:
                yield event

    @contextmanager
    def _told(self, admission: Admission) -> Iterator[None]:
        try:
            yield
        except RateLimitError as error:
            if error.retryable:  # otherwise nothing was too much: the account has no credit, for instance
                self._gate.rejected(admission, retry_after_s=error.retry_after_s)
            raise
