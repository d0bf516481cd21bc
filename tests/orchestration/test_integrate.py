"""The merge queue: accepted branches that do not go together are found, left out or repaired, and the rest goes on."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

import captain
from captain.core import events as ev
from captain.core.clock import SystemClock
from captain.core.errors import GitError
from captain.core.tasks import Check, CheckResult, Criterion, Plan, Scope, Task
from captain.core.usage import Budget
from captain.models import ScriptedModel
from captain.orchestration import Options, Setting, Team, Voyage, open_voyage
from captain.orchestration.integrate import Integration, integrate
from captain.orchestration.restacking import Misfit, Repair
from captain.orchestration.task import TaskResult
from captain.testing import git
from tests.voyages import UNCONFINED, calc_repository, of
from tests.workspace.repos import Repo

pytestmark = pytest.mark.slow


def together(*names: str) -> Check:
    """Fails where all these files are."""
    parts = " && ".join(f"test -e {name}" for name in names)
    return Check(name="not " + "+".join(names), command=f"! {{ {parts}; }}")


def needs(name: str, *broken_by: str) -> Check:
    """Passes only where a file is and those are not."""
    parts = [f"test -e {name}", *(f"! test -e {other}" for other in broken_by)]
    return Check(name=f"needs {name}", command=" && ".join(parts))


class Scene:
    """A voyage past its delegation: tasks whose accepted branches add a file that is called as they are."""

    def __init__(self, voyage: Voyage, repo: Path) -> None:
        self.voyage = voyage
        self.repo = Repo(repo)
        self.tasks: list[Task] = []
        self.results: list[TaskResult] = []

    def commit(self, start: str, files: dict[str, str | bytes], message: str) -> str:
        self.repo.git("checkout", "-q", "--detach", start)
        made = self.repo.commit(files, message)
        self.repo.git("checkout", "-q", "main")
        return made

    def accepted(
        self,
        name: str,
        *checks: Check,
        files: dict[str, str | bytes] | None = None,
        on: str | None = None,
        excused: tuple[str, ...] = (),
        known: bool = True,
        also: str | None = None,
        start: str | None = None,
    ) -> str:
        start = (
            start or next((result.head for result in self.results if result.task.id == on), None) or self.voyage.base
        )
        head = self.commit(start, files or {name: "x\n"}, f"work of {name}")
        task = Task(
            id=name,
            title=f"Title of {name}",
            kind="change",
            brief="",
            scope=Scope(paths=("**",)),
            criteria=(Criterion(id=f"{name}.1", text="it works", evidence="the file"),),
            checks=checks,
            depends_on=tuple(parent for parent in (also, on) if parent),
        )
        ran = tuple(
            CheckResult(check=check, exit_code=int(check.name in excused), output="", duration_s=0.0)
            for check in checks
            if known
        )
        self.tasks.append(task)
        self.results.append(TaskResult(task=task, state="accepted", reason="converged", head=head, checks=ran))
        return head

    async def integrate(self, repair: Repair | None = None) -> Integration:
        plan = Plan(summary="", tasks=tuple(self.tasks))
        return await integrate(self.voyage, plan.tasks, tuple(self.results), repair=repair)

    @property
    def events(self) -> list[ev.Event]:
        return [recorded.event for recorded in self.voyage.journal.events]

    def files(self, branch: str | None) -> set[str]:
        assert branch is not None
        return {name for name in git(self.repo.root, "ls-tree", "-r", "--name-only", branch).split() if len(name) == 2}


@asynccontextmanager
async def at_sea(folder: Path) -> AsyncIterator[Scene]:
    repo = calc_repository(folder / "repo")
    model = ScriptedModel([])
    setting = Setting(
        team=Team(captain=model, build=model, review=(model,)),
        budget=Budget(),
        sandbox=UNCONFINED,
        state_dir=folder / "state",
        options=Options(review=captain.ReviewPolicy(reviewers=(1,))),
        clock=SystemClock(),
    )
    async with open_voyage("Mend it", repo, setting) as (voyage, _):
        yield Scene(voyage, repo)


@pytest.fixture
async def scene(tmp_path: Path) -> AsyncIterator[Scene]:
    async with at_sea(tmp_path) as opened:
        yield opened


def clashes(scene: Scene) -> list[tuple[str, tuple[str, ...]]]:
    return [(clash.task, clash.others) for clash in of(ev.TasksClashed, scene.events)]


@pytest.mark.parametrize("pair", [("T1", "T2"), ("T2", "T4"), ("T1", "T5"), ("T4", "T5")])
async def test_the_later_of_a_pair_that_breaks_a_check_is_left_out(scene: Scene, pair: tuple[str, str]) -> None:
    for number in range(1, 6):
        name = f"T{number}"
        scene.accepted(name, *([together(*pair)] if name in pair else [needs(name)]))
    done = await scene.integrate()
    assert done.left_out == (pair[1],)
    assert clashes(scene) == [(pair[1], (pair[0],))]
    assert scene.files(done.branch) == {"T1", "T2", "T3", "T4", "T5"} - {pair[1]}
    (clash,) = done.clashes
    assert scene.files(clash.ref) == set(pair), "the evidence is the pair and nothing else"
    assert [result.passed for result in clash.results] == [False]
    changed = of(ev.TaskChanged, scene.events)[-1]
    assert (changed.task, changed.state) == (pair[1], "parked")
    assert changed.reason == f"together with {pair[0]} it fails {together(*pair).name}"
    (final,) = of(ev.ChecksRan, scene.events)
    assert all(result.passed for result in final.results)


async def test_a_task_that_breaks_what_an_earlier_one_needs_is_named_with_it(scene: Scene) -> None:
    scene.accepted("T1", needs("T1"))
    scene.accepted("T2", needs("T2", "T4"))
    scene.accepted("T3", needs("T3"))
    scene.accepted("T4", needs("T4"))
    done = await scene.integrate()
    assert clashes(scene) == [("T4", ("T2",))]
    assert scene.files(done.branch) == {"T1", "T2", "T3"}


async def test_an_interplay_of_three_names_the_three(scene: Scene) -> None:
    trio = together("T1", "T3", "T4")
    for number in range(1, 6):
        scene.accepted(f"T{number}", *([trio] if number in (1, 3, 4) else []))
    done = await scene.integrate()
    assert clashes(scene) == [("T4", ("T1", "T3"))]
    assert scene.files(done.clashes[0].ref) == {"T1", "T3", "T4"}
    assert scene.files(done.branch) == {"T1", "T2", "T3", "T5"}


async def test_two_pairs_are_found_one_after_the_other(scene: Scene) -> None:
    scene.accepted("T1", together("T1", "T2"), together("T1", "T4"))
    scene.accepted("T2", together("T1", "T2"))
    scene.accepted("T3")
    scene.accepted("T4", together("T1", "T4"))
    done = await scene.integrate()
    assert clashes(scene) == [("T2", ("T1",)), ("T4", ("T1",))]
    assert scene.files(done.branch) == {"T1", "T3"}


async def test_what_builds_on_a_task_that_is_left_out_is_left_out_with_it(scene: Scene) -> None:
    scene.accepted("T1", together("T1", "T2"))
    scene.accepted("T2", together("T1", "T2"))
    scene.accepted("T3", on="T2")
    done = await scene.integrate()
    assert done.left_out == ("T2", "T3")
    assert dict(done.reasons)["T3"] == "it builds on T2, which was left out"
    assert scene.files(done.branch) == {"T1"}


async def test_a_conflict_of_text_names_those_it_is_with(scene: Scene) -> None:
    scene.accepted("T1", files={"T1": "x\n", "both": "one\n"})
    scene.accepted("T2")
    scene.accepted("T3", files={"T3": "x\n", "both": "three\n"})
    done = await scene.integrate()
    assert clashes(scene) == [("T3", ("T1",))]
    assert dict(done.reasons)["T3"] == "it conflicts with T1 in both"
    assert scene.files(done.branch) == {"T1", "T2"}


async def test_no_check_is_run_twice_on_a_tree_and_a_search_takes_few_runs(scene: Scene, tmp_path: Path) -> None:
    log = tmp_path / "runs"
    pair = together("T2", "TF")
    counted = Check(name=pair.name, command=f"ls | tr '\\n' ' ' >> {log}; echo >> {log}; {pair.command}")
    for name in ("T1", "T2", "T3", "T4", "T5", "T6", "T7", "T8", "T9", "TA", "TB", "TC", "TD", "TE", "TF", "TG"):
        scene.accepted(name, counted)
    done = await scene.integrate()
    assert clashes(scene) == [("TF", ("T2",))]
    assert len(scene.files(done.branch)) == 15
    seen = log.read_text().splitlines()
    whole = [line for line in seen if "TG" in line and "TF" in line]
    assert len(whole) == 3, "it is not believed at once"
    assert len(set(seen)) == len(seen) - 2
    assert len(seen) <= 3 + 4 + 5 + 2 + 1, "log2 of 16, for each of the two, and the merge without"


async def test_the_checks_of_a_task_that_is_alone_are_not_run_again(scene: Scene, tmp_path: Path) -> None:
    log = tmp_path / "runs"
    scene.accepted("T1", Check(name="counted", command=f"echo x >> {log}"))
    done = await scene.integrate()
    assert done.branch is not None
    assert not log.exists()
    (ran,) = of(ev.ChecksRan, scene.events)
    assert [result.check.name for result in ran.results] == ["counted"]


async def test_a_check_that_comes_and_goes_on_the_merge_is_said_to_be_flaky(scene: Scene, tmp_path: Path) -> None:
    count = tmp_path / "count"
    flaky = Check(
        name="now and then", command=f"! test -e T2 || {{ echo x >> {count}; test $(wc -l < {count}) -ge 3; }}"
    )
    scene.accepted("T1", flaky)
    scene.accepted("T2", needs("T2"))
    done = await scene.integrate()
    assert scene.files(done.branch) == {"T1", "T2"}
    assert count.read_text() == "x\n" * 3
    notices = " ".join(event.text for event in of(ev.Noticed, scene.events))
    assert "The check now and then is flaky on the merge of T1 and T2: it failed 2 of 3 runs." in notices
    assert not of(ev.TasksClashed, scene.events)


async def test_a_check_that_failed_before_the_tasks_began_is_held_against_none_of_them(scene: Scene) -> None:
    old = Check(name="broken long ago", command="false")
    scene.accepted("T1", old, excused=(old.name,))
    scene.accepted("T2", old, excused=(old.name,))
    done = await scene.integrate()
    assert scene.files(done.branch) == {"T1", "T2"}
    (ran,) = of(ev.ChecksRan, scene.events)
    assert [result.passed for result in ran.results] == [False]


async def test_a_task_that_cannot_pass_any_more_even_alone_leaves_no_result(scene: Scene) -> None:
    scene.accepted("T1", Check(name="gone", command="false"), known=False)
    scene.accepted("T2", Check(name="gone", command="false"), known=False)
    done = await scene.integrate()
    assert (done.branch, done.left_out) == (None, ("T1",))
    assert dict(done.reasons)["T1"] == "it fails gone"
    assert [result.check.name for result in done.failed_checks] == ["gone"]


Mender = Callable[[Task, str, ev.TasksClashed], "str | None"]


def repairing(asked: list[tuple[str, str]], mend: Mender) -> Repair:
    async def repair(misfit: Misfit) -> str | None:
        asked.append((misfit.task.id, misfit.onto))
        return mend(misfit.task, misfit.onto, misfit.evidence)

    return repair


async def test_a_task_that_is_repaired_goes_in_and_what_stands_on_it_follows(scene: Scene) -> None:
    scene.accepted("T1", needs("T1", "T2"))
    old = scene.accepted("T2")
    scene.accepted("T3", needs("T3"), on="T2")
    asked: list[tuple[str, str]] = []

    def mend(_task: Task, onto: str, evidence: ev.TasksClashed) -> str:
        assert evidence.others == ("T1",)
        assert evidence.results[0].check.name == "needs T1"
        return scene.commit(onto, {"T4": "T2 in another way\n"}, "repaired")

    done = await scene.integrate(repairing(asked, mend))
    assert [task for task, _ in asked] == ["T2"]
    assert done.left_out == ()
    assert scene.files(done.branch) == {"T1", "T3", "T4"}
    assert git(scene.repo.root, "merge-base", old, str(done.branch)) == scene.voyage.base
    assert not of(ev.TaskChanged, scene.events)
    assert [kept.ref.rpartition("/")[0].rpartition("/")[2] for kept in of(ev.Kept, scene.events)] == [
        "rejected",
        "repaired",
    ]


async def test_repairs_one_above_the_other_keep_all_of_their_commits(scene: Scene) -> None:
    scene.accepted("T1", needs("T1", "T3"), needs("T1", "T2"))
    scene.accepted("T2")
    scene.accepted("T3", on="T2")
    asked: list[tuple[str, str]] = []

    def mend(task: Task, onto: str, _evidence: ev.TasksClashed) -> str:
        first = scene.commit(onto, {f"{task.id[1]}a": "x\n"}, "first")
        return scene.commit(first, {f"{task.id[1]}b": "x\n"}, "second")

    done = await scene.integrate(repairing(asked, mend))
    assert [task for task, _ in asked] == ["T3", "T2"]
    assert done.left_out == ()
    assert scene.files(done.branch) >= {"T1", "2a", "2b", "3a", "3b"}


@pytest.mark.parametrize("gives", ["nothing", "the same again"])
async def test_a_repair_is_asked_for_once(scene: Scene, gives: str) -> None:
    scene.accepted("T1", together("T1", "T2"))
    scene.accepted("T2", together("T1", "T2"))
    scene.accepted("T3", needs("T3"))
    asked: list[tuple[str, str]] = []

    def mend(_task: Task, onto: str, _evidence: ev.TasksClashed) -> str | None:
        return scene.commit(onto, {"T2": "again\n"}, "no better") if gives == "the same again" else None

    done = await scene.integrate(repairing(asked, mend))
    assert [task for task, _ in asked] == ["T2"]
    assert done.left_out == ("T2",)
    assert scene.files(done.branch) == {"T1", "T3"}


async def test_a_conflict_of_text_is_repaired_on_top_of_what_came_before(scene: Scene) -> None:
    scene.accepted("T1", files={"T1": "x\n", "both": "one\n"})
    scene.accepted("T2", files={"T2": "x\n", "both": "two\n"})
    asked: list[tuple[str, str]] = []
    done = await scene.integrate(
        repairing(asked, lambda _t, onto, _e: scene.commit(onto, {"T2": "x\n", "both": "one and two\n"}, "repaired"))
    )
    assert git(scene.repo.root, "show", f"{done.branch}:both") == "one and two"
    assert done.left_out == ()


async def test_a_conflict_that_was_not_repaired_is_asked_about_and_a_check_that_fails_is_not(scene: Scene) -> None:
    scene.accepted("T1", together("T1", "T4"), files={"T1": "x\n", "both": "one\n"})
    scene.accepted("T2", files={"T2": "x\n", "both": "two\n"})
    scene.accepted("T3", on="T2")
    scene.accepted("T4", together("T1", "T4"))
    asked: list[tuple[str, str]] = []
    done = await scene.integrate(repairing(asked, lambda _task, _onto, _evidence: None))
    assert [task for task, _ in asked] == ["T2", "T4"]
    (question,) = scene.voyage.questions.open
    assert (question.task, question.details.splitlines()[0]) == ("T2", "both")
    assert done.waiting == (question.id,)
    assert dict(done.reasons) == {
        "T2": f"it conflicts with T1 in both; it waits for an answer to {question.id}",
        "T3": "it builds on T2, which was left out",
        "T4": f"together with T1 it fails {together('T1', 'T4').name}",
    }
    (kept,) = [kept for kept in of(ev.Kept, scene.events) if "/onto/" in kept.ref]
    assert scene.files(kept.ref) == {"T1"}, "what T2 was to be put onto"


async def test_what_was_made_to_fit_onto_a_task_stands_without_it_once_that_is_left_out(scene: Scene) -> None:
    scene.accepted("T1", needs("T1", "T3"), together("T1", "T2"))
    scene.accepted("T2", together("T1", "T2"))
    scene.accepted("T3")
    scene.accepted("T4", on="T3")
    asked: list[tuple[str, str]] = []

    def mend(task: Task, onto: str, _evidence: ev.TasksClashed) -> str | None:
        if task.id == "T3":
            assert scene.files(onto) == {"T1", "T2"}
            return scene.commit(onto, {"3b": "x\n"}, "repaired")
        return None

    done = await scene.integrate(repairing(asked, mend))
    assert [task for task, _ in asked] == ["T3", "T2"]
    assert done.left_out == ("T2",)
    assert scene.files(done.branch) == {"T1", "3b", "T4"}
    assert [(moved.task, moved.how) for moved in of(ev.TaskRestacked, scene.events)] == [
        ("T3", "small task"),
        ("T4", "followed"),
        ("T3", "followed"),
        ("T4", "followed"),
    ]


@pytest.mark.parametrize("fits", [True, False])
async def test_what_stands_on_two_that_come_to_conflict_waits_until_they_are_made_to_fit(
    scene: Scene, fits: bool
) -> None:
    scene.accepted("T0", needs("T0", "T1"))
    one = scene.accepted("T1")
    two = scene.accepted("T2", files={"T2": "x\n", "both": "two\n"})
    merged = await scene.voyage.repository.merge(one, two, "both")
    scene.accepted("T3", on="T2", also="T1", start=merged.commit)

    def mend(task: Task, onto: str, _evidence: ev.TasksClashed) -> str | None:
        if task.id == "T1":
            return scene.commit(onto, {"1b": "x\n", "both": "one\n"}, "repaired")
        return scene.commit(onto, {"T2": "x\n", "both": "one two\n"}, "repaired") if fits else None

    done = await scene.integrate(repairing([], mend))
    if fits:
        assert done.left_out == ()
        assert scene.files(done.branch) == {"T0", "1b", "T2", "T3"}
        assert git(scene.repo.root, "show", f"{done.branch}:both") == "one two"
    else:
        assert done.left_out == ("T2", "T3")
        assert scene.files(done.branch) == {"T0", "1b"}


async def test_a_run_that_is_taken_up_again_integrates_what_has_been_accepted_since(scene: Scene) -> None:
    scene.accepted("T1", needs("T1"), needs("T1", "T3"))
    first = await scene.integrate()
    before = scene.repo.git("rev-parse", str(first.branch))
    assert await scene.integrate() == first, "nothing is new"
    scene.accepted("T2", needs("T2"))
    scene.accepted("T3", needs("T3"))
    done = await scene.integrate()
    assert scene.files(done.branch) == {"T1", "T2"}
    assert done.left_out == ("T3",)
    assert scene.repo.git("for-each-ref", "--format=%(objectname)", "refs/captain/*/superseded/*") == before


async def test_a_result_branch_that_somebody_has_worked_on_is_not_moved(scene: Scene) -> None:
    scene.accepted("T1", needs("T1"))
    branch = str((await scene.integrate()).branch)
    theirs = scene.commit(branch, {"theirs": "x\n"}, "by hand")
    scene.repo.git("branch", "-f", branch, theirs)
    scene.accepted("T2", needs("T2"))
    with pytest.raises(GitError, match="something else has set it"):
        await scene.integrate()
    assert scene.repo.git("rev-parse", branch) == theirs


async def test_nothing_accepted_is_nothing_integrated(scene: Scene) -> None:
    done = await scene.integrate()
    assert (done.branch, done.integrated) == (None, ())
