"""One task, from its start to accepted, parked or failed: build, snapshot, scope, the review loop, branch."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import Final

import anyio

from captain.agent import Builder, BuildReport, FixBrief
from captain.core import ids
from captain.core.errors import BudgetExceededError, CaptainError, GitError
from captain.core.events import (
    BranchSet,
    DriftPutBack,
    Kept,
    LoopEnded,
    ReviewStep,
    SnapshotTaken,
    TaskChanged,
)
from captain.core.loop_events import (
    CommitChecked,
    FixesPlanned,
    GateDecided,
    LoopConcluded,
    LoopEvent,
    LoopReopened,
    ReviewStarted,
    standing,
)
from captain.core.questions import Choice
from captain.core.tasks import AT_WORK, CheckResult, FollowUp, Task, TaskState, next_state
from captain.models import Model
from captain.orchestration.context import Voyage
from captain.orchestration.questions import UnansweredError
from captain.review import BuildFixer, LoopReport, ModelReviewer, Reviewer, ReviewLoop, report_from
from captain.workspace import ImportRefusedError, Workspace, judge

_SAID: Final = 5  # sentences; more are counted
_ESCALATION: Final = (
    Choice(name="accept", text="take it as it is"),
    Choice(name="leave", text="leave it parked on its branch"),
)
_TRUSTWORTHY: Final = ("converged", "converged_with_residuals")


@dataclass(frozen=True, slots=True, kw_only=True)
class Crew:
    """Who builds; `advisor` makes the third attempt at what two could not mend, where the run has one."""

    builder: Builder
    advisor: Builder | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskResult:
    """How a task ended. `head` is its branch's commit if it was accepted, `checks` what they said of that.

    `over_budget` says that a limit ended it.
    """

    task: Task
    state: TaskState
    reason: str
    head: str | None = None
    checks: tuple[CheckResult, ...] = ()
    over_budget: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class _Built:
    """What a Build left as a commit; `files` counts those it changed."""

    commit: str
    files: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _Reviewed:
    """What of a loop does not stand in its log."""

    ref: str
    checks: tuple[CheckResult, ...]


class Place:
    """A task's place among those that may be at work at once. It is left at most once for each time it was taken."""

    def __init__(self, slots: anyio.Semaphore) -> None:
        self._slots = slots
        self._held = False

    async def take(self) -> None:
        await self._slots.acquire()
        self._held = True

    def leave(self) -> None:
        if self._held:
            self._held = False
            self._slots.release()

    async def __aenter__(self) -> None:
        await self.take()

    async def __aexit__(self, *_: object) -> None:
        self.leave()


