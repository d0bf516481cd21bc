"""The shortcut guard within a run: a task's diff in; findings, questions to its reviewers, and the event out."""

from __future__ import annotations

from typing import Final

from captain.core.events import ShortcutsFound
from captain.core.findings import Finding
from captain.guards import Shortcut, ShortcutGuard
from captain.workspace import Repository, read_contents

SHOWN: Final = 20
"""Most questions of one round; a diff with more than that is not read better by showing all of them."""


async def look_for_shortcuts(repository: Repository, task: str, round_: int, base: str, head: str) -> ShortcutsFound:
    """What blocks is a major finding, for the Build to mend; what only asks is for the reviewers to decide."""
    contents = await read_contents(repository, base, head)
    found = ShortcutGuard().shortcuts(contents.files)
    blocking = [one for one in found if one.blocks]
    asking = [one for one in found if not one.blocks]
    return ShortcutsFound(
        task=task,
        round=round_,
        findings=tuple(_finding(one) for one in blocking),
        questions=tuple(_finding(one) for one in asking[:SHOWN]),
        unread=tuple(one.path for one in contents.left_out),
    )


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
