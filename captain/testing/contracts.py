"""Suites that every implementation of a port has to pass. Subclass one in a test module."""

from __future__ import annotations

import contextlib
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime

import anyio

from captain.core.errors import JournalError
from captain.core.events import Noticed, RunEnded
from captain.runs import Entry, Journal, Store
from captain.testing.clock import FakeClock


class StoreContract(ABC):
    """What a journal store promises. `store` opens the same record every time within one test."""

    @abstractmethod
    def store(self) -> AbstractAsyncContextManager[Store]: ...

    async def test_entries_come_back_in_order_and_as_they_were(self) -> None:
        entries = tuple(
            Entry(seq=seq, at=datetime(2026, 1, 1, 0, 0, seq, tzinfo=UTC), kind="started", key=f"a/{seq}", body='"ü"')
            for seq in (1, 2, 3)
        )
        async with self.store() as store:
            for entry in entries:
                await store.append(entry)
        async with self.store() as store:
            assert await store.load() == entries

    async def test_a_finished_step_is_not_done_again(self) -> None:
        done = []

        async def work() -> list[int]:
            done.append(1)
            return [1, 2]

        for _ in range(2):
            async with self.store() as store:
                journal = await Journal.open(store, FakeClock())
                assert await journal.step("a/step", work, inputs=("x", 1), gives=list[int]) == [1, 2]
        assert len(done) == 1

    async def test_a_step_asked_for_with_other_inputs_is_refused(self) -> None:
        async def work() -> str:
            return "done"

        async with self.store() as store:
            journal = await Journal.open(store, FakeClock())
            await journal.step("a/step", work, inputs="one", gives=str)
        async with self.store() as store:
            journal = await Journal.open(store, FakeClock())
            problem = ""
            try:
                await journal.step("a/step", work, inputs="other", gives=str)
            except JournalError as error:
                problem = str(error)
            assert "a/step" in problem

    async def test_a_step_that_broke_off_is_done_again(self) -> None:
        tries = []

        async def work() -> str:
            tries.append(1)
            if len(tries) == 1:
                raise ValueError("no luck")
            return "done"

        async with self.store() as store:
            journal = await Journal.open(store, FakeClock())
            with contextlib.suppress(ValueError):
                await journal.step("a/step", work, inputs=None, gives=str)
        async with self.store() as store:
            journal = await Journal.open(store, FakeClock())
            assert await journal.step("a/step", work, inputs=None, gives=str) == "done"

    async def test_every_reader_sees_every_event_however_slow(self) -> None:
        async with self.store() as store:
            journal = await Journal.open(store, FakeClock())
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
