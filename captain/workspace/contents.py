"""The contents of what differs between two commits, both sides of each file, read in two calls of git.

What is too large, or no text, is left out and named: a guard that did not look must not seem to have found nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Final

from captain.core.diff import Change
from captain.guards import FileChange
from captain.workspace.repository import Repository

FILE_BYTES: Final = 1_000_000
TOTAL_BYTES: Final = 64_000_000
_SNIFFED_BYTES: Final = 8_000  # as far as git itself looks for a zero byte to call a file binary


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftOut:
    """A file that differs and was not read."""

    path: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Contents:
    files: tuple[FileChange, ...]
    left_out: tuple[LeftOut, ...]


async def read_contents(
    repository: Repository, base: str, head: str, *, file_bytes: int = FILE_BYTES, total_bytes: int = TOTAL_BYTES
) -> Contents:
    """Links and submodules count as absent: what they point to is not part of the change."""
    changes = await repository.changes(base, head)
    sizes = await _sizes(repository, {name for change in changes for name in _blobs(change)})
    wanted: list[Change] = []
    left_out: list[LeftOut] = []
    room = total_bytes
    for change in changes:
        size = max((sizes.get(name, 0) for name in _blobs(change)), default=0)
        if size > file_bytes:
            left_out.append(LeftOut(path=change.path, reason=f"has {size} bytes; more than {file_bytes} are not read"))
        elif size > room:
            left_out.append(LeftOut(path=change.path, reason=f"the change has more than {total_bytes} bytes in all"))
        elif _blobs(change):
            room -= sum(sizes.get(name, 0) for name in _blobs(change))
            wanted.append(change)
    blobs = await _read(repository, {name for change in wanted for name in _blobs(change)})
    files = []
    for change in wanted:
        old, new = (blobs.get(name) if name in _blobs(change) else None for name in (change.old_id, change.new_id))
        if any(side is not None and b"\0" in side[:_SNIFFED_BYTES] for side in (old, new)):
            left_out.append(LeftOut(path=change.path, reason="is no text"))
        else:
            files.append(FileChange.of_bytes(change.path, old, new))
    return Contents(files=tuple(files), left_out=tuple(left_out))


def _blobs(change: Change) -> tuple[str, ...]:
    sides = ((change.old_mode, change.old_id), (change.new_mode, change.new_id))
    return tuple(name for mode, name in sides if mode.startswith("100"))


async def _sizes(repository: Repository, ids: Iterable[str]) -> dict[str, int]:
    lines = (await repository.git.text("cat-file", "--batch-check", stdin=_asked(ids))).splitlines()
    facts = (line.split() for line in lines)
    return {fact[0]: int(fact[2]) for fact in facts if len(fact) == 3 and fact[1] == "blob"}


async def _read(repository: Repository, ids: Iterable[str]) -> Mapping[str, bytes]:
    """`<id> blob <size>`, a line end, the content, a line end; and so on."""
    answer = await repository.git.run("cat-file", "--batch", stdin=_asked(ids))
    found: dict[str, bytes] = {}
    place = 0
    while place < len(answer):
        end = answer.index(b"\n", place)
        facts = answer[place:end].split()
        place = end + 1
        if len(facts) == 3 and facts[1] == b"blob":
            size = int(facts[2])
            found[facts[0].decode()] = answer[place : place + size]
            place += size + 1
    return found


def _asked(ids: Iterable[str]) -> bytes:
    return "".join(f"{name}\n" for name in sorted(ids)).encode()
