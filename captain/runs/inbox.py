"""What other processes have to say to a run: answers, messages, requests, a wish to stop.

Only its holder writes the record. A message waits in a table beside the entries until whoever carries the run has taken
it and what follows from it is on record. So it can come while nobody carries the run, and a crash loses none.
"""

from __future__ import annotations

import contextlib
import sqlite3
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Final, Literal, Protocol, TypeAlias

from captain.core import codec
from captain.runs.sqlite import connect, explained, transaction

How: TypeAlias = Literal["queue", "steer", "interrupt"]

_TABLE: Final = (
    "CREATE TABLE IF NOT EXISTS inbox (id INTEGER PRIMARY KEY AUTOINCREMENT, run TEXT NOT NULL, at TEXT NOT NULL, "
    "body TEXT NOT NULL)"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class AnswerMessage:
    question: str
    choice: str = ""
    text: str = ""
    kind: Literal["answer"] = "answer"


@dataclass(frozen=True, slots=True, kw_only=True)
class SteerMessage:
    """Words for the agents at work, or for those of a task."""

    text: str
    how: How = "steer"
    task: str | None = None
    kind: Literal["steer"] = "steer"


@dataclass(frozen=True, slots=True, kw_only=True)
class AddMessage:
    """Something more that is asked for."""

    request: str
    kind: Literal["add"] = "add"


@dataclass(frozen=True, slots=True, kw_only=True)
class CancelMessage:
    """Without a task, of the whole run."""

    task: str | None = None
    kind: Literal["cancel"] = "cancel"


class Inbox(Protocol):
    """Of one run, for whoever carries it."""

    async def waiting(self) -> tuple[Posted, ...]: ...

    async def taken(self, posted: Posted, /) -> None: ...


Message: TypeAlias = AnswerMessage | SteerMessage | AddMessage | CancelMessage


@dataclass(frozen=True, slots=True, kw_only=True)
class Posted:
    """A message as it lies in the inbox."""

    id: int
    message: Message


@dataclass(frozen=True, slots=True, kw_only=True)
class _Envelope:
    message: Message


def post(journal: Path, run: str, message: Message) -> int:
    """The number it has in the inbox. Raises `JournalError`."""
    body = codec.to_json(_Envelope(message=message))
    with contextlib.closing(connect(journal)) as connection, explained(journal, "written"), transaction(connection):
        connection.execute(_TABLE)
        row = (run, datetime.now(UTC).isoformat(), body)
        return int(connection.execute("INSERT INTO inbox (run, at, body) VALUES (?, ?, ?)", row).lastrowid or 0)


def posted(journal: Path, run: str) -> tuple[Posted, ...]:
    """What has been posted to a run and not been taken yet. Raises `JournalError`."""
    with contextlib.closing(connect(journal, read_only=True)) as connection, explained(journal, "read"):
        return waiting(connection, run)


def waiting(connection: sqlite3.Connection, run: str) -> tuple[Posted, ...]:
    """What lies in the inbox of a run, in order."""
    if connection.execute("SELECT 1 FROM sqlite_master WHERE name = 'inbox'").fetchone() is None:
        return ()
    rows = connection.execute("SELECT id, body FROM inbox WHERE run = ? ORDER BY id", (run,))
    return tuple(Posted(id=number, message=codec.from_json(_Envelope, body).message) for number, body in rows)


def unheard(connection: sqlite3.Connection, run: str) -> None:
    """The run is gone, and nobody will hear what was left for it. Inside a transaction."""
    for posted in waiting(connection, run):
        taken(connection, posted.id)


def taken(connection: sqlite3.Connection, number: int) -> None:
    """What follows from a message is on record. Inside a transaction."""
    connection.execute("DELETE FROM inbox WHERE id = ?", (number,))
