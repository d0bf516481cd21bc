"""`captain review`: the review loop on the current branch, with or without mending what it finds."""

from __future__ import annotations

import os
import signal
from collections.abc import Awaitable, Callable, Sequence
from contextlib import nullcontext
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, TypeVar

import typer

from captain.cli import flags
from captain.cli.exits import CANCELLED, FAILED, UNDECIDED, VERDICT_CODES
from captain.core.errors import GitError, UsageError

if TYPE_CHECKING:
    from captain.api import Crew
    from captain.cli.crewfile import CrewFile
    from captain.cli.review_target import Target
    from captain.cli.review_work import Order, Reviewed
    from captain.core.tasks import Scope
    from captain.reports.sarif_baseline import Prior
    from captain.review import LoopReport

T = TypeVar("T")


def review(
    *,
    repo: flags.Repo = Path(),
    base: Annotated[
        str | None,
        typer.Option(
            "--base",
            metavar="REV",
            help="What HEAD is compared with, from where the two part. Default: the branch main or master, or that of "
            "origin.",
        ),
    ] = None,
    fix: Annotated[
        bool, typer.Option("--fix", help="Mend what is verified, in private copies. Without it nothing is written.")
    ] = False,
    branch: Annotated[
        str | None,
        typer.Option("--branch", metavar="NAME", help="With --fix: a new branch for the result. Default: a ref only."),
    ] = None,
    check: Annotated[
        list[str] | None,
        typer.Option(
            "--check",
            metavar="NAME=COMMAND",
            help="A command that has to pass, and may not fail because of the change; may be given more than once.",
        ),
    ] = None,
    ask: Annotated[
        str | None,
        typer.Option("--ask", metavar="TEXT", help="What the change is for. Default: the subjects of its commits."),
    ] = None,
    scope: Annotated[
        Path | None,
        typer.Option(
            "--scope", metavar="FILE.toml", help="What findings may be about and fixes may touch; a scope file."
        ),
    ] = None,
    policy: Annotated[
        Literal["economy", "balanced", "thorough"], typer.Option("--policy", help="How much is looked at.")
    ] = "balanced",
    time: Annotated[
        str | None,
        typer.Option("--time", metavar="TIME", help="No review and no fix begins after it: 90 (seconds), 5m, 1h30m."),
    ] = None,
    captain: Annotated[
        str | None, typer.Option("--captain", metavar="MODEL", help="Model for the roles that no model is named for.")
    ] = None,
    build: Annotated[
        str | None, typer.Option("--build", metavar="MODEL", help="Model that mends. Default: the captain's.")
    ] = None,
    review: flags.ReviewModels = None,
    advisor: Annotated[
        str | None, typer.Option("--advisor", metavar="MODEL", help="Stronger model, for the third attempt at a fix.")
    ] = None,
    crew: flags.CrewPath = None,
    budget_usd: flags.BudgetUsd = None,
    budget_tokens: flags.BudgetTokens = None,
    budget_calls: flags.BudgetCalls = None,
    budget_turns: flags.BudgetTurns = None,
    command_timeout: flags.CommandTimeout = "10m",
    allow_root: flags.AllowRoot = False,
    allow_host: flags.AllowHosts = None,
    state_dir: flags.StateDir = None,
    record: flags.RecordTo = None,
    as_json: Annotated[bool, typer.Option("--json", help="The report as one JSON object, and nothing else.")] = False,
    sarif: Annotated[bool, typer.Option("--sarif", help="The findings as SARIF 2.1.0, and nothing else.")] = False,
    baseline: Annotated[
        Path | None,
        typer.Option(
            "--baseline", metavar="FILE.sarif", help="With --sarif: an earlier document, to say what is new since."
        ),
    ] = None,
    plain: Annotated[bool, typer.Option("--plain", help="The report as it is written, on a terminal too.")] = False,
    quiet: flags.Quiet = False,
) -> int:
    """Review the current branch, verify what is found and, with --fix, mend it until rules end that.

    Without --fix: exit code 1 if a verified critical or major finding remains. With it, the verdict decides: 0
    converged, 1 oscillating, stalled or diverging, 3 out of budget or for a person to decide.
    """
    from captain.cli import setup
    from captain.cli.review_target import find_target, parse_checks, task_of
    from captain.cli.scopefile import read_scope_file
    from captain.cli.values import parse_duration

    _reject_odd_pairs(as_json=as_json, sarif=sarif, plain=plain, quiet=quiet, baseline=baseline, fix=fix, branch=branch)
    limits = setup.limits_of(usd=budget_usd, tokens=budget_tokens, time=None, calls=budget_calls, turns=budget_turns)
    time_s = None if time is None else parse_duration(time, "--time")
    flagged = replace(limits, captain=captain, build=build, review=tuple(review or ()), advisor=advisor, time_s=time_s)
    timeout_s = parse_duration(command_timeout, "--command-timeout")
    if ask is not None and not ask.strip():
        raise UsageError("--ask is empty.", hint='Say what the change is for: --ask "Take ISO week dates".')
    checks = parse_checks(check or ())
    chosen = setup.combine(crew, flagged)
    players = _crew(chosen, fix=fix, checked=bool(checks))
    asked = read_scope_file(scope) if scope is not None else None
    before = _baseline(baseline) if baseline is not None else None
    grants = setup.policy_of(allow_host or ())
    budget = setup.budget_of(replace(chosen, time_s=None))  # the time is the loop's, which ends what it has begun

    import anyio

    from captain.review.policy import policy_named
    from captain.runs import default_state_dir

    async def prepared() -> tuple[Target, Order | None]:
        from captain.cli.review_branch import require_new
        from captain.cli.review_work import Order

        target = await find_target(repo, base)
        if target.empty:
            return target, None
        if branch is not None:
            await require_new(target.repository, branch)
        task = await task_of(target, (ask or "").strip(), _with_itself(asked, scope, target), checks)
        order = Order(
            target=target,
            task=task,
            crew=players,
            budget=budget,
            policy=policy_named(policy),
            grants=grants,
            fix=fix,
            time_s=chosen.time_s,
            command_timeout_s=timeout_s,
            allow_root=allow_root,
            state_dir=state_dir or default_state_dir(),
        )
        return target, order

    target, order = anyio.run(prepared)
    form: _Form = "json" if as_json else "sarif" if sarif else "quiet" if quiet else "plain" if plain else "text"
    if order is None:
        _say_empty(target, form, before)
        return 0

    from captain.cli.review_screen import Progress

    progress = Progress(silent=form in ("json", "sarif", "quiet"))

    async def carried() -> Reviewed:
        from captain.cli.review_work import carry

        async with setup.recorded(order.crew, record) if order.crew is not None else nullcontext() as signed_on:
            return await carry(replace(order, crew=signed_on), progress.hear, progress.note)

    done = anyio.run(lambda: _stoppable(carried))
    if done is None:
        return CANCELLED
    unmade = anyio.run(_make_branch, target, branch, done.report)
    _say(done, target, form, None if unmade else branch, before)
    if unmade is not None:
        raise unmade
    return exit_code(done.report, fix=fix)


