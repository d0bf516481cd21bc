"""From flags and crew file to what a run is given: crew, budget, request, screen."""

from __future__ import annotations

import os
import sys
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from captain.cli.crewfile import CrewFile, read_crew_file
from captain.cli.screens import JsonScreen, Screen
from captain.cli.values import parse_count, parse_duration, parse_usd
from captain.core.errors import UsageError
from captain.core.policy import Network, Policy
from captain.core.usage import Budget

if TYPE_CHECKING:
    from captain.api import Crew
    from captain.cli.followups import Origin
    from captain.models import Model
    from captain.orchestration import Team
    from captain.review import ReviewPolicy

T = TypeVar("T")


def combine(file: Path | None, flags: CrewFile) -> CrewFile:
    """Flags win over the crew file, key by key."""
    if file is None:
        return flags
    written = read_crew_file(file)
    return CrewFile(
        captain=flags.captain or written.captain,
        build=flags.build or written.build,
        review=flags.review or written.review,
        advisor=flags.advisor or written.advisor,
        usd=flags.usd or written.usd,
        tokens=flags.tokens or written.tokens,
        time_s=flags.time_s or written.time_s,
        calls=flags.calls or written.calls,
        turns=flags.turns or written.turns,
    )


def limits_of(
    *, usd: str | None, tokens: int | None, time: str | None, calls: int | None, turns: int | None
) -> CrewFile:
    """The budget flags, in the form of a crew file that says nothing else."""
    return CrewFile(
        usd=None if usd is None else parse_usd(usd, "--budget-usd"),
        tokens=None if tokens is None else parse_count(tokens, "--budget-tokens"),
        time_s=None if time is None else parse_duration(time, "--budget-time"),
        calls=None if calls is None else parse_count(calls, "--budget-calls"),
        turns=None if turns is None else parse_count(turns, "--budget-turns"),
    )


@asynccontextmanager
async def recorded(crew: Crew, folder: Path | None) -> AsyncIterator[Crew]:
    """`crew` with every model's replies kept in `folder`; the crew itself without one."""
    if folder is None:
        yield crew
        return
    from captain.core.masking import Masker
    from captain.models import Outfitter, Recording, secrets_of
    from captain.sandbox import secret_variables

    async with AsyncExitStack() as stack:
        outfitter = Outfitter()
        stack.push_async_callback(outfitter.aclose)
        made: dict[str, Model] = {}

        def kept(name: str) -> Model:
            if name not in made:
                model = outfitter.model(name)
                masker = Masker(secrets_of(model), named=secret_variables())
                made[name] = Recording(model, folder, masker=masker)
            return made[name]

        yield replace(
            crew,
            captain=_each(crew.captain, kept),
            build=_each(crew.build, kept),
            review=tuple(_each(one, kept) for one in crew.review),
            advisor=_each(crew.advisor, kept),
        )


@asynccontextmanager
async def teams(crews: Sequence[tuple[str, Crew]]) -> AsyncIterator[tuple[tuple[str, Team], ...]]:
    """Named crews as objects, to reckon with; their models are closed at the end."""
    from captain.api import sign_on

    async with AsyncExitStack() as stack:
        yield tuple((name, sign_on(crew, stack)) for name, crew in crews)


def _each(player: T, kept: Callable[[str], Model]) -> T | Model:
    return kept(player) if isinstance(player, str) else player


def crew_of(chosen: CrewFile) -> Crew:
    if chosen.captain is None:
        raise UsageError(
            "No model is given for the captain.",
            hint="Give one with --captain MODEL, such as --captain openai:gpt-5.5, or in a file with "
            "--crew FILE.toml. To see a whole run without a model or a key: captain demo (make demo in a checkout).",
        )
    from captain.api import Crew

    return Crew(captain=chosen.captain, build=chosen.build, review=chosen.review, advisor=chosen.advisor)


