"""Captain's own engine in a world: it says what is due, and dice say what comes of it.

What is mended, kept, undone and when it ends is decided by `captain.review` alone; nothing of that is here.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, field, replace
from typing import Final

from benchmarks.review_world.program import Change, Defect, Program, Report
from benchmarks.review_world.scores import Outcome, outcome
from benchmarks.review_world.worlds import PRICES, World
from captain.core.cases import Case, Trial, Vote, known_weight
from captain.core.findings import Finding
from captain.core.loop_events import (
    FindingProposed,
    FixAttempted,
    FixStarted,
    FoundGone,
    GateDecided,
    LanesJoined,
    LoopEvent,
    LoopStarted,
    ReviewEnded,
    ReviewsEnded,
    Ruled,
    Tried,
    Voted,
)
from captain.core.tasks import Check
from captain.review.admission import Means, Proof, Ruling, heard
from captain.review.engine import Action, Engine, Join, Look, Mend, Prove
from captain.review.fix_gate import GateFacts, Gone, accept, next_evidence
from captain.review.policy import ReviewPolicy

_STARTED: Final = LoopStarted(base="base", start="start", start_tree="tree of start")
_DONE: Final = ("converged", "converged_with_residuals")
_LEFT: Final = ("recorded", "deferred", "open", "reopened")


def run_captain(world: World, seed: int, policy: ReviewPolicy) -> Outcome:
    return Driver(world, seed, policy).run()


@dataclass(slots=True)
class Driver:
    world: World
    seed: int
    policy: ReviewPolicy
    program: Program = field(init=False)
    engine: Engine = field(init=False)
    meant: dict[str, Report] = field(default_factory=dict)
    names: dict[Defect | str, str] = field(default_factory=dict)
    kept: list[Change] = field(default_factory=list)
    found: list[int] = field(default_factory=list)
    later: int = 0
    caused: int = 0

    def __post_init__(self) -> None:
        self.program = Program(self.world, self.seed)
        self.engine = Engine(self.policy, _STARTED, Means(voters=True, reproducer=True))

    def run(self) -> Outcome:
        while actions := self.engine.due():
            self.carry_out(actions[0])
        state, program = self.engine.state, self.program
        conclusion = state.conclusion
        assert conclusion is not None
        back = next(one for one in state.candidates if one.commit == state.handed_back)
        known = tuple(state.cases.values())
        assert known_weight(known, back) <= known_weight(known, state.start), "no heavier in known weight"
        program.undo(change for change in reversed(self.kept) if change.label not in back.holds)
        left = [self.meant[case.id].defect for case in known if case.status in _LEFT]
        return outcome(
            program,
            conclusion.verdict,
            state.round,
            {defect.number for defect in left if defect is not None},
            converged=conclusion.verdict in _DONE,
            found=tuple(self.found),
            later=self.later,
            caused=self.caused,
        )

    def carry_out(self, action: Action) -> None:
        match action:
            case Look():
                self.look(action)
            case Prove():
                self.engine.tell(self.prove(action.case, action.proof))
            case Mend():
                self.mend(action)
            case Join():
                commits = [commit for lane in action.lanes for commit in lane]
                commit = "+".join((action.onto, *commits))
                self.engine.tell(LanesJoined(round=action.round, commit=commit, tree=f"tree of {commit}"))

    # reviews

    def look(self, action: Look) -> None:
        self.found.append(0)
        for number in range(action.reviewers):
            reports = self.program.look()
            self.found[-1] += len(reports)
            if action.round > 1:
                self.later += len(reports)
                self.caused += sum(one.defect is not None and one.defect.since is not None for one in reports)
            for report in reports:
                self.engine.tell(self.proposed(report, f"r{number}", action.round))
            self.engine.tell(ReviewEnded(round=action.round, reviewer=f"r{number}", findings=len(reports)))
        self.engine.tell(ReviewsEnded(round=action.round))

    def proposed(self, report: Report, reviewer: str, round_: int) -> FindingProposed:
        """A finding, matched with a case as well as this world matches."""
        known = self.known(report)
        name = known.id if known is not None else f"F{len(self.meant) + 1}"
        finding = _finding(report)
        say = heard(known, finding, reviewer) if known is not None else "propose"
        if known is None or say != "note":
            self.meant[name] = report
        self.names.setdefault(report.about, name)
        return FindingProposed(
            case=name,
            finding=finding,
            reviewer=reviewer,
            round=round_,
            introduced_by=self.writer(report),
            heard=say,
        )

    def known(self, report: Report) -> Case | None:
        cases = {name: case for name, case in self.engine.state.cases.items() if not case.undone}
        name = self.names.get(report.about)
        if name in cases:
            return cases[name] if self.program.happens(self.world.knows_again) else None
        wrong = cases and self.program.happens(self.world.mistakes)
        return self.program.dice.choice(list(cases.values())) if wrong else None

    def writer(self, report: Report) -> str | None:
        since = report.defect.since if report.defect is not None else None
        if report.wish:
            since = self.program.style_since
        return since if since is not None and self.program.happens(self.world.attributes) else None

    def prove(self, name: str, proof: Proof) -> LoopEvent:
        program, report, case = self.program, self.meant[name], self.engine.state.cases[name]
        if proof == "vote":
            accepts = program.opinion(report, case.votes[-1].accepts if case.votes else None)
            defect = report.defect
            severity = program.judged(defect.severity, self.world.misjudges / 2) if defect is not None else None
            return Voted(case=name, vote=Vote(voter="second", accepts=accepts, severity=severity))
        check = Check(name=name, command=f"check {name}")
        return Tried(case=name, trial=Trial(check=check, fails_on_head=program.proof(report)))

    # fixes

    def mend(self, action: Mend) -> None:
        engine, program = self.engine, self.program
        engine.tell(FixStarted(cases=action.cases, rung=action.rung, round=action.round, lane=action.lane))
        if not (waiting := self.still_there(action)):
            return
        reports = [self.meant[case.id] for case in waiting]
        price = PRICES.advisor if action.rung == "advisor" else 1.0
        base = PRICES.fix if action.rung == "first" else PRICES.fresh
        program.pay(price * (base + PRICES.fix_finding * len(reports)))
        if all(program.declines(report) for report in reports):
            engine.tell(FixAttempted(cases=action.cases, rung=action.rung, round=action.round, commit=None))
            return
        factor = self.world.advisor_brings if action.rung == "advisor" else 1.0
        change = program.edit(reports, lambda defect: self.chance(defect, action.rung), factor)
        engine.tell(FixAttempted(cases=action.cases, rung=action.rung, round=action.round, commit=change.label))
        was_alive = {report for report in reports if program.real(report)}
        program.apply(change)
        facts, brought = self.facts(action, change, was_alive)
        result = accept(facts)
        if result.accepted:
            program.settle(change)
            self.kept.append(change)
        else:
            program.undo([change])
        engine.tell(
            GateDecided(
                cases=action.cases,
                rung=action.rung,
                commit=change.label,
                accepted=result.accepted,
                clause=result.clause,
                reason=result.reason,
                by_products=brought,
                reviewed=facts.by_products is not None,
                tree=f"tree of {change.label}",
            )
        )

    def still_there(self, action: Mend) -> list[Case]:
        """What waits, without cases whose commands say that an earlier fix of the lane mended them too."""
        commits, left = self.engine.state.lanes[action.lane].commits, []
        for name in action.cases:
            case, report = self.engine.state.cases[name], self.meant[name]
            if commits and case.waits and case.reproduction and report.defect is not None and not report.defect.alive:
                self.engine.tell(FoundGone(case=name, by=commits[-1], reason="its command passes"))
            elif case.waits:
                left.append(case)
        return left

    def chance(self, defect: Defect, rung: str) -> float:
        if rung == "fresh":
            return defect.mends * self.world.fresh
        if rung == "advisor":
            odds = min(max(defect.mends, 0.02), 0.98)
            return 1 / (1 + math.exp(-(math.log(odds / (1 - odds)) + self.world.advisor_logit)))
        return defect.mends

    def facts(self, action: Mend, change: Change, was_alive: set[Report]) -> tuple[GateFacts, tuple[str, ...]]:
        """What the gate asks for, in the order it asks."""
        waiting = [case for name in action.cases if (case := self.engine.state.cases[name]).waits]
        noticed = change.weakens and self.program.happens(self.world.notices_weakened)
        brought: tuple[str, ...] = ()
        facts = GateFacts(
            weights=tuple(case.weight for case in waiting),
            outside=(),
            shortcuts=("a test was weakened",) if noticed else (),
            delta_review=self.engine.current.delta_review,
        )
        while (wanted := next_evidence(facts)) is not None:
            if wanted == "ratchet":
                facts = replace(facts, broken=())  # the fixer has repaired what the tests showed
            elif wanted == "gone":
                gone = tuple(self.gone(case, was_alive) for case in waiting)
                facts = replace(facts, gone=gone)
            else:
                brought = self.by_products(action, change)
                weights = tuple(self.engine.state.cases[name].weight for name in brought)
                facts = replace(facts, by_products=weights)
        return facts, brought

    def gone(self, case: Case, was_alive: set[Report]) -> Gone:
        program, world, report = self.program, self.world, self.meant[case.id]
        defect = report.defect
        if case.reproduction is not None:
            passes = defect is None or not defect.alive or program.happens(world.passes_unmended)
            return Gone(case=case.id, failed_before=True, passes_after=passes, fails_when_reverted=True)
        program.pay(PRICES.gone)
        if report.wish:
            says = True
        elif defect is None:
            says = program.happens(0.8)
        else:
            says = not program.happens(world.notices_left if defect.alive else world.doubts_gone)
        return Gone(case=case.id, said_gone=says)

    def by_products(self, action: Mend, change: Change) -> tuple[str, ...]:
        """Verified findings of a look at the change alone."""
        engine, admitted = self.engine, []
        for report in self.program.look_at(change):
            name = f"F{len(self.meant) + 1}"
            self.meant[name] = report
            self.names[report.about] = name
            engine.tell(
                FindingProposed(
                    case=name,
                    finding=_finding(report),
                    reviewer="delta",
                    round=action.round,
                    parent=action.cases[0],
                    commit=change.label,
                    introduced_by=change.label,
                )
            )
            while not isinstance(ruling := engine.judge(name), Ruling):
                engine.tell(self.prove(name, ruling))
            engine.tell(Ruled(case=name, status=ruling.status, reason=ruling.reason, admitted=ruling.admitted))
            if ruling.admitted:
                admitted.append(name)
        return tuple(admitted)


def _finding(report: Report) -> Finding:
    """Another wording brings other evidence."""
    about = report.about if isinstance(report.about, str) else f"defect {report.about.number}"
    return Finding(
        id="",
        severity=report.severity,
        category="correctness",
        path=report.path,
        anchor="",
        claim=report.words,
        evidence=f"seen{report.words.split()[-1]} in {about}",
    )
