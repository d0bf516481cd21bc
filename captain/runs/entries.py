"""What a journal is made of: entries in order, and the store that keeps those of one run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Protocol, TypeAlias

from captain.core import codec
from captain.core.errors import JournalError
from captain.core.events import EVENT_TYPES, Recorded

EntryKind: TypeAlias = Literal["event", "started", "finished", "broke_off"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One row. `key` is an event's kind or a step's path; `body` is JSON.

    A step leaves `started` (its body is the intent: see `Intent`) and then `finished` (its result) or
    `broke_off` (the error: see `Failure`). `body` is None only where a store has left a result out.
    """

    seq: int
    at: datetime
    kind: EntryKind
    key: str
    body: str | None


class Store(Protocol):
    """Where the entries of one run are kept."""

    @property
    def run(self) -> str:
        """The run's id."""
        ...

    async def append(self, entries: Sequence[Entry], /) -> None:
        """All of them or none, durable when it returns. A cancellation is put off until then.

        Raises `RunHeldError` if this store does not hold the run any more, and then keeps nothing.
        """
        ...

    async def load(self) -> tuple[Entry, ...]:
        """Every entry in order; results of steps may be left out."""
        ...

    async def body(self, seq: int, /) -> str:
        """What the entry of that number holds, whole."""
        ...

    async def aclose(self) -> None: ...


class MemoryStore:
    """Keeps entries in this process only."""

    def __init__(self, run: str = "memory") -> None:
        self._run = run
        self._entries: list[Entry] = []

    @property
    def run(self) -> str:
        return self._run

    async def append(self, entries: Sequence[Entry], /) -> None:
        self._entries.extend(entries)

    async def load(self) -> tuple[Entry, ...]:
        return tuple(self._entries)

    async def body(self, seq: int, /) -> str:
        return next(entry.body for entry in self._entries if entry.seq == seq and entry.body is not None)

    async def aclose(self) -> None:
        return None


def decode_event(entry: Entry) -> Recorded:
    """The event in a row of kind `event`."""
    try:
        event = codec.from_json(EVENT_TYPES[entry.key], entry.body or "")
    except (KeyError, ValueError) as error:
        raise JournalError(
            f"Entry {entry.seq} of the record holds an event {entry.key!r} that cannot be read: {error}",
            hint="The record was written by another version of Captain; read it with that version.",
        ) from error
    return Recorded(seq=entry.seq, at=entry.at, event=event)
