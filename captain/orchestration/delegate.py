"""Delegation: every ready task to a Build agent, each in its own workspace, until its review loop ends."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import partial

import anyio

from captain.agent import AgentBuilder, Builder, Feedback
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
from captain.core.tasks import FollowUp, Plan, Task, TaskState, next_state
from captain.core.together import together
from captain.guards import ScopeGuard
from captain.models import Model
from captain.orchestration.context import Voyage
from captain.review import LoopResult, ModelReviewer, Reviewer, ReviewLoop
from captain.workspace import Workspace


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskResult:
    """How a task ended. `head` is its branch's commit if it was accepted."""

    task: Task
    state: TaskState
    reason: str
    head: str | None = None


class TaskWork:
    """One task on its way: its state, its workspace, its proposals."""

    def __init__(self, voyage: Voyage, task: Task, builder: Builder) -> None:
        self.task = task
        self.state: TaskState = "planned"
        self._voyage = voyage
        self._builder = builder
        self._put_back: tuple[str, ...] = ()

    async def go(self, state: TaskState, reason: str = "") -> None:
        self.state = next_state(self.state, state)
        await self._voyage.tell(TaskChanged(task=self.task.id, state=state, reason=reason))

    async def end(self, state: TaskState, reason: str, head: str | None = None) -> TaskResult:
        await self.go(state, reason)
        return TaskResult(task=self.task, state=state, reason=reason, head=head)

    async def carry_out(self, start: str) -> TaskResult:
        """From `start` to accepted, parked or failed. A model or budget error ends this task only."""
        voyage, task = self._voyage, self.task
        workspace: Workspace | None = None
        try:
            async with voyage.workspaces.open(f"task-{task.id}", start) as workspace:
                author = _Author(voyage=voyage, work=self, builder=self._builder, workspace=workspace, start=start)
                loop = ReviewLoop(
                    reviewers=_reviewers(voyage, task),
                    max_rounds=voyage.options.max_rounds,
                    on_review=partial(_tell_review, voyage),
                )
                result = await loop.run(author)
        except BudgetExceededError as error:
            return await self.end("parked", f"budget: {error}")
        except CaptainError as error:
            return await self.end("failed", str(error))
        finally:
            if workspace is not None and workspace.kept is not None:
                commit, ref = workspace.kept
                with anyio.CancelScope(shield=True):
                    await voyage.tell(Kept(ref=ref, commit=commit, reason="unfinished work", task=task.id))
        return await self._conclude(result, start)

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
        head = await voyage.repository.commit_tree(kept.proposal.head, (start,), _message(voyage.run, task))
        branch = ids.task_branch(voyage.run, task.id)
        await voyage.repository.set_ref(f"refs/heads/{branch}", head, None)
        await voyage.tell(BranchSet(branch=branch, commit=head, task=task.id))
        if any(not check.passed for check in kept.proposal.checks):
            return await self.end("failed", f"checks fail in its best round ({result.verdict}: {result.reason})")
        if not result.accepted:
            return await self.end("parked", f"findings are open in its best round ({result.verdict}: {result.reason})")
        if missing := _without_evidence(task, kept.proposal, result.reviews):
            return await self.end("parked", f"nothing shows that {missing} is met")
        return await self.end("accepted", result.reason, head)


