"""The state of a review loop, as a fold over its log: `apply(state, event)` and nothing else changes it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import reduce
from typing import Any, Literal, TypeAlias, assert_never

from captain.core.cases import Attempt, Candidate, Case, Conclusion, Spell
from captain.core.loop_events import (
    BudgetReached,
    CheckTurnedFlaky,
    FindingProposed,
    FixAttempted,
    FixesPlanned,
    FixStarted,
    GateDecided,
    LanesJoined,
    LoopConcluded,
    LoopEvent,
    LoopResumed,
    LoopStarted,
    ReviewEnded,
    ReviewsEnded,
    ReviewStarted,
    Ruled,
    Tried,
    Voted,
)
from captain.review.planning import Cluster
from captain.review.policy import Tally

Phase: TypeAlias = Literal["idle", "reviewing", "admitting", "fixing", "ended"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Lane:
    """Clusters still to be mended one after the other, and how far the lane has come.

    `busy` while a fixer is at work on the first of them: that is not called off.
    """

    queue: tuple[Cluster, ...]
    head: Candidate
    commits: tuple[str, ...] = ()
    busy: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Bond:
    """Cases whose fixes undid each other: they get one attempt together."""

    cases: frozenset[str]
    tried: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class LoopState:
    """Where a loop stands. `docket` are the cases of this round to rule on, heaviest first.

    `labels` gives the fix that a commit of the joined line stands for. `broke` has (f, g) where the fix of g brought
    f back. `admitted`, `accepted` and `answered` count this round's cases, fixes and reviewers; `clean` and `stalled`
    the rounds in a row before it.
    """

    base: str = ""
    head: Candidate = Candidate(commit="", tree="")
    candidates: tuple[Candidate, ...] = ()
    phase: Phase = "idle"
    round: int = 0
    cases: Mapping[str, Case] = field(default_factory=dict)
    docket: tuple[str, ...] = ()
    lanes: tuple[Lane, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    tally: Tally = Tally()
    bonds: tuple[Bond, ...] = ()
    broke: frozenset[tuple[str, str]] = frozenset()
    trees: frozenset[str] = frozenset()
    admitted: int = 0
    accepted: int = 0
    answered: int = 0
    clean: int = 0
    stalled: int = 0
    ratchet: tuple[str, ...] = ()
    baseline: tuple[str, ...] = ()
    flaky: tuple[str, ...] = ()
    criteria: tuple[str, ...] = ()
    cited: frozenset[str] = frozenset()
    problems: tuple[str, ...] = ()
    oscillation: str | None = None
    spent: str | None = None
    conclusion: Conclusion | None = None
    handed_back: str | None = None

    @property
    def start(self) -> Candidate:
        return self.candidates[0]

    def waiting(self) -> tuple[Case, ...]:
        return tuple(case for case in self.cases.values() if case.waits)

    def was_clean(self) -> bool:
        """This round's review admitted nothing and left nothing to mend."""
        return self.answered > 0 and self.admitted == 0 and not self.waiting()


def fold(events: Iterable[LoopEvent]) -> LoopState:
    return reduce(apply, events, LoopState())


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
        case FindingProposed():
            return _proposed(state, event)
        case ReviewEnded():
            if event.problem:
                return replace(
                    state, problems=(*state.problems, f"round {event.round}, {event.reviewer}: {event.problem}")
                )
            return replace(state, answered=state.answered + 1, cited=state.cited | set(event.cited))
        case ReviewsEnded():
            proposed = [case for case in state.cases.values() if case.status == "proposed"]
            docket = tuple(case.id for case in sorted(proposed, key=lambda case: -case.weight))
            return replace(state, phase="admitting", docket=docket)
        case Voted():
            return _with(state, _voted(state.cases[event.case], event))
        case Tried():
            return _with(state, _tried(state.cases[event.case], event))
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
        case FixAttempted():
            return _attempted(state, event)
        case GateDecided():
            return _decided(state, event)
        case LanesJoined():
            return _joined(state, event)
        case CheckTurnedFlaky():
            ratchet = tuple(name for name in state.ratchet if name != event.check)
            return replace(state, ratchet=ratchet, flaky=(*state.flaky, event.check))
        case BudgetReached():
            return replace(state, spent=event.reason)
        case LoopResumed():
            return _resumed(state)
        case LoopConcluded():
            return replace(state, phase="ended", conclusion=event.conclusion, handed_back=event.handed_back)
        case _:
            assert_never(event)


