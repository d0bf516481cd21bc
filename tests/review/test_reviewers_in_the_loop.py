"""Reviewers may say anything, or nothing: what the loop makes of it."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import anyio
import pytest

from captain.core.errors import BadResponseError, UsageError
from captain.core.findings import Proposal, Review
from captain.core.loop_events import FindingProposed, LoopStarted, ReviewEnded, Voted
from captain.core.tasks import Check, Criterion, Scope, Task
from captain.review import ReviewLoop, ReviewPolicy
from captain.testing import git, make_repository
from tests.review.scene import ALWAYS, TESTS, Edits, Says, Scene, Sees, Votes, bug, loop, opinion, removes, statuses

pytestmark = pytest.mark.slow


ONE_BUG = {"app.py": "start\nBUG1\nend\n"}
ONE_LOOK = ReviewPolicy(reviewers=(1,))
NEVER = Votes(accepts=lambda _: False)


async def test_what_nobody_confirms_is_never_edited_and_not_argued_again(tmp_path: Path) -> None:
    """The same objection in the same words in both rounds: one vote, and no fix."""
    scene, fixer, voter = Scene.of(tmp_path, ONE_BUG), Edits(removes), Votes(accepts=lambda _: False)
    critic = Says([[opinion("BUG1"), bug("start", suggested_check="! grep -q start app.py")]])
    report = await scene.run(loop([critic], fixer, verifiers=(voter,), policy=ONE_LOOK))
    assert statuses(report) == {"BUG1": "rejected", "start": "rejected"}
    assert (fixer.jobs, report.verdict, len(voter.asked)) == ([], "converged", 2)


async def test_a_rejected_finding_may_be_appealed_once_with_new_evidence(tmp_path: Path) -> None:
    scene = Scene.of(tmp_path, {"app.py": "start\nBUG1\nBUG2\n"})
    reasons = ("The loop never ends.", "A lock is left held.", "Names clash on import.")
    other = [opinion("BUG1", evidence=reason) for reason in reasons]
    critic = Says([[other[0], bug("BUG2")], [other[1], bug("BUG2")], [other[2]]])
    voter = Votes(accepts=lambda question: "BUG1" not in question.finding.claim)
    more = ReviewPolicy(reviewers=(1,), clean_rounds=2)
    report = await scene.run(loop([critic], Edits(removes), verifiers=(voter,), policy=more))
    assert [vote.case for vote in report.log if isinstance(vote, Voted)].count("F1") == 2
    assert report.verdict == "converged"


async def test_two_reviewers_who_find_the_same_raise_one_case(tmp_path: Path) -> None:
    scene = Scene.of(tmp_path, ONE_BUG)
    other = opinion("BUG1", claim="BUG1 makes this line do something wrong.", evidence="Look at the line.")
    report = await scene.run(loop([Sees([bug("BUG1")]), Sees([other], name="other")], Edits(removes)))
    (case,) = report.cases
    assert (case.raised_by, case.status) == (("critic", "other"), "fixed")
    matched = [event.matched for event in report.log if isinstance(event, FindingProposed)]
    assert matched[:2] == ["new", "anchor"]


async def test_a_finding_is_known_again_when_its_line_has_moved_and_its_words_have_changed(tmp_path: Path) -> None:
    scene = Scene.of(tmp_path, {"app.py": "BUG1\nstart\nBUG2\nend\n"})
    again = opinion("BUG2", claim="This line, BUG2, still is wrong.", evidence="Wrong as ever.")
    critic = Says([[bug("BUG1"), opinion("BUG2")], [again]])
    voter = Votes(accepts=lambda question: "BUG2" not in question.finding.claim)

    def longer(job: Any, text: str) -> str:
        return removes(job, text).replace("fine\n", "fine\nfine\nfine\n")

    report = await scene.run(loop([critic], Edits(longer), verifiers=(voter,), policy=ONE_LOOK))
    (case,) = [case for case in report.cases if case.finding.anchor == "BUG2"]
    assert (case.status, case.raised_in) == ("rejected", (1, 2))
    assert [anchor.line for _, anchor in case.anchors] == [3, 5]


async def test_quotes_that_are_nowhere_and_paths_that_are_outside_cost_nothing(tmp_path: Path) -> None:
    scene, fixer = Scene.of(tmp_path, ONE_BUG), Edits(removes)
    critic = Says(
        [
            [
                opinion("no such code", "critical"),
                opinion("BUG1", "critical", "../../etc/passwd"),
                opinion("BUG1", "critical", "nowhere.py"),
                opinion("! grep", "critical", "tests/run.sh"),
            ]
        ]
    )
    report = await scene.run(loop([critic], fixer, verifiers=(ALWAYS,)))
    assert [case.status for case in report.cases] == ["rejected", "rejected", "rejected", "out_of_scope"]
    assert (fixer.jobs, report.verdict) == ([], "converged")
    (note,) = report.follow_ups
    assert note.paths == ("tests/run.sh",)


async def test_harm_done_elsewhere_counts_if_it_fails_with_the_change_and_passes_without(tmp_path: Path) -> None:
    scene = Scene.of(tmp_path, {"app.py": "start\nrenamed\nend\n"})
    caller = bug("two", path="lib.py", suggested_check="grep -q middle app.py || ! grep -q two lib.py")
    old = bug("three", path="lib.py", suggested_check="! grep -q three lib.py")
    report = await scene.run(loop([Says([[caller, old], []])], Edits(removes), policy=ONE_LOOK))
    assert statuses(report) == {"two": "fixed", "three": "out_of_scope"}


async def test_a_hundred_findings_are_cut_to_the_heaviest(tmp_path: Path) -> None:
    scene = Scene.of(tmp_path, ONE_BUG)
    flood = [opinion("start", "minor", claim=f"Nit {number} about {number * 7}.") for number in range(99)]
    report = await scene.run(loop([Says([[*flood, bug("BUG1")], []])], Edits(removes), policy=ONE_LOOK))
    ended = next(event for event in report.log if isinstance(event, ReviewEnded))
    assert (ended.findings, ended.left_out) == (12, 88)
    assert statuses(report)["BUG1"] == "fixed"


async def test_findings_that_are_none_are_left_out_and_the_others_taken(tmp_path: Path) -> None:
    class Sloppy:
        name = "sloppy"

        async def review(self, proposal: Proposal, /) -> Review:
            bad = [replace(bug("BUG1"), claim=" "), replace(bug("BUG1"), severity="blocker"), "prose"]  # type: ignore[arg-type]
            return Review(reviewer=self.name, findings=(*bad, bug("BUG1")))  # type: ignore[arg-type]

    scene = Scene.of(tmp_path, ONE_BUG)
    report = await scene.run(loop([Sloppy()], Edits(removes), policy=ReviewPolicy(max_rounds=1)))
    assert statuses(report) == {"BUG1": "fixed"}


class Silent:
    name = "silent"

    async def review(self, proposal: Proposal, /) -> Review:
        await anyio.sleep_forever()
        raise AssertionError


class Broken:
    name = "broken"

    async def review(self, proposal: Proposal, /) -> Review:
        raise BadResponseError("The reviewer ended without handing in a review.", model="m")


async def test_silence_and_errors_of_one_reviewer_do_not_stop_the_others(tmp_path: Path) -> None:
    scene = Scene.of(tmp_path, ONE_BUG)
    three = ReviewPolicy(reviewers=(3,))
    critics = [Silent(), Broken(), Sees([bug("BUG1")])]
    report = await scene.run(loop(critics, Edits(removes), policy=three, review_timeout_s=0.2))
    assert report.verdict == "converged"
    assert report.problems[:2] == (
        "round 1, silent: it gave no answer within 0.2 s",
        "round 1, broken: The reviewer ended without handing in a review.",
    )


async def test_silence_of_all_is_no_approval(tmp_path: Path) -> None:
    scene = Scene.of(tmp_path, ONE_BUG)
    report = await scene.run(loop([Silent()], Edits(removes), policy=ONE_LOOK, review_timeout_s=0.05))
    assert (report.verdict, report.conclusion.reason) == ("needs_human", "no reviewer gave a usable review in round 1")


async def test_reviewers_stay_cold(tmp_path: Path) -> None:
    """The second look gets what the first got: base, head, diff; no word of findings, rejections or fixes."""
    scene, critic = Scene.of(tmp_path, {"app.py": "start\nBUG1\nBUG2\n"}), Sees([opinion("BUG1"), bug("BUG2")])
    await scene.run(loop([critic], Edits(removes), verifiers=(Votes(lambda q: "BUG1" not in q.finding.claim),)))
    full = [shown for shown in critic.shown if shown.base == git(scene.root, "rev-parse", "main")]
    assert len(full) == 4
    for shown in full:
        assert shown.diff == git(scene.root, "diff", "--no-color", "--full-index", shown.base, shown.head) + "\n"
        assert (shown.task.brief, len(shown.checks)) == (full[0].task.brief, 1)


async def test_with_checks_alone_a_check_that_the_change_broke_is_the_finding(tmp_path: Path) -> None:
    scene = Scene.of(tmp_path, {"app.py": "start\nBROKEN\nend\n"})
    fixer = Edits(lambda _, text: text.replace("BROKEN", "fine"))
    report = await scene.run(loop([], fixer))
    assert (report.verdict, report.weight(report.start), report.weight(report.commit)) == ("converged", 9, 0)
    (case,) = report.cases
    assert (case.trusted, case.evidence, case.finding.claim) == (
        True,
        "toggled",
        "The check 'tests' fails with exit code 1.",
    )


async def test_a_check_that_failed_before_the_change_is_a_baseline_and_no_finding(tmp_path: Path) -> None:
    old = Check(name="old", command="grep -q nonsense app.py")
    scene = Scene.of(tmp_path, {"app.py": "start\nfine\nend\n"})
    report = await scene.run(loop([Sees([])], Edits(removes), checks=(TESTS, old)))
    assert (report.verdict, report.baseline, report.cases) == ("converged", ("old",), ())
    (started,) = [event for event in report.log if isinstance(event, LoopStarted)]
    assert started.ratchet == ("tests",)


async def test_a_check_the_task_demands_is_a_finding_also_if_it_failed_before(tmp_path: Path) -> None:
    wanted = Check(name="wanted", command="grep -q fine app.py")
    task = Task(
        id="T1",
        title="Fine",
        kind="change",
        brief="Make it fine.",
        scope=Scope(paths=("app.py",)),
        criteria=(Criterion(id="T1.1", text="It is fine.", check="wanted"),),
        checks=(wanted,),
    )
    scene = Scene.of(tmp_path, {"app.py": "start\nnearly\nend\n"})
    fixer = Edits(lambda _, text: text.replace("nearly", "fine"))
    report = await scene.run(loop([Sees([])], fixer, checks=(TESTS, wanted)), task=task)
    assert (report.verdict, report.weight(report.commit)) == ("converged", 0)
    stubborn = Scene.of(tmp_path / "two", {"app.py": "start\nnearly\nend\n"})
    left = await stubborn.run(loop([Sees([])], Edits(lambda _, text: text), checks=(wanted,)), task=task)
    assert left.verdict == "needs_human"


async def test_a_change_of_nothing_and_a_base_that_is_no_ancestor_are_usage_errors(tmp_path: Path) -> None:
    root = make_repository(tmp_path / "r", {"app.py": "x\n"})
    git(root, "checkout", "-q", "-b", "other")
    (root / "app.py").write_text("y\n")
    git(root, "commit", "-qam", "other")
    git(root, "checkout", "-q", "main")
    made = loop([Sees([])], Edits(removes))
    with pytest.raises(UsageError, match="There is nothing to review") as caught:
        await made.run(root, "main", "main")
    assert caught.value.hint
    with pytest.raises(UsageError, match="does not start from") as caught:
        await made.run(root, "other", "main")
    assert caught.value.hint
    with pytest.raises(UsageError, match="names no commit"):
        await made.run(root, "main", "nowhere")


def test_a_loop_with_nothing_to_go_by_is_a_usage_error() -> None:
    with pytest.raises(UsageError, match="nothing to go by"):
        ReviewLoop(reviewers=(), fixer=Edits(removes))
    with pytest.raises(UsageError, match="Two checks are called 'tests'"):
        ReviewLoop(reviewers=(), fixer=Edits(removes), checks=(TESTS, TESTS))