@dataclass(slots=True, kw_only=True)
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
        report = await self.builder.build(task, self.workspace, feedback=feedback)
        await voyage.note(replace(note, task=task.id) for note in report.follow_ups)
        await self.work.go("checking", f"round {round_}")
        head = await self._in_scope(await self._snapshot(round_), round_)
        path = f"task/{task.id}/round/{round_}/checks"
        checks = await voyage.run_checks(task.checks, head, path=path)
        await voyage.tell(ChecksRan(task=task.id, round=round_, commit=head, results=checks))
        await self.work.go("reviewing", f"round {round_}")
        diff = await voyage.repository.diff(self.start, head)
        return Proposal(task=task, round=round_, base=self.start, head=head, diff=diff, checks=checks)

    async def _snapshot(self, round_: int) -> str:
        voyage, task = self.voyage, self.work.task.id
        path = f"task/{task}/round/{round_}/snapshot"
        message = f"{self.work.task.title} (round {round_})"
        commit = await voyage.journal.step(
            path, partial(self.workspace.snapshot, message), inputs=(self.start, message), gives=str
        )
        ref = ids.snapshot_ref(voyage.run, task, round_)
        await voyage.repository.set_ref(ref, commit, None)
        files = len(await voyage.repository.changes(self.start, commit))
        await voyage.tell(SnapshotTaken(task=task, round=round_, base=self.start, commit=commit, ref=ref, files=files))
        return commit

    async def _in_scope(self, snapshot: str, round_: int) -> str:
        """The snapshot without what the scope does not allow; that is kept under a ref and noted."""
        voyage, task = self.voyage, self.work.task
        outside = ScopeGuard(task.scope).outside(await voyage.repository.changes(self.start, snapshot))
        self.put_back = tuple(change.path for change in outside)
        if not outside:
            return snapshot
        ref = ids.drift_ref(voyage.run, task.id, round_)
        await voyage.repository.set_ref(ref, snapshot, None)
        message = f"{task.title} (round {round_}, without what is outside its scope)"
        head = await voyage.repository.put_back(snapshot, self.start, self.put_back, message)
        await self.workspace.reset(head)
        await voyage.tell(DriftPutBack(task=task.id, round=round_, paths=self.put_back, ref=ref))
        await voyage.note(
            [
                FollowUp(
                    title=f"Changes of {task.id} outside its scope were put back",
                    detail=f"They can be looked at with: git diff {head} {ref}",
                    paths=self.put_back,
                    task=task.id,
                    ref=ref,
                )
            ]
        )
        return head


async def delegate(voyage: Voyage, plan: Plan) -> tuple[TaskResult, ...]:
    """Carries out all tasks, those at once whose dependencies allow it; results stand in plan order."""
    builder = _builder(voyage)
    slots = anyio.CapacityLimiter(voyage.options.max_parallel)
    done = {task.id: anyio.Event() for task in plan.tasks}
    results: dict[str, TaskResult] = {}

    async def run(task: Task) -> TaskResult:
        for parent in task.depends_on:
            await done[parent].wait()
        work = TaskWork(voyage, task, builder)
        async with slots:
            try:
                start = await _start(voyage, task, results)
                results[task.id] = (
                    await work.end("parked", start.reason)
                    if isinstance(start, _NoStart)
                    else await work.carry_out(start)
                )
            except anyio.get_cancelled_exc_class():
                with anyio.CancelScope(shield=True):
                    await work.go("cancelled")
                raise
        done[task.id].set()
        return results[task.id]

    for task in plan.tasks:
        await voyage.tell(TaskChanged(task=task.id, state="planned"))
    return await together([partial(run, task) for task in plan.tasks])


@dataclass(frozen=True, slots=True)
class _NoStart:
    reason: str


async def _start(voyage: Voyage, task: Task, results: Mapping[str, TaskResult]) -> str | _NoStart:
    """The commit a task starts from: the base, or the heads it depends on, merged if there are several."""
    head = voyage.base
    for parent in task.depends_on:
        above = results[parent].head
        if above is None:
            return _NoStart(f"it builds on {parent}, which was not accepted")
        merged = await voyage.repository.merge(head, above, f"What {task.id} builds on")
        if merged.commit is None:
            return _NoStart(f"the tasks it builds on conflict in {', '.join(merged.conflicts)}")
        head = merged.commit
    return head


def _builder(voyage: Voyage) -> Builder:
    """The crew's own builder, or the native agent loop around its model."""
    player = voyage.team.build
    if not isinstance(player, Model):
        return player
    builder = AgentBuilder(
        crewmate=lambda task: voyage.mate(player, "build", f"build-{task.id}"),
        notes=lambda task: voyage.memory.nearest(task.scope.paths),
        max_turns=voyage.options.max_turns,
        command_timeout_s=voyage.options.command_timeout_s,
    )
    builder.tools = (*builder.tools, *voyage.options.extra_tools)
    return builder


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


def _without_evidence(task: Task, kept: Proposal, reviews: tuple[Review, ...]) -> str:
    """The criteria no check proves and no reviewer cited anything for, as a list in words."""
    passed = {result.check.name for result in kept.checks if result.passed}
    cited = {criterion for review in reviews for criterion, shown_by in review.evidence if shown_by.strip()}
    return ", ".join(c.id for c in task.criteria if c.check not in passed and c.id not in cited)


def _message(run: str, task: Task) -> str:
    criteria = "\n".join(f"- {criterion.text}" for criterion in task.criteria)
    return f"{task.title}\n\n{criteria}\n\nCaptain-Run: {run}\nCaptain-Task: {task.id}\n"
