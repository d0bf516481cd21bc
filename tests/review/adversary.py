"""A world without any sense, to drive the engine with: reviewers that make things up and fixers that break things."""

from __future__ import annotations

import inspect
import random
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from captain.core.cases import Case, Trial, Vote
from captain.core.findings import Finding, Severity
from captain.core.loop_events import (
    BudgetReached,
    FindingProposed,
    FixAttempted,
    FixStarted,
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
from captain.review.admission import Means, Ruling, heard
from captain.review.engine import Action, Engine, Join, Look, Mend, Prove
from captain.review.fix_gate import GateFacts, Gone, accept
from captain.review.policy import ReviewPolicy

SEVERITIES: tuple[Severity, ...] = ("critical", "major", "minor")
STARTED = LoopStarted(base="base", start="start", start_tree="tree-start", ratchet=("tests",))


@dataclass
class Adversary:
    """`chances` are probabilities by name; what is not named happens half of the time."""

    seed: int
    chances: dict[str, float] = field(default_factory=dict)
    policy: ReviewPolicy = field(default_factory=ReviewPolicy)
    findings: int = 5
    means: Means = field(default_factory=Means)
    severities: tuple[Severity, ...] = SEVERITIES
    log: list[LoopEvent] = field(default_factory=list)
    attempts: int = 0

    def __post_init__(self) -> None:
        self.dice = random.Random(self.seed)
        self.commits = 0
        self.engine = Engine(self.policy, STARTED, self.means, self.log.append)

    def happens(self, what: str) -> bool:
        return self.dice.random() < self.chances.get(what, 0.5)

    def run(self) -> Engine:
        """Carries out what is due side by side: any of the actions under way may be the next to have news."""
        under_way: dict[Action, Iterator[LoopEvent]] = {}
        while actions := self.engine.due():
            for done in set(under_way) - set(actions):
                begun = inspect.getgeneratorstate(under_way[done]) != inspect.GEN_CREATED  # type: ignore[arg-type]
                assert not begun or isinstance(done, Prove) or next(under_way[done], None) is None, "called off"
            under_way = {action: under_way.get(action) or self.carry_out(action) for action in actions}
            action = self.dice.choice(actions)
            if self.dice.random() < self.chances.get("spent", 0.0):
                self.engine.tell(BudgetReached(reason="the tokens are used up"))
            for event in under_way[action]:
                self.engine.tell(event)
                if self.happens("pause"):
                    break
            else:
                assert action not in self.engine.due(), "what is done is not due"
        return self.engine

    def carry_out(self, action: Action) -> Iterator[LoopEvent]:
        match action:
            case Look():
                yield from self.look(action)
            case Prove():
                yield self.prove(action.case, action.proof)
            case Mend():
                yield from self.mend(action)
            case Join():
                commits = [commit for lane in action.lanes for commit in lane]
                dropped = tuple(commit for commit in commits if self.happens("drop"))
                yield LanesJoined(round=action.round, commit=self.commit(), tree=f"t{self.commits}", dropped=dropped)

    def commit(self) -> str:
        self.commits += 1
        return f"c{self.commits}"

    def look(self, action: Look) -> Iterator[LoopEvent]:
        for reviewer in range(action.reviewers):
            if self.happens("silence"):
                yield ReviewEnded(round=action.round, reviewer=f"r{reviewer}", problem="it said nothing")
                continue
            for number in range(self.findings):
                finding = self.finding()
                known = self.known()
                case = known.id if known else f"F{action.round}.{reviewer}.{number}"
                yield FindingProposed(
                    case=case,
                    finding=finding,
                    reviewer=f"r{reviewer}",
                    round=action.round,
                    anchored=not self.happens("unanchored"),
                    trusted=self.happens("trusted"),
                    introduced_by=self.dice.choice([None, *(f"c{n}" for n in range(1, self.commits + 1))]),
                    heard=heard(known, finding, f"r{reviewer}") if known else "propose",
                )
            yield ReviewEnded(round=action.round, reviewer=f"r{reviewer}", findings=self.findings)
        yield ReviewsEnded(round=action.round)

    def known(self) -> Case | None:
        """One that can be met again in a review."""
        cases = [case for case in self.engine.state.cases.values() if case.status != "proposed" and not case.undone]
        return self.dice.choice(cases) if cases and self.happens("same") else None

    def finding(self, **more: Any) -> Finding:
        return Finding(
            id="",
            severity=self.dice.choice(self.severities),
            category="any",
            path=self.dice.choice(["a.py", "b.py", "c.py", ""]),
            anchor="",
            claim=f"claim {self.dice.random()}",
            evidence=f"evidence {self.dice.random()}",
            suggested_check=f"check-{self.dice.randrange(9)}" if self.happens("check") else None,
            **more,
        )

    def prove(self, case: str, proof: str) -> LoopEvent:
        if proof == "vote":
            return Voted(
                case=case,
                vote=Vote(
                    voter="v",
                    accepts=self.happens("vote"),
                    severity=self.dice.choice([None, *self.severities]),
                    extends=self.dice.random() < self.chances.get("extends", 0.0),
                ),
            )
        check = Check(name=case, command=self.engine.state.cases[case].finding.suggested_check or f"written-{case}")
        return Tried(case=case, trial=Trial(check=check, fails_on_head=self.happens("reproduced"), passes_on_base=True))

    def mend(self, action: Mend) -> Iterator[LoopEvent]:
        self.attempts += 1
        yield FixStarted(cases=action.cases, rung=action.rung, round=action.round, lane=action.lane)
        if self.happens("decline"):
            yield FixAttempted(cases=action.cases, rung=action.rung, round=action.round, commit=None)
            return
        commit = self.commit()
        yield FixAttempted(cases=action.cases, rung=action.rung, round=action.round, commit=commit)
        brought = []
        for number in range(self.dice.randrange(3)):
            child = f"{commit}.{number}"
            yield FindingProposed(
                case=child,
                finding=self.finding(),
                reviewer="delta",
                round=action.round,
                parent=action.cases[0],
                commit=commit,
                introduced_by=commit,
            )
            while not isinstance(ruling := self.engine.judge(child), Ruling):
                yield self.prove(child, ruling)
            yield Ruled(case=child, status=ruling.status, reason=ruling.reason, admitted=ruling.admitted)
            if ruling.admitted:
                brought.append(child)
        cases = self.engine.state.cases
        facts = GateFacts(
            weights=tuple(cases[name].weight for name in action.cases if cases[name].waits),
            outside=(),
            shortcuts=(),
            broken=() if self.happens("green") else ("tests",),
            gone=tuple(Gone(case=name, said_gone=self.happens("gone")) for name in action.cases),
            by_products=tuple(cases[child].weight for child in brought),
        )
        result = accept(facts)
        tree = "tree-start" if self.dice.random() < self.chances.get("back", 0.0) else f"t{self.commits}"
        yield GateDecided(
            cases=action.cases,
            rung=action.rung,
            commit=commit,
            accepted=result.accepted,
            clause=result.clause,
            reason=result.reason,
            by_products=tuple(brought),
            tree=tree,
        )
