"""A run as plain lines, one short line per event that matters, for logs and pipes."""

from __future__ import annotations

from collections.abc import Iterator
from functools import singledispatch
from typing import TYPE_CHECKING

from captain.cli.closing import closing_lines
from captain.cli.screens import whisper
from captain.cli.step_lines import because, checks, clip, step_lines
from captain.core import events as ev
from captain.core.actions import describe
from captain.core.events import Event, Recorded
from captain.core.loop_events import LanesJoined, LoopConcluded
from captain.core.tasks import AT_WORK
from captain.reports import words
from captain.reports.escape import one_line
from captain.reports.markdown import to_markdown
from captain.reports.tasks import TaskView
from captain.reports.view import RunView

if TYPE_CHECKING:
    from captain.api import Outcome


class PlainScreen:
    """With `quiet`, only the closing lines."""

    refresh_s: float | None = None

    def __init__(self, *, quiet: bool = False) -> None:
        self._quiet = quiet

    def show(self, recorded: Recorded, view: RunView) -> None:
        if not self._quiet:
            for line in plain_lines(recorded, view):
                print(line, flush=True)

    def tick(self) -> None:
        return None

    def say(self, text: str) -> None:
        whisper(text)

    def hold(self, held: bool, /) -> None:
        return None

    def close(self) -> None:
        return None

    def finish(self, outcome: Outcome) -> None:
        """The report, and where things are."""
        if not self._quiet:
            print()
            print(to_markdown(outcome.view))
        print("\n".join(closing_lines(outcome)), flush=True)


def plain_lines(recorded: Recorded, view: RunView) -> Iterator[str]:
    """The lines for one event that `view` has taken in already; none for most."""
    for text in _lines(recorded.event, view):
        yield f"{view.elapsed_s(recorded.at):7.1f}s  {text}"


@singledispatch
def _lines(event: Event, _view: RunView) -> Iterator[str]:
    """Model calls, tool calls and agents that start or end as they should are too many to be told."""
    yield from ()


@_lines.register
def _(event: ev.RunOpened, view: RunView) -> Iterator[str]:
    yield f"run {one_line(event.run)}: {clip(event.request)}"
    if event.origin:
        yield f"from {one_line(event.origin)}"
    crew = ", ".join(f"{role} {one_line(model)}" for role, model in event.crew)
    yield f"from {one_line(event.branch or 'a detached head')} at {words.commit(event.base)}, {crew}"
    yield "unsandboxed: commands are not confined" if view.unsandboxed else f"sandbox: {one_line(event.sandbox)}"


@_lines.register
def _(event: ev.RunResumed, view: RunView) -> Iterator[str]:
    crew = ", ".join(f"{role} {one_line(model)}" for role, model in event.crew)
    yield f"resumed by another process, {crew}"
    yield "unsandboxed: commands are not confined" if view.unsandboxed else f"sandbox: {one_line(event.sandbox)}"


@_lines.register
def _(event: ev.Noticed, _view: RunView) -> Iterator[str]:
    yield f"notice: {clip(event.text)}"


@_lines.register
def _(event: ev.ReproductionRan, _view: RunView) -> Iterator[str]:
    yield (
        f"{one_line(event.diagnosis)}  suspected: {clip(event.cause.rstrip('. ') or 'no cause given')}; "
        f"evidence: {_evidence(event)}; next: {'plan the fix' if event.seen_to_fail else 'look again'}"
    )


def _evidence(event: ev.ReproductionRan) -> str:
    """What the library saw of a reproduction, with the last line of what it said."""
    exit_code = words.exit_code(event.exit_code)
    if not event.seen_to_fail:
        return f"none, the reproduction {clip(event.refuted or 'was not seen to fail')} ({exit_code})"
    flaky = f" {event.failed} of {event.runs} times, so it is flaky" if event.failed < event.runs else ""
    said = next((line for line in reversed(event.output.splitlines()) if line.strip()), event.command)
    return f"reproduction fails{flaky} ({exit_code}): {clip(said)}"


@_lines.register
def _(event: ev.Refused, view: RunView) -> Iterator[str]:
    unseen = [
        name for name in view.unseen if any(one.startswith(f"{name}: the reproduction") for one in event.problems)
    ]
    if unseen:  # why, each has said in its own line just before
        yield f"{event.what} refused: {one_line(', '.join(unseen))} not reproduced"
    for problem in event.problems:
        if not problem.startswith(tuple(f"{name}: the reproduction" for name in unseen)):
            yield f"{event.what} refused: {clip(problem)}"


@_lines.register
def _(event: ev.RequestAdded, _view: RunView) -> Iterator[str]:
    yield f"request {event.number} came in: {clip(event.request)}"


@_lines.register
def _(event: ev.RequestEnded, _view: RunView) -> Iterator[str]:
    yield f"request {event.request} {words.verdict(event.status)}{because(event.summary)}"


def _of(request: int) -> str:
    return f"request {request}: " if request > 1 else ""


