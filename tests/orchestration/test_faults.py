"""What goes wrong around a run is a clear error or is recovered from: lock files, clocks, full disks, subscribers."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

import captain
from captain.core import events as ev
from captain.core.clock import SystemClock
from captain.core.messages import Request
from captain.core.questions import Answered, Question
from captain.models import ScriptedModel
from captain.models.scripted import Scripted
from captain.orchestration import replay
from captain.reports import RunView
from captain.runs import find_run, stored_runs
from captain.testing import git
from tests.crashes import turn_of
from tests.orchestration.test_questions import clarifying
from tests.voyages import (
    CALC_FIXED,
    ONE_LOOK,
    UNCONFINED,
    fingerprint,
    fix_task,
    fix_triage,
    plan,
    review,
    write,
)

pytestmark = pytest.mark.slow

MOMENTS = ("captain", "build", "review")


def nothing() -> None:
    """For a moment at which nothing goes wrong."""


def crew(at: str = "", happens: Callable[[], object] = nothing) -> captain.Crew:
    """Mends `add`. Something happens while one of them is asked for the first time."""

    def model(name: str, *replies: Scripted) -> ScriptedModel:
        def reply(request: Request) -> Scripted:
            if name == at and turn_of(request) == 0:
                happens()
            return replies[turn_of(request)]

        return ScriptedModel(reply, id=name)

    return captain.Crew(
        captain=model("captain", fix_triage(), plan(fix_task())),
        build=model("build", write("calc.py", CALC_FIXED), "Done."),
        review=[model("review", review())],
    )


def carrier(team: captain.Crew, state: Path, **more: object) -> captain.Captain:
    options = captain.Options(review=ONE_LOOK)
    return captain.Captain(team, **{"state_dir": state, "sandbox": UNCONFINED, "options": options, **more})  # type: ignore[arg-type]


async def resumed(run: str, by: captain.Captain) -> captain.Outcome:
    async with by.resume(run) as again:
        return await again.result()


def under_way(state: Path) -> str:
    (stored,) = stored_runs(state)
    return stored.id


def lock(repo: Path, name: str) -> Path:
    """As a git that was killed leaves it."""
    path = repo / ".git" / f"{name}.lock"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    return path


@pytest.mark.parametrize("moment", ["before", *MOMENTS])
async def test_locks_on_what_is_the_users_own_hold_up_no_run(repo: Path, state: Path, moment: str) -> None:
    def leave() -> None:
        for name in ("index", "HEAD", "packed-refs", "config", "refs/heads/main"):
            lock(repo, name)

    if moment == "before":
        leave()
    outcome = await carrier(crew(moment, leave), state).run("Mend it", repo=repo)
    assert (outcome.status, outcome.summary.split(".")[0]) == (
        "succeeded",
        f"The task is accepted and integrated on captain/{outcome.run}/result",
    )
    assert git(repo, "show", f"{outcome.branch}:calc.py") + "\n" == CALC_FIXED
    assert (repo / ".git/HEAD.lock").exists()  # whoever left it may remove it


async def test_uncommitted_changes_are_taken_in_also_where_a_lock_on_the_index_was_left(
    repo: Path, state: Path
) -> None:
    (repo / "new.py").write_text("x = 1\n")
    lock(repo, "index")
    options = captain.Options(review=ONE_LOOK, include_dirty=True)
    outcome = await carrier(crew(), state, options=options).run("Mend it", repo=repo)
    assert outcome.status == "succeeded"
    assert git(repo, "show", f"{outcome.branch}:new.py") == "x = 1"


@pytest.mark.parametrize(
    ("moment", "ref"),
    [
        ("captain", "refs/captain/{}/checkpoint/task-T1"),
        ("captain", "refs/captain/{}/task/T1/1"),
        ("build", "refs/captain/{}/task/T1/1"),
        ("build", "refs/captain/{}/review/T1"),
        ("review", "refs/captain/{}/review/T1"),
        ("review", "refs/heads/captain/{}/task/T1"),
        ("review", "refs/heads/captain/{}/result"),
    ],
)
async def test_a_lock_on_a_ref_of_the_run_ends_it_with_what_to_do_and_once_it_is_gone_the_run_goes_on(
    repo: Path, state: Path, moment: str, ref: str
) -> None:
    left: list[Path] = []
    before = fingerprint(repo)

    def leave() -> None:
        left.append(lock(repo, ref.format(under_way(state))))

    outcome = await carrier(crew(moment, leave), state).run("Mend it", repo=repo)
    (path,) = left
    assert outcome.status == "failed"
    said = f"{outcome.summary} {outcome.hint}"
    assert str(path) in said
    assert "no process of git on this machine holds it" in said
    assert "Remove it" in said
    assert str(path) in (outcome.folder / "report.md").read_text("utf-8").replace("\\", "")

    still = await resumed(outcome.run, carrier(crew(), state))
    assert still.status == "failed"
    path.unlink()
    again = await resumed(outcome.run, carrier(crew(), state))
    assert again.status == "succeeded"
    assert git(repo, "show", f"{again.branch}:calc.py") + "\n" == CALC_FIXED
    assert fingerprint(repo) == before


async def test_a_lock_on_the_base_of_a_run_that_is_taken_up_is_no_hindrance(repo: Path, state: Path) -> None:
    run = await cut_off(repo, state)
    lock(repo, f"refs/captain/{run}/base")
    outcome = await resumed(run, carrier(crew(), state))
    assert outcome.status == "succeeded"


async def cut_off(repo: Path, state: Path, **more: object) -> str:
    """A run that was cancelled when its Build had begun."""
    async with carrier(crew(), state, **more).start("Mend it", repo=repo) as run:
        async for recorded in run.events():
            if isinstance(recorded.event, ev.ToolCalled) and recorded.event.tool == "write":
                run.cancel()
        assert (await run.result()).status == "cancelled"
    return run.id


class SubscriberError(Exception):
    """The host's own."""


