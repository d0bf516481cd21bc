"""Admission to one account, shared by all who call it: a rejection met by one slows down all.

Without it every sibling finds out for itself: 50 callers that meet a limit together are rejected together,
wait equally long and are rejected again. Here the first rejection closes the gate until the provider wants
calls again; then one goes ahead, and the others follow one by one at half the former rate, which grows
back linearly (additive increase, multiplicative decrease, as in TCP).
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, nullcontext
from dataclasses import dataclass
from typing import Final

import anyio

from captain.core.clock import Clock, SystemClock
from captain.core.errors import RateLimitError, UsageError

_MEASURED_S: Final = 10.0  # over which the rate before a rejection is taken
_LONGEST_GAP_S: Final = 2.0  # between two calls on average; what is rejected then is kept back by pauses
_OWN_PAUSE_S: Final = 1.0  # where the provider does not say how long; doubles with every rejection in a row
_LONGEST_OWN_PAUSE_S: Final = 60.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Admission:
    """One call that has passed the gate. `epoch` counts the rejections before; `leads` is the first after a pause."""

    epoch: int
    leads: bool


@dataclass(slots=True, kw_only=True)
class _Limit:
    """Half of `before` (calls a second), growing back to it within `recovery_s` of `resumed_s`, and beyond."""

    before: float
    recovery_s: float
    resumed_s: float

    def rate_per_s(self, now_s: float) -> float | None:
        """None once it is twice of what it was: nothing is limited any more."""
        recovered = max(0.0, now_s - self.resumed_s) / self.recovery_s if self.recovery_s else 3.0
        return None if recovered >= 3.0 else self.before * (1.0 + recovered) / 2


class RateGate:
    """Make one for each account and hand it to everything that calls it.

    `concurrency` limits calls under way; None is no limit. `settle_s` is how long the first call after a
    pause is alone, within which another rejection would have come; `recovery_s` how long the rate takes
    back to where it was. A pause that has more than `longest_pause_s` to go is not waited for: calls fail
    with `RateLimitError`.
    """

    def __init__(
        self,
        *,
        concurrency: int | None = None,
        longest_pause_s: float = 300.0,
        settle_s: float = 1.0,
        recovery_s: float = 60.0,
        clock: Clock | None = None,
        rng: random.Random | None = None,
    ) -> None:
        if concurrency is not None and concurrency < 1:
            raise UsageError(f"RateGate(concurrency={concurrency}) lets no call pass.", hint="Give 1 or more, or None.")
        self.rejected_calls = 0
        self._slots = None if concurrency is None else anyio.Semaphore(concurrency)
        self._turnstile = anyio.Lock()  # first come, first served
        self._longest_pause_s = longest_pause_s
        self._settle_s = settle_s
        self._recovery_s = recovery_s
        self._clock: Clock = clock or SystemClock()
        self._rng = rng or random.Random()  # noqa: S311 - spreads calls, keeps no secret
        self._passed_s: deque[float] = deque(maxlen=4_096)
        self._paused_until_s = self._next_s = float("-inf")
        self._limit: _Limit | None = None
        self._is_settling = False
        self._epoch = 0
        self._in_a_row = 0

    def __repr__(self) -> str:
        return f"RateGate(is_open={self.is_open}, rejected_calls={self.rejected_calls})"

    @property
    def is_open(self) -> bool:
        """Whether a call would pass at once, and others with it."""
        free = self._slots is None or self._slots.value > 0
        return free and self._rate_per_s() is None and self._clock.monotonic_s() >= self._next_s

    @asynccontextmanager
    async def admission(self, model: str) -> AsyncIterator[Admission]:
        """Waits for the turn of a call to `model`, which counts as under way inside of the block."""
        async with self._slots or nullcontext():
            yield await self._pass(model)

    def rejected(self, admission: Admission, *, retry_after_s: float | None) -> None:
        """The provider wants fewer calls. Rejections of calls that passed before the last one belong to that one."""
        self.rejected_calls += 1
        if admission.epoch != self._epoch:
            if retry_after_s is not None:
                self._pause(retry_after_s)
            return
        self._epoch += 1
        if admission.leads:  # the pause was too short, and of the rate after it nothing is known
            self._in_a_row += 1
        else:
            self._in_a_row = 1
            self._slow_down()
        own_s = min(_OWN_PAUSE_S * 2 ** min(self._in_a_row - 1, 30), _LONGEST_OWN_PAUSE_S)
        asked_s = own_s if retry_after_s is None else retry_after_s
        if self._in_a_row > 1:  # what the provider asked for the last time was not enough
            asked_s = max(asked_s, own_s)
        self._next_s = self._clock.monotonic_s()
        self._pause(asked_s + self._rng.uniform(0.0, self._settle_s))  # other processes wait for the same moment

    async def _pass(self, model: str) -> Admission:
        self._check_pause(model)
        leads = False
        if self._rate_per_s() is not None or self._clock.monotonic_s() < self._next_s:
            async with self._turnstile:
                while (wait_s := self._next_s - self._clock.monotonic_s()) > 0:
                    self._check_pause(model)  # it may have grown meanwhile
                    await self._clock.sleep(wait_s)
                leads, self._is_settling = self._is_settling, False
                self._next_s = self._clock.monotonic_s() + self._gap_s(leads=leads)
        self._passed_s.append(self._clock.monotonic_s())
        return Admission(epoch=self._epoch, leads=leads)

    def _check_pause(self, model: str) -> None:
        left_s = self._paused_until_s - self._clock.monotonic_s()
        if left_s > self._longest_pause_s:
            raise RateLimitError(
                f"The account behind {model} takes no calls for another {left_s:,.0f} seconds.",
                model=model,
                hint="Try again after that time, or use another model or account.",
                retryable=True,
                retry_after_s=left_s,
            )

    def _gap_s(self, *, leads: bool) -> float:
        """Until the next call may pass: random around what the rate says, so that processes do not fall into step."""
        rate_per_s = self._rate_per_s()
        gap_s = 0.0 if rate_per_s is None else self._rng.uniform(0.5, 1.5) / rate_per_s
        return max(gap_s, self._settle_s) if leads else gap_s

    def _rate_per_s(self) -> float | None:
        """What is let through at the moment; None is as much as comes."""
        return None if self._limit is None else self._limit.rate_per_s(self._clock.monotonic_s())

    def _slow_down(self) -> None:
        now_s, rate_per_s = self._clock.monotonic_s(), self._rate_per_s()
        since_s = now_s - _MEASURED_S
        if self._limit is not None:
            since_s = max(since_s, self._limit.resumed_s)  # nobody passed during the pause before
        before = sum(at >= since_s for at in self._passed_s) / max(1.0, now_s - since_s)
        before = before if rate_per_s is None else min(before, rate_per_s)
        self._limit = _Limit(before=max(before, 2 / _LONGEST_GAP_S), recovery_s=self._recovery_s, resumed_s=now_s)

    def _pause(self, seconds: float) -> None:
        until_s = self._clock.monotonic_s() + seconds
        if until_s <= self._paused_until_s:
            return
        self._paused_until_s = until_s
        self._next_s = max(self._next_s, until_s)
        self._is_settling = True
        if self._limit is not None:
            self._limit.resumed_s = until_s
