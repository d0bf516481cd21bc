"""Every verdict, with what has to be so for it, and in which order they are asked."""

from __future__ import annotations

from dataclasses import replace

import pytest

from captain.core.findings import Verdict
from captain.review.policy import BALANCED, THOROUGH, ReviewPolicy, Tally
from captain.review.verdicts import LoopFacts, conclude

QUIET = LoopFacts(after="review", round=2, clean_in_a_row=1)
MENDED = LoopFacts(after="fixes", round=2, accepted_this_round=1)
CAUSED = Tally(accepted=6, caused=4)


def test_what_was_just_found_is_tried_before_its_weight_is_called_diverging() -> None:
    found = LoopFacts(after="review", round=2, admitted=1, waiting=1, start_weight=3, head_weight=9)
    assert conclude(found, BALANCED) is None
    nothing_waits = conclude(replace(found, waiting=0, recorded=1), BALANCED)
    assert nothing_waits is not None
    assert nothing_waits.verdict == "diverging"


@pytest.mark.parametrize(
    ("facts", "verdict", "says"),
    [
        (QUIET, "converged", "round 2 admitted nothing"),
        (replace(QUIET, recorded=2, deferred=1), "converged_with_residuals", "3 findings known and not mended"),
        (replace(QUIET, deferred=1, deferred_critical=1), "needs_human", "1 critical finding could not be mended"),
        (replace(QUIET, deferred=1, questions=("F3: criteria contradict",)), "needs_human", "F3: criteria contradict"),
        (replace(QUIET, failing=("tests",)), "needs_human", "the check tests fails"),
        (replace(QUIET, unmet=("T1.2",)), "needs_human", "T1.2 is not shown"),
        (replace(QUIET, answered=0, clean_in_a_row=0), "needs_human", "no reviewer gave a usable review in round 2"),
        (replace(MENDED, oscillation="F1 came back"), "oscillating", "F1 came back"),
        (replace(MENDED, tally=CAUSED), "diverging", "6 accepted fixes brought 4 verified findings"),
        (
            replace(MENDED, start_weight=3, head_weight=9),
            "diverging",
            "weighs more than at the start: 9 where it was 3",
        ),
        (replace(MENDED, stalled_in_a_row=2), "stalled", "no fix was accepted in 2 rounds in a row"),
        (replace(MENDED, stalled_in_a_row=2, deferred_critical=1), "needs_human", "1 critical finding"),
        (replace(MENDED, spent="the tokens are used up"), "budget", "the tokens are used up"),
        (replace(MENDED, round=6), "budget", "6 reviews used up; its last fixes were not reviewed again"),
        (replace(MENDED, round=6, deferred_critical=1), "needs_human", "1 critical finding"),
    ],
)
def test_a_verdict_with_its_reason(facts: LoopFacts, verdict: Verdict, says: str) -> None:
    ended = conclude(facts, BALANCED)
    assert ended is not None
    assert ended.verdict == verdict
    assert says in ended.reason
    assert dict(ended.figures)["rounds"] == facts.round


@pytest.mark.parametrize(
    "facts",
    [
        MENDED,
        replace(MENDED, stalled_in_a_row=1),
        replace(MENDED, tally=replace(CAUSED, caused=2)),
        replace(MENDED, tally=Tally(accepted=3, caused=3)),
        replace(QUIET, clean_in_a_row=0, admitted=1, waiting=1),
        replace(QUIET, clean_in_a_row=0, answered=0, waiting=1),
    ],
)
def test_otherwise_the_loop_goes_on(facts: LoopFacts) -> None:
    assert conclude(facts, BALANCED) is None


def test_two_clean_rounds_are_two() -> None:
    assert conclude(QUIET, THOROUGH) is None
    assert conclude(replace(QUIET, clean_in_a_row=2), THOROUGH) is not None
    last = conclude(replace(QUIET, round=6), THOROUGH)
    assert last is not None
    assert (last.verdict, last.reason) == ("budget", "6 reviews used up; one more clean round was due")


def test_an_oscillation_is_told_before_all_else() -> None:
    facts = replace(MENDED, oscillation="F1 came back", tally=CAUSED, spent="time", round=6, stalled_in_a_row=2)
    ended = conclude(facts, ReviewPolicy())
    assert ended is not None
    assert ended.verdict == "oscillating"
