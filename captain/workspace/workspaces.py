"""Workspaces: private copies of the repository, each with a box, from which only checked objects come back."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, replace
from itertools import count
from pathlib import Path
from typing import Final

import anyio
from anyio import to_thread

from captain.core import ids
from captain.core.clock import Clock, SystemClock
from captain.core.errors import CaptainError, SandboxError, UsageError, WorkspaceError
from captain.sandbox import Box, Policy, Sandbox
from captain.workspace.copies import make_copy, remove_copy
from captain.workspace.layering import make_base, make_layers, mark_ready, place_of
from captain.workspace.lenders import lenders
from captain.workspace.owners import Claim, Owner, base_name, claim_new
from captain.workspace.quarantine import PACK_BYTES
from captain.workspace.repository import Repository
from captain.workspace.scripts import ADVANCE, RESET, SNAPSHOT

_NAME: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]*(\.[A-Za-z0-9_-]+)*(?<!\.lock)")  # fits in a folder and in a ref
_OBJECT_ID: Final = re.compile(r"[0-9a-f]{40}|[0-9a-f]{64}")
_COMMAND_S: Final = 600.0
_LOOK_S: Final = 10.0
_SAVE_S: Final = 2.0  # a cancelled run is through within 3 s; what takes longer is left for `reclaim`


class Workspace:
    """An agent's copy. `base` is the commit it was opened at, `head` the last one that was saved or set.

    `kept` is the commit and the ref of what was saved because the block around it ended by an exception.
    """

    def __init__(self, repository: Repository, box: Box, run: str, name: str, base: str) -> None:
        self.run = run
        self.name = name
        self.base = base
        self.head = base
        self.kept: tuple[str, str] | None = None
        self.box = box
        self._repository = repository
        self._turn = anyio.Lock()

    @property
    def root(self) -> Path:
        return self.box.root

    async def snapshot(self, message: str) -> str:
        """The commit, now among the user's objects, of the files as they are; `head` if nothing changed.

        What the agent did with git in its copy does not matter. Raises `WorkspaceError`, in particular
        `ImportRefusedError`. No ref keeps the commit yet.
        """
        async with self._turn:
            last = await self._repository.tree(self.head)
            named, _, pack = (await self._git(SNAPSHOT, last)).partition(b"\n")
            tree = named.decode("ascii", "replace")
            if tree == last:
                return self.head
            if not _OBJECT_ID.fullmatch(tree):
                raise await self._unusable("git in it gave no tree")
            await self._repository.import_tree(pack, tree=tree, base=self.head)
            self.head = await self._repository.commit_tree(tree, (self.head,), message)
            return self.head

    async def checkpoint(self) -> str | None:
        """As `snapshot`, and kept under `ids.checkpoint_ref`; None if what is in it cannot be handed back."""
        before = self.head
        try:
            commit = await self.snapshot(f"Workspace {self.name} on the way")
        except WorkspaceError:
            return None
        if commit != before:
            ref = ids.checkpoint_ref(self.run, self.name)
            await self._repository.set_ref(ref, commit, (await self._repository.refs(ref)).get(ref))
        return commit

    async def reset(self, commit: str) -> None:
        """Back to `commit`, which must be in the user's repository; ignored files stay. Raises `WorkspaceError`."""
        async with self._turn:
            commit = await self._repository.resolve(commit)
            await self._git(RESET, commit)
            self.head = commit

    async def advance(self) -> None:
        """Brings a copy that was just opened from the commit of its base snapshot to its own `base`."""
        async with self._turn:
            await self._git(ADVANCE, self.base)

    async def _git(self, script: str, argument: str) -> bytes:
        argv = ("/bin/sh", "-c", script, "captain", argument)
        try:
            return await self.box.export(argv, timeout_s=_COMMAND_S, limit_bytes=PACK_BYTES)
        except SandboxError as error:
            raise await self._unusable(str(error)) from error

    async def _unusable(self, reason: str) -> WorkspaceError:
        with suppress(SandboxError):
            if (await self.box.run(("test", "-d", ".git"), timeout_s=_LOOK_S)).exit_code == 1:
                reason = "its .git folder is gone."
        return WorkspaceError(
            f"The state of workspace {self.name!r} cannot be handed back: {reason}",
            hint="Go on from the last snapshot in a new workspace.",
        )


