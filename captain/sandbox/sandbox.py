"""Where boxes come from: an extension point, and the explicit choice of no isolation at all."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path

from captain.core.policy import Policy
from captain.sandbox.box import Box
from captain.sandbox.local import LocalBox


class Sandbox(ABC):
    """`name` stands in every report; `isolated` says whether commands are kept from the rest of the machine."""

    name: str
    isolated: bool

    @abstractmethod
    async def open(self, root: Path, policy: Policy, /) -> Box:
        """A box in `root`. Raises `SandboxError`; never falls back to something weaker."""

    @staticmethod
    def none(*, env: Mapping[str, str] | None = None) -> Sandbox:
        """No isolation: commands may do what the user may. `env` is added to their environment."""
        return _Unsandboxed(env or {})


class _Unsandboxed(Sandbox):
    name = "unsandboxed"
    isolated = False

    def __init__(self, env: Mapping[str, str]) -> None:
        self._env = dict(env)

    async def open(self, root: Path, policy: Policy, /) -> Box:
        return LocalBox(root, {**self._env, **policy.env})
