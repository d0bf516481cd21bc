"""Branches as patch files that `git am` takes, one per branch."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Final

from captain.core.errors import UsageError

if TYPE_CHECKING:
    from captain.orchestration.stack import Layer
    from captain.workspace import Repository

# whatever the repository's settings say
_SHAPE: Final = (
    *("--stdout", "--binary", "--full-index", "--no-renames", "--unified=3", "--src-prefix=a/", "--dst-prefix=b/"),
    *("--no-ext-diff", "--no-textconv", "--no-color", "--ignore-submodules=none"),
    *("--no-attach", "--no-thread", "--no-cover-letter", "--no-signature", "--no-notes", "--no-base", "--no-numbered"),
    *("--no-to", "--no-cc", "--no-add-header", "--subject-prefix=PATCH", "--end-of-options"),
)


async def patch_of(repository: Repository, start: str, head: str) -> bytes:
    """The commits between, as `git am` takes them; as one where somebody merged in between. Empty ones are left out."""
    if await repository.git.text("rev-list", "--merges", "--max-count=1", f"{start}..{head}"):
        message = await repository.git.text("show", "--no-patch", "--format=%B", head)
        head = await repository.commit_tree(head, (start,), message)
    return await repository.git.run("format-patch", *_SHAPE, f"{start}..{head}")


async def patches_of(repository: Repository, layers: Sequence[Layer]) -> dict[str, bytes]:
    """One per branch, by the name of its file, numbered in order."""
    return {
        f"{number:02}-{re.sub(r'[^A-Za-z0-9_-]+', '-', layer.task)}.patch": await patch_of(
            repository, layer.start, layer.head
        )
        for number, layer in enumerate(layers, 1)
    }


def write_patches(patches: Mapping[str, bytes], folder: Path) -> tuple[Path, ...]:
    """Raises `UsageError`, before anything is written if one of the files is there already."""
    paths = {folder / name: patch for name, patch in patches.items()}
    for path in paths:
        if path.exists() or path.is_symlink():
            raise UsageError(f"There is already a file {path}.", hint="Name an empty folder, or a new one.")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for path, patch in paths.items():
            with path.open("xb") as file:
                file.write(patch)
    except OSError as error:
        raise UsageError(f"Patches cannot be written to {folder}: {error.strerror or error}.") from error
    return tuple(paths)
