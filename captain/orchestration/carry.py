"""One run, from the request to its end: triage, plan, delegate, integrate; or a stack that is put onto something else.

Whatever happens, the record says how the run ended.
"""

from __future__ import annotations

import anyio

from captain.core.errors import CaptainError
from captain.core.events import Noticed, RunEnded
from captain.core.tasks import Plan
from captain.orchestration.added import FIRST
from captain.orchestration.context import Voyage
from captain.orchestration.deciding import Decision
from captain.orchestration.delegate import Delegation, crew_of
from captain.orchestration.endings import conclude, ended_by
from captain.orchestration.integrate import Integration, integrate
from captain.orchestration.repairing import Repairer
from captain.orchestration.restack_run import is_restack, restack_run


async def carry(voyage: Voyage) -> RunEnded:
    """Carries the voyage's request and records its end. Cancellation is recorded and passed on."""
    try:
        ended = await _steps(voyage)
    except CaptainError as error:
        ended = ended_by(error)
    except anyio.get_cancelled_exc_class():
        with anyio.CancelScope(shield=True):
            await voyage.tell(RunEnded(status="cancelled", summary="The run was cancelled; what was done is kept."))
        raise
    except BaseException as error:
        with anyio.CancelScope(shield=True):
            of = "a defect of Captain's own, or of an object it was given"
            summary = f"The run broke off with {type(error).__name__}, {of}."
            await voyage.tell(RunEnded(status="failed", summary=summary))
        raise
    await voyage.added.close()
    for unheard in voyage.steering.undelivered:
        await voyage.tell(Noticed(text=f"Nobody was there to be told: {unheard.text}"))
    await voyage.tell(ended)
    return ended


async def _steps(voyage: Voyage) -> RunEnded:
    if is_restack(voyage):
        await voyage.added.close()
        return await restack_run(voyage, _repairer(voyage))
    decision = Decision(voyage)
    first = await decision.reach()
    ended = {FIRST: first} if isinstance(first, RunEnded) else {}
    if isinstance(first, RunEnded) and (first.status == "planned" or await voyage.added.close_if_settled()):
        return first
    work = Delegation(voyage, decision.transcript)
    await work.carry(first.tasks if isinstance(first, Plan) else ())
    integration = await _integrated(voyage, work)
    while not await voyage.added.close_if_settled():  # something was asked for meanwhile
        await work.carry(())
        integration = await _integrated(voyage, work)
    return conclude(work.results, integration, {**ended, **work.without_tasks})


async def _integrated(voyage: Voyage, work: Delegation) -> Integration:
    return await integrate(voyage, work.tasks, work.results, repair=_repairer(voyage))


def _repairer(voyage: Voyage) -> Repairer:
    return Repairer(voyage=voyage, crew=crew_of(voyage, anyio.Semaphore(voyage.options.max_parallel)))
