"""Base snapshots, made once and never written to, and private copies that are layers over one.

A copy of 10,000 files takes seconds to write; a layer over a snapshot takes a few milliseconds, whatever
the size. The snapshot is made like any copy, by the host, before an agent has touched anything.
"""

from __future__ import annotations

import os
from functools import partial
from pathlib import Path
from typing import Final

from anyio import to_thread

from captain.sandbox.place import Layers
from captain.workspace.copies import make_copy
from captain.workspace.owners import Claim, Owner
from captain.workspace.repository import Repository

_READY: Final = "ready"


async def make_base(repository: Repository, claim: Claim, commit: str, owner: tuple[int, int] | None) -> None:
    """The snapshot `claim` speaks for. Raises `GitError`, `OSError`."""
    await make_copy(repository, claim.copy, commit, draft=claim.draft, owner=owner, settled=True)


async def make_layers(claim: Claim, owner: tuple[int, int] | None) -> None:
    """The folders of a layered copy, complete if they are there. Raises `OSError`."""
    await to_thread.run_sync(partial(_make_layers, claim, owner))


def _make_layers(claim: Claim, owner: tuple[int, int] | None) -> None:
    for name in ("root", "upper", "work"):
        (claim.draft / name).mkdir(parents=True)
    (claim.draft / "upper").chmod(0o755)  # the mode and owner of the copy's top folder
    if owner:
        os.chown(claim.draft / "upper", *owner)
    claim.draft.rename(claim.copy)


def mark_ready(claim: Claim, owner: Owner) -> None:
    """A layered copy shows its own commit and goes to an agent now."""
    if owner.kind == "layers":
        (claim.copy / _READY).touch()


def is_ready(claim: Claim, owner: Owner) -> bool:
    """Otherwise no agent has been in it, and what differs from its commit is nobody's work."""
    return owner.kind != "layers" or (claim.copy / _READY).exists()


def place_of(copy: Path, owner: Owner) -> Path | Layers:
    """What a box for this copy stands on."""
    if owner.kind != "layers":
        return copy
    return Layers(root=copy / "root", base=copy.with_name(owner.on), upper=copy / "upper", work=copy / "work")
