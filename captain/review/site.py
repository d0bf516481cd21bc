"""What a loop works with while it runs: its engine, the repository, who is asked, and what it is all about."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Literal, TypeVar

import anyio

from captain.core import codec
from captain.core.cases import Case, Vote
from captain.core.errors import BudgetExceededError, CaptainError
from captain.core.findings import Finding, Proposal, Review
from captain.core.loop_events import LoopEvent, ReviewEnded
from captain.core.tasks import Check, CheckResult, Task
from captain.review.asking import Judge, Question, Reproducer, Reviewer, Verifier
from captain.review.bench import Bench, Labels, Outcome
from captain.review.engine import Engine
from captain.review.fixing import Fixer
from captain.review.rules import Remarks, Rules
from captain.review.trees import Trees
from captain.workspace import Repository, Workspaces

T = TypeVar("T")
Asked = Literal["real", "gone"]


@dataclass(frozen=True, slots=True, kw_only=True)
class NoReview:
    """Why a reviewer gave none."""

    problem: str


@dataclass(slots=True, kw_only=True)
class Site:
    """`checks` are those of the loop, by name; `heard` is told of each event, of which `told` it has been told.

    `before` is the log of a loop that was cut off, `log` what has happened since.
    """

    run: str
    repository: Repository
    workspaces: Workspaces
    bench: Bench
    trees: Trees
    engine: Engine
    label: Labels
    task: Task
    base: str
    reviewers: Sequence[Reviewer]
    verifiers: Sequence[Verifier]
    fixer: Fixer | None
    checks: Mapping[str, Check]
    in_scope: Callable[[str], bool]
    rules: Rules
    reproducer: Reproducer | None = None
    judge: Judge | None = None
    review_timeout_s: float = 600.0
    fix_timeout_s: float = 3600.0
    heard: Callable[[LoopEvent], Awaitable[None]] | None = None
    before: Sequence[LoopEvent] = ()
    log: list[LoopEvent] = field(default_factory=list)
    outcomes: dict[str, tuple[Outcome, ...]] = field(default_factory=dict)
    remarks: dict[str, Remarks] = field(default_factory=dict)
    told: int = 0
    turn: anyio.Lock = field(default_factory=anyio.Lock)

    async def tell(self, event: LoopEvent) -> None:
        self.engine.tell(event)
        await self.flush()

    async def flush(self) -> None:
        """Passes on what happened, each event once and in order, the engine's own decisions among them."""
        async with self.turn:
            while self.told < len(self.log):
                event = self.log[self.told]
                self.told += 1
                if self.heard is not None:
                    await self.heard(event)

    def heard_before(self, round_: int) -> list[str]:
        """The reviewers that were through with a round when the loop was cut off."""
        return [said.reviewer for said in self.before if isinstance(said, ReviewEnded) and said.round == round_]

    @property
    def cases(self) -> Mapping[str, Case]:
        return self.engine.state.cases

    def watched(self, fixes: frozenset[str]) -> tuple[Check, ...]:
        """What must not fail where these fixes are: the ratchet, and the checks that show their cases to be gone."""
        state = self.engine.state
        ratchet = [self.checks[name] for name in state.ratchet if name in self.checks]
        shown = [
            Check(name=case.id, command=case.reproduction.command)
            for case in state.cases.values()
            if case.status == "fixed" and case.admitted and case.reproduction is not None
            if case.fixed_by in fixes and case.id not in state.flaky
        ]
        return (*ratchet, *shown)

    async def standing(self, commit: str) -> tuple[Outcome, ...]:
        """How all checks stand on a commit; run once for each commit."""
        if commit not in self.outcomes:
            self.outcomes[commit] = await self.bench.standing(tuple(self.checks.values()), commit)
        return self.outcomes[commit]

    async def remarked(self, commit: str) -> Remarks:
        """What the rules say of the whole change up to a commit."""
        if commit not in self.remarks:
            diff = await self.repository.diff(self.base, commit)
            self.remarks[commit] = await self.rules.of(self.base, commit, diff)
        return self.remarks[commit]

    async def proposal(self, base: str, head: str, checks: Sequence[CheckResult] = ()) -> Proposal:
        """What is between two commits; of the whole change, with what the rules say of it."""
        remarks = await self.remarked(head) if base == self.base else Remarks()
        return Proposal(
            task=self.task,
            round=self.engine.state.round,
            base=base,
            head=head,
            diff=await self.repository.diff(base, head),
            checks=tuple(checks),
            findings=remarks.findings,
            doubts=remarks.doubts,
            questions=remarks.questions,
        )

    async def look(self, reviewer: Reviewer, proposal: Proposal) -> Review | NoReview:
        """One review, or why there is none."""
        answer, problem = await patiently(partial(reviewer.review, proposal), self.review_timeout_s)
        return NoReview(problem=problem or "it handed in nothing") if answer is None else answer

    async def opinion(self, case: Case, proposal: Proposal, kind: Asked, place: str) -> Vote:
        """Of the first verifier that gives one; those who did not raise the finding come first.

        `place` says what the question belongs to: with case and kind it names the question in its loop.
        """
        ready = sorted(self.verifiers, key=lambda verifier: verifier.name in case.raised_by)
        turn = len(case.votes) % max(1, len(ready))
        question = self.question(case, proposal, kind, place)
        problem = "there is nobody to ask"
        for verifier in (*ready[turn:], *ready[:turn]):
            vote, problem = await patiently(partial(verifier.verify, question), self.review_timeout_s)
            if isinstance(vote, Vote):
                return vote
        return Vote(voter="", accepts=False, reason=f"no second opinion was to be had: {problem}")

    def question(self, case: Case, proposal: Proposal, kind: Asked, place: str) -> Question:
        said = case.finding
        bare = Finding(
            id=case.id,
            severity=said.severity,
            category=said.category,
            path=said.path,
            anchor=said.anchor,
            claim=said.claim,
            evidence="",
            symbol=said.symbol,
            line=case.anchor.line if case.anchor is not None else None,
        )
        return Question(
            id=f"{_named(said)}-{kind}-{place}",
            kind=kind,
            proposal=proposal,
            finding=bare,
            trial=case.trial if kind != "gone" else None,
        )

    async def reproduction(self, case: Case, proposal: Proposal, place: str) -> str | None:
        reproducer = self.reproducer
        if reproducer is None:
            return None
        question = self.question(case, proposal, "real", place)
        command, _ = await patiently(partial(reproducer.reproduce, question), self.review_timeout_s)
        return command


def _named(finding: Finding) -> str:
    """By what it says: the number of a case may be another one when the loop goes on after it was cut off."""
    return codec.digest((finding.path, finding.anchor, finding.claim))[:12]


async def patiently(ask: Callable[[], Awaitable[T]], timeout_s: float) -> tuple[T | None, str]:
    """An answer, or why there is none: an error of Captain's, or silence. An exhausted budget is raised."""
    with anyio.move_on_after(timeout_s):
        try:
            return await ask(), ""
        except BudgetExceededError:
            raise
        except CaptainError as error:
            return None, str(error)
    return None, f"it gave no answer within {timeout_s:g} s"
