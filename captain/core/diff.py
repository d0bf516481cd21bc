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


def parse_raw(output: bytes) -> tuple[Change, ...]:
    """Reads `git diff-tree -r -z --raw --no-renames`; bytes that are no UTF-8 become surrogate escapes."""
    return tuple(_changes(output.split(b"\0")))


def _changes(fields: Iterable[bytes]) -> Iterator[Change]:
    parts = iter(fields)
    for meta in parts:
        if not meta.startswith(b":"):  # the empty end, or a leading commit id
            continue
        old_mode, new_mode, old_id, new_id, _status = meta[1:].decode("ascii").split(" ")
        path = next(parts).decode("utf-8", "surrogateescape")
        yield Change(path=path, old_mode=old_mode, new_mode=new_mode, old_id=old_id, new_id=new_id)
