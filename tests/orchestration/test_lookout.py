"""Collisions between tasks are told while they work, once, and only where there are some."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from captain.core import events as ev
from captain.core.clock import SystemClock
from captain.core.tasks import Plan, Scope, Task
from captain.core.usage import Budget
from captain.models import ScriptedModel
from captain.orchestration import Options, Setting, Team, open_voyage
from captain.orchestration.delegate import Delegation
from captain.orchestration.lookout import Collision, Lookout, forecast
from captain.workspace import Repository
from tests.voyages import CALC, ONE_LOOK, TEXT_FIXED, UNCONFINED, calc_repository, of, review, write
from tests.workspace.repos import Repo, new_repo


@pytest.fixture
def repo(tmp_path: Path) -> Repo:
    return new_repo(tmp_path / "repo", {"a.txt": "a\n", "b.txt": "b\n", "c.txt": "c\n"})


def on(repo: Repo, commit: str, files: dict[str, str | bytes]) -> str:
    repo.git("checkout", "-q", "--detach", commit)
    return repo.commit(files)


async def test_every_pair_that_would_conflict_is_foreseen_with_its_paths(repo: Repo) -> None:
    base = repo.git("rev-parse", "HEAD")
    heads = {
        "T3": on(repo, base, {"a.txt": "3\n", "b.txt": "3\n"}),
        "T1": on(repo, base, {"a.txt": "1\n", "b.txt": "1\n", "c.txt": "1\n"}),
        "T2": on(repo, base, {"c.txt": "2\n"}),
    }
    assert await forecast(await Repository.open(repo.root), heads) == (
        Collision(tasks=("T1", "T3"), paths=("a.txt", "b.txt")),
        Collision(tasks=("T1", "T2"), paths=("c.txt",)),
    )


async def test_a_collision_is_told_once_and_again_only_if_it_has_become_another(repo: Repo) -> None:
    opened = await Repository.open(repo.root)
    base = repo.git("rev-parse", "HEAD")
    lookout = Lookout()
    assert await lookout.saw(opened, "T1", on(repo, base, {"a.txt": "1\n", "b.txt": "1\n"})) == ()
    two = on(repo, base, {"a.txt": "2\n"})
    (told,) = await lookout.saw(opened, "T2", two)
    assert told == Collision(tasks=("T1", "T2"), paths=("a.txt",))
    assert await lookout.saw(opened, "T2", on(repo, two, {"c.txt": "2\n"})) == ()
    (wider,) = await lookout.saw(opened, "T2", on(repo, two, {"b.txt": "2\n"}))
    assert wider.paths == ("a.txt", "b.txt")


async def test_what_stands_on_a_task_does_not_collide_with_it_nor_anybody_with_one_that_is_gone(repo: Repo) -> None:
    opened = await Repository.open(repo.root)
    base = repo.git("rev-parse", "HEAD")
    lookout = Lookout()
    one = on(repo, base, {"a.txt": "1\n"})
    await lookout.saw(opened, "T1", one)
    assert await lookout.saw(opened, "T2", on(repo, one, {"a.txt": "2\n"})) == ()
    lookout.forget("T1")
    lookout.forget("T2")
    assert await lookout.saw(opened, "T3", on(repo, base, {"a.txt": "3\n"})) == ()


async def test_a_run_that_is_taken_up_again_compares_with_what_was_done_before(tmp_path: Path) -> None:
    model = ScriptedModel([])
    setting = Setting(
        team=Team(captain=model, build=model, review=(model,)),
        budget=Budget(),
        sandbox=UNCONFINED,
        state_dir=tmp_path / "state",
        options=Options(),
        clock=SystemClock(),
    )
    repo = Repo(calc_repository(tmp_path / "repo"))
    async with open_voyage("Mend it", repo.root, setting) as (voyage, _):
        one = on(repo, voyage.base, {"calc.py": "1\n"})
        await voyage.look_out("T1", one)
        again = replace(voyage, lookout=Lookout())
        await again.look_out("T1", one)
        await again.look_out("T2", on(repo, voyage.base, {"calc.py": "2\n"}))
        events = [recorded.event for recorded in voyage.journal.events]
    assert of(ev.CollisionForecast, events) == [ev.CollisionForecast(tasks=("T1", "T2"), paths=("calc.py",))]


def task(name: str, *paths: str) -> Task:
    scope = Scope(paths=paths)
    return Task(id=name, title=name, kind="change", brief="Do it.", scope=scope, criteria=(), checks=())


async def test_tasks_of_a_run_that_get_into_each_others_way_are_named_before_they_are_merged(tmp_path: Path) -> None:
    """No plan with scopes that meet is adopted; but what rules let through can meet all the same."""
    drift = {"calc.py": "drift\n"}
    build = ScriptedModel(
        {
            "Task T1:": [write("calc.py", CALC.replace("2 * a", "a + a")), "Done."],
            "Task T2:": [write("calc.py", CALC.replace("2 * a", "a * 2")), "Done."],
            "Task T3:": [(write("text.py", TEXT_FIXED), *(write(*item) for item in drift.items())), "Done."],
        },
        id="build-model",
    )
    reviewer = ScriptedModel([review()] * 3, id="review-model")
    setting = Setting(
        team=Team(captain=ScriptedModel([]), build=build, review=(reviewer,)),
        budget=Budget(),
        sandbox=UNCONFINED,
        state_dir=tmp_path / "state",
        options=replace(Options(review=ONE_LOOK), max_parallel=1),
        clock=SystemClock(),
    )
    plan = Plan(summary="", tasks=(task("T1", "calc.py"), task("T2", "calc.py"), task("T3", "text.py")))
    async with open_voyage("Mend it", calc_repository(tmp_path / "repo"), setting) as (voyage, _):
        work = Delegation(voyage)
        await work.carry(plan.tasks)
        events = [recorded.event for recorded in voyage.journal.events]
    assert [result.state for result in work.results] == ["accepted"] * 3
    assert of(ev.CollisionForecast, events) == [ev.CollisionForecast(tasks=("T1", "T2"), paths=("calc.py",))]
    assert of(ev.DriftPutBack, events)[0].paths == ("calc.py",), "what was put back collides with nobody"
    told = events.index(of(ev.CollisionForecast, events)[0])
    accepted = [place for place, event in enumerate(events) if event == ev.TaskChanged(task="T2", state="accepted")]
    assert all(told < place for place in accepted)
