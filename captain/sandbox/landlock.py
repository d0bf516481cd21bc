"""Walls by Landlock, a seccomp filter and a supervisor: the standard library and the kernel, no package.

Landlock decides about paths a process may open, seccomp about sockets and system calls, and the supervisor
ends what a command leaves behind. Where namespaces can be made, they add what Landlock cannot hold: modes,
owners and times of files outside, and a network of the box's own.
"""

from __future__ import annotations

import os
from contextlib import suppress
from pathlib import Path
from typing import Final

from captain.core.errors import SandboxError
from captain.core.policy import EVERYWHERE, Policy
from captain.sandbox import layout, terms
from captain.sandbox.place import Layers
from captain.sandbox.seccomp import AF_INET, AF_INET6
from captain.sandbox.walled import Walls

_EXECUTE: Final = 0x1
_READ: Final = 0x4 | 0x8  # files, folders
_SINCE: Final = {1: 0x1FFF, 2: 0x2000, 3: 0x4000, 5: 0x8000}
"""The kinds of access to files, by the version of Landlock that brought them."""
_SCOPED: Final = 0x1 | 0x2  # abstract sockets, signals
_SCOPED_SINCE: Final = 6
_ANY: Final = sum(_SINCE.values())
_DEVICES: Final = ("null", "zero", "full", "random", "urandom", "tty", "ptmx", "pts")


def walls(version: int, place: Path | Layers, policy: Policy, *, namespaces: bool) -> Walls:
    """`version` is that of the kernel's Landlock. Raises `SandboxError`."""
    root = place.root if isinstance(place, Layers) else place
    _require_possible(place, policy, namespaces=namespaces)
    scratch = terms.scratch_for(place)
    env = terms.environment(policy, home=f"{scratch}/home", tmp=str(scratch))
    plan = {
        "root": str(root),
        "layers": terms.layers_of(place),
        "namespaces": namespaces,
        "user": None,
        "staged": [],
        "files": [],
        "tmp": str(scratch),
        "tmp_bytes": terms.tmp_bytes(policy),
        "listen": terms.PROXY_PORT if policy.network.allowed else 0,
        "landlock": {
            "files": sum(kinds for since, kinds in _SINCE.items() if since <= version),
            "scoped": _SCOPED if version >= _SCOPED_SINCE else 0,
            "rules": _rules(root, scratch, env, policy, namespaces=namespaces),
        },
        "filter": terms.call_filter((AF_INET, AF_INET6) if namespaces else (), shared=namespaces, processes=False),
        "rlimits": terms.rlimits(policy, others=0 if namespaces else _own_threads()),
        **terms.watched(place, policy, *(() if namespaces else (scratch,))),
    }
    return Walls(plan=plan, before=(), env=env, root=root, tmp=str(scratch), scratch=scratch, network=policy.network)


def _require_possible(place: Path | Layers, policy: Policy, *, namespaces: bool) -> None:
    if isinstance(place, Layers) and not namespaces:
        raise SandboxError("Layers need a mount namespace, which cannot be made here.")
    if policy.network.allowed and not namespaces:
        raise SandboxError(
            "Hosts cannot be granted in this sandbox: without namespaces it has no network of its own.",
            hint="Install bubblewrap, or allow user namespaces on this machine.",
        )
    if policy.protect:
        raise SandboxError(
            "Landlock cannot keep a path read-only inside a folder that may be written.",
            hint="Install bubblewrap, or leave the paths to the import gate.",
        )


def _rules(
    root: Path, scratch: Path, env: dict[str, str], policy: Policy, *, namespaces: bool
) -> list[list[tuple[int, str]]]:
    """For an agent's commands, and for the host's own: kinds of access and the path they are allowed below."""
    shown = [*layout.SYSTEM, *layout.ETC, "/etc/passwd", "/etc/group", "/etc/hosts"]
    shown += map(str, (*policy.read, *layout.toolchains(env, terms.host_home())))
    common = [(_READ | _EXECUTE, path) for path in shown]
    common += [(_READ, "/proc"), *((_ANY & ~_EXECUTE, f"/dev/{name}") for name in _DEVICES)]
    common += [(_ANY, str(scratch))]
    common += [(_ANY & ~_EXECUTE, "/dev/shm")] if namespaces else []  # noqa: S108 - over it lies one of the box's own
    free = [*common, (_ANY, str(root))]
    if policy.scope == "gate" or EVERYWHERE in policy.write:
        return [free, free]
    held = [*common, (_READ | _EXECUTE, str(root))]
    for name in (".git", *policy.write):
        path = Path(os.path.normpath(root / name))
        if path != root and path.is_relative_to(root):
            held.append((_ANY, str(path)))
    return [held, free]


def _own_threads() -> int:
    """Of the host's user: without a namespace the kernel counts a box's processes together with them."""
    count = 0
    for entry in Path("/proc").iterdir():
        with suppress(OSError):
            if entry.name.isdigit() and entry.stat().st_uid == os.geteuid():
                count += sum(1 for _ in (entry / "task").iterdir())
    return count
