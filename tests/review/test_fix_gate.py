"""The gate: every clause by itself, in the order of what it costs to find out."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from captain.review.fix_gate import GateFacts, Gone, accept, next_evidence

TOGGLED = Gone(case="F1", failed_before=True, passes_after=True, fails_when_reverted=True)
GOOD = GateFacts(weights=(3,), outside=(), shortcuts=(), broken=(), gone=(TOGGLED,), by_products=())


def test_a_change_that_meets_every_clause_is_accepted() -> None:
    assert next_evidence(GOOD) is None
    assert accept(GOOD).accepted
    assert TOGGLED.toggled


@pytest.mark.parametrize(
    ("change", "clause", "says"),
    [
        ({"outside": ("ci.yml is outside the scope",)}, "scope", "ci.yml"),
        ({"shortcuts": ("test_x was skipped",)}, "scope", "test_x was skipped"),
        ({"broken": ("tests",)}, "ratchet", "tests"),
        ({"gone": (replace(TOGGLED, failed_before=False),)}, "gone", "seen to fail before"),
        ({"gone": (replace(TOGGLED, passes_after=False),)}, "gone", "still fails"),
        ({"gone": (replace(TOGGLED, fails_when_reverted=False),)}, "gone", "because of the tests"),
        ({"gone": (Gone(case="F1", said_gone=False, reason="the branch is still there"),)}, "gone", "still there"),
        ({"by_products": (3,)}, "harm", "weight 3"),
        ({"by_products": (1, 1, 1)}, "harm", "weight 3"),
    ],
)
def test_each_clause_alone_undoes_a_change(change: dict[str, object], clause: str, says: str) -> None:
    result = accept(replace(GOOD, **change))  # type: ignore[arg-type]
    assert (result.accepted, result.clause) == (False, clause)
    assert says in result.reason


@pytest.mark.parametrize("by_products", [(1,), (1, 1)])
def test_what_weighs_less_than_what_was_mended_is_accepted_with_it(by_products: tuple[int, ...]) -> None:
    assert accept(replace(GOOD, by_products=by_products)).accepted


def test_a_verifier_who_says_gone_stands_in_for_a_reproduction() -> None:
    assert accept(replace(GOOD, gone=(Gone(case="F1", said_gone=True),))).accepted


def test_a_change_to_tests_alone_needs_no_toggle_of_the_product() -> None:
    assert accept(replace(GOOD, gone=(replace(TOGGLED, fails_when_reverted=None),))).accepted


def test_evidence_is_gathered_from_the_cheapest_to_the_dearest() -> None:
    facts, asked = GateFacts(weights=(3,)), []
    answers = {"scope": {"outside": (), "shortcuts": ()}, "ratchet": {"broken": ()}, "gone": {"gone": (TOGGLED,)}}
    while (wanted := next_evidence(facts)) is not None:
        asked.append(wanted)
        facts = replace(facts, **answers.get(wanted, {"by_products": ()}))  # type: ignore[arg-type]
    assert asked == ["scope", "ratchet", "gone", "harm"]
    assert accept(facts).accepted


def test_what_failed_early_is_not_looked_at_further() -> None:
    assert next_evidence(GateFacts(weights=(3,), outside=("x",))) is None
    assert next_evidence(GateFacts(weights=(3,), outside=(), shortcuts=(), broken=("tests",))) is None


def test_what_was_not_looked_at_is_not_accepted() -> None:
    result = accept(replace(GOOD, by_products=None))
    assert (result.accepted, result.clause, result.reason) == (False, "harm", "was not looked at")
    assert accept(replace(GOOD, by_products=None, delta_review=False)).accepted


weights = st.lists(st.sampled_from([1, 3, 9]), max_size=6)


@given(weights.filter(bool), weights)
def test_an_accepted_change_always_lowers_the_known_weight(mended: list[int], brought: list[int]) -> None:
    result = accept(replace(GOOD, weights=tuple(mended), by_products=tuple(brought)))
    if result.accepted:
        assert sum(brought) < sum(mended)
        assert not brought or max(brought) < max(mended)
    else:
        assert result.clause == "harm"
