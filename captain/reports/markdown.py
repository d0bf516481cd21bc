"""A run as a report that a person wants to read: what was asked, what came of it, what proves it, what is left."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final, TypeAlias

from captain.reports import asking, leftovers, words
from captain.reports.marks import OUTPUT_LINES, code, fenced, plain, quoted, shell
from captain.reports.parts import Reproduction
from captain.reports.spending import spending
from captain.reports.tasks import Evidence, TaskView
from captain.reports.view import RunView

Lines: TypeAlias = Iterator[str]

PROOFS: Final = {"proved": "proved", "cited": "cited", "failed": "not met", "none": "no evidence"}

UNSANDBOXED: Final = "the commands of this run were not confined; they had all rights of the user who started it."


def to_markdown(view: RunView) -> str:
    """Deterministic; all text that comes from models, tools or the repository is escaped."""
    sections: tuple[tuple[str, Callable[[RunView], Lines]], ...] = (
        ("", _head),
        ("Answer", _answer),
        ("What was asked for", asking.items),
        ("Asked for meanwhile", asking.added),
        ("The plan", asking.plan),
        ("What it is going to cost", asking.estimate),
        ("Questions", asking.questions),
        ("Asked on the way", asking.consulted),
        ("Advice", asking.advice),
        ("Said meanwhile", asking.messages),
        ("Look at the result", _commands),
        ("What was done", _tasks),
        ("Evidence", _evidence),
        ("Search for the cause", asking.search),
        ("Bugs reproduced", _reproductions),
        ("Checks on the integrated result", _result_checks),
        ("Accepted, but not together", leftovers.clashes),
        ("Restacked", leftovers.restacked),
        ("Collisions foreseen", leftovers.forecasts),
        ("Possible shortcuts", leftovers.shortcuts),
        ("Findings left", leftovers.findings),
        ("Follow-ups", leftovers.follow_ups),
        ("Branches", leftovers.branches),
        ("Kept work", leftovers.kept),
        ("Permissions", leftovers.permissions),
        ("Rules that held", leftovers.rules),
        ("Refused proposals", leftovers.refusals),
        ("Notices", leftovers.notices),
        ("Time and cost", spending),
    )
    lines: list[str] = []
    for title, section in sections:
        body = _without_blank_end(list(section(view)))
        if body and title:
            lines += [f"## {title}", ""]
        lines += [*body, ""] if body else []
    return "\n".join(lines).rstrip("\n") + "\n"


def _without_blank_end(lines: list[str]) -> list[str]:
    return lines[:-1] if lines and not lines[-1] else lines


def _head(view: RunView) -> Lines:
    status = words.verdict(view.status) if view.status else "not ended"
    yield f"# Run {plain(view.run)}: {status}"
    yield ""
    yield from quoted(view.request)
    yield ""
    if view.ended is None:
        yield "**Outcome:** the record has no end: the run is still going, or it was interrupted."
    else:
        said = view.triage.reply if view.triage and view.triage.kind != "clarify" else ""
        summary = "" if view.ended.summary.strip() == said.strip() else view.ended.summary
        yield f"**Outcome:** {plain(summary) or status}"
        if view.ended.hint:
            yield ""
            yield f"**Next:** {plain(view.ended.hint)}"
    yield ""
    if view.unsandboxed:
        yield f"**unsandboxed**: {UNSANDBOXED}"
        yield ""
    if view.opened and view.opened.origin:
        yield f"- From: {plain(view.opened.origin)}"
    yield f"- Repository: {code(view.repository)}, from {_base(view)}"
    yield "- Crew: " + ", ".join(f"{role} {code(model)}" for role, model in view.crew)
    yield f"- Sandbox: {'none' if view.unsandboxed else plain(view.sandbox)}"
    if view.opened and view.opened.memory:
        yield "- Project notes read: " + ", ".join(code(path) for path in view.opened.memory)
    if view.triage is not None:
        yield f"- Triage: {view.triage.kind}; {plain(view.triage.reason)}"
    if view.plan is not None:
        yield f"- Plan: {plain(view.plan.summary)}"


def _base(view: RunView) -> str:
    branch = code(view.branch) if view.branch is not None else "a detached head"
    return f"{branch} at {code(words.commit(view.base))}"


def _answer(view: RunView) -> Lines:
    """What was said to the person; a question back stands among the questions."""
    if view.triage is not None and view.triage.reply and view.triage.kind != "clarify":
        yield from quoted(view.triage.reply)


def _commands(view: RunView) -> Lines:
    base, in_repository = words.commit(view.base), ("git", "-C", view.repository)
    if (result := view.result) is not None:
        commands = [
            shell(*in_repository, "log", "--oneline", f"{base}..{result.branch}"),
            shell(*in_repository, "diff", f"{base}..{result.branch}"),
            shell(*in_repository, "merge", result.branch),
        ]
    else:
        commands = [shell(*in_repository, "diff", f"{base}..{name}") for name in view.branches]
    if commands:
        yield from fenced("\n".join(commands), "sh")


def _tasks(view: RunView) -> Lines:
    if view.status == "planned":  # the plan itself is shown
        return
    for number, task in enumerate(view.tasks.values()):
        if number:
            yield ""
        yield f"### {plain(task.id)}: {plain(task.title)}"
        yield ""
        yield f"**{task.state}**: {_course(task)}"
        if task.reason:
            yield ""
            yield f"Why: {plain(task.reason.rstrip('.'))}."
        if task.snapshot is not None:
            yield ""
            yield f"Built: {_built(task)}"
        if task.figures:
            yield ""
            yield from (f"- {plain(figures.told())}" for figures in task.figures)


def _course(task: TaskView) -> str:
    """How it went, on one line."""
    parts = []
    if task.loop is not None:
        parts.append(words.course(task.loop))
    elif task.round:
        parts.append(f"the loop did not end; {words.count(task.round, 'round')} on record")
    else:
        parts.append("not reviewed")
    if task.started_at is not None and task.settled_at is not None:
        parts.append(words.duration(task.elapsed_s(task.settled_at)))
    if task.branch is not None:
        parts.append(f"branch {code(task.branch.branch)}")
    return ", ".join(parts)


def _built(task: TaskView) -> str:
    parts = [f"{words.count(task.snapshot.files, 'file')} changed"] if task.snapshot is not None else []
    if task.drift:
        paths = ", ".join(code(path) for drift in task.drift for path in drift.paths)
        parts.append(f"put back outside the scope: {paths}")
    return "; ".join(parts)


def _evidence(view: RunView) -> Lines:
    if view.status == "planned":
        return
    listed = {result.check.command for result in view.result_checks.results} if view.result_checks else set()
    for entry in view.evidence:
        criterion = entry.criterion
        yield f"- **{PROOFS[entry.proof]}** {plain(entry.task)}/{plain(criterion.id)}: {plain(criterion.text)}"
        yield f"  - {_proof(entry, listed)}"


def _proof(entry: Evidence, listed: set[str]) -> str:
    """Commands that are `listed` with the checks of the result are not said again."""
    at = f" on {code(words.commit(entry.commit))}" if entry.commit else ""
    if entry.check is not None:
        check = entry.check.check
        command = "" if check.command in listed else f": {code(check.command)}"
        return f"Check {code(check.name)}{command}, {words.exit_code(entry.check.exit_code)}{at}."
    if entry.citation is not None:
        return f"{plain(entry.reviewer or '')} cites: {plain(entry.citation)}"
    if entry.criterion.check is not None:
        return f"The check {code(entry.criterion.check)} has no result on record."
    return f"No reviewer cites anything for: {plain(entry.criterion.evidence or entry.criterion.text)}"


def _reproductions(view: RunView) -> Lines:
    for number, bug in enumerate(view.reproductions):
        if number:
            yield ""
        yield from _reproduction(bug)


def _reproduction(bug: Reproduction) -> Lines:
    places = ", ".join(
        code(place.path) + (f" ({code(place.symbol)})" if place.symbol else "") for place in bug.diagnosis.locations
    )
    yield f"### {plain(bug.diagnosis.id)}: {bug.state}"
    yield ""
    yield f"{plain(bug.diagnosis.cause)} In {places}." if places else plain(bug.diagnosis.cause)
    yield ""
    if bug.diagnosis.reproduction is None:
        yield f"- Not reproduced: {plain(bug.diagnosis.no_reproduction or 'no reason given')}"
        return
    yield f"- Command: {code(bug.diagnosis.reproduction)}"
    if bug.before is None:
        yield "- Before: not run"
        return
    seen = "fails" if bug.before.seen_to_fail else "not seen to fail"
    runs = f", {bug.before.failed} of {words.count(bug.before.runs, 'run')}" if bug.before.runs > 1 else ""
    yield (
        f"- Before: {seen} on {code(words.commit(bug.before.commit))} ({words.exit_code(bug.before.exit_code)}{runs})"
    )
    if bug.diagnosis.flaky:
        yield "- Flaky: it fails only some of the times, so it has to pass several times in a row afterwards"
    for where, result in bug.after:
        word = "passes" if result.passed else "fails"
        yield f"- After: {word} on {plain(where)} ({words.exit_code(result.exit_code)})"
    if not bug.after:
        yield "- After: not run"
    if bug.before.output.strip():
        yield ""
        yield from fenced(bug.before.output, last_lines=OUTPUT_LINES)


def _result_checks(view: RunView) -> Lines:
    if view.result_checks is None:
        return
    for result in view.result_checks.results:
        word = "passed" if result.passed else "**failed**"
        yield f"- {word} {code(result.check.name)}: {code(result.check.command)}, {words.exit_code(result.exit_code)}"
        if not result.passed and result.output.strip():
            yield ""
            yield from ("  " + line for line in fenced(result.output, last_lines=OUTPUT_LINES))
