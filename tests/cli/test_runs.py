"""`captain runs` and its commands, over real records."""

from __future__ import annotations

from pathlib import Path

import pytest

from captain.cli.boundary import guarded
from captain.testing import make_repository
from tests.cli.test_history import OTHER, keep
from tests.reports.sample import opening, record, whole_run

RUN = "20261121-160512-k3f9"


@pytest.fixture
def place(tmp_path: Path) -> tuple[str, str]:
    repo = make_repository(tmp_path / "repo", {"a": "1"})
    return str(repo), str(tmp_path / "state")


def test_runs_that_are_over_are_forgotten_and_others_stay(
    place: tuple[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    repo, state = place
    keep(Path(state), Path(repo) / ".git", whole_run())
    keep(Path(state), Path(repo) / ".git", record(*opening()), run=OTHER)
    gc = ["runs", "gc", "--repo", repo, "--state-dir", state]
    assert guarded(gc) == 0
    assert guarded([*gc, "--older-than-days", "0", "--dry-run"]) == 0
    assert f"would remove {RUN}" in capsys.readouterr().out
    assert guarded([*gc, "--older-than-days", "0"]) == 0
    assert f"removed {RUN}" in capsys.readouterr().out
    assert guarded(["runs", "list", "--repo", repo, "--state-dir", state]) == 0
    out = capsys.readouterr().out
    assert OTHER in out
    assert RUN not in out


def test_a_run_is_exported_forgotten_and_taken_in_again(
    place: tuple[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    repo, state = place
    keep(Path(state), Path(repo) / ".git", whole_run())
    file = str(tmp_path / "run.zip")
    assert guarded(["runs", "export", RUN, file, "--state-dir", state]) == 0
    assert guarded(["runs", "import", file, "--repo", repo, "--state-dir", state]) == 2
    assert "on record already" in capsys.readouterr().err
    assert guarded(["runs", "gc", "--older-than-days", "0", "--repo", repo, "--state-dir", state]) == 0
    assert guarded(["runs", "import", file, "--repo", repo, "--state-dir", state]) == 0
    capsys.readouterr()
    assert guarded(["runs", "show", RUN, "--state-dir", state]) == 0
    assert RUN in capsys.readouterr().out


def test_a_file_that_is_not_there_is_no_damaged_one(
    place: tuple[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    repo, state = place
    at = ["--repo", repo, "--state-dir", state]
    assert guarded(["runs", "import", str(tmp_path / "gone.zip"), *at]) == 2
    assert "hint: Check the path." in capsys.readouterr().err
    (tmp_path / "text.zip").write_text("no zip")
    assert guarded(["runs", "import", str(tmp_path / "text.zip"), *at]) == 2
    assert "it is no such file, or was cut off" in capsys.readouterr().err


def test_the_runs_of_all_repositories_are_listed_though_one_record_is_damaged(
    place: tuple[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    repo, state = place
    keep(Path(state), Path(repo) / ".git", whole_run())
    damaged = keep(Path(state), make_repository(tmp_path / "other", {"a": "1"}) / ".git", whole_run(), run=OTHER)
    damaged.journal.write_bytes(b"no journal")
    assert guarded(["runs", "list", "--all", "--state-dir", state]) == 1
    said = capsys.readouterr()
    assert RUN in said.out
    assert str(damaged.journal) in said.err


def test_a_run_that_is_not_there_is_said_to_be_missing(
    place: tuple[str, str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert guarded(["runs", "show", "2027", "--state-dir", place[1]]) == 2
    assert "No run on record" in capsys.readouterr().err
