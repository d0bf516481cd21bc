"""The numbers: the estimate, what an edit is worth, and how a loop adapts to its own fixes."""

from __future__ import annotations

import pytest

from captain.core.cases import Candidate, Spell, best, known_weight, present
from captain.core.errors import UsageError
from captain.review.policy import BALANCED, ECONOMY, THOROUGH, ReviewPolicy, Tally, adapted, policy_named, worth_an_edit
from tests.review.cases import case


def test_before_there_is_experience_the_estimate_is_the_prior() -> None:
    assert Tally().seen_rate(BALANCED) == pytest.approx(0.12)
    assert Tally().unseen_rate(BALANCED) == pytest.approx(0.18)
    assert Tally(gated=3, by_products=3).seen_rate(BALANCED) == pytest.approx((0.36 + 3) / 6)


@pytest.mark.parametrize(
    ("weight", "evidence", "tally", "worth"),
    [
        (1, "opinion", Tally(), False),
        (1, "reproduced", Tally(), True),
        (1, "opinion", Tally(gated=3), True),
        (3, "opinion", Tally(), True),
        (3, "opinion", Tally(gated=9, by_products=9), False),
        (9, "opinion", Tally(gated=9, by_products=9), True),
    ],
)
def test_an_edit_has_to_mend_more_than_it_is_expected_to_break(
    weight: int, evidence: str, tally: Tally, *, worth: bool
) -> None:
    assert worth_an_edit(weight, evidence, tally, BALANCED) is worth  # type: ignore[arg-type]
    assert worth_an_edit(weight, evidence, tally, ECONOMY)  # type: ignore[arg-type]


def test_calm_fixes_buy_reviews_and_rough_ones_end_the_small_edits() -> None:
    assert adapted(BALANCED, Tally(accepted=7)) == BALANCED
    calm = adapted(BALANCED, Tally(gated=8, accepted=8))
    assert (calm.delta_review, calm.reviewers) == (False, (3, 2))
    rough = adapted(BALANCED, Tally(gated=8, accepted=8, by_products=3))
    assert (rough.reviewers, rough.floors, rough.delta_review) == ((1,), ("major",), True)
    assert adapted(BALANCED, Tally(gated=8, accepted=8, by_products=1)) == BALANCED
    assert adapted(ReviewPolicy(adaptive=False), Tally(accepted=8)) == ReviewPolicy(adaptive=False)


def test_the_last_number_of_a_policy_repeats() -> None:
    assert [BALANCED.reviewers_in(round_) for round_ in (1, 2, 5)] == [3, 1, 1]
    assert [BALANCED.floor_in(round_) for round_ in (1, 2, 5)] == [1, 3, 3]


def test_presets_have_names() -> None:
    assert [policy_named(name) for name in ("economy", "balanced", "thorough")] == [ECONOMY, BALANCED, THOROUGH]
    with pytest.raises(UsageError, match="'fast' is no review policy") as caught:
        policy_named("fast")
    assert caught.value.hint == "Use one of economy, balanced, thorough."


@pytest.mark.parametrize("wrong", [{"max_rounds": 0}, {"reviewers": ()}, {"reviewers": (0,)}, {"ladder": ("person",)}])
def test_a_policy_that_makes_no_sense_is_a_usage_error(wrong: dict[str, object]) -> None:
    with pytest.raises(UsageError, match="ReviewPolicy"):
        ReviewPolicy(**wrong)  # type: ignore[arg-type]


START, ONE, TWO = (
    Candidate(commit="s", tree="s"),
    Candidate(commit="c1", tree="1", holds=frozenset({"c1"})),
    Candidate(commit="c2", tree="2", holds=frozenset({"c1", "c2"})),
)


def test_in_hindsight_a_defect_is_in_every_tree_between_what_brought_and_what_removed_it() -> None:
    brought = case(admitted=True, spells=(Spell(since="c1"),))
    mended = case("critical", admitted=True, spells=(Spell(until="c2"),))
    assert [present(brought, tree) for tree in (START, ONE, TWO)] == [False, True, True]
    assert [present(mended, tree) for tree in (START, ONE, TWO)] == [True, True, False]
    assert [known_weight((brought, mended), tree) for tree in (START, ONE, TWO)] == [9, 12, 3]
    assert best((START, ONE, TWO), (brought, mended)) == TWO


def test_one_that_a_later_fix_brought_back_is_absent_only_between() -> None:
    back = case(admitted=True, spells=(Spell(until="c1"), Spell(since="c2")))
    assert [present(back, tree) for tree in (START, ONE, TWO)] == [True, False, True]
    assert best((START, ONE, TWO), (back,)) == ONE


def test_of_equals_the_latest_is_handed_back_and_the_start_is_one_of_them() -> None:
    assert best((START, ONE, TWO), ()) == TWO
    assert best((START, ONE, TWO), (case(admitted=True, spells=(Spell(since="c1"),)),)) == START


def test_what_was_never_admitted_weighs_nothing() -> None:
    assert known_weight((case(status="rejected"), case(status="recorded")), START) == 0
