"""Who carries out a task: the native Build agent, behind the seam that other agents fit too."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Final, Protocol

from captain.agent.advice import Advisor
from captain.agent.checkpoints import Checkpoints
from captain.agent.crewmate import Crewmate
from captain.agent.limits import Limits
from captain.agent.loop import Agent, Ending
from captain.agent.mailbox import Mailbox
from captain.agent.prompts import prompt
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
class FixBrief:
    """What is to be mended in a task's workspace, in words. `id` is unique in the task: each fix starts afresh."""

    id: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildReport:
    """What a Build says of its work; it proves nothing."""

    ending: Ending
    summary: str
    follow_ups: tuple[FollowUp, ...] = ()


class Builder(Protocol):
    """Leaves its work in the workspace's files: the task's, or with `fix` what is to be mended in it."""

    async def build(self, task: Task, workspace: Workspace, /, *, fix: FixBrief | None = None) -> BuildReport: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentBuilder:
    """Builds with the native agent loop, in a new conversation for the task and for each fix.

    `crewmate` makes the mate for a task, `notes` gives the project's own notes for it, `mailbox` where its agent of
    that name hears what is said to it meanwhile. `task_tools` are those that are made for one task; `advisor` gives who
    advises its agent, if anybody does.
    """

    crewmate: Callable[[Task], Crewmate]
    notes: Callable[[Task], str] = lambda _: ""
    tools: tuple[Tool, ...] = WORKING
    limits: Limits = Limits()
    command_timeout_s: float = 600.0
    mailbox: Callable[[str, Task], Mailbox | None] = lambda _name, _task: None
    advisor: Callable[[Task], Advisor | None] = lambda _: None
    task_tools: Callable[[Task, Workspace], tuple[Tool, ...]] = lambda _task, _workspace: ()

    async def build(self, task: Task, workspace: Workspace, /, *, fix: FixBrief | None = None) -> BuildReport:
        mate = replace(self.crewmate(task), task=task.id)
        told, path = brief(task, self.notes(task)), f"task/{task.id}/build"
        if fix is not None:
            mate = replace(mate, name=f"{mate.name}-{fix.id}")
            told, path = f"{told}\n\n{fix.text}", f"task/{task.id}/fix/{fix.id}"
        tools = (*self.tools, *self.task_tools(task, workspace))
        agent = Agent(
            mate=mate,
            instructions=prompt("build"),
            tools=tools,
            limits=self.limits,
            advisor=self.advisor(task),
        )
        checkpoints = Checkpoints(workspace) if mate.journal is not None else None
        try:
            result = await agent.run(
                told,
                box=workspace.box,
                path=path,
                command_timeout_s=self.command_timeout_s,
                checkpoints=checkpoints,
                mailbox=self.mailbox(mate.name, task),
            )
        finally:
            if checkpoints is not None:
                await checkpoints.catch_up()
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