class TaskWork:
    """One task on its way. `state` changes only by the moves a task may make."""

    def __init__(self, voyage: Voyage, task: Task, crew: Crew, place: Place) -> None:
        self.task = task
        self.state: TaskState = "planned"
        self._voyage = voyage
        self._crew = crew
        self._place = place

    async def go(self, state: TaskState, reason: str = "") -> None:
        before, self.state = self.state, next_state(self.state, state)
        try:
            with anyio.CancelScope(shield=True):  # the state and its record are one
                await self._voyage.tell(TaskChanged(task=self.task.id, state=state, reason=reason))
        except CaptainError:
            self.state = before
            raise

    async def end(self, state: TaskState, reason: str, head: str | None = None) -> TaskResult:
        if state != "accepted":
            self._voyage.lookout.forget(self.task.id)
        await self.go(state, reason)
        return TaskResult(task=self.task, state=state, reason=reason, head=head)

    async def carry_out(self, start: str) -> TaskResult:
        """From the commit `start` to the end. An error of a model, of git or of the budget ends this task only."""
        try:
            await self.go("building")
            built = await self._built(start)
            if self.state == "building":
                await self.go("checking")
            if not built.files:
                return await self.end("failed", self._nothing_left())
            # without what was put back, which collides with nobody
            await self._voyage.look_out(self.task.id, built.commit)
            return await self._conclude(await self._reviewed(start, built.commit), start)
        except UnansweredError as error:
            return await self.end("parked", f"it waits for an answer to {error.question.id}")
        except BudgetExceededError as error:
            return replace(await self.end("parked", f"budget: {error}"), over_budget=True)
        except CaptainError as error:
            return await self.end("failed", failure_of(error))

    def _nothing_left(self) -> str:
        put_back = (one.event for one in self._voyage.journal.events if isinstance(one.event, DriftPutBack))
        if any(event.task == self.task.id for event in put_back):
            return "all that the Build changed lies outside its scope, and was put back"
        return "the Build changed nothing"

    async def _built(self, start: str) -> _Built:
        path = f"task/{self.task.id}/build"
        return await self._voyage.step(path, partial(self._build, start), inputs={"start": start}, gives=_Built)

    async def _reviewed(self, start: str, built: str) -> LoopReport:
        """What the review loop came to. One that was cut off goes on from its log, one that was reopened as well."""
        voyage = self._voyage
        await self._take_up()

        async def review() -> _Reviewed:
            report = await self._loop().run(
                voyage.repository,
                start,
                built,
                task=self.task,
                run=voyage.run,
                workspaces=voyage.workspaces,
                log=standing(self._log()),
            )
            return _Reviewed(ref=report.ref, checks=report.checks)

        path = f"task/{self.task.id}/review{self._again()}"
        inputs = {"start": start, "built": built}
        reviewed = await voyage.step(path, review, inputs=inputs, gives=_Reviewed)
        return report_from(self._log(), reviewed.ref, reviewed.checks)

    def _log(self) -> list[LoopEvent]:
        """Every step of the task's loop so far, those before the run was resumed too."""
        steps = (one.event for one in self._voyage.journal.events if isinstance(one.event, ReviewStep))
        return [step.step for step in steps if step.task == self.task.id]

    def _again(self) -> str:
        """What makes the paths of a loop that was reopened different from those it had before."""
        reopened = sum(isinstance(step, LoopReopened) for step in self._log())
        return f"/{reopened + 1}" if reopened else ""

    async def _take_up(self) -> None:
        """Where the task was when last heard of: its loop goes on from there.

        A step of the loop is on record before what the task is at after it: that last word may be missing.
        """
        changes = (one.event for one in self._voyage.journal.events if isinstance(one.event, TaskChanged))
        states = [change.state for change in changes if change.task == self.task.id and change.state in AT_WORK]
        self.state = states[-1] if states else self.state
        before: TaskState = "checking"
        state: TaskState = "checking"
        reason = ""
        for event in standing(self._log()):
            then, why = _moved(state, event)
            if then != state:
                before, state, reason = state, then, why
        if reason and self.state == before:
            await self.go(state, reason)

    async def _build(self, start: str) -> _Built:
        """What the review loop is handed. Work that could not be handed over is kept under a ref."""
        workspace: Workspace | None = None
        repository = self._voyage.repository
        try:
            async with self._voyage.workspaces.open(f"task-{self.task.id}", start) as workspace:
                commit = await _Author(self._voyage, self, self._crew.builder, workspace, start).propose()
            return _Built(commit=commit, files=len(await repository.changes(start, commit)))
        finally:
            if workspace is not None and workspace.kept is not None:
                commit, ref = workspace.kept
                with anyio.CancelScope(shield=True):
                    await self._voyage.tell(Kept(ref=ref, commit=commit, reason="unfinished work", task=self.task.id))

    def _loop(self) -> ReviewLoop:
        voyage, options = self._voyage, self._voyage.options
        return ReviewLoop(
            reviewers=_reviewers(voyage, self.task),
            fixer=BuildFixer(builder=self._crew.builder, advisor=self._crew.advisor, heard=self.heard),
            checks=self.task.checks,
            policy=options.review,
            clock=voyage.clock,
            tell=self._happened,
            journal=voyage.journal,
            command_timeout_s=options.command_timeout_s,
        )

    async def heard(self, report: BuildReport) -> None:
        await self._voyage.note(replace(note, task=self.task.id) for note in report.follow_ups)

    async def _happened(self, event: LoopEvent) -> None:
        """Puts a step of the loop on record, and says what the task is at."""
        await self._voyage.tell(ReviewStep(task=self.task.id, step=event))
        if isinstance(event, GateDecided) and event.accepted:
            await self._voyage.look_out(self.task.id, event.commit)
        state, reason = _moved(self.state, event)
        if state != self.state:
            await self.go(state, reason)

    async def _conclude(self, report: LoopReport, start: str) -> TaskResult:
        voyage, task = self._voyage, self.task
        await voyage.tell(
            LoopEnded(
                task=task.id,
                verdict=report.verdict,
                reason=report.conclusion.reason,
                rounds=report.rounds,
                start=report.start,
                commit=report.commit,
                start_weight=report.weight(report.start),
                weight=report.weight(report.commit),
                residuals=report.residuals,
                unproved=report.unproved,
            )
        )
        await voyage.note(replace(note, task=task.id) for note in report.follow_ups)
        if self.state == "checking":
            await self.go("reviewing", "what is handed back")
        head = await self._branch(report.commit, start)
        await voyage.look_out(task.id, head)
        why = f"{report.verdict}: {report.conclusion.reason}"
        if (limit := report.cut_short) is not None:
            reason = f"budget: its review could not be brought to an end ({limit.rstrip('.')})"
            return replace(await self.end("parked", reason), over_budget=True)
        if report.broken:
            return await self.end("failed", f"checks fail in its best state ({why})")
        reason = report.conclusion.reason if report.verdict in _TRUSTWORTHY else why
        if (doubt := _doubt(report, why)) is not None:
            if not await self._accepted_all_the_same(doubt, report):
                return await self.end("parked", doubt)
            reason = f"accepted by a person, although {doubt}"
        result = await self.end("accepted", reason, head)
        return replace(result, checks=report.checks, over_budget=report.spent is not None)

    async def _accepted_all_the_same(self, doubt: str, report: LoopReport) -> bool:
        """Whether a person takes the responsibility for what the loop could not bring to a good end."""
        left = [f"{case.severity}: {case.finding.path}: {case.finding.claim}" for case in report.residuals]
        try:
            async with self._waiting():
                answer = await self._voyage.questions.ask(
                    f"task/{self.task.id}/escalation{self._again()}",
                    "escalation",
                    f"{self.task.id} ({self.task.title}) has come to its end, and {doubt}.",
                    choices=_ESCALATION,
                    task=self.task.id,
                    details="\n".join(left),
                    recommended="leave",
                )
        except UnansweredError:
            return False
        return answer.choice == "accept"

    @asynccontextmanager
    async def _waiting(self) -> AsyncIterator[None]:
        """While a person is asked, the task's place is another's."""
        before = self.state
        await self.go("waiting", "for an answer")
        self._place.leave()
        yield
        await self._place.take()  # one that was stopped or has no answer needs none any more
        await self.go(before, "")

    async def _branch(self, kept: str, start: str) -> str:
        """The task's branch: what the loop handed back as one commit on top of `start`.

        Where a loop was reopened, it takes the place of what the loop had handed back before.
        """
        voyage, task = self._voyage, self.task
        branch = ids.task_branch(voyage.run, task.id)
        known = (one.event for one in voyage.journal.events if isinstance(one.event, BranchSet))
        before = [event.commit for event in known if event.branch == branch]

        async def make() -> str:
            head = await voyage.repository.commit_tree(kept, (start,), _message(voyage.run, task))
            await voyage.repository.set_ref(f"refs/heads/{branch}", head, before[-1] if before else None)
            return head

        path = f"task/{task.id}/branch{self._again()}"
        head = await voyage.step(path, make, inputs={"kept": kept, "start": start}, gives=str)
        await voyage.tell(BranchSet(branch=branch, commit=head, task=task.id))
        return head


