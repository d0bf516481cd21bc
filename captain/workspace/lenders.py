"""The object folders a copy borrows from: the repository's own, and those it borrows from in turn."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Final

_ESCAPE: Final = re.compile(rb"\\([0-7]{3}|.)", re.DOTALL)
_ESCAPED: Final = {b"a": b"\a", b"b": b"\b", b"t": b"\t", b"n": b"\n", b"v": b"\v", b"f": b"\f", b"r": b"\r"}


def lenders(objects: Path) -> tuple[Path, ...]:
    """`objects` and all that its `info/alternates` name, transitively; those that are there."""
    found: dict[Path, None] = {}
    waiting = [objects]
    while waiting:
        folder = waiting.pop(0)
        if folder in found or not folder.is_dir():
            continue
        found[folder] = None
        waiting += _named_in(folder)
    return tuple(found)


def _named_in(objects: Path) -> list[Path]:
    try:
        lines = (objects / "info" / "alternates").read_bytes().split(b"\n")
    except OSError:
        return []
    paths = (os.fsdecode(_unquoted(line)) for line in lines if line and not line.startswith(b"#"))
    return [Path(os.path.normpath(objects / path)) for path in paths if "\0" not in path]


def _unquoted(line: bytes) -> bytes:
    if not (line.startswith(b'"') and line.endswith(b'"') and len(line) > 1):
        return line
    return _ESCAPE.sub(lambda found: _character(found[1]), line[1:-1])


def _character(escape: bytes) -> bytes:
    return bytes([int(escape, 8) & 0xFF]) if len(escape) == 3 else _ESCAPED.get(escape, escape)
