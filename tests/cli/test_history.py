"""Runs of the past: `captain runs` and `captain report`, over real records."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import anyio
import pytest

from captain.cli.boundary import guarded
from captain.cli.history import list_runs
from captain.core import events as ev
from captain.core.clock import SystemClock
from captain.core.events import Recorded
from captain.reports import RunView, to_json, to_markdown
from captain.runs import Project, RunJournal, SqliteStore, stored_runs
from tests.reports.sample import hostile_run, opening, record, whole_run
from tests.runs.holding import held

OTHER = "20261120-090000-aaaa"


@pytest.fixture
def state(tmp_path: Path) -> Path:
    return tmp_path / "state"


def keep(state: Path, common_dir: Path, events: tuple[Recorded, ...], run: str | None = None) -> Project:
    """Writes a record as a run would."""
    project = Project.of(state, common_dir)
    project.create(common_dir)
    opened = events[0].event
    assert isinstance(opened, ev.RunOpened)

    async def write() -> None:
        store = await SqliteStore.open(project.journal, run or opened.run)
        journal = await RunJournal.open(store, SystemClock())
        await journal.record(replace(opened, run=run or opened.run))
        for recorded in events[1:]:
            await journal.record(recorded.event)
        await journal.aclose()

    anyio.run(write)
    return project


def words_of(line: str) -> list[str]:
    return line.split()


def test_runs_are_listed_newest_first_with_state_and_branch(
    state: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    keep(state, tmp_path / "one" / ".git", whole_run())
    keep(state, tmp_path / "two" / ".git", record(*opening()), run=OTHER)

    code = guarded(["runs", "--all", "--state-dir", str(state)])

    first, second = capsys.readouterr().out.splitlines()
    assert code == 0
    assert words_of(first)[:2] == ["20261121-160512-k3f9", "failed"]
    assert first.endswith("[captain/20261121-160512-k3f9/result]")
    assert words_of(second)[:2] == [OTHER, "interrupted"]
    assert first.index("Make") == second.index("Make")


def test_a_run_that_a_process_carries_is_going_on(state: Path, tmp_path: Path) -> None:
    project = keep(state, tmp_path / "one" / ".git", record(*opening()))

    with held(project, "20261121-160512-k3f9"):
        (line,) = list_runs(stored_runs(state), width=None)

    assert words_of(line)[1:3] == ["going", "on"]


def test_lines_are_cut_to_the_terminal_and_hostile_text_is_shown(state: Path, tmp_path: Path) -> None:
    keep(state, tmp_path / "one" / ".git", hostile_run())

    (line,) = list_runs(stored_runs(state), width=70)

    assert len(line) == 70
    assert "\\x1b[2J" in line


def test_no_run_on_record_is_said_in_words(state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert guarded(["runs", "--all", "--state-dir", str(state)]) == 0
    assert capsys.readouterr().out == "No run is on record.\n"


def test_a_report_is_made_anew_from_the_record(state: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    keep(state, tmp_path / "one" / ".git", whole_run())
    view = RunView.of(stored_runs(state)[0].events())

    assert guarded(["report", "20261121", "--state-dir", str(state)]) == 0
    assert capsys.readouterr().out == to_markdown(view)

    assert guarded(["report", "20261121", "--format", "json", "--state-dir", str(state)]) == 0
    out = capsys.readouterr().out
    assert out == to_json(view)
    assert json.loads(out)["status"] == "failed"


def test_an_unknown_format_is_refused(state: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert guarded(["report", "x", "--format", "html", "--state-dir", str(state)]) == 2
    assert "html" in capsys.readouterr().err
