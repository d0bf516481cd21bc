"""What lies in a workspaces folder and which refs runs have left, looked at without touching anything."""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

from captain.workspace.git import Git
from captain.workspace.owners import Kind, survey


@dataclass(frozen=True, slots=True, kw_only=True)
class Leftover:
    """A copy or base snapshot. `alive` says that a process uses it; `run` is empty where no owner was written yet."""

    run: str
    name: str
    kind: Kind
    path: Path
    alive: bool
    made_at: str
    size_bytes: int


def leftovers(folder: Path) -> tuple[Leftover, ...]:
    """By run and name. Takes as long as it takes to look at every file."""
    return tuple(
        Leftover(
            run=left.owner.run if left.owner else "",
            name=left.copy.name,
            kind=left.owner.kind if left.owner else "copy",
            path=left.copy,
            alive=left.alive,
            made_at=left.owner.made_at if left.owner else "",
            size_bytes=_used_bytes(left.copy) + _used_bytes(left.copy.with_name(f".{left.copy.name}.draft")),
        )
        for left in survey(folder)
    )


async def refs_by_run(git_dir: Path) -> dict[str, int]:
    """How many refs each run has in a repository. Raises `GitError`."""
    listed = await Git(git_dir=git_dir).text(
        "for-each-ref", "--format=%(refname)", "refs/captain", "refs/heads/captain"
    )
    runs = (name.removeprefix("refs/heads/").removeprefix("refs/").split("/") for name in listed.splitlines())
    return dict(Counter(parts[1] for parts in runs if len(parts) > 1))


def _used_bytes(root: Path) -> int:
    """What a tree takes on disk; no link is followed."""
    total = 0
    for folder, names, files in os.walk(root):
        for name in (*names, *files):
            try:
                total += Path(folder, name).lstat().st_blocks * 512
            except OSError:  # a living run has just removed it
                continue
    return total
