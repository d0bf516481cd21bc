"""The whole loop on real git and real commands: every verdict, each in a story that can be followed."""

from __future__ import annotations

from pathlib import Path

import pytest

from captain.core.errors import BudgetExceededError
from captain.core.findings import Proposal, Review
from captain.review import FixJob, ReviewPolicy, summary
from captain.testing import FakeClock, git
from tests.review.scene import ALWAYS, Edits, Says, Scene, Sees, bug, loop, opinion, removes, statuses

ONE_BUG = {"app.py": "start\nBUG1\nend\n"}
PLAIN = ReviewPolicy(ev_factor=None)


async def test_a_defect_that_is_seen_to_fail_is_mended_and_a_cold_look_at_the_result_ends_the_loop_as_converged(
    tmp_path: Path,
) -> None:
    scene = Scene.of(tmp_path, ONE_BUG)
    critic, fixer = Sees([bug("BUG1")]), Edits(removes)
    report = await scene.run(loop([critic], fixer))
    assert (report.verdict, report.rounds) == ("converged", 2)
    assert scene.text(report.commit) == "start\nfine\nend\n"
    (case,) = report.cases
    assert (case.status, case.evidence, case.fixed_by) == ("fixed", "toggled", report.commit)
    assert (report.weight(report.start), report.weight(report.commit), report.residuals) == (3, 0, ())
    assert "converged: the cold review of round 2 admitted nothing" in summary(report)
    assert git(scene.root, "rev-list", "--count", f"work..{report.commit}") == "1"
    assert git(scene.root, "rev-parse", report.ref) == report.commit


async def test_what_three_attempts_do_not_mend_is_left_in_the_report_as_a_residual_and_a_follow_up(
    tmp_path: Path,
) -> None:
    scene = Scene.of(tmp_path, ONE_BUG)
    fixer = Edits(lambda job, text: text.replace("BUG1", f"BUG1 x{len(job.earlier)}"))
    report = await scene.run(loop([Sees([bug("BUG1")])], fixer, policy=PLAIN))
    assert report.verdict == "converged_with_residuals"
    assert [job.rung for job in fixer.jobs] == ["first", "fresh", "advisor"]
    assert [len(job.earlier) for job in fixer.jobs] == [0, 1, 2]
    assert "BUG1 x1" in fixer.jobs[2].earlier[1].diff
    assert fixer.jobs[2].earlier[1].clause == "gone"
    assert report.commit == git(scene.root, "rev-parse", "work")
    (left,) = report.residuals
    assert left.reason.startswith("3 attempts are used up; the last failed gone")
    (note,) = report.follow_ups
    assert note.title.startswith("Not mended: The line with BUG1")
    assert note.ref in scene.kept()


async def test_minor_findings_of_later_rounds_are_recorded_and_not_mended(tmp_path: Path) -> None:
    scene = Scene.of(tmp_path, {"app.py": "start\nBUG1\nBUG2\n"})
    critic = Says([[bug("BUG1")], [bug("BUG2", "minor")]])
    report = await scene.run(loop([critic], Edits(removes), policy=ReviewPolicy(reviewers=(1,))))
    assert report.verdict == "converged_with_residuals"
    assert statuses(report) == {"BUG1": "fixed", "BUG2": "recorded"}
    assert [case.finding.anchor for case in report.residuals] == ["BUG2"]


async def test_two_opinions_that_contradict_each_other_end_the_loop_as_oscillating(tmp_path: Path) -> None:
    """Tabs are wrong, says one look; spaces are wrong, says the next; the second fix brings the first state back."""
    scene = Scene.of(tmp_path, {"app.py": "start\nuse tabs here\nend\n"})
    critic = Says([[opinion("use tabs here")], [opinion("use spaces here", claim="Spaces break the build.")]])

    def swap(job: FixJob, text: str) -> str:
        one, other = ("tabs", "spaces") if "tabs" in job.cases[0].finding.anchor else ("spaces", "tabs")
        return text.replace(one, other)

    one_look = ReviewPolicy(reviewers=(1,))
    report = await scene.run(loop([critic], Edits(swap), verifiers=(ALWAYS,), policy=one_look))
    assert report.verdict == "oscillating"
    assert "brought back files that were there before" in report.conclusion.reason


