"""The ledger against a plain model of it, whatever calls come to, fail, overlap, and go on from an earlier process."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import Bundle, RuleBasedStateMachine, consumes, initialize, invariant, multiple, rule

from captain.core.errors import BudgetExceededError, CaptainError
from captain.core.usage import Budget, Spend, Usage
from captain.runs import Ledger
from captain.runs.ledger import Reservation
from captain.testing import FakeClock

TOKENS = st.integers(0, 60)
CENTS = st.integers(0, 40).map(lambda cents: Decimal(cents) / 100)
PRICES = st.none() | CENTS
LIMITS = st.builds(
    Budget,
    tokens=st.none() | st.integers(1, 200),
    cost_usd=st.none() | st.integers(1, 150).map(lambda cents: Decimal(cents) / 100),
    model_calls=st.none() | st.integers(1, 8),
    turns=st.none() | st.integers(1, 6),
    time_s=st.none() | st.integers(1, 50).map(float),
)


@dataclass(eq=False)
class Held:
    opened: AbstractContextManager[Reservation]
    reservation: Reservation
    tokens: int
    cost_usd: Decimal
    turn: bool


class Machine(RuleBasedStateMachine):
    """`spent` is what the model has counted, `excess` what came to more than was reserved, or was spent before."""

    under_way = Bundle("under_way")

    @initialize(budget=LIMITS)
    def begin(self, budget: Budget) -> None:
        self.clock = FakeClock()
        self.ledger = Ledger(budget, self.clock)
        self.open: list[Held] = []
        self.took_s = 0.0
        self.spent: dict[str, Any] = {}
        self.excess: dict[str, Any] = {}
        self._from(Spend())

    def _from(self, spend: Spend) -> None:
        """Nothing that was spent before is this ledger's doing: it counts as excess where it passes a limit."""
        self.spent = {
            "tokens": spend.usage.total_tokens,
            "cost_usd": spend.cost_usd,
            "model_calls": spend.model_calls,
            "turns": spend.turns,
        }
        self.guessed, self.unpriced = spend.estimated_calls, spend.unpriced_calls
        self._raise_floor()

    def _raise_floor(self) -> None:
        held = self._held()
        for name in self.spent:
            limit = self._limit(name)
            over = 0 if limit is None else self.spent[name] + held[name] - limit
            self.excess[name] = max(0, over)

    def _limit(self, name: str) -> Any:
        limit = getattr(self.ledger.budget, name)
        return Decimal(limit) if name == "cost_usd" and limit is not None else limit

    def _held(self) -> dict[str, Any]:
        return {
            "tokens": sum(held.tokens for held in self.open),
            "cost_usd": sum((held.cost_usd for held in self.open), Decimal(0)),
            "model_calls": len(self.open),
            "turns": sum(held.turn for held in self.open),
        }

    @rule(target=under_way, tokens=TOKENS, price=PRICES, turn=st.booleans())
    def reserve(self, tokens: int, price: Decimal | None, turn: bool) -> Any:
        wants = {"tokens": tokens, "cost_usd": price or Decimal(0), "model_calls": 1, "turns": int(turn)}
        held = self._held()
        refusing = {
            name
            for name, wanted in wants.items()
            if (limit := self._limit(name)) is not None and self.spent[name] + held[name] + wanted > limit
        }
        time_s = self.ledger.budget.time_s
        if time_s is not None and self.took_s >= time_s:
            refusing = {"time_s"}
        opened = self.ledger.reserve(tokens=tokens, cost_usd=price, turn=turn)
        if refusing:
            with pytest.raises(BudgetExceededError) as caught:
                opened.__enter__()
            assert caught.value.limit in refusing
            return multiple()
        one = Held(opened, opened.__enter__(), tokens, price or Decimal(0), turn)
        self.open.append(one)
        return one

    @rule(
        one=consumes(under_way),
        tokens=TOKENS,
        price=PRICES,
        ending=st.sampled_from(["answered", "uncounted", "broke_off", "refused"]),
        raises=st.booleans(),
    )
    def finish(self, one: Held, tokens: int, price: Decimal | None, ending: str, raises: bool) -> None:
        usage = Usage(input_tokens=tokens)
        if ending == "broke_off":
            one.reservation.broke_off(usage, price)
        elif ending != "refused":
            one.reservation.settle(usage, price, estimated=ending == "uncounted")
        error = OSError("broke") if raises else None
        assert not one.opened.__exit__(type(error) if error else None, error, None)  # it goes on as it was
        self.open.remove(one)
        if ending == "refused":
            return
        self._spend(tokens, price, turns=int(one.turn and ending != "broke_off"))
        self.guessed += ending != "answered"
        self.excess["tokens"] += max(0, tokens - one.tokens)
        self.excess["cost_usd"] += max(Decimal(0), (price or Decimal(0)) - one.cost_usd)

    @rule(tokens=TOKENS, price=PRICES)
    def charge(self, tokens: int, price: Decimal | None) -> None:
        """The loser of a hedge: nothing was reserved for it."""
        self.ledger.charge(Usage(output_tokens=tokens), price)
        self._spend(tokens, price, turns=0)
        self.guessed += 1
        self.excess["tokens"] += tokens
        self.excess["cost_usd"] += price or Decimal(0)
        self.excess["model_calls"] += 1

    def _spend(self, tokens: int, price: Decimal | None, *, turns: int) -> None:
        self.spent["tokens"] += tokens
        self.spent["cost_usd"] += price or Decimal(0)
        self.spent["model_calls"] += 1
        self.spent["turns"] += turns
        self.unpriced += price is None

    @rule(seconds=st.integers(0, 20))
    def time_passes(self, seconds: int) -> None:
        self.clock.advance(seconds)
        self.took_s += seconds

    @rule(budget=LIMITS)
    def another_budget(self, budget: Budget) -> None:
        self.ledger.raised(budget)
        self._raise_floor()

    @rule(tokens=TOKENS, cost_usd=CENTS, calls=st.integers(0, 5), turns=st.integers(0, 5), used=st.integers(0, 30))
    def go_on_from_an_earlier_process(self, tokens: int, cost_usd: Decimal, calls: int, turns: int, used: int) -> None:
        before = Spend(usage=Usage(output_tokens=tokens), cost_usd=cost_usd, model_calls=calls, turns=turns)
        if self.open:
            with pytest.raises(CaptainError, match="under way"):
                self.ledger.restore(before, float(used))
            return
        self.ledger.restore(before, float(used))
        self.took_s = float(used)
        self._from(before)

    @invariant()
    def everything_adds_up(self) -> None:
        spend, held = self.ledger.spend, self.ledger.reserved
        assert spend.usage.total_tokens == self.spent["tokens"]
        assert spend.cost_usd == self.spent["cost_usd"]
        assert (spend.model_calls, spend.turns) == (self.spent["model_calls"], self.spent["turns"])
        assert (spend.estimated_calls, spend.unpriced_calls) == (self.guessed, self.unpriced)
        mine = self._held()
        assert (held.usage.total_tokens, held.cost_usd) == (mine["tokens"], mine["cost_usd"])
        assert (held.model_calls, held.turns) == (mine["model_calls"], mine["turns"])

    @invariant()
    def a_limit_is_passed_only_by_what_was_not_foreseen(self) -> None:
        held = self._held()
        for name, spent in self.spent.items():
            limit = self._limit(name)
            assert spent >= 0
            assert limit is None or spent + held[name] <= limit + self.excess[name]

    @invariant()
    def time_is_told_and_never_negative(self) -> None:
        assert self.ledger.used_s == pytest.approx(self.took_s)
        left_s, limit_s = self.ledger.time_left_s, self.ledger.budget.time_s
        assert (left_s is None) == (limit_s is None)
        assert left_s is None or limit_s is None or left_s == pytest.approx(max(0.0, limit_s - self.took_s))

    def teardown(self) -> None:
        for one in self.open:
            one.opened.__exit__(None, None, None)
        assert self.ledger.reserved == Spend()


Machine.TestCase.settings = settings(max_examples=100, stateful_step_count=40, deadline=None)
TestLedger = Machine.TestCase
