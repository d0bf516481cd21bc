"""What a review loop keeps of a finding over its rounds: evidence, votes, attempts, and where it came and went.

A `Finding` is what one reviewer said, once. A `Case` is what all of them said about the same thing, and what
was done about it. Only a case is ever mended.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from captain.core.findings import SEVERITY_WEIGHT, Finding, Severity, Verdict
from captain.core.tasks import Check

Evidence: TypeAlias = Literal["opinion", "located", "reproduced", "toggled"]
"""Said; pinned to a place in the code; seen to fail; seen to fail with the defect and to pass without it."""

EVIDENCE_RANK: Final[dict[Evidence, int]] = {"opinion": 0, "located": 1, "reproduced": 2, "toggled": 3}

CaseStatus: TypeAlias = Literal[
    "proposed", "rejected", "open", "fixed", "reopened", "recorded", "deferred", "out_of_scope"
]
Rung: TypeAlias = Literal["first", "fresh", "advisor", "own_task", "person"]
"""The ladder. The first three are attempts; the last two hand the case on."""

Clause: TypeAlias = Literal["ratchet", "gone", "harm", "scope", "merge"]
"""What of the fix gate a change failed; `merge` is said of one that did not go together with the other lanes."""

MatchedBy: TypeAlias = Literal["new", "reproduction", "anchor", "symbol", "judge"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Anchor:
    """A place in one tree: `lines` lines from `line`, which counts from 1.

    The hashes are of the first line's text and of the text around it, without white space.
    """

    path: str
    line: int
    lines: int = 1
    symbol: str | None = None
    line_hash: str = ""
    context_hash: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Vote:
    """A second opinion by somebody who saw code and claim, but not the reviewer's reasoning.

    `severity` is what the voter would call it; `extends` says that the smallest honest remedy would extend the
    change (new state, a new subsystem), and `contradicts` names criteria that cannot all be met.
    """

    voter: str
    accepts: bool
    reason: str = ""
    severity: Severity | None = None
    extends: bool = False
    contradicts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """A suggested check, as the library saw it run.

    `fails_on_head` is None where that was no answer: the command could not be started, ran into its time limit,
    or failed only sometimes. `passes_on_base` is None where it was not tried there.
    """

    check: Check
    fails_on_head: bool | None
    passes_on_base: bool | None = None
    output: str = ""

    @property
    def reproduces(self) -> bool:
        return self.fails_on_head is True


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One try to mend a case. `ref` keeps what was undone; `clause` is None for an accepted or a declined one."""

    rung: Rung
    round: int
    outcome: Literal["accepted", "undone", "declined"]
    clause: Clause | None = None
    reason: str = ""
    commit: str | None = None
    ref: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Spell:
    """A stretch of history with the defect in it: from the fix that brought it to the one that removed it.

    None at the start stands for the tree the loop was handed, None at the end for "still there".
    """

    since: str | None = None
    until: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """One thing that is said to be wrong. `finding` is its latest wording, `also_said` are those of others.

    `anchors` maps trees to places, latest last. `admitted` says that its evidence once sufficed: only then does
    the case weigh anything. `trusted` cases rest on a check the library ran itself. `seen_since` is the fix that wrote
    the code it was last seen in. An `undone` one was brought by a change that did not stay: it is nowhere.
    """

    id: str
    finding: Finding
    severity: Severity
    status: CaseStatus = "proposed"
    evidence: Evidence = "opinion"
    reason: str = ""
    admitted: bool = False
    trusted: bool = False
    undone: bool = False
    anchored: bool = True
    about_change: bool = True
    in_scope: bool = True
    anchors: tuple[tuple[str, Anchor], ...] = ()
    votes: tuple[Vote, ...] = ()
    trial: Trial | None = None
    attempts: tuple[Attempt, ...] = ()
    also_said: tuple[str, ...] = ()
    raised_in: tuple[int, ...] = ()
    raised_by: tuple[str, ...] = ()
    spells: tuple[Spell, ...] = (Spell(),)
    seen_since: str | None = None
    serves: str | None = None
    parent: str | None = None
    depth: int = 0
    appeals: int = 0
    times_reopened: int = 0
    possible_duplicate_of: str | None = None

    @property
    def weight(self) -> int:
        return SEVERITY_WEIGHT[self.severity]

    @property
    def waits(self) -> bool:
        """It is to be mended."""
        return self.status in ("open", "reopened")

    @property
    def introduced_by(self) -> str | None:
        """The fix that brought it, None if it was there before the first one."""
        return self.spells[-1].since

    @property
    def fixed_by(self) -> str | None:
        return self.spells[-1].until

    @property
    def anchor(self) -> Anchor | None:
        """Where it was seen last."""
        return self.anchors[-1][1] if self.anchors else None

    @property
    def reproduction(self) -> Check | None:
        """The check that fails while the defect is there, if the library has seen it fail."""
        return self.trial.check if self.trial is not None and self.trial.reproduces else None


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A commit that can be handed back, with the fixes that are in it."""

    commit: str
    tree: str
    holds: frozenset[str] = frozenset()


def present(case: Case, candidate: Candidate) -> bool:
    """Whether the defect is in a tree, as far as is known in hindsight."""
    return (
        case.admitted
        and not case.undone
        and any(
            (spell.since is None or spell.since in candidate.holds)
            and not (spell.until is not None and spell.until in candidate.holds)
            for spell in case.spells
        )
    )


def known_weight(cases: Iterable[Case], candidate: Candidate) -> int:
    """V(T): the weight of all admitted cases that are present in a tree."""
    return sum(case.weight for case in cases if present(case, candidate))


def best(candidates: Iterable[Candidate], cases: Iterable[Case]) -> Candidate:
    """The candidate of least known weight, of equals the latest. They come in the order they were made."""
    known = tuple(cases)
    return min(reversed(tuple(candidates)), key=lambda candidate: known_weight(known, candidate))


@dataclass(frozen=True, slots=True, kw_only=True)
class Conclusion:
    """Why a loop ended, with the numbers that led to it."""

    verdict: Verdict
    reason: str
    figures: tuple[tuple[str, float], ...] = ()
