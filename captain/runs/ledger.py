"""One budget for a whole tree of agents: reserve before a call, settle after it.

A reservation counts as spent until it is settled, so two agents cannot both pass the same check. What a call comes to
beyond what was reserved for it is spent all the same: a limit is passed by that much at most, and by nothing else.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from typing import Final

from captain.core.clock import Clock
from captain.core.errors import BudgetExceededError, CaptainError
from captain.core.events import Event, ModelCalled, Recorded, RunOpened
from captain.core.usage import Budget, Spend, Usage

_UNITS: Final = {
    "tokens": "tokens",
    "cost_usd": "US dollars",
    "time_s": "seconds",
    "model_calls": "model calls",
    "turns": "turns",
}


@dataclass(slots=True, eq=False)
class Reservation:
    """What one call may use; `settle` replaces the estimate by what it did use."""

    tokens: int
    cost_usd: Decimal
    turns: int = 0
    used: Spend | None = field(default=None, init=False)

    def settle(self, usage: Usage, cost_usd: Decimal | None, *, estimated: bool = False) -> None:
        """`estimated` where nobody says what it used."""
        self.used = Spend().add(usage, cost_usd, turns=self.turns, estimated=estimated)

    def broke_off(self, usage: Usage, cost_usd: Decimal | None) -> None:
        """It may be charged for, and was no turn."""
        self.used = Spend().add(usage, cost_usd, estimated=True)


class Ledger:
    """What was reserved and spent under one `Budget`, after `spend` and `used_s` seconds of work before."""

    def __init__(self, budget: Budget, clock: Clock, *, spend: Spend = Spend(), used_s: float = 0.0) -> None:
        self.budget = budget
        self.spend = spend
        self._clock = clock
        self._open: list[Reservation] = []
        self._started_s = clock.monotonic_s() - used_s

    def restore(self, spend: Spend, used_s: float) -> None:
        """What was spent and worked before, in place of what this ledger has counted; the clock goes on from now."""
        if self._open:
            raise CaptainError("A ledger cannot be restored while calls are under way.")
        self.spend = spend
        self._started_s = self._clock.monotonic_s() - used_s

    def raised(self, budget: Budget) -> None:
        """From now on `budget` holds; what is spent and what is reserved stays."""
        self.budget = budget

    @contextmanager
    def reserve(self, *, tokens: int, cost_usd: Decimal | None, turn: bool = False) -> Iterator[Reservation]:
        """Holds `tokens` and `cost_usd` for one model call; raises `BudgetExceededError` before it.

        A reservation that is never settled (the call was refused, say) is given back.
        """
        reservation = Reservation(tokens, cost_usd or Decimal(0), int(turn))
        self._check(reservation)
        self._open.append(reservation)
        try:
            yield reservation
        finally:
            self._open.remove(reservation)
            if reservation.used is not None:
                self.spend += reservation.used

    def charge(self, usage: Usage, cost_usd: Decimal | None) -> None:
        """Counts a call that nothing was reserved for and nobody says the use of, such as the loser of a hedge."""
        self.spend = self.spend.add(usage, cost_usd, estimated=True)

    @property
    def reserved(self) -> Spend:
        """What is held for calls under way."""
        return Spend(
            usage=Usage(input_tokens=sum(held.tokens for held in self._open)),
            cost_usd=sum((held.cost_usd for held in self._open), Decimal(0)),
            model_calls=len(self._open),
            turns=sum(held.turns for held in self._open),
        )

    @property
    def used_s(self) -> float:
        """Seconds of work so far."""
        return self._clock.monotonic_s() - self._started_s

    @property
    def time_left_s(self) -> float | None:
        """Seconds until the time limit, never negative; None without one."""
        return None if self.budget.time_s is None else max(0.0, self.budget.time_s - self.used_s)

    def check_time(self) -> None:
        """Raises `BudgetExceededError` once the time limit is reached."""
        if self.budget.time_s is not None and self.used_s >= self.budget.time_s:
            raise _exceeded("time_s", self.used_s, self.budget.time_s)

    def _check(self, wanted: Reservation) -> None:
        self.check_time()
        budget, spend, held = self.budget, self.spend, self.reserved
        limit_usd = None if budget.cost_usd is None else Decimal(budget.cost_usd)
        for name, comes_to, limit in (
            ("tokens", spend.usage.total_tokens + held.usage.total_tokens + wanted.tokens, budget.tokens),
            ("cost_usd", spend.cost_usd + held.cost_usd + wanted.cost_usd, limit_usd),
            ("model_calls", spend.model_calls + held.model_calls + 1, budget.model_calls),
            ("turns", spend.turns + held.turns + wanted.turns, budget.turns),
        ):
            if limit is not None and comes_to > limit:
                raise _exceeded(name, comes_to, limit)


def spent_of(events: Iterable[Event]) -> Spend:
    """What a run has spent, by its events."""
    spend = Spend()
    for event in events:
        if isinstance(event, ModelCalled):
            spend = event.added_to(spend)
    return spend


def spans_of(
    events: Iterable[Recorded], begins: tuple[type[Event], ...] = (RunOpened,)
) -> tuple[tuple[datetime, datetime], ...]:
    """From when to when each process of a run was at work: `begins` are the events with which one takes it up."""
    spans: list[tuple[datetime, datetime]] = []
    for recorded in events:
        if not spans or isinstance(recorded.event, begins):
            spans.append((recorded.at, recorded.at))
        else:
            spans[-1] = (spans[-1][0], recorded.at)
    return tuple(spans)


def worked_s(spans: Iterable[tuple[datetime, datetime]]) -> float:
    """The seconds of all spans together. One that ends before it starts, as when a clock is set back, is none."""
    return sum(max(0.0, (end - start).total_seconds()) for start, end in spans)


def _exceeded(limit: str, comes_to: float | Decimal, at_most: float | Decimal) -> BudgetExceededError:
    amount = f"{comes_to:,.2f}" if isinstance(comes_to, float) else f"{comes_to:,}"
    return BudgetExceededError(
        f"The budget of {at_most} {_UNITS[limit]} does not allow the next model call (it would come to {amount}).",
        limit=limit,
        hint="Finished work is kept; resumed with a larger budget, the run goes on from it.",
    )
