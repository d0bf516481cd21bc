"""What a fixer may do, and what becomes of it: every clause of the gate with real commits and real commands."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import pytest

from captain.core.findings import Proposal, Review
from captain.core.loop_events import (
    CheckTurnedFlaky,
    FixAttempted,
    GateDecided,
    LanesJoined,
    LoopEvent,
    ReviewsEnded,
)
from captain.core.tasks import Check, Criterion, Scope, Task
from captain.guards import FileChange, Shortcut, ShortcutGuard
from captain.review import CommandFixer, FixJob, ReviewPolicy
from captain.testing import git
from captain.workspace import Workspace
from tests.review.scene import TESTS, Edits, Scene, Sees, Votes, bug, loop, opinion, removes, statuses

pytestmark = pytest.mark.slow


ONE_BUG = {"app.py": "start\nBUG1\nend\n"}
PLAIN = ReviewPolicy(ev_factor=None)


def clauses(events: tuple[LoopEvent, ...]) -> list[str | None]:
    return [event.clause for event in events if isinstance(event, GateDecided)]


async def test_a_fixer_that_edits_nothing_has_declined_and_is_not_asked_a_third_time(tmp_path: Path) -> None:
    scene = Scene.of(tmp_path, ONE_BUG)
    fixer = Edits(lambda _, text: text)
    report = await scene.run(loop([Sees([bug("BUG1")])], fixer))
    assert report.verdict == "converged_with_residuals"
    (case,) = report.cases
    assert [attempt.outcome for attempt in case.attempts] == ["declined", "declined"]
    assert "left the files as they were, 2 times: done, as ever" in case.reason


async def test_a_fixer_that_commits_by_itself_is_treated_like_any_other(tmp_path: Path) -> None:
    class Commits(Edits):
        async def fix(self, job: FixJob, workspace: Workspace, /) -> str:
            await super().fix(job, workspace)
            done = await workspace.box.run_shell(
                "git -c user.name=x -c user.email=x@x commit -qam mine && git checkout -q -b elsewhere", timeout_s=60
            )
            assert done.exit_code == 0, done.text
            return ""

    scene = Scene.of(tmp_path, ONE_BUG)
    report = await scene.run(loop([Sees([bug("BUG1")])], Commits(removes)))
    assert report.verdict == "converged"
    assert git(scene.root, "log", "--format=%an %s", f"work..{report.commit}").startswith("Captain Mend F1")


async def test_a_fixer_that_edits_everything_is_undone_by_the_scope_and_its_work_is_kept(tmp_path: Path) -> None:
    class Everything(Edits):
        async def fix(self, job: FixJob, workspace: Workspace, /) -> str:
            await workspace.box.run_shell("for f in *.py tests/*; do echo more >> $f; done", timeout_s=60)
            return await super().fix(job, workspace)

    scene = Scene.of(tmp_path, ONE_BUG)
    task = Task(
        id="T1", title="App", kind="change", brief="App.", scope=Scope(paths=("app.py",)), criteria=(), checks=()
    )
    report = await scene.run(loop([Sees([bug("BUG1")])], Everything(removes), policy=PLAIN), task=task)
    assert clauses(report.log) == ["scope", "scope", "scope"]
    (case,) = report.cases
    assert "lib.py is matched by no pattern in paths" in case.attempts[0].reason
    assert "tests/run.sh is matched by no pattern in paths" in case.attempts[0].reason
    refs = {attempt.ref for attempt in case.attempts}
    assert refs <= scene.kept()
    assert len(refs) == 3


async def test_a_shortcut_is_undone_with_the_reason_given_to_the_next_attempt(tmp_path: Path) -> None:
    class Guard(ShortcutGuard):
        def shortcuts(self, files: Iterable[FileChange]) -> tuple[Shortcut, ...]:
            bad = [file for file in files if file.new and "SHORTCUT" in file.new]
            return tuple(
                Shortcut(
                    rule="assertion-removed",
                    title="an assertion was removed",
                    path=file.path,
                    line=1,
                    side="new",
                    symbol="",
                    quote="SHORTCUT",
                    why="",
                    justified_by="",
                    blocks=True,
                )
                for file in bad
            )

    def shy(job: FixJob, text: str) -> str:
        return removes(job, text) if job.earlier else removes(job, text) + "SHORTCUT\n"

    scene, fixer = Scene.of(tmp_path, ONE_BUG), Edits(shy)
    report = await scene.run(loop([Sees([bug("BUG1")])], fixer, shortcut_guard=Guard()))
    assert report.verdict == "converged"
    assert fixer.jobs[1].earlier[0].reason == "app.py: An assertion was removed (line 1)."
    assert clauses(report.log) == ["scope", None]


async def test_a_fixer_may_repair_what_its_own_change_broke_before_the_gate_looks(tmp_path: Path) -> None:
    def clumsy(job: FixJob, text: str) -> str:
        return text.replace("BROKEN\n", "") if job.broken else removes(job, text) + "BROKEN\n"

    scene, fixer = Scene.of(tmp_path, ONE_BUG), Edits(clumsy)
    report = await scene.run(loop([Sees([bug("BUG1")])], fixer))
    assert (report.verdict, clauses(report.log)) == ("converged", [None])
    assert [result.check.name for result in fixer.jobs[1].broken] == ["tests"]
    assert git(scene.root, "rev-list", "--count", f"work..{report.commit}") == "1"


async def test_a_reproduction_that_passes_because_of_the_tests_alone_is_no_fix(tmp_path: Path) -> None:
    class Cheats(Edits):
        async def fix(self, job: FixJob, workspace: Workspace, /) -> str:
            await workspace.box.write("tests/expected.txt", b"BUG1\n")
            await workspace.box.write("lib.py", b"one\ntwo\nthree, touched\n")
            return ""

    scene = Scene.of(tmp_path, {**ONE_BUG, "tests/expected.txt": "fine\n"})
    check = 'grep -q "$(sed -n 2p app.py)" tests/expected.txt'
    report = await scene.run(loop([Sees([bug("BUG1", suggested_check=check)])], Cheats(removes), policy=PLAIN))
    assert set(clauses(report.log)) == {"gone"}
    assert "because of the tests" in report.cases[0].attempts[0].reason


async def test_a_defect_that_only_an_opinion_shows_is_gone_only_if_another_opinion_says_so(tmp_path: Path) -> None:
    def knows(question: object) -> bool:
        asked = question.kind, "+BUG1 still" in question.proposal.diff  # type: ignore[attr-defined]
        return asked[0] == "real" or not asked[1]

    def slow(job: FixJob, text: str) -> str:
        return removes(job, text) if job.earlier else text.replace("BUG1", "BUG1 still")

    scene, voter = Scene.of(tmp_path, ONE_BUG), Votes(accepts=knows)
    report = await scene.run(loop([Sees([opinion("BUG1")])], Edits(slow), verifiers=(voter,)))
    assert (report.verdict, clauses(report.log)) == ("converged", ["gone", None])
    assert all(question.finding.evidence == "" for question in voter.asked), "voters do not see the reasoning"


async def test_a_fix_that_brings_something_as_heavy_is_undone_and_something_lighter_is_mended_with_it(
    tmp_path: Path,
) -> None:
    def brings(job: FixJob, text: str) -> str:
        if job.cases[0].finding.anchor == "BUG1":
            return text.replace("BUG1", "HEAVY" if not job.earlier else "LIGHT")
        return removes(job, text)

    scene = Scene.of(tmp_path, ONE_BUG)
    critic = Sees([bug("BUG1"), bug("HEAVY"), bug("LIGHT", "minor")])
    report = await scene.run(loop([critic], Edits(brings), policy=PLAIN))
    assert (report.verdict, report.weight(report.commit)) == ("converged", 0)
    assert clauses(report.log) == ["harm", None, None]
    assert scene.text(report.commit) == "start\nfine\nend\n"
    light = next(case for case in report.cases if case.finding.anchor == "LIGHT")
    assert (light.parent, light.depth, light.status) == ("F1", 1, "fixed")
    assert "HEAVY" not in statuses(report), "what was undone is not known of the result"


async def test_fixes_on_disjoint_files_go_side_by_side_and_one_file_one_after_the_other(tmp_path: Path) -> None:
    scene = Scene.of(tmp_path, {"app.py": "start\nBUG1\nBUG2\n", "lib.py": "one\nBUG3\n"})
    critic = Sees([bug("BUG1", "minor"), bug("BUG2", "critical"), bug("BUG3", path="lib.py")])
    fixer = Edits(removes)
    report = await scene.run(loop([critic], fixer))
    assert (report.verdict, report.weight(report.commit)) == ("converged", 0)
    assert (scene.text(report.commit), scene.text(report.commit, "lib.py")) == ("start\nfine\nfine\n", "one\nfine\n")
    assert [job.cases[0].finding.anchor for job in fixer.jobs if job.cases[0].finding.path == "app.py"] == [
        "BUG2",
        "BUG1",
    ]
    assert git(scene.root, "rev-list", "--count", f"work..{report.commit}") == "3"


async def test_fixes_that_break_a_check_only_together_are_told_apart_and_the_culprit_is_dropped(tmp_path: Path) -> None:
    """Each of the two is fine alone; the check allows `fine` in one of the files only."""
    once = Check(name="once", command='test "$(cat app.py lib.py | grep -c fine)" -le 1')
    scene = Scene.of(tmp_path, {"app.py": "start\nBUG1\n", "lib.py": "one\nBUG2\n"})
    critic = Sees([bug("BUG1", "critical"), bug("BUG2", path="lib.py")])

    def second_thought(job: FixJob, text: str) -> str:
        return removes(job, text).replace("fine\n", "good\n") if job.earlier else removes(job, text)

    report = await scene.run(loop([critic], Edits(second_thought), checks=(TESTS, once)))
    joined = next(event for event in report.log if isinstance(event, LanesJoined) and event.dropped)
    assert "with the other fixes of its round: once" in joined.reason
    assert (report.verdict, report.weight(report.commit)) == ("converged", 0)
    assert scene.text(report.commit, "lib.py") == "one\ngood\n"
    assert [[attempt.clause for attempt in case.attempts] for case in report.cases] == [[None], ["merge", None]]


async def test_a_flaky_check_is_reported_and_holds_nothing_up(tmp_path: Path) -> None:
    """It fails on the first run after a fix, whatever that was, and passes when it is run again."""
    state = tmp_path / "runs"
    state.write_text("0")
    flaky = Check(name="moody", command=f"n=$(($(cat {state}) + 1)); echo $n > {state}; test $n -ne 2")
    scene = Scene.of(tmp_path, ONE_BUG)
    report = await scene.run(loop([Sees([bug("BUG1")])], Edits(removes), checks=(TESTS, flaky)))
    assert (report.verdict, report.flaky) == ("converged", ("moody",))
    assert any(isinstance(event, CheckTurnedFlaky) for event in report.log)


async def test_a_command_line_agent_is_a_fixer_that_reads_its_job_from_standard_input(tmp_path: Path) -> None:
    scene = Scene.of(tmp_path, ONE_BUG)
    agent = CommandFixer(argv=("sh", "-c", "cat > ../job.txt; sed -i s/BUG1/fine/ app.py; cp ../job.txt lib.py"))
    seen: list[LoopEvent] = []

    async def hear(event: LoopEvent) -> None:
        seen.append(event)

    report = await scene.run(loop([Sees([bug("BUG1")])], agent, tell=hear), ask="Make it fine.")
    assert report.verdict == "converged"
    told = scene.text(report.commit, "lib.py")
    assert told.startswith("Make it fine.\n\n## What is to be mended\n\n- F1 [major, logic] app.py: The line with BUG1")
    assert "fails because of it: `! grep -q BUG1 app.py`" in told
    assert tuple(seen) == report.log


async def test_a_workspace_that_a_fixer_destroyed_is_an_attempt_that_failed(tmp_path: Path) -> None:
    def wreck(job: FixJob, text: str) -> str:
        return removes(job, text)

    class Wrecks(Edits):
        async def fix(self, job: FixJob, workspace: Workspace, /) -> str:
            if not self.jobs:
                self.jobs.append(job)
                await workspace.box.run_shell("rm -rf .git; ln -s /etc/passwd link", timeout_s=60)
                return ""
            return await super().fix(job, workspace)

    scene = Scene.of(tmp_path, ONE_BUG)
    report = await scene.run(loop([Sees([bug("BUG1")])], Wrecks(wreck)))
    assert (report.verdict, clauses(report.log)) == ("converged", ["scope", None])
    assert "cannot be handed back" in report.cases[0].attempts[0].reason


@pytest.mark.parametrize(("at", "again"), [(ReviewsEnded, 0), (FixAttempted, 1), (GateDecided, 0), (LanesJoined, 0)])
async def test_a_loop_that_was_cut_off_goes_on_from_its_log(tmp_path: Path, at: type[LoopEvent], again: int) -> None:
    class Cut(Exception):  # noqa: N818
        pass

    log: list[LoopEvent] = []

    async def keep(event: LoopEvent) -> None:
        log.append(event)
        if isinstance(event, at):
            raise Cut

    scene = Scene.of(tmp_path, {"app.py": "start\nBUG1\nBUG2\n"})
    critic, fixer = Sees([bug("BUG1"), bug("BUG2")]), Edits(removes)
    with pytest.raises(Cut):
        await scene.run(loop([critic], fixer, tell=keep))
    report = await scene.run(loop([critic], fixer), log=tuple(log))
    assert (report.verdict, report.weight(report.commit)) == ("converged", 0)
    assert len(fixer.jobs) == 2 + again, "what was accepted is not done again"
    assert report.log[: len(log)] == tuple(log)


async def test_evidence_for_a_criterion_has_to_be_cited_by_a_reviewer_of_the_last_round(tmp_path: Path) -> None:
    class Cites(Sees):
        async def review(self, proposal: Proposal, /) -> Review:
            review = await super().review(proposal)
            return Review(reviewer=self.name, findings=review.findings, evidence=(("T1.1", "line 2"),))

    task = Task(
        id="T1",
        title="App",
        kind="change",
        brief="App.",
        scope=Scope(paths=("*",)),
        criteria=(Criterion(id="T1.1", text="It is clear.", evidence="the text"),),
        checks=(),
    )
    scene = Scene.of(tmp_path, {"app.py": "start\nfine\nend\n"})
    silent = await scene.run(loop([Sees([])], Edits(removes)), task=task)
    assert (silent.verdict, silent.conclusion.reason) == (
        "needs_human",
        "nothing more was found, but T1.1 is not shown",
    )
    scene_two = Scene.of(tmp_path / "two", {"app.py": "start\nfine\nend\n"})
    assert (await scene_two.run(loop([Cites([])], Edits(removes)), task=task)).verdict == "converged"
