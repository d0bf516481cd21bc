"""A run as plain lines, one short line per event that matters, for logs and pipes."""

from __future__ import annotations

from collections.abc import Iterator
from functools import singledispatch
from typing import TYPE_CHECKING, Final

from captain.cli.closing import closing_lines
from captain.cli.screens import whisper
from captain.core import events as ev
from captain.core.actions import describe
from captain.core.events import Event, Recorded
from captain.core.tasks import CheckResult
from captain.reports import words
from captain.reports.escape import one_line
from captain.reports.markdown import to_markdown
from captain.reports.view import RunView

if TYPE_CHECKING:
    from captain.api import Outcome

TEXT_LIMIT: Final = 100
"""Characters of somebody's free text on one line."""


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


def _clip(text: str) -> str:
    return one_line(text, TEXT_LIMIT)


def _because(reason: str) -> str:
    return f": {_clip(reason)}" if reason else ""


@singledispatch
def _lines(event: Event, _view: RunView) -> Iterator[str]:
    """Model calls, tool calls and agents that start or end as they should are too many to be told."""
    yield from ()


@_lines.register
def _(event: ev.RunOpened, view: RunView) -> Iterator[str]:
    yield f"run {one_line(event.run)}: {_clip(event.request)}"
    crew = ", ".join(f"{role} {one_line(model)}" for role, model in event.crew)
    yield f"from {one_line(event.branch or 'a detached head')} at {words.commit(event.base)}, {crew}"
    yield "unsandboxed: commands are not confined" if view.unsandboxed else f"sandbox: {one_line(event.sandbox)}"


@_lines.register
def _(event: ev.Noticed, _view: RunView) -> Iterator[str]:
    yield f"notice: {_clip(event.text)}"


@_lines.register
def _(event: ev.ReproductionRan, _view: RunView) -> Iterator[str]:
    seen = "fails as diagnosed" if event.seen_to_fail else "was not seen to fail"
    yield (
        f"{one_line(event.diagnosis)}  reproduction {seen} on {words.commit(event.commit)} "
        f"({words.exit_code(event.exit_code)}): {_clip(event.command)}"
    )


@_lines.register
def _(event: ev.Refused, _view: RunView) -> Iterator[str]:
    for problem in event.problems:
        yield f"{event.what} refused: {_clip(problem)}"


@_lines.register
def _(event: ev.Triaged, _view: RunView) -> Iterator[str]:
    yield f"triage {event.triage.kind}{_because(event.triage.reason)}"


@_lines.register
def _(event: ev.PlanAdopted, _view: RunView) -> Iterator[str]:
    yield f"plan of {words.count(len(event.plan.tasks), 'task')}{_because(event.plan.summary)}"
    for task in event.plan.tasks:
        after = f" (after {one_line(', '.join(task.depends_on))})" if task.depends_on else ""
        yield f"{one_line(task.id)}  planned{after}: {_clip(task.title)}"


@_lines.register
def _(event: ev.TaskChanged, _view: RunView) -> Iterator[str]:
    if event.state != "planned":  # the plan has said so
        yield f"{one_line(event.task)}  {event.state}{_because(event.reason)}"


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
    yield f"{where}{who} stopped ({words.verdict(event.ending)}) after {turns}{_because(event.summary)}"


@_lines.register
def _(event: ev.SnapshotTaken, _view: RunView) -> Iterator[str]:
    yield f"{one_line(event.task)}  round {event.round}: {words.count(event.files, 'file')} changed"


@_lines.register
def _(event: ev.DriftPutBack, _view: RunView) -> Iterator[str]:
    yield (f"{one_line(event.task)}  round {event.round}: put back outside the scope: {_clip(', '.join(event.paths))}")


@_lines.register
def _(event: ev.ShortcutsFound, _view: RunView) -> Iterator[str]:
    where = f"{one_line(event.task)}  round {event.round}"
    for finding in event.findings:
        yield f"{where}: shortcut in {_clip(finding.path)}: {_clip(finding.claim)}"
    if event.questions:
        yield f"{where}: {words.count(len(event.questions), 'possible shortcut')} put to the reviewers"
    if event.unread:
        yield f"{where}: not looked at for shortcuts: {_clip(', '.join(event.unread))}"


@_lines.register
def _(event: ev.FollowUpNoted, _view: RunView) -> Iterator[str]:
    where = f"{one_line(event.follow_up.task)}  " if event.follow_up.task else ""
    yield f"{where}follow-up: {_clip(event.follow_up.title)}"


@_lines.register
def _(event: ev.ChecksRan, _view: RunView) -> Iterator[str]:
    where = f"{one_line(event.task)}  round {event.round}" if event.task else "result"
    yield f"{where}: {_checks(event.results)}"


def _checks(results: tuple[CheckResult, ...]) -> str:
    failed = [result for result in results if not result.passed]
    if not failed:
        return f"{words.count(len(results), 'check')} passed"
    names = "; ".join(f"{one_line(result.check.name)}, {words.exit_code(result.exit_code)}" for result in failed)
    return f"checks {len(failed)} of {len(results)} failed ({_clip(names)})"


@_lines.register
def _(event: ev.Reviewed, _view: RunView) -> Iterator[str]:
    found = words.severities(event.findings) or "nothing"
    yield f"{one_line(event.task)}  round {event.round}: {one_line(event.reviewer)} found {found}"
    for finding in event.findings:
        yield f"{one_line(event.task)}  {finding.severity}: {_clip(finding.claim)}"


@_lines.register
def _(event: ev.LoopEnded, _view: RunView) -> Iterator[str]:
    kept = f", round {event.kept_round} kept" if event.kept_round != event.rounds else ""
    yield (
        f"{one_line(event.task)}  {words.verdict(event.verdict)} after {words.count(event.rounds, 'round')}{kept}"
        f"{_because(event.reason)}"
    )


@_lines.register
def _(event: ev.BranchSet, _view: RunView) -> Iterator[str]:
    where = f"{one_line(event.task)}  " if event.task else "result  "
    yield f"{where}branch {one_line(event.branch)} at {words.commit(event.commit)}"


@_lines.register
def _(event: ev.Kept, _view: RunView) -> Iterator[str]:
    where = f"{one_line(event.task)}  " if event.task else ""
    yield f"{where}kept {one_line(event.ref)}{_because(event.reason)}"


@_lines.register
def _(event: ev.PermissionAsked, _view: RunView) -> Iterator[str]:
    yield f"{one_line(event.request.asked_by)} asks for leave to {_clip(describe(event.request.action))}"


@_lines.register
def _(event: ev.PermissionDecided, _view: RunView) -> Iterator[str]:
    if event.decision.effect == "deny" or event.decision.rule == "grant":  # what a policy allows is no news
        what = "denied" if event.decision.effect == "deny" else "allowed"
        yield f"{one_line(event.asked_by)}  {what} to {_clip(describe(event.action))}{_because(event.decision.reason)}"


@_lines.register
def _(event: ev.RunEnded, _view: RunView) -> Iterator[str]:
    yield f"{words.verdict(event.status)}{_because(event.summary)}"
