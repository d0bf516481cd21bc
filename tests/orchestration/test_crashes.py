"""Whenever the process is lost, another one carries the run to the same end, and pays nothing twice that is on record.

Real processes, real git and a real journal: see `tests.crashes`, which ends the process right after one of its commits.
"""

from __future__ import annotations

import json
import random
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import pytest

ROOT: Final = Path(__file__).parents[2]
SHARES: Final = 8
PAIRS: Final = 16


def play(folder: Path, *losses: int) -> dict[str, Any]:
    argv = [sys.executable, "-m", "tests.crashes", str(folder), *map(str, losses)]
    done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stderr[-6_000:]
    outcome: dict[str, Any] = json.loads(done.stdout)
    return outcome


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    outcome = play(tmp_path_factory.mktemp("undisturbed") / "scene")
    assert outcome["status"] == "succeeded"
    return outcome


def same_end(outcome: dict[str, Any], expected: dict[str, Any], losses: Sequence[int]) -> None:
    for name in ("status", "summary", "tasks", "cases", "trees", "follow_ups"):
        assert outcome[name] == expected[name], f"{name}, lost after {losses}"
    before, after = dict(expected["calls"]), dict(outcome["calls"])
    assert before.keys() == after.keys(), f"lost after {losses}"
    repeated = sum(after.values()) - sum(before.values())
    assert 0 <= repeated <= outcome["under_way"], f"{repeated} calls made again, lost after {losses}"


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
