"""Journals in SQLite: one file per project, its tables, and how they are read.

The write-ahead log with `synchronous=FULL` makes every commit one fsync. A row carries a checksum of its own, as
SQLite has none for its pages: what a failing disk made of it is an error, never another value.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, Final

from captain.core.errors import JournalError
from captain.runs.bodies import LIMIT_BYTES, Bodies
from captain.runs.entries import Entry

SCHEMA_VERSION: Final = 2
BUSY_TIMEOUT_S: Final = 30.0

_LOG_BYTES: Final = 8 * 1024 * 1024
"""What is left of the log's file after a checkpoint; SQLite makes one every thousand pages."""

_TABLES: Final = (
    """
    CREATE TABLE IF NOT EXISTS entries (
        run  TEXT NOT NULL,
        seq  INTEGER NOT NULL,
        at   TEXT NOT NULL,
        kind TEXT NOT NULL CHECK (kind IN ('event', 'started', 'finished', 'broke_off')),
        key  TEXT NOT NULL,
        body TEXT NOT NULL,
        PRIMARY KEY (run, seq)
    ) WITHOUT ROWID
    """,
    "ALTER TABLE entries ADD COLUMN file TEXT",
    "ALTER TABLE entries ADD COLUMN checksum INTEGER",
    """
    CREATE TABLE runs (
        run    TEXT PRIMARY KEY,
        token  INTEGER NOT NULL,
        holder TEXT,
        pid    INTEGER,
        host   TEXT,
        since  TEXT
    ) WITHOUT ROWID
    """,
    "CREATE TABLE tokens (last INTEGER NOT NULL)",
    "INSERT INTO tokens VALUES (0)",
)
_SELECT: Final = {
    1: "SELECT seq, at, kind, key, body, NULL, NULL FROM entries WHERE run = ?",
    2: "SELECT seq, at, kind, key, body, file, checksum FROM entries WHERE run = ?",
}
_FULL: Final = ("SQLITE_FULL", "SQLITE_IOERR_WRITE", "SQLITE_IOERR_FSYNC", "SQLITE_IOERR_SHMSIZE")


def connect(path: Path, *, read_only: bool = False, busy_timeout_s: float = BUSY_TIMEOUT_S) -> sqlite3.Connection:
    """A connection to a journal file, made if it does not exist unless `read_only`.

    A journal of an earlier format is brought up to this one by its first writer. Transactions are the caller's.
    """
    mode = "ro" if read_only else "rwc"
    if read_only and not os.access(path.parent, os.W_OK) and not path.with_name(f"{path.name}-wal").exists():
        mode = "ro&immutable=1"  # nobody writes, and the log's index, which a reader would make, cannot be made
    with explained(path, "opened"):
        connection = sqlite3.connect(
            f"{path.absolute().as_uri()}?mode={mode}", uri=True, timeout=busy_timeout_s, isolation_level=None
        )
        try:
            _prepare(connection, path, read_only=read_only)
        except BaseException:
            connection.close()
            raise
    return connection


def _prepare(connection: sqlite3.Connection, path: Path, *, read_only: bool) -> None:
    version = version_of(connection)
    if version > SCHEMA_VERSION:
        raise JournalError(
            f"{path} was written by a newer Captain (format {version}; this one reads up to {SCHEMA_VERSION}).",
            hint="Update Captain.",
        )
    if read_only:
        return
    connection.execute("PRAGMA synchronous=FULL")
    connection.execute("PRAGMA auto_vacuum=INCREMENTAL")  # counts in a new file only
    if connection.execute("PRAGMA journal_mode=WAL").fetchone()[0] != "wal":
        raise JournalError(
            f"The journal {path} cannot have a write-ahead log, so this file system cannot keep it safely.",
            hint="Name a folder on a local disk with --state-dir (state_dir= in code).",
        )
    connection.execute(f"PRAGMA journal_size_limit={_LOG_BYTES}")
    if version < SCHEMA_VERSION:
        _bring_up(connection)


def _bring_up(connection: sqlite3.Connection) -> None:
    with transaction(connection):
        if version_of(connection) < SCHEMA_VERSION:  # and nobody was faster
            for statement in _TABLES:
                connection.execute(statement)
            connection.execute(f"PRAGMA user_version={SCHEMA_VERSION}")


def version_of(connection: sqlite3.Connection) -> int:
    """0 for a file that was only just made."""
    return int(connection.execute("PRAGMA user_version").fetchone()[0])


@contextmanager
def transaction(connection: sqlite3.Connection) -> Iterator[None]:
    """All or nothing; the write lock is taken at once, so that what is looked at first holds until the end."""
    connection.execute("BEGIN IMMEDIATE")
    try:
        yield
        connection.execute("COMMIT")
    except BaseException:
        if connection.in_transaction:
            connection.execute("ROLLBACK")
        raise


@contextmanager
def explained(path: Path, what: str) -> Iterator[None]:
    """Says in Captain's words why a journal cannot be `what`: opened, read or written."""
    try:
        yield
    except sqlite3.Error as error:
        raise JournalError(f"The journal {path} cannot be {what}: {error}.", hint=_hint(error, path)) from error
    except OSError as error:
        raise JournalError(
            f"The journal {path} cannot be {what}: {error.strerror or error}.",
            hint=f"See that {path.parent} is writable and has space left. What was recorded before is kept.",
        ) from error


