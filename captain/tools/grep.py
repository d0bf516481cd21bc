"""Lines that match a pattern, found by ripgrep where the box has it and by git where not, with one outcome.

Patterns are Perl-compatible regular expressions to both: ripgrep's own dialect is the common part of it, and
what it refuses (looking around, back references) is left to git. Which files are searched is git's word:
tracked and new ones, without those it ignores and those it takes for binary.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Final

from captain.core.errors import ToolError
from captain.sandbox import Box, ExecResult
from captain.tools.text import is_binary

SEARCH_S: Final = 60.0
FILES_BYTES: Final = 64 * 1024 * 1024
_OUTPUT_BYTES: Final = 16 * 1024 * 1024
_CHECKED_FILES: Final = 300  # each is looked at for being binary; of more, git is asked
_LOOKED_AT_BYTES: Final = 8000
_NO_MATCH: Final = 1
_RG_ENDS: Final = (0, 1, 2)  # 2 also where one file of many could not be read
_NOT_PLAIN: Final = re.compile(r"[*?\[\\:]|(^|/)\.\.?(/|$)|^/|//")
_RG: Final = (
    *("rg", "--no-config", "--no-messages", "--color=never", "--no-heading", "--line-number", "--null"),
    *("--hidden", "--glob=!.git", "--no-ignore-dot", "--no-ignore-parent", "--no-ignore-global"),
    *("--text", "--encoding=none", "--no-context-separator"),
)
_RG_LINE: Final = re.compile(rb"(?:\./)?([^\0]+)\0(\d+)([:-])([^\n]*)\n?")
_GIT_LINE: Final = re.compile(rb"([^\0]+)\0(\d+)\0([^\n]*)\n?")
# a locale in which `.` is a character and not a byte
_GIT: Final = ("env", "LC_ALL=C.UTF-8", "git", "grep", "-n", "-z", "-I", "--untracked", "--no-color", "--no-textconv")


@dataclass(frozen=True, slots=True, kw_only=True)
class Query:
    pattern: str
    path: str
    context_lines: int = 0
    ignore_case: bool = False


@dataclass(frozen=True, slots=True)
class Line:
    """A line that matches, or one around it."""

    path: bytes
    number: int
    matches: bool
    text: bytes


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """Lines in the order of paths and numbers. `complete` is False where there were too many to take."""

    lines: tuple[Line, ...]
    complete: bool = True
    dialect: str = ""


async def grep(box: Box, query: Query) -> Found:
    """Raises `ToolError` for a pattern or a path that cannot be searched."""
    return await by_ripgrep(box, query) or await by_git(box, query)


async def by_ripgrep(box: Box, query: Query) -> Found | None:
    """None where git has to do it: no ripgrep, a path that is no plain folder, a pattern it refuses, too much."""
    folder = query.path.rstrip("/")
    if _NOT_PLAIN.search(folder):
        return None
    listed = await box.run(listing(folder or "."), timeout_s=SEARCH_S, limit_bytes=FILES_BYTES)
    files = set(listed.output.split(b"\0"))
    if listed.exit_code != 0 or listed.omitted_bytes or not _fit_for_ripgrep(files, folder):
        return None
    argv = [*_RG, *_options(query), "-e", query.pattern, "--", f"./{folder}"]
    result = await box.run(argv, timeout_s=SEARCH_S, limit_bytes=_OUTPUT_BYTES)
    if result.exit_code == _NO_MATCH and not result.output:
        return Found(lines=())
    lines = _parsed_ripgrep(result.output)
    if result.omitted_bytes or result.exit_code not in _RG_ENDS or lines is None:
        return None
    lines = [line for line in lines if line.path in files]
    paths = list(dict.fromkeys(line.path for line in lines))
    if len(paths) > _CHECKED_FILES:
        return None
    texts = await _texts(box, paths)
    return Found(lines=_ordered(line for line in lines if line.path in texts))


def _fit_for_ripgrep(files: Collection[bytes], folder: str) -> bool:
    """Not a file or link, which ripgrep would follow, and no .rgignore, which it cannot be told to pass over."""
    named = folder.encode("utf-8", "surrogateescape")
    return not (named and named in files) and not any(path.endswith(b".rgignore") for path in files)


async def by_git(box: Box, query: Query) -> Found:
    """Raises `ToolError`."""
    result = await _git_grep(box, query, "-P", 0)
    dialect = ""
    if result.exit_code not in {0, _NO_MATCH} and "Perl-compatible" in result.text:
        dialect = "a POSIX extended regular expression, as this git knows no others"
        result = await _git_grep(box, query, "-E", 0)
    if result.exit_code == _NO_MATCH and not result.output:
        return Found(lines=(), dialect=dialect)
    if result.exit_code != 0:
        raise ToolError(f"The search for {query.pattern!r} failed: {result.text.strip() or 'it was not done in time'}")
    matching = _parsed_git(result)
    lines = matching
    if query.context_lines:  # with -z, git does not tell lines that match from those around them
        hits = {(line.path, line.number) for line in matching}
        around = await _git_grep(box, query, "-E" if dialect else "-P", query.context_lines)
        lines = [replace(line, matches=(line.path, line.number) in hits) for line in _parsed_git(around)]
        result = around
    return Found(lines=_ordered(lines), complete=not result.omitted_bytes, dialect=dialect)


async def _git_grep(box: Box, query: Query, dialect: str, context_lines: int) -> ExecResult:
    argv = [*_GIT, dialect, *_options(replace(query, context_lines=context_lines)), "-e", query.pattern]
    return await box.run([*argv, "--", query.path or "."], timeout_s=SEARCH_S, limit_bytes=_OUTPUT_BYTES)


def _options(query: Query) -> list[str]:
    return [f"-C{query.context_lines}"] * bool(query.context_lines) + ["-i"] * query.ignore_case


def listing(path: str) -> list[str]:
    """The command that lists the files that are searched."""
    return ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--deduplicate", "--", path]


def _parsed_ripgrep(output: bytes) -> list[Line] | None:
    """None for anything but lines, which is a complaint."""
    lines, at = [], 0
    while at < len(output):
        found = _RG_LINE.match(output, at)
        if found is None:
            return None
        lines.append(Line(found[1], int(found[2]), found[3] == b":", found[4]))
        at = found.end()
    return lines


def _parsed_git(result: ExecResult) -> list[Line]:
    output = result.output[: _OUTPUT_BYTES // 2] if result.omitted_bytes else result.output
    lines, at = [], 0
    while at < len(output):
        if output.startswith(b"--\n", at):  # between places
            at += 3
        found = _GIT_LINE.match(output, at)
        if found is None:
            break
        lines.append(Line(found[1], int(found[2]), True, found[3]))
        at = found.end()
    return lines[:-1] if result.omitted_bytes else lines


async def _texts(box: Box, paths: Sequence[bytes]) -> set[bytes]:
    """Those that git takes for text: by their attribute `diff`, or by having no zero byte near their begin."""
    if not paths:
        return set()
    asked = ["git", "check-attr", "-z", "--stdin", "diff"]
    result = await box.run(asked, timeout_s=SEARCH_S, stdin=b"\0".join([*paths, b""]), limit_bytes=FILES_BYTES)
    words = result.output.split(b"\0")
    said = dict(zip(words[::3], words[2::3], strict=False))
    return {
        path for path in paths if said.get(path) == b"set" or (said.get(path) != b"unset" and await _is_text(box, path))
    }


async def _is_text(box: Box, path: bytes) -> bool:
    try:
        part = await box.read_part(
            path.decode("utf-8", "surrogateescape"), offset_bytes=0, limit_bytes=_LOOKED_AT_BYTES
        )
    except ToolError:  # a hard link, or gone meanwhile: nothing speaks against showing what was found
        return True
    return not is_binary(part.data)


def _ordered(lines: Iterable[Line]) -> tuple[Line, ...]:
    return tuple(sorted(lines, key=lambda line: (line.path, line.number)))
