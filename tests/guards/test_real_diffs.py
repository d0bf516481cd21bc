"""Diffs made by real git: what the guard lets through is what git's own matching takes in, and is what it seems."""

from __future__ import annotations

import os
import subprocess
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from captain.core.diff import parse_numstat, parse_raw
from captain.core.hunks import parse_hunks
from captain.core.tasks import Scope
from captain.guards import ScopeGuard, problems

pytestmark = pytest.mark.slow


ENV = {"PATH": os.environ.get("PATH", os.defpath), "GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_NOSYSTEM": "1"}


@dataclass(frozen=True)
class Objects:
    """A repository whose trees are made from listings, so that any name and mode can be in one."""

    root: Path
    blobs: dict[str, str]

    def git(self, *args: str, stdin: bytes = b"", codes: tuple[int, ...] = (0,)) -> bytes:
        argv = ["git", "-C", str(self.root), *args]
        done = subprocess.run(argv, input=stdin, env=ENV, capture_output=True, check=False)
        assert done.returncode in codes, done.stderr
        return done.stdout

    def tree(self, files: dict[str, tuple[str, str]]) -> str:
        with TemporaryDirectory() as folder:
            env = {**ENV, "GIT_INDEX_FILE": f"{folder}/index"}
            lines = "".join(f"{mode} {self.blobs[content]}\t{path}\0" for path, (mode, content) in files.items())
            update = ["git", "-C", str(self.root), "update-index", "-z", "--index-info"]
            subprocess.run(update, input=lines.encode("utf-8", "surrogateescape"), env=env, check=True)
            return subprocess.check_output(["git", "-C", str(self.root), "write-tree"], env=env, text=True).strip()


@pytest.fixture(scope="module")
def objects(tmp_path_factory: pytest.TempPathFactory) -> Objects:
    root = tmp_path_factory.mktemp("objects")
    made = Objects(root, {})
    made.git("init", "-q")
    for content in ("one\n", "one\ntwo\n", "src/a", "\0\1\2"):
        made.blobs[content] = made.git("hash-object", "-w", "--stdin", stdin=content.encode()).decode().strip()
    made.blobs["module"] = "1" * 40
    return made


ODD = [
    "é",
    "e\u0301",
    "a b",
    "a\nb",
    'q"q',
    "tab\tx",
    "back\\x",
    "\udce9",
    "*",
    "[x]",
    "!a",
    "#a",
    "a\u202e",
    "x.",
    " ",
]
PARTS = st.sampled_from(["src", "a", "b.py", "SRC", "tests", "AGENTS.md", *ODD])
PATHS = st.lists(PARTS, min_size=1, max_size=3).map("/".join)
ENTRIES = st.sampled_from(
    [
        *(("100644", "one\n"), ("100644", "one\ntwo\n"), ("100644", "\0\1\2")),
        *(("100755", "one\n"), ("120000", "src/a"), ("160000", "module")),
    ]
)
TREES = st.dictionaries(PATHS, ENTRIES, max_size=6).filter(
    lambda files: not any(other.startswith(f"{path}/") for path in files for other in files)
)
PATTERN_PARTS = st.sampled_from(
    [
        "src",
        "a",
        "*.py",
        "*",
        "**",
        "?",
        "é",
        "e\u0301",
        "a b",
        "b\\.py",
        "[x]",
        "\\[x\\]",
        "\\*",
        "\\!a",
        "\\#a",
        "a?b",
    ]
)
PATTERNS = st.builds(
    lambda bang, anchor, body, slash: bang + anchor + body + slash,
    st.sampled_from(["", "", "", "!"]),
    st.sampled_from(["", "/"]),
    st.lists(PATTERN_PARTS, min_size=1, max_size=3).map("/".join),
    st.sampled_from(["", "", "/"]),
).filter(lambda pattern: not problems(Scope(paths=(pattern.lstrip("!"),))))
SCOPES = st.builds(
    lambda paths, forbid: Scope(paths=tuple(paths), forbid=tuple(forbid)),
    st.lists(PATTERNS, min_size=1, max_size=3),
    st.lists(PATTERNS, max_size=1),
)


