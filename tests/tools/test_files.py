"""Files are shown as they are and changed exactly where that was meant."""

from __future__ import annotations

import tempfile
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from captain.agent import Agent, Crewmate
from captain.core.errors import ToolError
from captain.core.messages import Media, Text, ToolResult
from captain.models import Profile, ScriptedModel, call
from captain.models.base import IMAGE_TYPES
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


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (b"%PDF-1.7\0", ", PDF document"),
        (b"PK\x03\x04\0", ", ZIP archive or office document"),
        (b"\x7fELF\0", ", ELF program or library"),
        (b"SQLite format 3\0", ", SQLite database"),
        (b"\xff\xfe\0\0x\0\0\0", ", UTF-32 text"),
        (b"what\0ever", ""),
    ],
)
async def test_a_binary_file_is_described_in_a_few_words(root: Path, use: Use, data: bytes, kind: str) -> None:
    (root / "a.bin").write_bytes(data)
    with pytest.raises(ToolError) as caught:
        await use(read, path="a.bin")
    assert str(caught.value).startswith(f"a.bin is a binary file ({len(data)} bytes{kind}); ")


IMAGES = [
    ("image/png", b"\x89PNG\r\n\x1a\n\0rest"),
    ("image/jpeg", b"\xff\xd8\xff\xe0\0rest"),
    ("image/gif", b"GIF89a\0rest"),
    ("image/webp", b"RIFF\x10\0\0\0WEBPVP8 "),
]


@pytest.mark.parametrize(("media_type", "data"), IMAGES)
async def test_an_image_is_shown_to_a_model_that_reads_it(
    root: Path, context: ToolContext, media_type: str, data: bytes
) -> None:
    (root / "image").write_bytes(data)
    seeing = replace(context, image_types=IMAGE_TYPES)
    said, image = (await read.call({"path": "image"}, seeing)).content
    assert isinstance(said, Text)
    assert image == Media(media_type=media_type, data=data)
    others = replace(context, image_types=tuple(each for each in IMAGE_TYPES if each != media_type))
    for blind in (context, others):
        (only,) = (await read.call({"path": "image"}, blind)).content
        assert isinstance(only, Text)
        assert "the model at work is not known to read such images" in only.text


async def test_an_image_that_is_too_large_for_the_model_is_not_sent(root: Path, context: ToolContext) -> None:
    (root / "image").write_bytes(IMAGES[0][1] + bytes(100))
    small = replace(context, image_types=IMAGE_TYPES, image_bytes=50)
    (said,) = (await read.call({"path": "image"}, small)).content
    assert isinstance(said, Text)
    assert "images may have 50 bytes at most" in said.text


async def test_what_a_model_reads_is_told_by_its_profile(root: Path) -> None:
    """From the profile through the agent to the tool, and back into the conversation."""
    (root / "image.png").write_bytes(IMAGES[0][1])
    for images in (True, False):
        model = ScriptedModel([call("read", path="image.png"), "Seen."], profile=Profile(family="f", images=images))
        box = LocalBox(root, {})
        result = await Agent(mate=Crewmate(model=model), instructions="Look.", tools=(read,)).run("Go.", box=box)
        await box.close()
        results = [part for part in result.messages[2].parts if isinstance(part, ToolResult)]
        assert any(isinstance(part, Media) for part in results[0].content) == images


async def test_a_part_of_a_file_of_any_size_is_shown(root: Path, use: Use) -> None:
    lines = 1_000_000
    with (root / "huge.txt").open("w") as file:
        file.writelines(f"line {number}\r\n" for number in range(1, lines + 1))
        file.write("last")
    size = (root / "huge.txt").stat().st_size
    shown = await use(read, path="huge.txt", offset=900_000, limit=2)
    assert shown == f"900000\tline 900000\n900001\tline 900001\n(of {size} bytes; read on with offset=900002)"
    assert (await use(read, path="huge.txt", limit=1)).startswith("     1\tline 1\n(of ")
    assert (await use(read, path="huge.txt", offset=lines + 1)).startswith("1000001\tlast\n")
    assert await use(read, path="huge.txt", offset=lines + 2) == (
        "huge.txt has 1000001 lines; there is nothing from line 1000002 on."
    )


async def test_a_line_longer_than_memory_would_like_is_cut(root: Path, use: Use) -> None:
    with (root / "huge.txt").open("wb") as file:
        file.write(b"first\n" + b"x" * 9_000_000 + b"\nlast\n")
    first, second, third, _ = (await use(read, path="huge.txt")).split("\n")
    assert (first, third) == ("     1\tfirst", "     3\tlast")
    assert second.endswith("x … (a line of 9000000 bytes)")
    assert len(second) < 2100


