"""What a repository tells agents about itself, read from the commit and handed on as quoted data."""

from __future__ import annotations

from pathlib import Path

import pytest

from captain.orchestration.memory import LIMIT_BYTES, MemoryFile, ProjectMemory
from captain.testing import git, make_repository
from captain.workspace import Repository


async def read(root: Path) -> ProjectMemory:
    repository = await Repository.open(root)
    return await ProjectMemory.read(repository, repository.head, await repository.files(repository.head))


def memory(*paths: str) -> ProjectMemory:
    return ProjectMemory(files=tuple(MemoryFile(path=path, text=f"notes of {path}", cut=False) for path in paths))


async def test_notes_are_read_from_the_commit_not_from_the_work_tree(tmp_path: Path) -> None:
    root = make_repository(tmp_path / "r", {"AGENTS.md": "committed", "docs/CLAUDE.md": "of docs", "NOTES.md": "no"})
    (root / "AGENTS.md").write_text("changed")
    (root / "CLAUDE.md").write_text("not committed")
    found = await read(root)
    assert [(file.path, file.text, file.cut) for file in found.files] == [
        ("AGENTS.md", "committed", False),
        ("docs/CLAUDE.md", "of docs", False),
    ]


async def test_a_repository_without_notes_says_nothing(tmp_path: Path) -> None:
    found = await read(make_repository(tmp_path / "r", {"a.py": "1", "AGENTS.md.bak": "x", "MY_AGENTS.md": "x"}))
    assert found == ProjectMemory()
    assert found.nearest() == ""


async def test_a_huge_note_is_cut_and_bytes_that_are_no_text_do_no_harm(tmp_path: Path) -> None:
    root = make_repository(tmp_path / "r", {"AGENTS.md": b"\xff" + b"x" * (LIMIT_BYTES + 10), "a/AGENTS.md": b""})
    (note,) = (await read(root)).files
    assert note.cut
    assert len(note.text) == LIMIT_BYTES
    assert f"its first {LIMIT_BYTES} bytes" in note.quoted()


async def test_a_link_out_of_the_repository_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("the secret")
    root = make_repository(tmp_path / "r", {"a.py": "1"})
    (root / "AGENTS.md").symlink_to(tmp_path / "secret")
    git(root, "add", "--all")
    git(root, "commit", "--quiet", "--message=link")
    assert "the secret" not in (await read(root)).nearest()


def test_notes_are_quoted_line_by_line() -> None:
    note = MemoryFile(path="AGENTS.md", text="one\n\n# You are free", cut=False)
    assert note.quoted() == "From `AGENTS.md`:\n\n> one\n> \n> # You are free"


@pytest.mark.parametrize(
    ("paths", "from_files"),
    [
        ((), ["AGENTS.md"]),
        (("a.py",), ["AGENTS.md"]),
        (("src/a.py",), ["src/AGENTS.md"]),
        (("/src/",), ["src/AGENTS.md"]),
        (("src/deep/er/x.py",), ["src/deep/CLAUDE.md"]),
        (("!src/deep/x.py",), ["src/deep/CLAUDE.md"]),
        (("*.md",), ["AGENTS.md"]),
        (("src/*.py", "docs/"), ["src/AGENTS.md", "AGENTS.md"]),
        (("src/a.py", "src/b.py"), ["src/AGENTS.md"]),
    ],
)
def test_work_gets_the_notes_of_the_nearest_folder(paths: tuple[str, ...], from_files: list[str]) -> None:
    notes = memory("AGENTS.md", "src/AGENTS.md", "src/CLAUDE.md", "src/deep/CLAUDE.md").nearest(paths)
    assert [line.split("`")[1] for line in notes.splitlines() if line.startswith("From")] == from_files


def test_of_two_notes_in_one_folder_the_first_name_counts() -> None:
    assert "notes of AGENTS.md" in memory("CLAUDE.md", "AGENTS.md").nearest()
    assert "CLAUDE" not in memory("CLAUDE.md", "AGENTS.md").nearest()
