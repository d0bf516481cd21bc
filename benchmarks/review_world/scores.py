"""What a loop came to in a world, and what many of them come to, with 95 % intervals."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from benchmarks.review_world.program import Program

_Z = 1.96


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """One loop. Weights are true weights: `start` of what was handed in, `end` of what was handed back, `silent` of
    what was handed back without a word about it. `found` are findings per round; `later` those after round 1, and
    `caused` how many of these were of defects that fixes brought."""

    verdict: str
    converged: bool
    start: int
    end: int
    silent: int
    rounds: int
    calls: int
    tokens_k: float
    edits: int
    brought: int
    found: tuple[int, ...] = ()
    later: int = 0
    caused: int = 0

    @property
    def worse(self) -> bool:
        return self.end > self.start


def outcome(program: Program, verdict: str, rounds: int, told: set[int], **more: Any) -> Outcome:
    """`told` are the numbers of the defects that the loop reports as left."""
    left = [defect for defect in program.defects if defect.alive]
    return Outcome(
        verdict=verdict,
        start=program.start_weight,
        end=sum(defect.weight for defect in left),
        silent=sum(defect.weight for defect in left if defect.number not in told),
        rounds=rounds,
        calls=program.calls,
        tokens_k=program.tokens_k,
        edits=program.edits,
        brought=program.brought,
        **more,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """A value between the ends of its 95 % interval."""

    value: float
    low: float
    high: float


def share(hits: int, total: int) -> Figure:
    """Wilson's interval, which holds for shares near 0 and 1."""
    if not total:
        return Figure(value=math.nan, low=0.0, high=1.0)
    at, spare = hits / total, _Z**2 / total
    middle = (at + spare / 2) / (1 + spare)
    reach = _Z * math.sqrt(at * (1 - at) / total + spare / (4 * total)) / (1 + spare)
    return Figure(value=at, low=max(0.0, middle - reach), high=min(1.0, middle + reach))


def mean(values: Sequence[float]) -> Figure:
    return ratio(values, [1.0] * len(values))


def ratio(upper: Sequence[float], lower: Sequence[float]) -> Figure:
    """Of two sums over the same runs; the interval by linearization."""
    number, total = len(upper), sum(lower)
    if not total:
        return Figure(value=math.nan, low=math.nan, high=math.nan)
    at = sum(upper) / total
    spread = sum((up - at * low) ** 2 for up, low in zip(upper, lower, strict=True)) / max(1, number - 1)
    reach = _Z * math.sqrt(spread / number) / (total / number)
    return Figure(value=at, low=at - reach, high=at + reach)


@dataclass(frozen=True, slots=True, kw_only=True)
class Summary:
    """Many loops of one policy in one world. `left` is defect weight at the end over that at the start."""

    runs: int
    converged: Figure
    left: Figure
    silent: Figure
    worse: Figure
    rounds: Figure
    calls: Figure
    tokens_k: Figure
    edits: Figure
    brought_per_edit: Figure
    caused_share: Figure
    verdicts: dict[str, int]

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def summed_up(outcomes: Sequence[Outcome]) -> Summary:
    def average(of: Callable[[Outcome], float]) -> Figure:
        return mean([of(one) for one in outcomes])

    start = [one.start for one in outcomes]
    return Summary(
        runs=len(outcomes),
        converged=share(sum(one.converged for one in outcomes), len(outcomes)),
        left=ratio([one.end for one in outcomes], start),
        silent=ratio([one.silent for one in outcomes], start),
        worse=share(sum(one.worse for one in outcomes), len(outcomes)),
        rounds=average(lambda one: one.rounds),
        calls=average(lambda one: one.calls),
        tokens_k=average(lambda one: one.tokens_k),
        edits=average(lambda one: one.edits),
        brought_per_edit=ratio([one.brought for one in outcomes], [one.edits for one in outcomes]),
        caused_share=share(sum(one.caused for one in outcomes), sum(one.later for one in outcomes)),
        verdicts=dict(Counter(one.verdict for one in outcomes).most_common()),
    )