async def test_a_sparse_file_of_100_gigabytes_is_answered(root: Path, use: Use) -> None:
    with (root / "sparse").open("wb") as file:
        file.truncate(100 * 1024**3)
    with pytest.raises(ToolError, match=r"sparse is a binary file \(107374182400 bytes\)"):
        await use(read, path="sparse")


async def test_bytes_that_are_no_character_are_shown_so_that_they_can_be_sent(root: Path, use: Use) -> None:
    (root / "a.txt").write_bytes(b"caf\xe9 \xc3\xa9\n")
    assert await use(read, path="a.txt") == "     1\tcaf� é"


@pytest.mark.parametrize("encoding", ["utf-16-le", "utf-16-be", "utf-8-sig"])
async def test_files_with_a_mark_are_shown_as_text_and_keep_it(root: Path, use: Use, encoding: str) -> None:
    mark = "" if encoding == "utf-8-sig" else "\ufeff"
    (root / "a.txt").write_bytes(f"{mark}one ü\r\ntwo\r\n".encode(encoding))
    assert await use(read, path="a.txt") == "     1\tone ü\n     2\ttwo"
    await use(edit, path="a.txt", old="one ü\ntwo", new="1 😀\n2")
    assert (root / "a.txt").read_bytes() == f"{mark}1 😀\r\n2\r\n".encode(encoding)
    with pytest.raises(ToolError, match="no character"):
        await use(edit, path="a.txt", old="2", new="half \ud83d")


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
    ("old", "says"),
    [
        ("def add(a, b):\n  return a - b", "line 4 begins with 4 spaces, in `old` with 2 spaces"),
        ("def add(a, b):\n\treturn a - b", "line 4 begins with 4 spaces, in `old` with 1 tab"),
        ("def add(a, b):  \n", "line 3 ends with no white space, in `old` with 2 spaces"),
        ("def add( a, b ):", "line 3 has other white space between its words"),
        ("def add(a, b):\n    return a + b", "The nearest text is at line 3:\ndef add(a, b):\n    return a - b"),
        ("def sub(a, b):\n    return 1", "Also like it: line 11. The nearest text is at line 6:"),
    ],
)
async def test_a_mismatch_names_what_is_different_and_where(root: Path, use: Use, old: str, says: str) -> None:
    before = "import os\n\ndef add(a, b):\n    return a - b\n\ndef sub(a, b):\n    x = 1\n    return 2\n\n\n"
    (root / "a.py").write_text(before + "def sub(a, b):\n    y = 1\n")
    with pytest.raises(ToolError) as caught:
        await use(edit, path="a.py", old=old, new="x")
    assert says in str(caught.value)


async def test_an_edit_that_was_made_before_is_recognised(root: Path, use: Use) -> None:
    (root / "a.py").write_text("import os\n\nvalue = compute(1)\n")
    await use(edit, path="a.py", old="value = compute(1)", new="value = calculate(1)")
    with pytest.raises(ToolError, match="`new` is there already, at line 3: was this edit made before"):
        await use(edit, path="a.py", old="value = compute(1)", new="value = calculate(1)")


async def test_the_nearest_text_in_a_long_file_is_found(root: Path, use: Use) -> None:
    (root / "a.py").write_text("".join(f"    value_{number} = {number}\n" for number in range(100_000)))
    with pytest.raises(ToolError, match="The nearest text is at line 90001:"):
        await use(edit, path="a.py", old="  value_90000 = 90000\n  value_90001 = 90001", new="x")


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


TEXT = st.text(st.characters(exclude_categories=()), max_size=20).map(lambda text: text.replace("<", " "))


@settings(max_examples=60, deadline=None)
@given(before=TEXT, after=TEXT, little=st.booleans())
async def test_in_utf_16_too_bytes_around_an_edit_stay_whatever_they_are(before: str, after: str, little: bool) -> None:
    encoding = "utf-16-le" if little else "utf-16-be"

    def encoded(text: str) -> bytes:
        return f"\ufeff{before}{text}{after}".encode(encoding, "surrogatepass")

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "a.txt"
        path.write_bytes(encoded("<here>"))
        box = LocalBox(Path(folder), {})
        if encoded("").startswith(b"\xff\xfe\0\0"):  # which is the mark of UTF-32
            before = ""
            path.write_bytes(encoded("<here>"))
        await edit.call({"path": "a.txt", "old": "<here>", "new": "😀"}, ToolContext(maybe_box=box))
        await box.close()
        assert path.read_bytes() == encoded("😀")


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
