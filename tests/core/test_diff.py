"""git's raw diff is read exactly, whatever the paths are called."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from captain.core.diff import GITLINK, SYMLINK, parse_raw
from captain.testing import git, make_repository

ODD_NAMES = [
    b"plain.txt",
    b"with space",
    b"new\nline",
    b"tab\tand\x01control",
    b"-leading-dash",
    b":100644 000000 colon",
    b'quo"te\\back',
    b"caf\xe9-latin",
    b"\xff\xfe",
    "übung/ﬁle-\U0001f600".encode(),
    b"deep/er/-x",
]


def raw(root: Path, *trees: str) -> bytes:
    argv = ["git", "-C", str(root), "diff-tree", "-r", "-z", "--raw", "--no-renames", *trees]
    return subprocess.run(argv, check=True, capture_output=True).stdout


@pytest.mark.parametrize("name", ODD_NAMES)
def test_a_path_of_any_bytes_is_read_as_git_has_it(tmp_path: Path, name: bytes) -> None:
    root = make_repository(tmp_path / "r", {"kept": "1"})
    target = Path(os.fsdecode(os.fsencode(root) + b"/" + name))
    target.parent.mkdir(parents=True, exist_ok=True)
    target.write_bytes(b"new")
    git(root, "add", "--all")
    git(root, "commit", "--quiet", "--message=two")
    (change,) = parse_raw(raw(root, "HEAD~", "HEAD"))
    assert change.path.encode("utf-8", "surrogateescape") == name
    assert change.added
    assert not change.deleted
    assert change.new_mode == "100644"


def test_deletions_links_and_modes_are_told_apart(tmp_path: Path) -> None:
    root = make_repository(tmp_path / "r", {"gone": "1", "turned": "1", "run.sh": "1"})
    (root / "gone").unlink()
    (root / "turned").unlink()
    (root / "turned").symlink_to("run.sh")
    (root / "run.sh").chmod(0o755)
    git(root, "add", "--all")
    git(root, "update-index", "--add", "--cacheinfo", f"160000,{'1' * 40},sub")
    git(root, "commit", "--quiet", "--message=two")
    changes = {change.path: change for change in parse_raw(raw(root, "HEAD~", "HEAD"))}
    assert changes.keys() == {"gone", "turned", "run.sh", "sub"}
    assert changes["gone"].deleted
    assert changes["turned"].new_mode == SYMLINK
    assert (changes["run.sh"].old_mode, changes["run.sh"].new_mode) == ("100644", "100755")
    assert changes["sub"].new_mode == GITLINK


def test_a_commit_id_before_the_changes_is_passed_over(tmp_path: Path) -> None:
    root = make_repository(tmp_path / "r", {"a": "1"})
    (root / "a").write_text("2")
    git(root, "commit", "--quiet", "--all", "--message=two")
    assert [change.path for change in parse_raw(raw(root, "HEAD"))] == ["a"]
    assert parse_raw(raw(root, "HEAD", "HEAD")) == ()


PATHS = st.binary(min_size=1).filter(lambda path: b"\0" not in path)


@given(paths=st.lists(PATHS, unique=True))
def test_every_change_in_the_output_is_found_once_and_in_order(paths: list[bytes]) -> None:
    output = b"".join(b":100644 000000 " + b"1" * 40 + b" " + b"0" * 40 + b" D\0" + path + b"\0" for path in paths)
    changes = parse_raw(output)
    assert [change.path.encode("utf-8", "surrogateescape") for change in changes] == paths
    assert all(change.deleted for change in changes)
