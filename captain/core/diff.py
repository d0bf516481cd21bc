"""What changed between two trees, as git's raw output states it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final

ABSENT: Final = "000000"
SYMLINK: Final = "120000"
GITLINK: Final = "160000"


@dataclass(frozen=True, slots=True, kw_only=True)
class Change:
    """One path that differs. Modes are git's six digits, `ABSENT` where the path does not exist."""

    path: str
    old_mode: str
    new_mode: str
    old_id: str
    new_id: str

    @property
    def added(self) -> bool:
        return self.old_mode == ABSENT

    @property
    def deleted(self) -> bool:
        return self.new_mode == ABSENT


@dataclass(frozen=True, slots=True, kw_only=True)
class LineCount:
    """How much of one file changed; git counts no lines where it takes one side for binary."""

    added: int
    removed: int
    binary: bool = False

    @property
    def total(self) -> int:
        return self.added + self.removed


def parse_raw(output: bytes) -> tuple[Change, ...]:
    """Reads `git diff-tree -r -z --raw --no-renames`; bytes that are no UTF-8 become surrogate escapes."""
    return tuple(_changes(output.split(b"\0")))


def _changes(fields: Iterable[bytes]) -> Iterator[Change]:
    parts = iter(fields)
    for meta in parts:
        if not meta.startswith(b":"):  # the empty end, a leading commit id, or line counts
            continue
        old_mode, new_mode, old_id, new_id, _status = meta[1:].decode("ascii").split(" ")
        path = next(parts).decode("utf-8", "surrogateescape")
        yield Change(path=path, old_mode=old_mode, new_mode=new_mode, old_id=old_id, new_id=new_id)


def parse_numstat(output: bytes) -> dict[str, LineCount]:
    """By path, from `git diff-tree -r -z --numstat --no-renames`; entries of `--raw` in front are passed over."""
    counts = {}
    parts = iter(output.split(b"\0"))
    for part in parts:
        if part.startswith(b":"):
            next(parts)  # its path, which may look like anything
        elif part.count(b"\t") >= 2:
            added, removed, path = part.split(b"\t", 2)
            binary = added == b"-"
            counts[path.decode("utf-8", "surrogateescape")] = LineCount(
                added=0 if binary else int(added), removed=0 if binary else int(removed), binary=binary
            )
    return counts
