"""What a box grants: pure values that can be compared, narrowed, digested and journaled.

A policy only ever gets narrower: `policy & other` allows what both allow.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from enum import StrEnum
from pathlib import Path
from typing import Final, Literal, TypeAlias

from captain.core.errors import UsageError

EVERYWHERE: Final = "**"
_LABEL: Final = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?")
_NAME_CHARS: Final = 253

ScopeHold: TypeAlias = Literal["gate", "mount"]


class Guarantee(StrEnum):
    """What a sandbox holds whatever runs in it. A backend states the ones it proved on this machine."""

    FS_WRITE = "fs_write"
    """Nothing outside the workspace can be written."""
    FS_READ = "fs_read"
    """Nothing outside the workspace, system folders and granted folders can be read."""
    FS_META = "fs_meta"
    """Modes, owners and times of files outside cannot be changed."""
    ENV = "env"
    """Only the variables of the policy are seen."""
    NET = "net"
    """No address can be reached but by the proxy for granted hosts."""
    PROC = "proc"
    """Processes outside can be neither signalled nor inspected."""
    KILL_TREE = "kill_tree"
    """Everything a command started ends with it."""
    DIE_WITH_HOST = "die_with_host"
    """Everything ends when the host process ends, however it ends."""
    NPROC = "nproc"
    """The number of processes is bounded."""
    MEM = "mem"
    """Memory is bounded."""
    DISK = "disk"
    """Disk space is bounded."""
    FAMILIES = "families"
    """Only the allowed socket families can be opened."""
    NO_USERNS = "no_userns"
    """No new namespace can be made inside."""


def is_host_name(name: str) -> bool:
    """A plain lower-case DNS name of two labels or more, not an address in any spelling."""
    labels = name.split(".")
    return (
        len(name) <= _NAME_CHARS
        and len(labels) > 1
        and all(_LABEL.fullmatch(label) for label in labels)
        and not labels[-1].isdigit()
        and not labels[-1].startswith("0x")
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """Hosts that may be reached: exact names, or `*.name` for exactly one label more or any number of them."""

    allowed: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        for pattern in self.allowed:
            if not is_host_name(pattern.removeprefix("*.")):
                raise UsageError(
                    f"{pattern!r} is not a host that can be granted.",
                    hint="Give a plain lower-case name such as docs.example.org, or *.example.org for all below it.",
                )

    @classmethod
    def none(cls) -> Network:
        return cls()

    @classmethod
    def hosts(cls, *names: str) -> Network:
        return cls(allowed=tuple(dict.fromkeys(names)))

    def allows(self, host: str) -> bool:
        """By labels, never by the end of a string; a name that is not plain is never allowed."""
        return is_host_name(host) and any(
            host.endswith(pattern[1:]) if pattern.startswith("*.") else host == pattern for pattern in self.allowed
        )

    def __and__(self, other: Network) -> Network:
        mine = [pattern for pattern in self.allowed if _covers(other, pattern)]
        theirs = [pattern for pattern in other.allowed if _covers(self, pattern)]
        return Network(allowed=tuple(dict.fromkeys([*mine, *theirs])))


def _covers(network: Network, pattern: str) -> bool:
    if pattern in network.allowed:
        return True
    wild = (other for other in network.allowed if other.startswith("*."))
    return any(pattern.removeprefix("*").endswith(other[1:]) for other in wild)


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """What the commands of a box may use. `cpu_s`, `memory_bytes` and `file_bytes` hold for each process.

    `memory_bytes` holds for all processes of a box together too, as do `processes` and `disk_bytes`.
    """

    cpu_s: int = 3600
    processes: int = 512
    memory_bytes: int = 4 * 1024**3
    disk_bytes: int = 4 * 1024**3
    file_bytes: int = 1024**3
    open_files: int = 4096

    def __post_init__(self) -> None:
        for limit in fields(self):
            value = getattr(self, limit.name)
            if not isinstance(value, int) or isinstance(value, bool) or value < 1:
                raise UsageError(f"Limits({limit.name}={value!r}) is not a whole number of 1 or more.")

    def __and__(self, other: Limits) -> Limits:
        return Limits(
            **{limit.name: min(getattr(self, limit.name), getattr(other, limit.name)) for limit in fields(self)}
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What a box grants. Everything not named here is absent in it.

    `read` are folders and files of the host that are seen at their own place, read-only. `env` is added to
    the short list of variables that commands get. With `scope="mount"`, only the folders of `write`
    (relative, `**` for all) can be written and those of `protect` never; with "gate" the whole private
    copy can, and the import gate decides what comes back.
    """

    write: tuple[str, ...] = (EVERYWHERE,)
    protect: tuple[str, ...] = ()
    read: tuple[Path, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    network: Network = Network()
    limits: Limits = Limits()
    scope: ScopeHold = "gate"

    def __and__(self, other: Policy) -> Policy:
        return Policy(
            write=_narrower(self.write, other.write),
            protect=tuple(dict.fromkeys([*self.protect, *other.protect])),
            read=tuple(Path(path) for path in _narrower(_texts(self.read), _texts(other.read))),
            env={name: value for name, value in self.env.items() if other.env.get(name) == value},
            network=self.network & other.network,
            limits=self.limits & other.limits,
            scope="mount" if "mount" in (self.scope, other.scope) else "gate",
        )

    def digest(self) -> str:
        """The same for equal policies, in every process."""
        from captain.core import codec

        return codec.digest(
            (
                *(sorted(self.write), sorted(self.protect), sorted(_texts(self.read)), sorted(self.env.items())),
                *(sorted(self.network.allowed), self.scope),
                [(limit.name, getattr(self.limits, limit.name)) for limit in fields(self.limits)],
            )
        )


def _texts(paths: tuple[Path, ...]) -> tuple[str, ...]:
    return tuple(str(path) for path in paths)


def _narrower(mine: tuple[str, ...], theirs: tuple[str, ...]) -> tuple[str, ...]:
    """The folders that lie in a folder of both lists."""
    kept = [one for one in mine if any(_lies_in(one, other) for other in theirs)]
    kept += [one for one in theirs if any(_lies_in(one, other) for other in mine)]
    return tuple(dict.fromkeys(kept))


def _lies_in(folder: str, other: str) -> bool:
    return other in (EVERYWHERE, folder) or folder.startswith(other.rstrip("/") + "/")
