"""Nothing is mended without evidence: what is asked for, and what follows from the answers."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from captain.core.cases import Vote
from captain.core.findings import Severity
from captain.review.admission import Means, Ruling, admit, brings_something_new, heard, heaviest
from captain.review.policy import BALANCED, ECONOMY, ReviewPolicy, Tally
from tests.review.cases import AYE, NO, case, finding, trial

PLAIN = ReviewPolicy(ev_factor=None)
SHOWN: dict[str, Any] = {"trial": trial(), "evidence": "reproduced"}


def ruled(severity: Severity, round_: int = 1, policy: ReviewPolicy = PLAIN, **more: Any) -> str:
    means = more.pop("means", Means())
    quick = more.pop("quick", False)
    answer = admit(case(severity, **more), round_, policy, Tally(), means, quick=quick)
    return answer.status if isinstance(answer, Ruling) else answer


@pytest.mark.parametrize(
    ("severity", "facts", "then"),
    [
        ("major", {}, "vote"),
        ("major", {"votes": (AYE,)}, "vote"),
        ("major", {"votes": (AYE, AYE)}, "open"),
        ("major", {"votes": (NO,)}, "rejected"),
        ("major", {"votes": (AYE, NO)}, "rejected"),
        ("critical", {"votes": (NO,)}, "vote"),
        ("critical", {"votes": (NO, NO)}, "rejected"),
        ("critical", {"votes": (NO, AYE)}, "vote"),
        ("critical", {"votes": (NO, AYE, AYE)}, "open"),
        ("critical", {"votes": (NO, AYE, NO)}, "rejected"),
        ("minor", {"votes": (AYE,)}, "open"),
        ("minor", {"votes": (NO,)}, "rejected"),
        ("major", {"votes": (AYE,), **SHOWN}, "open"),
        ("major", {"votes": (NO,), **SHOWN}, "rejected"),
        ("critical", {"votes": (NO,), **SHOWN}, "vote"),
        ("major", {"votes": (AYE,), "quick": True}, "open"),
        ("critical", {"votes": (NO,), "quick": True}, "rejected"),
    ],
)
def test_votes_decide_and_a_critical_finding_is_not_dropped_on_one_voice(
    severity: Severity, facts: dict[str, Any], then: str
) -> None:
    assert ruled(severity, **facts) == then


def test_what_two_reviewers_found_is_not_dropped_on_one_voice() -> None:
    twice: dict[str, Any] = {"raised_by": ("one", "other")}
    assert ruled("major", votes=(NO,), **twice) == "vote"
    assert ruled("major", votes=(NO, NO), **twice) == "rejected"
    assert ruled("major", votes=(NO, AYE, AYE), **twice) == "open"
    assert ruled("major", votes=(NO,), quick=True, **twice) == "rejected"


def test_a_suggested_check_is_run_before_anybody_is_asked() -> None:
    suggested = case(finding_=finding(suggested_check="./repro"))
    assert admit(suggested, 1, PLAIN, Tally()) == "trial"
    assert admit(replace(suggested, trial=trial(fails=False)), 1, PLAIN, Tally()) == "vote"


def test_somebody_who_writes_reproductions_is_asked_after_the_first_vote() -> None:
    assert ruled("major", votes=(), means=Means(reproducer=True)) == "vote"
    assert ruled("major", votes=(AYE,), means=Means(reproducer=True)) == "reproduction"
    assert ruled("minor", votes=(AYE,), means=Means(reproducer=True)) == "open"
    assert ruled("major", votes=(AYE,), trial=trial(fails=False), means=Means(reproducer=True)) == "vote"


def test_without_voters_only_what_was_seen_to_fail_is_mended() -> None:
    assert ruled("critical", means=Means(voters=False)) == "recorded"
    assert ruled("major", means=Means(voters=False), **SHOWN) == "open"


def test_code_that_is_not_there_and_paths_outside_cost_no_vote() -> None:
    assert ruled("critical", anchored=False) == "rejected"
    assert ruled("critical", in_scope=False) == "out_of_scope"


def test_what_is_not_about_the_change_counts_only_if_it_fails_with_the_change_and_passes_without() -> None:
    assert ruled("critical", about_change=False) == "out_of_scope"
    assert ruled("critical", about_change=False, trial=trial(base=False)) == "out_of_scope"
    assert ruled("critical", about_change=False, trial=trial(base=True), votes=(AYE,)) == "open"


@pytest.mark.parametrize(("round_", "facts", "then"), [(1, {}, "open"), (2, {}, "recorded"), (2, SHOWN, "recorded")])
def test_minor_findings_are_mended_in_the_first_round_only(round_: int, facts: dict[str, Any], then: str) -> None:
    assert ruled("minor", round_, votes=(AYE,), **facts) == then


def test_below_the_floor_and_unproved_costs_no_vote_but_is_reported() -> None:
    assert ruled("minor", 2) == "recorded"
    answer = admit(case("minor"), 2, PLAIN, Tally())
    assert isinstance(answer, Ruling)
    assert not answer.admitted


def test_without_a_floor_a_late_minor_finding_still_has_to_be_seen_to_fail() -> None:
    low = ReviewPolicy(ev_factor=None, floors=("minor",))
    assert ruled("minor", 2, low, votes=(AYE,)) == "recorded"
    assert ruled("minor", 2, low, votes=(AYE,), **SHOWN) == "open"


def test_what_is_worth_less_than_an_edit_breaks_is_recorded() -> None:
    rough = Tally(gated=20, by_products=20, accepted=20)
    answer = admit(case("major", votes=(AYE, AYE)), 1, BALANCED, rough)
    assert isinstance(answer, Ruling)
    assert (answer.status, answer.admitted) == ("recorded", True)
    assert admit(case("critical", votes=(AYE, AYE)), 1, BALANCED, rough) == Ruling(
        status="open", reason="", admitted=True
    )


def test_economy_mends_no_minor_finding_at_all() -> None:
    assert ruled("minor", 1, ECONOMY, votes=(AYE,), **SHOWN) == "recorded"


@pytest.mark.parametrize(
    "vote",
    [Vote(voter="v", accepts=True, extends=True), Vote(voter="v", accepts=True, contradicts=("T1.1", "T1.2"))],
)
def test_a_remedy_that_extends_the_change_and_criteria_that_contradict_are_for_a_person(vote: Vote) -> None:
    assert ruled("major", votes=(vote, AYE)) == "deferred"


def test_the_librarys_own_check_needs_no_vote() -> None:
    assert ruled("critical", trusted=True, means=Means(voters=False), **SHOWN) == "open"


def test_by_products_of_by_products_are_recorded() -> None:
    assert ruled("major", votes=(AYE, AYE), depth=1) == "open"
    assert ruled("major", votes=(AYE, AYE), depth=2) == "recorded"


REJECTED = case(status="rejected", raised_by=("one",), finding_=finding(evidence="f(0) raises a KeyError here"))


def test_a_rejected_finding_is_not_argued_again_without_something_new() -> None:
    same = finding(evidence="f(0) raises a KeyError here, really")
    assert heard(REJECTED, same, "one") == "note"
    assert heard(REJECTED, finding(evidence="the lock is never released"), "one") == "appeal"
    assert heard(REJECTED, same, "another") == "appeal"
    assert heard(REJECTED, replace(same, suggested_check="./new"), "one") == "appeal"
    assert heard(replace(REJECTED, appeals=1), replace(same, suggested_check="./new"), "another") == "note"


def test_a_check_that_was_tried_brings_nothing_new() -> None:
    tried = replace(REJECTED, trial=trial(fails=False))
    assert not brings_something_new(tried, replace(tried.finding, suggested_check="./repro"), "one")


def test_a_fixed_case_is_looked_into_again_unless_its_own_check_says_that_it_is_gone() -> None:
    assert heard(case(status="fixed"), finding(), "one") == "propose"
    assert heard(case(status="fixed", trial=trial()), finding(), "one") == "note"
    assert heard(case(status="fixed", trial=trial()), finding(suggested_check="./other"), "one") == "propose"


def test_a_recorded_case_is_looked_into_again_when_it_is_said_to_weigh_more_or_can_be_tried() -> None:
    recorded = case("minor", status="recorded")
    assert heard(recorded, finding("minor"), "one") == "note"
    assert heard(recorded, finding("major"), "one") == "propose"
    assert heard(recorded, finding("minor", suggested_check="./repro"), "one") == "propose"
    assert heard(case(status="deferred"), finding("critical"), "one") == "note"


def test_of_a_hundred_findings_the_heaviest_are_taken() -> None:
    said = tuple(finding("minor", claim=str(number)) for number in range(99))
    taken, left = heaviest((*said, finding("critical")), 12)
    assert (len(taken), len(left), taken[0].severity) == (12, 88, "critical")
    assert [one.claim for one in taken[1:3]] == ["0", "1"]
