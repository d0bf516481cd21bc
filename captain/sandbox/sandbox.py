"""Where boxes come from: an extension point, and the explicit choice of no isolation at all."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping
from pathlib import Path

from captain.core.errors import SandboxError
from captain.core.policy import Guarantee, Policy
from captain.sandbox.box import Box
from captain.sandbox.local import LocalBox
from captain.sandbox.place import Layers


class Sandbox(ABC):
    """`name` stands in every report; `isolated` says whether commands are kept from the rest of the machine.

    `guarantees` are what it holds whatever runs in it. `layers`: a box can stand on `Layers`. `owner` is the
    user and group that the files of copies have to belong to, where that is not who runs Captain.
    """

    name: str
    isolated: bool
    guarantees: frozenset[Guarantee] = frozenset()
    layers: bool = False
    owner: tuple[int, int] | None = None

    @abstractmethod
    async def open(self, place: Path | Layers, policy: Policy, /) -> Box:
        """A box in a folder, or on layers. Raises `SandboxError`; never falls back to something weaker."""

    @staticmethod
    def none(*, env: Mapping[str, str] | None = None) -> Sandbox:
        """No isolation: commands may do what the user may. `env` is added to their environment."""
        return _Unsandboxed(env or {})


class _Unsandboxed(Sandbox):
    name = "unsandboxed"
    isolated = False

    def __init__(self, env: Mapping[str, str]) -> None:
        self._env = dict(env)

    async def open(self, place: Path | Layers, policy: Policy, /) -> Box:
        if isinstance(place, Layers):
            raise SandboxError("Layers need a sandbox that can mount them.")
        return LocalBox(place, {**self._env, **policy.env})
