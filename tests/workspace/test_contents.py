"""Both sides of what differs between two commits; what is not read is named."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from captain.guards import FileChange
from captain.workspace import LeftOut, Repository, read_contents
from tests.workspace.repos import Repo, new_repo


@pytest.fixture
def repo(tmp_path: Path) -> Repo:
    return new_repo(tmp_path / "ours")


async def test_a_changed_an_added_and_a_deleted_file_have_their_sides(repo: Repo) -> None:
    opened = await Repository.open(repo.root)
    (repo.root / "src/b.txt").unlink()
    head = repo.commit({"a.txt": "eins\n", "empty": "", "new\nline": "\r\nx"})
    found = await read_contents(opened, opened.head, head)
    assert found.left_out == ()
    assert set(found.files) == {
        FileChange(path="a.txt", old="one\n", new="eins\n"),
        FileChange(path="src/b.txt", old="two\n", new=None),
        FileChange(path="empty", old=None, new=""),
        FileChange(path="new\nline", old=None, new="\r\nx"),
    }


async def test_what_is_binary_or_too_large_is_left_out_and_named(repo: Repo) -> None:
    opened = await Repository.open(repo.root)
    head = repo.commit({"picture": b"\x89PNG\0", "long": "x" * 101, "short": "y" * 60, "also": "z" * 60})
    found = await read_contents(opened, opened.head, head, file_bytes=100, total_bytes=100)
    assert {one.path for one in found.files} == {"also"}
    assert set(found.left_out) == {
        LeftOut(path="picture", reason="is no text"),
        LeftOut(path="long", reason="has 101 bytes; more than 100 are not read"),
        LeftOut(path="short", reason="the change has more than 100 bytes in all"),
    }


async def test_a_link_in_place_of_a_file_counts_as_its_absence(repo: Repo) -> None:
    opened = await Repository.open(repo.root)
    (repo.root / "a.txt").unlink()
    (repo.root / "a.txt").symlink_to("src/b.txt")
    head = repo.commit({})
    (change,) = (await read_contents(opened, opened.head, head)).files
    assert change == FileChange(path="a.txt", old="one\n", new=None)


async def test_names_and_contents_that_are_no_utf8_are_read(repo: Repo) -> None:
    opened = await Repository.open(repo.root)
    odd = os.fsdecode(b"\xff.py")
    head = repo.commit({odd: b"# caf\xe9\n"})
    (change,) = (await read_contents(opened, opened.head, head)).files
    assert change == FileChange(path=odd, old=None, new="# caf\ufffd\n")


async def test_nothing_differs_between_a_commit_and_itself(repo: Repo) -> None:
    opened = await Repository.open(repo.root)
    found = await read_contents(opened, opened.head, opened.head)
    assert (found.files, found.left_out) == ((), ())


async def test_the_commit_two_histories_have_in_common(repo: Repo) -> None:
    opened = await Repository.open(repo.root)
    ours = repo.commit({"a.txt": "ours\n"})
    repo.git("switch", "-q", "-c", "side", opened.head)
    theirs = repo.commit({"a.txt": "theirs\n"})
    repo.git("switch", "-q", "--orphan", "alone")
    alone = repo.commit({"x": "y"})
    assert await opened.merge_base(ours, theirs) == opened.head
    assert await opened.merge_base(ours, alone) is None
