"""What is to be done: diagnoses, tasks, plans, and how what is done is proved."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from captain.core.errors import CaptainError

TaskKind: TypeAlias = Literal["fix", "change", "investigate"]
TriageKind: TypeAlias = Literal["answer", "clarify", "fix", "change", "decline"]
ChangeKind: TypeAlias = Literal["add", "edit", "delete", "executable", "symlink", "submodule", "binary", "odd_name"]

USUAL_KINDS: Final[tuple[ChangeKind, ...]] = ("add", "edit", "delete")
"""What any task may do within its scope. A rename is a deletion and an addition."""


_FLAKY_RUNS: Final = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Location:
    path: str
    symbol: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestItem:
    """One part of the request; `text` quotes its words. Background is `context`; `declined` says why it is not done."""

    id: str
    text: str
    context: bool = False
    declined: str = ""

    @property
    def wanted(self) -> bool:
        return not self.context and not self.declined.strip()


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnosis:
    """The root cause of a bug.

    `reproduction` is a shell command that fails on the base commit and has to pass after the fix; a `flaky` one
    failed there only some of the times. Where none is possible, `no_reproduction` says why.
    """

    id: str
    cause: str
    locations: tuple[Location, ...]
    reproduction: str | None = None
    no_reproduction: str | None = None
    flaky: bool = False

    @property
    def proof(self) -> str | None:
        """The command that has to pass after the fix: several runs in a row of what failed only sometimes."""
        if self.reproduction is None or not self.flaky:
            return self.reproduction
        times = " ".join(map(str, range(1, _FLAKY_RUNS + 1)))
        return f'for run in {times}; do "${{BASH:-sh}}" -c {shlex.quote(self.reproduction)} || exit; done'


@dataclass(frozen=True, slots=True, kw_only=True)
class Triage:
    """The first decision. `reply` is what the user is told when no work follows from it.

    `items` are the parts of the request. `wide` are areas, as patterns, of a search too wide for one to make.
    """

    kind: TriageKind
    reason: str
    reply: str = ""
    diagnoses: tuple[Diagnosis, ...] = ()
    items: tuple[RequestItem, ...] = ()
    wide: tuple[str, ...] = ()

    @property
    def leads_to_work(self) -> bool:
        return self.kind in ("fix", "change")


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """A shell command whose exit code 0 means that something holds."""

    name: str
    command: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckResult:
    """`exit_code` is None when the command was stopped after its time limit; `output` is its tail."""

    check: Check
    exit_code: int | None
    output: str
    duration_s: float

    @property
    def passed(self) -> bool:
        return self.exit_code == 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Criterion:
    """One thing that must be true at the end, proved by a named check or by evidence a reviewer cites.

    `covers` are the ids of the items of the request that it serves.
    """

    id: str
    text: str
    check: str | None = None
    evidence: str | None = None
    covers: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """What a task may change: gitignore-style patterns, the last one that matches decides.

    `forbid` wins over `paths`. What `protect` matches may be changed only where `paths` names it, by a pattern
    that begins in the protected place; it adds to what is always protected, and a pattern with `!` takes from
    that. `symbols` narrow the Python files that define one of them. `kinds` are the changes granted.
    """

    paths: tuple[str, ...]
    forbid: tuple[str, ...] = ()
    protect: tuple[str, ...] = ()
    symbols: tuple[str, ...] = ()
    max_files: int | None = None
    max_lines: int | None = None
    kinds: tuple[ChangeKind, ...] = USUAL_KINDS


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """`brief` is all that a Build agent is told. `diagnosis` is the id of the diagnosis a fix rests on."""

    id: str
    title: str
    kind: TaskKind
    brief: str
    scope: Scope
    criteria: tuple[Criterion, ...]
    checks: tuple[Check, ...]
    depends_on: tuple[str, ...] = ()
    diagnosis: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """`declined` are ids of items of the request that are not done, each with the reason."""

    summary: str
    tasks: tuple[Task, ...]
    declined: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class FollowUp:
    """Work that was noticed and left alone. `ref` keeps what was put back, where something was."""

    title: str
    detail: str
    paths: tuple[str, ...] = ()
    task: str | None = None
    ref: str | None = None


TaskState: TypeAlias = Literal[
    "planned", "building", "checking", "reviewing", "waiting", "accepted", "parked", "failed", "cancelled"
]

AT_WORK: Final[frozenset[TaskState]] = frozenset({"planned", "building", "checking", "reviewing"})
"""From these a task goes on when its run is resumed; `accepted` stands, and the others are taken back."""

_NEXT: Final[dict[TaskState, frozenset[TaskState]]] = {
    "planned": frozenset({"building", "parked", "failed", "cancelled"}),
    "building": frozenset({"checking", "waiting", "parked", "failed", "cancelled"}),
    "checking": frozenset({"reviewing", "building", "waiting", "parked", "failed", "cancelled"}),
    "reviewing": frozenset({"building", "waiting", "accepted", "parked", "failed", "cancelled"}),
    "waiting": frozenset({"building", "checking", "reviewing", "parked", "failed", "cancelled"}),  # for an answer
    "accepted": frozenset({"parked"}),
    "parked": frozenset(),
    "failed": frozenset(),
    "cancelled": frozenset(),
}


def next_states(now: TaskState) -> frozenset[TaskState]:
    """Where a task may go from `now`; nowhere once it has ended."""
    return _NEXT[now]


def next_state(now: TaskState, then: TaskState) -> TaskState:
    """`then`, if a task may go there from `now`."""
    if then not in next_states(now):
        raise CaptainError(f"A task cannot go from {now!r} to {then!r}.")
    return then
