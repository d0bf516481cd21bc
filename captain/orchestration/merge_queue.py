"""Which accepted tasks do not go together: combinations without a checkout, checks on them, and a search for the few.

A search costs some log2(n) runs of one check for each task it names; nothing is run twice on the same tree.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from typing import Final

from captain.core import codec
from captain.core.tasks import Check, CheckResult, Task
from captain.orchestration.context import Voyage
from captain.orchestration.stack import Layer, Restacking, Stack, restack_above
from captain.orchestration.task import TaskResult
from captain.workspace import Restacked, collisions, restack

RUNS: Final = 3  # of a check that fails, before it is believed


@dataclass(frozen=True, slots=True, kw_only=True)
class Combination:
    """The merge of some heads; or the task that conflicts with those before it, and where."""

    commit: str
    conflicting: str | None = None
    conflicts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Culprit:
    """The last of `tasks` breaks the check together with the others; `commit` is their combination, if they merge."""

    tasks: tuple[str, ...]
    commit: str | None
    results: tuple[CheckResult, ...] = ()
    conflicts: tuple[str, ...] = ()


@dataclass(slots=True)
class Bench:
    """Combinations of accepted heads, and what the checks say of them. `heads` are in the order of the plan."""

    voyage: Voyage
    tasks: dict[str, Task]
    heads: dict[str, str]
    _known: dict[tuple[str, str], CheckResult] = field(default_factory=dict)
    _excused: dict[str, set[str]] = field(default_factory=dict)
    _starts: dict[str, str] = field(default_factory=dict)

    async def learn(self, results: Iterable[TaskResult]) -> None:
        """Takes over what the checks said of each task alone when it was accepted."""
        for result in results:
            if result.head is None:
                continue
            tree = await self.voyage.repository.tree(result.head)
            for ran in result.checks:
                if ran.passed:
                    self._known[tree, ran.check.command] = ran
                else:  # it failed before the task began, or comes and goes
                    self._excused.setdefault(ran.check.command, set()).add(result.task.id)

    async def combine(self, tasks: Sequence[str], *, onto: str | None = None) -> Combination:
        """Merges the heads of `tasks`, in that order; up to the first conflict."""
        head = onto or self.voyage.base
        for task in tasks:
            theirs = self.heads[task]
            message = f"Merge task {task}: {self.tasks[task].title}"
            path = f"integrate/merge/{task}/{head[:12]}-{theirs[:12]}"
            merged = await self.voyage.merge(head, theirs, message, path=path)
            if merged.commit is None:
                return Combination(commit=head, conflicting=task, conflicts=merged.conflicts)
            head = merged.commit
        return Combination(commit=head)

    async def partners(self, task: str, others: Iterable[str]) -> tuple[str, ...]:
        """Those of `others` that a task conflicts with; all of them, if it is no single one."""
        names = tuple(others)
        repository, head = self.voyage.repository, self.heads[task]
        found = tuple([name for name in names if await collisions(repository, self.heads[name], head)])
        return found or names

    async def run(self, checks: Iterable[Check], commit: str) -> tuple[CheckResult, ...]:
        """Each check once; those whose outcome on this tree is known are not run again."""
        wanted = tuple(checks)
        tree = await self.voyage.repository.tree(commit)
        missing = tuple(check for check in wanted if (tree, check.command) not in self._known)
        for ran in await self.voyage.run_checks(missing, commit, path=_path(missing, commit)):
            self._known[tree, ran.check.command] = ran
        return tuple(replace(self._known[tree, check.command], check=check) for check in wanted)

    async def flaky(self, failed: CheckResult, commit: str) -> tuple[CheckResult, int] | None:
        """A check that failed is run again, each time on a fresh copy: one that passes, and how often it failed."""
        for number in range(2, RUNS + 1):
            path = f"{_path((failed.check,), commit)}/{number}"
            (again,) = await self.voyage.run_checks((failed.check,), commit, path=path)
            if again.passed:
                tree = await self.voyage.repository.tree(commit)
                self._known[tree, again.check.command] = again
                return again, number - 1
        return None

    def excused(self, check: Check, tasks: Iterable[str]) -> bool:
        """Whether it failed for all of its tasks when they were accepted: it is no doing of the combination."""
        owners = self._owners(check, tasks)
        return bool(owners) and set(owners) <= self._excused.get(check.command, set())

    async def culprit(self, check: Check, tasks: Sequence[str]) -> Culprit:
        """A smallest set of `tasks` that fail the check together, which all of them do.

        First the task with which it begins to fail, those before it being there; then, one after the other, the
        last of those before it that cannot be left away.
        """

        async def fails(chosen: Iterable[int]) -> bool:
            return not await self._passes(check, [tasks[place] for place in sorted(set(chosen))])

        first = tasks.index(self._owners(check, tasks)[0])
        low, high = first, len(tasks) - 1  # all of them fail, so the first to fail is not above
        while low < high:
            middle = (low + high) // 2
            low, high = (low, middle) if await fails(range(middle + 1)) else (middle + 1, high)
        last = low
        needed = {last} if check.command in _commands(self.tasks[tasks[last]]) else {first, last}
        upper = last  # `needed` and all below `upper` fail together
        while upper > 0 and not await fails(needed):
            low, high = 0, upper - 1
            while low < high:
                middle = (low + high) // 2
                low, high = (low, middle) if await fails({*range(middle + 1), *needed}) else (middle + 1, high)
            needed.add(low)
            upper = low
        if not await fails(needed):  # what comes of more tasks is not always worse: then it is said of all
            needed = set(range(last + 1))
        return await self._evidence(check, tuple(tasks[place] for place in sorted(needed)))

    async def take_repaired(self, task: str, onto: str, head: str) -> Restacking:
        """A task's work is between these now; what stands on it follows."""
        moved = (await self._stack()).with_head(task, head)
        done = await self._restack(moved, f"{task}/{head[:12]}")
        self.heads[task], self._starts[task] = head, onto
        return done

    async def drop(self, task: str) -> Restacking:
        """The task is in the stack no more; what stood on it goes onto what it stood on."""
        left = (await self._stack()).without(task)
        done = await self._restack(left, f"{task}/dropped")
        for layer in left.layers:
            self.tasks[layer.task] = replace(self.tasks[layer.task], depends_on=layer.parents)
        return done

    async def moved(self, task: str, onto: str) -> Restacked:
        """A task's own work on something else, if it fits there."""
        start, head = await self.start(task), self.heads[task]

        async def work() -> Restacked:
            return await restack(self.voyage.repository, start, onto, head)

        inputs = {"start": start, "onto": onto, "head": head}
        path = f"integrate/move/{task}/{onto[:12]}-{head[:12]}"
        return await self.voyage.step(path, work, inputs=inputs, gives=Restacked, effect="read")

    async def start(self, task: str) -> str:
        """What a task's work stands on: unless it was repaired, it is one commit on what it started from."""
        return self._starts.get(task) or await self.voyage.repository.resolve(f"{self.heads[task]}^")

    async def above(self, task: str) -> tuple[str, ...]:
        """Accepted tasks that stand on a task, directly or not."""
        return tuple(layer.task for layer in (await self._stack()).above(task))

    async def _restack(self, stack: Stack, name: str) -> Restacking:
        """All that is outdated in it."""
        tops = {layer.task: (layer.start, layer.head, layer.parents) for layer in stack.layers}

        async def work() -> Restacking:
            return await restack_above(self.voyage.repository, stack)

        path = f"integrate/restack/{name}/{codec.digest(tops)[:12]}"
        # it only adds objects: no ref moves
        done = await self.voyage.step(path, work, inputs={"layers": tops}, gives=Restacking, effect="read")
        for move in done.moves:
            self.heads[move.after.task], self._starts[move.after.task] = move.after.head, move.after.start
        return done

    async def _stack(self) -> Stack:
        """As the accepted branches stand."""
        layers = []
        for task, head in self.heads.items():
            parents = self.tasks[task].depends_on
            start = await self.start(task)
            on = tuple(self.heads[parent] for parent in parents) or (self.voyage.base,)
            layers.append(Layer(task=task, branch=task, head=head, start=start, on=on, parents=parents))
        return Stack(base=self.voyage.base, layers=tuple(layers))

    def _owners(self, check: Check, tasks: Iterable[str]) -> list[str]:
        return [task for task in tasks if check.command in _commands(self.tasks[task])]

    async def _passes(self, check: Check, tasks: Sequence[str]) -> bool:
        combined = await self.combine(tasks)
        if combined.conflicting is not None:
            return False
        (result,) = await self.run((check,), combined.commit)
        return result.passed

    async def _evidence(self, check: Check, tasks: tuple[str, ...]) -> Culprit:
        combined = await self.combine(tasks)
        if combined.conflicting is not None:
            return Culprit(tasks=tasks, commit=None, conflicts=combined.conflicts)
        return Culprit(tasks=tasks, commit=combined.commit, results=await self.run((check,), combined.commit))


def _commands(task: Task) -> set[str]:
    return {check.command for check in task.checks}


def _path(checks: Sequence[Check], commit: str) -> str:
    """Of the step in which checks are run on a commit; another set of checks has another."""
    digest = hashlib.sha256("\0".join(check.command for check in checks).encode("utf-8", "surrogatepass"))
    return f"integrate/checks/{commit[:12]}/{digest.hexdigest()[:8]}"
