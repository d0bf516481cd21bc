"""A run that says what it is told to, for the tests of what the command line does with runs."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from pathlib import Path
from types import TracebackType
from typing import Self

import anyio

from captain.api import Outcome
from captain.core import events as ev
from captain.core.events import Recorded
from captain.reports import RunView
from tests.reports.sample import START


def outcome_of(events: Iterable[Recorded], folder: Path = Path("/state/runs/one")) -> Outcome:
    view = RunView.of(events)
    assert view.ended is not None
    return Outcome(
        run=view.run,
        status=view.ended.status,
        summary=view.ended.summary,
        hint=view.ended.hint,
        branch=view.result.branch if view.result else None,
        view=view,
        folder=folder,
    )


class FakeRun:
    """Gives `events`; with `waits`, it ends only when it is cancelled."""

    def __init__(self, events: tuple[Recorded, ...], *, waits: bool = False) -> None:
        self._events = list(events)
        self._waits = waits
        self._cancelled = anyio.Event()
        self.waiting = anyio.Event()
        self.closed = False

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.closed = True

    async def events(self) -> AsyncIterator[Recorded]:
        for recorded in tuple(self._events):
            yield recorded
        if self._waits:
            self.waiting.set()
            await self._cancelled.wait()
            yield self._events[-1]

    def cancel(self) -> None:
        ended = ev.RunEnded(status="cancelled", summary="Stopped by you.")
        self._events.append(Recorded(seq=len(self._events) + 1, at=START, event=ended))
        self._cancelled.set()

    async def result(self) -> Outcome:
        if self._waits:
            await self._cancelled.wait()
        return outcome_of(self._events)


class FakeScreen:
    """Writes down what it is shown."""

    refresh_s: float | None = None

    def __init__(self) -> None:
        self.shown: list[str] = []
        self.said: list[str] = []
        self.closed = False

    def show(self, recorded: Recorded, view: RunView) -> None:
        assert view.last_at == recorded.at
        self.shown.append(recorded.event.kind)

    def tick(self) -> None:
        return None

    def say(self, text: str) -> None:
        self.said.append(text)

    def hold(self, held: bool, /) -> None:
        return None

    def close(self) -> None:
        self.closed = True

    def finish(self, outcome: Outcome) -> None:
        return None
