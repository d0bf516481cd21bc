"""Time that leaps to the next timer as soon as nothing else is left to do: hours pass in milliseconds.

Unlike `FakeClock` it also serves many tasks that wait side by side, and everything that waits on the event
loop's own time.
"""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any, TypeVar

import anyio

T = TypeVar("T")


class _Selector(selectors.SelectSelector):
    now_s = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        ready = super().select(0)
        if not ready and timeout is None:
            raise RuntimeError("Every task waits for another one.")
        if not ready and timeout is not None:
            self.now_s += max(0.0, timeout)
        return ready


class LeapingLoop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self._leaping = _Selector()
        super().__init__(self._leaping)

    def time(self) -> float:
        return self._leaping.now_s


class LoopClock:
    """The running loop's time."""

    def now(self) -> datetime:
        return datetime(2026, 1, 1, tzinfo=UTC) + timedelta(seconds=self.monotonic_s())

    def monotonic_s(self) -> float:
        return anyio.current_time()

    async def sleep(self, seconds: float, /) -> None:
        await anyio.sleep(seconds)


def leaping(main: Callable[..., Awaitable[T]], *arguments: Any) -> T:
    return anyio.run(main, *arguments, backend_options={"loop_factory": LeapingLoop})
