"""Suites that every implementation of a port has to pass. Subclass one in a test module."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Awaitable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from typing import Any, TypeVar

import anyio

from captain.core.clock import Clock
from captain.core.errors import JournalError, ReplayError, RunHeldError, UnfinishedEffectError
from captain.core.events import Noticed, RunEnded, RunResumed, TaskChanged
from captain.core.masking import Masker
from captain.runs import Effect, Entry, Happened, Journal, Repeat, RunJournal, Settle, Store, Unfinished
from captain.testing.clock import FakeClock

E = TypeVar("E", bound=Exception)


class JournalContract(ABC):
    """What a journal promises. `journal` opens the same record every time within one test."""

    @abstractmethod
    def journal(
        self, *, clock: Clock | None = None, masker: Masker | None = None, settle: Settle | None = None
    ) -> AbstractAsyncContextManager[Journal]: ...

    async def test_a_finished_step_is_not_done_again(self) -> None:
        work = _Work([1, 2])
        for _ in range(2):
            async with self.journal() as journal:
                given = await journal.step("a/step", work, inputs={"x": 1}, gives=list[int], effect="call")
                assert given == [1, 2]
        assert work.times == 1

    async def test_a_step_asked_for_with_other_inputs_says_which_they_are(self) -> None:
        work = _Work("done")
        masker = Masker(["hunter2-hunter2"])
        before = {"model": "a", "words": "x" * 1000, "same": [1], "key": "hunter2-hunter2"}
        now = {"model": "b", "words": "x" * 999, "same": [1], "key": "none"}
        async with self.journal(masker=masker) as journal:
            await journal.step("a/step", work, inputs=before, gives=str, effect="call")
        async with self.journal(masker=masker) as journal:
            error = await _raised(ReplayError, journal.step("a/step", work, inputs=now, gives=str, effect="call"))
        assert "'a/step'" in str(error)
        assert 'model was "a" and is "b"' in str(error)
        assert [name for name, _, _ in error.changes] == ["model", "words", "key"]
        assert "hunter2" not in str(error)
        assert len(str(error)) < 600
        assert error.hint
        assert work.times == 1

    async def test_a_step_that_failed_is_done_again(self) -> None:
        work = _Work("done", fails=1)
        async with self.journal() as journal:
            await _raised(ValueError, journal.step("a/step", work, inputs=None, gives=str, effect="write"))
        async with self.journal() as journal:
            assert journal.unfinished == ()
            assert await journal.step("a/step", work, inputs=None, gives=str, effect="write") == "done"

    async def test_reads_and_calls_that_were_cut_short_are_repeated(self) -> None:
        effects: tuple[Effect, ...] = ("read", "call")
        for effect in effects:
            async with self.journal() as journal:
                await _cut_short(journal, effect, effect)
            async with self.journal() as journal:
                again = journal.step(effect, _Work("done"), inputs={"n": 1}, gives=str, effect=effect)
                assert await again == "done"

    async def test_other_effects_that_were_cut_short_are_not_repeated_unasked(self) -> None:
        effects: tuple[Effect, ...] = ("write", "command", "external")
        for effect in effects:
            async with self.journal() as journal:
                await _cut_short(journal, effect, effect)
            work = _Work("done")
            async with self.journal() as journal:
                again = journal.step(effect, work, inputs={"n": 1}, gives=str, effect=effect)
                error = await _raised(UnfinishedEffectError, again)
                left = next(one for one in journal.unfinished if one.path == effect)
            assert work.times == 0
            assert (error.path, error.effect, error.key) == (effect, effect, left.intent.key)
            assert left.intent.key
            assert error.hint

    async def test_an_unfinished_effect_is_settled_by_whoever_can_look(self) -> None:
        asked: list[Unfinished] = []

        async def reset(left: Unfinished) -> Repeat:
            asked.append(left)
            return Repeat()

        async def happened(left: Unfinished) -> Happened:
            asked.append(left)
            return Happened("it did")

        work = _Work("done")
        async with self.journal() as journal:
            await _cut_short(journal, "one", "command")
            await _cut_short(journal, "other", "external")
        async with self.journal(settle=happened) as journal:
            one = journal.step("one", work, inputs={"n": 1}, gives=str, effect="command", settle=reset)
            assert await one == "done"
            other = journal.step("other", work, inputs={"n": 1}, gives=str, effect="external")
            assert await other == "it did"
            assert journal.unfinished == ()
        assert [left.path for left in asked] == ["one", "other"]
        assert work.times == 1
        async with self.journal() as journal:
            assert journal.unfinished == ()
            other = journal.step("other", work, inputs={"n": 1}, gives=str, effect="external")
            assert await other == "it did"

    async def test_what_a_step_tells_goes_in_with_its_result_and_once(self) -> None:
        for _ in range(2):
            async with self.journal() as journal:
                assert journal.knows("a") is bool(journal.events)
                given = journal.step(
                    "a", _Work("done"), inputs=None, gives=str, effect="call", tells=lambda said: (Noticed(text=said),)
                )
                assert await given == "done"
                assert journal.knows("a")
                assert [recorded.event for recorded in journal.events] == [Noticed(text="done")]

    async def test_what_a_resumed_run_tells_again_is_not_recorded_again(self) -> None:
        async with self.journal() as journal:
            for text in ("one", "two", "one"):
                await journal.record(Noticed(text=text))
        async with self.journal() as journal:
            for text in ("one", "one", "one", "three"):
                await journal.record(Noticed(text=text))
            told = [recorded.event for recorded in journal.events]
        assert told == [Noticed(text=text) for text in ("one", "two", "one", "one", "three")]

    async def test_how_something_ended_is_told_again_by_a_resumed_run(self) -> None:
        ended = RunEnded(status="budget", summary="too much")
        parked = TaskChanged(task="T1", state="parked", reason="too much")
        accepted = TaskChanged(task="T2", state="accepted")
        async with self.journal() as journal:
            for event in (accepted, parked, ended):
                await journal.record(event)
        async with self.journal() as journal:
            for event in (accepted, parked, ended):
                await journal.record(event)
            told = [recorded.event for recorded in journal.events]
        assert told == [accepted, parked, ended, parked, ended]

    async def test_readers_of_a_resumed_run_see_it_to_its_last_end(self) -> None:
        ended = RunEnded(status="budget", summary="too much")
        async with self.journal() as journal:
            await journal.record(ended)
        async with self.journal() as journal:
            await journal.record(RunResumed(crew=(), sandbox="none"))
            await journal.record(ended)
            assert len([recorded async for recorded in journal.follow()]) == 3

    async def test_one_path_is_not_at_work_twice(self) -> None:
        async with self.journal() as journal:

            async def again() -> str:
                inner = journal.step("a", _Work("inner"), inputs=None, gives=str, effect="read")
                await _raised(JournalError, inner)
                return "outer"

            assert await journal.step("a", again, inputs=None, gives=str, effect="read") == "outer"

    async def test_secrets_are_kept_nowhere(self) -> None:
        masker = Masker(["hunter2-hunter2"])
        async with self.journal(masker=masker) as journal:
            work = _Work("the word is hunter2-hunter2")
            kept = await journal.step("a", work, inputs={"k": "hunter2-hunter2"}, gives=str, effect="call")
            await journal.record(Noticed(text="hunter2-hunter2"))
            assert "hunter2" not in kept + repr(journal.events) + repr(journal.unfinished)
        async with self.journal(masker=masker) as journal:
            assert await journal.step("a", work, inputs={"k": "hunter2-hunter2"}, gives=str, effect="call") == kept

    async def test_a_clock_that_is_set_back_does_not_turn_the_record_around(self) -> None:
        clock = FakeClock()
        async with self.journal(clock=clock) as journal:
            clock.advance(3600)
            await journal.record(Noticed(text="one"))
            clock.advance(-7200)
            await journal.record(Noticed(text="two"))
        async with self.journal(clock=clock) as journal:
            await journal.record(Noticed(text="three"))
            events = journal.events
        assert [recorded.event for recorded in events] == [Noticed(text=word) for word in ("one", "two", "three")]
        assert [recorded.seq for recorded in events] == [1, 2, 3]
        assert all(later.at - earlier.at >= timedelta(0) for earlier, later in pairwise(events))

    async def test_every_reader_sees_every_event_however_slow(self) -> None:
        async with self.journal() as journal:
            seen: dict[str, list[int]] = {"eager": [], "late": []}

            async def read(name: str, events: AsyncIterator[object]) -> None:
                seen[name].extend([getattr(recorded, "seq") async for recorded in events])  # noqa: B009

            async with anyio.create_task_group() as group:
                group.start_soon(read, "eager", journal.follow())
                for number in range(5):
                    await journal.record(Noticed(text=str(number)))
                await journal.record(RunEnded(status="succeeded", summary="done"))
                group.start_soon(read, "late", journal.follow())
            assert seen["eager"] == seen["late"] == [1, 2, 3, 4, 5, 6]

    async def test_what_many_tasks_record_is_numbered_without_gaps(self) -> None:
        async with self.journal() as journal:
            async with anyio.create_task_group() as group:
                for number in range(20):
                    group.start_soon(journal.record, Noticed(text=str(number)))
            assert [recorded.seq for recorded in journal.events] == list(range(1, 21))
        async with self.journal() as journal:
            assert [recorded.seq for recorded in journal.events] == list(range(1, 21))


class StoreContract(JournalContract):
    """What a journal store promises, and the journal over it. `store` opens the same record every time."""

    @abstractmethod
    def store(self) -> AbstractAsyncContextManager[Store]: ...

    @asynccontextmanager
    async def journal(
        self, *, clock: Clock | None = None, masker: Masker | None = None, settle: Settle | None = None
    ) -> AsyncIterator[Journal]:
        async with self.store() as store:
            yield await RunJournal.open(store, clock or FakeClock(), masker, settle=settle)

    async def test_entries_come_back_in_order_and_as_they_were(self) -> None:
        one, two, three = (_entry(seq) for seq in (1, 2, 3))
        async with self.store() as store:
            await store.append([one])
            await store.append([two, three])
        async with self.store() as store:
            assert await store.load() == (one, two, three)
            assert [await store.body(seq) for seq in (1, 2, 3)] == [one.body, two.body, three.body]

    async def test_a_body_of_any_size_comes_back(self) -> None:
        sizes = (0, 1, 4_000, 70_000, 1_000_000)
        async with self.store() as store:
            await store.append([_entry(seq, '"' + "ü" * size + '"') for seq, size in enumerate(sizes, start=1)])
        async with self.store() as store:
            for seq, size in enumerate(sizes, start=1):
                assert await store.body(seq) == '"' + "ü" * size + '"'


class HoldContract(ABC):
    """What a store promises that several processes may open: one of them writes. `store` opens one record."""

    @abstractmethod
    def store(self, *, take_over: bool = False) -> AbstractAsyncContextManager[Store]: ...

    async def test_a_run_that_is_carried_is_refused_and_its_holder_named(self) -> None:
        async with self.store() as one:
            error = await _raised(RunHeldError, self.store().__aenter__())
            assert error.run == one.run
            assert error.pid > 0
            assert str(error.pid) in str(error)
            assert error.host in str(error)
            assert error.since
            assert error.hint
            await one.append([_entry(1)])
        async with self.store() as other:
            await other.append([_entry(2)])

    async def test_who_lost_the_run_can_write_nothing_any_more(self) -> None:
        async with self.store() as one:
            await one.append([_entry(1)])
            async with self.store(take_over=True) as other:
                await other.append([_entry(2)])
                await _raised(RunHeldError, one.append([_entry(3)]))
            await _raised(RunHeldError, one.append([_entry(3)]))
        async with self.store() as store:
            assert [entry.seq for entry in await store.load()] == [1, 2]


class _Work:
    """Gives `result`, after failing so many times."""

    def __init__(self, result: Any, *, fails: int = 0) -> None:
        self.times = 0
        self._result = result
        self._fails = fails

    async def __call__(self) -> Any:
        self.times += 1
        if self.times <= self._fails:
            raise ValueError("no luck")
        return self._result


async def _cut_short(journal: Journal, path: str, effect: Effect) -> None:
    """A step that is cancelled in the middle of its work."""
    begun = anyio.Event()

    async def forever() -> str:
        begun.set()
        await anyio.sleep_forever()
        raise AssertionError

    async def run() -> None:
        await journal.step(path, forever, inputs={"n": 1}, gives=str, effect=effect)

    async with anyio.create_task_group() as group:
        group.start_soon(run)
        await begun.wait()
        group.cancel_scope.cancel()


async def _raised(kind: type[E], awaitable: Awaitable[object]) -> E:
    try:
        await awaitable
    except kind as error:
        return error
    raise AssertionError(f"no {kind.__name__} was raised")


def _entry(seq: int, body: str = '"ü"') -> Entry:
    return Entry(seq=seq, at=datetime(2026, 1, 1, 0, 0, seq, tzinfo=UTC), kind="started", key=f"a/{seq}", body=body)
