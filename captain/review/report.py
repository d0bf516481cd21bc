"""What a review loop came to: a commit, a verdict with its numbers, and everything that is left."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from captain.core.cases import Candidate, Case, Conclusion, known_weight, present
from captain.core.findings import Verdict
from captain.core.loop_events import LoopEvent, ReviewEnded, standing
from captain.core.tasks import CheckResult, FollowUp
from captain.review.ledger import fold
from captain.review.state import LoopState


@dataclass(frozen=True, slots=True, kw_only=True)
class LoopReport:
    """`commit` is what is handed back: of all commits the loop could hand back, the one of least known weight.

    It is kept under `ref`, which is empty after a review without a fixer; no branch of the user's was moved.
    `candidates` are in the order they were made, the tree the loop was handed first. `checks` are those of the loop on
    that commit, `unmet` the criteria that no reviewer of the last round cited evidence for. `spent` says which limit
    cut the loop short, if one did. `log` is all that happened.
    """

    conclusion: Conclusion
    base: str
    start: str
    commit: str
    ref: str
    cases: tuple[Case, ...]
    candidates: tuple[Candidate, ...]
    follow_ups: tuple[FollowUp, ...]
    rounds: int
    baseline: tuple[str, ...]
    flaky: tuple[str, ...]
    problems: tuple[str, ...]
    checks: tuple[CheckResult, ...]
    unmet: tuple[str, ...]
    log: tuple[LoopEvent, ...]
    spent: str | None = None

    @property
    def verdict(self) -> Verdict:
        return self.conclusion.verdict

    @property
    def residuals(self) -> tuple[Case, ...]:
        """What is known to be wrong with the commit that is handed back, heaviest first."""
        left = [case for case in self.cases if present(case, self._candidate(self.commit))]
        return tuple(sorted(left, key=lambda case: -case.weight))

    @property
    def unproved(self) -> tuple[Case, ...]:
        """What was said and not looked into, or could not be confirmed: reported, and worth nothing."""
        return tuple(case for case in self.cases if case.status == "recorded" and not case.admitted)

    @property
    def broken(self) -> tuple[CheckResult, ...]:
        """The checks that fail on what is handed back, but for those that failed before and those that come and go."""
        excused = {*self.baseline, *self.flaky}
        return tuple(result for result in self.checks if not result.passed and result.check.name not in excused)

    @property
    def acceptable(self) -> bool:
        """Nothing critical or major is known of what is handed back. That is not the same as correct."""
        return not self.broken and all(case.severity == "minor" for case in self.residuals)

    @property
    def cut_short(self) -> str | None:
        """Which limit was reached before enough was known of what is handed back to take it or to leave it."""
        reviewed = any(isinstance(event, ReviewEnded) and not event.problem for event in self.log)
        doubtful = any(case.severity != "minor" for case in self.unproved)
        return self.spent if not reviewed or doubtful or not self.acceptable else None

    def weight(self, commit: str) -> int:
        """The known weight of a candidate."""
        return known_weight(self.cases, self._candidate(commit))

    def _candidate(self, commit: str) -> Candidate:
        return next(candidate for candidate in self.candidates if candidate.commit == commit)


def report_of(
    state: LoopState, log: tuple[LoopEvent, ...], ref: str, checks: tuple[CheckResult, ...] = ()
) -> LoopReport:
    """The report of a loop that has ended."""
    if state.conclusion is None or state.handed_back is None:
        raise ValueError("the loop has not ended")
    cases = tuple(case for case in state.cases.values() if not case.undone)
    return LoopReport(
        conclusion=state.conclusion,
        base=state.base,
        start=state.start.commit,
        commit=state.handed_back,
        ref=ref,
        cases=cases,
        candidates=state.candidates,
        follow_ups=tuple(_follow_ups(cases)),
        rounds=state.round,
        baseline=state.baseline,
        flaky=state.flaky,
        problems=state.problems,
        checks=checks,
        unmet=tuple(criterion for criterion in state.criteria if criterion not in state.cited),
        log=log,
        spent=state.spent,
    )


def report_from(log: Iterable[LoopEvent], ref: str, checks: tuple[CheckResult, ...]) -> LoopReport:
    """The report of a loop that has ended, from its log alone and what does not stand in it."""
    counts = tuple(standing(log))
    return report_of(fold(counts), counts, ref, checks)


def _follow_ups(cases: tuple[Case, ...]) -> list[FollowUp]:
    """Findings outside the scope, and cases whose attempts are used up: work for tasks of their own."""
    notes = []
    for case in cases:
        if case.status == "out_of_scope":
            what = "Outside the scope"
        elif case.status == "deferred" and case.severity != "critical":
            what = "Not mended"
        else:
            continue
        detail = f"{case.finding.claim}\n{case.finding.evidence}\n({case.reason})"
        kept = next((attempt.ref for attempt in reversed(case.attempts) if attempt.ref), None)
        paths = (case.finding.path,) if case.finding.path else ()
        notes.append(FollowUp(title=f"{what}: {case.finding.claim}"[:120], detail=detail, paths=paths, ref=kept))
    return notes


def summary(report: LoopReport) -> str:
    """A report in a few lines for a person."""
    before, after = report.weight(report.start), report.weight(report.commit)
    lines = [
        f"{report.verdict}: {report.conclusion.reason}",
        f"{report.rounds} rounds; known weight {before} at the start, {after} handed back ({report.commit[:12]})",
    ]
    lines += [f"left [{case.severity}] {case.finding.path}: {case.finding.claim}" for case in report.residuals]
    lines += [
        f"{case.id} may be the same as {case.possible_duplicate_of}"
        for case in report.residuals
        if case.possible_duplicate_of
    ]
    lines += [f"not looked into [{case.severity}] {case.finding.claim}" for case in report.unproved]
    lines += [f"failed before the change, and not held against it: {name}" for name in report.baseline]
    lines += [f"both fails and passes: {name}" for name in report.flaky]
    lines += report.problems
    return "\n".join(" ".join(line.split()) for line in lines)
