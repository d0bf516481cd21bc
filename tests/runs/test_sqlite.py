"""Journals in SQLite: one writer to a run, readers at any time, and a record that outlives `kill -9`."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import AsyncIterator
from pathlib import Path

import anyio
import anyio.lowlevel
import pytest

from captain.core.errors import JournalError
from captain.core.events import Noticed
from captain.runs import Entry, RunJournal, SqliteStore
from captain.runs.sqlite import Reader, connect
from captain.runs.writer import _Job
from captain.testing import FakeClock
from tests.waiting import until


def entry(seq: int) -> Entry:
    return Entry(seq=seq, at=FakeClock().now(), kind="started", key=f"step/{seq}", body='"x"')


@contextlib.asynccontextmanager
async def opened(path: Path, run: str = "r") -> AsyncIterator[SqliteStore]:
    store = await SqliteStore.open(path, run)
    try:
        yield store
    finally:
        await store.aclose()


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "journal #1?.sqlite"  # characters that mean something in a URI


async def test_two_runs_share_a_file_and_do_not_see_each_other(path: Path) -> None:
    async with opened(path, "a") as one, opened(path, "b") as other:
        async with anyio.create_task_group() as group:
            for store in (one, other):
                journal = await RunJournal.open(store, FakeClock())
                for number in range(20):
                    group.start_soon(journal.record, Noticed(text=str(number)))
        assert len(await one.load()) == len(await other.load()) == 20


async def test_a_newer_format_is_a_journal_error_for_writers_and_readers(path: Path) -> None:
    with contextlib.closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA user_version=99")
    with pytest.raises(JournalError, match="newer Captain \\(format 99") as caught:
        await SqliteStore.open(path, "r")
    assert caught.value.hint == "Update Captain."
    with pytest.raises(JournalError, match="newer Captain"):
        connect(path, read_only=True)


async def test_a_file_that_is_no_journal_cannot_be_opened(path: Path) -> None:
    path.write_bytes(b"This is not a database, but a text of more than a hundred bytes. " * 100)
    with pytest.raises(JournalError, match=r"journal #1\?\.sqlite cannot be opened") as caught:
        await SqliteStore.open(path, "r")
    assert caught.value.hint


async def test_a_folder_that_is_not_there_is_a_journal_error(tmp_path: Path) -> None:
    with pytest.raises(JournalError, match="cannot be opened"):
        await SqliteStore.open(tmp_path / "no" / "journal.sqlite", "r")
    with pytest.raises(JournalError, match="cannot be opened"):
        connect(tmp_path / "journal.sqlite", read_only=True)
    assert list(tmp_path.iterdir()) == []


async def test_a_damaged_journal_is_a_journal_error_when_it_is_read(path: Path) -> None:
    async with opened(path) as store:
        for seq in range(1, 400):
            await store.append([entry(seq)])
    data = bytearray(path.read_bytes())
    data[4096:] = b"\xaa" * (len(data) - 4096)
    path.write_bytes(data)
    with Reader.open(path) as reader, pytest.raises(JournalError, match="cannot be read"):
        list(reader.entries("r"))


async def test_readers_see_what_is_written_while_a_writer_writes(path: Path) -> None:
    async with opened(path) as store:
        await store.append([entry(1)])
        with Reader.open(path) as reader:
            for seq in range(2, 10):
                await store.append([entry(seq)])
                assert [row.seq for row in reader.entries("r")] == list(range(1, seq + 1))


async def test_a_reader_in_the_middle_of_reading_does_not_hold_up_the_writer(path: Path) -> None:
    async with opened(path) as store:
        await store.append([entry(1)])
        with contextlib.closing(connect(path, read_only=True)) as reader:
            cursor = reader.execute("SELECT seq FROM entries")
            assert cursor.fetchone() == (1,)
            with anyio.fail_after(20):
                await store.append([entry(2)])


def test_a_reader_writes_nothing(path: Path) -> None:
    connect(path).close()
    with contextlib.closing(connect(path, read_only=True)) as reader, pytest.raises(sqlite3.OperationalError):
        reader.execute("DELETE FROM entries")


async def test_only_events_are_read_where_only_events_are_asked_for(path: Path) -> None:
    async with opened(path) as store:
        journal = await RunJournal.open(store, FakeClock())
        await journal.step("a", anyio.lowlevel.checkpoint, inputs=None, gives=type(None), effect="read")
        await journal.record(Noticed(text="x"))
    with Reader.open(path) as reader:
        assert [row.key for row in reader.entries("r", events_only=True)] == ["noticed"]
        assert len(list(reader.entries("r"))) == 3


WRITER = """
import sys
from pathlib import Path
import anyio
from captain.core.events import Noticed
from captain.runs import RunJournal, SqliteStore
from captain.testing import FakeClock