def is_busy(error: Exception) -> bool:
    return isinstance(error, sqlite3.Error) and _name(error).startswith(("SQLITE_BUSY", "SQLITE_LOCKED"))


def _name(error: sqlite3.Error) -> str:
    return str(getattr(error, "sqlite_errorname", ""))


def _hint(error: sqlite3.Error, path: Path) -> str:
    name = _name(error)
    if is_busy(error):
        return "Another process holds the write lock; see which one uses the file (fuser), and try again after it."
    if name in _FULL:
        return f"Free some space where {path.parent} is. What was recorded before is kept."
    if name.startswith("SQLITE_READONLY"):
        return (
            f"See that {path.parent} and what is in it can be written by you, or name another folder with --state-dir."
        )
    if name.startswith(("SQLITE_CORRUPT", "SQLITE_NOTADB")) or "decode" in str(error):
        return (
            f"The file is damaged. Save what can be read with captain runs export, and move {path.name} away; "
            "runs of other repositories are not affected."
        )
    return "See that the folder is there, is on a local disk, can be written by you and has space left."


def insert(connection: sqlite3.Connection, bodies: Bodies, run: str, entries: list[Entry]) -> None:
    """Inside a transaction. Raises `sqlite3.Error`, or `OSError` for a large body's file."""
    connection.executemany(
        "INSERT INTO entries (run, seq, at, kind, key, body, file, checksum) VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        [_row(bodies, run, entry) for entry in entries],
    )


def _row(bodies: Bodies, run: str, entry: Entry) -> tuple[object, ...]:
    body, file = entry.body or "", None
    if len(body) > LIMIT_BYTES // 4 and len(data := body.encode()) > LIMIT_BYTES:
        body, file = "", bodies.keep(data)
    values = (run, entry.seq, entry.at.isoformat(), entry.kind, entry.key, body, file)
    return (*values, _checksum(values))


def _checksum(values: tuple[object, ...]) -> int:
    return zlib.crc32("\0".join(map(str, values)).encode("utf-8", "surrogatepass"))


class Reader:
    """The entries of a journal file, over a connection to it."""

    def __init__(self, connection: sqlite3.Connection, path: Path) -> None:
        self._connection = connection
        self._path = path
        self._bodies = Bodies.beside(path)
        self._select = _SELECT.get(version_of(connection))

    @classmethod
    @contextmanager
    def open(cls, path: Path) -> Iterator[Reader]:
        """Reads beside whoever writes, and changes nothing."""
        with contextlib.closing(connect(path, read_only=True)) as connection:
            yield cls(connection, path)

    @property
    def connection(self) -> sqlite3.Connection:
        return self._connection

    def runs(self) -> tuple[str, ...]:
        """The ids of all runs, oldest first."""
        if self._select is None:
            return ()  # its first writer has just made the file, or died right there
        # one look into the index per run, as there can be thousands of rows to each
        query = """
            WITH RECURSIVE each(run) AS (
                SELECT min(run) FROM entries UNION ALL
                SELECT (SELECT min(run) FROM entries WHERE run > each.run) FROM each WHERE each.run IS NOT NULL
            ) SELECT run FROM each WHERE run IS NOT NULL
        """
        with explained(self._path, "read"):
            return tuple(run for (run,) in self._connection.execute(query))

    def entries(self, run: str, *, events_only: bool = False, results: bool = True) -> Iterator[Entry]:
        """The entries of one run in order, with the `results` of steps or without."""
        if self._select is None:
            return
        query = self._select + (" AND kind = 'event'" if events_only else "") + " ORDER BY seq"
        with explained(self._path, "read"):
            for row in self._connection.execute(query, (run,)):
                self._verify(run, row)
                yield self._entry(row, whole=results or row[2] != "finished")

    def body(self, run: str, seq: int) -> str:
        with explained(self._path, "read"):
            row = self._connection.execute(f"{self._select} AND seq = ?", (run, seq)).fetchone()
        if row is None:
            raise JournalError(
                f"Entry {seq} of run {run} is not in {self._path} any more.", hint="Something else has removed it."
            )
        self._verify(run, row)
        return str(self._entry(row, whole=True).body)

    def _entry(self, row: tuple[Any, ...], *, whole: bool) -> Entry:
        seq, at, kind, key, body, file, _ = row
        if not whole:
            body = None
        elif file is not None:
            body = self._bodies.read(file)
        try:
            return Entry(seq=seq, at=datetime.fromisoformat(at), kind=kind, key=key, body=body)
        except (TypeError, ValueError) as error:  # a row of the first format, which had no checksum
            raise self._damaged(seq) from error

    def _verify(self, run: str, row: tuple[Any, ...]) -> None:
        *values, checksum = row
        if checksum is not None and checksum != _checksum((run, *values)):
            raise self._damaged(row[0])

    def _damaged(self, seq: object) -> JournalError:
        return JournalError(
            f"Entry {seq!r} in the journal {self._path} is damaged: it is not what was written.",
            hint="The disk may be failing. Move the file away, or put it back from a backup.",
        )
