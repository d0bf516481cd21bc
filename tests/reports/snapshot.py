"""Whole outputs kept as files: `UPDATE_SNAPSHOTS=1` writes them anew, to be read in the diff."""

from __future__ import annotations

import os
from pathlib import Path


def assert_matches(text: str, path: Path) -> None:
    if os.environ.get("UPDATE_SNAPSHOTS"):
        path.parent.mkdir(exist_ok=True)
        path.write_text(text, "utf-8")
    assert text == path.read_text("utf-8"), f"{path.name} is different; UPDATE_SNAPSHOTS=1 writes it anew"