@dataclass(frozen=True, slots=True)
class _Author:
    """Makes a task's proposal: build, snapshot, put back what is outside its scope."""

    voyage: Voyage
    work: TaskWork
    builder: Builder
    workspace: Workspace
    start: str

    async def propose(self) -> str:
        await self._build()
        await self.work.go("checking")
        try:
            snapshot = await self._snapshot(1)
        except ImportRefusedError as refused:  # a link out of the tree, say: the Build is told, once
            await self._build(FixBrief(id="import", text=_refused(refused)))
            snapshot = await self._snapshot(1)
        return await self._in_scope(snapshot)

    async def _build(self, fix: FixBrief | None = None) -> None:
        await self.work.heard(await self.builder.build(self.work.task, self.workspace, fix=fix))

    async def _snapshot(self, number: int) -> str:
        voyage, task = self.voyage, self.work.task
        ref = ids.snapshot_ref(voyage.run, task.id, number)

        async def take() -> str:
            taken = await self.workspace.snapshot(task.title)
            commit = await voyage.repository.commit_tree(taken, (self.start,), task.title)
            await voyage.repository.set_ref(ref, commit, None)
            return commit

        path = f"task/{task.id}/snapshot/{number}"
        commit = await voyage.step(path, take, inputs={"start": self.start, "title": task.title}, gives=str)
        files = len(await voyage.repository.changes(self.start, commit))
        await voyage.tell(SnapshotTaken(task=task.id, base=self.start, commit=commit, ref=ref, files=files))
        return commit

    async def _in_scope(self, snapshot: str) -> str:
        """The snapshot without what the scope does not allow; that is kept under a ref and noted."""
        voyage, task = self.voyage, self.work.task
        judged = await judge(voyage.repository.git, task.scope, self.start, snapshot)
        if not judged.refused:
            return snapshot
        paths = tuple(ruling.path for ruling in judged.refused)
        ref = ids.drift_ref(voyage.run, task.id, 1)
        message = f"{task.title} (without what is outside its scope)"

        async def undo() -> str:
            await voyage.repository.set_ref(ref, snapshot, None)
            return await voyage.repository.put_back(snapshot, self.start, paths, message)

        path = f"task/{task.id}/scope"
        inputs = {"snapshot": snapshot, "start": self.start, "paths": list(paths)}
        head = await voyage.step(path, undo, inputs=inputs, gives=str)
        await voyage.tell(DriftPutBack(task=task.id, paths=paths, ref=ref))
        reasons = _listed([ruling.reason for ruling in judged.refused])
        follow_up = FollowUp(
            title=f"Changes of {task.id} outside its scope were put back",
            detail=f"{reasons} Whether they are wanted is a decision of its own.",
            paths=paths,
            task=task.id,
            ref=ref,
        )
        await voyage.note([follow_up])
        return head