def _with(state: LoopState, *cases: Case, **changes: Any) -> LoopState:
    return replace(state, cases={**state.cases, **{case.id: case for case in cases}}, **changes)


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
    return _with(state, case)


def _voted(case: Case, event: Voted) -> Case:
    severity = event.vote.severity if event.vote.accepts and event.vote.severity is not None else case.severity
    return replace(case, votes=(*case.votes, event.vote), severity=severity)


def _tried(case: Case, event: Tried) -> Case:
    if not event.trial.reproduces:
        return replace(case, trial=event.trial)
    return replace(case, trial=event.trial, evidence="toggled" if event.trial.passes_on_base else "reproduced")


def _ruled(state: LoopState, event: Ruled) -> LoopState:
    case = state.cases[event.case]
    was_fixed = case.fixed_by is not None
    if event.status == "rejected" and was_fixed:  # nobody confirmed that it is back
        return _with(state, replace(case, status="fixed"))
    changed = replace(case, status=event.status, reason=event.reason, admitted=event.admitted)
    first = event.admitted and not case.admitted
    caused = first and case.introduced_by is not None
    if not (event.admitted and was_fixed):
        counted = event.status == "open" and case.parent is None
        tally = replace(state.tally, caused=state.tally.caused + 1) if caused and case.parent is None else state.tally
        return _with(state, changed, admitted=state.admitted + counted, tally=tally)
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
    return _with(state, changed, broke=broke, tally=tally, admitted=admitted, oscillation=osc)


def _attempted(state: LoopState, event: FixAttempted) -> LoopState:
    if event.commit is not None:
        return state
    attempt = Attempt(rung=event.rung, round=event.round, outcome="declined", reason=event.said)
    return _failed(state, event.cases, attempt)


def _failed(state: LoopState, cases: tuple[str, ...], attempt: Attempt) -> LoopState:
    known = [state.cases[case] for case in cases]
    changed = [replace(case, attempts=(*case.attempts, attempt)) for case in known if case.waits]
    lanes = tuple(_split(lane, cases) for lane in state.lanes)
    return _tried_bond(_with(state, *changed, lanes=lanes), cases, failed=True)


def _split(lane: Lane, cases: tuple[str, ...]) -> Lane:
    """A cluster that failed is tried case by case."""
    if all(cluster.cases != cases for cluster in lane.queue):
        return lane
    queue: list[Cluster] = []
    for cluster in lane.queue:
        if cluster.cases == cases and len(cases) > 1 and not cluster.bound:
            queue.extend(Cluster(cases=(case,)) for case in cases)
        else:
            queue.append(cluster)
    return replace(lane, queue=tuple(queue), busy=False)


def _tried_bond(state: LoopState, cases: tuple[str, ...], *, failed: bool) -> LoopState:
    bonds = tuple(replace(bond, tried=True) if bond.cases == frozenset(cases) else bond for bond in state.bonds)
    if bonds == state.bonds:
        return state
    said = f"the fixes of {' and '.join(cases)} undo each other, and no change was found that mends both"
    if len(cases) == 1:
        said = f"{cases[0]} came back after every fix, and one more attempt with all of them at hand failed"
    return replace(state, bonds=bonds, oscillation=said if failed else state.oscillation)


def _decided(state: LoopState, event: GateDecided) -> LoopState:
    tally = state.tally
    if event.reviewed:
        tally = replace(tally, gated=tally.gated + 1, by_products=tally.by_products + len(event.by_products))
    state = replace(state, tally=tally)
    brought = [
        case for case in state.cases.values() if case.parent in event.cases and event.commit == case.introduced_by
    ]
    if not event.accepted:
        state = _with(state, *(replace(case, status="fixed", undone=True) for case in brought))
        attempt = Attempt(
            rung=event.rung,
            round=state.round,
            outcome="undone",
            clause=event.clause,
            reason=event.reason,
            commit=event.commit,
            ref=event.ref,
        )
        return _failed(state, event.cases, attempt)
    attempt = Attempt(rung=event.rung, round=state.round, outcome="accepted", commit=event.commit, ref=event.ref)
    mended = [
        _mended(case, attempt, toggled=case.id in event.toggled)
        for name in event.cases
        if (case := state.cases[name]).waits
    ]
    tally = replace(tally, accepted=tally.accepted + 1, caused=tally.caused + len(event.by_products))
    state = _with(state, *mended, tally=tally, accepted=state.accepted + 1)
    state = _forward(state, event, [case.id for case in brought if case.waits])
    if event.tree in state.trees:
        said = f"the fix of {' and '.join(event.cases)} brought back files that were there before"
        state = replace(state, oscillation=said)
    return _tried_bond(replace(state, trees=state.trees | {event.tree}), event.cases, failed=False)


