"""Nothing that a model, a file or a branch says acts on the terminal of whoever watches a run or reads of it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from captain.cli.boundary import guarded
from captain.testing import make_repository
from tests.reports.test_escape import ATTACKS, hides_something
from tests.root import ALLOW_ROOT
from tests.voyages import CALC_FIXED, FILES, fix_task, fix_triage, plan, review, write

ATTACK = " | ".join(attack for attack in ATTACKS if attack != "\ud800")


def script(path: Path, replies: list[Any]) -> str:
    shown = [
        reply
        if isinstance(reply, str)
        else {"text": ATTACK, "calls": [{"name": reply.name, "arguments": json.loads(reply.arguments)}]}
        for reply in replies
    ]
    path.write_text(json.dumps(shown), "utf-8")
    return f"scripted:{path}"


@pytest.mark.parametrize("screen", ["--plain", "--json", "--quiet", "--live"])
def test_a_run_full_of_attacks_shows_none_of_them(
    screen: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    repo, state = tmp_path / "repo", tmp_path / "state"
    make_repository(repo, {**FILES, "a\u202eb\x1b[2J.txt": ATTACK})
    finding = dict.fromkeys(("category", "anchor", "claim", "evidence"), ATTACK)
    tasks = fix_task(title=ATTACK, brief=ATTACK, criteria=[{"text": ATTACK, "check": "double"}])
    replies = [write("calc.py", CALC_FIXED), write("a\u202eb\x1b[2J.txt", "x"), ATTACK, ATTACK]
    models = [
        *("--captain", script(tmp_path / "captain.json", [fix_triage(cause=ATTACK), plan(tasks)])),
        *("--build", script(tmp_path / "build.json", replies)),
        *(
            "--review",
            script(
                tmp_path / "review.json", [review({**finding, "severity": "minor", "path": "a\u202eb.py"}), review()]
            ),
        ),
    ]

    guarded(["run", *ALLOW_ROOT, f"Mend it. {ATTACK}", *models, "--repo", str(repo), "--state-dir", str(state), screen])
    said = capsys.readouterr()

    shown = [said.out, said.err] if screen != "--live" else [said.err]
    assert not any(hides_something(text) for text in shown)
    assert not any(attack in said.out for attack in ATTACKS if attack not in ("\ud800", "\x1b[2J\x1b[H"))


def test_the_list_of_runs_a_report_and_errors_show_none_either(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    repo, state = tmp_path / "repo", tmp_path / "state"
    make_repository(repo, FILES)
    model = script(tmp_path / "s.json", [ATTACK])
    where = ["--state-dir", str(state)]
    guarded(["run", *ALLOW_ROOT, ATTACK, "--captain", model, "--repo", str(repo), *where])
    run = next(path.parent.name for path in state.rglob("report.md"))

    guarded(["runs", "--all", *where])
    guarded(["report", run, *where])
    guarded(["report", run, "--format", "json", *where])
    guarded(["report", ATTACK, *where])
    guarded(["run", *ALLOW_ROOT, "x", "--captain", ATTACK])
    guarded([f"--{ATTACK}"])
    monkeypatch.setattr("captain.runs.find_run", lambda *_: dict[str, str]()[ATTACK])
    guarded(["--debug", "report", "x"])
    guarded(["report", "x"])

    said = capsys.readouterr()
    assert not hides_something(said.out)
    assert not hides_something(said.err)
