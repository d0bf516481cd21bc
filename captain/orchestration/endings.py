"""How a run ends: what its tasks, their integration and the requests without tasks came to, as one verdict."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Final

from captain.core.errors import BudgetExceededError, CaptainError, NeedsPersonError
from captain.core.events import RunEnded, RunStatus
from captain.orchestration.added import FIRST
from captain.orchestration.integrate import Integration
from captain.orchestration.questions import UnansweredError
from captain.orchestration.task import TaskResult

_WORST_FIRST: Final[tuple[RunStatus, ...]] = (
    "failed",
    "budget",
    "needs_human",
    "planned",
    "succeeded",
    "answered",
    "declined",
)
_CAME_TO: Final[Mapping[RunStatus, str]] = {
    "failed": "failed",
    "budget": "met a limit of the budget",
    "needs_human": "needs a person",
    "planned": "was planned",
    "answered": "was answered",
    "declined": "was declined",
}


def ended_by(error: CaptainError) -> RunEnded:
    """The end that an error means for a run, or for one of its requests."""
    status: RunStatus = "failed"
    if isinstance(error, NeedsPersonError | UnansweredError):
        status = "needs_human"
    elif isinstance(error, BudgetExceededError):
        status = "budget"
    return RunEnded(status=status, summary=str(error), hint=error.hint)


def conclude(
    results: Sequence[TaskResult], integration: Integration, without_tasks: Mapping[int, RunEnded] | None = None
) -> RunEnded:
    """The end of a run. `without_tasks` are the ends of requests that led to none, by number."""
    others = dict(without_tasks or {})
    ended = _of_tasks(results, integration) if results else others.pop(min(others))
    for number, other in others.items():
        which = "What was asked first" if number == FIRST else f"Request {number}"
        came_to = f"{which} {_CAME_TO.get(other.status, other.status)}: {other.summary}"
        ended = replace(ended, summary=f"{ended.summary.rstrip()} {came_to}")
        if _WORST_FIRST.index(other.status) < _WORST_FIRST.index(ended.status):
            ended = replace(ended, status=other.status, hint=other.hint)
    return ended


def _of_tasks(results: Sequence[TaskResult], integration: Integration) -> RunEnded:
    total, done = len(results), len(integration.integrated)
    where = f" on {integration.branch}" if integration.branch else ""
    if integration.failed_checks:
        names = ", ".join(failed.check.name for failed in integration.failed_checks)
        return RunEnded(
            status="failed",
            summary=f"The accepted tasks do not pass their checks together: {names}.",
            hint="Each task's own branch is kept; the integrated tree is kept under the ref the report names.",
        )
    over_budget = integration.cut_short or any(result.over_budget for result in results)
    if done == total and not over_budget:
        tasks = "The task is" if total == 1 else f"All {total} tasks are"
        return RunEnded(status="succeeded", summary=f"{tasks} accepted and integrated{where}.")
    open_ = [result for result in results if result.over_budget or result.task.id not in integration.integrated]
    reasons = dict(integration.reasons)
    count = f"{done} of {total} tasks {'is' if done == 1 else 'are'}" if done else "No task is"
    summary = f"{count} accepted and integrated{where}. " + " ".join(
        f"{result.task.id}: {reasons.get(result.task.id, result.reason).rstrip('.')}." for result in open_
    )
    if over_budget:
        return RunEnded(
            status="budget", summary=summary, hint="The run can be resumed with a larger budget, and goes on from here."
        )
    if any(result.state == "failed" for result in open_):
        return RunEnded(status="failed", summary=summary, hint="The report says what was tried and what is kept.")
    hint = "Look at the parked branches and decide."
    if waiting := ", ".join(integration.waiting):
        hint = f"Answer {waiting} with captain answer; then captain resume goes on."
    return RunEnded(status="needs_human", summary=summary, hint=hint)