async def _make_branch(target: Target, branch: str | None, report: LoopReport) -> GitError | None:
    """What kept the branch from being made: the result is worth being shown all the same."""
    from captain.cli.review_branch import make

    if branch is None or report.commit == report.start:
        return None
    try:
        await make(target.repository, branch, report.commit)
    except GitError as error:
        return error
    return None


def exit_code(report: LoopReport, *, fix: bool) -> int:
    """Of the verdict, with a fixer. Without one by what is known, and 3 where too little could be found out."""
    if fix:
        return VERDICT_CODES[report.verdict]
    if not report.acceptable:
        return FAILED
    from captain.core.loop_events import ReviewEnded

    answered = any(isinstance(event, ReviewEnded) and not event.problem for event in report.log)
    return 0 if answered and report.verdict != "budget" else UNDECIDED


_Form = Literal["text", "plain", "quiet", "json", "sarif"]


def _reject_odd_pairs(
    *, as_json: bool, sarif: bool, plain: bool, quiet: bool, baseline: Path | None, fix: bool, branch: str | None
) -> None:
    chosen = [name for name, given in (("--json", as_json), ("--sarif", sarif), ("--quiet", quiet)) if given]
    if len(chosen) > 1:
        raise UsageError(f"{chosen[0]} and {chosen[1]} exclude each other.", hint="Leave one of them out.")
    if plain and chosen and chosen[0] != "--quiet":
        raise UsageError(f"{chosen[0]} and --plain exclude each other.", hint="Leave one of them out.")
    if baseline is not None and not sarif:
        raise UsageError("--baseline goes with --sarif only.", hint="Add --sarif, or leave --baseline out.")
    if branch is not None and not fix:
        raise UsageError(
            "--branch goes with --fix only: a review alone makes nothing that could be on a branch.",
            hint="Add --fix, or leave --branch out.",
        )


