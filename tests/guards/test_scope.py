"""The scope guard agrees with git about patterns, and never misses an overlap."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from captain.core.diff import Change
from captain.core.tasks import Scope
from captain.guards import ScopeGuard, overlap, problems

NAMES = st.sampled_from(["a", "b", "src", "docs", "a.py", "b.py", "x.md"])
FOLDERS = st.lists(st.sampled_from(["a", "b", "src", "docs"]), max_size=2)
PATHS = st.builds(lambda folders, name: "/".join([*folders, name]), FOLDERS, NAMES)
PATTERNS = st.builds(
    lambda bang, anchor, body, slash: bang + anchor + body + slash,
    st.sampled_from(["", "", "", "!"]),
    st.sampled_from(["", "/"]),
    st.lists(st.sampled_from(["a", "b", "src", "a.py", "*.py", "*", "**", "?", "x.md"]), min_size=1, max_size=3).map(
        "/".join
    ),
    st.sampled_from(["", "/"]),
).filter(lambda pattern: not problems(Scope(paths=(pattern.lstrip("!"),))))


def change(path: str) -> Change:
    return Change(path=path, old_mode="100644", new_mode="100644", old_id="1" * 40, new_id="2" * 40)


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("ignore")
    subprocess.run(["git", "init", "-q", str(root)], check=True)
    return root


@pytest.mark.parametrize("examples", [200, pytest.param(4000, marks=pytest.mark.slow)])
def test_patterns_match_the_files_git_would_ignore(repository: Path, examples: int) -> None:
    @settings(max_examples=examples, deadline=None)
    @given(
        patterns=st.lists(PATTERNS, min_size=1, max_size=4), paths=st.lists(PATHS, min_size=1, max_size=6, unique=True)
    )
    @example(patterns=["src/*", "!src/a"], paths=["src/a/b", "src/b"])
    def all_of_them(patterns: list[str], paths: list[str]) -> None:
        compare_with_git(repository, patterns, paths)

    all_of_them()


def compare_with_git(repository: Path, patterns: list[str], paths: list[str]) -> None:
    (repository / ".gitignore").write_text("\n".join(patterns) + "\n")
    asked = "".join(path + "\0" for path in paths).encode()
    git = subprocess.run(
        ["git", "-C", str(repository), "check-ignore", "-z", "--stdin", "--no-index"],
        input=asked,
        capture_output=True,
        check=False,
    )
    ignored = {path for path in git.stdout.decode().split("\0") if path}
    guard = ScopeGuard(Scope(paths=tuple(patterns)))
    assert {path for path in paths if guard.allows(path)} == ignored


def test_a_change_outside_the_paths_or_inside_the_forbidden_ones_is_outside() -> None:
    guard = ScopeGuard(Scope(paths=("src/",), forbid=("src/vendor/",)))
    changes = [change("src/a.py"), change("src/vendor/b.py"), change("README.md")]
    assert [c.path for c in guard.outside(changes)] == ["src/vendor/b.py", "README.md"]


@pytest.mark.parametrize(
    ("one", "other", "files", "meets"),
    [
        (("src/a.py",), ("src/b.py",), (), False),
        (("src/a.py",), ("src/a.py",), (), True),
        (("a.py",), ("b.py",), (), False),
        (("a.py",), ("src/a.py",), (), True),
        (("a.py",), ("src/",), (), True),
        (("src/",), ("src/new.py",), (), True),
        (("/src/",), ("/tests/",), ("src/a.py", "tests/a.py"), False),
        (("src/",), ("tests/",), ("src/a.py", "tests/a.py"), True),  # either name, at any depth
        (("src/**",), ("src/sub/*.py",), (), True),
        (("src/*.py",), ("src/*.md",), (), False),
        (("*.md",), ("src/a.py",), (), False),
        (("*.py",), ("src/",), (), True),
        (("README",), ("docs/README",), ("README", "docs/README"), True),
        (("src/*", "!src/a.py"), ("src/a.py",), ("src/a.py",), False),
        (("/src/a.py",), ("src/a.py",), (), True),
    ],
)
def test_two_scopes_overlap_when_work_in_them_could_meet(
    one: tuple[str, ...], other: tuple[str, ...], files: tuple[str, ...], meets: bool
) -> None:
    assert (overlap(Scope(paths=one), Scope(paths=other), files) is not None) is meets
    assert (overlap(Scope(paths=other), Scope(paths=one), files) is not None) is meets


@settings(max_examples=200, deadline=None)
@given(
    one=st.lists(PATTERNS, min_size=1, max_size=2),
    other=st.lists(PATTERNS, min_size=1, max_size=2),
    new=PATHS,
)
def test_a_file_both_scopes_allow_is_always_seen_as_overlap_even_before_it_exists(
    one: list[str], other: list[str], new: str
) -> None:
    first, second = Scope(paths=tuple(one)), Scope(paths=tuple(other))
    if ScopeGuard(first).allows(new) and ScopeGuard(second).allows(new):
        assert overlap(first, second, ()) is not None


def test_a_scope_that_allows_nothing_or_leads_out_is_a_problem() -> None:
    assert problems(Scope(paths=())) == ("the scope names no path that may change",)
    assert "leads out" in problems(Scope(paths=("../other/",)))[0]
    assert "write 'src/'" in problems(Scope(paths=("src/**/",)))[0]
    assert problems(Scope(paths=("src/",))) == ()
