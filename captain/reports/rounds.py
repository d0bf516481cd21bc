"""A review loop round by round: what was found, verified, mended and brought, read from the loop's log."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from captain.core.cases import Candidate, Case, known_weight
from captain.core.loop_events import (
    CheckTurnedFlaky,
    FindingProposed,
    FixAttempted,
    GateDecided,
    LanesJoined,
    LoopConcluded,
    LoopEvent,
    LoopStarted,
    ReviewStarted,
)
from captain.reports import words
from captain.review.ledger import apply
from captain.review.state import LoopState


@dataclass(frozen=True, slots=True, kw_only=True)
class RoundFigures:
    """One round. Of cases: `found` were raised for the first time by its reviews, `verified` admitted for the first
    time, `fixed` mended by a change that stayed, `introduced` brought by a fix, `reopened` there again.

    `undone` and `declined` count attempts. The weights are what was known, at the round's end, of the state it began
    and of the state it ended with; `head` is the latter. `checks` leaves out what failed without the change too, and
    what is flaky.
    """

    number: int
    found: int
    verified: int
    rejected: int
    fixed: int
    introduced: int
    reopened: int
    undone: int
    declined: int
    checks: int
    failing: tuple[str, ...]
    weight_before: int
    weight: int
    head: Candidate

    def told(self) -> str:
        """The round in one line; names of checks are somebody's text, and not made safe here."""
        counted = {
            "found": self.found,
            "verified": self.verified,
            "fixed": self.fixed,
            "introduced": self.introduced,
            "reopened": self.reopened,
        }
        parts = [
            f"{number} {what}" for what, number in counted.items() if number or (self.found and what == "verified")
        ]
        parts = parts or ["nothing found"]
        parts += [f"{words.count(self.undone, 'attempt')} undone"] if self.undone else []
        parts += [f"{self.declined} declined"] if self.declined else []
        weight = f"weight {self.weight_before}"
        if self.head_moved:
            weight += f", then {self.weight}"
        return f"round {self.number}: {', '.join(parts)}; {self._checks()}; {weight}"

    @property
    def head_moved(self) -> bool:
        return bool(self.fixed) or self.weight != self.weight_before

    def _checks(self) -> str:
        if not self.checks:
            return "no checks"
        if not self.failing:
            return f"{words.count(self.checks, 'check')} passed"
        return f"{len(self.failing)} of {words.count(self.checks, 'check')} failed ({', '.join(self.failing)})"


@dataclass(slots=True)
class RoundReader:
    """Hears a loop's events as they happen, and gives a round's figures with the event that ends it."""

    state: LoopState = field(default_factory=LoopState)
    _began: LoopState | None = None
    _checks: set[str] = field(default_factory=set)
    _failing: list[str] = field(default_factory=list)
    _undone: int = 0
    _declined: int = 0

    def hear(self, event: LoopEvent) -> RoundFigures | None:
        before = self.state
        self.state = apply(before, event)
        match event:
            case LoopStarted():
                self._checks = {*event.ratchet}
            case ReviewStarted():
                self._began = before
                self._failing, self._undone, self._declined = [], 0, 0
            case FindingProposed(trusted=True, trial=trial) if trial is not None:
                self._failing.append(trial.check.name)
                self._checks.add(trial.check.name)
            case CheckTurnedFlaky():
                self._checks.discard(event.check)
            case FixAttempted(commit=None):
                self._declined += 1
            case GateDecided(accepted=False):
                self._undone += 1
            case LanesJoined():
                self._undone += len(event.dropped)
                return self._close()
            case LoopConcluded():
                return self._close()
            case _:
                pass
        return None

    def _close(self) -> RoundFigures | None:
        if self._began is None:
            return None
        began, ended, self._began = self._began, self.state, None
        pairs = [(began.cases.get(case.id), case) for case in ended.cases.values() if not case.undone]
        verified = [case for was, case in pairs if case.admitted and not (was is not None and was.admitted)]
        known = tuple(ended.cases.values())
        return RoundFigures(
            number=ended.round,
            found=sum(was is None and case.parent is None for was, case in pairs),
            verified=len(verified),
            rejected=sum(case.status == "rejected" and not (was and was.status == "rejected") for was, case in pairs),
            fixed=sum(_fixed_by(case) is not None and _fixed_by(case) != _fixed_by(was) for was, case in pairs),
            introduced=sum(case.introduced_by is not None for case in verified),
            reopened=sum(case.times_reopened > (was.times_reopened if was else 0) for was, case in pairs),
            undone=self._undone,
            declined=self._declined,
            checks=len(self._checks),
            failing=tuple(dict.fromkeys(self._failing)),
            weight_before=known_weight(known, began.head),
            weight=known_weight(known, ended.head),
            head=ended.head,
        )


def _fixed_by(case: Case | None) -> str | None:
    return case.fixed_by if case is not None else None


def rounds_of(log: Iterable[LoopEvent]) -> tuple[RoundFigures, ...]:
    """All rounds of a log that are over."""
    reader = RoundReader()
    return tuple(figures for event in log if (figures := reader.hear(event)) is not None)
