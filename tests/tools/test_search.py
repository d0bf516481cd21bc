"""Finding files and text sees what git sees."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from captain.core.errors import ToolError
from captain.testing import git as run_git
from captain.tools import list_files, search
from tests.tools.conftest import Use


async def test_files_are_listed_without_those_git_ignores(root: Path, use: Use) -> None:
    (root / "new.py").write_text("x")
    (root / "debug.log").write_text("x")
    (root / "build").mkdir()
    (root / "build" / "out.py").write_text("x")
    assert await use(list_files) == ".gitignore\nREADME.md\nnew.py"


async def test_files_can_be_listed_by_folder_and_by_pattern(root: Path, use: Use) -> None:
    (root / "src").mkdir()
    (root / "src" / "a.py").write_text("x")
    (root / "src" / "b.md").write_text("x")
    assert await use(list_files, path="src") == "src/a.py\nsrc/b.md"
    assert await use(list_files, path="*.py") == "src/a.py"
    assert await use(list_files, path="nowhere") == "No file matches 'nowhere'."


@pytest.mark.parametrize("path", ["../", "/etc", ":(bad)x"])
async def test_a_listing_stays_inside_the_repository(root: Path, use: Use, path: str) -> None:
    with pytest.raises(ToolError, match="cannot be listed"):
        await use(list_files, path=path)


async def test_a_path_is_never_taken_for_an_option(root: Path, use: Use) -> None:
    (root / "-x").write_text("needle\n")
    assert await use(list_files, path="-x") == "-x"
    assert await use(search, pattern="needle", path="-x") == "-x:1:needle"
    assert "No file" in await use(list_files, path="--others")


async def test_odd_names_are_listed(root: Path, use: Use) -> None:
    for name in (b"with space", b"-dash", "übung".encode(), b"latin-\xe9", b'quo"te'):
        Path(os.fsdecode(os.fsencode(root) + b"/" + name)).write_bytes(b"x")
    listed = (await use(list_files)).split("\n")
    assert {"with space", "-dash", "übung", 'quo"te'} <= set(listed)
    assert any(name.startswith("latin-") for name in listed)


async def test_a_long_listing_is_cut_and_says_by_how_much(root: Path, use: Use) -> None:
    for number in range(10):
        (root / f"f{number}").write_text("x")
    assert (await use(list_files, limit=3)).endswith("f0\n(9 more; ask for a narrower path)")
    assert (await use(list_files, limit=-1)) == ".gitignore\n(11 more; ask for a narrower path)"


async def test_text_is_found_with_path_and_line_in_tracked_and_new_files(root: Path, use: Use) -> None:
    (root / "new.py").write_text("a = 1\nb = needle\n")
    (root / "debug.log").write_text("needle")
    assert await use(search, pattern="needle|Read") == "README.md:1:# Read me\nnew.py:2:b = needle"


async def test_a_search_can_ignore_case_and_show_what_is_around(root: Path, use: Use) -> None:
    (root / "a.txt").write_text("one\ntwo\nthree\n")
    assert await use(search, pattern="TWO", path="a.txt") == "No line matches 'TWO'."
    assert await use(search, pattern="TWO", path="a.txt", ignore_case=True) == "a.txt:2:two"
    shown = await use(search, pattern="two", path="a.txt", context_lines=1)
    assert shown == "a.txt-1-one\na.txt:2:two\na.txt-3-three"


@pytest.mark.parametrize("pattern", ["-e", "--open-files-in-pager=touch x", "$(touch x)", "; touch x"])
async def test_a_pattern_is_only_ever_a_pattern(root: Path, use: Use, pattern: str) -> None:
    before = sorted(path.name for path in root.iterdir())
    assert "No line matches" in await use(search, pattern=pattern)
    assert sorted(path.name for path in root.iterdir()) == before


async def test_a_bad_pattern_is_explained(use: Use) -> None:
    with pytest.raises(ToolError, match=r"The search for '\(' failed: .*[Uu]nmatched"):
        await use(search, pattern="(")


async def test_binary_files_are_passed_over_and_long_output_is_cut(root: Path, use: Use) -> None:
    (root / "a.bin").write_bytes(b"needle\0needle\n")
    (root / "a.txt").write_text("needle " + "x" * 1000 + "\n" + "needle\n" * 5)
    lines = (await use(search, pattern="needle", limit=3)).split("\n")
    assert len(lines[0]) == 400
    assert lines[1:] == ["a.txt:2:needle", "a.txt:3:needle", "(3 more lines; search for something narrower)"]


async def test_a_match_is_one_line_whatever_characters_are_in_it(root: Path, use: Use) -> None:
    (root / "a.txt").write_bytes("form\x0cfeed\u2028needle\r\n".encode())
    assert (await use(search, pattern="needle")).count("\n") == 0


async def test_a_search_leaves_the_repository_as_it_was(root: Path, use: Use) -> None:
    await use(search, pattern="x")
    await use(list_files)
    assert run_git(root, "status", "--porcelain") == ""
