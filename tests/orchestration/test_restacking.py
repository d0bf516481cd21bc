"""A task below changes in a run: those above follow, a conflict is a small task, once, and then a question."""

from __future__ import annotations

import shlex
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

import captain
from captain.core import events as ev
from captain.core.questions import Question
from captain.models import ScriptedModel, call
from captain.orchestration import replay
from captain.runs import AnswerMessage, find_run, post
from captain.testing import git
from tests.voyages import (
    CALC,
    ONE_LOOK,
    PYTHON,
    TEXT,
    UNCONFINED,
    change_triage,
    of,
    plan,
    review,
    sail,
    shout_task,
    task,
    write,
)
from tests.workspace.repos import ENV

pytestmark = pytest.mark.slow

RENAMED = CALC.replace("def double", "def twice")
USES_DOUBLE = TEXT.replace("return word", "import calc\n\n    return word.upper() * (calc.double(1) // 2)")
USES_TWICE = USES_DOUBLE.replace("calc.double", "calc.twice")
GUARDED = USES_DOUBLE.replace("word.upper()", "(word or '').upper()")
BOTH = USES_TWICE.replace("word.upper()", "(word or '').upper()")
MORE = "MORE = 1\n"
TWICE_WORKS = f"{PYTHON} -c 'import calc; assert calc.twice(2) == 4'"


def tasks() -> list[dict[str, Any]]:
    """T1 takes away what T2 needs; T3 is on T2 and changes the same line, T4 is on T3 and adds a file."""
    renames = task(
        "T1", criteria=[{"text": "twice works", "check": "twice"}], checks=[{"name": "twice", "command": TWICE_WORKS}]
    )
    guards = shout_task("T3", depends_on=["T2"])
    adds = {**shout_task("T4", depends_on=["T3"]), "paths": ["more.py"]}
    return [renames, shout_task("T2"), guards, adds]


BUILDS: Mapping[str, list[Any]] = {
    "# Task T1:": [write("calc.py", RENAMED), "Renamed."],
    "# Task T2:": [write("text.py", USES_DOUBLE), "It shouts."],
    "# Task T2-fit:": [write("text.py", USES_TWICE), "It fits."],
    "# Task T3:": [write("text.py", GUARDED), "Nothing is shouted too."],
    "# Task T3-fit:": [write("text.py", BOTH), "Both hold."],
    "# Task T4:": [write("more.py", MORE), "More."],
}
CANNOT = {"# Task T3-fit:": ["I cannot."]}


def crew(builds: Mapping[str, list[Any]] | None = None) -> captain.Crew:
    return captain.Crew(
        captain=ScriptedModel([change_triage(), plan(*tasks())], id="captain-model", by_turn=True),
        build=ScriptedModel({**BUILDS, **(builds or {})}, id="build-model", by_turn=True),
        review=[ScriptedModel([review()], id="review-model", by_turn=True)],
    )


def carrier(team: captain.Crew, state: Path, **options: Any) -> captain.Captain:
    return captain.Captain(
        team, state_dir=state, sandbox=UNCONFINED, options=captain.Options(**{"review": ONE_LOOK, **options})
    )


def shown(repo: Path, rev: str | None, path: str) -> str:
    return git(repo, "show", f"{rev}:{path}") + "\n"


def files(repo: Path, rev: str | None) -> set[str]:
    assert rev is not None
    return set(git(repo, "ls-tree", "--name-only", rev).split())


def told_to(team: captain.Crew, needle: str) -> str:
    assert isinstance(team.build, ScriptedModel)
    told = (part.text for one in team.build.requests for part in one.messages[0].parts if hasattr(part, "text"))
    return next(text for text in told if needle in text)


async def asked(repo: Path, state: Path) -> tuple[captain.Outcome, Question]:
    """A run that has come to the question."""
    left = await carrier(crew(CANNOT), state).run("Mend it", repo=repo)
    assert left.status == "needs_human", left.summary
    (question,) = left.view.open_questions
    return left, question


