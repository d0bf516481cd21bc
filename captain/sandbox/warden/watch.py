"""Looks at what a box uses while commands run in it, where the kernel sets no limit of its own."""

from __future__ import annotations

import os
import time

from . import tree

_EVERY_S = 0.1
_SHARE = 20
"""A look may take a twentieth of the time between looks, however large the box has become."""
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
_DEEPEST = 200


class Watch:
    def __init__(self, plan: dict) -> None:
        self._folder = plan["watched"]
        self._disk_bytes = plan["disk_bytes"]
        self._memory_bytes = plan["memory_bytes"]
        self._processes = plan["processes"]
        self._allowed_bytes: int | None = None
        self._next_s = 0.0

    def due_s(self) -> float:
        """Seconds until the next look."""
        if self._allowed_bytes is None:  # before the first command: what lies there is not the box's doing
            self._allowed_bytes = self._disk_bytes + (0 if self._folder["empty"] else used_bytes(self._folder["path"]))
            self._next_s = time.monotonic() + _EVERY_S
        return max(0.0, self._next_s - time.monotonic())

    def exceeded(self) -> str:
        """The limit that is passed, or nothing."""
        began_s = time.monotonic()
        try:
            return self._passed()
        finally:
            now_s = time.monotonic()
            self._next_s = now_s + max(_EVERY_S, _SHARE * (now_s - began_s))

    def _passed(self) -> str:
        pids = tree.descendants()
        if len(pids) > self._processes + tree.OWN_PROCESSES:
            return "processes"
        if sum(map(_private_bytes, pids)) > self._memory_bytes:
            return "memory"
        used = used_bytes(self._folder["path"])
        if used > (self._allowed_bytes or 0):
            self._allowed_bytes = used  # so that what is too much can be removed again
            return "disk"
        return ""


def used_bytes(path: str) -> int:
    """What a tree takes on disk. No link is followed, whoever swaps folders meanwhile."""
    try:
        folder = os.open(path, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    except OSError:
        return 0
    return _used_below(folder, _DEEPEST)


def _used_below(folder: int, depth: int) -> int:
    total = 0
    try:
        with os.scandir(folder) as entries:
            for entry in entries:
                try:
                    total += entry.stat(follow_symlinks=False).st_blocks * 512
                    if depth and entry.is_dir(follow_symlinks=False):
                        flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
                        total += _used_below(os.open(entry.name, flags, dir_fd=folder), depth - 1)
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
