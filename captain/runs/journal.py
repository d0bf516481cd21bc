"""The journal: everything a run did, append-only, and the one way a run has an effect.

`step` runs something once per path and remembers what it gave; `record` adds an event. Both are rows of
the same sequence, so that report, live view and resume are readings of one thing.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from typing import Literal, Protocol, TypeVar

import anyio

from captain.core import codec
from captain.core.clock import Clock
from captain.core.errors import JournalError
from captain.core.events import EVENT_TYPES, Event, Recorded, RunEnded
from captain.core.masking import Masker

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """One row. `key` is an event's kind or a step's path; `body` is JSON.

    A step leaves `started` (its body is the digest of its inputs) and then `finished` (its result) or
    `broke_off` (the name of the error).
    """

    seq: int
    at: datetime
    kind: Literal["event", "started", "finished", "broke_off"]
    key: str
    body: str


class Store(Protocol):
    """Where the entries of one run are kept. `append` returns when the entry is durable."""

    async def append(self, entry: Entry) -> None: ...

    async def load(self) -> tuple[Entry, ...]: ...

    async def aclose(self) -> None: ...


class MemoryStore:
    """Keeps entries in this process only."""

    def __init__(self) -> None:
        self._entries: list[Entry] = []

    async def append(self, entry: Entry) -> None:
        self._entries.append(entry)

    async def load(self) -> tuple[Entry, ...]:
        return tuple(self._entries)

    async def aclose(self) -> None:
        return None


@dataclass(frozen=True, slots=True)
class _Finished:
    digest: str
    body: str


class Journal:
    """The record of one run, over a `Store`. Open it with `Journal.open`.

    Whatever goes in is masked by `masker` first, and a step gives what was kept: the same at once and when
    the run is resumed.
    """

    def __init__(self, store: Store, clock: Clock, masker: Masker | None = None) -> None:
        self.masker = masker or Masker()
        self._store = store
        self._clock = clock
        self._seq = 0
        self._append = anyio.Lock()
        self._finished: dict[str, _Finished] = {}
        self._events: list[Recorded] = []
        self._news = anyio.Event()
        self._sealed = False

    @classmethod
    async def open(cls, store: Store, clock: Clock, masker: Masker | None = None) -> Journal:
        """Reads what the store holds already."""
        journal = cls(store, clock, masker)
        started: dict[str, str] = {}
        for entry in await store.load():
            journal._seq = entry.seq
            match entry.kind:
                case "event":
                    journal._events.append(decode_event(entry))
                case "started":
                    started[entry.key] = entry.body
                case "finished":
                    journal._finished[entry.key] = _Finished(started[entry.key], entry.body)
                case "broke_off":
                    started.pop(entry.key, None)
        return journal

    async def step(self, path: str, work: Callable[[], Awaitable[T]], *, inputs: object, gives: type[T]) -> T:
        """What `work` gives, remembered under `path`: a finished step is never done twice.

        `inputs` is any value the codec writes. A path that finished with other inputs is a `JournalError`.
        """
        digest = codec.digest(inputs)
        if (known := self._finished.get(path)) is not None:
            if known.digest != digest:
                raise JournalError(
                    f"The step {path!r} is recorded with other inputs than it is asked for now.",
                    hint="A record belongs to one request in one repository; start a new run.",
                )
            return codec.from_json(gives, known.body)
        await self._add("started", path, digest)
        try:
            result = self.masker.value(await work())
            body = codec.to_json(result, gives)
        except BaseException as error:
            with anyio.CancelScope(shield=True):
                await self._add("broke_off", path, codec.to_json(type(error).__name__))
            raise
        with anyio.CancelScope(shield=True):  # it happened: a cancellation must not lose that
            await self._add("finished", path, body)
        self._finished[path] = _Finished(digest, body)
        return result

    async def record(self, event: Event) -> None:
        """Adds an event; it is durable, and visible to subscribers, when this returns."""
        event = self.masker.value(event)
        entry = await self._add("event", event.kind, codec.to_json(event))
        self._events.append(Recorded(seq=entry.seq, at=entry.at, event=event))
        self._news.set()
        self._news = anyio.Event()

    @property
    def events(self) -> tuple[Recorded, ...]:
        return tuple(self._events)

    async def follow(self) -> AsyncIterator[Recorded]:
        """Every event from the first to `RunEnded`, or to the last there is once the journal is sealed.

        Each reader has its own place in the list, so a slow one holds up nobody and misses nothing.
        """
        place = 0
        while True:
            while place < len(self._events):
                recorded = self._events[place]
                place += 1
                yield recorded
                if isinstance(recorded.event, RunEnded):
                    return
            if self._sealed:
                return
            await self._news.wait()

    def seal(self) -> None:
        """No event follows: whoever waits for one is let go."""
        self._sealed = True
        self._news.set()

    async def aclose(self) -> None:
        await self._store.aclose()

    async def _add(self, kind: Literal["event", "started", "finished", "broke_off"], key: str, body: str) -> Entry:
        async with self._append:
            entry = Entry(seq=self._seq + 1, at=self._clock.now(), kind=kind, key=key, body=body)
            await self._store.append(entry)
            self._seq = entry.seq
            return entry


def decode_event(entry: Entry) -> Recorded:
    """The event in a row of kind `event`."""
    try:
        event = codec.from_json(EVENT_TYPES[entry.key], entry.body)
    except (KeyError, ValueError) as error:
        raise JournalError(
            f"Entry {entry.seq} of the record holds an event {entry.key!r} that cannot be read: {error}",
            hint="The record was written by another version of Captain; read it with that version.",
        ) from error
    return Recorded(seq=entry.seq, at=entry.at, event=event)
