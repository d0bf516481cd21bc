"""When the loop ends, as one function of what is known at the end of a phase.

Never a trend of counts, never repeated text, never a model's opinion of progress, never an estimate of what is
left: all four were measured to be useless as stop rules.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from captain.core.cases import Conclusion
from captain.core.findings import Verdict
from captain.review.policy import ReviewPolicy, Tally


@dataclass(frozen=True, slots=True, kw_only=True)
class LoopFacts:
    """What a verdict rests on. `after` says which phase has just ended.

    Weights are known weights: of the tree the loop was handed (`start_weight`) and of the one it stands at.
    `waiting`, `recorded`, `deferred` and `deferred_critical` count cases; `unmet` are criteria whose check fails or
    whose evidence nobody named; `oscillation` says in words what came back; `spent` which limit was reached.
    `mends` is False where nobody is there to mend what is found.
    """

    after: Literal["review", "fixes"]
    round: int
    admitted: int = 0
    waiting: int = 0
    recorded: int = 0
    deferred: int = 0
    deferred_critical: int = 0
    questions: tuple[str, ...] = ()
    accepted_this_round: int = 0
    clean_in_a_row: int = 0
    stalled_in_a_row: int = 0
    answered: int = 1
    start_weight: int = 0
    head_weight: int = 0
    tally: Tally = Tally()
    failing: tuple[str, ...] = ()
    unmet: tuple[str, ...] = ()
    oscillation: str | None = None
    spent: str | None = None
    mends: bool = True


def conclude(facts: LoopFacts, policy: ReviewPolicy) -> Conclusion | None:
    """The verdict, or None if the loop goes on: to the fixes after a review, to the next review after the fixes."""
    rules = (
        (_harmful, _exhausted, _unattended, _at_peace) if facts.after == "review" else (_harmful, _stuck, _exhausted)
    )
    for rule in rules:
        if (ended := rule(facts, policy)) is not None:
            return ended
    return None


def _harmful(facts: LoopFacts, policy: ReviewPolicy) -> Conclusion | None:
    if facts.oscillation is not None:
        return _ended("oscillating", facts.oscillation, facts)
    tally = facts.tally
    if tally.accepted >= policy.diverging_fixes and tally.caused_per_fix > policy.diverging_ratio:
        share = f"{tally.accepted} accepted fixes brought {_count(tally.caused, 'verified finding')}"
        return _ended("diverging", share, facts)
    untried = facts.after == "review" and facts.waiting > 0
    if facts.head_weight > facts.start_weight and not untried:
        weights = f"{facts.head_weight} where it was {facts.start_weight}"
        return _ended("diverging", f"what is known to be wrong weighs more than at the start: {weights}", facts)
    return None


def _stuck(facts: LoopFacts, policy: ReviewPolicy) -> Conclusion | None:
    if facts.stalled_in_a_row < policy.max_stalled:
        return None
    if facts.deferred_critical or facts.questions:
        return _ask(facts)
    rounds = _count(facts.stalled_in_a_row, "round")
    return _ended("stalled", f"no fix was accepted in {rounds} in a row, with findings open", facts)


def _exhausted(facts: LoopFacts, policy: ReviewPolicy) -> Conclusion | None:
    if facts.spent is not None:
        return _ended("budget", facts.spent, facts)
    if facts.answered == 0 and facts.after == "review" and not facts.waiting:
        return _ended("needs_human", f"no reviewer gave a usable review in round {facts.round}", facts)
    unfinished = facts.after == "fixes" or (facts.admitted == 0 and facts.clean_in_a_row < policy.clean_rounds)
    if unfinished and facts.round >= policy.max_rounds:
        if facts.deferred_critical or facts.questions:
            return _ask(facts)
        last = "its last fixes were not reviewed again" if facts.after == "fixes" else "one more clean round was due"
        return _ended("budget", f"{_count(policy.max_rounds, 'review')} used up; {last}", facts)
    return None


def _unattended(facts: LoopFacts, _policy: ReviewPolicy) -> Conclusion | None:
    """A review by itself ends with the first that leaves something to mend."""
    if facts.mends or not facts.waiting:
        return None
    return _ended(
        "needs_human", f"{_count(facts.waiting, 'verified finding')} to mend, and nobody here to do it", facts
    )


def _at_peace(facts: LoopFacts, policy: ReviewPolicy) -> Conclusion | None:
    if facts.waiting or facts.clean_in_a_row < policy.clean_rounds:
        return None
    if facts.deferred_critical or facts.questions:
        return _ask(facts)
    if facts.failing or facts.unmet:
        open_ = [*(f"the check {name} fails" for name in facts.failing), *(f"{c} is not shown" for c in facts.unmet)]
        return _ended("needs_human", f"nothing more was found, but {_listed(open_)}", facts)
    if facts.recorded or facts.deferred:
        left = _count(facts.recorded + facts.deferred, "finding")
        return _ended("converged_with_residuals", f"nothing is open; {left} known and not mended", facts)
    return _ended("converged", f"the cold review of round {facts.round} admitted nothing, and nothing is open", facts)


def _ask(facts: LoopFacts) -> Conclusion:
    questions = facts.questions or (f"{_count(facts.deferred_critical, 'critical finding')} could not be mended",)
    return _ended("needs_human", questions[0], facts)


def _ended(verdict: Verdict, reason: str, facts: LoopFacts) -> Conclusion:
    tally = facts.tally
    figures: dict[str, float] = {
        "rounds": facts.round,
        "start_weight": facts.start_weight,
        "head_weight": facts.head_weight,
        "waiting": facts.waiting,
        "recorded": facts.recorded,
        "deferred": facts.deferred,
        "accepted_fixes": tally.accepted,
        "by_products": tally.by_products,
        "caused": tally.caused,
        "stalled_in_a_row": facts.stalled_in_a_row,
    }
    return Conclusion(verdict=verdict, reason=reason, figures=tuple(figures.items()))


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" + ("" if number == 1 else "s")


def _listed(parts: Sequence[str]) -> str:
    return ", ".join(parts)
