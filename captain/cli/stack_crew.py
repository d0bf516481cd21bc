"""`captain stack --restack` with a crew: what is in conflict is a run of its own, shown like any other."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from captain.api import Captain, Outcome
    from captain.cli.crewfile import CrewFile
    from captain.cli.screens import Screen
    from captain.cli.stack_reading import Reading
    from captain.orchestration import RestackOrder
    from captain.reports import RunView


async def conflicting(view: RunView, place: Path, onto: str | None, *, keep_going: bool) -> RestackOrder | None:
    """What is to be done, if it takes a crew; None where everything fits as it is."""
    from captain.cli.stack_reading import read_stack
    from captain.orchestration.stack import restack_above

    reading = await read_stack(view, place, onto)
    done = await restack_above(reading.repository, reading.stack)
    return order_of(reading, view, keep_going=keep_going) if done.conflicts else None


def order_of(reading: Reading, view: RunView, *, keep_going: bool = False) -> RestackOrder:
    """The stack with what the record says of its tasks."""
    from captain.orchestration import RestackOrder

    known = [view.tasks[layer.task].task for layer in reading.stack.layers]
    return RestackOrder(
        run=reading.run,
        onto=reading.onto_name,
        stack=reading.stack,
        tasks=tuple(task for task in known if task is not None),
        keep_going=keep_going,
    )


def carrier_of(
    chosen: CrewFile, screen: Screen, state_dir: Path | None, *, allow_root: bool, yes: bool, no_input: bool
) -> Captain:
    """Raises `UsageError` for a crew without a captain."""
    from captain.cli import setup

    crewed, budget = setup.crew_of(chosen), setup.budget_of(chosen)

    from captain.api import Captain
    from captain.cli.approve import approver_at_hand
    from captain.cli.ask import asker_at_hand
    from captain.orchestration import Options

    on_question, unanswered = asker_at_hand(screen.hold, yes=yes, no_input=no_input)
    options = Options(
        allow_root=allow_root,
        approver=approver_at_hand(screen.hold, no_input=no_input),
        on_question=on_question,
        unanswered=unanswered,
    )
    return Captain(crewed, budget=budget, state_dir=state_dir, options=options)


def restacked(carrier: Captain, order: RestackOrder, repo: Path, screen: Screen) -> int:
    """Carries the order to its end; the exit code."""
    from captain.cli.drive import pursue
    from captain.cli.finishing import finished

    async def carry() -> Outcome | None:
        return await pursue(carrier.restack(order, repo=repo), screen)

    return finished(carry, screen)
