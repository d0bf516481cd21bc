"""What attempts, the gate and the joining of lanes change in the state of a loop."""

from __future__ import annotations

from dataclasses import replace

from captain.core.cases import Attempt, Candidate, Case
from captain.core.loop_events import FixAttempted, FoundGone, GateDecided, LanesJoined
from captain.review.planning import Cluster
from captain.review.state import Lane, LoopState


def found_gone(state: LoopState, event: FoundGone) -> LoopState:
    """The lane goes on with what is left of its cluster, which may be nothing."""
    case = state.cases[event.case]
    spells = (*case.spells[:-1], replace(case.spells[-1], until=event.by))
    lanes = tuple(
        replace(lane, busy=False) if any(case.id in cluster.cases for cluster in lane.queue) else lane
        for lane in state.lanes
    )
    return state.with_cases(replace(case, status="fixed", reason=event.reason, spells=spells), lanes=lanes)


def attempted(state: LoopState, event: FixAttempted) -> LoopState:
    if event.commit is not None:
        return state
    attempt = Attempt(rung=event.rung, round=event.round, outcome="declined", reason=event.said, ref=event.ref)
    return _failed(state, event.cases, attempt)


def _failed(state: LoopState, cases: tuple[str, ...], attempt: Attempt) -> LoopState:
    known = [state.cases[case] for case in cases]
    changed = [replace(case, attempts=(*case.attempts, attempt)) for case in known if case.waits]
    lanes = tuple(_split(lane, cases) for lane in state.lanes)
    return _tried_bond(state.with_cases(*changed, lanes=lanes), cases, failed=True)


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


def decided(state: LoopState, event: GateDecided) -> LoopState:
    tally = state.tally
    if event.reviewed:
        tally = replace(tally, gated=tally.gated + 1, by_products=tally.by_products + len(event.by_products))
    state = replace(state, tally=tally)
    brought = [
        case for case in state.cases.values() if case.parent in event.cases and event.commit == case.introduced_by
    ]
    if not event.accepted:
        state = state.with_cases(*(replace(case, status="fixed", undone=True) for case in brought))
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
    state = state.with_cases(*mended, tally=tally, accepted=state.accepted + 1)
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


def joined(state: LoopState, event: LanesJoined) -> LoopState:
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
    return state.with_cases(
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


def resumed(state: LoopState) -> LoopState:
    held = frozenset[str]().union(*(one.holds for one in (*state.candidates, *(lane.head for lane in state.lanes))))
    void = [
        replace(case, status="fixed", undone=True)
        for case in state.cases.values()
        if case.parent is not None and case.introduced_by not in held
    ]
    return state.with_cases(*void, lanes=tuple(replace(lane, busy=False) for lane in state.lanes))


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
