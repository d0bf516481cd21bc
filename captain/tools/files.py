"""Reading and changing files in the workspace, always through the box."""

from __future__ import annotations

from functools import partial
from typing import Annotated, Final

from anyio import to_thread

from captain.core.errors import ToolError
from captain.core.messages import Media, Text
from captain.sandbox import Box, FilePart
from captain.tools.base import ToolContext, ToolOutput, said, tool
from captain.tools.kinds import IMAGE_NAMES, image_type_of
from captain.tools.mismatch import mismatch
from captain.tools.text import decode, describe_binary, encode_new, is_binary, lines_of, presentable

FILE_LIMIT_BYTES: Final = 4_000_000
LINE_LIMIT_CHARS: Final = 2_000
_SCAN_LIMIT_BYTES: Final = 256 * 1024 * 1024
_LINE_KEPT_BYTES: Final = 4 * LINE_LIMIT_CHARS

Path = Annotated[str, "Path from the root of the repository, with / between its parts."]


@tool(effect="read")
async def read(
    context: ToolContext,
    path: Path,
    offset: Annotated[int, "Number of the first line to show, from 1."] = 1,
    limit: Annotated[int, "How many lines to show at most."] = 400,
) -> ToolOutput:
    """Shows a text file with line numbers, or an image. Of a large file, give offset and limit."""
    begin = await context.box.read_part(path, offset_bytes=0, limit_bytes=FILE_LIMIT_BYTES)
    if (image := image_type_of(begin.data)) is not None:
        return _image(context, path, image, begin)
    first, limit = max(offset, 1), max(limit, 1)
    if begin.size_bytes > len(begin.data):
        return await _part_of_large(context.box, path, begin, first, limit)
    lines = lines_of(decode(begin.data, path).text)
    shown = lines[first - 1 : first - 1 + limit]
    if not shown:
        return said(f"{path} has {len(lines)} lines; there is nothing from line {first} on.")
    left = len(lines) - (first - 1 + len(shown))
    more = f"\n({left} more lines; read on with offset={first + len(shown)})" if left else ""
    return said(_numbered(shown, first) + more)


def _image(context: ToolContext, path: str, image: str, part: FilePart) -> ToolOutput:
    what = f"{path} is a {IMAGE_NAMES[image]} ({part.size_bytes} bytes)"
    limit = min(context.image_bytes or FILE_LIMIT_BYTES, FILE_LIMIT_BYTES)
    if image not in context.image_types:
        return said(f"{what}. It cannot be shown: the model at work is not known to read such images.")
    if part.size_bytes > limit:
        return said(f"{what}. It cannot be shown: images may have {limit} bytes at most.")
    return ToolOutput(content=(Text(text=f"{what}:"), Media(media_type=image, data=part.data)))


async def _part_of_large(box: Box, path: str, begin: FilePart, first: int, limit: int) -> ToolOutput:
    """Lines of a file that is not taken into memory as a whole."""
    if is_binary(begin.data):
        raise ToolError(f"{describe_binary(path, begin.data, begin.size_bytes)}; it cannot be shown as text.")
    number, offset, data, kept = 1, 0, begin.data, _Line()
    shown: list[str] = []
    while data and len(shown) < limit:
        offset += len(data)
        *whole, rest = data.split(b"\n")
        for piece in whole:
            if number >= first and len(shown) < limit:
                shown.append(kept.ended(piece))
            kept, number = _Line(), number + 1
        kept.add(rest)
        if offset > _SCAN_LIMIT_BYTES and len(shown) < limit:
            raise ToolError(
                f"Line {first} of {path} is not within its first {_SCAN_LIMIT_BYTES} bytes. Use the shell: sed or tail."
            )
        data = (await box.read_part(path, offset_bytes=offset, limit_bytes=FILE_LIMIT_BYTES)).data
    if not data and kept and len(shown) < limit:  # the last line has no end
        shown += [kept.ended(b"")] if number >= first else []
        number += 1
    if not shown:
        return said(f"{path} has {number - 1} lines; there is nothing from line {first} on.")
    more = f"\n(of {begin.size_bytes} bytes; read on with offset={first + len(shown)})"
    return said("\n".join(f"{at:>6}\t{line}" for at, line in enumerate(shown, first)) + more)


