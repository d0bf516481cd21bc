"""One attempt to mend a cluster: the fixer at work in a copy, a commit, and the gate."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from typing import Final

import anyio

from captain.core import ids
from captain.core.cases import Case
from captain.core.errors import BudgetExceededError, CaptainError, WorkspaceError
from captain.core.loop_events import BudgetReached, FixAttempted, FoundGone, GateDecided
from captain.core.tasks import CheckResult
from captain.review.engine import Mend
from captain.review.fix_gate import accept
from captain.review.fixing import FailedTry, FixJob
from captain.review.gathering import Gathering, failing
from captain.review.intake import Intake
from captain.review.site import Site
from captain.workspace import Workspace

_SAID_CHARS: Final = 500
_CLAIM_CHARS: Final = 60


@dataclass(slots=True, kw_only=True)
class Mender:
    site: Site
    intake: Intake
    kept: str | None = None

    async def mend(self, action: Mend) -> None:
        """An attempt from the fixer's work to the gate's word. What a person's budget ends is not held against it.

        What it had done by then is kept under a ref.
        """
        try:
            await self._attempt(action)
        except BudgetExceededError as error:
            await self.site.tell(BudgetReached(reason=str(error)))
            await self._declined(action, str(error), self.kept)

    async def _attempt(self, action: Mend) -> None:
        site = self.site
        await self._drop_what_is_gone(action)
        if not (job := await self._job(action)).cases:
            return
        fixes = site.engine.state.lanes[action.lane].head.holds
        async with self._workspace(action) as workspace:
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
            await self._left_alone(action, job, said)
            return
        ref = self.kept = await keep(site, commit)
        await site.tell(
            FixAttempted(
                cases=action.cases, rung=action.rung, round=action.round, commit=commit, said=said[:_SAID_CHARS]
            )
        )
        gathering = Gathering(
            site=site,
            intake=self.intake,
            job=job.id,
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

    @asynccontextmanager
    async def _workspace(self, action: Mend) -> AsyncIterator[Workspace]:
        workspace: Workspace | None = None
        try:
            async with self.site.workspaces.open(self.site.label("mend"), action.commit) as workspace:
                yield workspace
        finally:
            if workspace is not None and workspace.kept is not None:
                _, self.kept = workspace.kept

    async def _drop_what_is_gone(self, action: Mend) -> None:
        """Cases that an earlier fix of the lane removed too, by their own checks."""
        lane = self.site.engine.state.lanes[action.lane]
        if not lane.commits:
            return
        for name in action.cases:
            case = self.site.cases[name]
            if case.waits and case.reproduction and await self.site.bench.passes(case.reproduction, action.commit):
                reason = f"`{case.reproduction.command}` passes since an earlier fix of the round"
                await self.site.tell(FoundGone(case=name, by=lane.commits[-1], reason=reason))

    async def _left_alone(self, action: Mend, job: FixJob, said: str) -> None:
        """The fixer changed nothing. It may be right: a verifier, not its words, decides if an earlier fix did it."""
        site = self.site
        lane = site.engine.state.lanes[action.lane]
        left = []
        for case in job.cases:
            if lane.commits and case.reproduction is None and not case.trusted:
                proposal = await site.proposal(site.base, action.commit)
                vote = await site.opinion(case, proposal, "gone", job.id)
                if vote.accepts:
                    await site.tell(FoundGone(case=case.id, by=lane.commits[-1], reason=vote.reason))
                    continue
            left.append(case)
        if left:
            await self._declined(action, said)

    async def _fix(self, job: FixJob, workspace: Workspace) -> str:
        """The fixer's own words. An error of its model, or its time limit, is told in place of them."""
        fixer = self.site.fixer
        assert fixer is not None  # without one, no fix is planned
        with anyio.move_on_after(self.site.fix_timeout_s):
            try:
                return str(await fixer.fix(job, workspace))
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
            id=_name(action),
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

    async def _declined(self, action: Mend, said: str, ref: str | None = None) -> None:
        await self.site.tell(
            FixAttempted(
                cases=action.cases,
                rung=action.rung,
                round=action.round,
                commit=None,
                said=said[:_SAID_CHARS],
                ref=ref,
            )
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


async def keep(site: Site, commit: str) -> str:
    """Under a ref before anything is decided about it, so that nothing is lost whatever is."""
    ref = ids.attempt_ref(site.run, f"{site.task.id}-{commit[:16]}")
    if not await site.repository.refs(ref):  # a fix that was joined as it is has been kept already
        await site.repository.set_ref(ref, commit, None)
    return ref


def _name(action: Mend) -> str:
    """Of an attempt, the same when it is made again after the process was lost."""
    first, *others = action.cases
    more = f"-and-{len(others)}" if others else ""
    return f"{first}{more}-round-{action.round}-{action.attempt}"


def _message(job: FixJob, run: str) -> str:
    """Claims are a model's words: one printable line of them."""
    first = job.cases[0].finding.claim
    claim = "".join(char if char.isprintable() else " " for char in first)[:_CLAIM_CHARS].strip()
    names = ", ".join(case.id for case in job.cases)
    return f"Mend {names}: {claim}\n\nCaptain-Run: {run}\nCaptain-Attempt: {job.id}\n"  # two attempts are two commits
