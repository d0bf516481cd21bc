"""A search that others make: read-only agents, each in its own area, whose reports go back to the Captain."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Final

import anyio

from captain.agent import Agent
from captain.core.errors import ModelError
from captain.core.events import Investigated, SearchPlanned
from captain.core.tasks import Task
from captain.core.together import together
from captain.models import Model
from captain.orchestration.context import Voyage
from captain.orchestration.prompts import prompt
from captain.tools import READING, clip

_REPORT_CHARS: Final = 8_000


async def investigate(voyage: Voyage, tasks: Sequence[Task], reason: str) -> tuple[Investigated, ...]:
    """What each of them reports. They read in scratch copies of the base commit and can change nothing."""
    await voyage.tell(SearchPlanned(tasks=tuple(tasks), reason=reason))
    slots = anyio.CapacityLimiter(voyage.options.max_parallel)

    async def run(task: Task) -> Investigated:
        async with slots:
            found = await _look(voyage, task)
        await voyage.tell(found)
        return found

    return await together([partial(run, task) for task in tasks])


async def _look(voyage: Voyage, task: Task) -> Investigated:
    player = voyage.team.build if isinstance(voyage.team.build, Model) else voyage.team.captain
    agent = Agent(
        mate=voyage.mate(player, "build", f"investigate-{task.id}"),
        instructions=prompt("investigate"),
        tools=READING,
        limits=voyage.options.investigation,
    )
    areas = "\n".join(f"- `{pattern}`" for pattern in task.scope.paths)
    brief = f"# {task.id}: {task.title}\n\n{task.brief}\n\n# Your area\n\n{areas}"
    try:
        async with voyage.reading_box(f"investigate-{task.id}", voyage.base) as box:
            result = await agent.run(brief, box=box, path=f"{voyage.part}investigate/{task.id}")
    except ModelError as error:  # of one of them: what the others saw still counts
        return Investigated(task=task.id, report="", problem=str(error))
    return Investigated(task=task.id, report=clip(result.text.strip(), _REPORT_CHARS), problem=result.reason)


def reported(tasks: Sequence[Task], found: Sequence[Investigated]) -> str:
    """The reports as quoted data, for the Captain."""
    parts = []
    for task, one in zip(tasks, found, strict=True):
        quoted = "\n".join(f"> {line}" for line in one.report.splitlines()) or "> (nothing)"
        problem = f"\n\nIt had to stop: {one.problem}." if one.problem else ""
        parts.append(f"## {task.id}: {task.title}\n\n{quoted}{problem}")
    return "\n\n".join(parts)
