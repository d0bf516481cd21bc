"""The journal: everything a run did, append-only, and the one way a run has an effect.

`step` does something once per path and remembers what it gave; `record` adds an event. Both are rows of
the same sequence, so that report, live view and resume are readings of one thing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Final, Protocol, TypeVar

import anyio
import anyio.lowlevel

from captain.core import codec
from captain.core.clock import Clock
from captain.core.errors import JournalError
from captain.core.events import Event, Recorded, RunEnded, RunResumed, is_from_outside, is_taken_back
from captain.core.masking import Masker
from captain.runs.entries import Entry, EntryKind, Store, decode_event
from captain.runs.failures import Failure
from captain.runs.intents import REPEATABLE, Effect, Happened, Intent, Settle, Unfinished, read_intent, refuse

T = TypeVar("T")

_CUT_SHORT: Final = frozenset({"CancelledError", "Cancelled", "KeyboardInterrupt", "SystemExit", "GeneratorExit"})
"""What breaks a step off in the middle: nobody has said that it failed, so it may have happened."""


class Journal(Protocol):
    """The record of one run. `captain.testing.JournalContract` is what every implementation has to pass."""

    @property
    def masker(self) -> Masker:
        """Takes secrets out of whatever goes in."""
        ...

    @property
    def events(self) -> tuple[Recorded, ...]: ...

    @property
    def unfinished(self) -> tuple[Unfinished, ...]:
        """Steps that had begun and have no outcome: after a crash, what may have happened, in order."""
        ...

    async def step(
        self,
        path: str,
        work: Callable[[], Awaitable[T]],
        *,
        inputs: object,
        gives: type[T],
        effect: Effect,
        settle: Settle | None = None,
        tells: Callable[[T], Sequence[Event]] | None = None,
    ) -> T:
        """What `work` gives, remembered under `path`: a finished step is never done twice.

        The events that `tells` makes of it go in together with it, all or none.

        `inputs` are values the codec writes, best a mapping by name. A path that finished with others is a
        `ReplayError`. Before anything but a `read`, the intent is durable. A step that a crash left unfinished is
        repeated if it is a `read` or a `call`; otherwise `settle` decides, the journal's own if none is given,
        and without any it is an `UnfinishedEffectError`.
        """
        ...

    def knows(self, path: str) -> bool:
        """Whether the step is finished."""
        ...

    async def record(self, event: Event) -> None:
        """Adds an event; it is durable, and visible to readers, when this returns.

        A run that is resumed tells again what it told: an event in the words of one that was on record when the
        journal was opened is that one, once for each. How something ended is always news.
        """
        ...

    def follow(self) -> AsyncIterator[Recorded]:
        """Every event from the first to the end of the run, or to the last there is once the journal is sealed.

        Each reader has its own place in the list, so a slow one holds up nobody and misses nothing.
        """
        ...

    def seal(self) -> None:
        """No event follows: whoever waits for one is let go."""
        ...

    async def aclose(self) -> None: ...


@dataclass(slots=True, eq=False)
class _Draft:
    """An entry that has no number yet; `outcome` is that number or why it could not be kept."""

    at: datetime
    kind: EntryKind
    key: str
    body: str
    event: Event | None = None
    outcome: int | Exception | None = None


class RunJournal:
    """The journal over a `Store`. Open it with `RunJournal.open`.

    Whatever goes in is masked by `masker` first, and a step gives what was kept: the same at once and when
    the run is resumed. What parallel steps have to say while the store is writing goes in together next.
    """

    def __init__(self, store: Store, clock: Clock, masker: Masker | None = None, settle: Settle | None = None) -> None:
        self._masker = masker or Masker()
        self._store = store
        self._clock = clock
        self._settle = settle or refuse
        self._seq = 0
        self._last: datetime | None = None
        self._drafts: list[_Draft] = []
        self._writing = anyio.Lock()
        self._finished: dict[str, tuple[int, Intent]] = {}
        self._unfinished: dict[str, Unfinished] = {}
        self._failures: dict[str, int] = {}
        self._at_work: set[str] = set()
        self._events: list[Recorded] = []
        self._told: Counter[tuple[str, str]] = Counter()
        self._news = anyio.Event()
        self._sealed = False

    @classmethod
    async def open(
        cls, store: Store, clock: Clock, masker: Masker | None = None, *, settle: Settle | None = None
    ) -> RunJournal:
        """Reads what the store holds already."""
        journal = cls(store, clock, masker, settle)
        for entry in await store.load():
            journal._read(entry)
        return journal

    @property
    def masker(self) -> Masker:
        return self._masker

    @property
    def events(self) -> tuple[Recorded, ...]:
        return tuple(self._events)

    @property
    def unfinished(self) -> tuple[Unfinished, ...]:
        return tuple(self._unfinished.values())

    async def step(
        self,
        path: str,
        work: Callable[[], Awaitable[T]],
        *,
        inputs: object,
        gives: type[T],
        effect: Effect,
        settle: Settle | None = None,
        tells: Callable[[T], Sequence[Event]] | None = None,
    ) -> T:
        failures = self._failures.get(path, 0)
        intent = Intent.of(self._store.run, path, effect, inputs, masker=self._masker, failures=failures)
        if (known := self._finished.get(path)) is not None:
            seq, before = known
            before.refuse_other(path, intent)
            return codec.from_json(gives, await self._store.body(seq))
        if path in self._at_work:
            raise JournalError(
                f"The step {path!r} is at work already.", hint="Give each step of a run a path of its own."
            )
        self._at_work.add(path)
        try:
            left = self._unfinished.get(path)
            if left is not None and not {left.intent.effect, effect} <= REPEATABLE:
                decided = await (settle or self._settle)(left)
                if isinstance(decided, Happened):
                    return await self._take(path, intent, decided, gives)
            return await self._carry_out(path, work, intent, gives, tells)
        finally:
            self._at_work.discard(path)

    def knows(self, path: str) -> bool:
        return path in self._finished

    async def record(self, event: Event) -> None:
        draft = self._news_of(event)
        told = (draft.key, draft.body)
        if self._told[told] and not is_taken_back(event) and not is_from_outside(event):
            self._told[told] -= 1
            return
        await self._add(draft)

    async def follow(self) -> AsyncIterator[Recorded]:
        place = 0
        while True:
            while place < len(self._events):
                recorded = self._events[place]
                place += 1
                yield recorded
                if isinstance(recorded.event, RunEnded) and not self._is_resumed(place):
                    return
            if self._sealed:
                return
            await self._news.wait()

    def _is_resumed(self, place: int) -> bool:
        return any(isinstance(later.event, RunResumed) for later in self._events[place:])

    def seal(self) -> None:
        self._sealed = True
        self._news.set()

    async def aclose(self) -> None:
        with anyio.CancelScope(shield=True):
            try:
                async with self._writing:
                    await self._write()
            finally:
                await self._store.aclose()

    async def _take(self, path: str, intent: Intent, decided: Happened, gives: type[T]) -> T:
        """What somebody else knows of an outcome, as the step's own."""
        body = codec.to_json(self._masker.value(decided.result), gives)
        result = codec.from_json(gives, body)
        await self._finish(path, intent, body, self._draft("started", path, intent.written()))
        return result

    async def _carry_out(
        self,
        path: str,
        work: Callable[[], Awaitable[T]],
        intent: Intent,
        gives: type[T],
        tells: Callable[[T], Sequence[Event]] | None,
    ) -> T:
        begun = _Draft(self._clock.now(), "started", path, intent.written())
        # A read leaves nothing to settle after a crash, so it costs no write of its own: it goes in with its outcome.
        together = (begun,) if intent.effect == "read" else ()
        if not together:
            with anyio.CancelScope(shield=True):
                await self._add(begun)
        try:
            await anyio.lowlevel.checkpoint_if_cancelled()
            result = self._masker.value(await work())
            body = codec.to_json(result, gives)
        except BaseException as error:
            failure = Failure.of(error, self._masker)
            with anyio.CancelScope(shield=True):
                await self._add(*together, self._draft("broke_off", path, failure.written()))
            self._broke_off(path, failure.error, Unfinished(path=path, intent=intent, began_at=begun.at))
            raise
        news = [self._news_of(event) for event in tells(result)] if tells is not None else []
        await self._finish(path, intent, body, *together, *news)
        return result

    async def _finish(self, path: str, intent: Intent, body: str, *together: _Draft) -> None:
        with anyio.CancelScope(shield=True):  # it happened: a cancellation must not lose that
            seq = await self._add(*together, self._draft("finished", path, body))
        self._finished[path] = (seq, intent)
        self._unfinished.pop(path, None)

    def _broke_off(self, path: str, error: str, left: Unfinished) -> None:
        if error in _CUT_SHORT:
            self._unfinished[path] = left
        else:
            self._unfinished.pop(path, None)
            self._failures[path] = self._failures.get(path, 0) + 1

    def _read(self, entry: Entry) -> None:
        self._seq, self._last = entry.seq, entry.at
        match entry.kind:
            case "event":
                self._events.append(decode_event(entry))
                self._told[entry.key, entry.body or ""] += 1
            case "started":
                intent = read_intent(entry.seq, entry.body)
                self._unfinished[entry.key] = Unfinished(path=entry.key, intent=intent, began_at=entry.at)
            case "finished":
                self._finished[entry.key] = (entry.seq, self._begun(entry).intent)
                del self._unfinished[entry.key]
            case "broke_off":
                self._broke_off(entry.key, Failure.read(entry.body).error, self._begun(entry))

    def _begun(self, entry: Entry) -> Unfinished:
        if (begun := self._unfinished.get(entry.key)) is None:
            raise JournalError(
                f"Entry {entry.seq} of the record ends the step {entry.key!r}, which has not begun in it.",
                hint="The record is damaged; its report can still be made.",
            )
        return begun

    def _news_of(self, event: Event) -> _Draft:
        event = self._masker.value(event)
        return self._draft("event", event.kind, codec.to_json(event), event)

    def _draft(self, kind: EntryKind, key: str, body: str, event: Event | None = None) -> _Draft:
        return _Draft(self._clock.now(), kind, key, body, event)

    async def _add(self, *drafts: _Draft) -> int:
        """The number of the last entry, once all of them are durable."""
        last = drafts[-1]
        self._drafts.extend(drafts)
        try:
            async with self._writing:
                if last.outcome is None:
                    await self._write()
        except BaseException:
            # what begins does not begin; what has happened goes in with whatever is written next
            if last.kind in ("started", "event") and last in self._drafts:
                self._drafts.remove(last)
            raise
        if isinstance(last.outcome, Exception):
            raise last.outcome
        assert last.outcome is not None
        return last.outcome

    async def _write(self) -> None:
        """Everything that waits, in one go. The caller has the lock."""
        drafts, self._drafts = self._drafts, []
        if not drafts:
            return
        entries = []
        last = self._last
        for seq, draft in enumerate(drafts, start=self._seq + 1):
            last = draft.at if last is None else max(last, draft.at)  # clocks are set back; what came later is later
            entries.append(Entry(seq=seq, at=last, kind=draft.kind, key=draft.key, body=draft.body))
        try:
            await self._store.append(entries)
        except Exception as error:  # noqa: BLE001 whatever it is, each of those who wait is to learn of it
            for draft in drafts:
                draft.outcome = error
            return
        self._seq, self._last = entries[-1].seq, last
        for draft, entry in zip(drafts, entries, strict=True):
            draft.outcome = entry.seq
            if draft.event is not None:
                self._events.append(Recorded(seq=entry.seq, at=entry.at, event=draft.event))
        self._news.set()
        self._news = anyio.Event()
