"""Objections to a piece of work, and why a review loop ended."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from captain.core.tasks import CheckResult, Task

Severity: TypeAlias = Literal["critical", "major", "minor"]

SEVERITY_WEIGHT: Final[dict[Severity, int]] = {"critical": 9, "major": 3, "minor": 1}
"""The gaps keep chains of ever smaller findings short; a sum of these orders candidates."""

Verdict: TypeAlias = Literal[
    "converged",
    "converged_with_residuals",
    "oscillating",
    "stalled",
    "diverging",
    "budget",
    "needs_human",
]


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One objection, as its reviewer raised it. What a loop makes of it over the rounds is a `Case`.

    `anchor` is text quoted from the code, `evidence` what shows that `claim` holds. `line` counts from 1 and is
    a hint at most: the anchor says where. `suggested_check` is a shell command that fails while the defect is there.
    `serves` is the criterion that the finding says is not met.
    """

    id: str
    severity: Severity
    category: str
    path: str
    anchor: str
    claim: str
    evidence: str
    symbol: str | None = None
    line: int | None = None
    suggested_check: str | None = None
    serves: str | None = None

    @property
    def weight(self) -> int:
        return SEVERITY_WEIGHT[self.severity]


@dataclass(frozen=True, slots=True, kw_only=True)
class Proposal:
    """What a reviewer gets to see: the task, the diff and the checks, never the builder's transcript.

    `findings` are what rules found in the diff; they count like a reviewer's. `doubts` are sentences about places
    that rules cannot judge, `questions` places that may be shortcuts: a reviewer decides whether the change
    justifies them.
    """

    task: Task
    round: int
    base: str
    head: str
    diff: str
    checks: tuple[CheckResult, ...]
    findings: tuple[Finding, ...] = ()
    doubts: tuple[str, ...] = ()
    questions: tuple[Finding, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Review:
    """One reviewer's look at one snapshot. `evidence` maps criterion ids to what the reviewer cites."""

    reviewer: str
    findings: tuple[Finding, ...]
    summary: str = ""
    evidence: tuple[tuple[str, str], ...] = ()
