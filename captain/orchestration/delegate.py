"""Delegation: every ready task to a Build agent, at once where the plan allows it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import partial
from typing import Final

import anyio

from captain.agent import Advisor, AgentBuilder, Builder, Limits
from captain.core.errors import CaptainError
from captain.core.events import Role, TaskChanged
from captain.core.tasks import Plan, Task
from captain.core.together import together
from captain.models import Model
from captain.orchestration.consulting import CaptainLine
from captain.orchestration.context import Voyage
from captain.orchestration.task import Crew, Place, TaskResult, TaskWork
from captain.tools import web_tools, working

_STOPPED: Final = "it was stopped by the user"


async def delegate(voyage: Voyage, plan: Plan) -> tuple[TaskResult, ...]:
    """Carries out all tasks, those at once whose dependencies allow it; results stand in plan order."""
    slots = anyio.Semaphore(voyage.options.max_parallel)
    crew = crew_of(voyage, slots)
    done = {task.id: anyio.Event() for task in plan.tasks}
    results: dict[str, TaskResult] = {}

    async def run(task: Task) -> TaskResult:
        place = Place(slots)
        work = TaskWork(voyage, task, crew, place)
        with voyage.stops.over(task.id):
            await carry(task, work, place)
        if task.id not in results:
            results[task.id] = TaskResult(task=task, state="cancelled", reason=_STOPPED)
        done[task.id].set()
        return results[task.id]

    async def carry(task: Task, work: TaskWork, place: Place) -> None:
        try:
            for parent in task.depends_on:
                await done[parent].wait()
            async with place:
                start = await _start(voyage, task, results)
                if isinstance(start, _NoStart):
                    results[task.id] = await work.end("parked", start.reason)
                else:
                    results[task.id] = await work.carry_out(start)
        except CaptainError as error:  # of git, before the work began: the other tasks go on
            results[task.id] = await work.end("failed", str(error))
        except anyio.get_cancelled_exc_class():
            with anyio.CancelScope(shield=True):
                await work.go("cancelled", _STOPPED if voyage.stops.wanted(task.id) else "")
            raise

    for task in plan.tasks:
        await voyage.tell(TaskChanged(task=task.id, state="planned"))
    return await together([partial(run, task) for task in plan.tasks])


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
