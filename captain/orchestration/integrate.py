"""Integration: accepted branches in plan order, merged without a checkout, checked as a whole.

What does not go with the rest is found and left out, with what shows it; the rest is integrated all the same.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import partial
from types import NoneType
from typing import Literal, TypeAlias

from captain.core import codec, ids
from captain.core.errors import BudgetExceededError
from captain.core.events import (
    BranchSet,
    ChecksRan,
    Kept,
    Noticed,
    TaskChanged,
    TaskRestacked,
    TasksClashed,
)
from captain.core.tasks import CheckResult, Task
from captain.orchestration.again import has_more_to_do, say_again, times_resumed
from captain.orchestration.context import Voyage
from captain.orchestration.merge_queue import Bench
from captain.orchestration.questions import UnansweredError
from captain.orchestration.restacking import (
    Decision,
    Misfit,
    Repair,
    ask_about,
    is_decided,
    move_branches,
    rebased_by_hand,
)
from captain.orchestration.stack import Restacking, in_order
from captain.orchestration.task import TaskResult
from captain.workspace import RefMove

How: TypeAlias = Literal["small task", "by hand"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Integration:
    """`branch` is None where nothing was integrated or the whole fails its checks.

    `reasons` say of each task that was left out why; `clashes` are what was seen of it. `waiting` are the questions it
    waits for, and `cut_short` says that a limit kept it from more; by then, the run had been `resumed` so many times.
    """

    branch: str | None
    integrated: tuple[str, ...]
    left_out: tuple[str, ...]
    failed_checks: tuple[CheckResult, ...] = ()
    reasons: tuple[tuple[str, str], ...] = ()
    clashes: tuple[TasksClashed, ...] = ()
    waiting: tuple[str, ...] = ()
    cut_short: bool = False
    resumed: int = 0


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
        bench = Bench(voyage, dict(tasks), {name: accepted[name] for name in order if name in accepted})
        await bench.learn(results)
        return await _Queue(voyage, bench, repair, accepted).carry()

    path, number = f"integrate/all/{codec.digest(accepted)[:12]}", 1
    while True:
        again = f"/{number}" if number > 1 else ""
        done = await voyage.step(f"{path}{again}", queue, inputs={"heads": accepted}, gives=Integration)
        if not has_more_to_do(voyage, waiting=done.waiting, cut_short=done.cut_short, resumed=done.resumed):
            await say_again(voyage, done.left_out, path=f"{path}/said")
            return done
        number += 1


@dataclass(slots=True)
class _Queue:
    """`apart` are tasks whose parents do not fit together as they are, with the paths.

    `with_others` are the tasks, with their heads, that are in what a task was made to fit onto.
    """

    voyage: Voyage
    bench: Bench
    repair: Repair | None
    accepted: dict[str, str]
    left: dict[str, str] = field(default_factory=dict)
    clashes: list[TasksClashed] = field(default_factory=list)
    repaired: set[str] = field(default_factory=set)
    apart: dict[str, tuple[str, ...]] = field(default_factory=dict)
    with_others: dict[str, dict[str, str]] = field(default_factory=dict)
    waiting: list[str] = field(default_factory=list)
    cut_short: bool = False

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
            if not await self._without_what_is_left_out(task, head, tasks):
                continue
            merged = await self.bench.combine([task], onto=head)
            while merged.conflicting is not None:
                others = await self.bench.partners(task, tasks)
                clash = TasksClashed(task=task, others=others, conflicts=merged.conflicts)
                if not await self._send_back(clash, head, tasks):
                    break
                merged = await self.bench.combine([task], onto=head)
            else:
                head = merged.commit
                tasks.append(task)
        return head, tasks

    async def _stands_on_what_is_left_out(self, task: str) -> bool:
        broken = [parent for parent in self.bench.tasks[task].depends_on if parent in self.left]
        if broken:
            await self._leave(task, f"it builds on {', '.join(broken)}, which was left out")
        elif task in self.apart:
            broken = list(self.bench.tasks[task].depends_on)
            await self._leave(task, f"{_listed(broken)}, which it builds on, conflict in {', '.join(self.apart[task])}")
        return bool(broken)

    async def _without_what_is_left_out(self, task: str, head: str, tasks: Sequence[str]) -> bool:
        """A task that was made to fit onto another has its work below it.

        Where that is out, or is another by now, it is put onto the rest.
        """
        heads, others = self.bench.heads, self.with_others.get(task, {})
        gone = [other for other, was in others.items() if other in self.left or heads[other] != was]
        if not gone:
            return True
        moved = await self.bench.moved(task, head)
        if moved.commit is None:
            clash = TasksClashed(task=task, others=tuple(gone), conflicts=moved.paths)
            return await self._send_back(clash, head, tasks)
        self.with_others[task] = {other: heads[other] for other in tasks}
        before = heads[task]
        done = await self.bench.take_repaired(task, head, moved.commit)
        await self.voyage.tell(
            TaskRestacked(task=task, below=tuple(tasks), before=before, after=moved.commit, how="followed")
        )
        await self._followed(done)
        return True

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
        below = tasks[: tasks.index(task)]
        before = await self.bench.combine(below)
        await self._send_back(clash, before.commit, below)

    async def _send_back(self, clash: TasksClashed, onto: str, tasks: Sequence[str] | None = None) -> bool:
        """Whether the task fits onto `onto` now, as far as that can be said; otherwise it is left out.

        `tasks` are those merged in `onto`; None where that is what the task stands on.
        """
        self.clashes.append(clash)
        await self.voyage.tell(clash)
        task, reason = clash.task, why(clash)
        start, head = await self.bench.start(task), self.bench.heads[task]
        branch = ids.task_branch(self.voyage.run, task)
        misfit = Misfit(task=self.bench.tasks[task], branch=branch, start=start, head=head, onto=onto, evidence=clash)
        try:
            if (made := await self._repaired(misfit)) is not None:
                await self._take(misfit, made, "small task", tasks)
                return True
            decision = await self._decided(misfit)
            if decision == "rebased" and (made := await rebased_by_hand(self.voyage, misfit)) is not None:
                await self._take(misfit, made, "by hand", tasks)
                return True
        except UnansweredError as error:
            self.waiting.append(error.question.id)
            await self._leave(task, f"{reason}; it waits for an answer to {error.question.id}")
            return False
        except BudgetExceededError as error:
            self.cut_short = True
            await self._leave(task, f"{reason}; budget: {error}")
            return False
        if decision == "drop":
            await self._leave(task, f"{reason}; a person dropped it")
            await self._followed(await self.bench.drop(task))
        else:
            await self._leave(task, reason)
        return False

    async def _repaired(self, misfit: Misfit) -> str | None:
        """What a small task made of it, which is tried once for each task."""
        if self.repair is None or misfit.task.id in self.repaired or is_decided(self.voyage, misfit):
            return None
        self.repaired.add(misfit.task.id)
        return await self.repair(misfit)

    async def _decided(self, misfit: Misfit) -> Decision:
        """A conflict is put to a person, once it was tried to resolve it; that a check fails says enough by itself."""
        if self.repair is None or not misfit.evidence.conflicts:
            return "leave"
        task = misfit.task.id
        ref = ids.onto_ref(self.voyage.run, f"{task}-{misfit.onto[:12]}")
        await self._keep(ref, misfit.onto, f"what {task} is to be put onto", task)  # as somebody may do it by hand
        return await ask_about(self.voyage, misfit, await self.bench.above(task))

    async def _take(self, misfit: Misfit, head: str, how: How, tasks: Sequence[str] | None) -> None:
        task = misfit.task.id
        ref = ids.repaired_ref(self.voyage.run, f"{task}-{head[:12]}")
        await self._keep(ref, head, "the task's work, made to fit what was accepted before it", task)
        below = self.bench.tasks[task].depends_on if tasks is None else tuple(tasks)
        await self.voyage.tell(TaskRestacked(task=task, below=below, before=misfit.head, after=head, how=how))
        if tasks is not None:
            self.with_others[task] = {other: self.bench.heads[other] for other in tasks}
        await self._followed(await self.bench.take_repaired(task, misfit.onto, head))

    async def _followed(self, done: Restacking) -> None:
        """What stands on something that changed: where it conflicts, it goes back as well.

        What is held above it follows then, or goes out with it.
        """
        for move in done.moves:
            task = move.after.task
            self.apart.pop(task, None)
            below, before, after = self.bench.tasks[task].depends_on, move.before.head, move.after.head
            await self.voyage.tell(TaskRestacked(task=task, below=below, before=before, after=after, how="followed"))
        for conflict in done.conflicts:
            if conflict.task in self.left:
                continue
            if conflict.onto is None:  # one of its parents may be made to fit the other yet
                self.apart[conflict.task] = conflict.paths
                continue
            below = self.bench.tasks[conflict.task].depends_on
            await self._send_back(
                TasksClashed(task=conflict.task, others=below, conflicts=conflict.paths), conflict.onto
            )

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
        now = {task: (await self.bench.start(task), self.bench.heads[task]) for task in tasks}
        await move_branches(self.voyage, {task: at for task, at in now.items() if at[1] != self.accepted[task]})
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
            waiting=tuple(dict.fromkeys(self.waiting)),
            cut_short=self.cut_short,
            resumed=times_resumed(self.voyage),
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
