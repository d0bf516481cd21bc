"""What carrying out a plan is going to cost, as a range: from the figures of past runs, or from stated assumptions."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Final, TypeAlias

from captain.core.estimates import Estimate, RoleEstimate
from captain.core.events import ModelCalled, Recorded, RunOpened, TaskChanged
from captain.core.tasks import Plan, Scope
from captain.core.usage import Usage
from captain.guards.scope import ScopeGuard
from captain.models import Model, cost_usd
from captain.orchestration.context import Team, Voyage, name_of
from captain.review import ReviewPolicy
from captain.runs import StoredRun, stored_runs

Span: TypeAlias = tuple[float, float]

PAST_RUNS: Final = 10
"""Newest first; older ones say less about today's models."""

BUILD_CALLS: Final[Span] = (8, 40)
"""Model calls of one Build of a task (assumed)."""
FIX_CALLS: Final[Span] = (0, 12)
"""Of the fixes of one round (assumed)."""
LOOK_CALLS: Final[Span] = (3, 15)
"""Of one review, with the second opinions it leads to (assumed)."""
CALL_TOKENS: Final[Span] = (6_000, 18_000)
"""Of one call beside the files: instructions, tools, and what has been said so far (assumed)."""
FILES_READ: Final[Span] = (0.25, 1.0)
"""Share of the files in scope that is in the conversation on average (assumed)."""
MOST_FILE_TOKENS: Final = 100_000
"""Nobody reads more of a wide scope at a time (assumed)."""

_OUTPUT_SHARE: Final = 0.05
_CACHED_SHARE: Final[Span] = (0.7, 0.0)
_BYTES_PER_TOKEN: Final = 4
_ONE_RUN: Final[Span] = (0.5, 2.0)  # a single run says little about the spread


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """What one role used for each task of one past run."""

    role: str
    model: str
    per_task: Usage


async def estimate(voyage: Voyage, plan: Plan, team: Team) -> Estimate:
    """For the voyage's own crew, or another one."""
    sizes = await _sizes(voyage)
    return estimated(plan, team, voyage.options.review, sizes=sizes, past=past_figures(_past(voyage)))


def estimated(
    plan: Plan, team: Team, policy: ReviewPolicy, *, sizes: Mapping[str, int], past: Sequence[Figure] = ()
) -> Estimate:
    """`sizes` are those of the files in bytes, by path."""
    files = [_file_tokens(task.scope, sizes) for task in plan.tasks]
    rounds = policy.max_rounds
    looks = sum(policy.reviewers_in(number) for number in range(1, rounds + 1))
    share = 1 / len(team.review)
    calls: list[tuple[str, object, Span]] = [
        ("build", team.build, (BUILD_CALLS[0], BUILD_CALLS[1] + FIX_CALLS[1] * (rounds - 1)))
    ]
    look = (LOOK_CALLS[0] * policy.reviewers_in(1) * share, LOOK_CALLS[1] * looks * share)
    calls += [("review", reviewer, look) for reviewer in team.review]
    if team.advisor is not None:
        calls.append(("advisor", team.advisor, (0, FIX_CALLS[1])))
    measured = [_measured(role, name_of(player), past) for role, player, _ in calls]
    roles = []
    for (role, player, per_task), found in zip(calls, measured, strict=True):
        low, high = _range(found, len(files)) if found else _assumed(per_task, files)
        roles.append(
            RoleEstimate(
                role=role,
                model=name_of(player),
                low=low,
                high=high,
                low_usd=_usd(player, low),
                high_usd=_usd(player, high),
            )
        )
    assumed = [role for (role, _, _), found in zip(calls, measured, strict=True) if not found]
    return Estimate(
        roles=tuple(roles), basis=tuple(_basis(roles, assumed, measured, files, rounds=rounds, looks=looks))
    )


def _assumed(calls: Span, files: Sequence[int]) -> tuple[Usage, Usage]:
    ends = []
    for end, cached in enumerate(_CACHED_SHARE):
        read = sum(calls[end] * (CALL_TOKENS[end] + FILES_READ[end] * file) for file in files)
        ends.append(
            Usage(
                input_tokens=round(read), output_tokens=round(read * _OUTPUT_SHARE), cached_tokens=round(read * cached)
            )
        )
    return ends[0], ends[1]


def _measured(role: str, model: str, past: Sequence[Figure]) -> list[Figure]:
    """Figures of the same model in that role, or of others in it."""
    of_role = [figure for figure in past if figure.role == role and figure.per_task.total_tokens]
    return [figure for figure in of_role if figure.model == model] or of_role


