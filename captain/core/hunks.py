"""The hunks of a unified diff, as values."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

_HEAD: Final = re.compile(r"@@ -(\d+)(?:,(\d+))? \+(\d+)(?:,(\d+))? @@ ?(.*)")
_ESCAPE: Final = re.compile(r"\\([0-7]{3}|.)")
_ESCAPED: Final = {"a": 7, "b": 8, "t": 9, "n": 10, "v": 11, "f": 12, "r": 13}


@dataclass(frozen=True, slots=True, kw_only=True)
class Hunk:
    """One place of a file that differs. `context` is the line git names as the function it lies in."""

    path: str
    old_start: int
    new_start: int
    context: str
    removed: tuple[str, ...]
    added: tuple[str, ...]
    around: tuple[str, ...] = ()


def parse_hunks(diff: str) -> tuple[Hunk, ...]:
    """Reads what `git diff` writes with `a/` and `b/` before the paths; binary files have no hunks."""
    return tuple(_hunks(diff.split("\n")))


def _hunks(lines: list[str]) -> Iterator[Hunk]:
    path, at = "", 0
    while at < len(lines):
        line = lines[at]
        if line.startswith("--- ") and at + 1 < len(lines) and lines[at + 1].startswith("+++ "):
            path = _path(lines[at + 1][4:]) or _path(line[4:]) or ""
            at += 2
        elif (head := _HEAD.match(line)) is not None:
            at, hunk = _body(lines, at + 1, path, head)
            yield hunk
        else:
            at += 1


def _body(lines: list[str], at: int, path: str, head: re.Match[str]) -> tuple[int, Hunk]:
    """By the counts in its head, since a line of a hunk may look like anything."""
    old_left, new_left = (int(head[group] or 1) for group in (2, 4))
    kinds: dict[str, list[str]] = {"-": [], "+": [], " ": []}
    while (old_left > 0 or new_left > 0) and at < len(lines):
        kind, text = lines[at][:1] or " ", lines[at][1:]
        old_left -= kind in "- "
        new_left -= kind in "+ "
        if kind in kinds:
            kinds[kind].append(text)
        at += 1
    hunk = Hunk(
        path=path,
        old_start=int(head[1]),
        new_start=int(head[3]),
        context=head[5],
        removed=tuple(kinds["-"]),
        added=tuple(kinds["+"]),
        around=tuple(kinds[" "]),
    )
    return at, hunk


def _path(text: str) -> str | None:
    """Without `a/` or `b/`, unquoted; None for the side that does not exist."""
    text = text.removesuffix("\t")  # git ends a name with spaces that way
    if text == "/dev/null":
        return None
    if text.startswith('"') and text.endswith('"'):
        raw = _ESCAPE.sub(lambda found: chr(_byte(found[1])), _latin(text[1:-1]))
        text = raw.encode("latin-1").decode("utf-8", "surrogateescape")
    return text[2:]


def _latin(text: str) -> str:
    """Its UTF-8 bytes as one character each, so that escaped bytes and plain letters can be joined."""
    return text.encode("utf-8", "surrogateescape").decode("latin-1")


def _byte(escape: str) -> int:
    return int(escape, 8) if len(escape) == 3 else _ESCAPED.get(escape, ord(escape))
