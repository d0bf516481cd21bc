"""The commands. What a command needs is imported when it runs: `captain --version` takes no model library."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from captain.cli import doctor, flags, runs, scope, talking
from captain.cli.boundary import Switches
from captain.cli.finishing import finished
from captain.cli.followups import followups
from captain.cli.planning import plan
from captain.cli.replay import replay
from captain.cli.resume import resume
from captain.cli.review import review
from captain.cli.shortcuts import shortcuts
from captain.cli.stack import stack

if TYPE_CHECKING:
    from captain.api import Outcome

app = typer.Typer(
    name="captain",
    help="Agent orchestration that converges: investigate, plan, delegate, review and fix by rule.",
    epilog="Exit codes: 0 done, answered or planned, 1 failed or declined, 2 called wrongly, 3 needs a person or "
    "budget, 130 cancelled.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)


def _print_version(wanted: bool) -> None:
    if wanted:
        version()
        raise typer.Exit


@app.callback()
def start(
    context: typer.Context,
    *,
    debug: Annotated[bool, typer.Option("--debug", help="Show the traceback of an unexpected error.")] = False,
    _version: Annotated[
        bool,
        typer.Option("--version", help="Print the version.", callback=_print_version, is_eager=True),
    ] = False,
) -> None:
    context.ensure_object(Switches).debug = debug


def version() -> None:
    """Print the version."""
    from importlib.metadata import version as installed

    print(f"captain {installed('captain-agents')}")


def run(
    request: flags.MaybeRequest = None,
    *,
    from_followup: flags.FromFollowUp = None,
    repo: flags.Repo = Path(),
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
    max_parallel: flags.MaxParallel = 4,
    review_policy: flags.ReviewPolicyName = "balanced",
    max_rounds: flags.MaxRounds = None,
    command_timeout: flags.CommandTimeout = "10m",
    include_dirty: flags.IncludeDirty = False,
    allow_root: flags.AllowRoot = False,
    allow_host: flags.AllowHosts = None,
    approve_plan: flags.ApprovePlan = False,
    yes: flags.Yes = False,
    no_input: flags.NoInput = False,
    state_dir: flags.StateDir = None,
    record: flags.RecordTo = None,
    as_json: flags.AsJson = False,
    live: flags.Live = None,
    quiet: flags.Quiet = False,
) -> int:
    """Carry one request in a git repository to reviewed, integrated branches."""
    from captain.cli import setup
    from captain.cli.values import parse_count, parse_duration

    limits = setup.limits_of(
        usd=budget_usd, tokens=budget_tokens, time=budget_time, calls=budget_calls, turns=budget_turns
    )
    flagged = replace(limits, captain=captain, build=build, review=tuple(review or ()), advisor=advisor)
    parallel = parse_count(max_parallel, "--max-parallel")
    rounds = parse_count(max_rounds, "--max-rounds") if max_rounds is not None else None
    timeout_s = parse_duration(command_timeout, "--command-timeout")
    origin = setup.origin_of(request, from_followup, repo, state_dir)
    wanted = origin.request if origin else setup.read_request(request or "")
    chosen = setup.combine(crew, flagged)
    screen = setup.choose_screen(as_json=as_json, live=live, quiet=quiet)
    policy = setup.policy_of(allow_host or ())
    crewed, budget = setup.crew_of(chosen), setup.budget_of(chosen)

    from captain.api import Captain  # after what can be wrong in a call: it takes most of a second
    from captain.cli.approve import approver_at_hand
    from captain.cli.approve_plan import plan_approver
    from captain.cli.ask import asker_at_hand
    from captain.cli.drive import pursue
    from captain.orchestration import Options

    silent = no_input or as_json
    on_question, unanswered = asker_at_hand(screen.hold, yes=yes, no_input=silent)
    options = Options(
        max_parallel=parallel,
        review=setup.review_policy_of(review_policy, rounds),
        approve_plan=plan_approver(screen.hold, wanted=approve_plan, no_input=no_input or as_json),
        command_timeout_s=timeout_s,
        include_dirty=include_dirty,
        allow_root=allow_root,
        policy=policy,
        approver=approver_at_hand(screen.hold, no_input=silent),
        on_question=on_question,
        unanswered=unanswered,
    )

    async def carry() -> Outcome | None:
        async with setup.recorded(crewed, record) as players:
            carrier = Captain(players, budget=budget, state_dir=state_dir, options=options)
            return await pursue(carrier.start(wanted, repo=repo, origin=origin.said if origin else ""), screen)

    return finished(carry, screen)


def demo(
    *,
    into: Annotated[
        Path | None, typer.Option("--into", metavar="DIR", help="Where the sample repository goes. Default: a new one.")
    ] = None,
    allow_root: flags.AllowRoot = False,
    as_json: flags.AsJson = False,
    live: flags.Live = None,
    quiet: flags.Quiet = False,
) -> int:
    """Show a whole run on a sample repository, without a model or a key."""
    from captain.api import Captain
    from captain.cli import setup
    from captain.cli.drive import pursue
    from captain.cli.screens import whisper
    from captain.demo import prepare
    from captain.reports import one_line

    screen = setup.choose_screen(as_json=as_json, live=live, quiet=quiet)
    say = whisper if as_json else print
    say("Demo: the model replies are scripted; git, commands, checks, guards and the review loop are real.")
    shown = prepare(into, allow_root=allow_root)
    carrier = Captain(shown.crew, sandbox=shown.sandbox, options=shown.options)
    code = finished(lambda: pursue(carrier.start(shown.request, repo=shown.repo), screen), screen)
    say(f"The demo's repository is {one_line(str(shown.repo))}; look around in it, and delete it when you are done.")
    return code


def report(
    run: Annotated[str, typer.Argument(metavar="RUN", help="The id of a run, or its beginning; see captain runs.")],
    form: Annotated[Literal["markdown", "json"], typer.Option("--format", help="How it is written.")] = "markdown",
    state_dir: flags.StateDir = None,
) -> None:
    """Print the report of a run, made anew from its record."""
    from captain.cli.history import print_report
    from captain.core.masking import Masker
    from captain.reports import RunView
    from captain.runs import default_state_dir, find_run
    from captain.sandbox import secret_variables

    stored = find_run(state_dir or default_state_dir(), run)
    masker = Masker(named=secret_variables())  # the record may be older than what is a secret now
    print_report(RunView.of(map(masker.value, stored.events())), as_json=form == "json")


def _said_in_short(command: Callable[..., object]) -> str:
    """The first sentence, whole: a list of half sentences helps nobody."""
    said = " ".join((command.__doc__ or "").split())
    return said.partition(". ")[0].rstrip(".") + "."


# In the order in which they are listed: what one begins with first.
for _command in (
    run,
    plan,
    resume,
    talking.answer,
    talking.send,
    talking.add,
    talking.cancel,
    report,
    followups,
    stack,
    replay,
    review,
    shortcuts,
    demo,
    doctor.doctor,
    version,
):
    app.command(short_help=_said_in_short(_command))(_command)
app.add_typer(runs.app)
app.add_typer(scope.app)
