"""What the shortcut guard is given and what it says: changed files in, shortcuts out."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

Side: TypeAlias = Literal["old", "new"]

QUOTE_CHARS = 160


@dataclass(frozen=True, slots=True, kw_only=True)
class FileChange:
    """One file on both sides of a change; None where it does not exist."""

    path: str
    old: str | None
    new: str | None

    @classmethod
    def of_bytes(cls, path: str, old: bytes | None, new: bytes | None) -> FileChange:
        """Bytes that are no UTF-8 become replacement characters."""
        return cls(path=path, old=_text(old), new=_text(new))


@dataclass(frozen=True, slots=True, kw_only=True)
class Shortcut:
    """A place where a change may make a check pass without doing the work.

    `line` counts in the version that `side` names. `quote` is text of that version, one line, cut short.
    """

    rule: str
    title: str
    path: str
    line: int
    side: Side
    symbol: str
    quote: str
    why: str
    justified_by: str
    blocks: bool


def quoted(text: str) -> str:
    """The first line with anything on it, whitespace as it is inside, cut short."""
    line = next((line.strip() for line in text.splitlines() if line.strip()), "")
    return line if len(line) <= QUOTE_CHARS else line[:QUOTE_CHARS]


def _text(content: bytes | None) -> str | None:
    return None if content is None else content.decode("utf-8", "replace")
