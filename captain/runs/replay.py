"""A journal that only reads: the same code over it does what the run did, without doing anything.

A finished step gives what it gave, and one that broke off raises what it raised. What the code tells has to be what is
on record. So a replay shows that the record is whole, and that the code which reads it still makes the same of it.
"""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Sequence
from typing import TypeVar

from captain.core import codec
from captain.core.errors import ReplayError
from captain.core.events import (
    Event,
    MessageDelivered,
    MessageSent,
    QuestionAnswered,
    Recorded,
    RequestAdded,
    RunEnded,
    RunResumed,
    is_taken_back,
)
from captain.core.masking import Masker
from captain.runs.entries import Entry, decode_event
from captain.runs.failures import Failure
from captain.runs.intents import Effect, Intent, Settle, Unfinished, read_intent

T = TypeVar("T")

_HINT = "It was carried by another version of Captain, or its record is damaged; captain report still reads it."


class ReplayJournal:
    """Over the entries of a run, bodies included. `produced` is what the replay told, or its steps did."""

    def __init__(self, entries: Iterable[Entry]) -> None:
        self.masker = Masker()
        self._begun: dict[str, int] = {}
        self._intents: dict[str, Intent] = {}
        self._finished: dict[str, Entry] = {}
        self._failures: dict[str, Failure] = {}
        self._events: dict[int, Recorded] = {}
        self._to_tell: defaultdict[tuple[str, str], deque[int]] = defaultdict(deque)
        self._told: set[int] = set()
        self._windows: list[tuple[int, int]] = []
        for entry in entries:
            self._read(entry)

    def _read(self, entry: Entry) -> None:
        match entry.kind:
            case "event":
                self._events[entry.seq] = decode_event(entry)
                self._to_tell[entry.key, entry.body or ""].append(entry.seq)
            case "started":
                self._begun.setdefault(entry.key, entry.seq)
                self._intents[entry.key] = read_intent(entry.seq, entry.body)
            case "finished":
                self._finished[entry.key] = entry
            case "broke_off":
                self._failures[entry.key] = Failure.read(entry.body)
                self._windows.append((self._begun[entry.key], entry.seq))

    @property
    def events(self) -> tuple[Recorded, ...]:
        return tuple(self._events.values())

    @property
    def unfinished(self) -> tuple[Unfinished, ...]:
        return ()

    def knows(self, path: str) -> bool:
        return path in self._finished

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
        """What it gave, or the error it broke off with. Raises `ReplayError` if neither is on record."""
        if (finished := self._finished.get(path)) is not None:
            self._intents[path].refuse_other(path, Intent.of("", path, effect, inputs, masker=self.masker, failures=0))
            self._windows.append((self._begun[path], finished.seq))
            return codec.from_json(gives, finished.body or "")
        if (failure := self._failures.get(path)) is not None and (error := failure.again()) is not None:
            raise error
        raise ReplayError(
            f"The step {path!r} is asked for, and the run has no outcome of it on record.",
            path=path,
            changes=(),
            hint=_HINT,
        )

    async def record(self, event: Event) -> None:
        """Raises `ReplayError` for what the run did not tell."""
        body = codec.to_json(event)
        places = self._to_tell[event.kind, body]
        if not places:
            raise ReplayError(
                f"The replay tells {event.kind} in words that are not on record: {body[:300]}",
                path=event.kind,
                changes=(),
                hint=_HINT,
            )
        # how something ended is told once by each process, and it is the last one that is replayed
        self._told.add(places.pop() if is_taken_back(event) else places.popleft())

    @property
    def produced(self) -> tuple[Recorded, ...]:
        """What the replay told and what its steps hold, in the order of the record.

        With it comes what only the first process and those that took the run up could know: how they found things.
        """
        return tuple(one for seq, one in self._events.items() if seq in self._told or self._is_given(seq))

    def _is_given(self, seq: int) -> bool:
        """Said to the run from outside, inside of a step, or from before the last process had the run open."""
        if isinstance(self._events[seq].event, QuestionAnswered | MessageSent | MessageDelivered | RequestAdded):
            return True
        return any(begun < seq < ended for begun, ended in self._windows) or seq < self._taken_up()

    def _taken_up(self) -> int:
        """Where the last process had the run open: at the first thing it told that the code tells anew."""
        resumed = [seq for seq, one in self._events.items() if isinstance(one.event, RunResumed)]
        after = resumed[-1] if resumed else 0
        return min((seq for seq in self._told if seq > after), default=after)

    def follow(self) -> AsyncIterator[Recorded]:
        async def all_of_it() -> AsyncIterator[Recorded]:
            for recorded in self.events:
                yield recorded

        return all_of_it()

    def seal(self) -> None:
        return None

    async def aclose(self) -> None:
        return None


def came_to_an_end(events: Iterable[Recorded]) -> RunEnded | None:
    """How a run ended, if it did and by itself: one that was cancelled or interrupted stopped anywhere."""
    last = None
    for recorded in events:
        if isinstance(recorded.event, RunEnded | RunResumed):
            last = recorded.event
    return last if isinstance(last, RunEnded) and last.status != "cancelled" else None
