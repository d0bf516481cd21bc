"""Accepted work that breaks together goes back once, as a small task, and is integrated when it fits."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import captain
from captain.core import events as ev
from captain.models import ScriptedModel
from captain.orchestration import replay
from captain.runs import find_run
from captain.testing import git
from captain.workspace import Repository
from tests.voyages import (
    CALC,
    PYTHON,
    TEXT,
    calc_repository,
    change_triage,
    of,
    plan,
    review,
    sail,
    shout_task,
    task,
    write,
)

RENAMED = CALC.replace("def double", "def twice")
USES_DOUBLE = TEXT.replace("return word", "import calc\n\n    return word.upper() * (calc.double(1) // 2)")
USES_TWICE = USES_DOUBLE.replace("calc.double", "calc.twice")
TWICE_WORKS = f"{PYTHON} -c 'import calc; assert calc.twice(2) == 4'"


def crew(fit: list[Any]) -> captain.Crew:
    renames = task(
        "T1", criteria=[{"text": "twice works", "check": "twice"}], checks=[{"name": "twice", "command": TWICE_WORKS}]
    )
    return captain.Crew(
        captain=ScriptedModel([change_triage(), plan(renames, shout_task("T2"))], id="captain-model"),
        build=ScriptedModel(
            {
                "# Task T1:": [write("calc.py", RENAMED), "Renamed."],
                "# Task T2:": [write("text.py", USES_DOUBLE), "It shouts."],
                "# Task T2-fit:": fit,
            },
            id="build-model",
        ),
        review=[ScriptedModel([review()], id="review-model", by_turn=True)],
    )


async def test_the_later_of_two_goes_back_with_the_evidence_and_is_integrated_when_it_fits(tmp_path: Path) -> None:
    repo, state = calc_repository(tmp_path / "repo"), tmp_path / "state"
    team = crew([write("text.py", USES_TWICE), "It fits."])
    outcome, events = await sail(repo, state, team)
    assert outcome.status == "succeeded", outcome.summary
    (clash,) = of(ev.TasksClashed, events)
    assert (clash.task, clash.others) == ("T2", ("T1",))
    (added,) = of(ev.TaskAdded, events)
    assert added.task.scope.paths == ("/text.py",)
    assert isinstance(team.build, ScriptedModel)
    told = next(words for words in map(str, (one.messages[0] for one in team.build.requests)) if "T2-fit" in words)
    assert "Together with T1 it does not hold" in told
    assert "AttributeError" in told
    assert git(repo, "show", f"{outcome.branch}:text.py") + "\n" == USES_TWICE
    assert git(repo, "show", f"{outcome.branch}:calc.py") + "\n" == RENAMED
    assert await replay(find_run(state, outcome.run)) == find_run(state, outcome.run).events()


async def test_one_that_cannot_be_made_to_fit_is_left_out_and_the_rest_integrated(tmp_path: Path) -> None:
    repo = calc_repository(tmp_path / "repo")
    outcome, _ = await sail(repo, tmp_path / "state", crew(["I cannot."]))
    assert outcome.status == "needs_human"
    assert outcome.view.tasks["T2"].state == "parked"
    assert outcome.view.tasks["T2"].reason.startswith("together with T1 it fails shout")
    assert outcome.view.tasks["T2-fit"].state == "failed"
    assert git(repo, "show", f"{outcome.branch}:calc.py") + "\n" == RENAMED
    assert git(repo, "show", f"{outcome.branch}:text.py") + "\n" == TEXT


async def test_what_two_sides_disagree_about_is_marked_for_somebody_to_resolve(tmp_path: Path) -> None:
    repo = calc_repository(tmp_path / "repo")
    git(repo, "config", "user.name", "T")
    git(repo, "config", "user.email", "t@localhost")
    for branch, content in (("one", CALC.replace("a - b", "a + b")), ("other", CALC.replace("a - b", "b + a"))):
        git(repo, "checkout", "--quiet", "-B", branch, "main")
        (repo / "calc.py").write_text(content)
        git(repo, "commit", "--quiet", "-am", branch)
    repository = await Repository.open(repo)
    marked = await repository.merge_marked(await repository.resolve("one"), await repository.resolve("other"), "Both")
    shown = git(repo, "show", f"{marked}:calc.py")
    assert "<<<<<<< " in shown
    assert "a + b" in shown
    assert "b + a" in shown
