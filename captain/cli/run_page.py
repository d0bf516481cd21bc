"""What `captain runs show` says of one run, first as data."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from captain.cli import history
from captain.cli.tidy import ref_to_dict
from captain.reports import words
from captain.reports.escape import one_line
from captain.reports.jsonable import spend_to_dict
from captain.reports.view import RunView

if TYPE_CHECKING:
    from captain.runs import StoredRun


def read(run: StoredRun) -> dict[str, Any]:
    import anyio

    from captain.core.errors import GitError
    from captain.workspace.leftovers import leftovers
    from captain.workspace.run_refs import RepositoryRefs

    view = RunView.of(run.events())
    steps = run.facts()
    holder = run.project.holder(run.id)
    git_dir, problem = run.project.git_dir, ""
    refs: list[dict[str, Any]] = []
    if git_dir is None or not git_dir.is_dir():
        problem = "Its repository is no longer there."
    else:
        try:
            found = anyio.run(RepositoryRefs.read, git_dir)
            refs = [ref_to_dict(ref) for ref in found.runs.get(run.id, ())]
        except GitError as error:
            problem = str(error)
    for ref in refs:
        del ref["elsewhere"]
    return {
        "schema": 1,
        **history.facts(run),
        "summary": view.ended.summary if view.ended else "",
        "spend": spend_to_dict(view.spend),
        "spend_in_words": f"{words.cost(view.spend)}, {words.tokens(view.spend.usage)}",
        "entries": steps.entries,
        "events": steps.events,
        "finished_steps": steps.finished,
        "unfinished": [{"path": path, "effect": effect} for path, effect in steps.unfinished],
        "holder": str(holder) if holder else None,
        "refs": refs,
        "problem": problem,
        "copies": [
            {"name": left.name, "path": str(left.path), "in_use": left.alive, "size_bytes": left.size_bytes}
            for left in leftovers(run.project.workspaces)
            if left.path.parent.name == run.id and left.kind != "base"
        ],
        "tasks": [
            {"id": task.id, "title": task.title, "state": task.state, "waits_for": list(task.waits_for)}
            for task in view.tasks.values()
        ],
        "questions": [
            {"id": asked.id, "text": asked.text, "answer_with": words.how_to_answer(run.id, asked)}
            for asked in view.open_questions
        ],
    }


def lines(page: dict[str, Any]) -> Iterator[str]:
    yield f"run: {one_line(page['run'])}"
    yield f"state: {words.verdict(page['state'])}"
    yield f"request: {one_line(page['request'], 200)}"
    if page["summary"]:
        yield f"summary: {one_line(page['summary'], 400)}"
    yield f"spend: {page['spend_in_words']}"
    yield f"entries: {page['entries']}, of these {page['events']} events; finished steps: {page['finished_steps']}"
    for task in page["tasks"]:
        waits = f" for an answer to {one_line(', '.join(task['waits_for']))}" if task["state"] == "waiting" else ""
        yield f"task {one_line(task['id'])} is {task['state']}{waits}: {one_line(task['title'])}"
    for asked in page["questions"]:
        yield f"open question {one_line(asked['id'])}: {one_line(asked['text'], 400)}"
        yield f"  {one_line(asked['answer_with'])}"
    if page["holder"]:
        yield f"carried by {one_line(page['holder'])}"
    for step in page["unfinished"]:
        yield f"unfinished: {one_line(step['path'])} ({step['effect']})"
    if page["problem"]:
        yield one_line(page["problem"])
    for ref in page["refs"]:
        yield f"{one_line(ref['ref'])} at {ref['commit'][:12]}: {ref['holds']}"
    for copy in page["copies"]:
        yield f"copy {one_line(copy['path'])}: {'in use' if copy['in_use'] else 'left behind'}"
