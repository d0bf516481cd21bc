"""Every script in examples/ runs offline, as a reader would start it, and leaves nothing behind."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.docs.pages import ROOT

pytestmark = pytest.mark.slow


SAYS = {
    "agent_alone.py": ["done after 2 turns", "Berth B4 is free"],
    "asking_for_more.py": [
        "request 2: Add `part`, which says goodbye by name",
        "T1 accepted, on the base",
        "T2 accepted, on T1",
        "succeeded",
    ],
    "answering_questions.py": ["Q1: By first name or by full name?", "captain was told: Keep it short.", "succeeded"],
    "custom_reviewer.py": ["succeeded", "round 1: ['A library function prints.']", "round 2: no finding"],
    "custom_tool.py": ["succeeded", "house_rule"],
    "first_run.py": ["succeeded: All 3 tasks are accepted", "T2 accepted, converged, rounds: 2", "put back"],
    "one_budget.py": [
        "budget after 20 turns, 20 model calls",
        "The budget of 20 turns does not allow the next model call",
        "T2: parked",
        "result: captain/",
    ],
    "own_script.py": ["succeeded", "-    return departure - arrival + 1", "+    return departure - arrival"],
    "review_a_branch.py": [
        "only a review: needs_human, error in line 2: share() drops what does not divide evenly.",
        "round 1: 1 found, 1 verified, 1 fixed, 1 attempt undone; 1 check passed; weight 9",
        "converged: the cold review of round 2 admitted nothing",
        "the second attempt was told: gone did not hold",
        "+    return total / people",
    ],
    "watching_events.py": ["D1: the reproduction does not fail", "triage refused", "quaybook/report.py put back"],
}


def test_every_example_is_run_here() -> None:
    assert {path.name for path in ROOT.glob("examples/*")} - {"__pycache__"} == SAYS.keys()


@pytest.mark.parametrize("name", SAYS)
def test_an_example_says_what_it_is_for_and_leaves_nothing_behind(name: str, tmp_path: Path) -> None:
    home, temporary = tmp_path / "home", tmp_path / "temporary"
    home.mkdir()
    temporary.mkdir()
    env = {"PATH": os.environ["PATH"], "HOME": str(home), "TMPDIR": str(temporary), "PYTHONDONTWRITEBYTECODE": "1"}

    done = subprocess.run(
        [sys.executable, "-W", "error", ROOT / "examples" / name],
        capture_output=True,
        text=True,
        check=False,
        cwd=home,
        env=env,
    )

    assert (done.returncode, done.stderr) == (0, "")
    assert [words for words in SAYS[name] if words not in done.stdout] == []
    assert [*home.iterdir(), *temporary.iterdir()] == []
