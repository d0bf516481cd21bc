"""The loop without input or output: what is due next, as a function of the log so far.

    engine = Engine(policy, LoopStarted(...))
    while actions := engine.due():
        for action in actions:          # these may be carried out side by side
            for event in carry_out(action):
                engine.tell(event)

The library carries actions out with git, boxes and models; a simulation with random numbers. Both drive the same
engine, so there is one copy of the policy. `due` gives an action again until its last event has been told; a `Prove`
that is under way and no longer due can be called off.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from captain.core.cases import Case, Rung, best, known_weight
from captain.core.loop_events import (
    FixesPlanned,
    LanesJoined,
    LoopConcluded,
    LoopEvent,
    LoopResumed,
    LoopStarted,
    ReviewStarted,
    Ruled,
)
from captain.review.admission import Means, Proof, Ruling, admit
from captain.review.ledger import Lane, LoopState, apply
from captain.review.planning import Cluster, clusters, lanes, next_rung
from captain.review.policy import ReviewPolicy, adapted
from captain.review.verdicts import LoopFacts, conclude


@dataclass(frozen=True, slots=True, kw_only=True)
class Look:
    """Have a commit reviewed, cold, by so many reviewers. Ends with `ReviewsEnded`."""

    round: int
    commit: str
    reviewers: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Prove:
    """Get one piece of evidence about a case. Ends with `Voted` or `Tried`."""

    case: str
    proof: Proof
    number: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Mend:
    """Try to mend a cluster on top of `commit`, from `FixStarted` to `FixAttempted` without a commit, or `GateDecided`.

    What a change brings is told in between: `FindingProposed` with its parent and commit, proved, and ruled.
    """

    cases: tuple[str, ...]
    rung: Rung
    round: int
    commit: str
    lane: int
    attempt: int
    bound: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Join:
    """Make one commit of the lanes' commits, without those that break a check together. Ends with `LanesJoined`."""

    round: int
    onto: str
    lanes: tuple[tuple[str, ...], ...]


Action: TypeAlias = Look | Prove | Mend | Join


