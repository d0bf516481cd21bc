"""Delegation: every ready task to a Build agent, at once where the plan allows it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Final

import anyio

from captain.agent import Advisor, AgentBuilder, Builder, Limits, Transcript
from captain.core.errors import CaptainError
from captain.core.events import Role, RunEnded, TaskChanged
from captain.core.tasks import Task
from captain.core.together import together
from captain.models import Model
from captain.orchestration.consulting import CaptainLine
from captain.orchestration.context import Voyage
from captain.orchestration.taking_up import TakingUp
from captain.orchestration.task import Crew, Place, TaskResult, TaskWork, failure_of
from captain.tools import web_tools, working

_STOPPED: Final = "it was stopped by the user"


class Delegation:
    """The tasks of a run on their way: those of its plan, and those that are added while they are at work.

    `history` is the Captain's conversation so far, which goes on with what is added.
    """

    def __init__(self, voyage: Voyage, history: Transcript | None = None) -> None:
        self._voyage = voyage
        self._slots = anyio.Semaphore(voyage.options.max_parallel)
        self._crew = crew_of(voyage, self._slots)
        self._taking_up = TakingUp(voyage, history or Transcript())
        self._tasks: dict[str, Task] = {}
        self._done: dict[str, anyio.Event] = {}
        self._results: dict[str, TaskResult] = {}
        self._rounds = 0
        self._taken: list[int] = []

    @property
    def tasks(self) -> tuple[Task, ...]:
        """In plan order, and what was added after it."""
        return tuple(self._tasks.values())

    @property
    def results(self) -> tuple[TaskResult, ...]:
        """Those of the tasks that have ended, in the order of `tasks`."""
        return tuple(self._results[name] for name in self._tasks if name in self._results)

    @property
    def without_tasks(self) -> Mapping[int, RunEnded]:
        """The ends of requests that were added and led to no task, by number."""
        return self._taking_up.without_tasks

    async def carry(self, tasks: Sequence[Task]) -> None:
        """Carries out these tasks, at once those whose dependencies allow it, and what is asked for meanwhile.

        Which requests came in time is a step: a run that is taken up again integrates the same tasks together.
        """
        self._rounds += 1
        path = f"round/{self._rounds}"

        async def taken() -> list[int]:
            return self._taken

        def settled() -> Awaitable[list[int]]:
            return self._voyage.step(path, taken, inputs=None, gives=list[int], effect="read")

        among = await settled() if self._voyage.knows(path) else None
        await self._spread(tasks, among)
        if among is None:
            await settled()

    async def _spread(self, tasks: Sequence[Task], among: Sequence[int] | None) -> None:
        for task in tasks:
            self._tasks[task.id] = task
            self._done[task.id] = anyio.Event()
            await self._voyage.tell(TaskChanged(task=task.id, state="planned"))
        jobs: list[Callable[[], Awaitable[None]]] = [partial(self._run, task) for task in tasks]
        jobs.append(partial(self._take_in, among))
        await together(jobs)

    async def _take_in(self, among: Sequence[int] | None) -> None:
        """The next request that is added, if one is before all is done; one of those numbered, where that is known."""
        added = self._voyage.added
        while (request := added.take(among)) is None:
            if self._results.keys() == self._tasks.keys():
                return
            await added.news()
        self._taken.append(request.number)
        await self._spread(await self._taking_up.planned(request, self.tasks, self._results), among)

    async def _run(self, task: Task) -> None:
        place = Place(self._slots)
        work = TaskWork(self._voyage, task, self._crew, place)
        with self._voyage.stops.over(task.id):
            await self._carry_out(task, work, place)
        if task.id not in self._results:
            self._results[task.id] = TaskResult(task=task, state="cancelled", reason=_STOPPED)
        self._done[task.id].set()
        self._voyage.added.wake()

    async def _carry_out(self, task: Task, work: TaskWork, place: Place) -> None:
        try:
            for parent in task.depends_on:
                await self._done[parent].wait()
            async with place:
                start = await _start(self._voyage, task, self._results)
                if isinstance(start, _NoStart):
                    self._results[task.id] = await work.end("parked", start.reason)
                else:
                    self._results[task.id] = await work.carry_out(start)
        except CaptainError as error:  # of git, before the work began: the other tasks go on
            self._results[task.id] = await work.end("failed", failure_of(error))
        except anyio.get_cancelled_exc_class():
            with anyio.CancelScope(shield=True):
                await work.go("cancelled", _STOPPED if self._voyage.stops.wanted(task.id) else "")
            raise


@dataclass(frozen=True, slots=True)
class _NoStart:
    reason: str


async def _start(voyage: Voyage, task: Task, results: Mapping[str, TaskResult]) -> str | _NoStart:
    """The commit a task starts from: the base, or the heads it depends on, merged if there are several."""
    head = voyage.base
    for parent in task.depends_on:
        above = results[parent].head
        if above is None:
            return _NoStart(f"it builds on {parent}, which was not accepted")
        path = f"task/{task.id}/start/{parent}"
        merged = await voyage.merge(head, above, f"What {task.id} builds on", path=path)
        if merged.commit is None:
            return _NoStart(f"the tasks it builds on conflict in {', '.join(merged.conflicts)}")
        head = merged.commit
    return head


def crew_of(voyage: Voyage, slots: anyio.Semaphore) -> Crew:
    """The crew's own builder, or the native agent loop around its model; the advisor builds like that."""
    player, advisor, line = voyage.team.build, voyage.team.advisor, CaptainLine(voyage, slots)
    return Crew(
        builder=_builder(voyage, player, "build", line) if isinstance(player, Model) else player,
        advisor=_builder(voyage, advisor, "advisor", line) if advisor is not None else None,
    )


def _builder(voyage: Voyage, player: Model, role: Role, line: CaptainLine) -> Builder:
    return AgentBuilder(
        crewmate=lambda task: voyage.mate(player, role, f"{role}-{task.id}"),
        notes=lambda task: voyage.memory.nearest(task.scope.paths),
        tools=(*working(player.profile.edit_dialect), *web_tools(voyage.desk), *voyage.options.extra_tools),
        limits=Limits(turns=voyage.options.max_turns),
        command_timeout_s=voyage.options.command_timeout_s,
        mailbox=lambda name, task: voyage.steering.mailbox(name, task.id),
        task_tools=line.tools,
        advisor=lambda task: _advisor(voyage, f"advice-{task.id}") if role == "build" else None,
    )


def _advisor(voyage: Voyage, name: str) -> Advisor | None:
    return Advisor(mate=voyage.mate(player, "advisor", name)) if (player := voyage.team.advisor) is not None else None
