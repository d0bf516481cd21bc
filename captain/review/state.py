"""Where a review loop stands: one frozen value, which only the ledger makes anew."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Literal, TypeAlias

from captain.core.cases import Candidate, Case, Conclusion
from captain.review.planning import Cluster
from captain.review.policy import Tally

Phase: TypeAlias = Literal["idle", "reviewing", "admitting", "fixing", "ended"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Lane:
    """Clusters still to be mended one after the other, and how far the lane has come.

    `busy` while a fixer is at work on the first of them: that is not called off.
    """

    queue: tuple[Cluster, ...]
    head: Candidate
    commits: tuple[str, ...] = ()
    busy: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Bond:
    """Cases whose fixes undid each other: they get one attempt together."""

    cases: frozenset[str]
    tried: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class LoopState:
    """Where a loop stands. `docket` are the cases of this round to rule on, heaviest first.

    `labels` gives the fix that a commit of the joined line stands for. `broke` has (f, g) where the fix of g brought
    f back. `admitted`, `accepted` and `answered` count this round's cases, fixes and reviewers; `clean` and `stalled`
    the rounds in a row before it.
    """

    base: str = ""
    head: Candidate = Candidate(commit="", tree="")
    candidates: tuple[Candidate, ...] = ()
    phase: Phase = "idle"
    round: int = 0
    cases: Mapping[str, Case] = field(default_factory=dict)
    docket: tuple[str, ...] = ()
    lanes: tuple[Lane, ...] = ()
    labels: Mapping[str, str] = field(default_factory=dict)
    tally: Tally = Tally()
    bonds: tuple[Bond, ...] = ()
    broke: frozenset[tuple[str, str]] = frozenset()
    trees: frozenset[str] = frozenset()
    admitted: int = 0
    accepted: int = 0
    answered: int = 0
    clean: int = 0
    stalled: int = 0
    ratchet: tuple[str, ...] = ()
    baseline: tuple[str, ...] = ()
    flaky: tuple[str, ...] = ()
    criteria: tuple[str, ...] = ()
    cited: frozenset[str] = frozenset()
    problems: tuple[str, ...] = ()
    oscillation: str | None = None
    spent: str | None = None
    conclusion: Conclusion | None = None
    handed_back: str | None = None

    @property
    def start(self) -> Candidate:
        return self.candidates[0]

    def waiting(self) -> tuple[Case, ...]:
        return tuple(case for case in self.cases.values() if case.waits)

    def with_cases(self, *cases: Case, **changes: Any) -> LoopState:
        """The state with some cases as they are now, and other fields changed."""
        return replace(self, cases={**self.cases, **{case.id: case for case in cases}}, **changes)

    def was_clean(self) -> bool:
        """This round's review admitted nothing and left nothing to mend."""
        return self.answered > 0 and self.admitted == 0 and not self.waiting()
