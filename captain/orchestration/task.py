"""One task, from its start to accepted, parked or failed: build, snapshot, scope, checks, review, branch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Final

import anyio

from captain.agent import Builder, BuildReport, Feedback
from captain.core import ids
from captain.core.errors import BudgetExceededError, CaptainError
from captain.core.events import (
    BranchSet,
    ChecksRan,
    DriftPutBack,
    Kept,
    LoopEnded,
    Reviewed,
    SnapshotTaken,
    TaskChanged,
)
from captain.core.findings import Finding, Proposal, Review
from captain.core.hunks import parse_hunks
from captain.core.tasks import FollowUp, Task, TaskState, next_state
from captain.guards import Judgement, relevance, shown
from captain.models import Model
from captain.orchestration.context import Voyage
from captain.orchestration.shortcuts import look_for_shortcuts
from captain.review import LoopResult, ModelReviewer, Reviewer, ReviewLoop, Round
from captain.workspace import ImportRefusedError, Workspace, judge

_SAID: Final = 5  # sentences; more are counted
_READ_CHARS: Final = 1_000_000  # a diff no reviewer can read is not looked at hunk by hunk


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskResult:
    """How a task ended. `head` is its branch's commit if it was accepted."""

    task: Task
    state: TaskState
    reason: str
    head: str | None = None


class TaskWork:
    """One task on its way. `state` changes only by the moves a task may make."""

    def __init__(self, voyage: Voyage, task: Task, builder: Builder) -> None:
        self.task = task
        self.state: TaskState = "planned"
        self._voyage = voyage
        self._builder = builder

    async def go(self, state: TaskState, reason: str = "") -> None:
        self.state = next_state(self.state, state)
        await self._voyage.tell(TaskChanged(task=self.task.id, state=state, reason=reason))

    async def end(self, state: TaskState, reason: str, head: str | None = None) -> TaskResult:
        await self.go(state, reason)
        return TaskResult(task=self.task, state=state, reason=reason, head=head)

    async def carry_out(self, start: str) -> TaskResult:
        """From the commit `start` to the end. An error of a model, of git or of the budget ends this task only."""
        workspace: Workspace | None = None
        try:
            async with self._voyage.workspaces.open(f"task-{self.task.id}", start) as workspace:
                result = await self._loop().run(_Author(self._voyage, self, self._builder, workspace, start))
            return await self._conclude(result, start)
        except BudgetExceededError as error:
            return await self.end("parked", f"budget: {error}")
        except CaptainError as error:
            return await self.end("failed", str(error))
        finally:
            if workspace is not None and workspace.kept is not None:
                commit, ref = workspace.kept
                with anyio.CancelScope(shield=True):
                    await self._voyage.tell(Kept(ref=ref, commit=commit, reason="unfinished work", task=self.task.id))

    def _loop(self) -> ReviewLoop:
        voyage = self._voyage
        return ReviewLoop(
            reviewers=_reviewers(voyage, self.task),
            max_rounds=voyage.options.max_rounds,
            on_review=partial(_tell_review, voyage),
        )

    async def _conclude(self, result: LoopResult, start: str) -> TaskResult:
        voyage, task, kept = self._voyage, self.task, result.kept
        await voyage.tell(
            LoopEnded(
                task=task.id,
                verdict=result.verdict,
                reason=result.reason,
                rounds=len(result.rounds),
                kept_round=kept.number,
                commit=kept.proposal.head,
                residuals=kept.findings,
            )
        )
        if not await voyage.repository.changes(start, kept.proposal.head):
            return await self.end("failed", "the Build changed nothing")
        head = await self._branch(kept.proposal.head, start)
        if any(not check.passed for check in kept.proposal.checks):
            return await self.end("failed", f"checks fail in its best round ({result.verdict}: {result.reason})")
        if not result.accepted:
            return await self.end("parked", f"findings are open in its best round ({result.verdict}: {result.reason})")
        if missing := _without_evidence(task, kept):
            return await self.end("parked", f"nothing shows that {missing} is met")
        return await self.end("accepted", result.reason, head)

    async def _branch(self, kept: str, start: str) -> str:
        """The task's branch: the kept round as one commit on top of `start`."""
        voyage, task = self._voyage, self.task
        branch = ids.task_branch(voyage.run, task.id)

        async def make() -> str:
            head = await voyage.repository.commit_tree(kept, (start,), _message(voyage.run, task))
            await voyage.repository.set_ref(f"refs/heads/{branch}", head, None)
            return head

        head = await voyage.step(f"task/{task.id}/branch", make, inputs={"kept": kept, "start": start}, gives=str)
        await voyage.tell(BranchSet(branch=branch, commit=head, task=task.id))
        return head


