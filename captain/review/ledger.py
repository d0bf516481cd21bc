"""The state of a review loop as a fold over its log: `apply(state, event)`, and nothing else changes it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from functools import reduce
from typing import Any, Final, assert_never

from captain.core.cases import Candidate, Case, Spell, Vote
from captain.core.findings import SEVERITY_WEIGHT, Finding, Severity
from captain.core.loop_events import (
    BudgetReached,
    CheckTurnedFlaky,
    CommitChecked,
    FindingProposed,
    FixAttempted,
    FixesPlanned,
    FixStarted,
    FoundGone,
    GateDecided,
    LanesJoined,
    LoopConcluded,
    LoopEvent,
    LoopReopened,
    LoopResumed,
    LoopStarted,
    ReviewEnded,
    ReviewsEnded,
    ReviewStarted,
    Ruled,
    RulesApplied,
    Tried,
    Voted,
    standing,
)
from captain.review import ledger_fixes as fixes
from captain.review.planning import Cluster
from captain.review.state import Bond, Lane, LoopState

_OTHER_WORDINGS: Final = 3


def fold(events: Iterable[LoopEvent]) -> LoopState:
    return reduce(apply, standing(events), LoopState())


def apply(state: LoopState, event: LoopEvent) -> LoopState:  # noqa: C901, PLR0911, PLR0912
    match event:
        case LoopStarted():
            start = Candidate(commit=event.start, tree=event.start_tree)
            return replace(
                state,
                base=event.base,
                head=start,
                candidates=(start,),
                trees=frozenset({event.start_tree}),
                ratchet=event.ratchet,
                baseline=event.baseline,
                flaky=event.flaky,
                criteria=event.criteria,
            )
        case ReviewStarted():
            clean = state.clean + 1 if state.round and state.was_clean() else 0
            fresh: dict[str, Any] = {"admitted": 0, "accepted": 0, "answered": 0, "cited": frozenset(), "docket": ()}
            return replace(state, phase="reviewing", round=event.round, clean=clean, **fresh)
        case CommitChecked() | RulesApplied():
            return state
        case FindingProposed():
            return _proposed(state, event)
        case ReviewEnded():
            if event.problem:
                return replace(
                    state, problems=(*state.problems, f"round {event.round}, {event.reviewer}: {event.problem}")
                )
            cited = {criterion for criterion, _ in event.cited}
            return replace(state, answered=state.answered + 1, cited=state.cited | cited)
        case ReviewsEnded():
            proposed = [case for case in state.cases.values() if case.status == "proposed"]
            docket = tuple(case.id for case in sorted(proposed, key=lambda case: -case.weight))
            return replace(state, phase="admitting", docket=docket)
        case Voted():
            return state.with_cases(_voted(state.cases[event.case], event))
        case Tried():
            return state.with_cases(_tried(state.cases[event.case], event))
        case Ruled():
            return _ruled(state, event)
        case FixesPlanned():
            bound = {frozenset(group) for group in event.bound}
            lanes = tuple(
                Lane(
                    queue=tuple(Cluster(cases=cases, bound=frozenset(cases) in bound) for cases in lane),
                    head=state.head,
                )
                for lane in event.lanes
            )
            bonds = (*state.bonds, *(Bond(cases=cases) for cases in bound))
            return replace(state, phase="fixing", lanes=lanes, bonds=bonds)
        case FixStarted():
            busy = replace(state.lanes[event.lane], busy=True)
            return replace(state, lanes=(*state.lanes[: event.lane], busy, *state.lanes[event.lane + 1 :]))
        case FoundGone():
            return fixes.found_gone(state, event)
        case FixAttempted():
            return fixes.attempted(state, event)
        case GateDecided():
            return fixes.decided(state, event)
        case LanesJoined():
            return fixes.joined(state, event)
        case CheckTurnedFlaky():
            ratchet = tuple(name for name in state.ratchet if name != event.check)
            return replace(state, ratchet=ratchet, flaky=(*state.flaky, event.check))
        case BudgetReached():
            return replace(state, spent=event.reason)
        case LoopResumed():
            return fixes.resumed(state)
        case LoopReopened():
            raise ValueError("a log that was cut is folded as a whole")
        case LoopConcluded():
            return replace(state, phase="ended", conclusion=event.conclusion, handed_back=event.handed_back)
        case _:
            assert_never(event)


def _proposed(state: LoopState, event: FindingProposed) -> LoopState:
    known = state.cases.get(event.case)
    anchors = ((event.commit or state.head.commit, event.anchor),) if event.anchor is not None else ()
    if known is None:
        parent = state.cases.get(event.parent) if event.parent else None
        case = Case(
            id=event.case,
            finding=event.finding,
            severity=event.finding.severity,
            evidence="located" if event.anchor is not None else "opinion",
            trusted=event.trusted,
            anchored=event.anchored,
            about_change=event.about_change,
            in_scope=event.in_scope,
            anchors=anchors,
            raised_in=(event.round,),
            raised_by=(event.reviewer,),
            spells=(Spell(since=event.introduced_by),),
            seen_since=event.introduced_by,
            serves=event.finding.serves,
            parent=event.parent,
            depth=parent.depth + 1 if parent is not None else 0,
            possible_duplicate_of=event.possible_duplicate_of,
        )
    else:
        case = replace(
            known,
            raised_in=_added(known.raised_in, event.round),
            raised_by=_added(known.raised_by, event.reviewer),
            anchors=(*known.anchors, *anchors),
            also_said=_also(known, event.finding),
        )
        if event.heard != "note":
            case = replace(
                case,
                status="proposed",
                finding=event.finding,
                severity=event.finding.severity,
                votes=(),
                trial=None,
                evidence="located" if event.anchor is not None else "opinion",
                anchored=event.anchored,
                about_change=event.about_change,
                in_scope=event.in_scope,
                seen_since=event.introduced_by,
                appeals=known.appeals + (event.heard == "appeal"),
            )
    if event.trial is not None:
        case = _tried(case, Tried(case=case.id, trial=event.trial))
    return state.with_cases(case)


def _voted(case: Case, event: Voted) -> Case:
    votes = (*case.votes, event.vote)
    return replace(case, votes=votes, severity=_severity(case.finding.severity, votes))


def _severity(claimed: Severity, votes: tuple[Vote, ...]) -> Severity:
    """The middle of what the reviewer and those who agree call it; of two, what was said last.

    One voice that is a step off would otherwise move it below what is mended, and the last voice would be that one.
    """
    said = [claimed, *(vote.severity for vote in votes if vote.accepts and vote.severity is not None)]
    ordered = sorted(said, key=lambda severity: SEVERITY_WEIGHT[severity])
    middle = ordered[(len(ordered) - 1) // 2 : len(ordered) // 2 + 1]
    return said[-1] if said[-1] in middle else middle[-1]


def _tried(case: Case, event: Tried) -> Case:
    if not event.trial.reproduces:
        return replace(case, trial=event.trial)
    return replace(case, trial=event.trial, evidence="toggled" if event.trial.passes_on_base else "reproduced")


def _ruled(state: LoopState, event: Ruled) -> LoopState:
    case = state.cases[event.case]
    was_fixed = case.fixed_by is not None
    if event.status == "rejected" and was_fixed:  # nobody confirmed that it is back
        return state.with_cases(replace(case, status="fixed"))
    changed = replace(case, status=event.status, reason=event.reason, admitted=event.admitted)
    first = event.admitted and not case.admitted
    caused = first and case.introduced_by is not None
    if not (event.admitted and was_fixed):
        counted = event.status == "open" and case.parent is None
        tally = replace(state.tally, caused=state.tally.caused + 1) if caused and case.parent is None else state.tally
        return state.with_cases(changed, admitted=state.admitted + counted, tally=tally)
    return _reopened(state, changed)


def _reopened(state: LoopState, case: Case) -> LoopState:
    """It was fixed, and it is back: because a later fix brought it back, or because the fix never held."""
    breaker = case.seen_since if case.seen_since not in (None, case.fixed_by) else None
    last = case.spells[-1]
    spells = (*case.spells, Spell(since=breaker)) if breaker else (*case.spells[:-1], replace(last, until=None))
    times = case.times_reopened + 1
    status = "reopened" if case.status == "open" else case.status
    changed = replace(case, status=status, spells=spells, times_reopened=times)
    broke = state.broke
    if breaker is not None:
        broke = broke | {(case.id, other.id) for other in state.cases.values() if other.fixed_by == breaker}
    tally = replace(state.tally, caused=state.tally.caused + (breaker is not None))
    osc = state.oscillation
    if case.status == "open" and any(bond.tried and case.id in bond.cases for bond in state.bonds):
        osc = f"{case.id} came back after a fix that was made with all it was tied to in view"
    admitted = state.admitted + (case.status == "open")
    return state.with_cases(changed, broke=broke, tally=tally, admitted=admitted, oscillation=osc)


def _also(known: Case, said: Finding) -> tuple[str, ...]:
    """What others say of the same thing may be what its fixer needs to know."""
    words = f"{said.claim} {said.evidence}".strip()
    if said.claim == known.finding.claim or words in known.also_said:
        return known.also_said
    return (*known.also_said, words)[-_OTHER_WORDINGS:]


def _added(values: tuple[Any, ...], value: Any) -> tuple[Any, ...]:
    return values if value in values else (*values, value)
