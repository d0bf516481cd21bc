"""The user's repository, seen only through plumbing: objects are added and refs of our own set, nothing else."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, fields, replace
from datetime import datetime
from pathlib import Path
from typing import Final

import anyio
from anyio import to_thread

from captain.core.diff import Change, LineCount, parse_numstat
from captain.core.errors import GitError, UsageError, WorkspaceError
from captain.workspace import quarantine
from captain.workspace.git import Git, reason_of
from captain.workspace.opening import inspect, work_tree_git
from captain.workspace.staging import copy_index, stage_all

_OUR_REFS: Final = ("refs/captain/", "refs/heads/captain/")
WHO: Final = {
    f"GIT_{role}_{fact}": value
    for role in ("AUTHOR", "COMMITTER")
    for fact, value in (("NAME", "Captain"), ("EMAIL", "captain@localhost"))
}


@dataclass(frozen=True, slots=True, kw_only=True)
class MergeResult:
    """Either a `commit` or the paths in conflict."""

    commit: str | None
    conflicts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class RefMove:
    """Where a ref is to be, and where it has to be before; None: it must not exist yet."""

    ref: str
    new: str
    old: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Repository:
    """`root` is the top of the work tree; `git_dir` differs from `common_dir` in a linked work tree.

    `head`, `branch` (None when detached) and `dirty` (changed, or new and not ignored files) are as they
    were when it was opened. `notes` are sentences about what workspaces will lack.

    `dated` is the date of every commit that is made; with one, the same commit made again is the same commit.
    """

    root: Path
    git_dir: Path
    common_dir: Path
    object_format: str
    shallow: bool
    excludes: Path | None
    head: str
    branch: str | None
    dirty: bool
    notes: tuple[str, ...]
    dated: datetime | None = None

    @classmethod
    async def open(cls, path: Path) -> Repository:
        """The repository `path` is in. Raises `UsageError`."""
        facts = await inspect(path)
        return cls(**{fact.name: getattr(facts, fact.name) for fact in fields(facts)})

    def dating(self, when: datetime) -> Repository:
        """The same repository, with a date for the commits that are made from now on."""
        return replace(self, dated=when)

    @property
    def git(self) -> Git:
        return Git(git_dir=self.git_dir)

    @property
    def objects(self) -> Path:
        return self.common_dir / "objects"

    async def resolve(self, rev: str) -> str:
        """The commit a name stands for. Raises `UsageError`."""
        if "\0" not in rev:
            answer = await self.git.attempt("rev-parse", "--verify", "--quiet", "--end-of-options", f"{rev}^{{commit}}")
            if answer.exit_code == 0:
                return answer.stdout.decode().strip()
        raise UsageError(f"{rev!r} names no commit in {self.root}.", hint="Name a branch, a tag or a commit id.")

    async def is_ancestor(self, ancestor: str, descendant: str) -> bool:
        """A commit is its own ancestor."""
        args = ("merge-base", "--is-ancestor", ancestor, descendant)
        answer = await self.git.attempt(*args)
        if answer.exit_code > 1:
            raise self.git.failed(args, answer)
        return answer.exit_code == 0

    async def merge_base(self, one: str, other: str) -> str | None:
        """The newest commit both have in their history; None if there is none."""
        args = ("merge-base", one, other)
        answer = await self.git.attempt(*args)
        if answer.exit_code > 1:
            raise self.git.failed(args, answer)
        return answer.stdout.decode().strip() or None

    async def tree(self, rev: str) -> str:
        return await self.git.text("rev-parse", "--verify", "--end-of-options", f"{rev}^{{tree}}")

    async def files(self, commit: str) -> tuple[str, ...]:
        """All paths, links and submodules too; bytes that are no UTF-8 become surrogate escapes."""
        listing = await self.git.run("ls-tree", "-r", "-z", "--name-only", "--full-tree", commit)
        return tuple(name.decode("utf-8", "surrogateescape") for name in listing.split(b"\0") if name)

    async def read(self, commit: str, path: str, *, limit_bytes: int) -> bytes | None:
        """A regular file's content, cut off after `limit_bytes`; None if there is no such regular file."""
        if "\0" in path or path.startswith("/") or {"", ".", ".."} & set(path.split("/")):
            return None
        entry = await self.git.run("ls-tree", "-z", "--full-tree", commit, "--", path)
        facts, _, name = entry.removesuffix(b"\0").partition(b"\t")
        if name != os.fsencode(path) or not facts.startswith(b"100"):
            return None
        args = ("cat-file", "blob", facts.split()[2].decode())
        answer = await self.git.attempt(*args, head_bytes=limit_bytes)
        if answer.exit_code != 0:
            raise self.git.failed(args, answer)
        return answer.stdout

    async def changes(self, base: str, head: str) -> tuple[Change, ...]:
        return await quarantine.diff_tree(self.git, base, head)

    async def line_counts(self, base: str, head: str) -> dict[str, LineCount]:
        """How much of each path changed."""
        options = (
            "-r",
            "-z",
            "--numstat",
            "--no-renames",
            "--no-ext-diff",
            "--no-textconv",
            "--ignore-submodules=none",
        )
        return parse_numstat(await self.git.run("diff-tree", *options, base, head, "--"))

    async def diff(self, base: str, head: str, *, paths: Sequence[str] = ()) -> str:
        """Unified text of all changes or of those to `paths`; for binary files it says only that they differ.

        No setting and no attribute has a say in it, so that nothing can be hidden from a reader.
        """
        options = ("-p", "-r", "--no-renames", "--no-ext-diff", "--no-textconv", "--no-color", "--no-commit-id")
        shape = ("--full-index", "--unified=3", "--src-prefix=a/", "--dst-prefix=b/", "--ignore-submodules=none")
        text = await self.git.run("diff-tree", *options, *shape, base, head, "--", *paths)
        return text.decode("utf-8", "replace")

    async def commit_tree(self, tree_of: str, parents: Sequence[str], message: str) -> str:
        """A commit by Captain with the tree of `tree_of`, which is any commit or tree."""
        words = [word for parent in parents for word in ("-p", parent)]
        text = message.replace("\0", "").encode("utf-8", "replace")
        tree = await self.tree(tree_of)
        git = self.git.with_env(**WHO)
        if self.dated is not None:
            date = self.dated.isoformat(timespec="seconds")
            git = git.with_env(GIT_AUTHOR_DATE=date, GIT_COMMITTER_DATE=date)
        return await git.text("commit-tree", tree, *words, "-F", "-", stdin=text)

    async def snapshot_work_tree(self, message: str) -> str:
        """A commit on top of HEAD with the user's uncommitted changes; ignored files stay out.

        Made in an index of its own. Returns HEAD's commit when there is nothing to save.
        """
        async with _scratch_index() as index:
            git = work_tree_git(self.git_dir, self.root, self.excludes).with_env(GIT_INDEX_FILE=index)
            own = self.git_dir / "index"
            if await to_thread.run_sync(own.exists):
                await to_thread.run_sync(copy_index, own, index)
            else:
                await git.run("read-tree", "HEAD")
            await stage_all(git.run)
            tree = await git.text("write-tree")
        head = await self.resolve("HEAD")
        if tree == await self.tree(head):
            return head
        return await self.commit_tree(tree, (head,), message)

    async def put_back(self, head: str, base: str, paths: Sequence[str], message: str) -> str:
        """`head` with `paths` as they are in `base`, as a commit whose only parent is `base`.

        So what was put back is not in the history of the result either; keep `head` under a ref.
        """
        wanted = frozenset(paths)
        undone = [change for change in await self.changes(base, head) if change.path in wanted]
        # removals first, as one of them may be a file where a folder has to be
        lines = [
            f"{change.old_mode} {change.old_id}\t{change.path}\0"
            for change in sorted(undone, key=lambda change: not change.added)
        ]
        async with _scratch_index() as index:
            git = self.git.with_env(GIT_INDEX_FILE=index)
            await git.run("read-tree", head)
            entries = "".join(lines).encode("utf-8", "surrogateescape")
            await git.run("update-index", "-z", "--add", "--replace", "--index-info", stdin=entries)
            tree = await git.text("write-tree")
        return await self.commit_tree(tree, (base,), message)

    async def merge(self, ours: str, theirs: str, message: str) -> MergeResult:
        """Without a checkout; where one side holds the other, that side is the result."""
        if await self.is_ancestor(ours, theirs):
            return MergeResult(commit=theirs)
        if await self.is_ancestor(theirs, ours):
            return MergeResult(commit=ours)
        args = ("merge-tree", "--write-tree", "-z", "--name-only", "--no-messages", ours, theirs)
        answer = await self.git.attempt(*args)
        if answer.exit_code > 1:
            raise self.git.failed(args, answer)
        tree, *conflicts = answer.stdout.decode("utf-8", "surrogateescape").rstrip("\0").split("\0")
        if answer.exit_code == 1:
            return MergeResult(commit=None, conflicts=tuple(dict.fromkeys(conflicts)))
        return MergeResult(commit=await self.commit_tree(tree, (ours, theirs), message))

    async def merge_marked(self, ours: str, theirs: str, message: str) -> str:
        """A merge in which git has marked what the two sides disagree about, for somebody to resolve."""
        args = ("merge-tree", "--write-tree", "-z", "--name-only", "--no-messages", ours, theirs)
        answer = await self.git.attempt(*args)
        if answer.exit_code > 1:
            raise self.git.failed(args, answer)
        tree = answer.stdout.decode("utf-8", "surrogateescape").split("\0")[0]
        return await self.commit_tree(tree, (ours, theirs), message)

    async def refs(self, prefix: str) -> dict[str, str]:
        """Full names to commits, for `prefix` itself or whatever is below it."""
        listing = await self.git.text("for-each-ref", "--format=%(objectname) %(refname)", prefix.rstrip("/"))
        pairs = (line.split(" ", 1) for line in listing.splitlines())
        return {name: commit for commit, name in pairs}

    async def set_ref(self, ref: str, new: str, old: str | None) -> None:
        """Compare and swap; `old` None means that the ref must not exist. Raises `GitError`.

        A ref that is at `new` already is as it should be: somebody did the same, or this was done before.

        Refs other than Captain's own are refused with a `UsageError`.
        """
        await self.move_refs((RefMove(ref=ref, new=new, old=old),))

    async def move_refs(self, moves: Sequence[RefMove]) -> None:
        """`set_ref` for several refs in one transaction: all of them move, or none does."""
        for move in moves:
            if not move.ref.startswith(_OUR_REFS) or not move.ref.isprintable() or "/-" in move.ref:
                refs = " and ".join(_OUR_REFS)
                raise UsageError(f"{move.ref!r} is not a ref Captain may set; those are below {refs}.")
            await self._refuse_checked_out(move.ref)
        command = "".join(
            f"option no-deref\0update {move.ref}\0{move.new}\0{move.old or '0' * len(move.new)}\0" for move in moves
        )
        args = ("update-ref", "-z", "--stdin")
        answer = await self.git.attempt(*args, stdin=command.encode())
        if answer.exit_code == 0:
            return
        failed = self.git.failed(args, answer)
        found_at = {move.ref: (await self.refs(move.ref)).get(move.ref) for move in moves}
        if all(found_at[move.ref] == move.new for move in moves):
            return
        for move in moves:
            now = found_at[move.ref]
            if now == move.old:
                continue
            was, found = (f"at {at}" if at else "absent" for at in (move.old, now))
            raise GitError(
                f"The ref {move.ref} was expected to be {was} but is {found}; something else has set it.",
                argv=failed.argv,
                stderr=failed.stderr,
                hint="Nothing was changed. Look at what set it before you try again.",
            )
        names = ", ".join(move.ref for move in moves)
        message = f"The ref{'s' * (len(moves) > 1)} {names} could not be set: {reason_of(answer)}"
        raise GitError(message, argv=failed.argv, stderr=failed.stderr, hint=failed.hint)

    async def _refuse_checked_out(self, ref: str) -> None:
        if not ref.startswith("refs/heads/"):
            return
        place = await self.git.text("for-each-ref", "--format=%(worktreepath)", ref)
        if place:
            raise WorkspaceError(
                f"The branch {ref.removeprefix('refs/heads/')} is checked out in {place}; "
                "setting it would leave the files there behind.",
                hint="Switch to another branch there.",
            )

    async def import_tree(self, pack: bytes, *, tree: str, base: str) -> None:
        """Takes a workspace's pack through the import gate into the object store. Raises `WorkspaceError`."""
        await quarantine.import_tree(self.git, self.objects, pack, tree=tree, base=base)


@asynccontextmanager
async def _scratch_index() -> AsyncIterator[Path]:
    folder = await to_thread.run_sync(tempfile.mkdtemp)
    try:
        yield Path(folder) / "index"
    finally:
        with anyio.CancelScope(shield=True):
            await to_thread.run_sync(shutil.rmtree, folder, True)