def _range(found: Sequence[Figure], tasks: int) -> tuple[Usage, Usage]:
    by_size = sorted((figure.per_task for figure in found), key=lambda usage: usage.total_tokens)
    least, most = (1.0, 1.0) if len(by_size) > 1 else _ONE_RUN
    return _times(by_size[0], tasks * least), _times(by_size[-1], tasks * most)


def _times(usage: Usage, factor: float) -> Usage:
    return Usage(
        input_tokens=round(usage.input_tokens * factor),
        output_tokens=round(usage.output_tokens * factor),
        cached_tokens=round(usage.cached_tokens * factor),
        reasoning_tokens=round(usage.reasoning_tokens * factor),
        cache_write_tokens=round(usage.cache_write_tokens * factor),
    )


def _usd(player: object, usage: Usage) -> Decimal | None:
    if not isinstance(player, Model):
        return None
    price = cost_usd(player.profile, usage)
    free = price is None and not usage.total_tokens and cost_usd(player.profile, Usage(input_tokens=1)) is not None
    return Decimal(0) if free else price


def _basis(
    roles: Sequence[RoleEstimate],
    assumed: Sequence[str],
    measured: Sequence[Sequence[Figure]],
    files: Sequence[int],
    *,
    rounds: int,
    looks: int,
) -> list[str]:
    tasks = f"{len(files)} task{'s' * (len(files) != 1)}"
    said = []
    for role, found in zip(roles, measured, strict=True):
        if found:
            others = "" if found[0].model == role.model else " by other models"
            runs = f"{len(found)} past run{'s' * (len(found) != 1)} of this project{others}"
            spread = "" if len(found) > 1 else ", half and double of it, as it is only one"
            said.append(f"{role.role} ({role.model}): measured per task in {runs}{spread}, times {tasks}.")
    if assumed:
        names = " and ".join(dict.fromkeys(assumed))
        said.append(
            f"{names}: assumed, as no past run says: {tasks} with about {sum(files):,} tokens of files in scope; "
            f"from a Build of {BUILD_CALLS[0]} calls and one round, to {BUILD_CALLS[1]} calls and {rounds} rounds "
            f"with {looks} reviews."
        )
    if unknown := list(dict.fromkeys(role.model for role in roles if role.high_usd is None)):
        said.append(f"The price of {', '.join(unknown)} is not known: what it costs is not in the sum.")
    said.append("What the Captain has spent on triage and plan is not in it.")
    return said


def past_figures(runs: Iterable[Sequence[Recorded]]) -> tuple[Figure, ...]:
    """One for each role and run in which a task was begun."""
    found: list[Figure] = []
    for events in runs:
        begun: set[str] = set()
        used: defaultdict[str, Usage] = defaultdict(Usage)
        models: dict[str, str] = {}
        for recorded in events:
            match recorded.event:
                case RunOpened(crew=crew):
                    models = dict(reversed(crew))
                case TaskChanged(state="building", task=task):
                    begun.add(task)
                case ModelCalled(role=role, usage=usage):
                    used[role] += usage
        if begun:
            found += [
                Figure(role=role, model=models.get(role, ""), per_task=_times(usage, 1 / len(begun)))
                for role, usage in used.items()
                if role != "captain"
            ]
    return tuple(found)


def _past(voyage: Voyage) -> Iterable[tuple[Recorded, ...]]:
    for run in _earlier(voyage):
        yield run.events()


def _earlier(voyage: Voyage) -> list[StoredRun]:
    if voyage.state_dir is None:
        return []
    runs = stored_runs(voyage.state_dir, voyage.repository.common_dir)
    return [run for run in runs if run.id != voyage.run][:PAST_RUNS]


def _file_tokens(scope: Scope, sizes: Mapping[str, int]) -> int:
    allowed = ScopeGuard(scope).allowed_files(tuple(sizes))
    return min(MOST_FILE_TOKENS, sum(sizes[path] for path in allowed) // _BYTES_PER_TOKEN)


async def _sizes(voyage: Voyage) -> dict[str, int]:
    listing = await voyage.repository.git.run("ls-tree", "-r", "-l", "-z", "--full-tree", voyage.base)
    sizes = {}
    for entry in filter(None, listing.split(b"\0")):
        facts, _, name = entry.partition(b"\t")
        size = facts.split()[-1]
        if size.isdigit():  # a submodule has none
            sizes[name.decode("utf-8", "surrogateescape")] = int(size)
    return sizes
