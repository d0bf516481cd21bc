"""The one writer of a journal file in this process: a thread that commits whatever waits in one go.

A `sqlite3` connection belongs to a thread, and an fsync (0.1 to 10 ms) must not hold up the event loop. A thousand
runs that each had a connection of their own would queue for the write lock with an fsync each; here a commit takes
along what all of them have to say. So the writers of a process are shared, by path, and the last user ends one.
"""

from __future__ import annotations

import asyncio
import os
import queue
import sqlite3
import threading
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final, TypeAlias, TypeVar, cast

import anyio

from captain.core.errors import JournalError
from captain.runs.bodies import Bodies
from captain.runs.disks import refuse_network
from captain.runs.entries import Entry
from captain.runs.holds import Mark, check_hold, give_up, marks_beside, take_hold
from captain.runs.inbox import Posted, taken, waiting
from captain.runs.sqlite import BUSY_TIMEOUT_S, Reader, connect, explained, insert, is_busy, transaction

T = TypeVar("T")

_Key: TypeAlias = tuple[int, Path, float]


@dataclass(slots=True, eq=False)
class _Job:
    """A call in the thread; one that `writes` goes into a transaction with others. `outcome` counts once `answered`.

    `news` wakes whoever waits for that, in `loop`.
    """

    news: asyncio.Future[None]
    loop: asyncio.AbstractEventLoop
    call: Callable[[], object]
    writes: bool = False
    outcome: object = None
    answered: bool = False

    def answer(self) -> None:
        self.answered = True
        if not self.news.done():
            self.news.set_result(None)


class Writer:
    """Get one with `Writer.of`, and give it back with `release`."""

    _all: Final[dict[_Key, Writer]] = {}
    _guard: Final = threading.Lock()

    def __init__(self, key: _Key) -> None:
        self._key = key
        self._path, self._busy_timeout_s = key[1:]
        self._bodies = Bodies.beside(self._path)
        self._marks = marks_beside(self._path)
        self._mark: Mark | None = None
        self._connection: sqlite3.Connection | None = None
        self._jobs: queue.SimpleQueue[_Job | None] = queue.SimpleQueue()
        self._users = 0
        # A daemon: what nobody has been told is durable may be lost with the process, and must not keep it alive.
        self._thread = threading.Thread(target=self._work, name="captain-journal", daemon=True)

    @classmethod
    def of(cls, path: Path, *, busy_timeout_s: float = BUSY_TIMEOUT_S) -> Writer:
        """The writer of that file in this process; a process that was forked off has none of its parent's."""
        key = (os.getpid(), path.absolute(), busy_timeout_s)
        with cls._guard:
            if (writer := cls._all.get(key)) is None:
                writer = cls._all[key] = cls(key)
                writer._thread.start()
            writer._users += 1
            return writer

    async def release(self) -> None:
        with self._guard:
            self._users -= 1
            if self._users:
                return
            del self._all[self._key]
        await self.call(self._close)
        self._jobs.put(None)

    async def open_run(self, run: str, *, take_over: bool) -> int:
        """The token to append under. Raises `RunHeldError`."""
        return await self.write(partial(self._open_run, run, take_over=take_over))

    async def close_run(self, run: str, token: int) -> None:
        await self.write(lambda: give_up(self._open(), run, token))

    async def append(self, run: str, token: int, entries: Sequence[Entry]) -> None:
        await self.write(partial(self._append, run, token, entries))

    async def load(self, run: str) -> tuple[Entry, ...]:
        return await self.call(lambda: tuple(self._reader().entries(run, results=False)))

    async def body(self, run: str, seq: int) -> str:
        return await self.call(lambda: self._reader().body(run, seq))

    async def call(self, work: Callable[[], T]) -> T:
        """`work` in the thread, after what was asked for before."""
        loop = asyncio.get_running_loop()
        return cast("T", await self._do(_Job(loop.create_future(), loop, work)))

    async def write(self, work: Callable[[], T]) -> T:
        """As `call`, in a transaction that it shares with what others write at the time; durable when this returns."""
        loop = asyncio.get_running_loop()
        return cast("T", await self._do(_Job(loop.create_future(), loop, work, writes=True)))

    async def waiting(self, run: str) -> tuple[Posted, ...]:
        def look() -> tuple[Posted, ...]:
            with explained(self._path, "read"):
                return waiting(self._open(), run)

        return await self.call(look)

    async def taken(self, posted: Posted) -> None:
        await self.write(lambda: taken(self._open(), posted.id))

    async def _do(self, job: _Job) -> object:
        """The caller waits for it even when cancelled, so that no write is left in doubt.

        A shield holds off anyio's cancellations. A host's own `Task.cancel()` goes through it, cancels `news` too,
        and is put off until the next await: the caller must learn that the write was made.
        """
        self._jobs.put(job)
        put_off = False
        with anyio.CancelScope(shield=True):
            while not job.answered:
                try:
                    await job.news  # through `asyncio.wait` it takes twice as many turns of the loop
                except asyncio.CancelledError:
                    put_off = True
                    job.news = job.loop.create_future()
        if put_off and (task := asyncio.current_task()) is not None:
            task.uncancel()
            task.cancel()
        if isinstance(job.outcome, BaseException):
            raise job.outcome
        return job.outcome

    # In the thread:

    def _work(self) -> None:
        while (first := self._jobs.get()) is not None:
            jobs: list[_Job] = [first]
            with suppress(queue.Empty):
                while (job := self._jobs.get_nowait()) is not None:
                    jobs.append(job)
            done: list[_Job] = []
            while jobs:
                if not jobs[0].writes:
                    done.append(jobs.pop(0))
                    done[-1].outcome = _outcome(done[-1].call)
                    continue
                count = next((place for place, job in enumerate(jobs) if not job.writes), len(jobs))
                self._commit(jobs[:count])
                done += jobs[:count]
                del jobs[:count]
            _answer(done)

    def _commit(self, jobs: list[_Job]) -> None:
        """All in one transaction. If that fails, one by one: an error is to reach those whom it concerns."""
        try:
            with transaction(self._open()):
                for job in jobs:
                    try:
                        job.outcome = job.call()
                    except JournalError as error:  # raised before it has written anything
                        job.outcome = error
        except (sqlite3.Error, OSError) as error:
            if len(jobs) > 1 and not is_busy(error):
                for job in jobs:
                    self._commit([job])
            else:
                problem = _outcome(partial(self._explain, error))
                for job in jobs:
                    job.outcome = job.outcome if isinstance(job.outcome, JournalError) else problem
        except JournalError as error:
            for job in jobs:
                job.outcome = error

    def _explain(self, error: Exception) -> None:
        with explained(self._path, "written"):
            raise error

    def _open(self) -> sqlite3.Connection:
        if self._connection is None:
            refuse_network(self._path.parent)
            self._connection = connect(self._path, busy_timeout_s=self._busy_timeout_s)
        return self._connection

    def _reader(self) -> Reader:
        return Reader(self._open(), self._path)

    def _append(self, run: str, token: int, entries: Sequence[Entry]) -> None:
        check_hold(self._open(), run, token)
        insert(self._open(), self._bodies, run, list(entries))

    def _open_run(self, run: str, *, take_over: bool) -> int:
        if self._mark is None:
            self._mark = Mark(self._marks)
        return take_hold(self._open(), run, self._mark, self._marks, take_over=take_over)

    def _close(self) -> None:
        if self._connection is not None:
            self._connection.close()
        if self._mark is not None:
            self._mark.remove()


