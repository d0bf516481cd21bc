"""Files are shown as they are and changed exactly where that was meant."""

from __future__ import annotations

import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from captain.core.errors import ToolError
from captain.sandbox.local import LocalBox
from captain.tools import ToolContext, edit, read, write
from tests.tools.conftest import Use


async def test_a_file_is_shown_with_line_numbers(root: Path, use: Use) -> None:
    (root / "a.txt").write_text("one\n\nthree")
    assert await use(read, path="a.txt") == "     1\tone\n     2\t\n     3\tthree"


async def test_a_part_of_a_file_says_how_to_read_on(root: Path, use: Use) -> None:
    (root / "a.txt").write_text("".join(f"line {number}\n" for number in range(1, 11)))
    shown = await use(read, path="a.txt", offset=3, limit=2)
    assert shown == "     3\tline 3\n     4\tline 4\n(6 more lines; read on with offset=5)"
    assert (await use(read, path="a.txt", offset=9, limit=5)).splitlines() == ["     9\tline 9", "    10\tline 10"]
    assert await use(read, path="a.txt", offset=11) == "a.txt has 10 lines; there is nothing from line 11 on."


@pytest.mark.parametrize(("offset", "limit"), [(0, 1), (-3, 0), (1, -1)])
async def test_numbers_out_of_range_are_taken_for_the_nearest_that_make_sense(
    root: Path, use: Use, offset: int, limit: int
) -> None:
    (root / "a.txt").write_text("one\ntwo\n")
    assert (await use(read, path="a.txt", offset=offset, limit=limit)).startswith("     1\tone")


async def test_an_empty_file_is_said_to_have_no_lines(root: Path, use: Use) -> None:
    (root / "a.txt").write_text("")
    assert "0 lines" in await use(read, path="a.txt")


async def test_lines_are_numbered_as_git_numbers_them(root: Path, use: Use) -> None:
    (root / "a.txt").write_bytes("form\x0cfeed\x1c\u2028still one\r\ntwo\n".encode())
    shown = (await use(read, path="a.txt")).split("\n")
    assert [line[:7] for line in shown] == ["     1\t", "     2\t"]
    assert shown[1] == "     2\ttwo"


async def test_a_very_long_line_is_cut_and_says_so(root: Path, use: Use) -> None:
    (root / "a.txt").write_text("x" * 5000 + "\nshort\n")
    first, second = (await use(read, path="a.txt")).split("\n")
    assert first.endswith("x … (3000 more characters in this line)")
    assert second == "     2\tshort"


async def test_a_binary_file_is_neither_shown_nor_edited(root: Path, use: Use) -> None:
    (root / "a.bin").write_bytes(b"PK\0\x01")
    with pytest.raises(ToolError, match=r"a\.bin is a binary file \(4 bytes\)"):
        await use(read, path="a.bin")
    with pytest.raises(ToolError, match="binary"):
        await use(edit, path="a.bin", old="P", new="Q")
    assert (root / "a.bin").read_bytes() == b"PK\0\x01"


@pytest.mark.parametrize("path", ["../secret", "/etc/hostname", "a/../../secret", ".git/config", "", "no\0such"])
async def test_what_is_outside_or_gits_own_is_neither_read_nor_written(root: Path, use: Use, path: str) -> None:
    (root.parent / "secret").write_text("s")
    with pytest.raises(ToolError):
        await use(read, path=path)
    with pytest.raises(ToolError):
        await use(write, path=path, content="x")
    with pytest.raises(ToolError):
        await use(edit, path=path, old="s", new="x")
    assert (root.parent / "secret").read_text() == "s"


async def test_an_agent_without_a_workspace_is_told_so() -> None:
    with pytest.raises(ToolError, match="needs a workspace"):
        await read.call({"path": "a.txt"}, ToolContext())


async def test_a_new_file_is_written_with_its_folders(root: Path, use: Use) -> None:
    assert await use(write, path="a/b/c.txt", content="ü\n") == "Wrote a/b/c.txt: 3 bytes."
    assert (root / "a/b/c.txt").read_bytes() == "ü\n".encode()


async def test_text_that_no_file_can_hold_is_told_not_raised(root: Path, use: Use) -> None:
    (root / "a.txt").write_text("one")
    with pytest.raises(ToolError, match="no character"):
        await use(write, path="b.txt", content="half \ud83d")
    with pytest.raises(ToolError, match="no character"):
        await use(edit, path="a.txt", old="one", new="half \ud83d")
    assert (root / "a.txt").read_text() == "one"
    assert not (root / "b.txt").exists()


async def test_text_that_occurs_once_is_replaced(root: Path, use: Use) -> None:
    (root / "a.txt").write_text("one two three")
    assert await use(edit, path="a.txt", old="two", new="2") == "Replaced 1 occurrence in a.txt."
    assert (root / "a.txt").read_text() == "one 2 three"


