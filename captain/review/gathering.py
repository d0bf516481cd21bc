"""What the fix gate wants to know about a change, found out in copies nobody has worked in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from captain.core.cases import Case, Trial
from captain.core.loop_events import CheckTurnedFlaky, FindingProposed, LoopEvent, Ruled, Tried, Voted
from captain.core.tasks import Check
from captain.review.admission import Proof, Ruling
from captain.review.asking import Reviewer
from captain.review.bench import Outcome, is_test
from captain.review.fix_gate import GateFacts, Gone, Wanted, next_evidence
from captain.review.intake import Ground, Intake, usable
from captain.review.rules import key_of
from captain.review.site import NoReview, Site


@dataclass(slots=True, kw_only=True)
class Gathering:
    """Of one change, from `before` to `after`, that is to mend `cases`; `keep` must stay mended.

    `job` names the attempt, `fixes` are those that are in `before`.
    """

    site: Site
    intake: Intake
    job: str
    cases: tuple[Case, ...]
    keep: tuple[Case, ...]
    before: str
    after: str
    fixes: frozenset[str]
    by_products: tuple[str, ...] = ()
    reviewed: bool = False

    async def facts(self) -> GateFacts:
        """As many as the gate needs to decide."""
        delta = self.site.engine.current.delta_review and bool(self.site.reviewers)
        facts = GateFacts(weights=tuple(case.weight for case in self.cases), delta_review=delta)
        while (wanted := next_evidence(facts)) is not None:
            facts = await self._look_at(wanted, facts)
        return facts

    async def _look_at(self, wanted: Wanted, facts: GateFacts) -> GateFacts:
        match wanted:
            case "scope":
                outside = await self.site.rules.outside(self.before, self.after)
                remarks = await self.site.rules.shortcuts(self.before, self.after)
                shortcuts = tuple(f"{finding.path}: {finding.claim}" for finding in remarks.findings)
                return replace(facts, outside=outside, shortcuts=shortcuts)
            case "ratchet":
                return replace(facts, broken=await self._broken())
            case "gone":
                mended = [await self._gone(case) for case in self.cases]
                kept = [await self._kept(case) for case in self.keep if case.reproduction is None]
                return replace(facts, gone=(*mended, *kept))
            case "harm":
                return replace(facts, by_products=await self._harm())

    async def _broken(self) -> tuple[str, ...]:
        mine = {case.id for case in self.cases}
        watched = [check for check in self.site.watched(self.fixes) if check.name not in mine]
        return await broken(self.site, watched, self.after)

    async def _gone(self, case: Case) -> Gone:
        """By its own check where it has one, else by a verifier who sees the code and not the fixer's words."""
        check = case.reproduction
        if check is None and case.trusted:
            return await self._rule_holds(case)
        if check is None:
            return await self._kept(case)
        bench = self.site.bench
        if await bench.passes(check, self.before):
            return Gone(case=case.id, failed_before=False)
        if not await bench.passes(check, self.after):
            return Gone(case=case.id, failed_before=True, passes_after=False)
        fails = await self._fails_without_the_product(case, check)
        return Gone(case=case.id, failed_before=True, passes_after=True, fails_when_reverted=fails)

    async def _rule_holds(self, case: Case) -> Gone:
        """What a rule held against the change: whether it still does."""
        remarks = await self.site.remarked(self.after)
        held = any(key_of(finding) == key_of(case.finding) for finding in remarks.findings)
        return Gone(case=case.id, said_gone=not held, reason=case.finding.claim)

    async def _fails_without_the_product(self, case: Case, check: Check) -> bool | None:
        """With only the product's part of the change taken back; None where a finding is about tests alone."""
        changes = await self.site.repository.changes(self.before, self.after)
        product = [change.path for change in changes if not is_test(change.path)]
        if not product:
            return None if is_test(case.finding.path) else False
        if len(product) == len(changes):
            return True  # taken back, it is the commit before, where the check was just seen to fail
        reverted = await self.site.repository.put_back(self.after, self.before, product, "without the product's part")
        return not await self.site.bench.passes(check, reverted)

    async def _kept(self, case: Case) -> Gone:
        proposal = await self.site.proposal(self.before, self.after)
        vote = await self.site.opinion(case, proposal, "gone", self.job)
        return Gone(case=case.id, said_gone=vote.accepts, reason=vote.reason)

    async def _harm(self) -> tuple[int, ...]:
        """Weights of what a delta review finds in this change alone, once it is verified."""
        reviewer = another(self.site.reviewers[0], self.job)
        review = await self.site.look(reviewer, await self.site.proposal(self.before, self.after))
        if isinstance(review, NoReview):
            return ()  # the cold review of the whole is still to come
        self.reviewed = True
        try:
            findings, _ = usable(review, self.site.engine.current.max_findings)
        except ValueError:
            return ()
        ground = Ground(
            base=self.before,
            head=self.after,
            history=(self.before, self.after),
            labels={},
            parent=self.cases[0].id,
            brought_by=self.after,
        )
        brought: list[FindingProposed] = []

        async def keep(event: FindingProposed) -> None:
            if not (event.about_change and event.anchored):
                return
            known = self.site.cases.get(event.case)
            if known is None:
                brought.append(event)
            elif known.status == "fixed":  # it is said to be back, and this change would have done it
                as_new = replace(event, case=self.intake.names(), matched="new", heard="propose")
                brought.append(replace(as_new, parent=ground.parent, possible_duplicate_of=known.id))

        await self.intake.take(findings, reviewer.name, self.site.engine.state.round, ground, keep)
        admitted = [event.case for event in brought if await self._is_real(event)]
        self.by_products = tuple(admitted)
        return tuple(self.site.cases[name].weight for name in admitted)

    async def _is_real(self, event: FindingProposed) -> bool:
        await self.site.tell(event)
        while not isinstance(ruling := self.site.engine.judge(event.case), Ruling):
            await self.site.tell(await prove(self.site, event.case, ruling, (self.before, self.after), self.job))
        await self.site.tell(
            Ruled(case=event.case, status=ruling.status, reason=ruling.reason, admitted=ruling.admitted)
        )
        return ruling.admitted


