"""The import gate: what a workspace hands back is judged here, before it becomes part of the user's repository.

Pure, so that it can be tested without git. The scope of a task is judged elsewhere; this is about
entries that could run code or escape when somebody checks the result out, on any file system.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from captain.core.diff import GITLINK, SYMLINK, Change
from captain.core.git_names import canonical_parts

FILE_BYTES: Final = 50 * 1024 * 1024
CHANGES: Final = 50_000

_FILE_MODES: Final = frozenset({"100644", "100755"})


def problems(changes: Sequence[Change], sizes: Mapping[str, int]) -> tuple[str, ...]:
    """Sentences, none if the changes may be imported. `sizes` are bytes by object id; a missing one is a problem."""
    found = [problem for change in changes for problem in _of_change(change, sizes)]
    if len(changes) > CHANGES:
        found.insert(0, f"{len(changes)} files are changed; more than {CHANGES} are not taken.")
    return tuple(found)


def _of_change(change: Change, sizes: Mapping[str, int]) -> Iterable[str]:
    name = _shown(change.path)
    parts = canonical_parts(change.path)
    if ".gitmodules" in parts:
        yield f"{name} is changed; submodules are not an agent's to change."
    if GITLINK in (change.old_mode, change.new_mode):
        yield f"{name} is a link to another repository; those are not an agent's to add, change or remove."
    elif not change.deleted:
        yield from _of_path(name, change.path, parts)
        yield from _of_content(name, change, sizes)


def _of_path(name: str, path: str, parts: Sequence[str]) -> Iterable[str]:
    if any(part in ("", ".", "..") for part in path.split("/")):
        yield f"{name} is not a path that stays inside the repository."
    if ".git" in parts:
        yield f"{name} would be, on some file system, inside a .git folder."


def _of_content(name: str, change: Change, sizes: Mapping[str, int]) -> Iterable[str]:
    if change.new_mode not in _FILE_MODES:
        what = "a symbolic link" if change.new_mode == SYMLINK else f"an entry of mode {change.new_mode}"
        yield f"{name} is {what}; only regular files may be added or changed."
    elif (size := sizes.get(change.new_id)) is None:
        yield f"{name} has no content that can be read."
    elif size > FILE_BYTES:
        yield f"{name} has {size} bytes; files of more than {FILE_BYTES} are not taken."


def _shown(path: str) -> str:
    return path if path.isprintable() else ascii(path)
