"""One call on the wire: its limits, and the answer's bytes as they come, in time or as an error."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Mapping
from dataclasses import dataclass

import anyio

from captain.core.clock import Clock
from captain.core.errors import ModelError
from captain.models.call_errors import Site, timed_out


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Seconds: of silence before and between pieces of an answer, and for the whole call."""

    idle_s: float
    whole_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Exchange:
    """An answer that has begun: its headers, and its bytes as they come."""

    headers: Mapping[str, str]
    chunks: AsyncGenerator[bytes]


async def in_time(
    chunks: AsyncIterator[bytes],
    deadline_s: float,
    *,
    site: Site,
    limits: Limits,
    clock: Clock,
    failures: tuple[type[Exception], ...],
    translate: Callable[[Exception], ModelError],
) -> AsyncGenerator[bytes]:
    """The chunks, up to `deadline_s` of the clock; `failures` are what a transport raises while it reads."""
    timer = _Timer()
    try:
        while True:
            left_s = max(0.0, deadline_s - clock.monotonic_s())
            chunk: bytes | None = None
            try:
                with timer.limit(min(limits.idle_s, left_s)) as scope:
                    chunk = await anext(chunks, None)
            except failures as error:
                raise translate(error) from None
            finally:
                timer.rest()
            if scope.cancelled_caught:
                idle = limits.idle_s <= left_s
                how_long = f"for {limits.idle_s:g} seconds" if idle else f"to the end within {limits.whole_s:g} seconds"
                raise timed_out(site, how_long)
            if chunk is None:
                return
            yield chunk
    finally:
        timer.stop()


class _Timer:
    """One alarm for all waits of an answer, in place of one for each: 8 µs a chunk and not 21.

    It stays set while chunks come, and when it rings early it is set again to when the wait of that moment ends.
    """

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._due_s = 0.0
        self._waiting: anyio.CancelScope | None = None
        self._alarm: asyncio.TimerHandle | None = None

    def limit(self, seconds: float) -> anyio.CancelScope:
        """A scope for one wait, which is cancelled after so long."""
        self._due_s = self._loop.time() + seconds
        self._waiting = anyio.CancelScope()
        if self._alarm is None or self._due_s < self._alarm.when():
            self._set()
        return self._waiting

    def rest(self) -> None:
        """The wait is over; what whoever reads does between two of them takes as long as it takes."""
        self._waiting = None

    def stop(self) -> None:
        if self._alarm is not None:
            self._alarm.cancel()
            self._alarm = None

    def _set(self) -> None:
        self.stop()
        self._alarm = self._loop.call_at(self._due_s, self._ring)

    def _ring(self) -> None:
        self._alarm = None
        if self._waiting is None:
            return
        if self._loop.time() < self._due_s:
            self._set()
        else:
            self._waiting.cancel()
