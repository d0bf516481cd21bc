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
from dataclasses import dataclass, field, replace
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
from captain.review.ledger import apply
from captain.review.planning import Cluster, clusters, lanes, next_rung
from captain.review.policy import ReviewPolicy, adapted
from captain.review.reading import bonds, facts_of, why_deferred
from captain.review.state import Lane, LoopState
from captain.review.verdicts import conclude


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
    round: int
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
                    return Ruled(case=name, status="deferred", reason=why_deferred(case), admitted=True)
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
                yield Prove(case=name, proof=needed, round=state.round, number=len(case.votes) + 1)

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
        facts = replace(facts_of(state, after), mends=self.means.fixer)
        conclusion = conclude(facts, self.current)
        if conclusion is None:
            return None
        known = tuple(state.cases.values())
        handed_back = best(state.candidates, known)
        return LoopConcluded(
            conclusion=conclusion, handed_back=handed_back.commit, weight=known_weight(known, handed_back)
        )
