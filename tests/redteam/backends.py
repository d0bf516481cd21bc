"""The sandboxes that are attacked, each under the name it has in the table."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Final

import anyio

from captain.core.errors import SandboxError
from captain.sandbox import Box, Layers, Policy, Sandbox, bubblewrap, landlock
from captain.sandbox.walled import WalledBox, Walls
from captain.sandbox.warden import kernel

NAIVE: Final = "none"
BACKENDS: Final = ("bubblewrap", "landlock", "landlock-bare", NAIVE)


@dataclass(frozen=True)
class Walled(Sandbox):
    """One kind of walls as a sandbox."""

    name: str
    make: Callable[[Path | Layers, Policy], Walls]
    isolated: bool = True

    async def open(self, place: Path | Layers, policy: Policy, /) -> Box:
        return await WalledBox.open(self.make(place, policy))


def sandbox(name: str) -> Sandbox:
    if name == NAIVE:
        return Sandbox.none()
    if name == "bubblewrap":
        program = Path(shutil.which("bwrap", path="/usr/bin:/bin:/usr/local/bin") or "/usr/bin/bwrap")
        return Walled(name, lambda root, policy: bubblewrap.walls(program, root, policy))
    version, namespaces = kernel.landlock_version(), name == "landlock"
    return Walled(name, lambda root, policy: landlock.walls(version, root, policy, namespaces=namespaces))


def missing(name: str) -> str:
    """Why this sandbox cannot be used on this machine; empty where it can."""
    return _missing(name)


@cache
def _missing(name: str) -> str:
    if name.startswith("landlock") and not kernel.landlock_version():
        return "the kernel has no Landlock"
    folder = Path("/tmp") / f"captain-probe-{os.getpid()}-{name}"
    folder.mkdir()
    try:
        said = anyio.run(_probe, sandbox(name), folder)
    except SandboxError as error:
        return str(error)
    finally:
        shutil.rmtree(folder)
    return said


async def _probe(tried: Sandbox, folder: Path) -> str:
    box = await tried.open(folder, Policy())
    try:
        result = await box.run(["true"], timeout_s=30)
    finally:
        await box.close()
    return "" if result.exit_code == 0 else result.text
