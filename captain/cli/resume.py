"""`captain resume`: takes up a run where it is, with the crew and the budget it had or with others."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from captain.cli import flags
from captain.cli.finishing import finished

if TYPE_CHECKING:
    from captain.api import Captain, Outcome
    from captain.cli.crewfile import CrewFile
    from captain.orchestration import Options, RunSettings
    from captain.runs import StoredRun


def resume(
    run: Annotated[str, typer.Argument(metavar="RUN", help="The id of a run, or its beginning; see captain runs.")],
    *,
    repo: Annotated[
        Path | None, typer.Option("--repo", help="Where its repository is now, if it has moved.", show_default=False)
    ] = None,
    captain: flags.CaptainModel = None,
    build: flags.BuildModel = None,
    review: flags.ReviewModels = None,
    advisor: flags.AdvisorModel = None,
    crew: flags.CrewPath = None,
    budget_usd: flags.BudgetUsd = None,
    budget_tokens: flags.BudgetTokens = None,
    budget_time: flags.BudgetTime = None,
    budget_calls: flags.BudgetCalls = None,
    budget_turns: flags.BudgetTurns = None,
    max_parallel: Annotated[
        int | None, typer.Option("--max-parallel", metavar="N", help="Most tasks at work at the same time.")
    ] = None,
    allow_root: flags.AllowRoot = False,
    allow_host: flags.AllowHosts = None,
    yes: flags.Yes = False,
    no_input: flags.NoInput = False,
    state_dir: flags.StateDir = None,
    as_json: flags.AsJson = False,
    live: flags.Live = None,
    quiet: flags.Quiet = False,
) -> int:
    """Go on with a run that was interrupted, ran out of budget, or waits for a person.

    What is on record is not done again and not paid again. The crew, the budget and the parallelism may be others
    than before; what is not given stays as it was. A budget counts from the start of the run.
    """
    from captain.cli import setup
    from captain.cli.values import parse_count
    from captain.core.errors import UsageError
    from captain.runs import default_state_dir, find_run

    limits = setup.limits_of(
        usd=budget_usd, tokens=budget_tokens, time=budget_time, calls=budget_calls, turns=budget_turns
    )
    flagged = replace(limits, captain=captain, build=build, review=tuple(review or ()), advisor=advisor)
    chosen = setup.combine(crew, flagged)
    parallel = parse_count(max_parallel, "--max-parallel") if max_parallel is not None else None
    screen = setup.choose_screen(as_json=as_json, live=live, quiet=quiet)
    stored = find_run(state_dir or default_state_dir(), run)
    if (by := stored.project.holder(stored.id)) is not None:
        raise UsageError(
            f"Run {stored.id} is going on: it is carried by {by}.",
            hint=f"captain send {stored.id} … speaks to it, captain cancel {stored.id} stops it.",
        )

    from captain.cli.approve import approver_at_hand
    from captain.cli.approve_plan import adopted, approver_or_question
    from captain.cli.ask import asker_at_hand
    from captain.cli.drive import pursue
    from captain.orchestration import Options, settings_of

    before = settings_of(stored)
    silent = no_input or as_json
    on_question, unanswered = asker_at_hand(screen.hold, yes=yes, no_input=silent)
    asks = bool(before and before.approve_plan and not adopted(stored))
    options = Options(
        max_parallel=parallel or (before.max_parallel if before else 4),
        allow_root=allow_root,
        approve_plan=approver_or_question(screen.hold, wanted=asks, no_input=silent),
        policy=setup.policy_of((*(before.hosts if before else ()), *(allow_host or ()))),
        approver=approver_at_hand(screen.hold, no_input=silent),
        on_question=on_question,
        unanswered=unanswered,
    )
    carrier = _carrier(stored, chosen, before, options, state_dir)

    async def carry() -> Outcome | None:
        return await pursue(carrier.resume(stored.id, repo=repo), screen)

    return finished(carry, screen)


def _carrier(
    stored: StoredRun, chosen: CrewFile, before: RunSettings | None, options: Options, state_dir: Path | None
) -> Captain:
    from captain.api import Captain
    from captain.cli import setup
    from captain.demo import demo_crew, demo_options, demo_sandbox, is_demo
    from captain.reports import RunView

    budget = setup.raised(before.budget if before else None, chosen)
    if chosen.captain is None and is_demo(RunView.of(stored.events()).crew):
        ours = demo_options(allow_root=options.allow_root)
        options = replace(options, policy=ours.policy)
        return Captain(demo_crew(), budget=budget, sandbox=demo_sandbox(), state_dir=state_dir, options=options)
    crewed = setup.crew_of(setup.filled(chosen, before.crew if before else (), stored.id))
    return Captain(crewed, budget=budget, state_dir=state_dir, options=options)
