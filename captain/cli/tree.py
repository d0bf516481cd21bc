"""A run as a tree of lines for a terminal: triage, plan, tasks and result, said in words and cut to the width."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Final

from captain.core.tasks import Task, TaskState
from captain.reports import words
from captain.reports.escape import one_line
from captain.reports.parts import RequestView
from captain.reports.tasks import TaskView
from captain.reports.view import RunView

if TYPE_CHECKING:
    from rich.console import RenderableType

DONE: Final = "done"
WORKING: Final = "working"
WAITING: Final = "waiting"
BROKEN: Final = "broken"
LEFT: Final = "left"

_SYMBOLS: Final = {DONE: "✓", WORKING: "●", WAITING: "○", BROKEN: "✗", LEFT: "-"}
_ASCII: Final = {DONE: "+", WORKING: "*", WAITING: ".", BROKEN: "x", LEFT: "-"}
_STYLES: Final = {DONE: "green", WORKING: "cyan", WAITING: "dim", BROKEN: "red", LEFT: "yellow"}
_LOOKS: Final[dict[TaskState, str]] = {
    "planned": WAITING,
    "building": WORKING,
    "checking": WORKING,
    "reviewing": WORKING,
    "waiting": WAITING,
    "accepted": DONE,
    "parked": LEFT,
    "failed": BROKEN,
    "cancelled": LEFT,
}


@dataclass(frozen=True, slots=True)
class Row:
    """One node: how it looks, what it says, and lines below it. `settled` rows go first when space is short."""

    look: str
    text: str
    below: tuple[str, ...] = ()
    settled: bool = False


def header(view: RunView, now: datetime) -> tuple[str, str]:
    """Two lines: the request, and what has been spent on it."""
    facts = [words.duration(view.elapsed_s(now))]
    if view.unsandboxed:
        facts.append("unsandboxed")
    if view.spend.model_calls:
        facts += [words.cost(view.spend), words.short_tokens(view.spend.usage)]
    return f"Captain: {one_line(view.request)}", ", ".join([*facts, f"run {one_line(view.run)}"])


def rows(view: RunView, now: datetime) -> list[Row]:
    """Triage, plan, tasks, result and end, as far as the run has come."""
    found = [_triage(view)]
    if view.search is not None:
        found.append(_search(view, view.search.tasks))
    if view.triage is not None and view.triage.leads_to_work:
        found.append(_plan(view))
    found += [_added(view, asked) for asked in view.added]
    found += [_task(view, task, now) for task in view.tasks.values()]
    found += [
        Row(WAITING, f"{one_line(asked.id)}: {one_line(asked.text)}", (words.how_to_answer(one_line(view.run), asked),))
        for asked in view.open_questions
    ]
    found += _result(view)
    if view.ended is not None:
        look = {"succeeded": DONE, "answered": DONE, "planned": DONE, "failed": BROKEN, "declined": BROKEN}.get(
            view.ended.status, LEFT
        )
        found.append(Row(look, f"{words.verdict(view.ended.status)}: {one_line(view.ended.summary)}"))
    return found


def fitted(found: list[Row], height: int) -> list[Row]:
    """`found` in at most `height` lines, if leaving out what is settled is enough for that."""
    if _lines(found) <= height:
        return found
    slim = [Row(row.look, row.text, () if row.settled else row.below, row.settled) for row in found]
    if _lines(slim) <= height:
        return slim
    hidden = sum(row.settled for row in slim)
    shown = [row for row in slim if not row.settled]
    return [Row(DONE, f"{words.count(hidden, 'settled task')} not shown"), *shown] if hidden else slim


def render(view: RunView, now: datetime, *, height: int | None = None, ascii_only: bool = False) -> RenderableType:
    """For a rich console of any width; lines are cut, never wrapped."""
    from rich.console import Group
    from rich.text import Text
    from rich.tree import Tree

    def cut(text: str, style: str = "") -> Text:
        return Text(text, style=style, no_wrap=True, overflow="crop" if ascii_only else "ellipsis")

    title, facts = header(view, now)
    tree = Tree(cut(facts, "dim"), guide_style="dim")
    symbols = _ASCII if ascii_only else _SYMBOLS
    for row in fitted(rows(view, now), height - 2) if height is not None else rows(view, now):
        label = cut(f"{symbols[row.look]} {row.text}")
        label.stylize(_STYLES[row.look], 0, 1)
        node = tree.add(label)
        for line in row.below:
            node.add(cut(line, "dim"))
    return Group(cut(title, "bold"), tree)


def _lines(found: list[Row]) -> int:
    return sum(1 + len(row.below) for row in found)


def _triage(view: RunView) -> Row:
    if view.triage is None:
        return Row(WAITING if view.ended else WORKING, "triage" + _doing(view))
    bugs = tuple(
        f"{one_line(bug.diagnosis.id)} {bug.state}: {one_line(bug.diagnosis.reproduction or bug.diagnosis.cause)}"
        for bug in view.reproductions
    )
    return Row(DONE, f"triage: {view.triage.kind}, {one_line(view.triage.reason)}", bugs)


def _search(view: RunView, tasks: tuple[Task, ...]) -> Row:
    """Who was sent to look for the cause, and who has reported."""
    below = tuple(
        f"{one_line(task.id)} {'reported' if task.id in view.investigated else 'looks'}: {one_line(task.title)}"
        for task in tasks
    )
    done = len(view.investigated) == len(tasks)
    return Row(DONE if done else LEFT if view.ended else WORKING, f"search: {words.count(len(tasks), 'reader')}", below)


def _plan(view: RunView) -> Row:
    if view.plan is None:
        return Row(WAITING if view.ended else WORKING, "plan" + _doing(view))
    return Row(DONE, f"plan: {words.count(len(view.plan.tasks), 'task')}, {one_line(view.plan.summary)}")


def _added(view: RunView, asked: RequestView) -> Row:
    """What was asked for while the run went on."""
    looked_into = asked.plan is None and asked.ended is None
    look = (LEFT if view.ended else WORKING) if looked_into else DONE
    if asked.ended is not None and asked.ended.status not in ("answered", "declined"):
        look = LEFT
    doing = _doing(view) if looked_into and view.ended is None else ""
    return Row(look, f"request {asked.number}, {words.came_to(asked)}: {one_line(asked.text)}{doing}")


def _doing(view: RunView) -> str:
    """What the Captain itself does at the moment."""
    active = [agent for agent in view.agents.values() if agent.task is None and agent.ended is None]
    return f": {one_line(active[-1].activity)}" if active and active[-1].activity else ""


def _task(view: RunView, task: TaskView, now: datetime) -> Row:
    facts: list[str] = [task.state]
    if task.state == "planned" and task.task is not None and task.task.depends_on:
        facts.append(f"after {one_line(', '.join(task.task.depends_on))}")
    if task.round:
        facts.append(f"round {task.round}")
    if task.verdict is not None:
        facts.append(words.verdict(task.verdict))
    failed = [result for result in task.checks if not result.passed]
    if failed and task.loop is None:
        facts.append(f"{words.count(len(failed), 'check')} failed")
    if task.open_cases:
        facts.append(f"{words.severities(task.open_cases)} open")
    if task.started_at is not None:
        facts.append(words.duration(task.elapsed_s(now)))
    below = "" if task.state == "accepted" else task.reason if task.settled else view.activity(task)
    foreseen = {} if task.settled or view.result is not None else view.foreseen(task.id)
    lines = [below, *(f"about to collide with {other} in {', '.join(paths)}" for other, paths in foreseen.items())]
    return Row(
        _LOOKS[task.state],
        f"{one_line(task.id)} {', '.join(facts)}: {one_line(task.title)}",
        tuple(one_line(line) for line in lines if line),
        task.settled,
    )


def _result(view: RunView) -> list[Row]:
    found = []
    if view.result_checks is not None:
        failed = sum(not result.passed for result in view.result_checks.results)
        total = words.count(len(view.result_checks.results), "check")
        text = f"result: {failed} of {total} failed" if failed else f"result: {total} passed"
        found.append(Row(BROKEN if failed else DONE, text))
    if view.result is not None:
        found.append(Row(DONE, f"branch {one_line(view.result.branch)}"))
    return found
