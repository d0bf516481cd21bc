"""Who carries out a task: the native Build agent, behind the seam that other agents fit too."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Protocol

from captain.agent.crewmate import Crewmate
from captain.agent.limits import Limits
from captain.agent.loop import Agent, Ending
from captain.agent.prompts import prompt
from captain.agent.window import Transcript
from captain.core.findings import Finding
from captain.core.tasks import FollowUp, Task
from captain.tools import WORKING, Tool
from captain.workspace import Workspace


@dataclass(frozen=True, slots=True, kw_only=True)
class Feedback:
    """Why a Build is asked again: open findings, and paths that were put back as outside the scope."""

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
    forbidden = f"\nNever: {', '.join(task.scope.forbid)}" if task.scope.forbid else ""
    parts = [
        f"# Task {task.id}: {task.title}",
        task.brief,
        f"## Scope\nMay change: {', '.join(task.scope.paths)}{forbidden}",
        f"## Done when\n{criteria}",
        f"## Checks\n{checks}",
    ]
    if notes:
        parts.append(f"## The project's own notes\n{notes}")
    return "\n\n".join(parts)


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
        parts.append("These changes were outside the scope and have been put back: " + ", ".join(feedback.put_back))
    parts.append(
        "Mend what is wrong, within the same scope. If a finding does not hold, leave the code as it is and say why."
    )
    return "\n\n".join(parts)
