"""Who carries a run: one process at a time, known by a lock that the kernel frees however that process ends.

A process has one locked file per journal, whatever the number of its runs: a lock for each would run out of file
descriptors at a thousand. A row per run names the file, and a token that only grows: whoever took the run over has a
higher one, and nothing is written under a lower one any more.
"""

from __future__ import annotations

import fcntl
import os
import secrets
import socket
import sqlite3
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from captain.core.errors import RunHeldError


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """The process that carries a run. `since` is ISO 8601."""

    pid: int
    host: str
    since: str

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host}, since {self.since[:19].replace('T', ' ')} UTC"


class Mark:
    """The locked file of this process; it stands as long as the process does, or until `remove`."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(mode=0o700, exist_ok=True)
        self.name = secrets.token_hex(8)
        self._path = folder / self.name
        self._descriptor = os.open(self._path, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        fcntl.flock(self._descriptor, fcntl.LOCK_EX)

    def remove(self) -> None:
        self._path.unlink(missing_ok=True)
        os.close(self._descriptor)


def marks_beside(journal: Path) -> Path:
    return journal.with_name(f"{journal.stem}.holders")


def is_marked(folder: Path, name: str) -> bool:
    """Whether the process that made the mark still lives; the file of one that does not is removed."""
    path = folder / name
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
        with suppress(OSError):  # a reader may not be allowed to, and it is only tidying
            path.unlink()
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


def holder(connection: sqlite3.Connection, run: str, marks: Path) -> Holder | None:
    """Who carries the run right now."""
    row = connection.execute("SELECT holder, pid, host, since FROM runs WHERE run = ?", (run,)).fetchone()
    if row is None or row[0] is None or not is_marked(marks, row[0]):
        return None
    return Holder(pid=row[1], host=row[2], since=row[3])


def take_hold(connection: sqlite3.Connection, run: str, mark: Mark, marks: Path, *, take_over: bool) -> int:
    """The token to write under. Raises `RunHeldError` unless the run is free or taken over. Inside a transaction."""
    by = holder(connection, run, marks)
    if by is not None and not take_over:
        raise RunHeldError(
            f"Run {run} is carried by another: {by}.",
            run=run,
            pid=by.pid,
            host=by.host,
            since=by.since,
            hint="Wait for it to end, or stop that process.",
        )
    connection.execute("UPDATE tokens SET last = last + 1")  # one count for all runs: a run that is gone may come back
    token = int(connection.execute("SELECT last FROM tokens").fetchone()[0])
    connection.execute(
        "INSERT OR REPLACE INTO runs (run, token, holder, pid, host, since) VALUES (?, ?, ?, ?, ?, ?)",
        (run, token, mark.name, os.getpid(), socket.gethostname(), datetime.now(UTC).isoformat()),
    )
    return token


def check_hold(connection: sqlite3.Connection, run: str, token: int) -> None:
    """Raises `RunHeldError` if the run was taken over since. Inside a transaction."""
    row = connection.execute("SELECT token, pid, host, since FROM runs WHERE run = ?", (run,)).fetchone()
    if row is not None and row[0] == token:
        return
    if row is None or row[1] is None:
        by, said = Holder(pid=0, host="", since=""), "and nobody carries it now"
    else:
        by = Holder(pid=row[1], host=row[2], since=row[3])
        said = f"which was taken over by {by}"
    raise RunHeldError(
        f"This process does not carry run {run} any more, {said}; what it still wanted to record is not kept.",
        run=run,
        pid=by.pid,
        host=by.host,
        since=by.since,
        hint="Leave the run to the process that carries it now.",
    )


def give_up(connection: sqlite3.Connection, run: str, token: int) -> None:
    connection.execute(
        "UPDATE runs SET holder = NULL, pid = NULL, host = NULL, since = NULL WHERE run = ? AND token = ?", (run, token)
    )
