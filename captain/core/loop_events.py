"""Everything that can happen in a review loop, as a closed union of short values.

The log is append-only, and the state of a loop is a fold over it: a loop that was cut off goes on from its log.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

from captain.core.cases import (
    Anchor,
    CaseStatus,
    Clause,
    Conclusion,
    MatchedBy,
    Rung,
    Trial,
    Vote,
)
from captain.core.findings import Finding
from captain.core.tasks import CheckResult


@dataclass(frozen=True, slots=True, kw_only=True)
class LoopStarted:
    """`start` is the commit the loop was handed, `base` what it is compared with.

    `ratchet` names the checks that pass at the start; `baseline` those that failed before and are not held against
    anybody; `flaky` those that did both. `criteria` are those that a reviewer has to cite evidence for.
    """

    base: str
    start: str
    start_tree: str
    ratchet: tuple[str, ...] = ()
    baseline: tuple[str, ...] = ()
    flaky: tuple[str, ...] = ()
    criteria: tuple[str, ...] = ()
    kind: Literal["loop_started"] = "loop_started"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewStarted:
    round: int
    commit: str
    reviewers: int
    kind: Literal["review_started"] = "review_started"


@dataclass(frozen=True, slots=True, kw_only=True)
class CommitChecked:
    """How the checks of the loop stand on a commit that is reviewed or handed back."""

    round: int
    commit: str
    results: tuple[CheckResult, ...]
    kind: Literal["commit_checked"] = "commit_checked"


@dataclass(frozen=True, slots=True, kw_only=True)
class RulesApplied:
    """What rules found in the change: `findings` hold it up, `questions` are put to the reviewers.

    `unread` are changed files that were not looked at, as they are too large or no text.
    """

    round: int
    commit: str
    findings: tuple[Finding, ...] = ()
    questions: tuple[Finding, ...] = ()
    unread: tuple[str, ...] = ()
    kind: Literal["rules_applied"] = "rules_applied"


@dataclass(frozen=True, slots=True, kw_only=True)
class FindingProposed:
    """A finding came in and was matched: `case` is a new id, or that of the case it is the same as.

    `parent` and `commit` are set for a by-product: the case whose fix brought it, and that fix. `introduced_by` is
    the fix that wrote the code it is about, as far as blame can tell.
    """

    case: str
    finding: Finding
    reviewer: str
    round: int
    matched: MatchedBy = "new"
    commit: str | None = None
    anchor: Anchor | None = None
    anchored: bool = True
    about_change: bool = True
    in_scope: bool = True
    trusted: bool = False
    trial: Trial | None = None
    introduced_by: str | None = None
    parent: str | None = None
    possible_duplicate_of: str | None = None
    heard: Literal["note", "propose", "appeal"] = "propose"
    kind: Literal["finding_proposed"] = "finding_proposed"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewEnded:
    """`problem` says why a reviewer gave no usable review; `left_out` counts findings beyond the limit.

    `cited` maps criterion ids to what the reviewer cites for them.
    """

    round: int
    reviewer: str
    findings: int = 0
    left_out: int = 0
    problem: str = ""
    cited: tuple[tuple[str, str], ...] = ()
    kind: Literal["review_ended"] = "review_ended"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewsEnded:
    """All reviewers of a round are through."""

    round: int
    kind: Literal["reviews_ended"] = "reviews_ended"


@dataclass(frozen=True, slots=True, kw_only=True)
class Voted:
    case: str
    vote: Vote
    kind: Literal["voted"] = "voted"


@dataclass(frozen=True, slots=True, kw_only=True)
class Tried:
    """A check that is said to show the defect was run."""

    case: str
    trial: Trial
    kind: Literal["tried"] = "tried"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ruled:
    case: str
    status: CaseStatus
    reason: str
    admitted: bool
    kind: Literal["ruled"] = "ruled"


@dataclass(frozen=True, slots=True, kw_only=True)
class FixesPlanned:
    """`lanes` hold clusters, a cluster case ids; `bound` lists those of cases that broke each other."""

    round: int
    lanes: tuple[tuple[tuple[str, ...], ...], ...]
    bound: tuple[tuple[str, ...], ...] = ()
    kind: Literal["fixes_planned"] = "fixes_planned"


@dataclass(frozen=True, slots=True, kw_only=True)
class FixStarted:
    """A fixer begins with a cluster; `FixAttempted` and, where it changed something, `GateDecided` follow."""

    cases: tuple[str, ...]
    rung: Rung
    round: int
    lane: int
    kind: Literal["fix_started"] = "fix_started"


@dataclass(frozen=True, slots=True, kw_only=True)
class FoundGone:
    """A case that was to be mended is gone already: the fix `by` of another one removed it too."""

    case: str
    by: str
    reason: str
    kind: Literal["found_gone"] = "found_gone"


@dataclass(frozen=True, slots=True, kw_only=True)
class FixAttempted:
    """A fixer is through with a cluster. `commit` is None when it left the files as they were, or was broken off.

    What it had done by then is kept under `ref`.
    """

    cases: tuple[str, ...]
    rung: Rung
    round: int
    commit: str | None
    said: str = ""
    ref: str | None = None
    kind: Literal["fix_attempted"] = "fix_attempted"


@dataclass(frozen=True, slots=True, kw_only=True)
class GateDecided:
    """`by_products` are cases the change brought; `reviewed` says that its delta was looked at.

    `toggled` are the cases whose reproduction failed without the change and passed with it.
    """

    cases: tuple[str, ...]
    rung: Rung
    commit: str
    accepted: bool
    clause: Clause | None = None
    reason: str = ""
    by_products: tuple[str, ...] = ()
    reviewed: bool = True
    toggled: tuple[str, ...] = ()
    ref: str | None = None
    tree: str = ""
    kind: Literal["gate_decided"] = "gate_decided"


@dataclass(frozen=True, slots=True, kw_only=True)
class LanesJoined:
    """The lanes of a round are one commit again. `dropped` are fixes that did not go together with the rest.

    `picked` pairs a fix with the commit it became in the line, where that is another one.
    """

    round: int
    commit: str
    tree: str
    dropped: tuple[str, ...] = ()
    picked: tuple[tuple[str, str], ...] = ()
    reason: str = ""
    kind: Literal["lanes_joined"] = "lanes_joined"


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckTurnedFlaky:
    """A check both failed and passed on the same files: it is reported and no longer holds anything up."""

    check: str
    kind: Literal["check_turned_flaky"] = "check_turned_flaky"


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetReached:
    reason: str
    kind: Literal["budget_reached"] = "budget_reached"


@dataclass(frozen=True, slots=True, kw_only=True)
class LoopResumed:
    """The loop goes on from its log. What was under way begins again, and what such a fix had brought is void."""

    kind: Literal["loop_resumed"] = "loop_resumed"


@dataclass(frozen=True, slots=True, kw_only=True)
class LoopReopened:
    """The loop had ended for want of budget and was given more: of its log, only the first `kept` events count."""

    kept: int
    kind: Literal["loop_reopened"] = "loop_reopened"


@dataclass(frozen=True, slots=True, kw_only=True)
class LoopConcluded:
    """`handed_back` is the candidate of least known weight, the start included."""

    conclusion: Conclusion
    handed_back: str
    weight: int
    kind: Literal["loop_concluded"] = "loop_concluded"


LoopEvent: TypeAlias = (
    LoopStarted
    | ReviewStarted
    | CommitChecked
    | RulesApplied
    | FindingProposed
    | ReviewEnded
    | ReviewsEnded
    | Voted
    | Tried
    | Ruled
    | FixesPlanned
    | FixStarted
    | FoundGone
    | FixAttempted
    | GateDecided
    | LanesJoined
    | CheckTurnedFlaky
    | BudgetReached
    | LoopResumed
    | LoopReopened
    | LoopConcluded
)


def standing(log: Iterable[LoopEvent]) -> list[LoopEvent]:
    """What of a log counts."""
    counts: list[LoopEvent] = []
    for event in log:
        if isinstance(event, LoopReopened):
            del counts[event.kept :]
        else:
            counts.append(event)
    return counts


def before_the_budget(log: Sequence[LoopEvent]) -> int | None:
    """How much of a log came before its budget was used up; None if that is not how it ended."""
    last = log[-1] if log else None
    if not isinstance(last, LoopConcluded) or last.conclusion.verdict != "budget":
        return None
    return next((place for place, event in enumerate(log) if isinstance(event, BudgetReached)), None)


LOOP_EVENT_TYPES: dict[str, type[LoopEvent]] = {
    cls.__dataclass_fields__["kind"].default: cls for cls in get_args(LoopEvent)
}