@dataclass(frozen=True, slots=True)
class _Base:
    claim: Claim
    commit: str


class Workspaces:
    """Copies for one run below `folder`, which must lie outside the user's work tree.

    Where the sandbox can mount layers, copies share one base snapshot, which `close` removes.
    """

    def __init__(
        self,
        repository: Repository,
        folder: Path,
        run: str,
        sandbox: Sandbox,
        policy: Policy | None = None,
        *,
        clock: Clock | None = None,
    ) -> None:
        if not _NAME.fullmatch(run):
            raise UsageError(f"{run!r} cannot name a run: it has to be a plain word.")
        self._folder = folder.resolve()
        if any(self._folder.is_relative_to(place) for place in (repository.root, repository.common_dir)):
            raise UsageError(
                f"Workspaces cannot be in {folder}, which is inside the repository {repository.root}.",
                hint="Name a folder elsewhere.",
            )
        self._repository = repository
        self._run = run
        self._sandbox = sandbox
        self._policy = policy or Policy()
        self._clock = clock or SystemClock()
        self._base: _Base | None = None
        self._names: set[str] = set()
        self._base_turn = anyio.Lock()

    async def close(self) -> None:
        """Removes the base snapshot; for when no copy is open any more. May be called again."""
        base, self._base = self._base, None
        if base is not None:
            with anyio.CancelScope(shield=True):
                await to_thread.run_sync(finish, base.claim, True)

    @asynccontextmanager
    async def open(self, name: str, commit: str, *, scratch: bool = False) -> AsyncIterator[Workspace]:
        """A copy at `commit`, removed at the end.

        If the block ends by an exception, what was not yet saved is kept under `ids.salvaged_ref`, unless
        the copy is `scratch`; a copy that cannot be saved stays for `reclaim`. Raises `WorkspaceError`.
        """
        if not _NAME.fullmatch(name):
            raise UsageError(f"{name!r} cannot name a workspace: it has to be a plain word.")
        base = await self._repository.resolve(commit)
        snapshot = await self._base_for(base) if self._sandbox.layers else None
        async with self._named(name), self._opened(name, base, snapshot, scratch=scratch) as workspace:
            yield workspace

    @asynccontextmanager
    async def _named(self, name: str) -> AsyncIterator[None]:
        """Refuses a second workspace of the same name beside the first."""
        if name in self._names:
            raise WorkspaceError(
                f"There is already a workspace {name!r} of run {self._run}.", hint="Give each a name of its own."
            )
        self._names.add(name)
        try:
            yield
        finally:
            self._names.discard(name)

    @asynccontextmanager
    async def _opened(self, name: str, base: str, snapshot: _Base | None, *, scratch: bool) -> AsyncIterator[Workspace]:
        owner = self._owner(name, base, scratch=scratch)
        if snapshot is not None:
            owner = replace(owner, kind="layers", on=snapshot.claim.copy.name)
        claim = await self._claim(owner)
        owner = claim.owner or owner
        workspace: Workspace | None = None
        handed_over = False
        try:
            await self._make(claim, owner)
            box = await open_box(self._repository, self._sandbox, claim, owner, self._policy)
            workspace = Workspace(self._repository, box, self._run, name, base)
            if snapshot is not None and snapshot.commit != base:
                await workspace.advance()
            mark_ready(claim, owner)
            handed_over = True
            yield workspace
        except BaseException:
            await self._end(claim, workspace, save=handed_over and not scratch)
            raise
        await self._end(claim, workspace, save=False)

    async def _base_for(self, commit: str) -> _Base:
        """The run's base snapshot, made of the first commit that a copy is opened at."""
        async with self._base_turn:
            if self._base is None or not self._base.claim.copy.is_dir():
                await self.close()
                owner = replace(self._owner(base_name(commit), commit, scratch=True), kind="base")
                claim = await self._claim(owner)
                try:
                    with _explained(self._folder):
                        await make_base(self._repository, claim, commit, self._sandbox.owner)
                except BaseException:
                    with anyio.CancelScope(shield=True):
                        await to_thread.run_sync(finish, claim, True)
                    raise
                self._base = _Base(claim, commit)
            return self._base

    def _owner(self, name: str, base: str, *, scratch: bool) -> Owner:
        return Owner(
            run=self._run,
            name=name,
            base=base,
            repository=str(self._repository.common_dir),
            made_at=self._clock.now().isoformat(),
            scratch=scratch,
        )

    async def _claim(self, owner: Owner) -> Claim:
        """In a folder with a number, where a lost process of the same run has left one that is not cleared yet."""
        name = owner.name
        with anyio.CancelScope(shield=True), _explained(self._folder):
            for number in count(2):
                claim = await to_thread.run_sync(claim_new, self._folder, owner)
                if claim is not None:
                    return claim
                owner = replace(owner, name=f"{name}-{number}")
        raise AssertionError

    async def _make(self, claim: Claim, owner: Owner) -> None:
        whose = self._sandbox.owner
        with _explained(self._folder):
            if owner.kind == "layers":
                await make_layers(claim, whose)
            else:
                await make_copy(self._repository, claim.copy, owner.base, draft=claim.draft, owner=whose)

    async def _end(self, claim: Claim, workspace: Workspace | None, *, save: bool) -> None:
        with anyio.CancelScope(shield=True):
            saved = True
            if workspace is not None:
                await workspace.box.close()
                if save and claim.owner is not None:
                    saved = await self._save(claim, claim.owner, workspace)
            await to_thread.run_sync(finish, claim, saved)

    async def _save(self, claim: Claim, owner: Owner, workspace: Workspace) -> bool:
        """Whether nothing is left in the copy that would be lost with it."""
        with anyio.move_on_after(_SAVE_S) as limit:
            try:
                workspace.kept = await keep_unsaved(self._repository, self._sandbox, claim, owner)
            except CaptainError:
                return False
        return not limit.cancelled_caught


