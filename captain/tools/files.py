"""Reading and changing files in the workspace, always through the box."""

from __future__ import annotations

import difflib
from typing import Annotated, Final

from captain.core.errors import ToolError
from captain.tools.base import ToolContext, ToolOutput, said, tool

FILE_LIMIT_BYTES: Final = 4_000_000
LINE_LIMIT_CHARS: Final = 2_000

Path = Annotated[str, "Path from the root of the repository, with / between its parts."]


@tool(effect="read")
async def read(
    context: ToolContext,
    path: Path,
    offset: Annotated[int, "Number of the first line to show, from 1."] = 1,
    limit: Annotated[int, "How many lines to show at most."] = 400,
) -> ToolOutput:
    """Shows a text file with line numbers."""
    text = _decode(await context.box.read(path, limit_bytes=FILE_LIMIT_BYTES), path)
    lines = _lines(text)
    first = max(offset, 1)
    shown = lines[first - 1 : first - 1 + max(limit, 1)]
    if not shown:
        return said(f"{path} has {len(lines)} lines; there is nothing from line {first} on.")
    body = "\n".join(f"{number:>6}\t{_shown(line)}" for number, line in enumerate(shown, first))
    left = len(lines) - (first - 1 + len(shown))
    return said(body + (f"\n({left} more lines; read on with offset={first + len(shown)})" if left else ""))


@tool(effect="write")
async def write(
    context: ToolContext, path: Path, content: Annotated[str, "The whole new content of the file."]
) -> ToolOutput:
    """Writes a whole file, making it and its folders where they do not exist."""
    data = _encode(content)
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
    text = _decode(await context.box.read(path, limit_bytes=FILE_LIMIT_BYTES), path)
    old, new = _in_line_ends_of(text, old, new)
    count = text.count(old)
    if count == 0:
        raise ToolError(f"`old` does not occur in {path}.{_nearest(text, old)}")
    if count > 1 and not everywhere:
        raise ToolError(
            f"`old` occurs {count} times in {path}. Give more of the text around it, or set `everywhere` to true."
        )
    await context.box.write(path, _encode(text.replace(old, new)))
    return said(f"Replaced {count} occurrence{'s' if count > 1 else ''} in {path}.")


def _decode(data: bytes, path: str) -> str:
    """Bytes that are no UTF-8 survive a round trip as surrogate escapes."""
    if b"\0" in data[:8192]:
        raise ToolError(f"{path} is a binary file ({len(data)} bytes); it cannot be shown or edited as text.")
    return data.decode("utf-8", "surrogateescape")


def _encode(text: str) -> bytes:
    try:
        return text.encode("utf-8", "surrogateescape")
    except UnicodeEncodeError as error:
        raise ToolError(f"The text cannot be written: it holds {text[error.start]!r}, which is no character.") from None


def _lines(text: str) -> list[str]:
    """Lines as git, editors and compilers count them: `str.splitlines` would also end one at a form feed."""
    lines = text.removesuffix("\n").split("\n") if text else []
    return [line.removesuffix("\r") for line in lines]


def _shown(line: str) -> str:
    if len(line) <= LINE_LIMIT_CHARS:
        return line
    return f"{line[:LINE_LIMIT_CHARS]} … ({len(line) - LINE_LIMIT_CHARS} more characters in this line)"


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


def _nearest(text: str, old: str) -> str:
    """The lines that look most like what was asked for, because the usual cause is white space."""
    wanted = _lines(old.strip())
    if not wanted:
        return ""
    lines = _lines(text)
    near = difflib.get_close_matches(wanted[0].strip(), [line.strip() for line in lines], n=1, cutoff=0.6)
    if not near:
        return " Read the file again: it may have changed."
    start = next(number for number, line in enumerate(lines) if line.strip() == near[0])
    excerpt = "\n".join(lines[start : start + len(wanted)])
    return f" The nearest text is at line {start + 1}:\n{excerpt}"