def budget_of(chosen: CrewFile) -> Budget | None:
    """None where nothing is limited."""
    budget = Budget(
        cost_usd=chosen.usd,
        tokens=chosen.tokens,
        time_s=chosen.time_s,
        model_calls=chosen.calls,
        turns=chosen.turns,
    )
    return None if budget == Budget() else budget


def raised(before: Budget | None, chosen: CrewFile) -> Budget | None:
    """The budget a run had, with the limits that are given now in place of its own."""
    given = budget_of(chosen)
    if given is None or before is None:
        return given
    own = {limit.name: getattr(given, limit.name) for limit in fields(given)}
    return replace(before, **{name: limit for name, limit in own.items() if limit is not None})


def filled(chosen: CrewFile, before: Sequence[tuple[str, str]], run: str) -> CrewFile:
    """`chosen`, and for what it does not say the names that a run's crew was made from. Raises `UsageError`."""
    if chosen.captain is not None:
        return chosen
    missing = [role for role, name in before if not name]
    if not before or missing:
        raise UsageError(
            f"Run {run} was started from code, with a crew that its record cannot name"
            f"{f' ({missing[0]})' if missing else ''}.",
            hint="Name a crew with --captain MODEL or --crew FILE.toml, or go on from code: Captain(crew).resume(run).",
        )
    by_role: dict[str, list[str]] = {}
    for role, name in before:
        by_role.setdefault(role, []).append(name)
    return replace(
        chosen,
        captain=by_role["captain"][0],
        build=chosen.build or next(iter(by_role.get("build", ())), None),
        review=chosen.review or tuple(by_role.get("review", ())),
        advisor=chosen.advisor or next(iter(by_role.get("advisor", ())), None),
    )


def policy_of(hosts: Sequence[str]) -> Policy:
    """What the flags grant. Raises `UsageError` for what is no plain name of a host."""
    return Policy(network=Network.hosts(*hosts))


def origin_of(request: str | None, followup: str | None, repo: Path, state_dir: Path | None) -> Origin | None:
    """The request that a follow-up stands for. Raises `UsageError`, also for one beside a request in words."""
    if followup is None:
        if request is None:
            raise UsageError("Missing argument 'REQUEST'.", hint="See captain run --help.")
        return None
    if request:
        raise UsageError(
            "A REQUEST and --from-followup exclude each other.",
            hint="Leave one out; a follow-up's own words are the request.",
        )
    from captain.cli.followups import taken_up

    return taken_up(followup, repo, state_dir)


def read_request(argument: str) -> str:
    """The request itself, or standard input for `-`."""
    request = argument
    if argument == "-":
        try:
            request = sys.stdin.read()
        except UnicodeDecodeError as error:
            raise UsageError("The request on standard input is not UTF-8 text.", hint="Convert it first.") from error
    if not request.strip():
        where = " on standard input" if argument == "-" else ""
        raise UsageError(f"The request{where} is empty.", hint='Say what you want done: captain run "Fix …".')
    return request.strip()


def choose_screen(*, as_json: bool, live: bool | None, quiet: bool) -> Screen:
    """JSON if asked for; else what `live` says; else the tree on a terminal that can draw one, and plain lines."""
    if as_json and (live is not None or quiet):
        raise UsageError("--json goes with none of --live, --plain and --quiet.", hint="Leave the others out.")
    if live and quiet:
        raise UsageError("--live and --quiet exclude each other.", hint="Leave one of them out.")
    if as_json:
        return JsonScreen()
    able = sys.stdout.isatty() and os.environ.get("TERM") != "dumb"
    if live or (live is None and able and not quiet):
        from rich.console import Console

        from captain.cli.live import LiveScreen

        return LiveScreen(Console(force_terminal=True if live else None))
    from captain.cli.plain import PlainScreen

    return PlainScreen(quiet=quiet)


def review_policy_of(name: str, max_rounds: int | None) -> ReviewPolicy:
    """Raises `UsageError` if there is no such policy."""
    from captain.review import policy_named

    policy = policy_named(name)
    return policy if max_rounds is None else replace(policy, max_rounds=max_rounds)
