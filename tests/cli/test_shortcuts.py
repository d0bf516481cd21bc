"""`captain shortcuts` over a real repository: what it prints, and its exit codes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from captain.cli.boundary import guarded
from tests.workspace.repos import Repo, new_repo

TEST = "def test_a():\n    assert f() == 1\n    assert g() == 2\n"


@pytest.fixture
def repo(tmp_path: Path) -> Repo:
    repo = new_repo(tmp_path / "ours", {"tests/test_a.py": TEST, "shop.py": "def f():\n    return g() + 1\n"})
    repo.git("switch", "-q", "-c", "work")
    return repo


def test_a_blocking_shortcut_is_shown_with_its_reason_and_gives_exit_code_1(
    repo: Repo, capsys: pytest.CaptureFixture[str]
) -> None:
    repo.commit({"tests/test_a.py": TEST.replace("    assert g() == 2\n", "")})
    assert guarded(["shortcuts", "--repo", str(repo.root)]) == 1
    out = capsys.readouterr().out
    assert "blocks  assertion-removed  tests/test_a.py:3 in test_a, before the change: assert g() == 2" in out
    assert "What would justify it:" in out
    assert "1 shortcut: 1 blocking, 0 to be justified, in 1 changed file since" in out


def test_what_only_asks_gives_exit_code_0(repo: Repo, capsys: pytest.CaptureFixture[str]) -> None:
    repo.commit({"tests/test_a.py": TEST.replace("== 2", "== 3")})
    assert guarded(["shortcuts", "--repo", str(repo.root)]) == 0
    assert "asks  expected-changed  tests/test_a.py:3" in capsys.readouterr().out


def test_what_is_not_committed_counts_unless_a_head_is_named(repo: Repo, capsys: pytest.CaptureFixture[str]) -> None:
    repo.write({"tests/test_b.py": "def test_b():\n    assert True\n"})
    assert guarded(["shortcuts", "--repo", str(repo.root)]) == 1
    assert "tests/test_b.py:2" in capsys.readouterr().out
    assert guarded(["shortcuts", "--repo", str(repo.root), "--head", "work"]) == 0
    assert "No shortcut was found, in 0 changed files" in capsys.readouterr().out
    assert repo.git("status", "--porcelain") == "?? tests/test_b.py"


def test_changes_of_the_base_since_the_branches_parted_do_not_count(
    repo: Repo, capsys: pytest.CaptureFixture[str]
) -> None:
    repo.commit({"shop.py": "def f():\n    return g() + 2\n"})
    repo.git("switch", "-q", "main")
    repo.commit({"tests/test_new.py": "def test_new():\n    assert f() == 1\n"})
    repo.git("switch", "-q", "work")
    assert guarded(["shortcuts", "--repo", str(repo.root), "--base", "main"]) == 0
    assert "No shortcut was found, in 1 changed file" in capsys.readouterr().out


def test_json_has_every_field_and_nothing_a_terminal_acts_on(repo: Repo, capsys: pytest.CaptureFixture[str]) -> None:
    repo.commit({"tests/test_\x1b[31m.py": "def test_x():\n    assert True\n", "data.bin": b"\0\1"})
    assert guarded(["shortcuts", "--repo", str(repo.root), "--json"]) == 1
    out = capsys.readouterr().out
    assert "\x1b" not in out
    told = json.loads(out)
    assert (told["schema"], told["blocking"], told["asking"], told["files"]) == (1, 1, 0, 1)
    (found,) = told["shortcuts"]
    assert found["rule"] == "assertion-neutered"
    assert found["path"] == "tests/test_\x1b[31m.py"
    assert (found["line"], found["side"], found["symbol"], found["blocks"]) == (2, "new", "test_x", True)
    assert told["left_out"] == [{"path": "data.bin", "reason": "is no text"}]


def test_hostile_names_and_lines_are_spelled_out(repo: Repo, capsys: pytest.CaptureFixture[str]) -> None:
    repo.commit({"tests/test_\x1b[31m.py": "def test_x():\n    assert True  # \x1b]52;c;x\x07\n"})
    guarded(["shortcuts", "--repo", str(repo.root)])
    assert "\x1b" not in capsys.readouterr().out


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--base", "no-such-branch"], "'no-such-branch' names no commit in"),
        (["--head", "no-such-branch"], "'no-such-branch' names no commit in"),
        (["--bass", "main"], "There is no option --bass"),
    ],
)
def test_a_wrong_call_names_what_is_wrong_and_gives_exit_code_2(
    repo: Repo, capsys: pytest.CaptureFixture[str], arguments: list[str], told: str
) -> None:
    assert guarded(["shortcuts", "--repo", str(repo.root), *arguments]) == 2
    assert told in capsys.readouterr().err


def test_histories_without_a_common_commit_are_a_wrong_call(repo: Repo, capsys: pytest.CaptureFixture[str]) -> None:
    repo.git("switch", "-q", "--orphan", "alone")
    repo.commit({"x": "y"})
    assert guarded(["shortcuts", "--repo", str(repo.root)]) == 2
    assert "have no commit in common" in capsys.readouterr().err