async def answered(state: Path, left: captain.Outcome, choice: str) -> captain.Outcome:
    post(find_run(state, left.run).project.journal, left.run, AnswerMessage(question="Q1", choice=choice))
    async with carrier(crew(CANNOT), state).resume(left.run) as run:
        outcome = await run.result()
    stored = find_run(state, left.run)
    assert await replay(stored) == stored.events()
    return outcome


async def test_a_conflict_with_a_changed_task_below_is_a_small_task_with_both_sides(repo: Path, state: Path) -> None:
    team = crew()
    outcome, events = await sail(repo, state, team)
    assert outcome.status == "succeeded", outcome.summary
    assert shown(repo, outcome.branch, "text.py") == BOTH
    assert shown(repo, outcome.branch, "calc.py") == RENAMED
    assert "more.py" in files(repo, outcome.branch)

    small = {added.task.id: added for added in of(ev.TaskAdded, events)}["T3-fit"]
    assert small.task.scope.paths == ("/text.py",)
    assert [check.name for check in small.task.checks] == ["shout", "no-conflict-marks"]
    assert small.reason == "T3 does not go with T2"
    told = told_to(team, "# Task T3-fit:")
    assert "- text.py (contents)" in told
    assert "    +    return word.upper() * (calc.twice(1) // 2)" in told, "what is below it now"
    assert "    +    return (word or '').upper() * (calc.double(1) // 2)" in told, "its own change"
    assert outcome.view.tasks["T3-fit"].state == "accepted"
    assert outcome.view.tasks["T3-fit"].rounds, "it was reviewed"

    moves = {moved.task: moved for moved in of(ev.TaskRestacked, events)}
    assert [(name, moved.below, moved.how) for name, moved in moves.items()] == [
        ("T2", ("T1",), "small task"),
        ("T3", ("T2",), "small task"),
        ("T4", ("T3",), "followed"),
    ]
    assert git(repo, "rev-parse", f"{moves['T3'].after}^") == moves["T2"].after, "one commit on what is below"
    assert git(repo, "rev-parse", f"{moves['T4'].after}^") == moves["T3"].after
    assert git(repo, "log", "-1", "--format=%s", moves["T3"].after) == "Title of T3"
    assert git(repo, "diff", "--name-only", moves["T2"].after, moves["T3"].after) == "text.py"
    for name, moved in moves.items():
        assert git(repo, "rev-parse", f"captain/{outcome.run}/task/{name}") == moved.after, "its branch follows"
        kept = git(repo, "rev-parse", f"refs/captain/{outcome.run}/restacked/{name}/1")
        assert kept == next(one.before for one in of(ev.TaskRestacked, events) if one.task == name)
    report = (outcome.folder / "report.md").read_text("utf-8")
    assert "- T3 conflicts with T2 in `text.py`; it was repaired." in report
    assert "- T3 was made to fit, by a small task, onto T2: " in report
    assert "- T4 followed T3: " in report
    stored = find_run(state, outcome.run)
    assert await replay(stored) == stored.events()


async def test_a_conflict_that_nobody_resolves_is_a_question_and_nothing_is_lost(repo: Path, state: Path) -> None:
    left, question = await asked(repo, state)
    assert (question.kind, question.task, question.recommended) == ("conflict", "T3", "leave")
    assert [choice.name for choice in question.choices] == ["leave", "drop", "rebased"]
    assert question.text.startswith("T3 (Title of T3) conflicts with T2, and the small task")
    assert "text.py" in question.details.splitlines()
    assert "on top of it: T4" in question.details
    assert left.hint == "Answer Q1 with captain answer; then captain resume goes on."
    assert shown(repo, left.branch, "text.py") == USES_TWICE, "what is below is integrated"
    assert "more.py" not in files(repo, left.branch)
    assert left.view.tasks["T3"].reason == "it conflicts with T2 in text.py; it waits for an answer to Q1"
    assert left.view.tasks["T4"].reason == "it builds on T3, which was left out"
    assert shown(repo, f"captain/{left.run}/task/T3", "text.py") == GUARDED
    assert shown(repo, f"captain/{left.run}/task/T4", "more.py") == MORE
    stored = find_run(state, left.run)
    assert await replay(stored) == stored.events()


