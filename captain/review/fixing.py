"""Who mends: the protocol, what a fixer is told, and adapters for our own Build and for command-line agents."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Protocol

from captain.agent import Builder, BuildReport, FixBrief
from captain.core.cases import Case, Clause, Rung
from captain.core.tasks import CheckResult, Task
from captain.tools import clip
from captain.workspace import Workspace

_DIFF_CHARS = 20_000


@dataclass(frozen=True, slots=True, kw_only=True)
class FailedTry:
    """An earlier change for the same case that was undone: its diff, and the clause of the gate it failed."""

    diff: str
    clause: Clause | None
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class FixJob:
    """What is to be mended, on top of `commit`. `id` is unique in its loop.

    `keep` are cases that are fixed now and came back before when these were mended. `broken` are checks that the
    fixer's own change in this workspace broke: it may repair that before the gate looks.
    """

    id: str
    task: Task
    cases: tuple[Case, ...]
    rung: Rung
    round: int
    commit: str
    earlier: tuple[FailedTry, ...] = ()
    keep: tuple[Case, ...] = ()
    broken: tuple[CheckResult, ...] = ()


class Fixer(Protocol):
    """Leaves its work in the workspace's files, and says something about it, which proves nothing.

    Whether it commits does not matter. Files left as they were mean that it declines; its words say why.
    """

    async def fix(self, job: FixJob, workspace: Workspace, /) -> str: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class BuildFixer:
    """Any `Builder`, asked anew for every attempt: each gets the task, what is to be mended and what failed before.

    `advisor` makes the third attempt, where there is one. `heard` is told of each report.
    """

    builder: Builder
    advisor: Builder | None = None
    heard: Callable[[BuildReport], Awaitable[None]] | None = None

    async def fix(self, job: FixJob, workspace: Workspace, /) -> str:
        builder = self.advisor if job.rung == "advisor" and self.advisor is not None else self.builder
        name = f"{job.id}-repair" if job.broken else job.id
        report = await builder.build(job.task, workspace, fix=FixBrief(id=name, text=to_mend(job)))
        if self.heard is not None:
            await self.heard(report)
        return report.summary


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandFixer:
    """A command-line agent: it runs in the workspace and reads what is to be done from its standard input."""

    argv: tuple[str, ...]
    timeout_s: float = 1800.0

    async def fix(self, job: FixJob, workspace: Workspace, /) -> str:
        result = await workspace.box.run(self.argv, timeout_s=self.timeout_s, stdin=describe(job).encode())
        if result.timed_out:
            return f"It was stopped after {self.timeout_s:g} s."
        return clip(result.text, 2_000)


def describe(job: FixJob) -> str:
    """A job as a fixer is told it that knows nothing of its task."""
    return f"{job.task.brief}\n\n{to_mend(job)}"


def to_mend(job: FixJob) -> str:
    """A job as a fixer is told it that knows the task."""
    parts = ["## What is to be mended", *(_told(case) for case in job.cases)]
    if job.keep:
        parts += ["## What must stay mended: it came back when these were mended before", *map(_told, job.keep)]
    for number, failed in enumerate(job.earlier, 1):
        parts.append(f"## Attempt {number} was undone\nIt failed the gate ({failed.clause}): {failed.reason}")
        parts.append(f"```diff\n{clip(failed.diff, _DIFF_CHARS)}\n```")
    for result in job.broken:
        parts.append(f"## Your change broke the check `{result.check.command}`\n{result.output}")
    parts.append(
        "Mend the cause, with the smallest change that does it, and nothing else. Do not weaken a test or a check. "
        "If it is not so, leave all files as they are and say why."
    )
    return "\n\n".join(parts)


def _told(case: Case) -> str:
    finding = case.finding
    lines = [f"- {case.id} [{case.severity}, {finding.category}] {finding.path}: {finding.claim}"]
    if finding.anchor:
        lines.append(f"  at: {finding.anchor}")
    lines.append(f"  evidence: {finding.evidence}")
    lines += [f"  also said: {said}" for said in case.also_said]
    if case.reproduction is not None:
        lines.append(f"  fails because of it: `{case.reproduction.command}`")
    return "\n".join(lines)
