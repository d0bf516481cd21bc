"""Files are read and written below the root and nowhere else."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from captain.core.errors import ToolError
from captain.sandbox import Box, Policy, Sandbox
from captain.sandbox.process import HeadTail


@pytest.fixture
async def box(tmp_path: Path) -> AsyncIterator[Box]:
    root = tmp_path / "root"
    root.mkdir()
    (tmp_path / "secret").write_text("secret")
    opened = await Sandbox.none().open(root, Policy())
    yield opened
    await opened.close()


async def test_what_is_written_can_be_read_by_relative_and_absolute_path(box: Box) -> None:
    await box.write("a/b/ü -rf\n.txt", b"\r\n\xff")
    assert await box.read("a/b/ü -rf\n.txt", limit_bytes=3) == b"\r\n\xff"
    assert await box.read(str(box.root / "a" / "x" / ".." / "b" / "ü -rf\n.txt"), limit_bytes=3) == b"\r\n\xff"


async def test_writing_keeps_the_mode_and_leaves_no_draft(box: Box) -> None:
    script = box.root / "run.sh"
    script.write_text("old")
    script.chmod(0o755)
    await box.write("run.sh", b"new")
    assert script.stat().st_mode & 0o777 == 0o755
    assert [path.name for path in box.root.iterdir()] == ["run.sh"]


async def test_a_file_larger_than_the_limit_is_refused_with_its_size(box: Box) -> None:
    await box.write("big", b"x" * 11)
    with pytest.raises(ToolError, match=r"big has 11 bytes, more than the 10"):
        await box.read("big", limit_bytes=10)


@pytest.mark.parametrize(
    "path", ["../secret", "a/../../secret", "/etc/passwd", "out", "out/secret", "dir/../../secret"]
)
async def test_nothing_outside_can_be_reached(box: Box, tmp_path: Path, path: str) -> None:
    (box.root / "out").symlink_to(tmp_path)
    (box.root / "dir").mkdir()
    with pytest.raises(ToolError, match="outside the workspace"):
        await box.read(path, limit_bytes=100)
    with pytest.raises(ToolError, match="outside the workspace"):
        await box.write(path, b"overwritten")
    assert (tmp_path / "secret").read_text() == "secret"


@pytest.mark.parametrize("path", [".git/config", ".GIT/hooks/pre-commit", "sub/.git/config", "hidden/config"])
async def test_git_folders_are_left_to_git(box: Box, path: str) -> None:
    (box.root / ".git" / "hooks").mkdir(parents=True)
    (box.root / ".git" / "config").write_text("")
    (box.root / "hidden").symlink_to(".git")
    with pytest.raises(ToolError, match=r"inside \.git"):
        await box.read(path, limit_bytes=100)
    with pytest.raises(ToolError, match=r"inside \.git"):
        await box.write(path, b"x")


async def test_a_link_that_stays_inside_is_followed(box: Box) -> None:
    await box.write("real", b"1")
    (box.root / "link").symlink_to("real")
    await box.write("link", b"2")
    assert await box.read("real", limit_bytes=10) == b"2"
    assert (box.root / "link").is_symlink()


@pytest.mark.parametrize(
    ("path", "sentence"),
    [
        ("missing", "does not exist"),
        ("folder", "is a directory"),
        ("pipe", "is not a regular file"),
        ("file/below", "a file where a directory would have to be"),
        ("", "is empty"),
        ("a\0b", "is not a path"),
        ("\ud800", "is not a path"),
        ("loop", "loop"),
        ("x" * 300, "could not be read"),
    ],
)
async def test_what_cannot_be_read_is_explained(box: Box, path: str, sentence: str) -> None:
    (box.root / "folder").mkdir()
    (box.root / "file").touch()
    (box.root / "loop").symlink_to("loop")
    os.mkfifo(box.root / "pipe")
    with pytest.raises(ToolError, match=sentence):
        await box.read(path, limit_bytes=100)


@pytest.mark.parametrize("path", [".", "folder", "pipe", "file/below", "file/below/more", ""])
async def test_what_cannot_be_written_is_explained_and_leaves_nothing(box: Box, path: str) -> None:
    (box.root / "folder").mkdir()
    (box.root / "file").touch()
    os.mkfifo(box.root / "pipe")
    with pytest.raises(ToolError):
        await box.write(path, b"x")
    assert sorted(path.name for path in box.root.iterdir()) == ["file", "folder", "pipe"]


async def test_a_file_is_removed_and_of_a_link_only_the_link(box: Box) -> None:
    await box.write("real", b"1")
    (box.root / "link").symlink_to("real")
    await box.remove("link")
    assert await box.read("real", limit_bytes=10) == b"1"
    await box.remove("real")
    assert list(box.root.iterdir()) == []
    for path, sentence in (
        ("real", "does not exist"),
        ("../secret", "outside"),
        (".git", r"inside \.git"),
        (".", "is"),
    ):
        with pytest.raises(ToolError, match=sentence):
            await box.remove(path)


@given(st.lists(st.binary(max_size=50), max_size=20), st.integers(min_value=0, max_value=60))
def test_head_and_tail_hold_the_limit_and_account_for_every_byte(pieces: list[bytes], limit: int) -> None:
    sink = HeadTail(limit)
    for piece in pieces:
        assert sink.feed(piece)
    data, kept = b"".join(pieces), sink.take()
    assert sink.omitted_bytes == max(0, len(data) - limit)
    if len(data) <= limit:
        assert kept == data
    else:
        assert kept.startswith(data[: limit // 2])
        assert kept.endswith(data[len(data) - (limit - limit // 2) :])
