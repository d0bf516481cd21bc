"""One task of a run as its events tell it: state, rounds, what is still open, and what proves its criteria."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, TypeAlias

from captain.core.cases import Case
from captain.core.events import BranchSet, DriftPutBack, LoopEnded, SnapshotTaken
from captain.core.findings import Finding, Verdict
from captain.core.loop_events import (
    CommitChecked,
    FindingProposed,
    GateDecided,
    LoopConcluded,
    LoopEvent,
    LoopReopened,
    LoopStarted,
    ReviewEnded,
    ReviewStarted,
    Ruled,
    RulesApplied,
)
from captain.core.tasks import AT_WORK, CheckResult, Criterion, Task, TaskState
from captain.reports.rounds import RoundFigures, RoundReader
from captain.review.state import LoopState

Proof: TypeAlias = Literal["proved", "cited", "failed", "none"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What stands for one criterion.

    `proved`: a check the library ran passed. `cited`: a reviewer names `citation`. `failed`: the check did
    not pass. `none`: nothing is on record.
    """

    task: str
    criterion: Criterion
    proof: Proof
    check: CheckResult | None = None
    commit: str | None = None
    reviewer: str | None = None
    citation: str | None = None


@dataclass(slots=True)
class RoundView:
    """One round: the commit under review, what was said of it by whom, and what the gate said of fixes."""

    number: int
    commit: str | None = None
    checks: tuple[CheckResult, ...] = ()
    rules: RulesApplied | None = None
    reviews: list[ReviewEnded] = field(default_factory=list)
    proposed: list[FindingProposed] = field(default_factory=list)
    admitted: list[str] = field(default_factory=list)
    decided: list[GateDecided] = field(default_factory=list)

    @property
    def findings(self) -> tuple[Finding, ...]:
        """What was raised about the whole change, by whoever it was."""
        return tuple(event.finding for event in self.proposed if event.parent is None)

    @property
    def failed_checks(self) -> tuple[CheckResult, ...]:
        return tuple(result for result in self.checks if not result.passed)

    def citation(self, criterion: str) -> tuple[str, str] | None:
        """The reviewer who cites something for a criterion, and what."""
        for review in self.reviews:
            for name, cited in review.cited:
                if name == criterion and cited.strip():
                    return review.reviewer, cited
        return None


