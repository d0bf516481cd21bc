"""A run once more from its record alone: the same events and the same reports, with nothing else at hand."""

from __future__ import annotations

import contextlib
import shutil
import sqlite3
from pathlib import Path
from types import NoneType
from typing import Any

import anyio
import pytest

import captain
from captain.cli.boundary import guarded
from captain.core import events as ev
from captain.core.errors import JournalError, ReplayError, UsageError
from captain.models import ScriptedModel
from captain.orchestration import replay
from captain.reports import RunView, to_json, to_markdown
from captain.runs import ReplayJournal, StoredRun, find_run, stored_runs
from tests.crashes import begin
from tests.voyages import calc_repository, crew, fix_crew, fix_triage, plan, sail, shout_task, write


async def same(stored: StoredRun) -> None:
    produced = await replay(stored)
    assert produced == stored.events()
    view = RunView.of(produced)
    assert (stored.folder / "report.md").read_bytes() == to_markdown(view).encode()
    assert (stored.folder / "report.json").read_bytes() == to_json(view).encode()


async def test_a_run_with_parallel_tasks_and_a_review_loop_is_replayed_without_its_repository(tmp_path: Path) -> None:
    calc_repository(tmp_path / "repo")
    outcome = await begin(tmp_path)
    shutil.rmtree(tmp_path / "repo")
    await same(find_run(tmp_path / "state", outcome.run))


async def test_a_run_that_failed_or_needs_a_person_is_replayed_to_the_same_end(tmp_path: Path) -> None:
    repo = calc_repository(tmp_path / "repo")
    refused = crew([fix_triage(reproduction="true")] * 9)
    over_budget = fix_crew()
    silent = crew([fix_triage(), plan(shout_task("T1"))], build=[write("text.py", "raise SystemExit\n"), "Done."])
    broken = captain.Crew(captain=ScriptedModel([], id="captain-model"))
    ends = []
    for number, team in enumerate((refused, over_budget, silent, broken)):
        state = tmp_path / f"state-{number}"
        budget = captain.Budget(model_calls=3) if team is over_budget else None
        carrier = captain.Captain(team, state_dir=state, sandbox=captain.Sandbox.none(), budget=budget)
        outcome = await carrier.run("Mend it", repo=repo)
        ends.append(outcome.status)
        await same(find_run(state, outcome.run))
    assert ends == ["needs_human", "budget", "failed", "failed"]


async def test_a_run_that_was_cancelled_has_nothing_to_be_held_against(tmp_path: Path) -> None:
    repo, state = calc_repository(tmp_path / "repo"), tmp_path / "state"
    carrier = captain.Captain(fix_crew(), state_dir=state, sandbox=captain.Sandbox.none())
    async with carrier.start("Mend it", repo=repo) as run:
        async for recorded in run.events():
            if isinstance(recorded.event, ev.Triaged):
                break
        run.cancel()
        assert (await run.result()).status == "cancelled"
    with pytest.raises(UsageError, match="not come to an end of its own") as raised:
        await replay(find_run(state, run.id))
    assert "captain resume" in raised.value.hint


async def test_a_record_that_was_changed_is_not_replayed(tmp_path: Path) -> None:
    repo, state = calc_repository(tmp_path / "repo"), tmp_path / "state"
    await sail(repo, state, fix_crew())
    (stored,) = stored_runs(state)
    with contextlib.closing(sqlite3.connect(stored.project.journal)) as connection:
        connection.execute("UPDATE entries SET body = replace(body, 'Title of T1', 'Title of T7')")
        connection.commit()
    with pytest.raises(JournalError, match=r"damaged|not what was written"):
        await replay(stored)


async def test_code_that_does_something_else_than_the_run_did_is_noticed(tmp_path: Path) -> None:
    repo, state = calc_repository(tmp_path / "repo"), tmp_path / "state"
    await sail(repo, state, fix_crew())
    (stored,) = stored_runs(state)
    journal = ReplayJournal(stored.entries())
    with pytest.raises(ReplayError, match="noticed in words that are not on record"):
        await journal.record(ev.Noticed(text="something new"))
    with pytest.raises(ReplayError, match="'task/T9/build' is asked for"):
        await journal.step("task/T9/build", never, inputs=None, gives=str, effect="call")
    with pytest.raises(ReplayError, match="commit was"):
        await journal.step("open/base", never, inputs={"ref": "x", "commit": "y"}, gives=NoneType, effect="write")


async def never() -> Any:
    raise AssertionError


def test_the_command_says_that_all_is_the_same(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    calc_repository(tmp_path / "repo")
    outcome = anyio.run(begin, tmp_path)
    argv = ["replay", outcome.run[:8], "--state-dir", str(tmp_path / "state")]
    assert guarded(argv) == 0
    shown = capsys.readouterr().out
    assert "T1  mending F1" in shown
    assert shown.rstrip().endswith("and its reports the same")
    (outcome.folder / "report.md").write_text("Something else.\n", "utf-8")
    assert guarded([*argv, "--quiet"]) == 1
    assert "differs from its record: report.md" in capsys.readouterr().out
