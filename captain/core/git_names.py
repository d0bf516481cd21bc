"""Names that some file system takes for one of git's own, whatever the one at hand makes of them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

_IGNORED_BY_HFS: Final = re.compile("[\u200c-\u200f\u202a-\u202e\u206a-\u206f\ufeff]")
_SHORT_NAME: Final = re.compile(r"(git|gitmod|gi[0-9a-f]{4})~\d+")  # as NTFS and FAT give them to .git and .gitmodules
_SEPARATORS: Final = re.compile(r"[/\\]")


def canonical_parts(path: str) -> Sequence[str]:
    """The parts of a path, each with `.git` or `.gitmodules` for every name that may be taken for it."""
    return [_canonical(part) for part in _SEPARATORS.split(path)]


def _canonical(part: str) -> str:
    name = _IGNORED_BY_HFS.sub("", part).casefold().partition(":")[0].rstrip(" .")
    if _SHORT_NAME.fullmatch(name):
        return ".git" if name.startswith("git~") else ".gitmodules"
    return name
