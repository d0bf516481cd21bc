"""How heavy a case is: the middle of what is said of it, so that one voice does not move it."""

from __future__ import annotations

import pytest

from captain.core.cases import Vote
from captain.core.findings import Severity
from captain.core.loop_events import FindingProposed, LoopEvent, LoopStarted, Voted
from captain.review.ledger import fold
from tests.review.cases import finding


@pytest.mark.parametrize(
    ("claimed", "votes", "then"),
    [
        ("major", [], "major"),
        ("major", [None], "major"),
        ("major", ["minor"], "minor"),
        ("minor", ["major"], "major"),
        ("major", ["major", "minor"], "major"),
        ("minor", ["major", "major"], "major"),
        ("critical", ["major", "minor"], "major"),
        ("critical", ["critical", "minor"], "critical"),
        ("critical", ["minor", "minor", "major"], "major"),
    ],
)
def test_a_severity_is_the_middle_of_what_the_reviewer_and_those_who_agree_say(
    claimed: Severity, votes: list[Severity | None], then: Severity
) -> None:
    said: list[LoopEvent] = [
        LoopStarted(base="b", start="s", start_tree="t"),
        FindingProposed(case="F1", finding=finding(severity=claimed), reviewer="r", round=1),
        *(Voted(case="F1", vote=Vote(voter="v", accepts=True, severity=severity)) for severity in votes),
    ]
    assert fold(said).cases["F1"].severity == then


def test_who_does_not_share_a_finding_has_no_say_in_how_heavy_it_is() -> None:
    against = Vote(voter="v", accepts=False, severity="minor")
    said = FindingProposed(case="F1", finding=finding(severity="critical"), reviewer="r", round=1)
    state = fold([LoopStarted(base="b", start="s", start_tree="t"), said, Voted(case="F1", vote=against)])
    assert state.cases["F1"].severity == "critical"