async def open_box(repository: Repository, sandbox: Sandbox, claim: Claim, owner: Owner, policy: Policy) -> Box:
    """A box on a copy, in which the objects that the copy borrows can be read. Raises `SandboxError`."""
    borrowed = await to_thread.run_sync(lenders, repository.objects)
    return await sandbox.open(place_of(claim.copy, owner), replace(policy, read=(*policy.read, *borrowed)))


async def keep_unsaved(repository: Repository, sandbox: Sandbox, claim: Claim, owner: Owner) -> tuple[str, str] | None:
    """Commit and ref of what a copy holds and no ref of its run has. Raises `CaptainError`."""
    box = await open_box(repository, sandbox, claim, owner, Policy())
    try:
        workspace = Workspace(repository, box, owner.run, owner.name, owner.base)
        commit = await workspace.snapshot(f"Salvaged from workspace {owner.name}")
    finally:
        with anyio.CancelScope(shield=True):
            await box.close()
    kept = await repository.refs(f"refs/captain/{owner.run}") | await repository.refs(f"refs/heads/captain/{owner.run}")
    tree = await repository.tree(commit)
    passing = ids.checkpoint_ref(owner.run, "")  # what is on the way is not yet what anybody looks for
    lasting = [other for ref, other in kept.items() if not ref.startswith(passing)]
    if commit == owner.base or tree in {await repository.tree(other) for other in lasting}:
        return None
    ref, number = ids.salvaged_ref(owner.run, owner.name), 1
    while ref in kept:
        number += 1
        ref = ids.salvaged_ref(owner.run, f"{owner.name}-{number}")
    await repository.set_ref(ref, commit, None)
    return commit, ref


@contextmanager
def _explained(folder: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise WorkspaceError(f"A workspace cannot be made in {folder}: {error.strerror or error}.") from error


def finish(claim: Claim, saved: bool) -> None:
    """Removes a copy and its owner file; one that could not be saved or removed is left for `reclaim`."""
    if saved and remove_copy(claim.copy, claim.draft):
        claim.discard()
    else:
        claim.release()
