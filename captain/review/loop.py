"""The review loop: propose, review, mend, until a rule ends it; the best round is what is kept."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Protocol

from captain.core.errors import UsageError
from captain.core.findings import Finding, Proposal, Review, Verdict
from captain.core.tasks import CheckResult
from captain.core.together import together
from captain.review.convergence import Round, best, to_mend, verdict


class Reviewer(Protocol):
    """Anything that looks at a proposal and says what is wrong with it."""

    @property
    def name(self) -> str: ...

    async def review(self, proposal: Proposal, /) -> Review: ...


class Author(Protocol):
    """Whoever makes a proposal and mends it: round 1 has no findings to mend."""

    async def propose(self, round_: int, findings: tuple[Finding, ...], /) -> Proposal: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class LoopResult:
    verdict: Verdict
    reason: str
    kept: Round
    rounds: tuple[Round, ...]

    @property
    def accepted(self) -> bool:
        """What is kept has no known critical or major finding. That is not the same as correct."""
        return self.kept.acceptable


async def _ignore(_: Proposal, __: Review) -> None:
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewLoop:
    """Independent reviewers over at most `max_rounds` rounds. Failed checks count as critical findings,
    and a proposal's own findings as they are.

    `on_review` hears of every review as it comes in.
    """

    reviewers: tuple[Reviewer, ...]
    max_rounds: int = 3
    on_review: Callable[[Proposal, Review], Awaitable[None]] = _ignore

    def __post_init__(self) -> None:
        if self.max_rounds < 1:
            raise UsageError(f"A review loop of {self.max_rounds} rounds cannot start.", hint="Use 1 or more.")

    async def run(self, author: Author) -> LoopResult:
        rounds: list[Round] = []
        findings: tuple[Finding, ...] = ()
        while True:
            proposal = await author.propose(len(rounds) + 1, findings)
            found = await self._review(proposal)
            failed = _numbered(failures(proposal.checks), f"R{proposal.round}.check-")
            ruled = _numbered(proposal.findings, f"R{proposal.round}.rule-")
            findings = (*failed, *ruled, *(finding for review in found for finding in review.findings))
            rounds.append(Round(proposal=proposal, findings=findings, reviews=found))
            ended = verdict(rounds, self.max_rounds)
            if ended is not None:
                return LoopResult(
                    verdict=ended[0],
                    reason=ended[1],
                    kept=best(rounds),
                    rounds=tuple(rounds),
                )
            findings = to_mend(rounds)

    async def _review(self, proposal: Proposal) -> tuple[Review, ...]:
        """All reviewers at once: none sees what another found."""

        async def look(number: int, reviewer: Reviewer) -> Review:
            review = await reviewer.review(proposal)
            prefix = f"R{proposal.round}." if len(self.reviewers) == 1 else f"R{proposal.round}.{number}."
            review = replace(review, findings=_numbered(review.findings, prefix))
            await self.on_review(proposal, review)
            return review

        return await together([partial(look, number, each) for number, each in enumerate(self.reviewers, 1)])


def failures(checks: Sequence[CheckResult]) -> tuple[Finding, ...]:
    """Failed checks as findings, with their output as evidence."""
    return tuple(
        Finding(
            id="",
            severity="critical",
            category="check",
            path="",
            anchor=result.check.command,
            claim=f"The check {result.check.name!r} "
            + (
                "was stopped at its time limit."
                if result.exit_code is None
                else f"fails with exit code {result.exit_code}."
            ),
            evidence=result.output,
        )
        for result in checks
        if not result.passed
    )


def _numbered(findings: Sequence[Finding], prefix: str) -> tuple[Finding, ...]:
    return tuple(replace(finding, id=f"{prefix}{number}") for number, finding in enumerate(findings, 1))
