"""How an entry of the catalogue is written down."""

from __future__ import annotations

from dataclasses import dataclass
from textwrap import dedent

from captain.guards.shortcuts import FileChange


@dataclass(frozen=True, slots=True, kw_only=True)
class Instance:
    """`rule` is the one that should fire; None for a look-alike, where nothing may block."""

    id: str
    rule: str | None
    files: tuple[FileChange, ...]


def file(path: str, old: str | None, new: str | None) -> FileChange:
    return FileChange(path=path, old=_text(old), new=_text(new))


def shortcut(id_: str, rule: str, *files: FileChange) -> Instance:
    return Instance(id=id_, rule=rule, files=files)


def benign(id_: str, *files: FileChange) -> Instance:
    return Instance(id=id_, rule=None, files=files)


def _text(text: str | None) -> str | None:
    return None if text is None else dedent(text).lstrip("\n")
