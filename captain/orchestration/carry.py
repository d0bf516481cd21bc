"""One run, from the request to its end: triage, plan, delegate, integrate; or a stack that is put onto something else.

Whatever happens, the record says how the run ended.
"""

from __future__ import annotations

from collections.abc import Sequence

import anyio

from captain.core.errors import BudgetExceededError, CaptainError, NeedsPersonError
from captain.core.events import Noticed, RunEnded
from captain.orchestration.context import Voyage
from captain.orchestration.deciding import decide
from captain.orchestration.delegate import crew_of, delegate
from captain.orchestration.integrate import Integration, integrate
from captain.orchestration.questions import UnansweredError
from captain.orchestration.repairing import Repairer
from captain.orchestration.restack_run import is_restack, restack_run
from captain.orchestration.task import TaskResult


async def carry(voyage: Voyage) -> RunEnded:
    """Carries the voyage's request and records its end. Cancellation is recorded and passed on."""
    try:
        ended = await _steps(voyage)
    except (NeedsPersonError, UnansweredError) as error:
        ended = RunEnded(status="needs_human", summary=str(error), hint=error.hint)
    except BudgetExceededError as error:
        ended = RunEnded(status="budget", summary=str(error), hint=error.hint)
    except CaptainError as error:
        ended = RunEnded(status="failed", summary=str(error), hint=error.hint)
    except anyio.get_cancelled_exc_class():
        with anyio.CancelScope(shield=True):
            await voyage.tell(RunEnded(status="cancelled", summary="The run was cancelled; what was done is kept."))
        raise
    except BaseException as error:
        with anyio.CancelScope(shield=True):
            summary = f"The run broke off with {type(error).__name__}; this is a defect of Captain's."
            await voyage.tell(RunEnded(status="failed", summary=summary))
        raise
    for unheard in voyage.steering.undelivered:
        await voyage.tell(Noticed(text=f"Nobody was there to be told: {unheard.text}"))
    await voyage.tell(ended)
    return ended


async def _steps(voyage: Voyage) -> RunEnded:
    slots = anyio.Semaphore(voyage.options.max_parallel)
    repair = Repairer(voyage=voyage, crew=crew_of(voyage, slots))
    if is_restack(voyage):
        return await restack_run(voyage, repair)
    plan = await decide(voyage)
    if isinstance(plan, RunEnded):
        return plan
    results = await delegate(voyage, plan)
    return conclude(results, await integrate(voyage, plan, results, repair=repair))


def conclude(results: Sequence[TaskResult], integration: Integration) -> RunEnded:
    """How a run ended, from what its tasks and their integration came to."""
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
    summary = f"{done} of {total} tasks {'is' if done == 1 else 'are'} accepted and integrated{where}. " + " ".join(
        f"{result.task.id}: {reasons.get(result.task.id, result.reason).rstrip('.')}." for result in open_
    )
    if over_budget:
        return RunEnded(status="budget", summary=summary, hint="Start again with a larger budget.")
    if any(result.state == "failed" for result in open_):
        return RunEnded(status="failed", summary=summary, hint="The report says what was tried and what is kept.")
    hint = "Look at the parked branches and decide."
    if waiting := ", ".join(integration.waiting):
        hint = f"Answer {waiting} with captain answer; then captain resume goes on."
    return RunEnded(status="needs_human", summary=summary, hint=hint)
