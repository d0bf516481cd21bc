"""The sandboxes of this machine, each made without asking which one would be chosen."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest

from captain.sandbox import Box, Policy, Sandbox, bubblewrap, landlock
from captain.sandbox.place import Layers
from captain.sandbox.walled import WalledBox
from captain.sandbox.warden import kernel

KINDS = ("none", "bubblewrap", "landlock")
LAYERING = ("bubblewrap", "landlock")


class Bubblewrap(Sandbox):
    name = "bubblewrap"
    isolated = True
    layers = True

    def __init__(self, program: Path) -> None:
        self._program = program
        self.owner = None if os.geteuid() else (bubblewrap.BOX_USER, bubblewrap.BOX_USER)

    async def open(self, place: Path | Layers, policy: Policy, /) -> Box:
        return await WalledBox.open(bubblewrap.walls(self._program, place, policy))


class Landlock(Sandbox):
    name = "landlock"
    isolated = True
    layers = True

    async def open(self, place: Path | Layers, policy: Policy, /) -> Box:
        return await WalledBox.open(landlock.walls(kernel.landlock_version(), place, policy, namespaces=True))


class Unlayered(Sandbox):
    """Walls that stand only on a folder."""

    isolated = True

    def __init__(self, walls: Sandbox) -> None:
        self._walls = walls
        self.name = walls.name
        self.owner = walls.owner

    async def open(self, place: Path | Layers, policy: Policy, /) -> Box:
        assert isinstance(place, Path)
        return await self._walls.open(place, policy)


def sandbox_of(kind: str) -> Sandbox:
    """Skips the test where this machine lacks the kind."""
    if kind == "none":
        return Sandbox.none()
    if kind == "bubblewrap":
        program = shutil.which("bwrap")
        if program is None:
            pytest.skip("bubblewrap is not installed here")
        return Bubblewrap(Path(program))
    if kernel.landlock_version() == 0:
        pytest.skip("this kernel has no Landlock")
    return Landlock()
