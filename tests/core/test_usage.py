"""Budgets say what is wrong with them; spending adds up."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from captain.core.errors import UsageError
from captain.core.usage import Budget, Spend, Usage


@pytest.mark.parametrize(
    ("limits", "says"),
    [
        ({"cost_usd": 2.5}, 'cost_usd="2.5"'),
        ({"cost_usd": "five"}, "not an amount in US dollars"),
        ({"cost_usd": "5 $"}, "not an amount in US dollars"),
        ({"cost_usd": ""}, "not an amount in US dollars"),
        ({"cost_usd": object()}, "not an amount in US dollars"),
        ({"cost_usd": "0"}, "Budget(cost_usd=0)"),
        ({"cost_usd": "-1"}, "Budget(cost_usd=-1)"),
        ({"cost_usd": "nan"}, "not a positive, finite number"),
        ({"cost_usd": "sNaN"}, "not a positive, finite number"),
        ({"cost_usd": "inf"}, "not a positive, finite number"),
        ({"cost_usd": Decimal("-Infinity")}, "not a positive, finite number"),
        ({"tokens": 0}, "Budget(tokens=0)"),
        ({"tokens": -5}, "Budget(tokens=-5)"),
        ({"time_s": 0.0}, "Budget(time_s=0.0)"),
        ({"time_s": float("nan")}, "Budget(time_s=nan)"),
        ({"time_s": float("inf")}, "Budget(time_s=inf)"),
        ({"model_calls": 0}, "Budget(model_calls=0)"),
        ({"turns": 0}, "Budget(turns=0)"),
    ],
)
def test_a_budget_that_makes_no_sense_is_refused_with_field_and_value(limits: dict[str, Any], says: str) -> None:
    with pytest.raises(UsageError) as caught:
        Budget(**limits)
    assert says in f"{caught.value} {caught.value.hint}"
    assert caught.value.hint


@pytest.mark.parametrize("cost", ["2.50", "0.0001", Decimal(3), "1e2"])
def test_an_amount_can_be_a_string_or_a_decimal(cost: str | Decimal) -> None:
    assert Budget(cost_usd=cost).cost_usd == cost


def test_no_limit_at_all_is_a_budget() -> None:
    assert Budget() == Budget(cost_usd=None, tokens=None, time_s=None, model_calls=None)


COUNTS = st.integers(0, 10**9)
USAGES = st.builds(Usage, input_tokens=COUNTS, output_tokens=COUNTS, cached_tokens=COUNTS, reasoning_tokens=COUNTS)


@given(calls=st.lists(st.tuples(USAGES, st.none() | st.decimals(0, 100, places=6)), max_size=8))
def test_spending_is_the_sum_of_its_calls_and_an_unknown_price_is_counted_not_zero(
    calls: list[tuple[Usage, Decimal | None]],
) -> None:
    spend = Spend()
    for usage, cost in calls:
        spend = spend.add(usage, cost)
    assert spend.usage.total_tokens == sum(usage.input_tokens + usage.output_tokens for usage, _ in calls)
    assert spend.cost_usd == sum((cost for _, cost in calls if cost is not None), Decimal(0))
    assert spend.model_calls == len(calls)
    assert spend.unpriced_calls == sum(cost is None for _, cost in calls)