def _outcome(call: Callable[[], object]) -> object:
    try:
        return call()
    except Exception as error:  # noqa: BLE001 the boundary of the thread: it is raised where it is waited for
        return error


def _answer(jobs: list[_Job]) -> None:
    """One wake-up per event loop: with one per job, waking took as long as the work."""
    for loop in {job.loop for job in jobs}:
        own = [job for job in jobs if job.loop is loop]
        with suppress(RuntimeError):  # the loop has ended, and nobody waits
            loop.call_soon_threadsafe(_tell, own)


def _tell(jobs: list[_Job]) -> None:
    for job in jobs:
        job.answer()


class SqliteStore:
    """The entries of one run in the journal file at `path`. Open it with `SqliteStore.open`."""

    def __init__(self, writer: Writer, run: str, token: int) -> None:
        self._writer = writer
        self._run = run
        self._token = token

    @classmethod
    async def open(
        cls, path: Path, run: str, *, take_over: bool = False, busy_timeout_s: float = BUSY_TIMEOUT_S
    ) -> SqliteStore:
        """Holds the run until `aclose`. Raises `RunHeldError` if another process, or this one, does so already.

        `take_over` takes it from a process that lives but does not get on; that one can write nothing any more.
        """
        writer = Writer.of(path, busy_timeout_s=busy_timeout_s)
        try:
            token = await writer.open_run(run, take_over=take_over)
        except BaseException:
            with anyio.CancelScope(shield=True):
                await writer.release()
            raise
        return cls(writer, run, token)

    @property
    def run(self) -> str:
        return self._run

    async def append(self, entries: Sequence[Entry], /) -> None:
        await self._writer.append(self._run, self._token, entries)

    async def load(self) -> tuple[Entry, ...]:
        return await self._writer.load(self._run)

    async def body(self, seq: int, /) -> str:
        return await self._writer.body(self._run, seq)

    async def waiting(self) -> tuple[Posted, ...]:
        """What other processes have to say to the run, in order."""
        return await self._writer.waiting(self._run)

    async def taken(self, posted: Posted, /) -> None:
        """What follows from it is on record."""
        await self._writer.taken(posted)

    async def aclose(self) -> None:
        """What was acknowledged is durable already. A hold that cannot be given up ends with the process."""
        with anyio.CancelScope(shield=True):
            with suppress(JournalError):
                await self._writer.close_run(self._run, self._token)
            await self._writer.release()
