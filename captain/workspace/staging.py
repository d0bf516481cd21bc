"""Brings an index up to its files: what `git add -A` does, without its two ways to fail.

`git add -A` turns a repository nested in the tree into a link to a commit nobody else has, and stops
altogether at one without commits. Tests that run `git init` leave such folders behind.
"""

from __future__ import annotations

import shutil
from collections.abc import Iterable
from pathlib import Path
from typing import Protocol


class Run(Protocol):
    """Git in one work tree with one index; raises if the command fails."""

    async def __call__(self, *args: str, stdin: bytes = b"") -> bytes: ...


async def unsaved_paths(run: Run) -> tuple[bytes, ...]:
    """Files that differ from the index or are new and not ignored; links to submodules do not count."""
    return await _listed(run, "--modified", "--deleted", "--others")


async def stage_all(run: Run) -> None:
    # new paths first: where a link replaced a folder, its former files can be neither hashed nor removed one by one
    await _update(run, await _listed(run, "--others"))
    await _update(run, await _listed(run, "--modified", "--deleted"))


def copy_index(index: Path, target: Path) -> None:
    """With its time: git looks again at files that are not older than the index, and must go on doing so."""
    target.parent.mkdir(exist_ok=True)
    shutil.copy2(index, target)


async def _listed(run: Run, *which: str) -> tuple[bytes, ...]:
    listing = await run("ls-files", "-z", "--exclude-standard", *which)
    paths = {entry for entry in listing.split(b"\0") if entry and not entry.endswith(b"/")}
    if paths and "--modified" in which:
        paths -= await _gitlinks(run)
    return tuple(sorted(paths))


async def _gitlinks(run: Run) -> set[bytes]:
    stages = await run("ls-files", "-z", "--stage")
    return {entry.partition(b"\t")[2] for entry in stages.split(b"\0") if entry.startswith(b"160000 ")}


async def _update(run: Run, paths: Iterable[bytes]) -> None:
    if listing := b"".join(path + b"\0" for path in paths):
        await run("update-index", "-z", "--add", "--remove", "--replace", "--stdin", stdin=listing)
