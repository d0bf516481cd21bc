"""Journals in SQLite: one file per project, WAL, every append durable before it returns.

All statements of a store run in one thread of its own, because a `sqlite3` connection belongs to a
thread and an fsync (1 to 10 ms) must not hold up the event loop.
"""

from __future__ import annotations

import asyncio
import sqlite3
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import Final, TypeVar

import anyio

from captain.core.errors import JournalError
from captain.runs.journal import Entry

T = TypeVar("T")

SCHEMA_VERSION: Final = 1
_SCHEMA: Final = """
CREATE TABLE IF NOT EXISTS entries (
    run  TEXT NOT NULL,
    seq  INTEGER NOT NULL,
    at   TEXT NOT NULL,
    kind TEXT NOT NULL CHECK (kind IN ('event', 'started', 'finished', 'broke_off')),
    key  TEXT NOT NULL,
    body TEXT NOT NULL,
    PRIMARY KEY (run, seq)
) WITHOUT ROWID
"""


class SqliteStore:
    """The entries of one run in the journal file at `path`. Open it with `SqliteStore.open`."""

    def __init__(self, run: str, connection: sqlite3.Connection, thread: ThreadPoolExecutor) -> None:
        self._run = run
        self._connection = connection
        self._thread = thread

    @classmethod
    async def open(cls, path: Path, run: str) -> SqliteStore:
        thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="captain-journal")
        try:
            connection = await _in(thread, lambda: connect(path))
        except BaseException:
            thread.shutdown(wait=False)
            raise
        return cls(run, connection, thread)

    async def append(self, entry: Entry) -> None:
        row = (self._run, entry.seq, entry.at.isoformat(), entry.kind, entry.key, entry.body)
        await _in(self._thread, lambda: self._insert(row))

    async def load(self) -> tuple[Entry, ...]:
        return await _in(self._thread, lambda: read_entries(self._connection, self._run))

    async def aclose(self) -> None:
        with anyio.CancelScope(shield=True):
            await _in(self._thread, self._connection.close)
        self._thread.shutdown(wait=False)

    def _insert(self, row: tuple[object, ...]) -> None:
        try:
            with self._connection:
                self._connection.execute("INSERT INTO entries VALUES (?, ?, ?, ?, ?, ?)", row)
        except sqlite3.IntegrityError as error:
            raise JournalError(
                f"Another process writes to the record of run {self._run}.",
                hint="Only one process may carry a run at a time; wait for it or cancel it.",
            ) from error
        except sqlite3.Error as error:
            raise JournalError(f"The record of run {self._run} cannot be written: {error}.") from error


def connect(path: Path, *, read_only: bool = False) -> sqlite3.Connection:
    """A connection to a journal file, made if it does not exist unless `read_only`."""
    mode = "ro" if read_only else "rwc"
    try:
        connection = sqlite3.connect(f"{path.absolute().as_uri()}?mode={mode}", uri=True, timeout=30.0)
        try:
            _prepare(connection, path, read_only=read_only)
        except BaseException:
            connection.close()
            raise
    except sqlite3.Error as error:
        raise JournalError(
            f"The journal {path} cannot be opened: {error}.",
            hint="See that the folder is on a local disk, is writable and has space left.",
        ) from error
    return connection


def _prepare(connection: sqlite3.Connection, path: Path, *, read_only: bool) -> None:
    connection.execute("PRAGMA synchronous=FULL")
    version = connection.execute("PRAGMA user_version").fetchone()[0]
    if version > SCHEMA_VERSION:
        raise JournalError(
            f"{path} was written by a newer Captain (format {version}; this one reads up to {SCHEMA_VERSION}).",
            hint="Update Captain.",
        )
    if not read_only:
        connection.execute("PRAGMA journal_mode=WAL")
        with connection:
            connection.execute(_SCHEMA)
            connection.execute(f"PRAGMA user_version={SCHEMA_VERSION}")


@contextmanager
def readable() -> Iterator[None]:
    """Says in Captain's words that a journal cannot be read."""
    try:
        yield
    except sqlite3.Error as error:
        raise JournalError(
            f"The journal cannot be read: {error}.",
            hint="If the file is damaged, move it away; runs in other projects are not affected.",
        ) from error


def read_entries(connection: sqlite3.Connection, run: str, *, events_only: bool = False) -> tuple[Entry, ...]:
    """The entries of one run in order."""
    query = "SELECT seq, at, kind, key, body FROM entries WHERE run = ?"
    if events_only:
        query += " AND kind = 'event'"
    with readable():
        rows = connection.execute(query + " ORDER BY seq", (run,)).fetchall()
    return tuple(
        Entry(seq=seq, at=datetime.fromisoformat(at), kind=kind, key=key, body=body)
        for seq, at, kind, key, body in rows
    )


async def _in(thread: ThreadPoolExecutor, call: Callable[[], T]) -> T:
    """`call` in that thread; the caller waits for it even when cancelled, so that no write is left in doubt.

    A shield holds off anyio's cancellations. A host's own `Task.cancel()` goes through it, and is put off
    until the next await: the caller must learn that the write was made.
    """
    future = asyncio.wrap_future(thread.submit(call))
    put_off = False
    with anyio.CancelScope(shield=True):
        while not future.done():
            try:
                await asyncio.wait([future])
            except asyncio.CancelledError:
                put_off = True
    if put_off and (task := asyncio.current_task()) is not None:
        task.uncancel()
        task.cancel()
    return future.result()
