"""What rules say of a change, without a model: scope, shortcuts, and what only a person can weigh."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from captain.core.findings import Finding
from captain.core.hunks import parse_hunks
from captain.core.tasks import Scope, Task
from captain.guards import Shortcut, ShortcutGuard, relevance, shown
from captain.workspace import Repository, judge, read_contents

ANYWHERE: Final = Scope(paths=("*",))
"""The scope of a loop that was given no task."""

_QUESTIONS: Final = 20  # a diff with more of them is not read better by showing all
_DOUBTS: Final = 5
_READ_CHARS: Final = 1_000_000  # a diff no reviewer can read is not looked at hunk by hunk


@dataclass(frozen=True, slots=True, kw_only=True)
class Remarks:
    """`findings` hold a change up; `questions` and `doubts` are for reviewers to decide. `unread` were skipped."""

    findings: tuple[Finding, ...] = ()
    questions: tuple[Finding, ...] = ()
    doubts: tuple[str, ...] = ()
    unread: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """The scope of a task and the shortcut guard, where there are such."""

    repository: Repository
    task: Task
    shortcut_guard: ShortcutGuard | None

    async def outside(self, before: str, after: str) -> tuple[str, ...]:
        """What of a change the scope does not allow, as sentences."""
        if self.task.scope == ANYWHERE:
            return ()
        judged = await judge(self.repository.git, self.task.scope, before, after)
        return tuple(ruling.reason for ruling in judged.refused)

    async def shortcuts(self, before: str, after: str) -> Remarks:
        """A shortcut that blocks is a major finding; one that only asks is a question to the reviewers."""
        if self.shortcut_guard is None:
            return Remarks()
        contents = await read_contents(self.repository, before, after)
        found = self.shortcut_guard.shortcuts(contents.files)
        return Remarks(
            findings=tuple(_finding(one) for one in found if one.blocks),
            questions=tuple(_finding(one) for one in found if not one.blocks)[:_QUESTIONS],
            unread=tuple(one.path for one in contents.left_out),
        )

    async def of(self, base: str, head: str, diff: str) -> Remarks:
        """All that is to be said of the whole change, of which `diff` is the text."""
        found = await self.shortcuts(base, head)
        if self.task.scope == ANYWHERE:
            return found
        judged = await judge(self.repository.git, self.task.scope, base, head)
        return Remarks(
            findings=(*judged.findings, *found.findings),
            questions=found.questions,
            doubts=(*judged.warnings, *_doubts(self.task, diff)),
            unread=found.unread,
        )


def key_of(finding: Finding) -> tuple[str, ...]:
    """What makes two findings of rules the same: the rule, and the code it is about, wherever that has moved to."""
    return (finding.category, finding.id, finding.path, finding.symbol or "", finding.anchor)


def _finding(shortcut: Shortcut) -> Finding:
    where = f"line {shortcut.line}" + (" before the change" if shortcut.side == "old" else "")
    return Finding(
        id=shortcut.rule,
        severity="major" if shortcut.blocks else "minor",
        category="shortcut",
        path=shortcut.path,
        anchor=shortcut.quote,
        claim=f"{shortcut.title[0].upper()}{shortcut.title[1:]} ({where}"
        + (f", in {shortcut.symbol})." if shortcut.symbol else ")."),
        evidence=f"{shortcut.why} What would justify it: {shortcut.justified_by}",
    )


def _doubts(task: Task, diff: str) -> tuple[str, ...]:
    """Hunks that seem to serve nothing the task asks for, unless that goes for all of them."""
    if len(diff) > _READ_CHARS:
        return ()
    answers = relevance(parse_hunks(diff), task)
    if not any(answer.serves for answer in answers):
        return ()
    doubted = [answer for answer in answers if not answer.serves]
    return tuple(f"{shown(a.hunk.path)}, line {a.hunk.new_start}: {a.reason}" for a in doubted[:_DOUBTS])
