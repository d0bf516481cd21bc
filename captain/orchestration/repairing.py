"""Accepted work that does not go with what was accepted before it goes back once, as a small task with the evidence."""

from __future__ import annotations

import shlex
from dataclasses import dataclass, replace
from itertools import count
from typing import Final

import anyio

from captain.core.errors import BudgetExceededError
from captain.core.events import PlanAdopted, TaskAdded, TaskChanged, TasksClashed
from captain.core.tasks import Check, Criterion, Scope, Task
from captain.guards.patterns import literal
from captain.orchestration.context import Voyage
from captain.orchestration.questions import UnansweredError
from captain.orchestration.restacking import Misfit
from captain.orchestration.task import Crew, Place, TaskWork
from captain.tools import clip
from captain.workspace import Conflict, Marked, as_one_commit, restack_marked

_OUTPUT_CHARS: Final = 4_000
_DIFF_CHARS: Final = 8_000
_UNMARKED: Final = "no-conflict-marks"


@dataclass(frozen=True, slots=True, kw_only=True)
class Repairer:
    """See `captain.orchestration.restacking.Repair`."""

    voyage: Voyage
    crew: Crew

    async def __call__(self, misfit: Misfit, /) -> str | None:
        path = f"task/{misfit.task.id}/fit/{misfit.name}"
        if misfit.evidence.conflicts:
            return await self._resolved(misfit, path)
        message = f"What {misfit.task.id} is to fit"
        merged = await self.voyage.merge(misfit.onto, misfit.head, message, path=f"{path}/merge")
        if merged.commit is None:
            return await self._resolved(misfit, path)
        small = _failing(misfit.task, await self._name(misfit.task, path), misfit.evidence)
        made = await self._carried_out(small, merged.commit, misfit)
        if made is None:
            return None

        async def join() -> str:
            signed = f"Captain-Run: {self.voyage.run}\nCaptain-Task: {misfit.task.id}\n"
            text = f"{misfit.task.title}, made to fit\n\n{signed}"
            return await self.voyage.repository.commit_tree(made, (misfit.onto, misfit.head), text)

        return await self.voyage.step(f"{path}/join", join, inputs={"made": made}, gives=str)

    async def _resolved(self, misfit: Misfit, path: str) -> str | None:
        """The task's work as one commit on top of `onto`, after somebody resolved what git has marked."""
        voyage, repository, task = self.voyage, self.voyage.repository, misfit.task

        async def mark() -> Marked:
            message = f"What {task.id} and others disagree about"
            return await restack_marked(repository, misfit.start, misfit.onto, misfit.head, message)

        inputs = {"start": misfit.start, "onto": misfit.onto, "head": misfit.head}
        # it only adds objects: no ref moves
        marked = await voyage.step(f"{path}/marks", mark, inputs=inputs, gives=Marked, effect="read")
        made: str | None = marked.commit
        if marked.conflicts:  # commit by commit there are some; all of them at once may fit
            name, sides = await self._name(task, path), await self._sides(misfit, marked)
            small = _disagreeing(misfit, name, marked.conflicts, sides)
            made = await self._carried_out(small, marked.commit, misfit)
        if made is None:
            return None
        resolved = made

        async def join() -> str:
            return await as_one_commit(repository, misfit.head, resolved, misfit.onto)

        return await voyage.step(f"{path}/join", join, inputs={"made": resolved}, gives=str)

    async def _sides(self, misfit: Misfit, marked: Marked) -> str:
        """What both sides did to what is in conflict, from what the task stood on."""
        paths = list(dict.fromkeys(conflict.path for conflict in marked.conflicts))
        below = await self.voyage.repository.diff(misfit.start, misfit.onto, paths=paths)
        own = await self.voyage.repository.diff(misfit.start, misfit.head, paths=paths)
        return (
            f"## Below it\n\n{misfit.task.id} stood on {misfit.start}. What is there now is {misfit.onto}; to these "
            f"files it did\n\n{_indented(below)}\n\n## The work of {misfit.task.id}\n\nIt is {misfit.head}. From what "
            f"it stood on, it did\n\n{_indented(own)}"
        )

    async def _name(self, task: Task, path: str) -> str:
        """An id for the small task that no other has. The same task can go back again, onto something else."""

        async def find() -> str:
            used = set[str]()
            for recorded in self.voyage.journal.events:
                if isinstance(event := recorded.event, TaskAdded):
                    used.add(event.task.id)
                elif isinstance(event, PlanAdopted):
                    used.update(planned.id for planned in event.plan.tasks)
            first = f"{task.id}-fit"
            names = (first if number == 1 else f"{first}-{number}" for number in count(1))
            return next(name for name in names if name not in used)

        return await self.voyage.step(f"{path}/name", find, inputs={}, gives=str, effect="read")

    async def _carried_out(self, small: Task, start: str, misfit: Misfit) -> str | None:
        """The commit of a small task, if it was accepted. Raises `BudgetExceededError`, `UnansweredError`."""
        voyage = self.voyage
        reason = f"{misfit.task.id} does not go with {_names(misfit.evidence)}"
        await voyage.tell(TaskAdded(task=small, reason=reason))
        await voyage.tell(TaskChanged(task=small.id, state="planned"))
        result = await TaskWork(voyage, small, self.crew, Place(anyio.Semaphore(1))).carry_out(start)
        if result.head is None:
            if result.over_budget:
                raise BudgetExceededError(f"{small.id}: {result.reason}", limit="")
            for question in voyage.questions.open:
                if question.task == small.id:
                    raise UnansweredError(question, voyage.run)
        return result.head


