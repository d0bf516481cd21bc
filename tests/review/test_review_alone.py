"""A loop without a fixer: it reviews, verifies, says so, and leaves the repository alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from captain.review import THOROUGH
from captain.testing import git
from tests.review.scene import ALWAYS, Says, Scene, Sees, Votes, bug, loop, opinion, statuses

CHANGE = {"app.py": "start\nWRONG\nmiddle\nWORSE\nend\n"}


async def test_what_is_verified_is_for_a_person_and_no_ref_is_set(tmp_path: Path) -> None:
    scene = Scene.of(tmp_path, CHANGE)
    before = git(scene.root, "count-objects", "-v"), git(scene.root, "for-each-ref")

    report = await scene.run(loop([Sees([bug("WRONG"), opinion("WORSE")])], None, verifiers=(ALWAYS,)))

    assert report.verdict == "needs_human"
    assert report.conclusion.reason == "2 verified findings to mend, and nobody here to do it"
    assert statuses(report) == {"WRONG": "open", "WORSE": "open"}
    assert (report.commit, report.ref, report.rounds, report.acceptable) == (report.start, "", 1, False)
    assert (git(scene.root, "count-objects", "-v"), git(scene.root, "for-each-ref")) == before


async def test_nothing_verified_converges_as_with_a_fixer(tmp_path: Path) -> None:
    scene = Scene.of(tmp_path, CHANGE)
    refuses = Votes(accepts=lambda _: False)

    report = await scene.run(loop([Sees([opinion("WRONG")])], None, verifiers=(refuses,)))

    assert (report.verdict, report.acceptable) == ("converged", True)


async def test_what_is_real_is_open_where_no_edit_has_to_be_worth_it(tmp_path: Path) -> None:
    """With a fixer, an edit for a minor finding without a command would be expected to do more harm."""
    scene = Scene.of(tmp_path, CHANGE)

    report = await scene.run(loop([Sees([opinion("WRONG", "minor")])], None, verifiers=(ALWAYS,)))

    assert (report.verdict, statuses(report), report.acceptable) == ("needs_human", {"WRONG": "open"}, True)


async def test_a_policy_that_wants_two_clean_reviews_gets_them(tmp_path: Path) -> None:
    reviewer = Says([[], [bug("WRONG")]])  # of the four looks of two rounds, the second one finds something

    report = await Scene.of(tmp_path, CHANGE).run(loop([reviewer], None, policy=THOROUGH))

    assert (report.verdict, report.rounds) == ("needs_human", 1)
    clean = await Scene.of(tmp_path / "clean", CHANGE).run(loop([Says([[]])], None, policy=THOROUGH))
    assert (clean.verdict, clean.rounds) == ("converged", 2)


@pytest.mark.parametrize("severity", ["critical", "major", "minor"])
async def test_a_review_that_was_cut_off_goes_on_from_its_log(tmp_path: Path, severity: str) -> None:
    scene = Scene.of(tmp_path, CHANGE)
    asked = loop([Says([[bug("WRONG", severity)]])], None)  # type: ignore[arg-type]
    whole = await scene.run(asked)
    cut = next(place for place, event in enumerate(whole.log) if event.kind == "ruled")

    report = await scene.run(asked, log=whole.log[:cut])

    assert (report.verdict, statuses(report)) == (whole.verdict, statuses(whole))
    assert git(scene.root, "for-each-ref", "refs/captain") == ""
