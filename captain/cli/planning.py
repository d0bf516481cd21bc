"""`captain plan`: triage and plan, and what carrying it out is going to cost; nothing is changed."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from captain.cli import flags
from captain.cli.crewfile import CrewFile
from captain.cli.finishing import finished

if TYPE_CHECKING:
    from captain.api import Outcome


def plan(
    request: flags.Request,
    *,
    repo: flags.Repo = Path(),
    captain: flags.CaptainModel = None,
    build: flags.BuildModel = None,
    review: flags.ReviewModels = None,
    advisor: flags.AdvisorModel = None,
    crew: flags.CrewPath = None,
    also_crew: flags.OtherCrews = None,
    budget_usd: flags.BudgetUsd = None,
    budget_tokens: flags.BudgetTokens = None,
    budget_time: flags.BudgetTime = None,
    budget_calls: flags.BudgetCalls = None,
    budget_turns: flags.BudgetTurns = None,
    review_policy: flags.ReviewPolicyName = "balanced",
    max_rounds: flags.MaxRounds = None,
    command_timeout: flags.CommandTimeout = "10m",
    include_dirty: flags.IncludeDirty = False,
    allow_root: flags.AllowRoot = False,
    allow_host: flags.AllowHosts = None,
    approve_plan: flags.ApprovePlan = False,
    no_input: flags.NoInput = False,
    state_dir: flags.StateDir = None,
    record: flags.RecordTo = None,
    as_json: flags.AsJson = False,
    live: flags.Live = None,
    quiet: flags.Quiet = False,
) -> int:
    """Stop after the plan: show it, and what carrying it out is going to cost."""
    from captain.cli import setup
    from captain.cli.values import parse_count, parse_duration

    limits = setup.limits_of(
        usd=budget_usd, tokens=budget_tokens, time=budget_time, calls=budget_calls, turns=budget_turns
    )
    flagged = replace(limits, captain=captain, build=build, review=tuple(review or ()), advisor=advisor)
    rounds = parse_count(max_rounds, "--max-rounds") if max_rounds is not None else None
    timeout_s = parse_duration(command_timeout, "--command-timeout")
    wanted = setup.read_request(request)
    chosen = setup.combine(crew, flagged)
    screen = setup.choose_screen(as_json=as_json, live=live, quiet=quiet)
    policy = setup.policy_of(allow_host or ())
    crewed, budget = setup.crew_of(chosen), setup.budget_of(chosen)
    others = [(str(path), setup.crew_of(setup.combine(path, CrewFile()))) for path in also_crew or ()]

    from captain.api import Captain
    from captain.cli.approve import approver_at_hand
    from captain.cli.approve_plan import plan_approver
    from captain.cli.drive import pursue
    from captain.orchestration import Options

    silent = no_input or as_json
    options = Options(
        review=setup.review_policy_of(review_policy, rounds),
        stop_after_plan=True,
        approve_plan=plan_approver(screen.hold, wanted=approve_plan, no_input=silent),
        command_timeout_s=timeout_s,
        include_dirty=include_dirty,
        allow_root=allow_root,
        policy=policy,
        approver=approver_at_hand(screen.hold, no_input=silent),
    )

    async def carry() -> Outcome | None:
        async with setup.recorded(crewed, record) as players, setup.teams(others) as teams:
            reckoned = replace(options, other_crews=teams)
            carrier = Captain(players, budget=budget, state_dir=state_dir, options=reckoned)
            return await pursue(carrier.start(wanted, repo=repo), screen)

    return finished(carry, screen)
