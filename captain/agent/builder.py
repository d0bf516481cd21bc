"""Who carries out a task: the native Build agent, behind the seam that other agents fit too."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Final, Protocol

from captain.agent.crewmate import Crewmate
from captain.agent.limits import Limits
from captain.agent.loop import Agent, Ending
from captain.agent.prompts import prompt
from captain.agent.window import Transcript
from captain.core.findings import Finding
from captain.core.tasks import ChangeKind, FollowUp, Scope, Task
from captain.guards import KINDS, PROTECTED
from captain.tools import WORKING, Tool
from captain.workspace import Workspace

_REFUSED: Final[dict[ChangeKind, str]] = {
    "add": "new files",
    "edit": "changes to files that are there",
    "delete": "deletions",
    "executable": "changes to what is executable",
    "symlink": "symbolic links",
    "submodule": "links to other repositories",
    "binary": "files that are not text",
    "odd_name": "names that deceive",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Feedback:
    """Why a Build is asked again: open findings, and what was put back as outside the scope, path or sentence each."""

    findings: tuple[Finding, ...]
    put_back: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildReport:
    """What a Build says of its work; it proves nothing."""

    ending: Ending
    summary: str
    follow_ups: tuple[FollowUp, ...] = ()


class Builder(Protocol):
    """Leaves its work in the workspace's files. Called again with feedback until the review loop ends."""

    async def build(self, task: Task, workspace: Workspace, /, *, feedback: Feedback | None = None) -> BuildReport: ...


@dataclass(slots=True, kw_only=True)
class AgentBuilder:
    """Builds with the native agent loop; each task keeps one conversation over its rounds.

    `crewmate` makes the mate for a task, `notes` gives the project's own notes for it.
    """

    crewmate: Callable[[Task], Crewmate]
    notes: Callable[[Task], str] = lambda _: ""
    tools: tuple[Tool, ...] = WORKING
    limits: Limits = Limits()
    command_timeout_s: float = 600.0
    _builds: dict[str, int] = field(default_factory=dict)
    _history: dict[str, Transcript] = field(default_factory=dict)

    async def build(self, task: Task, workspace: Workspace, /, *, feedback: Feedback | None = None) -> BuildReport:
        number = self._builds[task.id] = self._builds.get(task.id, 0) + 1
        mate = self.crewmate(task)
        agent = Agent(
            mate=replace(mate, task=task.id), instructions=prompt("build"), tools=self.tools, limits=self.limits
        )
        result = await agent.run(
            brief(task, self.notes(task)) if feedback is None else describe(feedback),
            box=workspace.box,
            path=f"task/{task.id}/build/{number}",
            history=self._history.get(task.id, Transcript()),
            command_timeout_s=self.command_timeout_s,
        )
        self._history[task.id] = result.transcript
        return BuildReport(ending=result.ending, summary=result.text.strip(), follow_ups=result.follow_ups)


def brief(task: Task, notes: str = "") -> str:
    """A task as its Build is told it."""
    criteria = "\n".join(
        f"- {criterion.id}: {criterion.text} "
        + (f"(proved by the check `{criterion.check}`)" if criterion.check else f"(evidence: {criterion.evidence})")
        for criterion in task.criteria
    )
    checks = "\n".join(f"- {check.name}: `{check.command}`" for check in task.checks) or "- none"
    parts = [
        f"# Task {task.id}: {task.title}",
        task.brief,
        f"## Scope\n{_limits(task.scope)}",
        f"## Done when\n{criteria}",
        f"## Checks\n{checks}",
    ]
    if notes:
        parts.append(f"## The project's own notes\n{notes}")
    return "\n\n".join(parts)


def _limits(scope: Scope) -> str:
    lines = [f"May change: {', '.join(scope.paths)}"]
    if scope.forbid:
        lines.append(f"Never: {', '.join(scope.forbid)}")
    own = [pattern for pattern in scope.protect if not pattern.startswith("!")]
    kinds = [*own, *(protection.name for protection in PROTECTED)]
    lines.append(f"Protected, so put back unless a pattern above names it: {', '.join(kinds)}")
    if scope.symbols:
        lines.append(f"In files that define them, only: {', '.join(scope.symbols)}")
    for most, what in ((scope.max_files, "files"), (scope.max_lines, "lines, added and removed")):
        if most is not None:
            lines.append(f"At most {most} {what}")
    refused = [kind for kind in KINDS if kind not in scope.kinds]
    if refused:
        lines.append(f"Put back as well: {', '.join(_REFUSED[kind] for kind in refused)}")
    return "\n".join(lines)


def describe(feedback: Feedback) -> str:
    """Feedback as a Build is told it."""
    findings = "\n".join(
        f"- {finding.id} [{finding.severity}, {finding.category}] {finding.path}: {finding.claim}\n"
        + (f"  at: {finding.anchor}\n" if finding.anchor else "")
        + f"  evidence: {finding.evidence}"
        for finding in feedback.findings
    )
    parts = [f"The work was checked and reviewed. These findings are open:\n\n{findings}"]
    if feedback.put_back:
        parts.append(
            "These changes were outside the scope and have been put back:\n"
            + "\n".join(f"- {change}" for change in feedback.put_back)
        )
    parts.append(
        "Mend what is wrong, within the same scope. If a finding does not hold, leave the code as it is and say why."
    )
    return "\n\n".join(parts)
