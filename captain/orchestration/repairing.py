"""Accepted work that does not go with what was accepted before it goes back once, as a small task with the evidence."""

from __future__ import annotations

import shlex
from dataclasses import dataclass, replace
from typing import Final

import anyio

from captain.core import codec
from captain.core.errors import CaptainError
from captain.core.events import TaskAdded, TaskChanged, TasksClashed
from captain.core.tasks import Check, Criterion, Scope, Task
from captain.orchestration.context import Voyage
from captain.orchestration.task import Crew, Place, TaskWork
from captain.tools import clip

_OUTPUT_CHARS: Final = 4_000
_UNMARKED: Final = "no-conflict-marks"


@dataclass(frozen=True, slots=True, kw_only=True)
class Repairer:
    """See `captain.orchestration.integrate.Repair`. `heads` are the accepted commits by task."""

    voyage: Voyage
    crew: Crew
    heads: dict[str, str]

    async def __call__(self, task: Task, onto: str, evidence: TasksClashed, /) -> str | None:
        voyage, head = self.voyage, self.heads[task.id]
        path = f"task/{task.id}/fit/{codec.digest((onto, head))[:12]}"
        merged = await voyage.merge(onto, head, f"What {task.id} is to fit", path=f"{path}/merge")
        small, start = _failing(task, evidence), merged.commit
        if start is None:

            async def mark() -> str:
                return await voyage.repository.merge_marked(onto, head, f"What {task.id} and others disagree about")

            start = await voyage.step(f"{path}/marks", mark, inputs={"onto": onto, "head": head}, gives=str)
            small = _disagreeing(task, merged.conflicts, evidence)
        await voyage.tell(TaskAdded(task=small, reason=f"{task.id} does not go with {_names(evidence)}"))
        await voyage.tell(TaskChanged(task=small.id, state="planned"))
        result = await TaskWork(voyage, small, self.crew, Place(anyio.Semaphore(1))).carry_out(start)
        if result.head is None:
            return None
        made = result.head

        async def join() -> str:
            message = f"{task.title}, made to fit\n\nCaptain-Run: {voyage.run}\nCaptain-Task: {task.id}\n"
            return await voyage.repository.commit_tree(made, (onto, head), message)

        try:
            return await voyage.step(f"{path}/join", join, inputs={"made": made}, gives=str)
        except CaptainError:
            return None


def _failing(task: Task, evidence: TasksClashed) -> Task:
    checks = {check.name: check for check in (*task.checks, *(result.check for result in evidence.results))}
    shown = "\n\n".join(
        f"`{result.check.command}` fails:\n\n{clip(result.output, _OUTPUT_CHARS)}" for result in evidence.results
    )
    added = tuple(check for check in checks.values() if check not in task.checks)
    return replace(
        task,
        id=f"{task.id}-fit",
        kind="change",
        title=f"Make {task.title[:60]} fit",
        brief=f"{task.brief}\n\nThat was done and accepted. Together with {_names(evidence)} it does not hold:\n\n"
        f"{shown}\n\nMend that in the work of this task, and keep what the others need.",
        criteria=(*task.criteria, *_proved(task, added)),
        checks=tuple(checks.values()),
        depends_on=(),
        diagnosis=None,
    )


def _disagreeing(task: Task, conflicts: tuple[str, ...], evidence: TasksClashed) -> Task:
    paths = " ".join(map(shlex.quote, conflicts))
    unmarked = Check(name=_UNMARKED, command=f"! grep -l '^<<<<<<< ' -- {paths}")
    listed = "\n".join(f"- {path}" for path in conflicts)
    return replace(
        task,
        id=f"{task.id}-fit",
        kind="change",
        title=f"Make {task.title[:60]} fit",
        brief=f"{task.brief}\n\nThat was done and accepted, and so was {_names(evidence)}. Both changed the same "
        f"places; git has marked them in\n\n{listed}\n\nResolve them so that both hold, and change nothing else.",
        scope=Scope(paths=tuple(f"/{path}" for path in conflicts), kinds=task.scope.kinds),
        criteria=(*task.criteria, *_proved(task, (unmarked,))),
        checks=(*task.checks, unmarked),
        depends_on=(),
        diagnosis=None,
    )


def _proved(task: Task, checks: tuple[Check, ...]) -> tuple[Criterion, ...]:
    return tuple(
        Criterion(id=f"{task.id}-fit.{check.name}", text=f"The check {check.name} passes.", check=check.name)
        for check in checks
    )


def _names(evidence: TasksClashed) -> str:
    return " and ".join(evidence.others) or "what was there"