@_lines.register
def _(event: ev.Triaged, _view: RunView) -> Iterator[str]:
    yield f"{_of(event.request)}triage {event.triage.kind}{because(event.triage.reason)}"
    for diagnosis in event.triage.diagnoses:
        if diagnosis.reproduction is None:
            yield (
                f"{one_line(diagnosis.id)}  suspected: {clip(diagnosis.cause.rstrip('. '))}; evidence: not reproduced, "
                f"{clip(diagnosis.no_reproduction or 'no reason given')}; next: plan the fix, have the cause confirmed"
            )
    for item in event.triage.items if len(event.triage.items) > 1 else ():
        what = "background" if item.context else f"declined, {clip(item.declined)}" if item.declined else "wanted"
        yield f"{one_line(item.id)}  {what}: {clip(item.text)}"


@_lines.register
def _(event: ev.SearchPlanned, _view: RunView) -> Iterator[str]:
    yield f"search by {words.count(len(event.tasks), 'reader')}{because(event.reason)}"
    for task in event.tasks:
        yield f"{one_line(task.id)}  looks in {clip(', '.join(task.scope.paths))}: {clip(task.title)}"


@_lines.register
def _(event: ev.Investigated, _view: RunView) -> Iterator[str]:
    said = next((line for line in event.report.splitlines() if line.strip()), "nothing")
    yield f"{one_line(event.task)}  reports: {clip(said)}{because(event.problem)}"


@_lines.register
def _(event: ev.PlanEstimated, _view: RunView) -> Iterator[str]:
    crew = f" with the crew {one_line(event.crew)}" if event.crew else ""
    yield f"carrying it out{crew}: about {words.between(*event.estimate.tokens)} tokens"


@_lines.register
def _(event: ev.PlanDecided, _view: RunView) -> Iterator[str]:
    yield f"plan {event.decision}{because(event.words)}"


@_lines.register
def _(event: ev.PlanAdopted, view: RunView) -> Iterator[str]:
    yield f"{_of(event.request)}plan of {words.count(len(event.plan.tasks), 'task')}{because(event.plan.summary)}"
    triage = view.requests[event.request].triage
    for task in event.plan.tasks:
        after = f" (after {one_line(', '.join(task.depends_on))})" if task.depends_on else ""
        serves = dict.fromkeys(name for criterion in task.criteria for name in criterion.covers)
        covered = f" for {one_line(', '.join(serves))}" if serves and triage and len(triage.items) > 1 else ""
        yield f"{one_line(task.id)}  planned{covered}{after}: {clip(task.title)}"
    for item, reason in event.plan.declined:
        yield f"{one_line(item)}  declined: {clip(reason)}"


@_lines.register
def _(event: ev.TaskAdded, _view: RunView) -> Iterator[str]:
    yield f"{one_line(event.task.id)}  added: {clip(event.task.title)}{because(event.reason)}"


@_lines.register
def _(event: ev.TaskChanged, view: RunView) -> Iterator[str]:
    """Where a task is at work, what it does says so by itself: built, checks, findings, mending."""
    task = view.tasks[event.task]
    if event.state == "building" and not event.reason:
        yield f"{one_line(event.task)}  building"
    elif event.state == "reviewing" and not task.checks:
        yield f"{one_line(event.task)}  reviewing{because(event.reason)}"
    elif task.settled:
        where = ""
        if task.branch is not None:
            where = f" on {one_line(task.branch.branch)} at {words.commit(task.branch.commit)}"
        said = task.loop is not None and event.reason == task.loop.reason
        yield f"{one_line(event.task)}  {event.state}{where}{'' if said else because(event.reason)}"


@_lines.register
def _(event: ev.Compacted, _view: RunView) -> Iterator[str]:
    yield (
        f"{one_line(event.agent)}  conversation {event.stage}: about {event.tokens_before:,} tokens before, "
        f"{event.tokens_after:,} after"
    )


@_lines.register
def _(event: ev.AgentEnded, view: RunView) -> Iterator[str]:
    if event.ending == "done":
        return
    agent = view.agents.get(event.agent)
    who = f"{agent.role} agent" if agent else one_line(event.agent)
    where = f"{one_line(agent.task)}  " if agent and agent.task else ""
    turns = words.count(event.turns, "turn")
    yield f"{where}{who} stopped ({words.verdict(event.ending)}) after {turns}{because(event.summary)}"


@_lines.register
def _(event: ev.SnapshotTaken, _view: RunView) -> Iterator[str]:
    yield f"{one_line(event.task)}  built: {words.count(event.files, 'file')} changed"


@_lines.register
def _(event: ev.DriftPutBack, _view: RunView) -> Iterator[str]:
    yield (f"{one_line(event.task)}  put back outside the scope: {clip(', '.join(event.paths))}")


@_lines.register
def _(event: ev.FollowUpNoted, _view: RunView) -> Iterator[str]:
    where = f"{one_line(event.follow_up.task)}  " if event.follow_up.task else ""
    yield f"{where}follow-up: {clip(event.follow_up.title)}"


