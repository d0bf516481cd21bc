"""A control group that bounds the processes of a box whose commands the kernel takes for root's.

For those it knows no other bound: RLIMIT_NPROC does not hold for user 0, whatever its capabilities.
"""

from __future__ import annotations

import re
import secrets
from contextlib import suppress
from pathlib import Path

_ROOT = Path("/sys/fs/cgroup")


class Counted:
    """One group; `add` puts a process and all that it will start into it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    @classmethod
    def make(cls, processes: int) -> Counted | None:
        """None where no group can be made; the box then only looks at the number from time to time."""
        parent = _parent()
        if parent is None:
            return None
        folder = parent / f"captain-{secrets.token_hex(6)}"
        try:
            folder.mkdir()
        except OSError:
            return None
        made = cls(folder)
        try:
            (folder / "pids.max").write_text(str(processes))
        except OSError:
            made.remove()
            return None
        return made

    def add(self, pid: int) -> None:
        with suppress(OSError):
            (self._folder / "cgroup.procs").write_text(str(pid))

    def remove(self) -> None:
        with suppress(OSError):
            self._folder.rmdir()


def _parent() -> Path | None:
    try:
        own = Path("/proc/self/cgroup").read_text("ascii", "replace")
    except OSError:
        return None
    if (first := re.search(r"(?m)^\d+:(?:[^:\n]*,)?pids(?:,[^:\n]*)?:(/[^\n]*)$", own)) and (_ROOT / "pids").is_dir():
        inside = _ROOT / "pids" / first[1].lstrip("/")
        return inside if inside.is_dir() else _ROOT / "pids"
    # in the second version a group with processes of its own can only be divided if it is the topmost
    controllers = _ROOT / "cgroup.subtree_control"
    try:
        return _ROOT if "pids" in controllers.read_text("ascii", "replace").split() else None
    except OSError:
        return None