async def test_two_rounds_in_which_no_fix_holds_end_the_loop_as_stalled(tmp_path: Path) -> None:
    scene = Scene.of(tmp_path, {"app.py": "BUG1\nBUG2\n"})
    critic = Says([[bug("BUG1")], [bug("BUG2")]])
    breaks = Edits(lambda job, text: removes(job, text) + "BROKEN\n")
    report = await scene.run(loop([critic], breaks, policy=ReviewPolicy(ev_factor=None, reviewers=(1,))))
    assert (report.verdict, report.rounds) == ("stalled", 2)
    assert dict(report.conclusion.figures)["stalled_in_a_row"] == 2
    assert report.commit == report.start
    assert {attempt.clause for case in report.cases for attempt in case.attempts} == {"ratchet"}


async def test_a_fix_that_turns_out_to_weigh_more_than_what_it_mended_ends_the_loop_as_diverging(
    tmp_path: Path,
) -> None:
    """The delta review misses what the fix brings; the next cold review finds it, and blame says where it is from."""
    scene = Scene.of(tmp_path, ONE_BUG)
    critic = Says([[bug("BUG1")], [bug("HOLE", "critical")]])
    fixer = Edits(
        lambda job, text: text.replace("BUG1", "HOLE") if job.cases[0].finding.anchor == "BUG1" else text + "x\n"
    )
    report = await scene.run(loop([critic], fixer, policy=ReviewPolicy(reviewers=(1,))))
    assert report.verdict == "diverging"
    assert "9 where it was 3" in report.conclusion.reason
    hole = next(case for case in report.cases if case.finding.anchor == "HOLE")
    assert hole.introduced_by == next(case.fixed_by for case in report.cases if case.finding.anchor == "BUG1")
    assert (report.commit, report.weight(report.commit)) == (report.start, 3)


async def test_the_last_review_allowed_ends_the_loop_as_budget_and_its_fixes_are_handed_back(tmp_path: Path) -> None:
    scene = Scene.of(tmp_path, ONE_BUG)
    report = await scene.run(loop([Sees([bug("BUG1")])], Edits(removes), policy=ReviewPolicy(max_rounds=1)))
    assert (report.verdict, report.weight(report.commit)) == ("budget", 0)
    assert "its last fixes were not reviewed again" in report.conclusion.reason


async def test_money_that_runs_out_in_a_fix_ends_the_loop_as_budget(tmp_path: Path) -> None:
    class Poor:
        async def fix(self, job: FixJob, workspace: object, /) -> str:
            raise BudgetExceededError("The next call would pass 5 US dollars.", limit="cost_usd")

    scene = Scene.of(tmp_path, ONE_BUG)
    report = await scene.run(loop([Sees([bug("BUG1")])], Poor()))
    assert (report.verdict, report.conclusion.reason) == ("budget", "The next call would pass 5 US dollars.")
    assert report.commit == report.start


async def test_time_that_runs_out_ends_the_loop_as_budget(tmp_path: Path) -> None:
    clock = FakeClock()

    def slow(job: FixJob, text: str) -> str:
        clock.advance(100)
        return removes(job, text)

    scene = Scene.of(tmp_path, ONE_BUG)
    report = await scene.run(loop([Sees([bug("BUG1")])], Edits(slow), clock=clock, time_s=60))
    assert (report.verdict, report.conclusion.reason) == ("budget", "its 60 s are used up")
    assert report.weight(report.commit) == 0


async def test_a_critical_defect_that_cannot_be_mended_needs_a_human(tmp_path: Path) -> None:
    scene = Scene.of(tmp_path, ONE_BUG)
    report = await scene.run(loop([Sees([bug("BUG1", "critical")])], Edits(lambda _, text: text + "x\n")))
    assert report.verdict == "needs_human"
    assert "1 critical finding could not be mended" in report.conclusion.reason


async def test_reviewers_that_give_no_review_are_no_approval(tmp_path: Path) -> None:
    class Prose:
        name = "poet"

        async def review(self, proposal: Proposal, /) -> Review:
            return "Looks good to me!"  # type: ignore[return-value]

    scene = Scene.of(tmp_path, ONE_BUG)
    report = await scene.run(loop([Prose()], Edits(removes), policy=ReviewPolicy(reviewers=(1,))))
    assert report.verdict == "needs_human"
    assert report.problems == ("round 1, poet: it handed in no review but str",)


@pytest.mark.parametrize("policy", ["economy", "balanced", "thorough"])
async def test_every_preset_mends_and_converges(tmp_path: Path, policy: str) -> None:
    from captain.review import policy_named

    scene = Scene.of(tmp_path, ONE_BUG)
    report = await scene.run(loop([Sees([bug("BUG1")])], Edits(removes), policy=policy_named(policy)))
    assert (report.verdict, report.weight(report.commit)) == ("converged", 0)