@dataclass(slots=True)
class _Author:
    """Makes and mends a task's proposal: build, snapshot, put back what is outside, run the checks."""

    voyage: Voyage
    work: TaskWork
    builder: Builder
    workspace: Workspace
    start: str
    put_back: tuple[str, ...] = ()

    async def propose(self, round_: int, findings: tuple[Finding, ...], /) -> Proposal:
        voyage, task = self.voyage, self.work.task
        await self.work.go("building", f"round {round_}")
        feedback = Feedback(findings=findings, put_back=self.put_back) if round_ > 1 else None
        await self._build(feedback)
        await self.work.go("checking", f"round {round_}")
        try:
            snapshot = await self._snapshot(round_)
        except ImportRefusedError as refused:  # a link out of the tree, say: the Build is told, once
            await self._build(Feedback(findings=_refusals(refused)))
            snapshot = await self._snapshot(round_)
        head, judged = await self._in_scope(snapshot, round_)
        found = await look_for_shortcuts(voyage.repository, task.id, round_, self.start, head)
        if found.findings or found.questions or found.unread:
            await voyage.tell(found)
        checks = await voyage.run_checks(task.checks, head, path=f"task/{task.id}/round/{round_}/checks")
        await voyage.tell(ChecksRan(task=task.id, round=round_, commit=head, results=checks))
        await self.work.go("reviewing", f"round {round_}")
        diff = await voyage.repository.diff(self.start, head)
        return Proposal(
            task=task,
            round=round_,
            base=self.start,
            head=head,
            diff=diff,
            checks=checks,
            findings=(*judged.findings, *found.findings),
            doubts=(*judged.warnings, *_doubts(task, diff)),
            questions=found.questions,
        )

    async def _build(self, feedback: Feedback | None) -> BuildReport:
        task = self.work.task
        report = await self.builder.build(task, self.workspace, feedback=feedback)
        await self.voyage.note(replace(note, task=task.id) for note in report.follow_ups)
        return report

    async def _snapshot(self, round_: int) -> str:
        voyage, task = self.voyage, self.work.task
        ref = ids.snapshot_ref(voyage.run, task.id, round_)
        message = f"{task.title} (round {round_})"

        async def take() -> str:
            commit = await self.workspace.snapshot(message)
            await voyage.repository.set_ref(ref, commit, None)
            return commit

        path = f"task/{task.id}/round/{round_}/snapshot"
        commit = await voyage.step(path, take, inputs={"start": self.start, "message": message}, gives=str)
        files = len(await voyage.repository.changes(self.start, commit))
        await voyage.tell(
            SnapshotTaken(task=task.id, round=round_, base=self.start, commit=commit, ref=ref, files=files)
        )
        return commit

    async def _in_scope(self, snapshot: str, round_: int) -> tuple[str, Judgement]:
        """The snapshot without what the scope does not allow; that is kept under a ref and noted."""
        voyage, task = self.voyage, self.work.task
        judged = await judge(voyage.repository.git, task.scope, self.start, snapshot)
        self.put_back = tuple(ruling.reason for ruling in judged.refused)
        if not judged.refused:
            return snapshot, judged
        paths = tuple(ruling.path for ruling in judged.refused)
        ref = ids.drift_ref(voyage.run, task.id, round_)
        message = f"{task.title} (round {round_}, without what is outside its scope)"

        async def undo() -> str:
            await voyage.repository.set_ref(ref, snapshot, None)
            return await voyage.repository.put_back(snapshot, self.start, paths, message)

        path = f"task/{task.id}/round/{round_}/scope"
        inputs = {"snapshot": snapshot, "start": self.start, "paths": list(paths)}
        head = await voyage.step(path, undo, inputs=inputs, gives=str)
        await self.workspace.reset(head)
        await voyage.tell(DriftPutBack(task=task.id, round=round_, paths=paths, ref=ref))
        follow_up = FollowUp(
            title=f"Changes of {task.id} outside its scope were put back",
            detail=f"{_listed(self.put_back)} Whether they are wanted is a decision of its own.",
            paths=paths,
            task=task.id,
            ref=ref,
        )
        await voyage.note([follow_up])
        return head, judged


def _listed(sentences: Sequence[str]) -> str:
    more = f" And {len(sentences) - _SAID} more." if len(sentences) > _SAID else ""
    return " ".join(sentences[:_SAID]) + more


def _doubts(task: Task, diff: str) -> tuple[str, ...]:
    """Hunks that seem to serve nothing the task asks for, unless that goes for all of them."""
    if len(diff) > _READ_CHARS:
        return ()
    answers = relevance(parse_hunks(diff), task)
    if not any(answer.serves for answer in answers):
        return ()
    doubted = [answer for answer in answers if not answer.serves]
    return tuple(f"{shown(a.hunk.path)}, line {a.hunk.new_start}: {a.reason}" for a in doubted[:_SAID])


def _reviewers(voyage: Voyage, task: Task) -> tuple[Reviewer, ...]:
    reviewers: list[Reviewer] = []
    for number, player in enumerate(voyage.team.review, 1):
        if isinstance(player, Model):
            name = "review" if len(voyage.team.review) == 1 else f"review-{number}"
            mate = voyage.mate(player, "review", f"{name}-{task.id}")
            reviewers.append(ModelReviewer(mate=mate, inspect=partial(voyage.fresh_box, f"{name}-{task.id}")))
        else:
            reviewers.append(player)
    return tuple(reviewers)


async def _tell_review(voyage: Voyage, proposal: Proposal, review: Review) -> None:
    await voyage.tell(
        Reviewed(
            task=proposal.task.id,
            round=proposal.round,
            reviewer=review.reviewer,
            findings=review.findings,
            evidence=review.evidence,
        )
    )


def _without_evidence(task: Task, kept: Round) -> str:
    """The criteria no check of the kept round proves and no reviewer of it cited anything for, in words."""
    passed = {result.check.name for result in kept.proposal.checks if result.passed}
    cited = {criterion for review in kept.reviews for criterion, shown_by in review.evidence if shown_by.strip()}
    return ", ".join(c.id for c in task.criteria if c.check not in passed and c.id not in cited)


def _refusals(refused: ImportRefusedError) -> tuple[Finding, ...]:
    return tuple(
        Finding(
            id=f"I{number}",
            severity="critical",
            category="import",
            path="",
            anchor="",
            claim=problem,
            evidence="The work cannot be handed back while this is so.",
        )
        for number, problem in enumerate(refused.problems, 1)
    )


def _message(run: str, task: Task) -> str:
    criteria = "\n".join(f"- {criterion.text}" for criterion in task.criteria)
    return f"{task.title}\n\n{criteria}\n\nCaptain-Run: {run}\nCaptain-Task: {task.id}\n"
