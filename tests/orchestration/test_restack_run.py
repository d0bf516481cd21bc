"""A stack is put onto a branch that moved on; what is in conflict is for a crew, then a person."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

import captain
from captain.cli.stack_crew import order_of
from captain.cli.stack_reading import read_stack
from captain.core import events as ev
from captain.models import ScriptedModel
from captain.orchestration import RestackOrder, replay
from captain.reports import RunView
from captain.runs import AnswerMessage, find_run, post
from captain.testing import git
from tests.orchestration.test_restacking import carrier, files, shown, told_to
from tests.voyages import (
    CALC,
    CALC_FIXED,
    TEXT_FIXED,
    calc_repository,
    crew,
    fix_task,
    fix_triage,
    plan,
    review,
    sail,
    shout_task,
    task,
    write,
)
from tests.workspace.repos import Repo

THEIRS = CALC.replace("a - b", "int(a) - int(b)")
BOTH = CALC.replace("a - b", "int(a) + int(b)")
FITS = {"# Task T1-fit:": [write("calc.py", BOTH), "Both hold."]}
CANNOT = {"# Task T1-fit:": ["I cannot."]}

pytestmark = pytest.mark.slow


def fitters(builds: Mapping[str, list[Any]]) -> captain.Crew:
    """Only Builds and reviewers have anything to do."""
    return captain.Crew(
        captain=ScriptedModel([], id="captain-model"),
        build=ScriptedModel(builds, id="build-model", by_turn=True),
        review=[ScriptedModel([review()], id="review-model", by_turn=True)],
    )


class Scene:
    """A run whose T1 mends `add`, T2 on it shouts, T3 on that adds a file, and T4 another one by itself.

    Then main changes what T1 changed.
    """

    def __init__(self, folder: Path, run: str) -> None:
        self.repo, self.state, self.run = folder / "repo", folder / "state", run
        self.tip = Repo(self.repo).commit({"calc.py": THEIRS}, "main moves on")

    def head(self, task: str) -> str:
        return git(self.repo, "rev-parse", f"captain/{self.run}/task/{task}")

    async def order(self, *, keep_going: bool = False) -> RestackOrder:
        view = RunView.of(find_run(self.state, self.run).events())
        return order_of(await read_stack(view, self.repo), view, keep_going=keep_going)

    async def restack(
        self, team: captain.Crew, *, keep_going: bool = False, budget: captain.Budget | None = None, **options: Any
    ) -> captain.Outcome:
        sailing = carrier(team, self.state, **options)
        sailing.budget = budget
        async with sailing.restack(await self.order(keep_going=keep_going), repo=self.repo) as run:
            return await run.result()

    async def go_on(self, left: captain.Outcome, choice: str) -> captain.Outcome:
        stored = find_run(self.state, left.run)
        post(stored.project.journal, left.run, AnswerMessage(question="Q1", choice=choice))
        async with carrier(fitters(CANNOT), self.state).resume(left.run) as run:
            outcome = await run.result()
        assert await replay(find_run(self.state, left.run)) == find_run(self.state, left.run).events()
        assert outcome.view.spend.model_calls == left.view.spend.model_calls, "nothing is paid for twice"
        return outcome


@pytest.fixture
async def scene(tmp_path: Path) -> Scene:
    tasks = [
        fix_task(),
        shout_task("T2", depends_on=["T1"]),
        {**shout_task("T3", depends_on=["T2"]), "paths": ["more.py"]},
        task("T4", paths=["own.py"]),
    ]
    builds = {
        "# Task T1:": [write("calc.py", CALC_FIXED), "Done."],
        "# Task T2:": [write("text.py", TEXT_FIXED), "Done."],
        "# Task T3:": [write("more.py", "MORE = 1\n"), "Done."],
        "# Task T4:": [write("own.py", "OWN = 1\n"), "Done."],
    }
    team = crew([fix_triage(), plan(*tasks)], builds, [review()] * 4)
    outcome, _ = await sail(calc_repository(tmp_path / "repo"), tmp_path / "state", team)
    assert outcome.status == "succeeded"
    return Scene(tmp_path, outcome.run)


async def test_a_small_task_makes_it_fit_and_all_branches_move(scene: Scene) -> None:
    old = {name: scene.head(name) for name in ("T1", "T2", "T3", "T4")}
    team = fitters(FITS)
    outcome = await scene.restack(team)
    assert outcome.status == "succeeded", outcome.summary
    assert outcome.summary == (
        f"Of run {scene.run} these stand on main now: T1, T4, T2, T3. No check has run on T4, T2, T3 yet."
    )
    assert git(scene.repo, "rev-parse", f"{scene.head('T1')}^") == scene.tip
    assert git(scene.repo, "rev-parse", f"{scene.head('T3')}~2") == scene.head("T1")
    assert shown(scene.repo, scene.head("T3"), "calc.py") == BOTH
    assert shown(scene.repo, scene.head("T3"), "text.py") == TEXT_FIXED
    assert git(scene.repo, "log", "-1", "--format=%s", scene.head("T1")) == "Title of T1"
    for name, head in old.items():
        assert git(scene.repo, "rev-parse", f"refs/captain/{scene.run}/restacked/{name}/1") == head
    told = told_to(team, "# Task T1-fit:")
    assert "    +    return int(a) - int(b)" in told, "what main did"
    assert "    +    return a + b" in told, "what the task did"
    assert outcome.view.tasks["T1-fit"].task is not None
    assert outcome.view.tasks["T1-fit"].task.scope.paths == ("/calc.py",)
    assert [(moved.task, moved.below, moved.how) for moved in outcome.view.restacked] == [
        ("T1", (), "small task"),
        ("T4", (), "followed"),
        ("T2", ("T1",), "followed"),
        ("T3", ("T2",), "followed"),
    ]
    assert (await scene.order()).stack.outdated() == ()
    report = (outcome.folder / "report.md").read_text("utf-8")
    assert "- T1 conflicts with the base in `calc.py`; it was repaired." in report
    assert f"- From: run {scene.run}" in report
    stored = find_run(scene.state, outcome.run)
    assert await replay(stored) == stored.events()


async def test_what_was_not_made_to_fit_is_a_question_and_no_branch_moves_meanwhile(scene: Scene) -> None:
    before = git(scene.repo, "for-each-ref", f"refs/heads/captain/{scene.run}", f"refs/captain/{scene.run}")
    left = await scene.restack(fitters(CANNOT))
    assert left.status == "needs_human"
    assert left.hint == "Answer Q1 with captain answer; then captain resume goes on."
    (question,) = left.view.open_questions
    assert [choice.name for choice in question.choices] == ["leave", "drop", "rebased"]
    assert f"rebase --onto {scene.tip} " in question.details
    assert f"captain/{scene.run}/task/T1" in question.details
    after = git(scene.repo, "for-each-ref", f"refs/heads/captain/{scene.run}", f"refs/captain/{scene.run}")
    assert after == before
    outcome = await scene.go_on(left, "leave")
    assert outcome.status == "needs_human"
    assert outcome.summary.startswith("T1 does not fit onto what is below it: it conflicts in calc.py. T2 stays as it")
    assert git(scene.repo, "for-each-ref", f"refs/heads/captain/{scene.run}", f"refs/captain/{scene.run}") == before


async def test_without_a_dropped_task_the_rest_of_the_stack_moves(scene: Scene) -> None:
    one = scene.head("T1")
    outcome = await scene.go_on(await scene.restack(fitters(CANNOT)), "drop")
    assert outcome.status == "succeeded", outcome.summary
    assert "T1 is not in the stack any more; its branch stays as it is." in outcome.summary
    assert scene.head("T1") == one
    assert git(scene.repo, "rev-parse", f"{scene.head('T2')}^") == scene.tip
    assert git(scene.repo, "rev-parse", f"{scene.head('T3')}^") == scene.head("T2")
    assert shown(scene.repo, scene.head("T3"), "calc.py") == THEIRS
    assert "more.py" in files(scene.repo, scene.head("T3"))


async def test_a_branch_that_was_rebased_by_hand_is_left_there_and_the_rest_follows(scene: Scene) -> None:
    left = await scene.restack(fitters(CANNOT))
    git(scene.repo, "checkout", "--quiet", "--detach", scene.tip)
    mine = Repo(scene.repo).commit({"calc.py": BOTH}, "by hand")
    git(scene.repo, "checkout", "--quiet", "main")
    git(scene.repo, "branch", "--force", f"captain/{scene.run}/task/T1", mine)
    outcome = await scene.go_on(left, "rebased")
    assert outcome.status == "succeeded", outcome.summary
    assert scene.head("T1") == mine
    assert git(scene.repo, "rev-parse", f"{scene.head('T2')}^") == mine
    assert shown(scene.repo, scene.head("T3"), "calc.py") == BOTH


async def test_a_limit_that_cuts_the_small_task_short_is_said_and_the_run_goes_on_with_more(scene: Scene) -> None:
    left = await scene.restack(fitters(FITS), budget=captain.Budget(model_calls=1))
    assert left.status == "budget", left.summary
    assert left.view.open_questions == ()
    sailing = carrier(fitters(FITS), scene.state)
    sailing.budget = captain.Budget(model_calls=10)
    async with sailing.resume(left.run) as run:
        outcome = await run.result()
    assert outcome.status == "succeeded", outcome.summary
    assert shown(scene.repo, scene.head("T3"), "calc.py") == BOTH


async def test_with_nobody_to_ask_what_fits_moves_only_if_that_is_wanted(scene: Scene) -> None:
    stay, own = [scene.head(name) for name in ("T1", "T2", "T3")], scene.head("T4")
    for keep_going in (False, True):
        outcome = await scene.restack(fitters(CANNOT), keep_going=keep_going, unanswered="recommended")
        assert (outcome.status, outcome.view.open_questions) == ("needs_human", ())
        assert [scene.head(name) for name in ("T1", "T2", "T3")] == stay
        assert ("No branch moved." in outcome.summary) is not keep_going
        assert (scene.head("T4") == own) is not keep_going
    assert git(scene.repo, "rev-parse", f"{scene.head('T4')}^") == scene.tip


async def test_nothing_of_it_is_a_task_for_the_captain(scene: Scene) -> None:
    team = fitters(FITS)
    outcome = await scene.restack(team)
    assert isinstance(team.captain, ScriptedModel)
    assert team.captain.requests == []
    kinds = {type(recorded.event) for recorded in find_run(scene.state, outcome.run).events()}
    assert ev.PlanAdopted not in kinds
