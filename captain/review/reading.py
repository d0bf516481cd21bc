"""What the engine reads off the state: the facts of a verdict, cases that break each other, and why one was left."""

from __future__ import annotations

from typing import Literal

from captain.core.cases import Case, known_weight
from captain.review.policy import ReviewPolicy
from captain.review.state import LoopState
from captain.review.verdicts import LoopFacts


def bonds(state: LoopState, policy: ReviewPolicy) -> tuple[frozenset[str], ...]:
    """Cases that are to be mended together: their fixes brought each other back, or one came back again and again."""
    made: list[frozenset[str]] = []
    for case in state.waiting():
        broken_by = {other for back, other in state.broke if back == case.id}
        mutual = {other for other in broken_by if (other, case.id) in state.broke}
        if case.times_reopened >= policy.max_reopened:
            made.append(frozenset({case.id}) | broken_by)
        elif mutual:
            made.append(frozenset({case.id}) | mutual)
    return tuple(dict.fromkeys(made))


def facts_of(state: LoopState, after: Literal["review", "fixes"]) -> LoopFacts:
    """What a verdict rests on, read from the state."""
    known = tuple(state.cases.values())
    deferred = [case for case in known if case.status == "deferred"]
    return LoopFacts(
        after=after,
        round=state.round,
        admitted=state.admitted,
        waiting=len(state.waiting()),
        recorded=sum(case.status == "recorded" for case in known),
        deferred=len(deferred),
        deferred_critical=sum(case.severity == "critical" for case in deferred),
        questions=tuple(f"{case.id}: {case.reason}" for case in deferred if not case.attempts),
        accepted_this_round=state.accepted,
        clean_in_a_row=state.clean + 1 if state.was_clean() else 0,
        stalled_in_a_row=state.stalled,
        answered=state.answered,
        start_weight=known_weight(known, state.start),
        head_weight=known_weight(known, state.head),
        tally=state.tally,
        failing=tuple(case.trial.check.name for case in known if case.trusted and _open(case) and case.trial),
        unmet=tuple(criterion for criterion in state.criteria if criterion not in state.cited),
        oscillation=state.oscillation,
        spent=state.spent,
    )


def _open(case: Case) -> bool:
    return case.status in ("open", "reopened", "deferred", "recorded")


def why_deferred(case: Case) -> str:
    if case.attempts and all(attempt.outcome == "declined" for attempt in case.attempts):
        return f"the fixer left the files as they were, {len(case.attempts)} times: {case.attempts[-1].reason}".rstrip(
            ": "
        )
    failed = [attempt for attempt in case.attempts if attempt.outcome != "accepted"]
    last = f"; the last failed {failed[-1].clause}: {failed[-1].reason}" if failed and failed[-1].clause else ""
    return f"{len(case.attempts)} attempts are used up{last}"
