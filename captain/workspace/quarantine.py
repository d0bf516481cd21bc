"""Takes a pack from a workspace: into a folder of its own, through the gate, and only then among the user's objects.

`index-pack --strict` rather than `fetch`: before git 2.46 a fetch from a bundle lets hostile trees through.
"""

from __future__ import annotations

import secrets
import shutil
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

import anyio
from anyio import to_thread

from captain.core.diff import Change, parse_raw
from captain.core.errors import GitError, WorkspaceError
from captain.core.hunks import parse_hunks
from captain.workspace.gate import new_collisions, problems, secrets_in
from captain.workspace.git import Git, quoted

PACK_BYTES: Final = 256 * 1024 * 1024


class ImportRefusedError(WorkspaceError):
    """What a workspace handed back did not pass the gate. `problems` are sentences fit for an agent to read."""

    def __init__(self, found: tuple[str, ...]) -> None:
        shown = " ".join(found[:5]) + (f" And {len(found) - 5} more." if len(found) > 5 else "")
        super().__init__(f"What the workspace hands back was refused: {shown}")
        self.problems = found


async def import_tree(git: Git, objects: Path, pack: bytes, *, tree: str, base: str) -> None:
    """Adds the objects of `tree`, which may lack those of `base`. Raises `WorkspaceError`."""
    if len(pack) > PACK_BYTES:
        raise ImportRefusedError((f"The changes have {len(pack)} bytes; more than {PACK_BYTES} are not taken.",))
    async with _folder_in(objects) as folder:
        inside = git.with_env(GIT_OBJECT_DIRECTORY=folder, GIT_ALTERNATE_OBJECT_DIRECTORIES=quoted(objects))
        try:
            if _counts_objects(pack):
                options = ("--strict", "--fix-thin", "--stdin", f"--max-input-size={PACK_BYTES}")
                await inside.run("index-pack", *options, stdin=pack)
            if await inside.text("cat-file", "-t", tree) != "tree":
                raise ImportRefusedError((f"The object {tree} is no tree.",))
            changes = await diff_tree(inside, base, tree)
            found = problems(changes, await _sizes(inside, changes))
            found = found or await _problems_of_content(inside, base, tree, changes)
        except GitError as error:
            raise WorkspaceError(f"What the workspace hands back cannot be read. {error}") from error
        if found:
            raise ImportRefusedError(found)
        with anyio.CancelScope(shield=True):
            await to_thread.run_sync(_move_pack, folder / "pack", objects / "pack")


async def _problems_of_content(git: Git, base: str, tree: str, changes: tuple[Change, ...]) -> tuple[str, ...]:
    """Asked only about what passed so far, whose size is known to be bearable."""
    found: tuple[str, ...] = ()
    if any(change.added for change in changes):
        listing = await git.run("ls-tree", "-r", "-z", "--name-only", "--full-tree", base)
        before = (name.decode("utf-8", "surrogateescape") for name in listing.split(b"\0") if name)
        found += await to_thread.run_sync(new_collisions, changes, before)
    if any(not change.deleted for change in changes):
        options = ("-r", "-p", "--unified=0", "--no-color", "--no-renames", "--no-commit-id", "--no-ext-diff")
        shape = ("--no-textconv", "--src-prefix=a/", "--dst-prefix=b/", "--ignore-submodules=none")
        text = await git.run("diff-tree", *options, *shape, base, tree, "--")
        found += await to_thread.run_sync(_secrets_in, text)
    return found


def _secrets_in(diff: bytes) -> tuple[str, ...]:
    return secrets_in(parse_hunks(diff.decode("utf-8", "replace")))


async def diff_tree(git: Git, base: str, head: str) -> tuple[Change, ...]:
    # without --ignore-submodules=none a setting in the repository could hide a changed link
    options = ("-r", "-z", "--raw", "--no-renames", "--no-commit-id", "--ignore-submodules=none")
    return parse_raw(await git.run("diff-tree", *options, base, head, "--"))


async def _sizes(git: Git, changes: tuple[Change, ...]) -> dict[str, int]:
    ids = {change.new_id for change in changes if change.new_mode.startswith("100")}
    if not ids:
        return {}
    request = "".join(f"{name}\n" for name in sorted(ids)).encode()
    lines = (await git.text("cat-file", "--batch-check", stdin=request)).splitlines()
    facts = [line.split() for line in lines]
    return {fact[0]: int(fact[2]) for fact in facts if len(fact) == 3 and fact[1] == "blob"}


def _counts_objects(pack: bytes) -> bool:
    """A tree all of whose objects are known comes in a pack of none."""
    return not (pack[:4] == b"PACK" and pack[8:12] == b"\0\0\0\0")


@asynccontextmanager
async def _folder_in(objects: Path) -> AsyncIterator[Path]:
    # on the same file system, so that moving is renaming; `git gc` clears away old folders of this name
    folder = objects / f"tmp_objdir-captain-{secrets.token_hex(8)}"
    try:
        (folder / "pack").mkdir(parents=True)
        yield folder
    except OSError as error:
        raise WorkspaceError(f"Objects cannot be added in {objects}: {error.strerror or error}.") from error
    finally:
        with anyio.CancelScope(shield=True):
            await to_thread.run_sync(shutil.rmtree, folder, True)


def _move_pack(source: Path, target: Path) -> None:
    target.mkdir(exist_ok=True)
    for index in source.glob("*.idx"):
        if (target / index.name).exists():
            continue
        # git looks for the index first: it has to be the last to appear
        for suffix in (".pack", ".rev", ".idx"):
            file = index.with_suffix(suffix)
            if file.exists():
                file.replace(target / file.name)
