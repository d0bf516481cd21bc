"""The import gate: what a workspace hands back is judged here, before it becomes part of the user's repository.

Pure, so that it can be tested without git. The scope of a task is judged elsewhere; this is about
entries that could run code or escape when somebody checks the result out, on any file system.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from captain.core import key_shapes
from captain.core.diff import GITLINK, SYMLINK, Change
from captain.core.git_names import canonical_parts
from captain.core.hunks import Hunk

FILE_BYTES: Final = 50 * 1024 * 1024
TOTAL_BYTES: Final = 256 * 1024 * 1024
CHANGES: Final = 50_000

_DRIVE: Final = re.compile(r"[A-Za-z]:")
_FILE_MODES: Final = frozenset({"100644", "100755"})


def problems(changes: Sequence[Change], sizes: Mapping[str, int]) -> tuple[str, ...]:
    """Sentences, none if the changes may be imported. `sizes` are bytes by object id; a missing one is a problem."""
    found = [problem for change in changes for problem in _of_change(change, sizes)]
    total_bytes = sum(sizes.get(change.new_id, 0) for change in changes if not change.deleted)
    if total_bytes > TOTAL_BYTES:
        found.insert(0, f"The changed files have {total_bytes} bytes; more than {TOTAL_BYTES} in all are not taken.")
    if len(changes) > CHANGES:
        found.insert(0, f"{len(changes)} files are changed; more than {CHANGES} are not taken.")
    return tuple(found)


def new_collisions(changes: Iterable[Change], before: Iterable[str]) -> tuple[str, ...]:
    """Paths of the result that some file systems take for one another; `before` are all files of the base.

    What collided already is left alone, and so is a file whose name changes only in case.
    """
    changes = tuple(changes)
    added = {change.path for change in changes if change.added}
    if not added:
        return ()
    known = set(before)
    gone = {change.path for change in changes if change.deleted}
    old = _with_folders(known)
    fresh = _with_folders(added) - old
    folded = {_folded(path) for path in fresh}
    spellings: dict[str, set[str]] = {}
    for path in fresh | _with_folders(known - gone):
        if (name := _folded(path)) in folded:
            spellings.setdefault(name, set()).add(path)
    return tuple(
        f"{' and '.join(map(_shown, sorted(paths)))} are one file on file systems that ignore case."
        for _, paths in sorted(spellings.items())
        if len(paths) > 1
    )


def _with_folders(paths: Iterable[str]) -> set[str]:
    found: set[str] = set()
    for path in paths:
        at = path
        while at and at not in found:
            found.add(at)
            at = at.rpartition("/")[0]
    return found


def _folded(path: str) -> str:
    return (
        path.lower() if path.isascii() else unicodedata.normalize("NFC", unicodedata.normalize("NFC", path).casefold())
    )


def secrets_in(hunks: Iterable[Hunk]) -> tuple[str, ...]:
    """Added lines in which a key stands, by its shape; one that was only moved is no news. Never shows the key."""
    hunks = tuple(hunks)
    known = "\n".join(line for hunk in hunks for line in hunk.removed)
    found: dict[str, None] = {}
    for hunk in hunks:
        text = "\n".join(hunk.added)
        for start, end in key_shapes.spans(text):
            if text[start:end] not in known:
                line = hunk.new_start + text.count("\n", 0, start)
                found[f"{_shown(hunk.path)} holds, in line {line}, what looks like a secret key; take it out."] = None
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
        if change.added:
            yield from _of_new_name(name, change.path)
        yield from _of_content(name, change, sizes)


def _of_path(name: str, path: str, parts: Sequence[str]) -> Iterable[str]:
    if any(part in ("", ".", "..") for part in path.split("/")):
        yield f"{name} is not a path that stays inside the repository."
    if ".git" in parts:
        yield f"{name} would be, on some file system, inside a .git folder."


def _of_new_name(name: str, path: str) -> Iterable[str]:
    if any(unicodedata.category(char) == "Cf" for char in path):
        yield f"{name} has an invisible character in its name, which could make it look like another."
    if any(part.endswith((".", " ")) for part in path.split("/")):
        yield f"{name} ends in a dot or a space, which some file systems drop."
    if path.startswith("\\") or _DRIVE.match(path) or ".." in path.replace("\\", "/").split("/"):
        yield f"{name} would lie, on some file system, outside the repository."


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