def _mended(case: Case, attempt: Attempt, *, toggled: bool) -> Case:
    return replace(
        case,
        status="fixed",
        reason="",
        evidence="toggled" if toggled else case.evidence,
        attempts=(*case.attempts, attempt),
        spells=(*case.spells[:-1], replace(case.spells[-1], until=attempt.commit)),
    )


def _forward(state: LoopState, event: GateDecided, children: list[str]) -> LoopState:
    """The lane of a fix that passed stands at that fix; what it brought is mended next, heaviest first."""
    lanes = []
    for lane in state.lanes:
        if any(cluster.cases == event.cases for cluster in lane.queue):
            head = Candidate(commit=event.commit, tree=event.tree, holds=lane.head.holds | {event.commit})
            rest = tuple(cluster for cluster in lane.queue if cluster.cases != event.cases)
            more = sorted(children, key=lambda case: -state.cases[case].weight)
            queue = (*(Cluster(cases=(case,)) for case in more), *rest)
            lane = Lane(queue=queue, head=head, commits=(*lane.commits, event.commit))  # noqa: PLW2901
            if len(state.lanes) == 1:
                state = replace(state, candidates=(*state.candidates, head))
        lanes.append(lane)
    return replace(state, lanes=tuple(lanes))


def _joined(state: LoopState, event: LanesJoined) -> LoopState:
    made = frozenset(commit for lane in state.lanes for commit in lane.commits)
    dropped = frozenset(event.dropped)
    head = Candidate(commit=event.commit, tree=event.tree, holds=state.head.holds | (made - dropped))
    again = [_let_go(case, event) for case in state.cases.values() if case.fixed_by in dropped]
    gone = [
        replace(case, status="fixed", undone=True)
        for case in state.cases.values()
        if case.introduced_by in dropped and case.fixed_by not in dropped
    ]
    accepted = state.accepted - len(dropped)
    tried = state.accepted > 0 or any(
        attempt.round == state.round for case in state.cases.values() for attempt in case.attempts
    )
    known = (candidate.commit for candidate in state.candidates)
    return _with(
        state,
        *again,
        *gone,
        head=head,
        labels={**state.labels, **{commit: fix for fix, commit in event.picked}},
        candidates=state.candidates if head.commit in known else (*state.candidates, head),
        trees=state.trees | {event.tree},
        phase="idle",
        lanes=(),
        accepted=accepted,
        stalled=state.stalled + 1 if tried and not accepted else 0,
        tally=replace(state.tally, accepted=state.tally.accepted - len(dropped)),
    )


def _resumed(state: LoopState) -> LoopState:
    held = frozenset[str]().union(*(one.holds for one in (*state.candidates, *(lane.head for lane in state.lanes))))
    void = [
        replace(case, status="fixed", undone=True)
        for case in state.cases.values()
        if case.parent is not None and case.introduced_by not in held
    ]
    return _with(state, *void, lanes=tuple(replace(lane, busy=False) for lane in state.lanes))


def _let_go(case: Case, event: LanesJoined) -> Case:
    """The attempt that was accepted in its lane was none after all."""
    spells = (*case.spells[:-1], replace(case.spells[-1], until=None))
    attempts = tuple(
        replace(attempt, outcome="undone", clause="merge", reason=event.reason)
        if attempt.commit == case.fixed_by and attempt.outcome == "accepted"
        else attempt
        for attempt in case.attempts
    )
    return replace(case, status="open", spells=spells, attempts=attempts)


def _added(values: tuple[Any, ...], value: Any) -> tuple[Any, ...]:
    return values if value in values else (*values, value)
