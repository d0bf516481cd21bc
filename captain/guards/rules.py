"""Typed rules about actions. None looks at how the text of a command begins: such rules are no guard.

A rule that forbids holds more widely than one that allows: at any port, at any remote, for any host.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from decimal import Decimal
from fnmatch import fnmatchcase
from typing import Final, TypeAlias

from captain.core.actions import (
    Action,
    Effect,
    OpenHost,
    PublishRef,
    RunCommand,
    SpawnAgent,
    SpendMore,
    StartServer,
    UseSecret,
    WidenScope,
)
from captain.core.policy import Network

WEB_PORTS: Final = (80, 443)


@dataclass(frozen=True, slots=True, kw_only=True)
class HostRule:
    """`ports` bound an "allow" only."""

    effect: Effect
    network: Network
    ports: tuple[int, ...] = WEB_PORTS

    def holds(self, action: Action) -> bool:
        if not isinstance(action, OpenHost) or not self.network.allows(action.host):
            return False
        return self.effect != "allow" or action.port in self.ports


@dataclass(frozen=True, slots=True, kw_only=True)
class RefRule:
    """`refs` are whole names, with `*` for any part of one; an "allow" is for one `remote`, or for none."""

    effect: Effect
    refs: tuple[str, ...]
    remote: str | None = None

    def holds(self, action: Action) -> bool:
        if not isinstance(action, PublishRef) or not any(fnmatchcase(action.ref, ref) for ref in self.refs):
            return False
        return self.effect != "allow" or action.remote == self.remote


@dataclass(frozen=True, slots=True, kw_only=True)
class ScopeRule:
    """An "allow" holds where every path lies in `paths`, another where any does."""

    effect: Effect
    paths: tuple[str, ...]

    def holds(self, action: Action) -> bool:
        if not isinstance(action, WidenScope):
            return False
        inside = [any(lies_in(path, given) for given in self.paths) for path in action.paths]
        return bool(inside) and (all(inside) if self.effect == "allow" else any(inside))


@dataclass(frozen=True, slots=True, kw_only=True)
class SecretRule:
    """An "allow" is for the hosts of `network` only."""

    effect: Effect
    names: tuple[str, ...]
    network: Network = field(default_factory=Network.none)

    def holds(self, action: Action) -> bool:
        if not isinstance(action, UseSecret) or action.name not in self.names:
            return False
        return self.effect != "allow" or self.network.allows(action.host)


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerRule:
    """By pin: a server that changed is another one."""

    effect: Effect
    pins: tuple[str, ...]

    def holds(self, action: Action) -> bool:
        return isinstance(action, StartServer) and action.pin in self.pins


@dataclass(frozen=True, slots=True, kw_only=True)
class SpendRule:
    """An "allow" holds up to these amounts, another above them."""

    effect: Effect
    cost_usd: Decimal = Decimal(0)
    tokens: int = 0

    def holds(self, action: Action) -> bool:
        if not isinstance(action, SpendMore):
            return False
        within = action.cost_usd <= self.cost_usd and action.tokens <= self.tokens
        return within == (self.effect == "allow")


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentRule:
    """An "allow" holds up to this depth and width, another beyond them."""

    effect: Effect
    depth: int
    at_once: int

    def holds(self, action: Action) -> bool:
        if not isinstance(action, SpawnAgent):
            return False
        within = action.depth <= self.depth and action.at_once <= self.at_once
        return within == (self.effect == "allow")


@dataclass(frozen=True, slots=True, kw_only=True)
class CommandRule:
    """For commands outside of a box, by the whole argv."""

    effect: Effect
    argv: tuple[str, ...]

    def holds(self, action: Action) -> bool:
        return isinstance(action, RunCommand) and action.argv == self.argv


Rule: TypeAlias = HostRule | RefRule | ScopeRule | SecretRule | ServerRule | SpendRule | AgentRule | CommandRule


def lies_in(path: str, folder: str) -> bool:
    """By whole names, never by how a string begins; a path that climbs lies nowhere."""
    if ".." in path.split("/"):
        return False
    return folder in ("**", path) or path.startswith(folder.removesuffix("**").rstrip("/") + "/")
