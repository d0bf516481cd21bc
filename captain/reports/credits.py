"""Who found what in a review loop, which attempts stayed, and what each fix that stayed cost."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from captain.core.cases import Case, Rung
from captain.core.loop_events import FixAttempted, GateDecided, LanesJoined, LoopEvent
from captain.core.usage import Spend


@dataclass(frozen=True, slots=True, kw_only=True)
class Finder:
    """`alone` counts what was verified and raised by nobody else."""

    name: str
    raised: int
    verified: int
    rejected: int
    alone: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Mender:
    """Attempts on one rung of the ladder, and what became of them."""

    rung: Rung
    attempts: int
    kept: int
    undone: int
    declined: int


def finders(cases: Iterable[Case]) -> tuple[Finder, ...]:
    """By name, whoever found most first. A case that several raised counts for each of them."""
    known = tuple(cases)
    names = dict.fromkeys(name for case in known for name in case.raised_by)
    made = []
    for name in names:
        own = [case for case in known if name in case.raised_by]
        made.append(
            Finder(
                name=name,
                raised=len(own),
                verified=sum(case.admitted for case in own),
                rejected=sum(case.status == "rejected" for case in own),
                alone=sum(case.admitted and case.raised_by == (name,) for case in own),
            )
        )
    return tuple(sorted(made, key=lambda finder: (-finder.verified, -finder.raised)))


def menders(log: Iterable[LoopEvent]) -> tuple[Mender, ...]:
    """In the order of the ladder. What was dropped when lanes were joined did not stay."""
    kept: Counter[Rung] = Counter()
    undone: Counter[Rung] = Counter()
    declined: Counter[Rung] = Counter()
    rungs: dict[str, Rung] = {}
    for event in log:
        match event:
            case FixAttempted(commit=None):
                declined[event.rung] += 1
            case GateDecided():
                (kept if event.accepted else undone)[event.rung] += 1
                rungs[event.commit] = event.rung
            case LanesJoined():
                for commit in event.dropped:
                    kept[rungs[commit]] -= 1
                    undone[rungs[commit]] += 1
            case _:
                pass
    ladder: tuple[Rung, ...] = ("first", "fresh", "advisor")
    return tuple(
        Mender(rung=rung, attempts=attempts, kept=kept[rung], undone=undone[rung], declined=declined[rung])
        for rung in ladder
        if (attempts := kept[rung] + undone[rung] + declined[rung])
    )


def tokens_per_kept_fix(spend: Spend, made: Iterable[Mender]) -> int | None:
    """All that was spent, shared out over the fixes that stayed; None if none did, or if nothing was counted."""
    kept = sum(mender.kept for mender in made)
    if not kept or not spend.model_calls:
        return None
    return round(spend.usage.total_tokens / kept)
