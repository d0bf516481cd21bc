"""A step that happened is on record, one that broke off is known to have, and no cancellation is lost."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from decimal import Decimal
from functools import partial
from typing import Any, Literal

import anyio
import pytest

from captain.core.errors import JournalError, ToolError
from captain.core.events import Noticed, RunEnded
from captain.core.tasks import Check
from captain.runs import Entry, MemoryStore, RunJournal
from captain.runs.entries import decode_event
from captain.runs.failures import Failure
from captain.testing import FakeClock


class SlowStore(MemoryStore):
    """Every append waits until it is let through."""

    def __init__(self, *, slow: Literal["started", "finished", "event", "broke_off"]) -> None:
        super().__init__()
        self.slow = slow
        self.reached, self.may_go = anyio.Event(), anyio.Event()

    async def append(self, entries: Sequence[Entry], /) -> None:
        if any(entry.kind == self.slow for entry in entries):
            self.reached.set()
            await self.may_go.wait()
        await super().append(entries)


def rows(entries: Sequence[Entry]) -> list[tuple[str, str]]:
    return [(entry.kind, entry.key) for entry in entries]


async def give() -> str:
    return "done"


async def test_a_cancelled_step_leaves_broke_off_and_the_cancellation_goes_on() -> None:
    store = MemoryStore()
    journal = await RunJournal.open(store, FakeClock())
    started, after = anyio.Event(), []

    async def forever() -> str:
        started.set()
        await anyio.sleep_forever()
        return "never"

    async def run() -> None:
        await journal.step("a", forever, inputs=None, gives=str, effect="write")
        after.append("not reached")

    async with anyio.create_task_group() as group:
        group.start_soon(run)
        await started.wait()
        group.cancel_scope.cancel()
    assert group.cancel_scope.cancelled_caught
    assert after == []
    assert rows(await store.load()) == [("started", "a"), ("broke_off", "a")]
    assert Failure.read((await store.load())[-1].body).error == "CancelledError"


async def test_a_cancellation_after_the_work_is_done_does_not_lose_its_result() -> None:
    store = SlowStore(slow="finished")
    journal = await RunJournal.open(store, FakeClock())
    async with anyio.create_task_group() as group:
        group.start_soon(partial(journal.step, "a", give, inputs=None, gives=str, effect="write"))
        await store.reached.wait()
        group.cancel_scope.cancel()
        store.may_go.set()
    assert rows(await store.load()) == [("started", "a"), ("finished", "a")]
    again = await RunJournal.open(store, FakeClock())

    async def not_again() -> str:
        raise AssertionError("a finished step was done again")

    assert await again.step("a", not_again, inputs=None, gives=str, effect="write") == "done"


async def test_a_cancellation_right_at_the_end_of_the_work_does_not_lose_its_result() -> None:
    store = MemoryStore()
    journal = await RunJournal.open(store, FakeClock())
    with anyio.CancelScope() as scope:

        async def last_moment() -> str:
            scope.cancel()
            return "done"

        await journal.step("a", last_moment, inputs=None, gives=str, effect="write")
        await anyio.lowlevel.checkpoint()
    assert scope.cancelled_caught
    assert rows(await store.load()) == [("started", "a"), ("finished", "a")]


async def test_a_step_that_fails_raises_its_own_error_and_is_known_to_have_broken_off() -> None:
    store = MemoryStore()
    journal = await RunJournal.open(store, FakeClock())

    async def fail() -> str:
        raise ToolError("no luck")

    with pytest.raises(ToolError, match="no luck"):
        await journal.step("a", fail, inputs=None, gives=str, effect="write")
    failure = Failure.read((await store.load())[-1].body)
    assert failure == Failure(error="ToolError", message="no luck")
    again = failure.again()
    assert (type(again), str(again)) == (ToolError, "no luck")


async def test_a_result_that_cannot_be_written_breaks_the_step_off() -> None:
    store = MemoryStore()
    journal = await RunJournal.open(store, FakeClock())

    async def unwritable() -> object:
        return object()

    with pytest.raises(ValueError, match="serialize"):
        await journal.step("a", unwritable, inputs=None, gives=object, effect="write")
    assert rows(await store.load()) == [("started", "a"), ("broke_off", "a")]


async def test_a_call_that_a_crash_left_open_is_repeated_with_the_same_key_and_then_remembered() -> None:
    store = MemoryStore()
    crashed = await RunJournal.open(store, FakeClock())
    keys = []

    async def die() -> str:
        keys.append((await RunJournal.open(store, FakeClock())).unfinished[0].intent.key)
        raise SystemExit

    with pytest.raises(SystemExit):
        await crashed.step("a", die, inputs="new", gives=str, effect="call")
    journal = await RunJournal.open(store, FakeClock())

    async def repeat() -> str:
        keys.append(journal.unfinished[0].intent.key)
        return "done"

    assert await journal.step("a", repeat, inputs="new", gives=str, effect="call") == "done"
    assert keys[0] == keys[1] != ""
    again = await RunJournal.open(store, FakeClock())
    assert await again.step("a", give, inputs="new", gives=str, effect="call") == "done"


async def test_a_read_that_was_under_way_leaves_nothing_to_settle() -> None:
    store = MemoryStore()
    journal = await RunJournal.open(store, FakeClock())

    async def look() -> str:
        assert await store.load() == ()
        return "done"

    assert await journal.step("a", look, inputs=None, gives=str, effect="read") == "done"
    assert rows(await store.load()) == [("started", "a"), ("finished", "a")]


async def test_a_record_of_the_first_format_can_be_replayed_by_nobody_but_is_read() -> None:
    store = MemoryStore()
    at = FakeClock().now()
    await store.append([Entry(seq=1, at=at, kind="started", key="a", body="0" * 64)])
    journal = await RunJournal.open(store, FakeClock())
    assert [left.intent.effect for left in journal.unfinished] == ["external"]


async def test_a_remembered_result_is_equal_to_the_one_that_was_given() -> None:
    store = MemoryStore()
    result = (Check(name="latin-\udce9", command="true"), Decimal("0.10"), ("a", "b"))

    async def work() -> tuple[Check, Decimal, tuple[str, ...]]:
        return result

    kind: Any = tuple[Check, Decimal, tuple[str, ...]]
    first = await (await RunJournal.open(store, FakeClock())).step("a", work, inputs=None, gives=kind, effect="write")
    assert (
        await (await RunJournal.open(store, FakeClock())).step("a", work, inputs=None, gives=kind, effect="write")
        == first
        == result
    )


async def test_parallel_steps_and_events_get_numbers_without_gaps() -> None:
    store = MemoryStore()
    journal = await RunJournal.open(store, FakeClock())
    async with anyio.create_task_group() as group:
        for number in range(10):
            group.start_soon(partial(journal.step, f"s{number}", give, inputs=None, gives=str, effect="write"))
            group.start_soon(journal.record, Noticed(text=str(number)))
    assert [entry.seq for entry in await store.load()] == list(range(1, 31))
    assert [recorded.seq for recorded in journal.events] == sorted(recorded.seq for recorded in journal.events)


async def test_an_event_is_seen_by_readers_only_once_it_is_durable() -> None:
    store = SlowStore(slow="event")
    journal = await RunJournal.open(store, FakeClock())
    async with anyio.create_task_group() as group:
        group.start_soon(journal.record, Noticed(text="x"))
        await store.reached.wait()
        assert journal.events == ()
        store.may_go.set()
    assert len(journal.events) == 1


async def test_readers_end_with_the_run() -> None:
    journal = await RunJournal.open(MemoryStore(), FakeClock())
    await journal.record(RunEnded(status="succeeded", summary="done"))
    await journal.record(Noticed(text="too late"))
    assert [recorded.seq async for recorded in journal.follow()] == [1]


async def test_a_record_goes_on_where_it_ended() -> None:
    store = MemoryStore()
    await (await RunJournal.open(store, FakeClock())).record(Noticed(text="one"))
    journal = await RunJournal.open(store, FakeClock())
    await journal.record(Noticed(text="two"))
    assert [(recorded.seq, recorded.event) for recorded in journal.events] == [
        (1, Noticed(text="one")),
        (2, Noticed(text="two")),
    ]


@pytest.mark.parametrize(("key", "body"), [("unheard_of", "{}"), ("noticed", "{}"), ("noticed", "not json")])
def test_an_event_of_another_version_is_a_journal_error(key: str, body: str) -> None:
    with pytest.raises(JournalError, match=f"Entry 7 .*{key}") as caught:
        decode_event(Entry(seq=7, at=FakeClock().now(), kind="event", key=key, body=body))
    assert "version" in caught.value.hint


async def test_a_cancellation_by_the_host_itself_breaks_a_step_off() -> None:
    store = MemoryStore()
    journal = await RunJournal.open(store, FakeClock())
    started = asyncio.Event()

    async def forever() -> str:
        started.set()
        await asyncio.sleep(3600)
        return "never"

    task = asyncio.create_task(journal.step("a", forever, inputs=None, gives=str, effect="write"))
    await started.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert rows(await store.load()) == [("started", "a"), ("broke_off", "a")]
