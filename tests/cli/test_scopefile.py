"""Scope files: what they say, and how a mistake in one is named."""

from __future__ import annotations

from pathlib import Path

import pytest

from captain.cli.scopefile import read_scope_file
from captain.core.errors import UsageError
from captain.core.tasks import Scope
from captain.guards import idle, problems

WHOLE = """
paths = ["/src/", "tests/test_dates.py"]
forbid = ["src/vendor/"]
protect = ["src/core/", "!Makefile"]
symbols = ["parse_date", "Ship.sail"]
max_files = 5
max_lines = 120
allow = ["executable", "binary"]
deny = ["delete"]
"""


def written(tmp_path: Path, text: str | bytes) -> Path:
    path = tmp_path / "scope.toml"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def test_a_whole_scope_file_is_read(tmp_path: Path) -> None:
    assert read_scope_file(written(tmp_path, WHOLE)) == Scope(
        paths=("/src/", "tests/test_dates.py"),
        forbid=("src/vendor/",),
        protect=("src/core/", "!Makefile"),
        symbols=("parse_date", "Ship.sail"),
        max_files=5,
        max_lines=120,
        kinds=("add", "edit", "executable", "binary"),
    )


def test_paths_are_all_that_has_to_be_said(tmp_path: Path) -> None:
    assert read_scope_file(written(tmp_path, 'paths = ["/src/"]')) == Scope(paths=("/src/",))


KEYS = "Known here: paths, forbid, protect, symbols, max_files, max_lines, allow, deny."
KINDS = "Known here: add, edit, delete, executable, symlink, submodule, binary, odd_name."
PATTERN = 'Write patterns in quotes, such as ["/src/"].'
LIKE_IGNORE = "Patterns are written as in a .gitignore file."


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        ('path = ["a"]', "{}: the file has a key 'path' that Captain does not know.", f"Did you mean 'paths'? {KEYS}"),
        ("[scope]", "{}: the file has a key 'scope' that Captain does not know.", KEYS),
        ('forbid = ["a"]', "{}: the key 'paths' is missing.", 'Say what may change, such as paths = ["/src/"].'),
        ('paths = "src/"', "{}: paths is not a list: 'src/'.", PATTERN),
        ("paths = [5]", "{}: paths holds 5, which is not a pattern.", PATTERN),
        ('paths = [" "]', "{}: paths holds ' ', which is not a pattern.", PATTERN),
        ('paths = ["a\\u202e"]', "{}: paths holds 'a\\u202e', with a character that cannot be seen.", PATTERN),
        (
            'paths = ["a"]\nmax_files = 0',
            "{}: max_files is not a whole number above 0: 0.",
            "Leave it out, or write 1 or more.",
        ),
        (
            'paths = ["a"]\nallow = ["binray"]',
            "{}: allow holds 'binray', which is no kind of change.",
            f"Did you mean 'binary'? {KINDS}",
        ),
        (
            'paths = ["a"]\nallow = ["add"]\ndeny = ["add"]',
            "{}: 'add' is in allow and in deny.",
            "Leave it in one of them.",
        ),
        ('paths = ["!a"]', "{}: the scope names no path that may change.", LIKE_IGNORE),
        ('paths = ["../x"]', "{}: the scope pattern '../x' leads out of the repository.", LIKE_IGNORE),
        ('paths = ["a"]\nsymbols = ["a b"]', "{}: the scope's symbol 'a b' is no dotted name.", LIKE_IGNORE),
        (
            'paths = ["/src/a.py", "src/b/*.py"]\nforbid = ["src/"]',
            "{}: the scope forbids all that it allows: forbid covers every pattern in paths.",
            LIKE_IGNORE,
        ),
    ],
)
def test_a_mistake_is_named_with_its_file_and_key(tmp_path: Path, text: str, message: str, hint: str) -> None:
    path = written(tmp_path, text)

    with pytest.raises(UsageError) as caught:
        read_scope_file(path)

    assert (str(caught.value), caught.value.hint) == (message.format(path), hint)


def test_a_file_that_is_not_there_or_not_toml_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"gone\.toml cannot be read: No such file or directory"):
        read_scope_file(tmp_path / "gone.toml")
    with pytest.raises(UsageError, match=r"scope\.toml is not valid TOML"):
        read_scope_file(written(tmp_path, "paths = ["))
    with pytest.raises(UsageError, match=r"scope\.toml is not valid TOML"):
        read_scope_file(written(tmp_path, b"\xff\xfe"))


FILES = ("src/a.py", "src/b/c.py", "README.md", "LICENSE")


@pytest.mark.parametrize(
    ("scope", "said"),
    [
        (Scope(paths=("/src/", "docs/new.md", "*.md", "/src/new.py")), []),
        (Scope(paths=("SRC/",)), ["paths: 'SRC/' matches no file yet. Did you mean 'src/'?"]),
        (Scope(paths=("Readme.md",)), ["paths: 'Readme.md' matches no file yet. Did you mean 'README.md'?"]),
        (Scope(paths=("scr/a.py",)), ["paths: 'scr/a.py' matches no file yet. Did you mean 'src/a.py'?"]),
        (Scope(paths=("src/aa.py",)), []),
        (Scope(paths=("LICENSE/x",)), ["paths: 'LICENSE/x' can never match: LICENSE is a file."]),
        (
            Scope(paths=("/lib/", "/src/"), kinds=("edit",)),
            ["paths: '/lib/' matches no file, and the scope does not grant new ones."],
        ),
        (
            Scope(paths=("/src/", "/src/b/"), forbid=("/src/b/",)),
            ["paths: '/src/b/' can never match, since forbid covers it."],
        ),
        (
            Scope(paths=("!a", "/src/")),
            ["paths: '!a' has no effect: it comes first, and takes from what comes before it."],
        ),
        (
            Scope(paths=("/src/",), protect=("!nothing", "!agents.md", "src/b/", "!src/b/c.py")),
            ["protect: '!nothing' has no effect: nothing of that name is protected."],
        ),
    ],
)
def test_patterns_without_effect_are_named(scope: Scope, said: list[str]) -> None:
    assert list(idle(scope, FILES)) == said


def test_a_scope_is_fine_while_one_of_its_patterns_is_not_forbidden() -> None:
    assert problems(Scope(paths=("/src/", "README.md"), forbid=("src/",))) == ()