async def prove(site: Site, name: str, proof: Proof, between: tuple[str, str], place: str) -> LoopEvent:
    """One piece of evidence about a case on the second of two commits. `place` tells one question from others."""
    base, head = between
    case = site.cases[name]
    if proof == "vote":
        return Voted(case=name, vote=await site.opinion(case, await site.proposal(base, head), "real", place))
    command = case.finding.suggested_check
    if proof == "reproduction":
        command = await site.reproduction(case, await site.proposal(base, head), place)
    check = Check(name=name, command=command or "")
    if not command:
        return Tried(case=name, trial=Trial(check=check, fails_on_head=None))
    return Tried(case=name, trial=await site.bench.try_out(check, head, base))


async def broken(site: Site, watched: Sequence[Check], commit: str) -> tuple[str, ...]:
    """The names of the checks that fail on a commit."""
    return tuple(outcome.result.check.name for outcome in await failing(site, watched, commit))


async def failing(site: Site, watched: Sequence[Check], commit: str) -> tuple[Outcome, ...]:
    """The checks that fail each time they are run. One that does not is flaky, and watched no longer."""
    outcomes = await site.bench.standing(watched, commit)
    for outcome in outcomes:
        if outcome.standing == "flaky":
            await site.tell(CheckTurnedFlaky(check=outcome.result.check.name))
    return tuple(outcome for outcome in outcomes if outcome.standing == "fails")


def another(reviewer: Reviewer, label: str) -> Reviewer:
    """The same reviewer for another look, with a name of its own where it knows how."""
    again = getattr(reviewer, "again", None)
    made: Reviewer = again(label) if callable(again) else reviewer
    return made
