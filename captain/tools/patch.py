"""Patches as models write them: what they say, before any file is looked at.

Two dialects. The one OpenAI's models are trained on (`*** Begin Patch`) has no line numbers: a place is
found by its text, below the lines that `@@` names. Unified diffs have line numbers, which models often get
wrong: they count only where the same text stands in several places, and the counts of lines not at all.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final, Literal, TypeAlias

from captain.core.errors import ToolError

Sign: TypeAlias = Literal[" ", "-", "+"]

_BEGIN: Final = "*** Begin Patch"
_END: Final = "*** End Patch"
_ADD: Final = "*** Add File: "
_DELETE: Final = "*** Delete File: "
_UPDATE: Final = "*** Update File: "
_MOVE: Final = "*** Move to: "
_END_OF_FILE: Final = "*** End of File"
_HUNK: Final = re.compile(r"@@ -(\d+)(?:,\d+)? \+\d+(?:,\d+)? @@ ?(.*)")
_NO_END: Final = "\\ No newline at end of file"
_NOWHERE: Final = "/dev/null"
_ESCAPED: Final = re.compile(rb'\\([0-7]{3}|[abtnvfr"\\])')
_ESCAPES: Final = {b"a": 7, b"b": 8, b"t": 9, b"n": 10, b"v": 11, b"f": 12, b"r": 13, b'"': 34, b"\\": 92}


@dataclass(frozen=True, slots=True)
class PatchLine:
    """`ends` is False where the patch says that the line is the file's last and has no line end."""

    sign: Sign
    text: str
    ends: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Hunk:
    """`below` are lines that the place lies below, in their order; `near` is its line number as the patch has it."""

    lines: tuple[PatchLine, ...]
    below: tuple[str, ...] = ()
    near: int | None = None
    at_end: bool = False

    @property
    def old(self) -> tuple[str, ...]:
        return tuple(line.text for line in self.lines if line.sign != "+")


@dataclass(frozen=True, slots=True, kw_only=True)
class AddFile:
    path: str
    content: str


@dataclass(frozen=True, slots=True, kw_only=True)
class DeleteFile:
    path: str


@dataclass(frozen=True, slots=True, kw_only=True)
class UpdateFile:
    path: str
    hunks: tuple[Hunk, ...]
    move_to: str | None = None


FileChange: TypeAlias = AddFile | DeleteFile | UpdateFile


def parse_patch(text: str) -> tuple[FileChange, ...]:
    """Raises `ToolError` with the number of the line that cannot be read."""
    lines = [line.removesuffix("\r") for line in text.split("\n")]
    reader = _Reader(lines)
    begin = next((number for number, line in enumerate(lines) if line.strip() == _BEGIN), None)
    if begin is not None:
        reader.at = begin + 1
        changes = tuple(_own_files(reader))
    else:
        changes = tuple(_unified_files(reader))
    if not changes:
        raise ToolError(
            "The patch changes no file. Write it as `*** Begin Patch`, then `*** Update File: path` with its hunks, "
            "`*** Add File: path` or `*** Delete File: path`, then `*** End Patch`; or as a unified diff."
        )
    return changes


@dataclass(slots=True)
class _Reader:
    lines: Sequence[str]
    at: int = 0

    @property
    def line(self) -> str | None:
        return self.lines[self.at] if self.at < len(self.lines) else None

    def peek(self, ahead: int) -> str:
        place = self.at + ahead
        return self.lines[place] if place < len(self.lines) else ""

    def error(self, what: str) -> ToolError:
        shown = repr(self.line) if self.line is not None else "the end of the patch"
        return ToolError(f"Line {self.at + 1} of the patch, {shown}, {what} Nothing was changed.")


def _own_files(reader: _Reader) -> Iterator[FileChange]:
    while (line := reader.line) is not None and line.strip() != _END:
        if line.startswith(_ADD):
            yield _added(reader)
        elif line.startswith(_DELETE):
            reader.at += 1
            yield DeleteFile(path=line.removeprefix(_DELETE).strip())
        elif line.startswith(_UPDATE):
            yield _updated(reader)
        elif line.strip():
            raise reader.error(f"is not the begin of a file: `{_UPDATE}path`, `{_ADD}path` or `{_DELETE}path`.")
        else:
            reader.at += 1
    if reader.line is None:
        raise reader.error(f"comes where `{_END}` is missing: the patch may have been cut off.")


def _added(reader: _Reader) -> AddFile:
    path = (reader.line or "").removeprefix(_ADD).strip()
    reader.at += 1
    content = []
    while (line := reader.line) is not None and line.startswith("+"):
        content.append(f"{line[1:]}\n")
        reader.at += 1
    if line is not None and line.strip() and not line.startswith("*** "):
        raise reader.error(f"does not begin with +, as every line of the new file {path} has to.")
    return AddFile(path=path, content="".join(content))


def _updated(reader: _Reader) -> UpdateFile:
    path, move_to = (reader.line or "").removeprefix(_UPDATE).strip(), None
    reader.at += 1
    if (line := reader.line) is not None and line.startswith(_MOVE):
        move_to = line.removeprefix(_MOVE).strip()
        reader.at += 1
    hunks = []
    while (line := reader.line) is not None and not (line.startswith("*** ") and line.strip() != _END_OF_FILE):
        if _in_gap(reader):
            reader.at += 1
            continue
        hunks.append(_own_hunk(reader, path))
    if not hunks and move_to is None:
        raise reader.error(f"comes where the hunks for {path} are missing.")
    return UpdateFile(path=path, hunks=tuple(hunks), move_to=move_to)


