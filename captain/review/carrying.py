"""Carries out what the engine finds due: reviews, proofs, fixes with their gate, and the joining of lanes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Final

import anyio

from captain.core import ids
from captain.core.cases import Case, Trial
from captain.core.errors import BudgetExceededError, CaptainError, WorkspaceError
from captain.core.findings import Finding, Review
from captain.core.loop_events import (
    BudgetReached,
    FindingProposed,
    FixAttempted,
    GateDecided,
    LanesJoined,
    ReviewEnded,
    ReviewsEnded,
)
from captain.core.tasks import CheckResult
from captain.core.together import together
from captain.review.bench import Outcome
from captain.review.engine import Action, Join, Look, Mend, Prove
from captain.review.fix_gate import accept
from captain.review.fixing import FailedTry, FixJob
from captain.review.gathering import Gathering, another, broken, failing, prove
from captain.review.intake import Ground, Intake, usable
from captain.review.joining import join
from captain.review.loop import Reviewer, failures
from captain.review.site import NoReview, Site
from captain.workspace import Workspace

_SAID_CHARS: Final = 500
_CLAIM_CHARS: Final = 60


@dataclass(slots=True, kw_only=True)
class Carrier:
    """One loop's hands. Each method ends with the event that its action waits for."""

    site: Site
    intake: Intake

    async def carry_out(self, action: Action) -> None:
        match action:
            case Look():
                await self.look(action)
            case Prove():
                await self.prove(action)
            case Mend():
                await self.mend(action)
            case Join():
                await self.join(action)

    async def look(self, action: Look) -> None:
        site = self.site
        outcomes = await site.standing(action.commit)
        ground = await self._ground(action.commit)
        answered = await self._own_checks(outcomes, action, ground)
        proposal = await site.proposal(site.base, action.commit, [outcome.result for outcome in outcomes])
        reviewers = [self._nth(number) for number in range(action.reviewers)] if site.reviewers else []
        try:
            reviews = await together([partial(site.look, reviewer, proposal) for reviewer in reviewers])
        except BudgetExceededError as error:
            await site.tell(BudgetReached(reason=str(error)))
            reviews = tuple(NoReview(problem=str(error)) for _ in reviewers)
        for reviewer, review in zip(reviewers, reviews, strict=True):
            await self._take(reviewer, review, action.round, ground)
        if not reviewers:
            await site.tell(ReviewEnded(round=action.round, reviewer="checks", findings=answered))
        await site.tell(ReviewsEnded(round=action.round))

    def _nth(self, number: int) -> Reviewer:
        """The reviewers in turn; one that is asked again in a round looks anew."""
        reviewers = self.site.reviewers
        reviewer = reviewers[number % len(reviewers)]
        again = number // len(reviewers)
        return another(reviewer, str(again + 1)) if again else reviewer

    async def _take(self, reviewer: Reviewer, review: Review | NoReview, round_: int, ground: Ground) -> None:
        site = self.site
        if isinstance(review, NoReview):
            await site.tell(ReviewEnded(round=round_, reviewer=reviewer.name, problem=review.problem))
            return
        try:
            findings, left_out = usable(review, site.engine.current.max_findings)
        except ValueError as problem:
            await site.tell(ReviewEnded(round=round_, reviewer=reviewer.name, problem=str(problem)))
            return
        await self.intake.take(findings, reviewer.name, round_, ground, site.tell)
        cited = tuple(criterion for criterion, shown_by in review.evidence if shown_by.strip())
        await site.tell(
            ReviewEnded(round=round_, reviewer=reviewer.name, findings=len(findings), left_out=left_out, cited=cited)
        )

    async def _own_checks(self, outcomes: Sequence[Outcome], action: Look, ground: Ground) -> int:
        """Checks that fail on the commit and are no baseline, as findings that need nobody's opinion."""
        site, state = self.site, self.site.engine.state
        excused = {*state.baseline, *state.flaky}
        found = [one for one in outcomes if one.standing == "fails" and one.result.check.name not in excused]
        for outcome in found:
            (said,) = failures((outcome.result,))
            await site.tell(self._trusted(said, outcome, action, ground))
        return len(found)

    def _trusted(self, said: Finding, outcome: Outcome, action: Look, ground: Ground) -> FindingProposed:
        check = outcome.result.check
        known = next(
            (case for case in self.site.cases.values() if case.trusted and case.trial and case.trial.check == check),
            None,
        )
        return FindingProposed(
            case=known.id if known is not None else self.intake.names(),
            finding=said,
            reviewer="checks",
            round=action.round,
            matched="new" if known is None else "reproduction",
            commit=ground.head,
            trusted=True,
            trial=Trial(check=check, fails_on_head=True, output=outcome.result.output),
            heard="propose" if known is None or known.status == "fixed" else "note",
        )

    async def _ground(self, head: str) -> Ground:
        site, state = self.site, self.site.engine.state
        start = state.start.commit
        listing = await site.repository.git.text("rev-list", "--first-parent", "--reverse", f"{start}..{head}")
        return Ground(base=site.base, head=head, history=(start, *listing.split()), labels=dict(state.labels))

    async def prove(self, action: Prove) -> None:
        site = self.site
        try:
            event = await prove(site, action.case, action.proof, site.base, site.engine.state.head.commit)
        except BudgetExceededError as error:
            event = BudgetReached(reason=str(error))
        await site.tell(event)

    async def mend(self, action: Mend) -> None:
        """An attempt from the fixer's work to the gate's word. What a person's budget ends is not held against it."""
        try:
            await self._attempt(action)
        except BudgetExceededError as error:
            await self.site.tell(BudgetReached(reason=str(error)))
            await self._declined(action, str(error))

    async def _attempt(self, action: Mend) -> None:
        site = self.site
        job = await self._job(action)
        fixes = site.engine.state.lanes[action.lane].head.holds
        async with site.workspaces.open(site.label("mend"), action.commit) as workspace:
            said = await self._fix(job, workspace)
            try:
                commit = await self._snapshot(job, workspace)
                if commit is not None and (results := await self._broke(commit, fixes)):
                    await self._fix(replace(job, broken=results), workspace)
                    commit = await self._snapshot(job, workspace)
            except WorkspaceError as refused:
                await self._refused(action, str(refused))
                return
        if commit is None:
            await self._declined(action, said)
            return
        ref = await self._keep(commit)
        await site.tell(
            FixAttempted(
                cases=action.cases, rung=action.rung, round=action.round, commit=commit, said=said[:_SAID_CHARS]
            )
        )
        gathering = Gathering(
            site=site,
            intake=self.intake,
            cases=job.cases,
            keep=job.keep,
            before=action.commit,
            after=commit,
            fixes=fixes,
        )
        facts = await gathering.facts()
        result = accept(facts)
        await site.tell(
            GateDecided(
                cases=action.cases,
                rung=action.rung,
                commit=commit,
                accepted=result.accepted,
                clause=result.clause,
                reason=result.reason,
                by_products=gathering.by_products,
                reviewed=gathering.reviewed,
                toggled=tuple(gone.case for gone in facts.gone or () if gone.toggled),
                ref=ref,
                tree=await site.repository.tree(commit),
            )
        )

    async def _fix(self, job: FixJob, workspace: Workspace) -> str:
        """The fixer's own words. An error of its model, or its time limit, is told in place of them."""
        with anyio.move_on_after(self.site.fix_timeout_s):
            try:
                return str(await self.site.fixer.fix(job, workspace))
            except BudgetExceededError:
                raise
            except CaptainError as error:
                return str(error)
        return f"It was stopped after {self.site.fix_timeout_s:g} s."

    async def _snapshot(self, job: FixJob, workspace: Workspace) -> str | None:
        """What the workspace holds as one commit on the one it began with; None if that is the same."""
        repository = self.site.repository
        taken = await workspace.snapshot(f"{job.id}, as it was left")
        if await repository.tree(taken) == await repository.tree(job.commit):
            return None
        return await repository.commit_tree(taken, (job.commit,), _message(job, self.site.run))

    async def _broke(self, commit: str, fixes: frozenset[str]) -> tuple[CheckResult, ...]:
        """Watched checks that the change broke: its author may repair that before the gate looks."""
        return tuple(outcome.result for outcome in await failing(self.site, self.site.watched(fixes), commit))

    async def _job(self, action: Mend) -> FixJob:
        cases = [self.site.cases[name] for name in action.cases]
        waiting = tuple(case for case in cases if case.waits)
        return FixJob(
            id=self.site.label("fix"),
            task=self.site.task,
            cases=waiting,
            keep=tuple(case for case in cases if not case.waits),
            rung=action.rung,
            round=action.round,
            commit=action.commit,
            earlier=await self._earlier(waiting),
        )

    async def _earlier(self, cases: Sequence[Case]) -> tuple[FailedTry, ...]:
        failed = {
            attempt.commit: attempt
            for case in cases
            for attempt in case.attempts
            if attempt.outcome == "undone" and attempt.commit
        }
        tries = []
        for commit, attempt in failed.items():
            diff = await self.site.repository.diff(f"{commit}^", commit)
            tries.append(FailedTry(diff=diff, clause=attempt.clause, reason=attempt.reason))
        return tuple(tries)

    async def _keep(self, commit: str) -> str:
        """Under a ref before anything is decided about it, so that nothing is lost whatever is."""
        ref = ids.attempt_ref(self.site.run, self.site.label("attempt"))
        await self.site.repository.set_ref(ref, commit, None)
        return ref

    async def _declined(self, action: Mend, said: str) -> None:
        await self.site.tell(
            FixAttempted(cases=action.cases, rung=action.rung, round=action.round, commit=None, said=said[:_SAID_CHARS])
        )

    async def _refused(self, action: Mend, reason: str) -> None:
        await self.site.tell(
            GateDecided(
                cases=action.cases,
                rung=action.rung,
                commit="",
                accepted=False,
                clause="scope",
                reason=reason,
                reviewed=False,
            )
        )

    async def join(self, action: Join) -> None:
        site = self.site

        held = site.engine.state.head.holds

        async def fails(commit: str, fixes: frozenset[str]) -> str:
            return ", ".join(await broken(site, site.watched(held | fixes), commit))

        fixes = [commit for lane in action.lanes for commit in lane]
        line = await join(site.repository, action.onto, fixes, fails)
        await self._keep(line.head)
        await site.tell(
            LanesJoined(
                round=action.round,
                commit=line.head,
                tree=await site.repository.tree(line.head),
                dropped=tuple(fix for fix, _ in line.dropped),
                picked=tuple((pick.fix, pick.commit) for pick in line.picked if pick.fix != pick.commit),
                reason="; ".join(reason for _, reason in line.dropped),
            )
        )


def _message(job: FixJob, run: str) -> str:
    """Claims are a model's words: one printable line of them."""
    first = job.cases[0].finding.claim
    claim = "".join(char if char.isprintable() else " " for char in first)[:_CLAIM_CHARS].strip()
    names = ", ".join(case.id for case in job.cases)
    return f"Mend {names}: {claim}\n\nCaptain-Run: {run}\nCaptain-Attempt: {job.id}\n"  # two attempts are two commits
