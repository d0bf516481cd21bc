"""What the loop is held to in a world, and that the world still defeats a loop without rules."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from benchmarks.review_world.scores import Figure, Summary

Table = Mapping[str, Mapping[str, Summary]]
"""Worlds, policies, figures."""

_NAIVE = "until silent"


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """`met` speaks of the value. Where the interval reaches to the other side, it is `close`."""

    says: str
    figure: Figure
    bound: float
    at_most: bool

    @property
    def met(self) -> bool:
        return self.figure.value <= self.bound if self.at_most else self.figure.value >= self.bound

    @property
    def close(self) -> bool:
        return self.figure.low < self.bound < self.figure.high


def targets(table: Table) -> Iterator[Target]:
    """Those whose worlds and policies are in the table."""
    if (seed := table.get("seed")) is not None:
        naive, balanced = seed[_NAIVE], seed["captain balanced"]
        yield _at_least("seed: balanced converges", balanced.converged, 0.97)
        yield _at_most("seed: balanced leaves of the defect weight", balanced.left, 0.70)
        yield _at_most("seed: balanced ends worse than it began", balanced.worse, 0.10)
        yield _at_most("seed: tokens of balanced against until silent", _against(balanced, naive), 0.25)
        yield _at_most("seed is a world in which until silent converges", naive.converged, 0.40)
        yield _at_least("seed is a world in which until silent leaves", naive.left, 5.0)
    for world, found in table.items():
        economy, three = found["captain economy"], found["max-3"]
        if world in ("field", "seed", "hard", "clean"):
            yield _at_most(f"{world}: economy leaves, less what max-3 leaves", _less(economy, three), 0.0)
        if world in ("field", "seed", "hard", "strong", "clean"):
            yield _at_most(f"{world}: tokens of economy against max-3", _against(economy, three), 1.3)


def _at_most(says: str, figure: Figure, bound: float) -> Target:
    return Target(says=says, figure=figure, bound=bound, at_most=True)


def _at_least(says: str, figure: Figure, bound: float) -> Target:
    return Target(says=says, figure=figure, bound=bound, at_most=False)


def _against(one: Summary, other: Summary) -> Figure:
    """Of two means; the interval holds for independent ones, and is wider than that of the same seeds."""
    up, low = one.tokens_k, other.tokens_k
    value = up.value / low.value
    spread = ((up.high - up.value) / up.value) ** 2 + ((low.high - low.value) / low.value) ** 2
    reach = value * spread**0.5
    return Figure(value=value, low=value - reach, high=value + reach)


def _less(one: Summary, other: Summary) -> Figure:
    value = one.left.value - other.left.value
    reach = ((one.left.high - one.left.value) ** 2 + (other.left.high - other.left.value) ** 2) ** 0.5
    return Figure(value=value, low=value - reach, high=value + reach)
