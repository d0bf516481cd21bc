"""Voyages that restack, cut off after any commit of their journal, as in `tests.crashes`.

In `python -m tests.restack_crashes run FOLDER 90` a task below changes and one above conflicts with it, and the process
is lost after the ninetieth commit; with `stack`, the stack of a finished run is put onto a branch that moved on.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import anyio

import captain
from captain.cli.stack_crew import order_of
from captain.cli.stack_reading import read_stack
from captain.models import call
from captain.models.scripted import Scripted
from captain.reports import RunView
from captain.runs import find_run, stored_runs
from captain.testing import git
from tests.crashes import begin, captain_of, forked, play, scripted, to_the_end
from tests.orchestration.test_restack_run import BOTH, THEIRS
from tests.orchestration.test_restacking import BUILDS, CANNOT, tasks
from tests.voyages import (
    CALC_FIXED,
    TEXT_FIXED,
    calc_repository,
    fix_task,
    fix_triage,
    plan,
    review,
    shout_task,
    write,
)
from tests.workspace.repos import Repo

FIRST = {
    "# Task T1:": [write("calc.py", CALC_FIXED), "Done."],
    "# Task T2:": [write("text.py", TEXT_FIXED), "Done."],
}


def as_captain(_: str, turn: int) -> Scripted:
    return (call("submit_triage", kind="change", reason="something new is wanted"), plan(*tasks()))[turn]


def as_build(text: str, turn: int) -> Scripted:
    said: Scripted = next(replies[turn] for needle, replies in {**BUILDS, **CANNOT}.items() if needle in text)
    return said


def as_reviewer(_text: str, _turn: int) -> Scripted:
    return review()


def crew(calls: Path) -> captain.Crew:
    return captain.Crew(
        captain=scripted(calls, "captain", as_captain),
        build=scripted(calls, "build", as_build),
        review=[scripted(calls, "review", as_reviewer)],
    )


def stack_crew(calls: Path) -> captain.Crew:
    """Makes T1 of the stack fit onto what main has by then; what the run itself needs is said as well."""
    builds: dict[str, list[Any]] = {"# Task T1-fit:": [write("calc.py", BOTH), "Both hold."], **FIRST}

    def build(text: str, turn: int) -> Scripted:
        said: Scripted = next(replies[turn] for needle, replies in builds.items() if needle in text)
        return said

    def lead(_: str, turn: int) -> Scripted:
        return (fix_triage(), plan(fix_task(), shout_task("T2", depends_on=["T1"])))[turn]

    return captain.Crew(
        captain=scripted(calls, "captain", lead),
        build=scripted(calls, "build", build),
        review=[scripted(calls, "review", as_reviewer)],
    )


async def restack(folder: Path, run: str) -> captain.Outcome:
    """Begins it, or goes on with it if an earlier process has begun."""
    carrier = captain_of(folder, stack_crew)
    begun = [one for one in stored_runs(folder / "state") if one.id != run and one.events()]
    if begun and (view := RunView.of(begun[0].events())).ended is not None:
        return captain.Outcome(
            run=view.run,
            status=view.ended.status,
            summary=view.ended.summary,
            hint=view.ended.hint,
            branch=None,
            view=view,
            folder=begun[0].folder,
        )
    if begun:
        async with carrier.resume(begun[0].id) as resumed:
            return await resumed.result()
    view = RunView.of(find_run(folder / "state", run).events())
    order = order_of(await read_stack(view, folder / "repo"), view)
    async with carrier.restack(order, repo=folder / "repo") as started:
        return await started.result()


def play_restack(folder: Path, losses: Sequence[int]) -> dict[str, Any]:
    """The stack of a finished run, put onto a branch that moved on, by processes that are lost."""
    folder.mkdir(parents=True)
    repo = calc_repository(folder / "repo")
    code, run = forked(lambda: anyio.run(begin, folder, stack_crew).run)
    assert code == 0, run
    run = json.loads(run)
    Repo(repo).commit({"calc.py": THEIRS}, "main moves on")

    def work(made: Callable[[], int]) -> dict[str, Any]:
        outcome = anyio.run(restack, folder, run)
        refs = git(repo, "for-each-ref", "--format=%(tree) %(refname)", f"refs/heads/captain/{run}")
        kept = git(repo, "for-each-ref", "--format=%(objectname) %(refname)", f"refs/captain/{run}/restacked")
        return {
            "status": outcome.status,
            "summary": outcome.summary.replace(run, "RUN"),
            "refs": refs.replace(run, "RUN"),
            "kept": len(kept.splitlines()),
            "moved": [moved.task for moved in outcome.view.restacked],
            "calls": len((folder / "calls").read_text().splitlines()),
            "commits": made(),
        }

    return to_the_end(folder, losses, work)


if __name__ == "__main__":
    losses = [int(loss) for loss in sys.argv[3:]]
    outcome = (
        play_restack(Path(sys.argv[2]), losses) if sys.argv[1] == "stack" else play(Path(sys.argv[2]), losses, crew)
    )
    sys.stdout.write(json.dumps(outcome, indent=2))
