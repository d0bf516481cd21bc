"""One budget for a whole tree of agents: reserve before a call, settle after it.

A reservation counts as spent until it is settled, so two agents cannot both pass the same check.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from decimal import Decimal

from captain.core.clock import Clock
from captain.core.errors import BudgetExceededError
from captain.core.usage import Budget, Spend, Usage


@dataclass(slots=True, eq=False)
class Reservation:
    """What one call may use; `settle` replaces the estimate by what it did use."""

    tokens: int
    cost_usd: Decimal
    used: tuple[Usage, Decimal | None] | None = field(default=None, init=False)

    def settle(self, usage: Usage, cost_usd: Decimal | None) -> None:
        self.used = (usage, cost_usd)


class Ledger:
    """What was reserved and spent under one `Budget`."""

    def __init__(self, budget: Budget, clock: Clock) -> None:
        self.budget = budget
        self.spend = Spend()
        self._clock = clock
        self._started_s = clock.monotonic_s()
        self._open: list[Reservation] = []

    @contextmanager
    def reserve(self, *, tokens: int, cost_usd: Decimal | None) -> Iterator[Reservation]:
        """Holds `tokens` and `cost_usd` for one model call; raises `BudgetExceededError` before it.

        A reservation that is never settled (the call failed) is given back.
        """
        reservation = Reservation(tokens, cost_usd or Decimal(0))
        self._check(reservation)
        self._open.append(reservation)
        try:
            yield reservation
        finally:
            self._open.remove(reservation)
            if reservation.used is not None:
                self.spend = self.spend.add(*reservation.used)

    def check_time(self) -> None:
        """Raises `BudgetExceededError` once the time limit is reached."""
        self._refuse("time_s", self._clock.monotonic_s() - self._started_s, self.budget.time_s, "seconds")

    @property
    def time_left_s(self) -> float | None:
        """Seconds until the time limit, never negative; None without one."""
        if self.budget.time_s is None:
            return None
        return max(0.0, self.budget.time_s - (self._clock.monotonic_s() - self._started_s))

    def _check(self, wanted: Reservation) -> None:
        self.check_time()
        held_tokens = sum(held.tokens for held in self._open)
        held_usd = sum((held.cost_usd for held in self._open), Decimal(0))
        tokens = self.spend.usage.total_tokens + held_tokens + wanted.tokens
        self._refuse("tokens", tokens, self.budget.tokens, "tokens")
        limit_usd = None if self.budget.cost_usd is None else Decimal(self.budget.cost_usd)
        self._refuse("cost_usd", self.spend.cost_usd + held_usd + wanted.cost_usd, limit_usd, "US dollars")
        calls = self.spend.model_calls + len(self._open) + 1
        self._refuse("model_calls", calls, self.budget.model_calls, "model calls")

    def _refuse(self, limit: str, would_be: float | Decimal, at_most: float | Decimal | None, unit: str) -> None:
        if at_most is not None and would_be > at_most:
            amount = str(would_be) if isinstance(would_be, int) else f"{would_be:.4g}"
            raise BudgetExceededError(
                f"The budget of {at_most} {unit} does not allow the next model call (it would come to {amount}).",
                limit=limit,
                hint="Finished work is kept; start again with a larger budget to go on from it.",
            )