def _in_gap(reader: _Reader) -> bool:
    """Whether this line and all up to the next header are blank: the end of a hunk, though maybe context too."""
    rest = next((line for line in reader.lines[reader.at :] if line.strip()), "*** ")
    return not (reader.line or "").strip() and rest.startswith(("@@", "*** ", "--- ", "diff "))


def _own_hunk(reader: _Reader, path: str) -> Hunk:
    below: list[str] = []
    near = None
    while (line := reader.line) is not None and line.startswith("@@"):
        numbered = _HUNK.fullmatch(line)
        name = numbered[2] if numbered else line[2:].strip().removesuffix("@@").strip()
        near = int(numbered[1]) if numbered else near
        below += [name] if name and not numbered else []
        reader.at += 1
    body = _Body()
    while (line := reader.line) is not None and not line.startswith(("@@", "*** ")) and not _in_gap(reader):
        if not body.take(line):
            break
        reader.at += 1
    at_end = reader.line is not None and reader.line.strip() == _END_OF_FILE
    if at_end:
        reader.at += 1
    if not body.lines:
        raise reader.error(f"is not a line of a hunk for {path}: those begin with a space, - or +.")
    return Hunk(lines=body.done(), below=tuple(below), near=near, at_end=at_end)


@dataclass(slots=True)
class _Body:
    """The lines of a hunk as they come."""

    lines: list[PatchLine] = field(default_factory=list)

    def take(self, line: str) -> bool:
        """False for what is no line of a hunk. An empty one is a line of context that lost its space."""
        if line == _NO_END and self.lines:
            last = self.lines[-1]
            self.lines[-1] = PatchLine(last.sign, last.text, ends=False)
        elif not line:
            self.lines.append(PatchLine(" ", ""))
        elif line[0] == " ":
            self.lines.append(PatchLine(" ", line[1:]))
        elif line[0] == "-":
            self.lines.append(PatchLine("-", line[1:]))
        elif line[0] == "+":
            self.lines.append(PatchLine("+", line[1:]))
        else:
            return False
        return True

    def done(self) -> tuple[PatchLine, ...]:
        return tuple(self.lines)


def _unified_files(reader: _Reader) -> Iterator[FileChange]:
    """What stands before `---` is talk, or git's own header, of which a pure rename is all there is."""
    renamed_from = ""
    while (line := reader.line) is not None:
        if line.startswith("--- ") and reader.peek(1).startswith("+++ "):
            yield _unified_file(reader)
            renamed_from = ""
            continue
        if line.startswith("rename from "):
            renamed_from = _name(line.removeprefix("rename from "))
        elif line.startswith("rename to ") and renamed_from and not _has_hunks(reader, renamed_from):
            yield UpdateFile(path=renamed_from, hunks=(), move_to=_name(line.removeprefix("rename to ")))
        elif _HUNK.fullmatch(line):
            raise reader.error("is a hunk of no file: `--- a/path` and `+++ b/path` are missing above it.")
        reader.at += 1


def _has_hunks(reader: _Reader, path: str) -> bool:
    """Whether the `---` of the same file follows its rename."""
    below = (line for line in reader.lines[reader.at + 1 :] if line.startswith(("--- ", "diff ")))
    return next((_name(line[4:]) in {path, f"a/{path}"} for line in below), False)


def _unified_file(reader: _Reader) -> FileChange:
    old, new = _name((reader.line or "")[4:]), _name(reader.peek(1)[4:])
    if all(path.startswith(git) or path == _NOWHERE for path, git in ((old, "a/"), (new, "b/"))):
        old, new = old.removeprefix("a/"), new.removeprefix("b/")
    reader.at += 2
    hunks = []
    while (line := reader.line) is not None and line.startswith("@@"):
        hunks.append(_unified_hunk(reader, old))
    if new == _NOWHERE:
        return DeleteFile(path=old)
    if old == _NOWHERE:
        if any(line.sign != "+" for hunk in hunks for line in hunk.lines):
            raise reader.error(f"ends the new file {new}, of which every line has to begin with +.")
        added = [line for hunk in hunks for line in hunk.lines]
        return AddFile(path=new, content="".join(line.text + ("\n" if line.ends else "") for line in added))
    if not hunks:
        raise reader.error(f"comes where the hunks for {new} are missing: they begin with @@.")
    return UpdateFile(path=old, hunks=tuple(hunks), move_to=new if new != old else None)


def _unified_hunk(reader: _Reader, path: str) -> Hunk:
    numbered = _HUNK.fullmatch(reader.line or "")
    reader.at += 1
    body = _Body()
    while (line := reader.line) is not None and not _ends_hunk(reader, line) and body.take(line):
        reader.at += 1
    while _in_gap(reader) and reader.line is not None:
        reader.at += 1
    if not body.lines:
        raise reader.error(f"is not a line of a hunk for {path}: those begin with a space, - or +.")
    return Hunk(lines=body.done(), near=int(numbered[1]) if numbered else None)


def _ends_hunk(reader: _Reader, line: str) -> bool:
    if line.startswith("--- ") and reader.peek(1).startswith("+++ "):
        return reader.peek(2).startswith("@@")
    return line.startswith(("@@", "diff --git ")) or _in_gap(reader)


def _name(text: str) -> str:
    """A path of a diff: up to a tab, behind which a time may stand; in quotes as git writes odd ones."""
    text = text.rstrip() if text.startswith('"') else text.partition("\t")[0].rstrip()
    if len(text) > 1 and text.startswith('"') and text.endswith('"'):
        raw = text[1:-1].encode("utf-8", "surrogateescape")
        plain = _ESCAPED.sub(lambda m: bytes([int(m[1], 8) % 256 if len(m[1]) == 3 else _ESCAPES[m[1]]]), raw)
        return plain.decode("utf-8", "surrogateescape")
    return text
