"""One task of a run as its events tell it: state, rounds, what is still open, and what proves its criteria."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal, TypeAlias

from captain.core.events import BranchSet, DriftPutBack, LoopEnded, Reviewed, ShortcutsFound, SnapshotTaken
from captain.core.findings import Finding, Verdict
from captain.core.tasks import CheckResult, Criterion, Task, TaskState

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
    """One round: what was handed in, what the checks said, what the reviewers said."""

    number: int
    snapshot: SnapshotTaken | None = None
    checked_commit: str | None = None
    checks: tuple[CheckResult, ...] = ()
    reviews: list[Reviewed] = field(default_factory=list)
    drift: list[DriftPutBack] = field(default_factory=list)
    shortcuts: ShortcutsFound | None = None

    @property
    def findings(self) -> tuple[Finding, ...]:
        """What the reviewers of the round raised; the same objection of two of them once."""
        return tuple(dict.fromkeys(finding for review in self.reviews for finding in review.findings))

    @property
    def failed_checks(self) -> tuple[CheckResult, ...]:
        return tuple(result for result in self.checks if not result.passed)

    def citation(self, criterion: str) -> tuple[str, str] | None:
        """The reviewer who cites something for a criterion, and what."""
        for review in self.reviews:
            for name, cited in review.evidence:
                if name == criterion and cited.strip():
                    return review.reviewer, cited
        return None


@dataclass(slots=True)
class TaskView:
    """`task` is None where the record names a task that no plan has."""

    id: str
    task: Task | None = None
    state: TaskState = "planned"
    reason: str = ""
    rounds: dict[int, RoundView] = field(default_factory=dict)
    loop: LoopEnded | None = None
    branch: BranchSet | None = None
    agent: str | None = None
    builds: int = 0
    started_at: datetime | None = None
    settled_at: datetime | None = None

    @property
    def title(self) -> str:
        return self.task.title if self.task is not None else self.id

    @property
    def round(self) -> int:
        """The round at work, or the last one; 0 before the first."""
        return max(self.builds, *self.rounds) if self.rounds else self.builds

    @property
    def settled(self) -> bool:
        return self.state in ("accepted", "parked", "failed", "cancelled")

    @property
    def verdict(self) -> Verdict | None:
        return self.loop.verdict if self.loop is not None else None

    @property
    def residuals(self) -> tuple[Finding, ...]:
        """What the loop left open when it ended."""
        return self.loop.residuals if self.loop is not None else ()

    @property
    def open_findings(self) -> tuple[Finding, ...]:
        """What is left at the end, or before that, what the latest review raised."""
        if self.loop is not None:
            return self.loop.residuals
        reviewed = [shown for shown in self.rounds.values() if shown.reviews]
        return max(reviewed, key=lambda shown: shown.number).findings if reviewed else ()

    @property
    def kept_round(self) -> RoundView | None:
        """The round whose snapshot is the task's result; the latest one while the loop goes on."""
        return self.rounds.get(self.loop.kept_round if self.loop is not None else max(self.rounds, default=0))

    def at_round(self, number: int) -> RoundView:
        return self.rounds.setdefault(number, RoundView(number))

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
        result = next((one for one in kept.checks if one.check.name == criterion.check), None) if kept else None
        commit = kept.checked_commit if kept else None
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
