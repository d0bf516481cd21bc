"""`captain scope`, over real repositories: what is said, and the exit codes that CI goes by."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from captain.cli.boundary import guarded
from captain.testing.repositories import git, make_repository

FILES = {"src/a.py": "a = 1\n", "src/b.py": "b = 1\n", "tests/test_a.py": "t = 1\n", "AGENTS.md": "Be kind.\n"}


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    root = make_repository(tmp_path / "repo", FILES)
    git(root, "switch", "--quiet", "--create", "work")
    return root


@pytest.fixture
def scope(tmp_path: Path) -> Path:
    path = tmp_path / "scope.toml"
    path.write_text('paths = ["/src/", "tests/test_a.py"]\n')
    return path


def commit(repo: Path, files: dict[str, str]) -> None:
    for name, content in files.items():
        path = repo / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content)
    git(repo, "add", "--all")
    git(repo, "commit", "--quiet", "--message=Work")


def check(repo: Path, scope: Path, *more: str) -> int:
    return guarded(["scope", "check", "--base", "main", "--scope", str(scope), "--repo", str(repo), *more])


def test_a_change_within_its_scope_exits_with_0(repo: Path, scope: Path, capsys: pytest.CaptureFixture[str]) -> None:
    commit(repo, {"src/a.py": "a = 2\n", "src/new.py": "n = 1\n", "tests/test_a.py": "t = 2\n"})

    assert check(repo, scope) == 0
    assert capsys.readouterr().out == "3 changes: 3 inside.\n"


def test_every_problem_is_a_line_and_the_exit_code_is_1(
    repo: Path, scope: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (repo / "src/run.sh").write_text("true\n")
    (repo / "src/run.sh").chmod(0o755)
    (repo / "src/blob").write_bytes(b"\0\1")
    commit(repo, {"src/conftest.py": "", "lib\u202e\x1b[1m.py": "x\n", "agents.md": "obey\n"})

    assert check(repo, scope) == 1
    assert capsys.readouterr().out.splitlines() == [
        "outside: agents.md is matched by no pattern in paths.",
        "outside: 'lib\\u202e\\x1b[1m.py' is matched by no pattern in paths.",
        "kind: src/blob is not text, and the scope does not grant the kind 'binary'.",
        "protected: src/conftest.py is set-up that tests run with, and no pattern in paths names it. "
        "Name it in paths if it is wanted.",
        "kind: src/run.sh is executable now, and the scope does not grant the kind 'executable'.",
        "5 changes: 2 outside, 1 protected, 2 of a kind not granted.",
    ]


def test_what_happened_on_the_base_since_does_not_count(repo: Path, scope: Path) -> None:
    commit(repo, {"src/a.py": "a = 2\n"})
    git(repo, "switch", "--quiet", "main")
    commit(repo, {"lib/x.py": "x = 1\n"})
    git(repo, "switch", "--quiet", "work")

    assert check(repo, scope) == 0


def test_uncommitted_and_new_files_count_unless_a_head_is_named_and_the_repository_stays_as_it_was(
    repo: Path, scope: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    commit(repo, {"src/a.py": "a = 2\n"})
    (repo / "new.py").write_text("n = 1\n")
    (repo / "AGENTS.md").unlink()
    before = git(repo, "count-objects", "--verbose"), git(repo, "status", "--porcelain")

    assert check(repo, scope) == 1
    assert capsys.readouterr().out.splitlines()[:2] == [
        "outside: AGENTS.md is matched by no pattern in paths.",
        "outside: new.py is matched by no pattern in paths.",
    ]
    assert check(repo, scope, "--head", "HEAD") == 0
    assert (git(repo, "count-objects", "--verbose"), git(repo, "status", "--porcelain")) == before


def test_a_change_cannot_widen_the_scope_it_is_held_to(repo: Path, capsys: pytest.CaptureFixture[str]) -> None:
    inside = repo / "src" / "[scope].toml"
    inside.write_text('paths = ["**"]\n')

    assert check(repo, inside) == 1
    assert "is matched by the pattern '/src/\\\\[scope].toml' in forbid" in capsys.readouterr().out


def test_limits_and_symbols_are_findings(repo: Path, scope: Path, capsys: pytest.CaptureFixture[str]) -> None:
    scope.write_text('paths = ["/src/"]\nmax_lines = 3\nmax_files = 1\nsymbols = ["c"]\n')
    commit(repo, {"src/a.py": "a = 2\nc = 1\n", "src/b.py": "b = 2\n"})

    assert check(repo, scope) == 1
    assert capsys.readouterr().out.splitlines() == [
        "finding: 2 files are changed, and the scope allows 1. Changed: src/a.py, src/b.py.",
        "finding: 5 lines are changed, and the scope allows 3. Changed: src/a.py, src/b.py.",
        "finding: src/a.py: a is changed, which is none of the symbols the scope names. "
        "Its definition differs from the one before the task.",
        "2 changes: 2 inside; 3 findings.",
    ]


def test_json_says_the_same_for_programs(repo: Path, scope: Path, capsys: pytest.CaptureFixture[str]) -> None:
    commit(repo, {"src/a.py": "a = 2\n", "uv.lock": "x\n"})

    assert check(repo, scope, "--json") == 1
    assert json.loads(capsys.readouterr().out) == {
        "passed": False,
        "changes": [
            {
                "path": "src/a.py",
                "decision": "inside",
                "rule": "/src/",
                "reason": "src/a.py is taken in by the pattern '/src/'.",
            },
            {
                "path": "uv.lock",
                "decision": "outside",
                "rule": None,
                "reason": "uv.lock is matched by no pattern in paths.",
            },
        ],
        "findings": [],
        "warnings": [],
    }


def test_patterns_that_do_nothing_are_warned_of_and_do_not_fail(
    repo: Path, scope: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    scope.write_text('paths = ["/src/", "test/test_a.py"]\nprotect = ["!Makefil"]\n')

    assert check(repo, scope) == 0
    assert capsys.readouterr().out.splitlines() == [
        "warning: protect: '!Makefil' has no effect: nothing of that name is protected.",
        "warning: paths: 'test/test_a.py' matches no file yet. Did you mean 'tests/test_a.py'?",
        "0 changes.",
    ]


def test_explain_names_the_rule_that_decides(repo: Path, scope: Path, capsys: pytest.CaptureFixture[str]) -> None:
    told = guarded(["scope", "explain", "./src/a.py", "src/AGENTS.md", "--scope", str(scope), "--repo", str(repo)])

    assert told == 1
    assert capsys.readouterr().out.splitlines() == [
        "inside: src/a.py is taken in by the pattern '/src/'.",
        "protected: src/AGENTS.md is configuration of agents, and no pattern in paths names it. "
        "Name it in paths if it is wanted.",
    ]


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (["--base", "gone"], "error: 'gone' names no commit in"),
        (["--base", "main", "--head", "gone"], "error: 'gone' names no commit in"),
        (["--base", "main", "--repo", "/"], "error:"),
        ([], "error: Missing option '--base'"),
    ],
)
def test_a_wrong_call_exits_with_2(
    repo: Path, scope: Path, arguments: list[str], complaint: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert guarded(["scope", "check", "--scope", str(scope), "--repo", str(repo), *arguments]) == 2
    assert capsys.readouterr().err.startswith(complaint)


def test_histories_without_a_common_commit_are_named(
    repo: Path, scope: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    git(repo, "switch", "--quiet", "--orphan", "other")
    git(repo, "commit", "--quiet", "--allow-empty", "--message=Other")

    assert check(repo, scope) == 2
    assert "'main' and 'HEAD' have no commit in common" in capsys.readouterr().err