def matched(objects: Objects, patterns: tuple[str, ...], paths: list[str]) -> set[str]:
    """What git itself says of these patterns."""
    (objects.root / ".gitignore").write_bytes("".join(f"{p}\n" for p in patterns).encode())
    asked = b"".join(path.encode("utf-8", "surrogateescape") + b"\0" for path in paths)
    args = ("check-ignore", "--no-index", "--non-matching", "--verbose", "-z", "--stdin")
    answer = objects.git(*args, stdin=asked, codes=(0, 1)).decode("utf-8", "surrogateescape").split("\0")
    rows = zip(answer[0::4], answer[2::4], answer[3::4], strict=False)
    return {path for source, pattern, path in rows if source and not pattern.startswith("!")}


@settings(max_examples=400, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(patterns=st.lists(PATTERNS, min_size=1, max_size=4), paths=st.lists(PATHS, min_size=1, max_size=8, unique=True))
@example(patterns=["!a", "\\!a"], paths=["!a", "src/!a"])
@example(patterns=["a b", "\\*"], paths=["a b", "*", "a/b.py"])
@example(patterns=["é"], paths=["é", "e\u0301"])
def test_odd_names_are_matched_as_git_matches_them(objects: Objects, patterns: list[str], paths: list[str]) -> None:
    guard = ScopeGuard(Scope(paths=tuple(patterns)))
    assert {path for path in paths if guard.allows(path)} == matched(objects, tuple(patterns), paths)


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(scope=SCOPES, base=TREES, head=TREES)
@example(
    scope=Scope(paths=("src/",)),
    base={"lib/a": ("100644", "one\n"), "src": ("120000", "src/a")},
    head={"src/a": ("100644", "one\n")},
)
def test_nothing_outside_gets_through_whatever_git_puts_into_a_diff(
    objects: Objects, scope: Scope, base: dict[str, tuple[str, str]], head: dict[str, tuple[str, str]]
) -> None:
    old, new = objects.tree(base), objects.tree(head)
    options = ("-r", "-z", "--no-renames", "--ignore-submodules=none")
    stated = objects.git("diff-tree", "--raw", "--numstat", *options, old, new)
    changes, lines = parse_raw(stated), parse_numstat(stated)

    rulings = ScopeGuard(scope).judge(changes, lines=lines).rulings

    assert {ruling.path for ruling in rulings} == {p for p in {*base, *head} if base.get(p) != head.get(p)}
    through = [ruling.path for ruling in rulings if ruling.decision == "inside"]
    assert set(through) <= matched(objects, scope.paths, through)
    assert not scope.forbid or not matched(objects, scope.forbid, through)
    for path in through:
        mode, content = head.get(path, ("", ""))
        assert mode in ("", "100644") or (mode == "100755" and base[path][0] == mode)
        assert "\0" not in content
        assert path.casefold().rpartition("/")[2] != "agents.md"
        assert not path.endswith((".", " ")) or path not in head
    # what is refused, put back, leaves a tree that is allowed
    mended = {**{p: e for p, e in head.items() if p in through}, **{p: e for p, e in base.items() if p not in through}}
    assert {p for p in {*base, *mended} if base.get(p) != mended.get(p)} == set(through)


@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(base=TREES, head=TREES)
def test_hunks_and_line_counts_name_the_files_git_means(
    objects: Objects, base: dict[str, tuple[str, str]], head: dict[str, tuple[str, str]]
) -> None:
    old, new = objects.tree(base), objects.tree(head)
    counts = parse_numstat(objects.git("diff-tree", "-r", "-z", "--numstat", "--no-renames", old, new))
    text = objects.git("diff-tree", "-p", "-r", "--no-renames", old, new).decode("utf-8", "surrogateescape")

    added: dict[str, int] = {}
    for hunk in parse_hunks(text):
        added[hunk.path] = added.get(hunk.path, 0) + len(hunk.added)

    assert {path: n for path, n in added.items() if n} == {path: c.added for path, c in counts.items() if c.added}