class _Line:
    """A line that may be longer than memory: its beginning, and how much more there is."""

    def __init__(self) -> None:
        self._begin = b""
        self._bytes = 0

    def __bool__(self) -> bool:
        return self._bytes > 0

    def add(self, piece: bytes) -> None:
        self._begin += piece[: _LINE_KEPT_BYTES - len(self._begin)]
        self._bytes += len(piece)

    def ended(self, piece: bytes) -> str:
        self.add(piece)
        text = self._begin.decode("utf-8", "replace").removesuffix("\r")
        if self._bytes > len(self._begin):
            return f"{text[:LINE_LIMIT_CHARS]} … (a line of {self._bytes} bytes)"
        return _shown(text)


@tool(effect="write")
async def write(
    context: ToolContext, path: Path, content: Annotated[str, "The whole new content of the file."]
) -> ToolOutput:
    """Writes a whole file, making it and its folders where they do not exist."""
    data = encode_new(content)
    await context.box.write(path, data)
    return said(f"Wrote {path}: {len(data)} bytes.")


@tool(effect="write")
async def edit(
    context: ToolContext,
    path: Path,
    old: Annotated[str, "The exact text to replace; it must occur exactly once unless `everywhere` is true."],
    new: Annotated[str, "The text to put in its place."],
    everywhere: Annotated[bool, "Replace every occurrence."] = False,
) -> ToolOutput:
    """Replaces an exact piece of text in a file. Line ends and encoding stay as they are."""
    if old == new:
        raise ToolError("`old` and `new` are the same text, so there is nothing to change.")
    if not old:
        raise ToolError("`old` is empty. Give the text to replace, or use `write` for a new file.")
    file = decode(await context.box.read(path, limit_bytes=FILE_LIMIT_BYTES), path)
    old, new = _in_line_ends_of(file.text, old, new)
    encode_new(new)  # in UTF-16, half of a pair could be written
    count = file.text.count(old)
    if count == 0:
        report = await to_thread.run_sync(partial(mismatch, file.text, old, new))
        raise ToolError(f"`old` does not occur in {path}.{report}")
    if count > 1 and not everywhere:
        raise ToolError(
            f"`old` occurs {count} times in {path}, at lines {_line_numbers(file.text, old)}. "
            "Give more of the text around it, or set `everywhere` to true."
        )
    await context.box.write(path, file.encode(file.text.replace(old, new)))
    return said(f"Replaced {count} occurrence{'s' if count > 1 else ''} in {path}.")


def _numbered(lines: list[str], first: int) -> str:
    return "\n".join(f"{number:>6}\t{_shown(presentable(line))}" for number, line in enumerate(lines, first))


def _shown(line: str) -> str:
    if len(line) <= LINE_LIMIT_CHARS:
        return line
    return f"{line[:LINE_LIMIT_CHARS]} … ({len(line) - LINE_LIMIT_CHARS} more characters in this line)"


def _line_numbers(text: str, piece: str, *, most: int = 5) -> str:
    numbers: list[str] = []
    at = text.find(piece)
    while at >= 0 and len(numbers) <= most:
        numbers.append(str(text.count("\n", 0, at) + 1))
        at = text.find(piece, at + len(piece))
    return ", ".join(numbers[:most]) + (" and more" if len(numbers) > most else "")


def _in_line_ends_of(text: str, old: str, new: str) -> tuple[str, str]:
    """Models write \\n, whatever the file has. Where a file has both, those of the place that is meant count."""
    if "\r\n" not in text:
        return old, new
    if old not in text or old.startswith("\n"):
        old = _crlf(old)
    bare = "\n" in old.replace("\r\n", "")
    return old, new if bare else _crlf(new)


def _crlf(text: str) -> str:
    return text.replace("\r\n", "\n").replace("\n", "\r\n")
