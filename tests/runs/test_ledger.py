"""One budget for many agents at once: nothing is spent twice, nothing passes a limit unseen."""

from __future__ import annotations

from contextlib import suppress
from decimal import Decimal
from typing import Any

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from captain.core.errors import BudgetExceededError
from captain.core.events import Event, ModelCalled, Noticed, Recorded, RunOpened
from captain.core.usage import Budget, Spend, Usage
from captain.runs import Ledger
from captain.runs.ledger import spans_of, spent_of, worked_s
from captain.testing import FakeClock


def ledger(clock: FakeClock | None = None, **limits: Any) -> Ledger:
    return Ledger(Budget(**limits), clock or FakeClock())


def used(tokens: int) -> Usage:
    return Usage(input_tokens=tokens)


async def test_two_concurrent_reservations_cannot_both_pass_a_limit() -> None:
    shared = ledger(tokens=150)
    first_holds, second_was_refused = anyio.Event(), anyio.Event()

    async def first() -> None:
        with shared.reserve(tokens=100, cost_usd=None) as reservation:
            first_holds.set()
            await second_was_refused.wait()
            reservation.settle(used(40), None)

    async def second() -> None:
        await first_holds.wait()
        with pytest.raises(BudgetExceededError) as caught, shared.reserve(tokens=100, cost_usd=None):
            pytest.fail("both passed")
        assert caught.value.limit == "tokens"
        second_was_refused.set()

    async with anyio.create_task_group() as group:
        group.start_soon(first)
        group.start_soon(second)
    with shared.reserve(tokens=100, cost_usd=None):  # 40 are spent, the rest is free again
        pass


def test_a_failed_call_gives_its_reservation_back() -> None:
    shared = ledger(tokens=100, cost_usd="1", model_calls=1)
    for _ in range(3):
        with pytest.raises(OSError, match="broke"), shared.reserve(tokens=100, cost_usd=Decimal(1)):
            raise OSError("broke")
    with shared.reserve(tokens=100, cost_usd=Decimal(1)):
        pass
    assert shared.spend.model_calls == 0


def test_a_call_that_failed_after_it_was_paid_stays_spent() -> None:
    shared = ledger()
    with suppress(OSError), shared.reserve(tokens=10, cost_usd=None) as reservation:
        reservation.settle(used(7), Decimal("0.5"))
        raise OSError("broke")
    assert (shared.spend.usage.total_tokens, shared.spend.cost_usd) == (7, Decimal("0.5"))


def test_settling_replaces_the_estimate_also_when_it_was_too_low() -> None:
    shared = ledger(tokens=100)
    with shared.reserve(tokens=10, cost_usd=None) as reservation:
        reservation.settle(used(99), None)
    with shared.reserve(tokens=1, cost_usd=None):
        pass
    with pytest.raises(BudgetExceededError), shared.reserve(tokens=2, cost_usd=None):
        pass


@pytest.mark.parametrize(
    ("limits", "limit", "says"),
    [
        ({"tokens": 99}, "tokens", "The budget of 99 tokens"),
        ({"cost_usd": "0.99"}, "cost_usd", "The budget of 0.99 US dollars"),
        ({"model_calls": 1}, "model_calls", "The budget of 1 model calls"),
    ],
)
def test_the_error_names_the_limit_and_what_to_do(limits: dict[str, Any], limit: str, says: str) -> None:
    shared = ledger(**limits)
    with shared.reserve(tokens=0, cost_usd=Decimal(0)) as reservation:
        reservation.settle(Usage(), None)
    with pytest.raises(BudgetExceededError) as caught, shared.reserve(tokens=100, cost_usd=Decimal(1)):
        pass
    assert caught.value.limit == limit
    assert str(caught.value).startswith(says)
    assert "larger budget" in caught.value.hint


def test_model_calls_under_way_count_towards_their_limit() -> None:
    shared = ledger(model_calls=2)
    with shared.reserve(tokens=1, cost_usd=None), shared.reserve(tokens=1, cost_usd=None):
        with pytest.raises(BudgetExceededError) as caught, shared.reserve(tokens=1, cost_usd=None):
            pass
        assert caught.value.limit == "model_calls"


def test_cost_adds_up_exactly() -> None:
    shared = ledger(cost_usd="0.3")
    for _ in range(3):  # as floats, three times 0.1 is more than 0.3
        with shared.reserve(tokens=1, cost_usd=Decimal("0.1")) as reservation:
            reservation.settle(used(1), Decimal("0.1"))
    assert shared.spend.cost_usd == Decimal("0.3")
    with pytest.raises(BudgetExceededError), shared.reserve(tokens=1, cost_usd=Decimal("0.000001")):
        pass


