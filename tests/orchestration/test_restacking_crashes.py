"""A run in which branches are restacked ends the same whenever its process is lost: see `tests.restack_crashes`."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any, Final

import pytest

ROOT: Final = Path(__file__).parents[2]
SHARES: Final = 4
EVERY: Final = 5

pytestmark = pytest.mark.slow


def play(folder: Path, *losses: int, what: str = "run") -> dict[str, Any]:
    argv = [sys.executable, "-m", "tests.restack_crashes", what, str(folder), *map(str, losses)]
    done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, done.stderr[-6_000:]
    outcome: dict[str, Any] = json.loads(done.stdout)
    return outcome


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    outcome = play(tmp_path_factory.mktemp("undisturbed") / "scene")
    assert outcome["tasks"]["T3"][1].endswith("a person dropped it")
    return outcome


def calls(outcome: dict[str, Any]) -> int:
    """Briefs name commits, which have the date of the run: so they are counted, not compared."""
    return sum(count for _, count in outcome["calls"])


@pytest.mark.parametrize("share", range(SHARES))
def test_a_run_with_a_conflict_in_its_stack_ends_the_same_whenever_it_was_lost(
    tmp_path: Path, undisturbed: dict[str, Any], share: int
) -> None:
    """From the middle on: that is where the first task goes back."""
    first = undisturbed["commits"] // 2
    losses = range(first + share * EVERY // SHARES, undisturbed["commits"], EVERY)
    assert len(losses) > 5
    for loss in losses[share::SHARES]:
        outcome = play(tmp_path / str(loss), loss)
        for name in ("status", "summary", "tasks", "cases", "trees", "follow_ups"):
            assert outcome[name] == undisturbed[name], f"{name}, lost after {loss}"
        repeated = calls(outcome) - calls(undisturbed)
        assert 0 <= repeated <= outcome["under_way"], f"{repeated} calls made again, lost after {loss}"


@pytest.fixture(scope="module")
def put(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    outcome = play(tmp_path_factory.mktemp("put") / "scene", what="stack")
    assert (outcome["status"], outcome["moved"], outcome["kept"]) == ("succeeded", ["T1", "T2"], 2)
    return outcome


@pytest.mark.parametrize("share", range(SHARES))
def test_a_stack_is_put_onto_another_branch_once_whenever_that_was_cut_off(
    tmp_path: Path, put: dict[str, Any], share: int
) -> None:
    last = put["commits"]
    losses = sorted({*range(2, last - 10, EVERY), *range(last - 10, last + 1)})
    for loss in losses[share::SHARES]:
        outcome = play(tmp_path / str(loss), loss, what="stack")
        for name in ("status", "summary", "refs", "kept", "moved"):
            assert outcome[name] == put[name], f"{name}, lost after {loss}"
        assert 0 <= outcome["calls"] - put["calls"] <= outcome["under_way"], f"lost after {loss}"