@_lines.register
def _(event: ev.ChecksRan, _view: RunView) -> Iterator[str]:
    yield f"result: {checks(event.results)}"


@_lines.register
def _(event: ev.TasksClashed, _view: RunView) -> Iterator[str]:
    others = one_line(" and ".join(event.others)) or "the base"
    if event.conflicts:
        yield f"{one_line(event.task)}  conflicts with {others} in {clip(', '.join(event.conflicts))}"
    for result in event.results:
        failed = f"{one_line(result.check.name)} ({words.exit_code(result.exit_code)})"
        yield f"{one_line(event.task)}  fails {failed} together with {others}"


@_lines.register
def _(event: ev.TaskRestacked, _view: RunView) -> Iterator[str]:
    below = one_line(" and ".join(event.below)) or "the base"
    yield f"{one_line(event.task)}  {words.restacked(event.how)} {below}: {words.commit(event.after)}"


@_lines.register
def _(event: ev.CollisionForecast, _view: RunView) -> Iterator[str]:
    one, other = map(one_line, event.tasks)
    yield f"{one}  is about to collide with {other} in {clip(', '.join(event.paths))}"


@_lines.register
def _(event: ev.ReviewStep, view: RunView) -> Iterator[str]:
    task = view.tasks[event.task]
    for line in step_lines(event.step, task.ledger):
        yield f"{one_line(event.task)}  {line}"
    if isinstance(event.step, LanesJoined | LoopConcluded) and task.figures:
        figures = task.figures[-1]
        if isinstance(event.step, LanesJoined) or figures.found or figures.head_moved:  # else the verdict says it all
            yield f"{one_line(event.task)}  {one_line(figures.told())}"


@_lines.register
def _(event: ev.LoopEnded, _view: RunView) -> Iterator[str]:
    yield f"{one_line(event.task)}  {words.course(event)}{because(event.reason)}"


@_lines.register
def _(event: ev.BranchSet, view: RunView) -> Iterator[str]:
    if event.task in view.tasks and not view.tasks[event.task].settled:
        return  # how the task ends names it
    where = f"{one_line(event.task)}  " if event.task else "result  "
    yield f"{where}branch {one_line(event.branch)} at {words.commit(event.commit)}"


@_lines.register
def _(event: ev.Kept, _view: RunView) -> Iterator[str]:
    where = f"{one_line(event.task)}  " if event.task else ""
    yield f"{where}kept {one_line(event.ref)}{because(event.reason)}"


@_lines.register
def _(event: ev.PermissionAsked, _view: RunView) -> Iterator[str]:
    yield f"{one_line(event.request.asked_by)} asks for leave to {clip(describe(event.request.action))}"


@_lines.register
def _(event: ev.PermissionDecided, _view: RunView) -> Iterator[str]:
    if event.decision.effect == "deny" or event.decision.rule == "grant":  # what a policy allows is no news
        what = "denied" if event.decision.effect == "deny" else "allowed"
        yield f"{one_line(event.asked_by)}  {what} to {clip(describe(event.action))}{because(event.decision.reason)}"


@_lines.register
def _(event: ev.MessageDelivered, _view: RunView) -> Iterator[str]:
    where = f"{one_line(event.task)}  " if event.task else ""
    yield f"{where}{one_line(event.agent)} is told: {clip(event.text)}"


@_lines.register
def _(event: ev.QuestionAsked, view: RunView) -> Iterator[str]:
    yield f"{one_line(event.question.id)}  {clip(event.question.text)}"
    yield f"{one_line(event.question.id)}  {one_line(words.how_to_answer(view.run, event.question))}"
    if (task := _stands_still(view, event.question.task)) is not None:
        yield f"{one_line(task.id)}  {task.state}: for an answer to {one_line(event.question.id)}"


@_lines.register
def _(event: ev.QuestionAnswered, view: RunView) -> Iterator[str]:
    yield f"{one_line(event.question)}  answered: {clip(words.answered(event))}"
    asked = view.questions.get(event.question)
    if asked is not None and (task := _stands_still(view, asked.question.task)) is not None:
        yield f"{one_line(task.id)}  {task.state}"


def _stands_still(view: RunView, task: str | None) -> TaskView | None:
    """The task whose agent asked in the middle of its work; one that is through with it says itself that it waits."""
    shown = view.tasks.get(task or "")
    return shown if shown is not None and shown.told in AT_WORK else None


@_lines.register
def _(event: ev.CaptainAsked, _view: RunView) -> Iterator[str]:
    yield f"{one_line(event.task)}  asks: {clip(event.question)}"
    yield f"{one_line(event.task)}  is told by {clip(words.said_by(event))}"


@_lines.register
def _(event: ev.Advised, _view: RunView) -> Iterator[str]:
    where = f"{one_line(event.task)}  " if event.task else ""
    yield f"{where}{one_line(event.agent)} is advised, as {words.trigger(event)}: {clip(event.advice)}"


@_lines.register
def _(event: ev.RunEnded, _view: RunView) -> Iterator[str]:
    yield f"{words.verdict(event.status)}{because(event.summary)}"