def test_calls_without_a_price_are_counted_as_such() -> None:
    shared = ledger(cost_usd="1")
    with shared.reserve(tokens=1, cost_usd=None) as reservation:
        reservation.settle(used(1), None)
    assert (shared.spend.unpriced_calls, shared.spend.cost_usd) == (1, Decimal(0))


def test_after_the_time_limit_no_call_is_allowed() -> None:
    clock = FakeClock()
    shared = ledger(clock, time_s=10.0)
    clock.advance(9.5)
    assert shared.time_left_s == pytest.approx(0.5)
    with shared.reserve(tokens=1, cost_usd=None):
        clock.advance(1)
    assert shared.time_left_s == 0
    with pytest.raises(BudgetExceededError) as caught, shared.reserve(tokens=1, cost_usd=None):
        pass
    assert caught.value.limit == "time_s"
    with pytest.raises(BudgetExceededError):
        shared.check_time()


def test_without_a_time_limit_there_is_always_time() -> None:
    clock = FakeClock()
    shared = ledger(clock)
    clock.advance(1e9)
    shared.check_time()
    assert shared.time_left_s is None


@given(
    limit=st.integers(1, 50),
    calls=st.lists(st.tuples(st.integers(0, 20), st.integers(0, 20), st.booleans()), max_size=12),
)
def test_spending_passes_a_limit_only_by_what_a_call_used_beyond_its_estimate(
    limit: int, calls: list[tuple[int, int, bool]]
) -> None:
    shared = ledger(tokens=limit)
    beyond = 0
    for estimate, tokens, works in calls:
        try:
            with shared.reserve(tokens=estimate, cost_usd=None) as reservation:
                if works:
                    reservation.settle(used(tokens), None)
                    beyond += max(0, tokens - estimate)
        except BudgetExceededError:
            assert shared.spend.usage.total_tokens + estimate > limit
        assert shared.spend.usage.total_tokens <= limit + beyond


def called(tokens: int, cost_usd: str | None = None, **more: Any) -> ModelCalled:
    price = None if cost_usd is None else Decimal(cost_usd)
    fields: dict[str, Any] = {"agent": "a", "role": "build", "model": "m", "first_event_s": 1.0, "duration_s": 2.0}
    return ModelCalled(usage=used(tokens), cost_usd=price, **fields, **more)


def test_what_was_spent_before_counts() -> None:
    events: list[Event] = [
        called(10, "0.1"),
        Noticed(text="hm"),
        called(5, turn=False),
        called(7, "0.2", estimated=True),
    ]
    shared = ledger(tokens=30, turns=3, time_s=60.0)
    shared.restore(spent_of(events), 50.0)
    assert shared.spend == Spend(
        usage=used(22), cost_usd=Decimal("0.3"), model_calls=3, unpriced_calls=1, estimated_calls=1, turns=2
    )
    assert (shared.used_s, shared.time_left_s) == (50.0, 10.0)
    with pytest.raises(BudgetExceededError), shared.reserve(tokens=9, cost_usd=None):
        pass
    with shared.reserve(tokens=8, cost_usd=None, turn=True), pytest.raises(BudgetExceededError) as caught:
        shared.reserve(tokens=0, cost_usd=None, turn=True).__enter__()
    assert caught.value.limit == "turns"


def test_a_raised_budget_lets_the_next_call_through() -> None:
    shared = ledger(model_calls=1)
    with shared.reserve(tokens=1, cost_usd=None) as reservation:
        reservation.settle(used(1), None)
    with pytest.raises(BudgetExceededError), shared.reserve(tokens=1, cost_usd=None):
        pass
    shared.raised(Budget(model_calls=2))
    with shared.reserve(tokens=1, cost_usd=None):
        pass
    assert shared.spend.model_calls == 1


def test_the_gaps_between_the_processes_of_a_run_are_no_work() -> None:
    clock = FakeClock()
    opened = RunOpened(run="r", request="x", repository="/r", base="b", branch=None, crew=(), sandbox="none")
    record: list[Recorded] = []

    def at(seconds: float, event: Event) -> None:
        clock.advance(seconds)
        record.append(Recorded(seq=len(record) + 1, at=clock.now(), event=event))

    at(0, opened)
    at(4, Noticed(text="a"))
    at(3_600, opened)  # the process that took it up an hour later
    at(2, Noticed(text="b"))
    assert len(spans_of(record)) == 2
    assert worked_s(spans_of(record)) == 6.0
    assert worked_s([]) == 0.0
    later, now = record[-1].at, record[0].at
    assert worked_s([(later, now)]) == 0.0
