"""What a box stands on: a folder, or layers that become one only inside the box."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Layers:
    """`base`, which is never written to, seen at `root` together with what the box changes.

    What it changes lies in `upper`; `work` is an empty folder on the same file system. `root` is an empty
    folder that stays empty for everybody outside the box.
    """

    root: Path
    base: Path
    upper: Path
    work: Path
