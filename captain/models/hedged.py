"""Makes a slow call a second time and takes whichever answers first: opt-in, against the latency tail.

The second attempt is made after the model's own recent p90 time to first event. Where latencies of two
attempts are independent, that takes a third off p95 and 45 % off p99 for 9.8 % more calls; where long answers
are what is slow, hardly anything. So measure it: `CallRecord.hedge` marks what was given up.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, aclosing, asynccontextmanager, contextmanager
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

import anyio

from captain.core.clock import Clock, SystemClock
from captain.core.errors import ModelError, UsageError
from captain.core.messages import Request, StreamEvent
from captain.models.around import Around, begin, with_lost
from captain.models.base import Model
from captain.models.latency import RecentDurations
from captain.models.metered import CallRecord, OnCall

_BUFFER: Final = 64  # events of the second attempt that may wait, so that its reader is not woken for each

Attempt: TypeAlias = Literal["first", "second"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Hedge:
    """When a second attempt is made: after the `quantile` of the last `window` times to first event.

    Never before `min_calls` are known, and never for more than `share` of all calls; what is left of the
    share is kept for `window` calls.
    """

    quantile: float = 0.9
    share: float = 0.1
    window: int = 500
    min_calls: int = 20

    def __post_init__(self) -> None:
        for name in ("quantile", "share"):
            if not 0 < getattr(self, name) <= 1:
                raise UsageError(
                    f"Hedge({name}={getattr(self, name)}) is not a share.", hint="Give a number above 0 and up to 1."
                )
        if not 1 <= self.min_calls <= self.window:
            raise UsageError(
                f"Hedge(min_calls={self.min_calls}, window={self.window}) never knows enough calls.",
                hint="Give 1 or more, and a window that is not smaller.",
            )


class Hedged(Around):
    """Answers as `model` does, from the faster one of two attempts where the first is slow.

    `may_hedge` is asked at the start of a call and before a second attempt: while calls are held back, time
    says nothing about the model and a second attempt makes it worse. `on_call` gets a record of every
    attempt that was given up; what it used is not known.
    """

    def __init__(
        self,
        model: Model,
        hedge: Hedge | None = None,
        *,
        may_hedge: Callable[[], bool] = lambda: True,
        on_call: OnCall | None = None,
        clock: Clock | None = None,
    ) -> None:
        super().__init__(model)
        self.calls = 0
        self.extra_calls = 0
        self._hedge = hedge or Hedge()
        self._may_hedge = may_hedge
        self._on_call = on_call
        self._clock: Clock = clock or SystemClock()
        self._first_events = RecentDurations(self._hedge.window)
        self._credit = 0.0  # in calls; a second attempt costs 1 / share of them

    @asynccontextmanager
    async def stream(self, request: Request, /) -> AsyncIterator[AsyncIterator[StreamEvent]]:
        self.calls += 1
        self._credit = min(self._credit + 1, max(self._hedge.window, 1 / self._hedge.share))
        began_s = self._clock.monotonic_s()
        unhindered = self._may_hedge()
        if unhindered and len(self._first_events) >= self._hedge.min_calls:
            async with self._raced(request, self._first_events.quantile(self._hedge.quantile)) as events:
                yield events
            return
        async with AsyncExitStack() as stack:
            events = await begin(self._model, request, stack)
            if unhindered:
                self._first_events.add(self._clock.monotonic_s() - began_s)
            yield events

    @asynccontextmanager
    async def _raced(self, request: Request, delay_s: float) -> AsyncIterator[AsyncIterator[StreamEvent]]:
        # The first attempt runs in the caller's own task, so that the nine of ten calls without a second one
        # cost no more than a timer; the second has a task of its own and sends its events over.
        race = _Race(self._clock.monotonic_s())
        with _plainly(), race.send, race.receive:
            async with anyio.create_task_group() as group:
                group.start_soon(self._second, request, delay_s, race)
                try:
                    with race.scopes["first"]:
                        async with AsyncExitStack() as stack:
                            events = await self._first(request, race, stack)
                            if events is not None:
                                yield await stack.enter_async_context(aclosing(with_lost(events, race.lost_calls)))
                    if race.winner == "second":
                        async with aclosing(with_lost(race.received(), race.lost_calls)) as received:
                            yield received
                finally:
                    race.scopes["second"].cancel()
                    self._account(race)

    async def _first(self, request: Request, race: _Race, stack: AsyncExitStack) -> AsyncIterator[StreamEvent] | None:
        """Its events, or None if the second attempt was faster."""
        try:
            events = await begin(self._model, request, stack)
        except ModelError as error:
            race.errors["first"] = error
            if not race.second_is_under_way:
                raise
            await race.second_decided.wait()
            if race.winner != "second":
                raise
            return None
        return events if self._wins("first", race) else None

    async def _second(self, request: Request, delay_s: float, race: _Race) -> None:
        with race.scopes["second"], race.send:
            await self._clock.sleep(delay_s)
            if not self._may_hedge() or not self._spend():
                return
            race.began_s["second"] = self._clock.monotonic_s()
            try:
                async with AsyncExitStack() as stack:
                    events = await begin(self._model, request, stack)
                    if self._wins("second", race):
                        async for event in events:
                            await race.send.send(event)
            except ModelError as error:
                race.errors["second"] = error
            finally:
                race.second_decided.set()

    def _wins(self, attempt: Attempt, race: _Race) -> bool:
        now_s = self._clock.monotonic_s()
        if not race.wins(attempt, now_s):
            return False
        took_s = now_s - race.began_s["first"]
        if attempt == "second":
            # How long the first would have taken is not known, only that it is among the slow ones. Taken for the
            # time it was given, the quantile would sink and the share run out on calls that are not slow (p99 -36 %).
            took_s = max(took_s, self._first_events.quantile(1.0))
        self._first_events.add(took_s)
        return True

    def _spend(self) -> bool:
        price = 1 / self._hedge.share
        if self._credit < price:
            return False
        self._credit -= price
        self.extra_calls += 1
        return True

    def _account(self, race: _Race) -> None:
        """The attempt that did not win may be charged for all the same."""
        if "second" not in race.began_s or self._on_call is None:
            return
        loser: Attempt = "first" if race.winner == "second" else "second"
        ended_s = self._clock.monotonic_s() if race.won_s is None else race.won_s
        error = race.errors.get(loser)
        self._on_call(
            CallRecord(
                model=self.id,
                outcome="failed" if error else "abandoned",
                duration_s=ended_s - race.began_s[loser],
                request_id=error.request_id if error else None,
                error=error,
                hedge=True,
            )
        )


class _Race:
    """Two attempts at one answer: the first one to have an event wins and ends the other."""

    def __init__(self, began_s: float) -> None:
        self.began_s: dict[Attempt, float] = {"first": began_s}
        self.scopes: dict[Attempt, anyio.CancelScope] = {"first": anyio.CancelScope(), "second": anyio.CancelScope()}
        self.errors: dict[Attempt, ModelError] = {}
        self.winner: Attempt | None = None
        self.won_s: float | None = None
        self.second_decided = anyio.Event()
        self.send, self.receive = anyio.create_memory_object_stream[StreamEvent](_BUFFER)

    @property
    def second_is_under_way(self) -> bool:
        return "second" in self.began_s and not self.second_decided.is_set()

    def wins(self, attempt: Attempt, now_s: float) -> bool:
        """False if the other one has won already, in the same turn of the event loop."""
        if self.winner is not None:
            return False
        self.winner, self.won_s = attempt, now_s
        self.scopes["first" if attempt == "second" else "second"].cancel()
        return True

    def lost_calls(self) -> int:
        """Attempts that may be charged for beside the one that won."""
        if "second" not in self.began_s:
            return 0
        error = self.errors.get("first" if self.winner == "second" else "second")
        return int(error is None or error.may_be_charged)

    async def received(self) -> AsyncGenerator[StreamEvent]:
        """The events of the second attempt, and the error in which they end."""
        async for event in self.receive:
            yield event
        if error := self.errors.get("second"):
            raise error


@contextmanager
def _plainly() -> Iterator[None]:
    """An exception that leaves a task group goes on as it was, without a group around it."""
    failure: BaseException | None = None
    try:
        yield
    except BaseExceptionGroup as group:
        failure = group.exceptions[0] if len(group.exceptions) == 1 else group
    if failure is not None:
        raise failure  # outside of `except`, so that its own cause and context stay as they are
