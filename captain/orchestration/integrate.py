"""Integration: accepted branches in plan order, merged without a checkout, checked as a whole."""

from __future__ import annotations

from dataclasses import dataclass
from graphlib import TopologicalSorter

from captain.core import ids
from captain.core.events import BranchSet, ChecksRan, Kept, TaskChanged
from captain.core.tasks import CheckResult, Plan, Task
from captain.orchestration.context import Voyage
from captain.orchestration.task import TaskResult


@dataclass(frozen=True, slots=True, kw_only=True)
class Integration:
    """`branch` is None where nothing was integrated or the whole fails its checks."""

    branch: str | None
    integrated: tuple[str, ...]
    left_out: tuple[str, ...]
    failed_checks: tuple[CheckResult, ...] = ()


async def integrate(voyage: Voyage, plan: Plan, results: tuple[TaskResult, ...]) -> Integration:
    """Leaves `captain/<run>/result` if every check of every integrated task passes on it."""
    heads = {result.task.id: result.head for result in results if result.head is not None}
    head, integrated, left_out = voyage.base, list[Task](), list[str]()
    for task in in_order(plan):
        if task.id not in heads:
            continue
        broken = [parent for parent in task.depends_on if parent in left_out]
        message = f"Merge task {task.id}: {task.title}"
        merged = await voyage.merge(head, heads[task.id], message, path=f"integrate/merge/{task.id}")
        if merged.commit is None or broken:
            left_out.append(task.id)
            reason = "it conflicts with other accepted work in " + ", ".join(merged.conflicts)
            if broken:
                reason = f"it builds on {', '.join(broken)}, which was left out"
            await voyage.tell(TaskChanged(task=task.id, state="parked", reason=reason))
            continue
        head = merged.commit
        integrated.append(task)
    done = tuple(task.id for task in integrated)
    if not integrated:
        return Integration(branch=None, integrated=done, left_out=tuple(left_out))
    checks = {check.command: check for task in integrated for check in task.checks}
    ran = await voyage.run_checks(tuple(checks.values()), head, path="integrate/checks")
    await voyage.tell(ChecksRan(commit=head, results=ran))
    failed = tuple(result for result in ran if not result.passed)
    if failed:
        ref = ids.rejected_ref(voyage.run, "result")
        await voyage.set_ref(ref, head, path="integrate/rejected")
        await voyage.tell(Kept(ref=ref, commit=head, reason="integrated result that fails its checks"))
        return Integration(branch=None, integrated=done, left_out=tuple(left_out), failed_checks=failed)
    branch = ids.result_branch(voyage.run)
    await voyage.set_ref(f"refs/heads/{branch}", head, path="integrate/branch")
    await voyage.tell(BranchSet(branch=branch, commit=head))
    return Integration(branch=branch, integrated=done, left_out=tuple(left_out))


def in_order(plan: Plan) -> list[Task]:
    """Dependencies first, otherwise as the plan has them."""
    sorter = TopologicalSorter({task.id: task.depends_on for task in plan.tasks})
    sorter.prepare()
    ordered: list[Task] = []
    while sorter.is_active():
        ready = set(sorter.get_ready())
        ordered += [task for task in plan.tasks if task.id in ready]
        sorter.done(*ready)
    return ordered