async def test_text_that_occurs_more_than_once_is_left_alone_unless_everywhere_is_meant(root: Path, use: Use) -> None:
    (root / "a.txt").write_text("x x x")
    with pytest.raises(ToolError, match=r"occurs 3 times in a\.txt"):
        await use(edit, path="a.txt", old="x", new="y")
    assert (root / "a.txt").read_text() == "x x x"
    assert await use(edit, path="a.txt", old="x", new="y", everywhere=True) == "Replaced 3 occurrences in a.txt."
    assert (root / "a.txt").read_text() == "y y y"


@pytest.mark.parametrize(("old", "new", "says"), [("a", "a", "same text"), ("", "a", "`old` is empty")])
async def test_an_edit_that_means_nothing_is_refused(root: Path, use: Use, old: str, new: str, says: str) -> None:
    with pytest.raises(ToolError, match=says):
        await use(edit, path="README.md", old=old, new=new)


async def test_a_mismatch_shows_the_text_that_looks_most_like_it(root: Path, use: Use) -> None:
    (root / "a.py").write_text("import os\n\ndef add(a, b):\n    return a - b\n")
    with pytest.raises(ToolError) as caught:
        await use(edit, path="a.py", old="def add(a,b):\n  return a - b", new="x")
    assert str(caught.value).endswith("The nearest text is at line 3:\ndef add(a, b):\n    return a - b")
    with pytest.raises(ToolError, match="Read the file again"):
        await use(edit, path="a.py", old="nothing like this at all", new="x")
    with pytest.raises(ToolError, match=r"does not occur in a\.py\.$"):
        await use(edit, path="a.py", old="\n\n\n\n", new="x")


@pytest.mark.parametrize(
    ("before", "old", "new", "after"),
    [
        (b"one\r\ntwo\r\n", "one\ntwo", "1\n2\n3", b"1\r\n2\r\n3\r\n"),
        (b"one\r\ntwo\r\n", "two", "2\n3", b"one\r\n2\r\n3\r\n"),
        (b"one\r\ntwo\r\n", "one\r\ntwo", "1\n2", b"1\r\n2\r\n"),
        (b"one\r\ntwo\r\n", "\ntwo", "\n2", b"one\r\n2\r\n"),
        (b"a\nb\nc\r\nd\r\n", "a\nb", "1\n2", b"1\n2\nc\r\nd\r\n"),
        (b"a\nb\nc\r\nd\r\n", "c\nd", "3\n4", b"a\nb\n3\r\n4\r\n"),
        (b"one\ntwo\n", "one\n", "1\r\n", b"1\r\ntwo\n"),  # asked for
    ],
)
async def test_line_ends_stay_as_they_are(  # noqa: PLR0917 - a table
    root: Path, use: Use, before: bytes, old: str, new: str, after: bytes
) -> None:
    (root / "a.txt").write_bytes(before)
    await use(edit, path="a.txt", old=old, new=new)
    assert (root / "a.txt").read_bytes() == after


async def test_a_byte_order_mark_and_the_mode_stay(root: Path, use: Use) -> None:
    (root / "a.sh").write_bytes("\ufeffecho one\n".encode())
    (root / "a.sh").chmod(0o755)
    await use(edit, path="a.sh", old="echo one", new="echo two")
    assert (root / "a.sh").read_bytes() == "\ufeffecho two\n".encode()
    assert (root / "a.sh").stat().st_mode & 0o777 == 0o755


BYTES = st.binary(max_size=40).map(lambda data: data.replace(b"\0", b"\xff").replace(b"<here>", b""))


@settings(max_examples=60, deadline=None)
@given(before=BYTES, after=BYTES)
async def test_bytes_around_an_edit_stay_whatever_they_are(before: bytes, after: bytes) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.txt"
        path.write_bytes(before + b"<here>" + after)
        box = LocalBox(Path(folder), {})
        await edit.call({"path": "a.txt", "old": "<here>", "new": "mark"}, ToolContext(maybe_box=box))
        await box.close()
        assert path.read_bytes() == before + b"mark" + after


LINES = st.lists(st.text(st.sampled_from("ab \t"), min_size=1, max_size=3), min_size=1, max_size=4)


@settings(max_examples=60, deadline=None)
@given(before=LINES, old=LINES, new=LINES, after=LINES)
async def test_a_file_of_one_kind_of_line_ends_keeps_that_kind(
    before: list[str], old: list[str], new: list[str], after: list[str]
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.txt"
        path.write_bytes("\r\n".join([*before, "<", *old, ">", *after]).encode())
        box = LocalBox(Path(folder), {})
        arguments = {"path": "a.txt", "old": "\n".join(["<", *old]), "new": "\n".join(["<", *new, "!"])}
        await edit.call(arguments, ToolContext(maybe_box=box))
        await box.close()
        assert path.read_bytes() == "\r\n".join([*before, "<", *new, "!", ">", *after]).encode()
