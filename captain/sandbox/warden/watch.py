"""Looks at what a box uses while commands run in it, where the kernel sets no limit of its own."""

from __future__ import annotations

import os
import time

from . import tree

_EVERY_S = 0.1
_SHARE = 10
"""A look may take a tenth of the time between looks, however large the box has become."""
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
_ENTRY_BYTES = 4096
"""What a file or folder counts for at least: an empty one takes an inode, of which a disk has a fixed number too."""
_DEEPEST = 100
_MOST_WAITING = 200
_TOO_MUCH = 1 << 60


class Watch:
    def __init__(self, plan: dict) -> None:
        self._folder = plan["watched"]
        self._disk_bytes = plan["disk_bytes"]
        self._memory_bytes = plan["memory_bytes"]
        self._processes = plan["processes"]
        self._allowed_bytes: int | None = None
        self._most_bytes = 0
        self._used_bytes = 0
        self._free_bytes = (0, 0)
        self._over = False
        self._next_s = 0.0
        self._next_disk_s = 0.0

    def due_s(self) -> float:
        """Seconds until the next look."""
        if self._allowed_bytes is None:  # before the first command: what lies there is not the box's doing
            self._used_bytes = 0 if self._folder["empty"] else self._used()
            self._allowed_bytes = self._disk_bytes + self._used_bytes
            self._most_bytes = self._allowed_bytes + self._disk_bytes
            self._free_bytes = _free_bytes(self._folder["path"])
            self._next_s = self._next_disk_s = time.monotonic() + _EVERY_S
        return max(0.0, self._next_s - time.monotonic())

    def exceeded(self) -> str:
        """The limit that is passed, or nothing."""
        began_s = time.monotonic()
        passed = self._passed()
        now_s = time.monotonic()
        self._next_s = now_s + max(_EVERY_S, _SHARE * (now_s - began_s))
        return passed or self._disk_passed()

    def _passed(self) -> str:
        pids = tree.descendants()
        if len(pids) > self._processes + tree.OWN_PROCESSES:
            return "processes"
        if sum(map(_private_bytes, pids)) > self._memory_bytes:
            return "memory"
        return ""

    def _disk_passed(self) -> str:
        """In a large copy a look takes long, so between looks the free space of the disk tells when to look at once."""
        allowed = self._allowed_bytes or 0
        began_s = time.monotonic()
        free = _free_bytes(self._folder["path"])
        gone = max(before - now for before, now in zip(self._free_bytes, free, strict=True))
        if began_s < self._next_disk_s and gone <= allowed - self._used_bytes:
            return ""
        used = self._used()
        now_s = time.monotonic()
        self._next_disk_s = now_s + max(_EVERY_S, _SHARE * (now_s - began_s))
        self._used_bytes, self._free_bytes = used, free
        if used <= allowed:
            return ""
        self._over = True
        return "disk"

    def settle(self) -> None:
        """Once nothing runs any more: what is too much may stay up to a bound, so that a command can remove it."""
        if self._over:
            self._over = False
            self._used_bytes = self._used()
            self._free_bytes = _free_bytes(self._folder["path"])
            self._allowed_bytes = min(max(self._used_bytes, self._allowed_bytes or 0), self._most_bytes)

    def _used(self) -> int:
        return sum(map(used_bytes, (self._folder["path"], *self._folder.get("more", ()))))


def _free_bytes(path: str) -> tuple[int, int]:
    """Of the file system, by its blocks and by what its inodes count for."""
    try:
        facts = os.statvfs(path)
    except OSError:
        return 0, 0
    return facts.f_bavail * facts.f_frsize, facts.f_favail * _ENTRY_BYTES


def used_bytes(path: str) -> int:
    """What a tree takes on disk. No link is followed, whoever swaps folders meanwhile."""
    try:
        waiting = [os.open(path, _FOLDER)]
    except OSError:
        return 0
    total = 0
    while waiting:
        total += _used_below(waiting.pop(), _DEEPEST, waiting)
    return total


_FOLDER = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC


def _used_below(folder: int, depth: int, waiting: list[int]) -> int:
    """Folders that lie too deep wait, opened, until those above them are closed."""
    total = 0
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                try:
                    total += max(_ENTRY_BYTES, entry.stat(follow_symlinks=False).st_blocks * 512)
                    if not entry.is_dir(follow_symlinks=False):
                        continue
                    if depth:
                        total += _used_below(os.open(entry.name, _FOLDER, dir_fd=folder), depth - 1, waiting)
                    elif len(waiting) < _MOST_WAITING:
                        waiting.append(os.open(entry.name, _FOLDER, dir_fd=folder))
                    else:  # nothing honest looks like this
                        return _TOO_MUCH
                except OSError:  # gone, or replaced, since it was listed
                    continue
    except OSError:
        return total
    finally:
        os.close(folder)
    return total


def _private_bytes(pid: int) -> int:
    try:
        with open(f"/proc/{pid}/statm", "rb") as file:
            _, resident, shared, *_ = file.read().split()
    except OSError:
        return 0
    return (int(resident) - int(shared)) * _PAGE_BYTES