async def raise_at(kind: type[ev.Event], repo: Path, state: Path) -> None:
    async with carrier(crew(), state).start("Mend it", repo=repo) as run:
        async for recorded in run.events():
            if isinstance(recorded.event, kind):
                raise SubscriberError


@pytest.mark.parametrize("kind", [ev.RunOpened, ev.PlanAdopted, ev.ToolCalled, ev.LoopEnded, ev.BranchSet])
async def test_what_a_reader_of_events_raises_comes_out_as_it_is_and_the_run_can_be_taken_up(
    repo: Path, state: Path, kind: type[ev.Event]
) -> None:
    before = fingerprint(repo)
    with pytest.raises(SubscriberError):
        await raise_at(kind, repo, state)
    run = under_way(state)
    stored = find_run(state, run)
    assert stored.project.holder(run) is None
    ended = RunView.of(stored.events()).ended
    assert ended is not None
    assert (stored.folder / "report.md").exists()
    if ended.status != "succeeded":  # it may have been through before its reader was
        assert ended.status == "cancelled"
        assert (await resumed(run, carrier(crew(), state))).status == "succeeded"
    assert git(repo, "show", f"captain/{run}/result:calc.py") + "\n" == CALC_FIXED
    assert fingerprint(repo) == before


async def test_one_reader_that_raises_takes_nothing_from_another_run(repo: Path, state: Path) -> None:
    by = carrier(crew(), state)
    async with by.start("Mend it", repo=repo) as other:
        with pytest.raises(SubscriberError):
            await raise_at(ev.RunOpened, repo, state)
        outcome = await other.result()
    assert outcome.status == "succeeded"


async def test_a_run_whose_asking_of_the_host_raised_keeps_its_question_and_goes_on(repo: Path, state: Path) -> None:
    async def raises(_: Question) -> Answered:
        raise SubscriberError

    async def answers(question: Question) -> Answered:
        assert question.id == "Q1"
        return Answered(text="The first.")

    def by(answer: object) -> captain.Captain:
        options = captain.Options(review=ONE_LOOK, on_question=answer)  # type: ignore[arg-type]
        return carrier(clarifying(), state, options=options)

    with pytest.raises(SubscriberError):
        await by(raises).run("Mend it", repo=repo)
    run = under_way(state)
    view = RunView.of(find_run(state, run).events())
    assert [question.id for question in view.open_questions] == ["Q1"]
    assert view.ended is not None
    assert "SubscriberError" in view.ended.summary
    outcome = await resumed(run, by(answers))
    assert outcome.status == "succeeded"


class SetBack(SystemClock):
    """The time of day is set back by an hour whenever it is looked at, or once; what a stopwatch says is not."""

    def __init__(self, *, again: bool) -> None:
        self._again = again
        self._looked = 0

    def now(self) -> datetime:
        self._looked += 1
        hours = self._looked if self._again else int(self._looked > 20)
        return datetime(2026, 5, 1, tzinfo=UTC) - timedelta(hours=hours)


@pytest.mark.parametrize("again", [False, True])
async def test_a_clock_that_is_set_back_during_a_run_changes_nothing_but_its_times(
    repo: Path, state: Path, again: bool
) -> None:
    outcome = await carrier(crew(), state, clock=SetBack(again=again)).run("Mend it", repo=repo)
    assert outcome.status == "succeeded"
    stored = find_run(state, outcome.run)
    times = [recorded.at for recorded in stored.events()]
    assert times == sorted(times)
    assert outcome.view.elapsed_s() >= 0
    assert all(task.elapsed_s(times[-1]) >= 0 for task in outcome.view.tasks.values())
    assert await replay(stored) == stored.events()


class Earlier(SystemClock):
    def now(self) -> datetime:
        return datetime(2020, 1, 1, tzinfo=UTC)


async def test_a_run_may_be_taken_up_on_a_machine_whose_clock_is_years_behind(repo: Path, state: Path) -> None:
    run = await cut_off(repo, state)
    budget = captain.Budget(time_s=3600)
    outcome = await resumed(run, carrier(crew(), state, clock=Earlier(), budget=budget))
    assert outcome.status == "succeeded"
    times = [recorded.at for recorded in find_run(state, run).events()]
    assert times == sorted(times)
    date = git(repo, "log", "-1", "--format=%cs", f"captain/{run}/task/T1")
    assert date == f"{times[0]:%Y-%m-%d}"  # of its start, whichever process made it
    assert find_run(state, run[:15]).id == run
