"""The last lines of a run: what came of it, where it is, and how to look at it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from captain.reports import words
from captain.reports.escape import one_line, visible
from captain.reports.files import MARKDOWN
from captain.reports.marks import shell
from captain.reports.view import RunView

if TYPE_CHECKING:
    from captain.api import Outcome


def closing_lines(outcome: Outcome) -> list[str]:
    view = outcome.view
    lines = [f"{words.verdict(outcome.status)}: {visible(outcome.summary).strip()}".rstrip(": ")]
    if outcome.hint:
        lines.append(f"hint: {one_line(outcome.hint)}")
    lines += [
        f"open: {one_line(asked.id)}  {one_line(words.how_to_answer(outcome.run, asked))}"
        for asked in view.open_questions
    ]
    if view.unsandboxed:
        lines.append("unsandboxed: the commands of this run were not confined.")
    lines += [f"result: {one_line(outcome.branch)}", f"  {look_at(view, outcome.branch)}"] if outcome.branch else []
    if outcome.branch and (tip := _moved_on(view)):
        lines.append(
            f"moved on: {one_line(view.branch or '')} is at {words.commit(tip)} now, and the result is not on it"
        )
        lines.append(f"  captain stack {outcome.run} --restack")
    if go_on := _go_on(outcome):
        lines.append(f"go on: {go_on}")
    if left := _left(view):
        lines.append(f"left: {left}")
    if view.follow_ups:
        lines.append(f"  captain followups {outcome.run}")
    lines.append(f"spent: {_spent(view)}")
    lines.append(f"report: {one_line(str(outcome.folder / MARKDOWN))}")
    return lines


def _go_on(outcome: Outcome) -> str:
    """The command that goes on with a run that was stopped, or ran into a limit."""
    if outcome.status == "cancelled":
        return f"captain resume {outcome.run}"
    return f"captain resume {outcome.run} with a larger --budget-…" if outcome.status == "budget" else ""


def look_at(view: RunView, branch: str) -> str:
    """The command that shows what a branch changes."""
    return shell("git", "-C", view.repository, "diff", f"{words.commit(view.base)}..{branch}")


def _moved_on(view: RunView) -> str | None:
    """Where the user's branch is now, if that is not where the run started from."""
    import anyio

    from captain.core.errors import CaptainError
    from captain.workspace import Repository

    async def look() -> str | None:
        repository = await Repository.open(Path(view.repository))
        ref = f"refs/heads/{view.branch}"
        tip = (await repository.refs(ref)).get(ref)
        return None if tip is None or await repository.is_ancestor(tip, view.base) else tip

    if view.branch is None:
        return None
    try:
        return anyio.run(look)
    except (CaptainError, OSError):  # it has gone meanwhile, and the last lines are about something else
        return None


def _left(view: RunView) -> str:
    findings = [case for task in view.tasks.values() for case in task.open_cases]
    parts = [f"{words.count(len(findings), 'finding')} ({words.severities(findings)})"] if findings else []
    if view.follow_ups:
        parts.append(words.count(len(view.follow_ups), "follow-up"))
    if declined := sum(item.state == "declined" for item in view.items):
        parts.append(f"{words.count(declined, 'part')} of the request declined")
    return ", ".join(parts)


def _spent(view: RunView) -> str:
    time = words.duration(view.elapsed_s())
    if not view.spend.model_calls:
        return f"{time}, no model call"
    calls = words.count(view.spend.model_calls, "model call")
    return f"{time}, {calls}, {words.tokens(view.spend.usage)}, {words.cost(view.spend)}"
