"""`captain run` and `captain demo` from the command line to the exit code, with scripted models and real git."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import anyio
import pytest

from captain.api import Outcome
from captain.cli.boundary import guarded
from captain.cli.closing import closing_lines
from captain.core.events import Recorded, RunOpened
from captain.reports import RunView
from captain.testing import git, make_repository
from tests.root import ALLOW_ROOT
from tests.waiting import files_below, until

REPLY = "It is parsed in `dates.py`."
ANSWER = [
    {
        "calls": [
            {
                "name": "submit_triage",
                "arguments": {"kind": "answer", "reason": "It is a question.", "reply": REPLY},
            }
        ]
    }
]


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    make_repository(tmp_path / "repository", {"dates.py": "WEEK = 7\n"})
    return tmp_path / "repository"


@pytest.fixture
def state(tmp_path: Path) -> Path:
    return tmp_path / "state"


def script(tmp_path: Path, replies: Sequence[Any]) -> str:
    path = tmp_path / "script.json"
    path.write_text(json.dumps(replies), "utf-8")
    return f"scripted:{path}"


def ask(repository: Path, state: Path, model: str, *more: str) -> int:
    where = ["--repo", str(repository), "--state-dir", str(state)]
    return guarded(["run", *ALLOW_ROOT, "Where are dates parsed?", "--captain", model, *where, *more])


def test_an_answer_ends_with_0_and_is_on_record(
    tmp_path: Path, repository: Path, state: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = ask(repository, state, script(tmp_path, ANSWER))

    lines = capsys.readouterr().out.splitlines()
    assert code == 0
    assert f"answered: {REPLY}" in lines
    assert any("sandbox: " in line for line in lines)
    assert "unsandboxed: the commands of this run were not confined." not in lines
    assert Path(lines[-1].removeprefix("report: ")).read_text("utf-8").startswith("# Run ")

    assert guarded(["runs", "--repo", str(repository), "--state-dir", str(state)]) == 0
    assert "  answered  " in capsys.readouterr().out


def test_json_lines_are_all_there_is_on_standard_output(
    tmp_path: Path, repository: Path, state: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = ask(repository, state, script(tmp_path, ANSWER), "--json")

    said = capsys.readouterr()
    values = [json.loads(line) for line in said.out.splitlines()]
    assert (code, said.err) == (0, "")
    assert [values[0]["event"]["kind"], values[-2]["event"]["kind"]] == ["run_opened", "run_ended"]
    assert values[-1]["outcome"]["status"] == "answered"


def test_a_refusal_ends_with_1(
    tmp_path: Path, repository: Path, state: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = {"kind": "decline", "reason": "It is not about this project.", "reply": "I would rather not."}
    model = script(tmp_path, [{"calls": [{"name": "submit_triage", "arguments": arguments}]}])

    assert ask(repository, state, model, "--quiet") == 1
    assert capsys.readouterr().out.startswith("declined: ")


def test_what_is_recorded_can_be_replayed(
    tmp_path: Path, repository: Path, state: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    recording = tmp_path / "recording"

    assert ask(repository, state, script(tmp_path, ANSWER), "--record", str(recording)) == 0
    assert ask(repository, state, f"replay:{recording}", "--quiet") == 0

    assert capsys.readouterr().out.splitlines().count(f"answered: {REPLY}") == 2


def test_a_crew_file_names_the_captain(
    tmp_path: Path, repository: Path, state: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    crew = tmp_path / "crew.toml"
    crew.write_text(f'[crew]\ncaptain = "{script(tmp_path, ANSWER)}"\n[budget]\ntokens = 1\n', "utf-8")

    code = guarded(["run", *ALLOW_ROOT, "x", "--crew", str(crew), "--repo", str(repository), "--state-dir", str(state)])

    assert code == 3
    assert "budget: " in capsys.readouterr().out


@pytest.mark.parametrize(
    ("more", "error"),
    [
        (("--captain", "opnai-chat:x"), "error: 'opnai-chat:x' is not the name of a model that can be called."),
        (
            ("--captain", "scripted:/gone.json"),
            "error: The script /gone.json cannot be read: No such file or directory.",
        ),
    ],
)
def test_a_model_that_cannot_be_called_ends_with_2(
    more: tuple[str, ...], error: str, repository: Path, state: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = guarded(["run", *ALLOW_ROOT, "x", "--repo", str(repository), "--state-dir", str(state), *more])

    assert code == 2
    assert capsys.readouterr().err.splitlines()[0] == error
    assert not list(state.glob("*/runs/*"))


def test_a_folder_without_a_repository_ends_with_2(
    tmp_path: Path, state: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "plain").mkdir()

    assert ask(tmp_path / "plain", state, script(tmp_path, ANSWER)) == 2
    assert capsys.readouterr().err.startswith(f"error: {tmp_path / 'plain'} is not in a git repository.\n")


def test_a_signal_stops_a_real_run_and_the_process_ends_with_130(tmp_path: Path, repository: Path, state: Path) -> None:
    waits = {"command": "echo > at-work; sleep 600"}
    model = script(tmp_path, [{"calls": [{"name": "shell", "arguments": waits}]}])
    argv = [sys.executable, "-m", "captain", "run", *ALLOW_ROOT, "x", "--captain", model, "--repo", str(repository)]

    with subprocess.Popen(
        [*argv, "--state-dir", str(state), "--plain"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        anyio.run(until, lambda: "at-work" in files_below(state))  # in the private copy, which the host can see
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=60)

    assert process.returncode == 130
    assert err == "Stopping: what is finished is kept. Press Ctrl-C again to leave at once.\n"
    assert "\ncancelled: " in out


def test_the_demo_says_what_is_scripted_and_where_its_result_is(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))

    code = guarded(["demo", *ALLOW_ROOT, "--into", str(tmp_path / "demo")])

    lines = capsys.readouterr().out.splitlines()
    assert code == 0
    assert lines[0] == (
        "Demo: the model replies are scripted; git, commands, checks, guards and the review loop are real."
    )
    assert any(line.startswith(f"  git -C {tmp_path / 'demo'} diff ") for line in lines)
    assert lines[-1].startswith(f"The demo's repository is {tmp_path / 'demo'};")


def test_the_demo_does_not_touch_a_folder_that_is_in_use(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "notes.txt").write_text("mine")

    assert guarded(["demo", *ALLOW_ROOT, "--into", str(tmp_path)]) == 2
    assert "is not an empty folder" in capsys.readouterr().err


def test_a_branch_that_moved_on_meanwhile_is_said_with_the_command_that_follows_it(tmp_path: Path) -> None:
    repo = make_repository(tmp_path / "a repository", {"a.txt": "a\n"})
    base = git(repo, "rev-parse", "HEAD")
    view = RunView()
    opened = RunOpened(run="r", request="q", repository=str(repo), base=base, branch="main", crew=(), sandbox="none")
    view.apply(Recorded(seq=1, at=datetime(2026, 1, 1, tzinfo=UTC), event=opened))
    outcome = Outcome(
        run="r", status="succeeded", summary="Done.", hint="", branch="captain/r/result", view=view, folder=tmp_path
    )
    assert not any(line.startswith("moved on") for line in closing_lines(outcome))
    git(repo, "-c", "user.name=T", "-c", "user.email=t@localhost", "commit", "--quiet", "--allow-empty", "-m", "On")
    assert "  captain stack r --restack" in closing_lines(outcome)
