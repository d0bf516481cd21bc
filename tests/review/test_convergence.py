"""When a review loop ends and what it keeps, as a table and as properties."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from captain.core.findings import Severity, Verdict
from captain.review import Round, best, to_mend, verdict
from tests.review.parts import round_

LETTERS: dict[str, Severity] = {"C": "critical", "M": "major", "m": "minor"}
ALL: tuple[Severity, ...] = ("critical", "major", "minor")
SEVERITIES = st.lists(st.sampled_from(ALL), max_size=4)
ROUNDS = st.lists(st.tuples(SEVERITIES, st.sampled_from("abcd")), min_size=1, max_size=6).map(
    lambda drawn: [round_(number, severities, head) for number, (severities, head) in enumerate(drawn, 1)]
)


def rounds(*each: str) -> list[Round]:
    """One word a round: its findings by first letter, and after an @ the state it proposes."""
    made = []
    for number, word in enumerate(each, 1):
        letters, _, head = word.partition("@")
        made.append(round_(number, [LETTERS[letter] for letter in letters], head or None))
    return made


@pytest.mark.parametrize(
    ("so_far", "ends", "because"),
    [
        (rounds(""), "converged", "no finding is open after round 1"),
        (rounds("m"), None, ""),
        (rounds("C"), None, ""),
        (rounds("C", ""), "converged", "after round 2"),
        (rounds("C", "m"), "converged_with_residuals", "minor"),
        (rounds("m", "mm"), "converged_with_residuals", "2 minor findings"),
        (rounds("C", "M"), None, ""),
        (rounds("M@a", "M@a"), "stalled", "round 2 changed nothing"),
        (rounds("M@a", "M@b", "M@a"), "oscillating", "round 3 brought back"),
        (rounds("M@a", "m@a"), "converged_with_residuals", "minor"),
        (rounds("M@a", "@a"), "converged", "no finding"),
        (rounds("M", "M", "M"), "budget", "3 rounds used up"),
        (rounds("M", "M", "m"), "converged_with_residuals", "minor"),
        (rounds("M@a", "M@b", "M@b"), "stalled", "round 3"),
    ],
)
def test_the_verdict_of_three_rounds_at_most(so_far: list[Round], ends: Verdict | None, because: str) -> None:
    ended = verdict(so_far, max_rounds=3)
    assert (ended[0] if ended else None) == ends
    if ended:
        assert because in ended[1]


def test_with_one_round_only_everything_open_is_reported_at_once() -> None:
    assert verdict(rounds("M"), max_rounds=1) == ("budget", "1 round used up, with 1 finding open")


def test_minor_findings_are_mended_in_the_first_round_only() -> None:
    assert [finding.severity for finding in to_mend(rounds("mM"))] == ["minor", "major"]
    assert [finding.severity for finding in to_mend(rounds("M", "mC"))] == ["critical"]


@given(so_far=ROUNDS, max_rounds=st.integers(1, 6))
def test_a_verdict_always_comes_with_the_last_round_and_never_before_there_is_a_reason(
    so_far: list[Round], max_rounds: int
) -> None:
    ended = verdict(so_far, max_rounds)
    if len(so_far) >= max_rounds:
        assert ended is not None
    if ended is None:
        assert to_mend(so_far)
        assert so_far[-1].proposal.head not in {earlier.proposal.head for earlier in so_far[:-1]}
    elif ended[0] in {"converged", "converged_with_residuals"}:
        assert so_far[-1].acceptable
    else:
        assert to_mend(so_far)


@given(so_far=ROUNDS)
def test_what_is_kept_has_the_least_weight_and_is_the_latest_of_equals(so_far: list[Round]) -> None:
    kept = best(so_far)
    assert kept.acceptable == any(each.acceptable for each in so_far)
    peers = [each for each in so_far if each.acceptable == kept.acceptable]
    assert kept.weight == min(each.weight for each in peers)
    assert all(later.weight > kept.weight for later in peers if later.number > kept.number)


@given(so_far=ROUNDS)
def test_a_round_is_acceptable_when_nothing_on_it_is_worse_than_minor(so_far: list[Round]) -> None:
    for each in so_far:
        assert each.acceptable == ({finding.severity for finding in each.findings} <= {"minor"})
