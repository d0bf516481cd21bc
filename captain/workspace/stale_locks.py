"""What there is to know of a lock file that stopped git: which one it is, how old, and whether a git still works there.

It is said and never acted upon: a lock that looks left behind may be that of a git on another machine.
"""

from __future__ import annotations

import os
import re
import time
from contextlib import suppress
from pathlib import Path
from typing import Final

_PROCESSES: Final = Path("/proc")
_SAID: Final = re.compile(r"Unable to create '(.+?\.lock)': File exists")
_UNITS: Final = (("days", 86_400), ("hours", 3_600), ("minutes", 60), ("seconds", 1))


def lock_hint(complaint: str, git_dir: Path) -> str:
    """What to do about the lock file that git complains of; empty if it complains of something else."""
    said = _SAID.search(complaint)
    if said is None:
        return ""
    lock = Path(said[1])
    try:
        age_s = max(0.0, time.time() - lock.lstat().st_mtime)
    except OSError:
        return f"The lock file {lock} is gone by now; try again."
    old = f"The lock file {lock} is {_age(age_s)} old"
    at_work = gits_at_work(git_dir)
    if at_work is None:
        return f"{old}. Whether a process of git holds it cannot be told here: see to it, and remove it if none does."
    if at_work:
        who = ", ".join(str(pid) for pid in at_work)
        return f"{old}, and git works in this repository (process {who}): wait for it, and try again."
    return f"{old}, and no process of git on this machine holds it: one that was killed has left it. Remove it."


def gits_at_work(git_dir: Path) -> tuple[int, ...] | None:
    """Processes of git in the repository, by their folder, what they have open and what they were called with.

    None where processes cannot be listed, or a git among them cannot be looked into.
    """
    if not (_PROCESSES / "self").exists():
        return None
    places = {git_dir.resolve()}
    if git_dir.resolve().name == ".git":
        places.add(git_dir.resolve().parent)
    found = []
    for process in _PROCESSES.glob("[0-9]*"):
        with suppress(FileNotFoundError, ProcessLookupError):  # it has just ended
            if not (process / "comm").read_text(errors="replace").startswith("git"):
                continue
            try:
                works_here = _works_in(process, places)
            except PermissionError:
                return None
            if works_here:
                found.append(int(process.name))
    return tuple(sorted(found))


def _works_in(process: Path, places: set[Path]) -> bool:
    links = [process / "cwd", *(process / "fd").iterdir()]
    named = [process / "environ"]
    for link in links:
        with suppress(FileNotFoundError):
            target = Path(os.readlink(link))  # noqa: PTH115 what it names need not be there
            if any(target.is_relative_to(place) for place in places):
                return True
    words = b"\0".join(file.read_bytes() for file in named).split(b"\0")
    return any(word == b"GIT_DIR=" + os.fsencode(place) for word in words for place in places)


def _age(age_s: float) -> str:
    for unit, length_s in _UNITS:
        if age_s >= length_s:
            number = int(age_s // length_s)
            return f"{number} {unit if number != 1 else unit[:-1]}"
    return "less than a second"