@dataclass(slots=True)
class Engine:
    """A loop under way. `listen` hears of every event, the engine's own decisions among them, before it counts."""

    policy: ReviewPolicy
    started: LoopStarted | None = None
    means: Means = field(default_factory=Means)
    listen: Callable[[LoopEvent], None] = lambda _: None
    state: LoopState = field(default_factory=LoopState)

    def __post_init__(self) -> None:
        if self.started is not None:
            self.tell(self.started)

    def tell(self, event: LoopEvent) -> None:
        self.listen(event)
        self.state = apply(self.state, event)

    def resume(self, events: Iterable[LoopEvent]) -> None:
        """Goes on from a log, which is not told again."""
        for event in events:
            self.state = apply(self.state, event)
        self.tell(LoopResumed())

    @property
    def current(self) -> ReviewPolicy:
        """The policy as it stands by what the fixes have done so far."""
        return adapted(self.policy, self.state.tally)

    def due(self) -> tuple[Action, ...]:
        """What is to be done now; nothing once the loop has ended."""
        while (event := self._decision()) is not None:
            self.tell(event)
        return self._actions()

    def judge(self, case: str) -> Ruling | Proof:
        """How a by-product inside the gate is ruled, or what is to be found out about it first."""
        state = self.state
        return admit(state.cases[case], state.round, self.current, state.tally, self.means, quick=True)

    def _decision(self) -> LoopEvent | None:
        """The next thing that follows from what is known."""
        match self.state.phase:
            case "idle":
                return self._between_rounds()
            case "admitting":
                return self._on_the_docket()
            case "fixing":
                return self._in_the_lanes()
            case _:
                return None

    def _between_rounds(self) -> LoopEvent | None:
        state = self.state
        if (ended := self._ended("fixes")) is not None:
            return ended
        round_ = state.round + 1
        return ReviewStarted(round=round_, commit=state.head.commit, reviewers=self.current.reviewers_in(round_))

    def _on_the_docket(self) -> LoopEvent | None:
        state = self.state
        proposed = [(place, state.cases[name]) for place, name in enumerate(state.docket)]
        proposed = [(place, case) for place, case in proposed if case.status == "proposed"]
        for place, case in proposed:
            ruling = self._ruling(case, place)
            if isinstance(ruling, Ruling):
                return Ruled(case=case.id, status=ruling.status, reason=ruling.reason, admitted=ruling.admitted)
        if proposed:
            return None
        if (ended := self._ended("review")) is not None:
            return ended
        if state.waiting():
            return self._plan()
        return LanesJoined(round=state.round, commit=state.head.commit, tree=state.head.tree)

    def _ruling(self, case: Case, place: int) -> Ruling | Proof:
        state, policy = self.state, self.current
        if place >= policy.max_findings and not case.trusted:
            reason = f"beyond the {policy.max_findings} cases that one round looks into"
            return Ruling(status="recorded", reason=reason, admitted=case.admitted)
        if state.spent is not None:
            return Ruling(status="recorded", reason=state.spent, admitted=case.admitted)
        return admit(case, state.round, policy, state.tally, self.means)

    def _plan(self) -> FixesPlanned:
        state, policy = self.state, self.current
        bound = bonds(state, policy)
        planned = clusters(state.cases.values(), policy, state.tally, bound)
        side_by_side = lanes(planned, state.cases, policy)
        return FixesPlanned(
            round=state.round,
            lanes=tuple(tuple(cluster.cases for cluster in lane) for lane in side_by_side),
            bound=tuple(cluster.cases for cluster in planned if cluster.bound),
        )

    def _in_the_lanes(self) -> LoopEvent | None:
        """Hands on cases whose attempts are used up, and ends the phase where there is nothing to join."""
        state = self.state
        fronts = [front for lane in state.lanes if (front := self._front(lane)) is not None]
        for cluster in fronts:
            for name in cluster.cases:
                case = state.cases[name]
                if case.waits and not cluster.bound and self._rung(cluster) in ("own_task", "person"):
                    return Ruled(case=name, status="deferred", reason=_why_deferred(case), admitted=True)
        if fronts:
            return None
        ahead = [lane for lane in state.lanes if lane.commits]
        if len(ahead) > 1:
            return None
        head = ahead[0].head if ahead else state.head
        return LanesJoined(round=state.round, commit=head.commit, tree=head.tree)

    def _front(self, lane: Lane) -> Cluster | None:
        """The next cluster of a lane with something to mend, None if the lane is through or the loop is to end."""
        state = self.state
        if not lane.busy and (state.spent is not None or state.oscillation is not None):
            return None
        waiting = (cluster for cluster in lane.queue if any(state.cases[name].waits for name in cluster.cases))
        return next(waiting, None)

    def _rung(self, cluster: Cluster) -> Rung:
        """The furthest rung of its cases; those bound to each other get one attempt with the advisor."""
        if cluster.bound:
            return "advisor" if "advisor" in self.policy.ladder else "fresh"
        waiting = [case for name in cluster.cases if (case := self.state.cases[name]).waits]
        return next_rung(max(waiting, key=lambda case: (len(case.attempts), case.weight)), self.policy)

    def _actions(self) -> tuple[Action, ...]:
        state = self.state
        match state.phase:
            case "reviewing":
                number = self.current.reviewers_in(state.round)
                return (Look(round=state.round, commit=state.head.commit, reviewers=number),)
            case "admitting":
                return tuple(self._proofs())
            case "fixing":
                mending = tuple(self._mends())
                if mending:
                    return mending
                ahead = tuple(lane.commits for lane in state.lanes if lane.commits)
                return (Join(round=state.round, onto=state.head.commit, lanes=ahead),)
            case _:
                return ()

    def _proofs(self) -> Iterable[Action]:
        state = self.state
        for name in state.docket:
            case = state.cases[name]
            if case.status != "proposed":
                continue
            needed = self._ruling(case, 0)
            if not isinstance(needed, Ruling):
                yield Prove(case=name, proof=needed, number=len(case.votes) + 1)

    def _mends(self) -> Iterable[Action]:
        state = self.state
        for place, lane in enumerate(state.lanes):
            cluster = self._front(lane)
            if cluster is not None:
                yield Mend(
                    cases=cluster.cases,
                    rung=self._rung(cluster),
                    round=state.round,
                    commit=lane.head.commit,
                    lane=place,
                    attempt=max(len(state.cases[name].attempts) for name in cluster.cases) + 1,
                    bound=cluster.bound,
                )

    def _ended(self, after: Literal["review", "fixes"]) -> LoopConcluded | None:
        state = self.state
        if after == "fixes" and state.round == 0 and state.spent is None:
            return None
        conclusion = conclude(facts_of(state, after), self.current)
        if conclusion is None:
            return None
        known = tuple(state.cases.values())
        handed_back = best(state.candidates, known)
        return LoopConcluded(
            conclusion=conclusion, handed_back=handed_back.commit, weight=known_weight(known, handed_back)
        )


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


def _why_deferred(case: Case) -> str:
    if case.attempts and all(attempt.outcome == "declined" for attempt in case.attempts):
        return f"the fixer left the files as they were, {len(case.attempts)} times: {case.attempts[-1].reason}".rstrip(
            ": "
        )
    failed = [attempt for attempt in case.attempts if attempt.outcome != "accepted"]
    last = f"; the last failed {failed[-1].clause}: {failed[-1].reason}" if failed and failed[-1].clause else ""
    return f"{len(case.attempts)} attempts are used up{last}"