@dataclass(slots=True)
class TaskView:
    """`task` is None where the record names a task that no plan has. `log` are the steps of its review loop.

    `told` is what it was last said to be at, and `waits_for` has the ids of its open questions.
    """

    id: str
    task: Task | None = None
    told: TaskState = "planned"
    reason: str = ""
    snapshot: SnapshotTaken | None = None
    drift: list[DriftPutBack] = field(default_factory=list)
    log: list[LoopEvent] = field(default_factory=list)
    figures: list[RoundFigures] = field(default_factory=list)
    rounds: dict[int, RoundView] = field(default_factory=dict)
    checked: dict[str, tuple[CheckResult, ...]] = field(default_factory=dict)
    loop: LoopEnded | None = None
    branch: BranchSet | None = None
    agent: str | None = None
    waits_for: list[str] = field(default_factory=list)
    started_at: datetime | None = None
    settled_at: datetime | None = None
    _goes_on: tuple[TaskState, str] = ("planned", "")
    _reader: RoundReader = field(default_factory=RoundReader)

    def change(self, state: TaskState, reason: str) -> None:
        self.told, self.reason = state, reason
        if state in AT_WORK or state == "accepted":
            self._goes_on = state, reason

    def resume(self) -> None:
        """How it had ended is taken back, unless it was accepted: then it may only have been left out of the result."""
        if self.settled and self.state != "accepted":
            self.told, reason = self._goes_on
            self.reason = reason if self.told == "accepted" else ""
            self.settled_at = self.settled_at if self.told == "accepted" else None

    @property
    def state(self) -> TaskState:
        """What it is at. A Build that waits for a person builds nothing meanwhile."""
        return "waiting" if self.waits_for and self.told in AT_WORK else self.told

    @property
    def ledger(self) -> LoopState:
        """Where its review loop stands."""
        return self._reader.state

    @property
    def title(self) -> str:
        return self.task.title if self.task is not None else self.id

    @property
    def round(self) -> int:
        """The round at work, or the last one; 0 before the first."""
        return max(self.rounds, default=0)

    @property
    def settled(self) -> bool:
        return self.state in ("accepted", "parked", "failed", "cancelled")

    @property
    def verdict(self) -> Verdict | None:
        return self.loop.verdict if self.loop is not None else None

    @property
    def residuals(self) -> tuple[Case, ...]:
        """What the loop left open when it ended."""
        return self.loop.residuals if self.loop is not None else ()

    @property
    def open_cases(self) -> tuple[Case, ...]:
        """What is left at the end, or before that, what is to be mended as far as is known."""
        return self.loop.residuals if self.loop is not None else self.ledger.waiting()

    @property
    def kept_round(self) -> RoundView | None:
        """The round in which the commit that is handed back was reviewed; the latest one while the loop goes on."""
        if self.loop is not None:
            reviewed = [shown for shown in self.rounds.values() if shown.commit == self.loop.commit]
            if reviewed:
                return reviewed[-1]
        return self.rounds.get(self.round)

    @property
    def checks(self) -> tuple[CheckResult, ...]:
        """On the commit that is handed back, or on the latest one that was checked."""
        if self.loop is not None:
            return self.checked.get(self.loop.commit, ())
        return list(self.checked.values())[-1] if self.checked else ()

    def step(self, event: LoopEvent) -> None:  # noqa: C901
        """Takes in a step of the review loop."""
        if isinstance(event, LoopReopened):
            self._again(self.log[: event.kept])
            return
        self.log.append(event)
        if (figures := self._reader.hear(event)) is not None:
            self.figures.append(figures)
        if isinstance(event, LoopStarted | LoopConcluded):
            return
        number = self.ledger.round
        if not number:
            return
        shown = self.rounds.setdefault(number, RoundView(number))
        match event:
            case ReviewStarted():
                shown.commit = event.commit
            case CommitChecked():
                self.checked[event.commit] = event.results
                if event.commit == shown.commit:
                    shown.checks = event.results
            case RulesApplied():
                shown.rules = event
            case ReviewEnded():
                shown.reviews.append(event)
            case FindingProposed():
                shown.proposed.append(event)
            case Ruled() if event.admitted and event.case not in shown.admitted:
                shown.admitted.append(event.case)
            case GateDecided():
                shown.decided.append(event)

    def _again(self, log: list[LoopEvent]) -> None:
        """As if only this had happened in the loop."""
        self._reader, self.loop = RoundReader(), None
        for kept in (self.log, self.figures, self.rounds, self.checked):
            kept.clear()
        for event in log:
            self.step(event)

    def elapsed_s(self, now: datetime) -> float:
        """Seconds at work, up to `now` or the task's end."""
        if self.started_at is None:
            return 0.0
        return max(0.0, ((self.settled_at or now) - self.started_at).total_seconds())

    def evidence(self, integrated: dict[str, tuple[CheckResult, str]]) -> tuple[Evidence, ...]:
        """Per criterion of the task, what proves it.

        `integrated` holds the results on the integrated result with their commit, by command: where a
        check ran there too and failed, the criterion is not proved.
        """
        if self.task is None:
            return ()
        return tuple(self._evidence_for(criterion, integrated) for criterion in self.task.criteria)

    def _evidence_for(self, criterion: Criterion, integrated: dict[str, tuple[CheckResult, str]]) -> Evidence:
        kept = self.kept_round
        result = next((one for one in self.checks if one.check.name == criterion.check), None)
        commit = self.loop.commit if self.loop is not None else kept.commit if kept else None
        if result is not None and result.passed and result.check.command in integrated:
            result, commit = integrated[result.check.command]
        if result is not None:
            proof: Proof = "proved" if result.passed else "failed"
            return Evidence(task=self.id, criterion=criterion, proof=proof, check=result, commit=commit)
        cited = kept.citation(criterion.id) if kept else None
        if cited is not None:
            reviewer, citation = cited
            return Evidence(
                task=self.id, criterion=criterion, proof="cited", reviewer=reviewer, citation=citation, commit=commit
            )
        return Evidence(task=self.id, criterion=criterion, proof="none")
