"""Whenever the process is lost, another one carries the run to the same end, and pays nothing twice that is on record.

Real processes, real git and a real journal: see `tests.crashes`, which ends the process right after one of its commits.
"""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import pytest

from captain.runs import stored_runs
from captain.workspace.leftovers import leftovers
from tests.waiting import command_lines

ROOT: Final = Path(__file__).parents[2]
SHARES: Final = 8
PAIRS: Final = 16


def play(folder: Path, *how: int | str, turns_more: int = 0, added: str = "") -> dict[str, Any]:
    argv = [sys.executable, "-m", "tests.crashes", str(folder), *map(str, how)]
    env = {**os.environ, "CRASHES_LONG": str(turns_more), "CRASHES_ADDED": added}
    done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, timeout=600, check=False, env=env)
    assert done.returncode == 0, done.stderr[-6_000:]
    outcome: dict[str, Any] = json.loads(done.stdout)
    return outcome


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    outcome = play(tmp_path_factory.mktemp("undisturbed") / "scene")
    assert outcome["status"] == "succeeded"
    return outcome


def same_end(outcome: dict[str, Any], expected: dict[str, Any], losses: Sequence[object]) -> None:
    for name in ("status", "summary", "tasks", "cases", "trees", "follow_ups"):
        assert outcome[name] == expected[name], f"{name}, lost after {losses}"
    before, after = dict(expected["calls"]), dict(outcome["calls"])
    assert before.keys() == after.keys(), f"lost after {losses}"
    repeated = sum(after.values()) - sum(before.values())
    assert 0 <= repeated <= outcome["under_way"], f"{repeated} calls made again, lost after {losses}"


@pytest.mark.slow
def test_a_run_that_was_lost_in_the_middle_ends_as_one_that_was_not(
    tmp_path: Path, undisturbed: dict[str, Any]
) -> None:
    for loss in (undisturbed["commits"] // 3, undisturbed["commits"] * 2 // 3):
        same_end(play(tmp_path / str(loss), loss), undisturbed, [loss])


@pytest.mark.slow
@pytest.mark.parametrize("share", range(SHARES))
def test_a_run_ends_the_same_whichever_commit_was_the_last_of_its_process(
    tmp_path: Path, undisturbed: dict[str, Any], share: int
) -> None:
    losses = range(1 + share, undisturbed["commits"] + 1, SHARES)
    assert len(losses) > 10
    for loss in losses:
        same_end(play(tmp_path / str(loss), loss), undisturbed, [loss])


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(PAIRS))
def test_a_run_ends_the_same_when_its_second_process_is_lost_too(
    tmp_path: Path, undisturbed: dict[str, Any], seed: int
) -> None:
    chance = random.Random(seed)
    losses = [chance.randint(2, undisturbed["commits"] - 1), chance.randint(1, 40)]
    same_end(play(tmp_path / "scene", *losses), undisturbed, losses)


@pytest.mark.slow
@pytest.mark.parametrize("share", range(2))
def test_a_request_that_was_added_is_carried_out_once_whenever_the_process_is_lost(tmp_path: Path, share: int) -> None:
    expected = play(tmp_path / "undisturbed", added="Let it treble.")
    assert list(expected["tasks"]) == ["T1", "T2", "T3"]
    first = expected["commits"] // 5  # it comes in after that
    for loss in range(first + 9 * share, expected["commits"] + 1, 18):
        outcome = play(tmp_path / str(loss), loss, added="Let it treble.")
        for name in ("status", "summary", "tasks", "cases", "trees"):
            assert outcome[name] == expected[name], f"{name}, lost after {loss}"
        # what the Captain is told of the tasks at work depends on the moment: the calls are counted, not compared
        more = sum(number for _, number in outcome["calls"]) - sum(number for _, number in expected["calls"])
        assert 0 <= more <= outcome["under_way"], f"{more} calls made again, lost after {loss}"


@pytest.mark.slow
def test_a_run_whose_processes_are_killed_fifty_times_ends_like_any_other(tmp_path: Path) -> None:
    expected = play(tmp_path / "undisturbed", turns_more=120)
    folder = tmp_path / "a scene"
    outcome = play(folder, "--kill", 50, 1, turns_more=120)
    assert outcome["killed"] == 50
    same_end(outcome, expected, ["at any moment"])
    (stored,) = [run for run in stored_runs(folder / "state") if run.events()]
    assert not stored.alive
    assert stored.facts().unfinished == ()
    assert leftovers(stored.project.workspaces) == ()
    assert list((folder / "repo/.git").rglob("*.lock")) == []
    assert [argv for argv in command_lines() if any(str(folder).encode() in word for word in argv)] == []
