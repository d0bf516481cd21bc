"""Carries out what the engine finds due: reviews, proofs, fixes with their gate, and the joining of lanes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from captain.core.cases import Case, Trial
from captain.core.errors import BudgetExceededError
from captain.core.findings import Finding, Proposal, Review
from captain.core.loop_events import (
    BudgetReached,
    CommitChecked,
    FindingProposed,
    LanesJoined,
    ReviewEnded,
    ReviewsEnded,
    RulesApplied,
)
from captain.core.together import together
from captain.review.asking import Reviewer
from captain.review.bench import Outcome
from captain.review.engine import Action, Join, Look, Mend, Prove
from captain.review.failing import finding_of
from captain.review.gathering import another, broken, prove
from captain.review.intake import Ground, Intake, usable
from captain.review.joining import join
from captain.review.mending import Mender, keep
from captain.review.rules import key_of
from captain.review.site import NoReview, Site


def checked(round_: int, commit: str, outcomes: Sequence[Outcome]) -> CommitChecked:
    return CommitChecked(round=round_, commit=commit, results=tuple(outcome.result for outcome in outcomes))


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
                await Mender(site=self.site, intake=self.intake).mend(action)
            case Join():
                await self.join(action)

    async def look(self, action: Look) -> None:
        site = self.site
        outcomes = await site.standing(action.commit)
        await site.tell(checked(action.round, action.commit, outcomes))
        ground = await self._ground(action.commit)
        answered = await self._own_checks(outcomes, action) + await self._own_rules(action)
        proposal = await site.proposal(site.base, action.commit, [outcome.result for outcome in outcomes])
        reviewers = self._still_to_ask(action) if site.reviewers else []
        reviews = await together([partial(self._asked, reviewer, proposal) for reviewer in reviewers])
        for reviewer, review in zip(reviewers, reviews, strict=True):
            await self._take(reviewer, review, action.round, ground)
        if not site.reviewers:
            await site.tell(ReviewEnded(round=action.round, reviewer="checks", findings=answered))
        await site.tell(ReviewsEnded(round=action.round))

    def _still_to_ask(self, action: Look) -> list[Reviewer]:
        """The reviewers of the round, but for those who were heard before the loop was cut off."""
        heard = Counter(self.site.heard_before(action.round))
        reviewers = []
        for reviewer in (self._nth(number) for number in range(action.reviewers)):
            if heard[reviewer.name]:
                heard[reviewer.name] -= 1
            else:
                reviewers.append(reviewer)
        return reviewers

    def _nth(self, number: int) -> Reviewer:
        """The reviewers in turn; one that is asked again in a round looks anew."""
        reviewers = self.site.reviewers
        reviewer = reviewers[number % len(reviewers)]
        again = number // len(reviewers)
        return another(reviewer, str(again + 1)) if again else reviewer

    async def _asked(self, reviewer: Reviewer, proposal: Proposal) -> Review | NoReview:
        """Where the budget of one is used up, the others hand in what they have paid for."""
        site = self.site
        try:
            return await site.look(reviewer, proposal)
        except BudgetExceededError as error:
            if site.engine.state.spent is None:
                await site.tell(BudgetReached(reason=str(error)))
            return NoReview(problem=str(error))

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
        cited = tuple((criterion, shown_by) for criterion, shown_by in review.evidence if shown_by.strip())
        await site.tell(
            ReviewEnded(round=round_, reviewer=reviewer.name, findings=len(findings), left_out=left_out, cited=cited)
        )

    async def _own_checks(self, outcomes: Sequence[Outcome], action: Look) -> int:
        """Checks that fail on the commit and are no baseline, as findings that need nobody's opinion."""
        site, state = self.site, self.site.engine.state
        excused = {*state.baseline, *state.flaky}
        found = [one for one in outcomes if one.standing == "fails" and one.result.check.name not in excused]
        for outcome in found:
            check = outcome.result.check
            trial = Trial(check=check, fails_on_head=True, output=outcome.result.output)
            known = self._trusted(lambda case: case.trial is not None and case.trial.check == check)  # noqa: B023
            await site.tell(self._own(finding_of(outcome.result), known, action, trial))
        return len(found)

    async def _own_rules(self, action: Look) -> int:
        """What rules hold against the change, as findings that need nobody's opinion either."""
        remarks = await self.site.remarked(action.commit)
        applied = RulesApplied(
            round=action.round,
            commit=action.commit,
            findings=remarks.findings,
            questions=remarks.questions,
            unread=remarks.unread,
        )
        if remarks.findings or remarks.questions or remarks.unread:
            await self.site.tell(applied)
        for said in remarks.findings:
            known = self._trusted(lambda case: case.trial is None and key_of(case.finding) == key_of(said))  # noqa: B023
            await self.site.tell(self._own(said, known, action))
        return len(remarks.findings)

    def _trusted(self, same: Callable[[Case], bool]) -> Case | None:
        return next((case for case in self.site.cases.values() if case.trusted and same(case)), None)

    def _own(self, said: Finding, known: Case | None, action: Look, trial: Trial | None = None) -> FindingProposed:
        return FindingProposed(
            case=known.id if known is not None else self.intake.names(),
            finding=said,
            reviewer="rules" if trial is None else "checks",
            round=action.round,
            matched="new" if known is None else "reproduction",
            commit=action.commit,
            trusted=True,
            trial=trial,
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
            place = f"round-{action.round}-{action.number}"
            between = site.base, site.engine.state.head.commit
            event = await prove(site, action.case, action.proof, between, place)
        except BudgetExceededError as error:
            event = BudgetReached(reason=str(error))
        await site.tell(event)

    async def join(self, action: Join) -> None:
        site = self.site

        held = site.engine.state.head.holds

        async def fails(commit: str, fixes: frozenset[str]) -> str:
            return ", ".join(await broken(site, site.watched(held | fixes), commit))

        fixes = [commit for lane in action.lanes for commit in lane]
        line = await join(site.repository, action.onto, fixes, fails)
        await keep(site, line.head)
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
