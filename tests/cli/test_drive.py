"""One run from its start to its outcome, with signals."""

from __future__ import annotations

import os
import signal
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
import pytest

from captain.api import Outcome
from captain.cli import exits
from captain.cli.drive import pursue
from captain.core.errors import UsageError
from captain.core.events import Recorded, RunStatus
from captain.reports import RunView
from tests.cli.fakes import FakeRun, FakeScreen
from tests.reports.sample import opening, record, whole_run


async def test_every_event_is_shown_and_the_outcome_comes_back() -> None:
    run, screen = FakeRun(whole_run()), FakeScreen()

    outcome = await pursue(run, screen)

    assert outcome is not None
    assert outcome.status == "failed"
    assert screen.shown == [recorded.event.kind for recorded in whole_run()]
    assert (run.closed, screen.closed, screen.said) == (True, True, [])


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
async def test_the_first_signal_cancels_the_run_which_ends_by_itself(number: signal.Signals) -> None:
    run, screen = FakeRun(record(*opening()), waits=True), FakeScreen()

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(_signal_when, run.waiting, number)
        outcome = await pursue(run, screen)

    assert outcome is not None
    assert outcome.status == "cancelled"
    assert exits.EXIT_CODES[outcome.status] == 130
    assert screen.said == ["Stopping: what is finished is kept. Press Ctrl-C again to leave at once."]


async def test_the_second_signal_leaves_at_once_with_the_terminal_as_it_was() -> None:
    run, screen, left = StubbornRun(record(*opening())), FakeScreen(), anyio.Event()
    codes: list[int] = []

    def leave(code: int) -> None:
        codes.append(code)
        assert screen.closed
        left.set()

    async with anyio.create_task_group() as tasks:

        async def carry() -> None:
            await pursue(run, screen, leave=leave)

        tasks.start_soon(carry)
        await _signal_when(run.waiting, signal.SIGINT)
        await run.asked.wait()
        os.kill(os.getpid(), signal.SIGINT)
        await left.wait()
        tasks.cancel_scope.cancel()

    assert codes == [130]


async def test_a_signal_before_the_run_has_begun_ends_it_there() -> None:
    begun = anyio.Event()

    @asynccontextmanager
    async def slow_start() -> AsyncIterator[FakeRun]:
        begun.set()
        await anyio.sleep_forever()
        yield FakeRun(())

    screen = FakeScreen()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(_signal_when, begun, signal.SIGINT)
        outcome = await pursue(slow_start(), screen)

    assert outcome is None
    assert screen.closed


async def test_an_error_at_the_start_gives_the_terminal_back_and_goes_on_to_the_boundary() -> None:
    @asynccontextmanager
    async def refused() -> AsyncIterator[FakeRun]:
        raise UsageError("There is no commit yet.")
        yield FakeRun(())

    screen = FakeScreen()
    with pytest.raises(ExceptionGroup) as caught:
        await pursue(refused(), screen)

    assert caught.group_contains(UsageError, match="There is no commit yet")
    assert screen.closed


async def test_a_run_that_breaks_down_without_an_end_is_not_waited_for() -> None:
    class Broken(FakeRun):
        async def result(self) -> Outcome:
            await self.waiting.wait()
            raise ZeroDivisionError

    with pytest.raises(ExceptionGroup) as caught:
        await pursue(Broken(record(*opening()), waits=True), FakeScreen())

    assert caught.group_contains(ZeroDivisionError)


async def test_a_screen_that_wants_to_be_refreshed_is_until_the_run_ends() -> None:
    run = FakeRun(record(*opening()), waits=True)

    class Ticking(FakeScreen):
        refresh_s: float | None = 0.001
        ticks = 0

        def tick(self) -> None:
            self.ticks += 1
            if self.ticks == 3:
                run.cancel()

    screen = Ticking()
    outcome = await pursue(run, screen)

    assert outcome is not None
    assert screen.ticks >= 3


async def test_a_reader_that_went_away_ends_the_run() -> None:
    class Deaf(FakeScreen):
        def show(self, recorded: Recorded, view: RunView) -> None:
            raise BrokenPipeError

    run = FakeRun(whole_run())
    with pytest.raises(ExceptionGroup) as caught:
        await pursue(run, Deaf())

    assert caught.group_contains(BrokenPipeError)
    assert run.closed


def test_every_way_a_run_can_end_has_an_exit_code() -> None:
    codes: dict[RunStatus, int] = {
        "succeeded": 0,
        "answered": 0,
        "planned": 0,
        "failed": 1,
        "declined": 1,
        "needs_human": 3,
        "budget": 3,
        "cancelled": 130,
    }

    assert codes == exits.EXIT_CODES


class StubbornRun(FakeRun):
    """Does not end when it is cancelled."""

    def __init__(self, events: tuple[Recorded, ...]) -> None:
        super().__init__(events, waits=True)
        self.asked = anyio.Event()

    def cancel(self) -> None:
        self.asked.set()


async def _signal_when(ready: anyio.Event, number: signal.Signals) -> None:
    await ready.wait()
    os.kill(os.getpid(), number)
