"""Integration: accepted branches in plan order, merged without a checkout, checked as a whole.

What does not go with the rest is found and left out, with what shows it; the rest is integrated all the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from types import NoneType
from typing import Protocol

from captain.core import codec, ids
from captain.core.events import BranchSet, ChecksRan, Kept, Noticed, TaskChanged, TasksClashed
from captain.core.tasks import CheckResult, Task
from captain.orchestration.context import Voyage
from captain.orchestration.merge_queue import Bench
from captain.orchestration.stack import in_order
from captain.orchestration.task import TaskResult
from captain.workspace import RefMove


@dataclass(frozen=True, slots=True, kw_only=True)
class Integration:
    """`branch` is None where nothing was integrated or the whole fails its checks.

    `reasons` say of each task that was left out why; `clashes` are what was seen of it.
    """

    branch: str | None
    integrated: tuple[str, ...]
    left_out: tuple[str, ...]
    failed_checks: tuple[CheckResult, ...] = ()
    reasons: tuple[tuple[str, str], ...] = ()
    clashes: tuple[TasksClashed, ...] = ()


class Repair(Protocol):
    """Makes a task fit to what was accepted before it, asked once for each task.

    `onto` is the combination of those before it. Gives a commit that has `onto` in its history, or None to leave the
    task out. What it gives is checked like everything else.
    """

    async def __call__(self, task: Task, onto: str, evidence: TasksClashed, /) -> str | None: ...


async def integrate(
    voyage: Voyage, planned: Sequence[Task], results: tuple[TaskResult, ...], *, repair: Repair | None = None
) -> Integration:
    """Leaves `captain/<run>/result` with all accepted tasks that merge and pass their checks together.

    A run that is taken up again with the same branches has been through this already.
    """
    tasks = {task.id: task for task in planned}
    accepted = {result.task.id: result.head for result in results if result.head is not None}
    order = in_order({task.id: task.depends_on for task in planned})

    async def queue() -> Integration:
        bench = Bench(voyage, tasks, {name: accepted[name] for name in order if name in accepted})
        await bench.learn(results)
        return await _Queue(voyage, bench, repair).carry()

    path = f"integrate/all/{codec.digest(accepted)[:12]}"
    return await voyage.step(path, queue, inputs={"heads": accepted}, gives=Integration)


@dataclass(slots=True)
class _Queue:
    voyage: Voyage
    bench: Bench
    repair: Repair | None
    left: dict[str, str] = field(default_factory=dict)
    clashes: list[TasksClashed] = field(default_factory=list)
    repaired: set[str] = field(default_factory=set)

    async def carry(self) -> Integration:
        while True:
            head, tasks = await self._merge()
            if not tasks:
                return self._ended(None, ())
            results, failed = await self._check(head, tasks)
            if not failed:
                return await self._integrated(head, tasks, results)
            if len(tasks) == 1:
                return await self._refused(head, tasks, results, failed)
            await self._find(tasks, failed)

    async def _merge(self) -> tuple[str, list[str]]:
        """All that are left, in plan order, and their merge. Those that conflict with what is before them go out."""
        head, tasks = self.voyage.base, list[str]()
        for task in self.bench.heads:
            if task in self.left or await self._stands_on_what_is_left_out(task):
                continue
            merged = await self.bench.combine([task], onto=head)
            if merged.conflicting is not None:
                others = await self.bench.partners(task, tasks)
                clash = TasksClashed(task=task, others=others, conflicts=merged.conflicts)
                if not await self._send_back(clash, head):
                    continue
                merged = await self.bench.combine([task], onto=head)
                if merged.conflicting is not None:
                    again = TasksClashed(task=task, others=others, conflicts=merged.conflicts)
                    await self._send_back(again, head)
                    continue
            head = merged.commit
            tasks.append(task)
        return head, tasks

    async def _stands_on_what_is_left_out(self, task: str) -> bool:
        broken = [parent for parent in self.bench.tasks[task].depends_on if parent in self.left]
        if broken:
            await self._leave(task, f"it builds on {', '.join(broken)}, which was left out")
        return bool(broken)

    async def _check(self, head: str, tasks: Sequence[str]) -> tuple[tuple[CheckResult, ...], list[CheckResult]]:
        """What the checks of all tasks say of their merge, and which of it is held against them."""
        checks = {check.command: check for task in tasks for check in self.bench.tasks[task].checks}
        results, failed = list(await self.bench.run(checks.values(), head)), list[CheckResult]()
        for place, result in enumerate(results):
            if result.passed or self.bench.excused(result.check, tasks):
                continue
            flaky = await self.bench.flaky(result, head)
            if flaky is None:
                failed.append(result)
                continue
            results[place], failures = flaky
            await self.voyage.tell(
                Noticed(
                    text=f"The check {result.check.name} is flaky on the merge of {_listed(tasks)}: it failed "
                    f"{failures} of {failures + 1} runs. It is held against no task."
                )
            )
        return tuple(results), failed

    async def _find(self, tasks: Sequence[str], failed: Sequence[CheckResult]) -> None:
        """Has the task go out that breaks the first failed check."""
        found = await self.bench.culprit(failed[0].check, tasks)
        *others, task = found.tasks
        ref = ""
        if found.commit is not None:
            ref = ids.rejected_ref(self.voyage.run, f"{task}-{found.commit[:12]}")
            reason = f"{_listed(found.tasks)} together, which fail {failed[0].check.name}"
            await self._keep(ref, found.commit, reason, task)
        clash = TasksClashed(task=task, others=tuple(others), conflicts=found.conflicts, results=found.results, ref=ref)
        before = await self.bench.combine(tasks[: tasks.index(task)])
        await self._send_back(clash, before.commit)

    async def _send_back(self, clash: TasksClashed, onto: str) -> bool:
        """Whether the task was made to fit, as far as its repair goes; otherwise it is left out."""
        self.clashes.append(clash)
        await self.voyage.tell(clash)
        if self.repair is not None and clash.task not in self.repaired:
            self.repaired.add(clash.task)
            head = await self.repair(self.bench.tasks[clash.task], onto, clash)
            if head is not None:
                await self._take(clash.task, onto, head)
                return True
        await self._leave(clash.task, why(clash))
        return False

    async def _take(self, task: str, onto: str, head: str) -> None:
        ref = ids.repaired_ref(self.voyage.run, f"{task}-{head[:12]}")
        await self._keep(ref, head, "the task's work, made to fit what was accepted before it", task)
        for above, paths in (await self.bench.take_repaired(task, onto, head)).items():
            if paths:  # what is held with it stands on it, and goes out for that
                await self._leave(above, f"it conflicts with the repaired {task} in {', '.join(paths)}")

    async def _leave(self, task: str, reason: str) -> None:
        self.left[task] = reason
        await self.voyage.tell(TaskChanged(task=task, state="parked", reason=reason))

    async def _integrated(self, head: str, tasks: Sequence[str], results: tuple[CheckResult, ...]) -> Integration:
        await self.voyage.tell(ChecksRan(commit=head, results=results))
        branch = ids.result_branch(self.voyage.run)
        move = partial(self._set_branch, f"refs/heads/{branch}", head)
        path, inputs = f"integrate/branch/{head[:12]}", {"branch": branch, "commit": head}
        await self.voyage.step(path, move, inputs=inputs, gives=NoneType)
        await self.voyage.tell(BranchSet(branch=branch, commit=head))
        return self._ended(branch, tasks)

    async def _set_branch(self, ref: str, head: str) -> None:
        """A run that is taken up again may have more to integrate: its own earlier result gives way, and is kept."""
        told = (one.event for one in self.voyage.journal.events if isinstance(one.event, BranchSet))
        ours = {event.commit for event in told if event.task is None}
        now = (await self.voyage.repository.refs(ref)).get(ref)
        moves = [RefMove(ref=ref, new=head, old=now if now in ours else None)]
        if now in ours and now != head:
            moves.append(RefMove(ref=ids.superseded_ref(self.voyage.run, now), new=now, old=None))
        await self.voyage.repository.move_refs(moves)

    async def _keep(self, ref: str, commit: str, reason: str, task: str | None = None) -> None:
        await self.voyage.set_ref(ref, commit, path="/".join(["integrate", *ref.split("/")[-2:]]))
        await self.voyage.tell(Kept(ref=ref, commit=commit, reason=reason, task=task))

    async def _refused(
        self, head: str, tasks: Sequence[str], results: tuple[CheckResult, ...], failed: Sequence[CheckResult]
    ) -> Integration:
        await self.voyage.tell(ChecksRan(commit=head, results=results))
        ref = ids.rejected_ref(self.voyage.run, f"result-{head[:12]}")
        await self._keep(ref, head, "integrated result that fails its checks")
        return self._ended(None, tasks, tuple(failed))

    def _ended(self, branch: str | None, tasks: Sequence[str], failed: tuple[CheckResult, ...] = ()) -> Integration:
        return Integration(
            branch=branch,
            integrated=tuple(tasks),
            left_out=tuple(self.left),
            failed_checks=failed,
            reasons=tuple(self.left.items()),
            clashes=tuple(self.clashes),
        )


def why(clash: TasksClashed) -> str:
    """Why a task was left out, as the reason of its state."""
    others = _listed(clash.others)
    if clash.conflicts:
        return f"it conflicts with {others or 'the base'} in {', '.join(clash.conflicts)}"
    names = ", ".join(result.check.name for result in clash.results)
    return f"together with {others} it fails {names}" if others else f"it fails {names}"


def _listed(names: Sequence[str]) -> str:
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)