def _crew(chosen: CrewFile, *, fix: bool, checked: bool) -> Crew | None:
    """The captain's model stands in for roles without one. With checks alone nobody is needed, unless to mend."""
    reviewing = chosen.review or ((chosen.captain,) if chosen.captain else ())
    mending = chosen.build or chosen.captain
    if fix and mending is None:
        raise UsageError(
            "No model is given that mends what is found.", hint="Give one with --build MODEL, or leave --fix out."
        )
    if not reviewing and not checked:
        raise UsageError(
            "No model is given that reviews, and no check.",
            hint="Give --review MODEL, such as --review openai:gpt-5.5, a --crew FILE.toml, or --check NAME=COMMAND.",
        )
    anybody = chosen.captain or mending or next(iter(reviewing), None)
    if anybody is None:
        return None
    from captain.api import Crew  # after what can be wrong in a call: it takes most of a second

    return Crew(captain=anybody, build=mending, review=reviewing, advisor=chosen.advisor)


def _baseline(path: Path) -> tuple[Prior, ...]:
    from captain.reports.sarif_baseline import read_baseline

    try:
        text = path.read_text("utf-8")
    except OSError as error:
        raise UsageError(
            f"The baseline {path} cannot be read: {error.strerror}.", hint="Check the path given to --baseline."
        ) from error
    except UnicodeDecodeError as error:
        raise UsageError(f"The baseline {path} is not UTF-8 text.", hint="Give a SARIF document.") from error
    return read_baseline(text, str(path))


def _with_itself(scope: Scope | None, path: Path | None, target: Target) -> Scope | None:
    from captain.cli.scope import with_itself

    return with_itself(scope, path, target.repository) if scope is not None and path is not None else None


async def _stoppable(work: Callable[[], Awaitable[T]]) -> T | None:
    """None if a signal came first. At the second one the process ends at once."""
    import anyio

    from captain.cli.review_screen import stopping
    from captain.core.together import first_of

    result: list[T] = []
    failure: BaseException | None = None
    try:
        async with anyio.create_task_group() as group:

            async def listen(*, task_status: Any = anyio.TASK_STATUS_IGNORED) -> None:
                with anyio.open_signal_receiver(signal.SIGINT, signal.SIGTERM) as signals:
                    task_status.started()
                    asked = False
                    async for _ in signals:
                        if asked:
                            os._exit(CANCELLED)
                        asked = True
                        stopping()
                        scope.cancel()

            scope = anyio.CancelScope()
            await group.start(listen)
            with scope:
                result.append(await work())
            group.cancel_scope.cancel()
    except BaseExceptionGroup as failed:
        failure = first_of(failed)
    if failure is not None:
        raise failure
    return result[0] if result else None


def _say_empty(target: Target, form: _Form, before: Sequence[Prior] | None) -> None:
    """A change without content is reviewed in no time."""
    from captain.reports.escape import one_line
    from captain.reports.jsonable import dumps
    from captain.reports.sarif import review_to_sarif, to_sarif_text

    said = f"There is nothing to review: {target.head[:12]} has the same files as {target.base[:12]}."
    if form == "sarif":
        document = review_to_sarif(None, version=_version(), baseline=before, notes=(said, *target.notes))
        print(to_sarif_text(document), end="")
    elif form == "json":
        notes = [said, *target.notes]
        facts = {"schema": 1, "verdict": None, "base": target.base, "start": target.head, "cases": [], "notes": notes}
        print(dumps(facts, indent=2))
    else:
        if form != "quiet":
            for note in target.notes:
                print(f"notice: {one_line(note)}")
        print(said)


def _say(done: Reviewed, target: Target, form: _Form, branch: str | None, before: Sequence[Prior] | None) -> None:
    from captain.cli.review_screen import closing_lines, show_markdown
    from captain.cli.review_work import save
    from captain.reports.review_json import review_to_json
    from captain.reports.review_markdown import review_to_markdown
    from captain.reports.sarif import review_to_sarif, to_sarif_text

    report = done.report
    as_json = review_to_json(report, meter=done.meter, notes=done.notes, places=done.places)
    markdown = review_to_markdown(report, meter=done.meter, notes=done.notes, places=done.places)
    save(done, markdown, as_json)
    if form == "json":
        print(as_json, end="")
    elif form == "sarif":
        document = review_to_sarif(
            report,
            version=_version(),
            places=done.places,
            baseline=before,
            notes=done.notes,
            stand_in=done.changed,
        )
        print(to_sarif_text(document), end="")
    else:
        if form != "quiet":
            print()
            show_markdown(markdown, plain=form == "plain")
        print("\n".join(closing_lines(done, str(target.repository.root), branch)))


def _version() -> str:
    from importlib.metadata import version

    return version("captain-agents")
