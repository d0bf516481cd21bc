"""Carries one run from its start to its outcome: events to the screen, signals to the run."""

from __future__ import annotations

import os
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING, Protocol

import anyio
from anyio.abc import TaskStatus

from captain.cli import exits
from captain.cli.screens import Screen
from captain.core.events import Recorded
from captain.reports.view import RunView

if TYPE_CHECKING:
    from captain.api import Outcome


class Pursuit(Protocol):
    """What is needed of `captain.api.Run`."""

    def events(self) -> AsyncIterator[Recorded]: ...

    def cancel(self) -> None: ...

    async def result(self) -> Outcome: ...


async def pursue(
    starting: AbstractAsyncContextManager[Pursuit], screen: Screen, *, leave: Callable[[int], object] = os._exit
) -> Outcome | None:
    """The outcome, or None if a signal came before the run had begun.

    The first SIGINT or SIGTERM cancels the run, which then ends by itself; at the second, `leave` ends the
    process at once.
    """
    outcome: Outcome | None = None
    try:
        async with anyio.create_task_group() as tasks:
            stop = _Stop(screen, tasks.cancel_scope, leave)
            await tasks.start(stop.listen)
            if screen.refresh_s is not None:
                tasks.start_soon(_keep_ticking, screen, screen.refresh_s)
            async with starting as run:
                stop.run = run
                shown = anyio.Event()
                tasks.start_soon(_show, run, screen, shown)
                outcome = await run.result()  # beside the events, which do not end if the run breaks down
                await shown.wait()
            tasks.cancel_scope.cancel()
    finally:
        screen.close()
    return outcome


async def _show(run: Pursuit, screen: Screen, shown: anyio.Event) -> None:
    view = RunView()
    async for recorded in run.events():
        view.apply(recorded)
        screen.show(recorded, view)
    shown.set()


class _Stop:
    def __init__(self, screen: Screen, scope: anyio.CancelScope, leave: Callable[[int], object]) -> None:
        self.run: Pursuit | None = None
        self._screen = screen
        self._scope = scope
        self._leave = leave
        self._asked = False

    async def listen(self, *, task_status: TaskStatus[None] = anyio.TASK_STATUS_IGNORED) -> None:
        with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
            task_status.started()
            async for _ in signals:
                self._ask()

    def _ask(self) -> None:
        if self._asked:
            self._screen.close()
            self._leave(exits.CANCELLED)
            return
        self._asked = True
        self._screen.say("Stopping: what is finished is kept. Press Ctrl-C again to leave at once.")
        if self.run is not None:
            self.run.cancel()
        else:
            self._scope.cancel()


async def _keep_ticking(screen: Screen, every_s: float) -> None:
    while True:
        screen.tick()
        await anyio.sleep(every_s)
