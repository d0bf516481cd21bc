"""Requests that are added while a run goes on: each is triaged and planned like the first, in the order they came.

What is planned for one goes onto the run's stack: beside the tasks there are where nothing could meet, and on top of
them anywhere else. When in doubt, it is stacked.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

import anyio

from captain.core.errors import UsageError
from captain.core.events import PlanAdopted, RequestAdded
from captain.core.tasks import Task, TaskState
from captain.runs import Journal

FIRST: Final = 1
"""The number of the request that a run was started with."""


def diagnosis_id(request: int, place: int) -> str:
    """`D1` in the run's own request, `D2.1` in one that was added; a Captain that says `D1` there means the same."""
    return f"D{place}" if request == FIRST else f"D{request}.{place}"


class AddedRequests:
    """One for each run. Those on record come again when the run is taken up, as everything does.

    First come those that have a plan, in the order of their plans: one that has yet to be decided is stacked on them.
    """

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        events = [recorded.event for recorded in journal.events]
        added = {event.number: event for event in events if isinstance(event, RequestAdded)}
        planned = [event.request for event in events if isinstance(event, PlanAdopted) and event.request in added]
        self._waiting = [added[number] for number in dict.fromkeys((*planned, *added))]
        self._number = FIRST + len(added)
        self._adding = anyio.Lock()
        self._news = anyio.Event()
        self._closed = False

    async def add(self, request: str) -> int:
        """The number it has in the run. Raises `UsageError`."""
        if not request.strip():
            raise UsageError("The request is empty.", hint="Say in a sentence or more what should be done besides.")
        async with self._adding:
            if self._closed:
                raise UsageError("The run is at its end; nothing can be added to it.", hint="Start another one.")
            added = RequestAdded(number=self._number + 1, request=self._journal.masker.mask(request.strip()))
            await self._journal.record(added)
            self._number = added.number
            self._waiting.append(added)
        self.wake()
        return added.number

    @property
    def waiting(self) -> bool:
        """Whether there is one that nobody has taken up yet."""
        return bool(self._waiting)

    def take(self, among: Collection[int] | None = None) -> RequestAdded | None:
        """The next one, of those `among` whose numbers it is to be, if that is said."""
        for place, waiting in enumerate(self._waiting):
            if among is None or waiting.number in among:
                return self._waiting.pop(place)
        return None

    def wake(self) -> None:
        """Whoever waits for news is to look again."""
        self._news.set()
        self._news = anyio.Event()

    async def news(self) -> None:
        """Until something was added, or somebody calls `wake`."""
        await self._news.wait()

    async def close(self) -> None:
        """From now on nothing can be added. What waits is taken up when the run is, if it is taken up again."""
        async with self._adding:
            self._closed = True

    async def close_if_settled(self) -> bool:
        """`close`, unless there is something to take up; whether it was closed."""
        async with self._adding:
            self._closed = not self._waiting
            return self._closed


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What a run has when a request that was added is taken up.

    `states` are those of its `tasks`; one without is at work or waits to be. `base` is where the run began, `commit`
    that with the accepted work of the tasks `built`.
    """

    base: str
    commit: str
    tasks: tuple[Task, ...] = ()
    states: tuple[tuple[str, TaskState], ...] = ()
    built: tuple[str, ...] = ()

    @property
    def live(self) -> tuple[Task, ...]:
        """Tasks that something else can stand on: accepted, or still on their way there."""
        return tuple(task for task in self.tasks if task.id not in self.ended)

    @property
    def ended(self) -> tuple[str, ...]:
        """Tasks that came to nothing."""
        return tuple(task for task, state in self.states if state != "accepted")