@pytest.mark.slow
async def test_a_task_that_is_left_is_out_of_the_result_with_what_builds_on_it(repo: Path, state: Path) -> None:
    left, _ = await asked(repo, state)
    outcome = await answered(state, left, "leave")
    assert outcome.status == "needs_human"
    assert outcome.view.open_questions == ()
    assert outcome.view.tasks["T3"].reason == "it conflicts with T2 in text.py"
    states = {name: one.state for name, one in outcome.view.tasks.items()}
    assert states["T1"] == states["T2"] == states["T2-fit"] == "accepted"
    assert (states["T3"], states["T3-fit"], states["T4"]) == ("parked", "failed", "parked")
    assert shown(repo, outcome.branch, "text.py") == USES_TWICE
    assert outcome.view.spend.model_calls == left.view.spend.model_calls, "nothing is paid for twice"


@pytest.mark.slow
async def test_what_stood_on_a_dropped_task_stands_on_what_that_stood_on(repo: Path, state: Path) -> None:
    left, _ = await asked(repo, state)
    outcome = await answered(state, left, "drop")
    assert outcome.view.tasks["T3"].reason == "it conflicts with T2 in text.py; a person dropped it"
    assert outcome.view.tasks["T4"].state == "accepted"
    assert shown(repo, outcome.branch, "text.py") == USES_TWICE
    assert shown(repo, outcome.branch, "more.py") == MORE
    follows = outcome.view.restacked[-1]
    assert (follows.task, follows.below, follows.how) == ("T4", ("T2",), "followed")
    assert git(repo, "diff", "--name-only", f"{follows.after}^", follows.after) == "more.py"
    assert shown(repo, f"captain/{left.run}/task/T3", "text.py") == GUARDED
    assert outcome.view.spend.model_calls == left.view.spend.model_calls


@pytest.mark.slow
async def test_a_branch_that_was_rebased_by_hand_is_taken_and_what_builds_on_it_follows(
    repo: Path, state: Path
) -> None:
    left, question = await asked(repo, state)
    (command,) = [line.removeprefix("by hand: ") for line in question.details.splitlines() if "by hand" in line]
    argv = shlex.split(command)
    assert subprocess.run(argv, env=ENV, capture_output=True, check=False).returncode != 0, "that is the conflict"
    (repo / "text.py").write_text(BOTH)
    git(repo, "add", "text.py")
    git(repo, "-c", "core.editor=true", "rebase", "--continue")
    git(repo, "checkout", "--quiet", "main")

    outcome = await answered(state, left, "rebased")

    assert outcome.status == "succeeded", outcome.summary
    assert shown(repo, outcome.branch, "text.py") == BOTH
    assert shown(repo, outcome.branch, "more.py") == MORE
    assert [(moved.task, moved.how) for moved in outcome.view.restacked][-2:] == [("T3", "by hand"), ("T4", "followed")]
    assert {name: outcome.view.tasks[name].state for name in ("T3", "T4")} == {"T3": "accepted", "T4": "accepted"}


@pytest.mark.slow
async def test_a_branch_that_is_not_where_it_is_said_to_be_is_left_out_and_that_is_told(
    repo: Path, state: Path
) -> None:
    left, _ = await asked(repo, state)
    outcome = await answered(state, left, "rebased")
    assert outcome.status == "needs_human"
    assert any("does not stand on" in notice and "T3 is left out" in notice for notice in outcome.view.notices)
    assert shown(repo, outcome.branch, "text.py") == USES_TWICE