def _failing(task: Task, name: str, evidence: TasksClashed) -> Task:
    checks = {check.name: check for check in (*task.checks, *(result.check for result in evidence.results))}
    shown = "\n\n".join(
        f"`{result.check.command}` fails:\n\n{clip(result.output, _OUTPUT_CHARS)}" for result in evidence.results
    )
    added = tuple(check for check in checks.values() if check not in task.checks)
    return replace(
        task,
        id=name,
        kind="change",
        title=f"Make {task.title[:60]} fit",
        brief=f"{task.brief}\n\nThat was done and accepted. Together with {_names(evidence)} it does not hold:\n\n"
        f"{shown}\n\nMend that in the work of this task, and keep what the others need.",
        criteria=(*task.criteria, *_proved(name, added)),
        checks=tuple(checks.values()),
        depends_on=(),
        diagnosis=None,
    )


def _disagreeing(misfit: Misfit, name: str, conflicts: tuple[Conflict, ...], sides: str) -> Task:
    task, evidence = misfit.task, misfit.evidence
    paths = tuple(dict.fromkeys(conflict.path for conflict in conflicts))
    unmarked = Check(name=_UNMARKED, command=f"! grep -l '^<<<<<<< ' -- {' '.join(map(shlex.quote, paths))}")
    listed = "\n".join(f"- {conflict.path} ({conflict.kind})" for conflict in conflicts)
    return replace(
        task,
        id=name,
        kind="change",
        title=f"Make {task.title[:60]} fit",
        brief=f"{task.brief}\n\nThat was done and accepted, and so was {_names(evidence)}. Both changed the same "
        f"places; git has marked them, where it can, in\n\n{listed}\n\nResolve them so that both hold, and change "
        f"nothing else.\n\n{sides}",
        scope=Scope(paths=tuple(map(literal, paths)), kinds=task.scope.kinds),
        criteria=(*task.criteria, *_proved(name, (unmarked,))),
        checks=(*task.checks, unmarked),
        depends_on=(),
        diagnosis=None,
    )


def _proved(name: str, checks: tuple[Check, ...]) -> tuple[Criterion, ...]:
    return tuple(
        Criterion(id=f"{name}.{check.name}", text=f"The check {check.name} passes.", check=check.name)
        for check in checks
    )


def _names(evidence: TasksClashed) -> str:
    return " and ".join(evidence.others) or "what was there"


def _indented(diff: str) -> str:
    """As a block that nothing in it can end."""
    return "\n".join(f"    {line}" for line in clip(diff, _DIFF_CHARS).splitlines())
