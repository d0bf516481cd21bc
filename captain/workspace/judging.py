"""The scope guard over two states of a repository: reads with git what the guard needs to know, and asks it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from tempfile import TemporaryDirectory

from anyio import to_thread

from captain.core.diff import ABSENT, Change, parse_numstat, parse_raw
from captain.core.hunks import parse_hunks
from captain.core.tasks import Scope
from captain.guards import Judgement, ScopeGuard, Sources
from captain.workspace.git import Git, quoted
from captain.workspace.opening import work_tree_git
from captain.workspace.repository import Repository
from captain.workspace.staging import copy_index, stage_all


async def judge(git: Git, scope: Scope, base: str, head: str) -> Judgement:
    """Over what differs between two commits or trees. Raises `GitError`."""
    # no setting, attribute or rename detection has a say in what is shown
    options = ("-r", "--no-renames", "--no-commit-id", "--ignore-submodules=none", "--no-ext-diff", "--no-textconv")
    stated = await git.run("diff-tree", "-z", "--raw", "--numstat", *options, base, head, "--")
    changes, lines = parse_raw(stated), parse_numstat(stated)
    guard = ScopeGuard(scope)
    if not scope.symbols:
        return guard.judge(changes, lines=lines)
    prefixes = ("--src-prefix=a/", "--dst-prefix=b/")
    text = await git.run("diff-tree", "-p", "--no-color", *prefixes, *options, base, head, "--")
    hunks = parse_hunks(text.decode("utf-8", "surrogateescape"))
    return guard.judge(changes, lines=lines, sources=await _sources(git, changes), hunks=hunks)


async def _sources(git: Git, changes: Sequence[Change]) -> Sources:
    python = [change for change in changes if change.path.endswith((".py", ".pyi"))]
    wanted = {id_ for change in python for id_, mode in _sides(change) if mode.startswith("100")}
    texts = await _texts(git, sorted(wanted))
    return {
        change.path: (texts.get(change.old_id), texts.get(change.new_id))
        for change in python
        if ABSENT not in (change.old_mode, change.new_mode)
    }


def _sides(change: Change) -> tuple[tuple[str, str], tuple[str, str]]:
    return (change.old_id, change.old_mode), (change.new_id, change.new_mode)


async def _texts(git: Git, ids: Sequence[str]) -> dict[str, str]:
    """Contents of blobs, in one process."""
    if not ids:
        return {}
    answer = await git.run("cat-file", "--batch", stdin="".join(f"{id_}\n" for id_ in ids).encode())
    texts, at = {}, 0
    while at < len(answer):
        end = answer.index(b"\n", at)
        name, kind, size = (*answer[at:end].decode().split(" "), "", "")[:3]
        at = end + 1
        if kind == "blob":
            texts[name] = answer[at : at + int(size)].decode("utf-8", "replace")
            at += int(size) + 1
    return texts


@asynccontextmanager
async def work_tree(repository: Repository) -> AsyncIterator[tuple[Git, str]]:
    """The user's files as a tree, new ones too unless git ignores them, and a git that can read it.

    Index and objects are in a folder of their own: nothing is added to the repository.
    """
    folder = await to_thread.run_sync(TemporaryDirectory)
    try:
        scratch = Path(folder.name)
        reading = repository.git.with_env(
            GIT_OBJECT_DIRECTORY=scratch, GIT_ALTERNATE_OBJECT_DIRECTORIES=quoted(repository.objects)
        )
        located = work_tree_git(repository.git_dir, repository.root, repository.excludes)
        git = replace(located, env={**located.env, **reading.env, "GIT_INDEX_FILE": str(scratch / "index")})
        own = repository.git_dir / "index"
        if await to_thread.run_sync(own.exists):
            await to_thread.run_sync(copy_index, own, scratch / "index")
        else:
            await git.run("read-tree", "HEAD")
        await stage_all(git.run)
        yield reading, await git.text("write-tree")
    finally:
        await to_thread.run_sync(folder.cleanup)
