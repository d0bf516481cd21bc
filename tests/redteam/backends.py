"""The sandboxes that are attacked, each under the name it has in the table."""

from __future__ import annotations

import tempfile
from functools import cache
from pathlib import Path
from typing import Final

from captain.sandbox import Sandbox
from captain.sandbox.detection import inspect_machine, sandboxes

NAIVE: Final = "none"
BACKENDS: Final = ("bubblewrap", "landlock", "landlock-bare", NAIVE)
_NAMES: Final = {"landlock without namespaces": "landlock-bare"}


@cache
def _here() -> dict[str, Sandbox]:
    machine = inspect_machine(Path(tempfile.gettempdir()))
    found = {_NAMES.get(one.name, one.name): one for one in sandboxes(machine, allow_root=True)}
    return {**found, NAIVE: Sandbox.none()}


def sandbox(name: str) -> Sandbox:
    return _here()[name]


def missing(name: str) -> str:
    """Why this sandbox cannot be used on this machine; empty where it can."""
    return "" if name in _here() else f"{name} cannot be used on this machine"
