"""Measures calls: tokens, cost, latency and time to the first event, of those that fail, too."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from dataclasses import dataclass
from decimal import Decimal
from typing import Literal, TypeAlias

from captain.core.clock import Clock, SystemClock
from captain.core.errors import ModelError, UsageError
from captain.core.messages import Finished, Reply, Request, StreamEvent
from captain.core.usage import Usage
from captain.models.around import Around
from captain.models.base import Model
from captain.models.latency import Percentiles, RecentDurations
from captain.models.prices import reply_cost_usd

CallOutcome: TypeAlias = Literal["finished", "failed", "abandoned"]


@dataclass(frozen=True, slots=True, kw_only=True)
class CallRecord:
    """One call, as its caller saw it. `model` is the id of the one that answered, or else was asked.

    `abandoned` is a call that nobody waited for to the end, such as the loser of a hedge: it may be charged
    for. `usage` is None where it is not known, `first_event_s` where nothing came. `hedge` marks calls that
    were one of two attempts at the same answer.
    """

    model: str
    outcome: CallOutcome
    duration_s: float
    first_event_s: float | None = None
    usage: Usage | None = None
    cost_usd: Decimal | None = None
    request_id: str | None = None
    error: ModelError | None = None
    hedge: bool = False


OnCall: TypeAlias = Callable[[CallRecord], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Latency:
    """Of the last finished calls."""

    first_event: Percentiles
    duration: Percentiles


class Metered(Around):
    """Answers as `model` does and hands `on_call` a record of every call once it is over.

    A call refused before it was made (`UsageError`) is none. `latency` is that of the last `window` calls
    that were finished.
    """

    def __init__(
        self, model: Model, on_call: OnCall | None = None, *, clock: Clock | None = None, window: int = 200
    ) -> None:
        super().__init__(model)
        self._on_call = on_call
        self._clock: Clock = clock or SystemClock()
        self._first_events = RecentDurations(window)
        self._durations = RecentDurations(window)

    @property
    def latency(self) -> Latency:
        return Latency(first_event=self._first_events.percentiles(), duration=self._durations.percentiles())

    @asynccontextmanager
    async def stream(self, request: Request, /) -> AsyncIterator[AsyncIterator[StreamEvent]]:
        call = _Call(self._clock)
        try:
            async with AsyncExitStack() as stack:
                try:
                    events = await stack.enter_async_context(self._model.stream(request))
                except (ModelError, UsageError) as error:
                    call.failed(error)
                    raise
                yield await stack.enter_async_context(aclosing(call.watch(events)))
        finally:
            if call.was_made:
                self._report(call)

    def _report(self, call: _Call) -> None:
        duration_s = self._clock.monotonic_s() - call.began_s if call.duration_s is None else call.duration_s
        reply = call.reply
        if reply is not None:
            self._durations.add(duration_s)
            self._first_events.add(duration_s if call.first_event_s is None else call.first_event_s)
        if self._on_call is None:
            return
        # A server that does not count sends no usage at all: no call uses nothing.
        counted = reply is not None and reply.usage.total_tokens > 0
        self._on_call(
            CallRecord(
                model=(reply.answered_by if reply else "") or self.id,
                outcome="finished" if reply else "failed" if call.error else "abandoned",
                duration_s=duration_s,
                first_event_s=call.first_event_s,
                usage=reply.usage if reply and counted else None,
                cost_usd=reply_cost_usd(self.profile, reply) if reply else None,
                request_id=reply.request_id if reply else call.error.request_id if call.error else None,
                error=call.error,
            )
        )


class _Call:
    """What is seen of one call while it runs."""

    def __init__(self, clock: Clock) -> None:
        self._clock = clock
        self.began_s = clock.monotonic_s()
        self.first_event_s: float | None = None
        self.duration_s: float | None = None
        self.reply: Reply | None = None
        self.error: ModelError | None = None
        self.was_made = True

    def failed(self, error: ModelError | UsageError) -> None:
        if isinstance(error, ModelError):
            self.error = error
            self.duration_s = self._clock.monotonic_s() - self.began_s
        else:
            self.was_made = False

    async def watch(self, events: AsyncIterator[StreamEvent]) -> AsyncGenerator[StreamEvent]:
        try:
            async for event in events:
                if self.first_event_s is None:
                    self.first_event_s = self._clock.monotonic_s() - self.began_s
                if isinstance(event, Finished):
                    self.reply = event.reply
                    self.duration_s = self._clock.monotonic_s() - self.began_s
                yield event
        except (ModelError, UsageError) as error:
            self.failed(error)
            raise
