"""When a review loop ends, as plain functions over its rounds.

Never a count trend, never repeated text, never a model's opinion of progress: all three were measured to
be useless as stop rules.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from captain.core.findings import SEVERITY_WEIGHT, Finding, Proposal, Review, Verdict

FLOOR_AFTER_FIRST_ROUND: Final = SEVERITY_WEIGHT["major"]
"""Minor findings are mended in round one only: later their edits do more harm than they weigh."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """One proposal with every finding on it, failed checks among them."""

    proposal: Proposal
    findings: tuple[Finding, ...]
    reviews: tuple[Review, ...] = ()

    @property
    def number(self) -> int:
        return self.proposal.round

    @property
    def weight(self) -> int:
        return sum(finding.weight for finding in self.findings)

    @property
    def acceptable(self) -> bool:
        """Nothing known is critical or major."""
        return all(finding.weight < SEVERITY_WEIGHT["major"] for finding in self.findings)


def to_mend(rounds: Sequence[Round]) -> tuple[Finding, ...]:
    """The findings of the last round that are worth an edit."""
    floor = 0 if len(rounds) == 1 else FLOOR_AFTER_FIRST_ROUND
    return tuple(finding for finding in rounds[-1].findings if finding.weight >= floor)


def best(rounds: Sequence[Round]) -> Round:
    """The acceptable round, or else any, with the least known weight; of equals the latest.

    Four minor findings weigh more than a major one, but can be accepted where that cannot.
    """
    return min(reversed(rounds), key=lambda round_: (not round_.acceptable, round_.weight))


def verdict(rounds: Sequence[Round], max_rounds: int) -> tuple[Verdict, str] | None:
    """Why the loop ends now, with the reason in words, or None if another round is due."""
    last = rounds[-1]
    if not last.findings:
        return "converged", f"no finding is open after round {last.number}"
    mending = to_mend(rounds)
    if not mending:
        left = _count(len(last.findings), "minor finding")
        return "converged_with_residuals", f"{left} left, reported but not mended"
    still_open = f"{_count(len(mending), 'finding')} open"
    if len(rounds) > 1 and last.proposal.head == rounds[-2].proposal.head:
        return "stalled", f"round {last.number} changed nothing, with {still_open}"
    if any(last.proposal.head == earlier.proposal.head for earlier in rounds[:-1]):
        return "oscillating", f"round {last.number} brought back the state of an earlier round, with {still_open}"
    if len(rounds) >= max_rounds:
        return "budget", f"{_count(max_rounds, 'round')} used up, with {still_open}"
    return None


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" + ("" if number == 1 else "s")
