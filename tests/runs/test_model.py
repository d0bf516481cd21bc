"""A journal on disk does what one in memory does, whatever is done to it and wherever it breaks off."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from captain.core.errors import ReplayError
from captain.core.events import Noticed
from captain.runs import MemoryStore, RunJournal, SqliteStore, Store
from captain.testing import FakeClock

PATHS = st.sampled_from(["a", "b", "c/d", "ü"])


class Machine(RuleBasedStateMachine):
    """`crash` leaves the old store as a killed process would: without a word, and taken over by the next."""

    @initialize()
    def begin(self) -> None:
        self.loop = asyncio.new_event_loop()
        self.folder = tempfile.TemporaryDirectory(prefix="captain-model-")
        self.path = Path(self.folder.name) / "journal.sqlite"
        self.left: list[SqliteStore] = []
        self.memory = MemoryStore("r")
        self.open(take_over=False)

    def open(self, *, take_over: bool) -> None:
        self.store = self.loop.run_until_complete(SqliteStore.open(self.path, "r", take_over=take_over))
        stores: tuple[Store, ...] = (self.memory, self.store)
        self.both = [self.loop.run_until_complete(RunJournal.open(store, FakeClock())) for store in stores]

    @rule(path=PATHS, given=st.integers(0, 2), size=st.sampled_from([0, 10, 5_000, 70_000]), fails=st.booleans())
    def step(self, path: str, given: int, size: int, fails: bool) -> None:
        async def work() -> str:
            if fails:
                raise ValueError
            return "x" * size

        said = []
        for journal in self.both:
            doing = journal.step(path, work, inputs={"n": given}, gives=str, effect="call")
            try:
                said.append(self.loop.run_until_complete(doing))
            except (ValueError, ReplayError) as error:
                said.append(f"{type(error).__name__} {error}")
        assert said[0] == said[1]

    @rule(text=st.text(max_size=20))
    def record(self, text: str) -> None:
        for journal in self.both:
            self.loop.run_until_complete(journal.record(Noticed(text=text)))

    @rule()
    def reopen(self) -> None:
        self.loop.run_until_complete(self.store.aclose())
        self.open(take_over=False)

    @rule()
    def crash(self) -> None:
        self.left.append(self.store)
        self.open(take_over=True)

    @invariant()
    def both_say_the_same(self) -> None:
        memory, disk = self.both
        assert memory.events == disk.events
        assert memory.unfinished == disk.unfinished
        rows = [
            [(row.seq, row.kind, row.key) for row in self.loop.run_until_complete(store.load())]
            for store in (self.memory, self.store)
        ]
        assert rows[0] == rows[1]

    def teardown(self) -> None:
        for store in (*self.left, self.store):
            self.loop.run_until_complete(store.aclose())
        self.loop.close()
        self.folder.cleanup()


Machine.TestCase.settings = settings(max_examples=15, stateful_step_count=20, deadline=None)
TestJournal = pytest.mark.filterwarnings("error")(Machine.TestCase)