@pytest.mark.slow
async def test_a_run_that_nobody_watches_leaves_the_branch_where_it_was(repo: Path, state: Path) -> None:
    outcome = await carrier(crew(CANNOT), state, unanswered="recommended").run("Mend it", repo=repo)
    assert (outcome.status, outcome.view.open_questions) == ("needs_human", ())
    (answer,) = [one.answer for one in outcome.view.questions.values()]
    assert answer is not None
    assert (answer.choice, answer.by) == ("leave", "policy")
    assert shown(repo, outcome.branch, "text.py") == USES_TWICE
    assert shown(repo, f"captain/{outcome.run}/task/T3", "text.py") == GUARDED


@pytest.mark.slow
async def test_a_branch_that_somebody_has_moved_meanwhile_stays_where_it_is(repo: Path, state: Path) -> None:
    async with carrier(crew(), state).start("Mend it", repo=repo) as run:
        async for recorded in run.events():
            event = recorded.event
            if isinstance(event, ev.TaskChanged) and (event.task, event.state) == ("T2-fit", "planned"):
                git(repo, "branch", "--force", f"captain/{run.id}/task/T4", "main")
        outcome = await run.result()
    assert outcome.status == "succeeded"
    assert git(repo, "rev-parse", f"captain/{run.id}/task/T4") == git(repo, "rev-parse", "main")
    assert shown(repo, f"captain/{run.id}/task/T3", "text.py") == BOTH
    assert f"captain/{run.id}/task/T4 is not where the run had it, so it stays as it is." in outcome.view.notices
    assert shown(repo, outcome.branch, "more.py") == MORE


@pytest.mark.slow
async def test_a_small_task_that_leaves_the_marks_is_not_taken(repo: Path, state: Path) -> None:
    marked = {"# Task T3-fit:": [call("edit", path="text.py", old='"""Words."""', new='"""Word."""'), "Done."]}
    outcome = await carrier(crew(marked), state, unanswered="recommended").run("Mend it", repo=repo)
    assert outcome.status == "needs_human"
    assert outcome.view.tasks["T3-fit"].state in ("failed", "parked")
    assert "<<<<<<<" not in shown(repo, outcome.branch, "text.py")


@pytest.mark.slow
async def test_a_small_task_that_runs_out_of_budget_goes_on_when_there_is_more(repo: Path, state: Path) -> None:
    team = crew()
    whole = await carrier(crew(), state / "whole").run("Mend it", repo=repo)
    calls = whole.view.spend.model_calls
    sailing = carrier(team, state)
    sailing.budget = captain.Budget(model_calls=calls - 1)
    left = await sailing.run("Mend it", repo=repo)
    assert left.status == "budget", left.summary
    assert left.view.open_questions == ()
    sailing.budget = captain.Budget(model_calls=calls + 5)
    async with sailing.resume(left.run) as run:
        outcome = await run.result()
    assert outcome.status == "succeeded", outcome.summary
    assert shown(repo, outcome.branch, "text.py") == BOTH
    stored = find_run(state, left.run)
    assert await replay(stored) == stored.events()


@pytest.mark.slow
async def test_a_task_in_the_middle_that_is_stopped_leaves_those_below_as_they_are(repo: Path, state: Path) -> None:
    waits = {"# Task T3:": [call("shell", command="sleep 600", timeout_s=600)]}
    async with carrier(crew(waits), state).start("Mend it", repo=repo) as run:
        async for recorded in run.events():
            event = recorded.event
            if isinstance(event, ev.TaskChanged) and (event.task, event.state) == ("T3", "building"):
                run.cancel("T3")
        outcome = await run.result()
    assert {name: one.state for name, one in outcome.view.tasks.items()} == {
        "T1": "accepted",
        "T2": "accepted",
        "T3": "cancelled",
        "T4": "parked",
        "T2-fit": "accepted",
    }
    assert shown(repo, outcome.branch, "text.py") == USES_TWICE
    assert [moved.task for moved in outcome.view.restacked] == ["T2"]
