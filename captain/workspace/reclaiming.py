"""Takes back what runs left whose host was killed: their work is kept under a ref, their copies are removed."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import anyio
from anyio import to_thread

from captain.core.errors import CaptainError
from captain.sandbox import Sandbox
from captain.workspace.layering import is_ready
from captain.workspace.owners import Claim, Owner, claim_abandoned, claim_unused_bases
from captain.workspace.repository import Repository
from captain.workspace.workspaces import finish, keep_unsaved


@dataclass(frozen=True, slots=True, kw_only=True)
class Salvaged:
    """Work found in an abandoned copy: kept under `ref`, or still in `copy` because of `problem`."""

    run: str
    name: str
    copy: Path
    commit: str | None = None
    ref: str | None = None
    problem: str = ""


async def reclaim(
    folder: Path, repository: Repository, sandbox: Sandbox, *, runs: Collection[str] | None = None, held: str = ""
) -> tuple[Salvaged, ...]:
    """Clears copies of `repository` below `folder` that no process uses any more; only those of `runs`, if given.

    `held` is the run that the caller holds, if it holds one: see `claim_abandoned`.

    A copy that cannot be saved stays and is reported each time; one with nothing unsaved just goes.
    Any number of processes may do this at once.
    """
    with anyio.CancelScope(shield=True):
        claims = await to_thread.run_sync(partial(claim_abandoned, folder, runs, held=held))
    found = []
    try:
        while claims:
            found.append(await _reclaim_one(claims.pop(0), repository, sandbox))
    finally:
        for claim in claims:
            claim.release()
    with anyio.CancelScope(shield=True):
        await to_thread.run_sync(_remove_unused_bases, folder, repository, runs)
    return tuple(one for one in found if one)


async def _reclaim_one(claim: Claim, repository: Repository, sandbox: Sandbox) -> Salvaged | None:
    owner, found, done = claim.owner, None, False
    try:
        if owner is None:
            done = not claim.copy.exists()  # its host was gone before it had made anything
        elif owner.repository == str(repository.common_dir):
            if claim.copy.exists() and not owner.scratch and is_ready(claim, owner):
                found = await _salvage(claim, owner, repository, sandbox)
            done = found is None or not found.problem
    finally:
        with anyio.CancelScope(shield=True):
            await to_thread.run_sync(finish, claim, done)
    return found


def _remove_unused_bases(folder: Path, repository: Repository, runs: Collection[str] | None) -> None:
    """After the copies, which may stand on them; those of a copy that could not be saved stay with it."""
    for claim in claim_unused_bases(folder, runs):
        if claim.owner is None:
            finish(claim, not claim.copy.exists())
        else:
            finish(claim, claim.owner.repository == str(repository.common_dir))


async def _salvage(claim: Claim, owner: Owner, repository: Repository, sandbox: Sandbox) -> Salvaged | None:
    try:
        kept = await keep_unsaved(repository, sandbox, claim, owner)
    except CaptainError as error:
        return Salvaged(run=owner.run, name=owner.name, copy=claim.copy, problem=str(error))
    if kept is None:
        return None
    commit, ref = kept
    return Salvaged(run=owner.run, name=owner.name, copy=claim.copy, commit=commit, ref=ref)