def failure_of(error: CaptainError) -> str:
    """Why a task failed; where it was git, with what to do about it, which a task can say nowhere else."""
    return f"{error} {error.hint}".strip() if isinstance(error, GitError) else str(error)


def _doubt(report: LoopReport, why: str) -> str | None:
    """Why what the loop hands back is not accepted without a person's word."""
    if not report.acceptable:
        return f"findings are open in its best state ({why})"
    if report.unmet:
        return f"nothing shows that {', '.join(report.unmet)} is met ({why})"
    return why if report.verdict == "needs_human" else None


def _moved(state: TaskState, event: LoopEvent) -> tuple[TaskState, str]:
    """What a task is at after a step of its loop, and why."""
    match event:
        case FixesPlanned():
            return "building", f"round {event.round}"
        case ReviewStarted():
            return "checking", f"round {event.round}"
        case CommitChecked() if state == "checking":
            return "reviewing", f"round {event.round}"
        case LoopConcluded() if state == "building":
            return "checking", "what is handed back"
        case _:
            return state, ""


def _listed(sentences: Sequence[str]) -> str:
    more = f" And {len(sentences) - _SAID} more." if len(sentences) > _SAID else ""
    return " ".join(sentences[:_SAID]) + more


def _reviewers(voyage: Voyage, task: Task) -> tuple[Reviewer, ...]:
    reviewers: list[Reviewer] = []
    for number, player in enumerate(voyage.team.review, 1):
        if isinstance(player, Model):
            name = "review" if len(voyage.team.review) == 1 else f"review-{number}"
            mate = voyage.mate(player, "review", f"{name}-{task.id}")
            reviewers.append(ModelReviewer(mate=mate, inspect=partial(voyage.reading_box, f"{name}-{task.id}")))
        else:
            reviewers.append(player)
    return tuple(reviewers)


def _refused(refused: ImportRefusedError) -> str:
    problems = "\n".join(f"- {problem}" for problem in refused.problems)
    return f"The work as it lies here cannot be handed back:\n\n{problems}\n\nMend that, and leave the rest as it is."


def _message(run: str, task: Task) -> str:
    criteria = "\n".join(f"- {criterion.text}" for criterion in task.criteria)
    return f"{task.title}\n\n{criteria}\n\nCaptain-Run: {run}\nCaptain-Task: {task.id}\n"
