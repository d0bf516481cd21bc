"""What is protected from broad patterns, and how a scope names it."""

from __future__ import annotations

import pytest

from captain.core.tasks import Scope
from captain.guards import ScopeGuard
from tests.guards.changes import add, delete, edit


def protection(scope: Scope, path: str) -> str | None:
    ruling = ScopeGuard(scope).rule(edit(path))
    return ruling.rule if ruling.decision == "protected" else None


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("tests/test_dates.py", "tests"),
        ("src/pkg/tests/data.json", "tests"),
        ("pkg/dates_test.go", "tests"),
        ("web/dates.spec.ts", "tests"),
        ("src/conftest.py", "test set-up"),
        (".github/workflows/ci.yml", "ci"),
        ("sub/.GitHub/workflows/ci.yml", "ci"),
        ("uv.lock", "locks"),
        ("web/package-lock.json", "locks"),
        ("go.sum", "locks"),
        ("src/.gitattributes", "git"),
        (".gitmodules", "git"),
        (".husky/pre-commit", "hooks"),
        (".pre-commit-config.yaml", "hooks"),
        ("AGENTS.md", "agents"),
        ("agents.md", "agents"),
        ("AGENTS.md.", "agents"),
        ("AGENTS\u200c.md", "agents"),
        ("docs/Claude.md", "agents"),
        (".claude/settings.json", "agents"),
        (".cursor/rules/x.mdc", "agents"),
        (".mcp.json", "agents"),
        (".vscode/tasks.json", "environment"),
        (".envrc", "environment"),
        ("src/sitecustomize.py", "environment"),
        ("pyproject.toml", "build"),
        ("packages/a/package.json", "build"),
        ("setup.cfg", "build"),
        ("Makefile", "build"),
        ("src/dates.py", None),
        ("src/hooks/use_dates.ts", None),
        ("src/testing/fakes.py", None),
        ("docs/Makefile", None),
        ("src/latest.py", None),
        ("src/contest.py", None),
        ("README.md", None),
    ],
)
def test_a_pattern_for_everything_does_not_cover_what_is_protected(path: str, name: str | None) -> None:
    assert protection(Scope(paths=("**",)), path) == name
    assert protection(Scope(paths=("*",)), path) == name


@pytest.mark.parametrize(
    ("pattern", "path", "granted"),
    [
        ("tests/test_dates.py", "tests/test_dates.py", True),
        ("/tests/test_dates.py", "tests/test_dates.py", True),
        ("test_dates.py", "tests/test_dates.py", True),
        ("tests/", "tests/test_dates.py", True),
        ("tests/**", "tests/a/test_dates.py", True),
        ("**/tests/**", "src/tests/test_dates.py", True),
        ("tests/*.py", "tests/test_dates.py", True),
        ("test_*.py", "src/test_dates.py", True),
        ("*_test.go", "pkg/dates_test.go", True),
        ("pkg/*_test.go", "pkg/dates_test.go", True),
        ("tests/", "tests/conftest.py", True),
        ("tests/", "tests/AGENTS.md", False),
        ("tests/", "tests/.gitattributes", False),
        ("t*sts/**", "tests/test_dates.py", False),
        ("[t]ests/**", "tests/test_dates.py", False),
        ("*.py", "tests/test_dates.py", False),
        ("src/**", "src/tests/test_dates.py", False),
        ("src/", "src/conftest.py", False),
        ("src/conftest.py", "src/conftest.py", True),
        ("conftest.py", "src/conftest.py", True),
        ("[c]onftest.py", "src/conftest.py", False),
        (".github/", ".github/workflows/ci.yml", True),
        (".github/workflows/*.yml", ".github/workflows/ci.yml", True),
        (".g*/", ".github/workflows/ci.yml", False),
        ("*.lock", "uv.lock", True),
        ("uv.lock", "uv.lock", True),
        ("*.toml", "pyproject.toml", False),
        ("/pyproject.toml", "pyproject.toml", True),
        ("*.md", "agents.md", False),
        ("agents.md", "agents.md", True),
        ("\\.envrc", ".envrc", True),
    ],
)
def test_a_pattern_grants_what_it_begins_in_or_names(pattern: str, path: str, *, granted: bool) -> None:
    scope = Scope(paths=(pattern,))
    assert ScopeGuard(scope).allows(path)
    assert (protection(scope, path) is None) is granted


def test_a_new_test_is_the_tasks_own_but_new_set_up_is_not() -> None:
    guard = ScopeGuard(Scope(paths=("src/",)))
    assert guard.rule(add("src/tests/test_new.py")).decision == "inside"
    assert guard.rule(edit("src/tests/test_old.py")).decision == "protected"
    assert guard.rule(delete("src/tests/test_old.py")).decision == "protected"
    assert guard.rule(add("src/tests/conftest.py")).decision == "protected"


def test_a_scope_protects_more_and_takes_out_what_it_does_not_want_protected() -> None:
    scope = Scope(paths=("/src/", "*.md"), protect=("src/core/", "!agents.md", "!pyproject.toml"))
    assert protection(scope, "src/core/a.py") == "scope"
    assert protection(scope, "SRC/core/AGENTS.md") == "scope"
    assert protection(scope, "AGENTS.md") is None
    assert protection(scope, "CLAUDE.md") == "agents"
    assert protection(Scope(paths=("src/core/a.py",), protect=("src/core/",)), "src/core/a.py") is None


def test_forbid_wins_over_a_grant() -> None:
    guard = ScopeGuard(Scope(paths=("tests/", "AGENTS.md"), forbid=("AGENTS.md",)))
    assert guard.rule(edit("AGENTS.md")).decision == "outside"


def test_the_reason_says_what_the_file_is() -> None:
    reason = ScopeGuard(Scope(paths=("**",))).rule(edit("uv.lock")).reason
    assert reason == "uv.lock is a lock file, and no pattern in paths names it."


def test_a_later_pattern_of_the_scope_protects_again() -> None:
    scope = Scope(paths=("**",), protect=("a/*", "!a/b", "!a/c.py", "a/c.py"))
    assert protection(scope, "a/c.py") == "scope"
    assert protection(scope, "a/d.py") == "scope"
    assert protection(scope, "a/b") is None