async def main():
    journal = await RunJournal.open(await SqliteStore.open(Path(sys.argv[1]), "r"), FakeClock())
    number = 0
    while True:
        number += 1
        await journal.record(Noticed(text=str(number) + "x" * 5000))
        print(number, flush=True)

anyio.run(main)
"""


async def test_a_process_killed_in_the_middle_of_appending_leaves_all_it_was_told_is_durable(path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", WRITER, str(path)], stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout is not None
        for _ in range(25):
            promised = int(writer.stdout.readline())
        os.kill(writer.pid, signal.SIGKILL)
        promised = max([promised, *(int(line) for line in writer.stdout if line.strip().isdigit())])
    async with opened(path) as store:
        journal = await RunJournal.open(store, FakeClock())
        numbers = [recorded.seq for recorded in journal.events]
        assert numbers == list(range(1, len(numbers) + 1))
        assert len(numbers) >= promised
        await journal.record(Noticed(text="and on it goes"))


class Blocked:
    """Holds up the writer's thread, so that what is appended next has to wait."""

    def __init__(self, store: SqliteStore) -> None:
        self._jobs = store._writer._jobs
        self._reached, self._may_go = threading.Event(), threading.Event()
        loop = asyncio.get_running_loop()
        self._jobs.put(_Job(loop.create_future(), loop, call=self._wait))
        self._reached.wait(60)

    def _wait(self) -> None:
        self._reached.set()
        self._may_go.wait(60)

    async def until_something_waits(self) -> None:
        await until(lambda: self._jobs.qsize() == 1)

    def let_go(self) -> None:
        self._may_go.set()


async def test_a_cancelled_append_is_written_and_the_next_one_follows_it(path: Path) -> None:
    async with opened(path) as store:
        journal = await RunJournal.open(store, FakeClock())
        blocked = Blocked(store)
        async with anyio.create_task_group() as group:
            group.start_soon(journal.record, Noticed(text="one"))
            await blocked.until_something_waits()
            group.cancel_scope.cancel()
            blocked.let_go()
        await journal.record(Noticed(text="two"))
        assert [recorded.seq for recorded in journal.events] == [1, 2]


async def test_an_append_cancelled_by_the_host_itself_is_written_and_the_cancellation_is_not_lost(path: Path) -> None:
    async with opened(path) as store:
        journal = await RunJournal.open(store, FakeClock())
        blocked, after = Blocked(store), []

        async def work() -> None:
            await journal.record(Noticed(text="one"))
            await asyncio.sleep(0)
            after.append("not reached")

        task = asyncio.create_task(work())
        await blocked.until_something_waits()
        task.cancel()
        await asyncio.sleep(0)
        blocked.let_go()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert after == []
        assert task.cancelling() == 1
        await journal.record(Noticed(text="two"))
        assert [recorded.seq for recorded in journal.events] == [1, 2]


async def test_many_processes_can_make_the_same_journal_at_once(path: Path) -> None:
    program = "import sys, pathlib; from captain.runs.sqlite import connect; connect(pathlib.Path(sys.argv[1])).close()"
    started = [subprocess.Popen([sys.executable, "-c", program, str(path)]) for _ in range(4)]
    assert [process.wait() for process in started] == [0, 0, 0, 0]
