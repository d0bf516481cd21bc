"""A policy in the terms a warden takes: environment, limits, what is watched, the system-call filter."""

from __future__ import annotations

import os
import resource
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Final

from captain.core.errors import SandboxError
from captain.core.policy import Policy
from captain.sandbox.environment import command_environment
from captain.sandbox.place import Layers
from captain.sandbox.seccomp import MACHINES, build_filter

PROXY_PORT: Final = 3128


def call_filter(families: Sequence[int], *, shared: bool = True, processes: bool = True) -> bytes:
    machine = MACHINES.get(os.uname().machine)
    if machine is None:
        raise SandboxError(f"There is no system-call filter for the processor {os.uname().machine!r}.")
    return build_filter(machine, families, shared=shared, processes=processes)


def layers_of(place: Path | Layers) -> dict[str, str] | None:
    if isinstance(place, Path):
        return None
    return {"base": str(place.base), "upper": str(place.upper), "work": str(place.work)}


def environment(policy: Policy, *, home: str, tmp: str) -> dict[str, str]:
    """All that commands get: no folder of the user's own, and the proxy where there is one."""
    env = command_environment()
    for name in ("XDG_CACHE_HOME", "CARGO_HOME", "GOPATH"):
        env.pop(name, None)
    env |= {"HOME": home, "TMPDIR": tmp, "USER": "captain", "LOGNAME": "captain", "SHELL": "/bin/bash"}
    if policy.network.allowed:
        for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
            env[name] = env[name.lower()] = f"http://127.0.0.1:{PROXY_PORT}"
        env["NO_PROXY"] = env["no_proxy"] = "localhost,127.0.0.1,::1"
    return {**env, **policy.env}


def host_home() -> Path | None:
    home = os.environ.get("HOME")
    return Path(home) if home else None


def scratch_for(place: Path | Layers) -> Path:
    """A folder that goes with the box; beside layers, so that it is cleared away with them if the host is killed."""
    return Path(tempfile.mkdtemp(prefix="captain-box-", dir=place.upper.parent if isinstance(place, Layers) else None))


def tmp_bytes(policy: Policy) -> int:
    """Of a temporary folder that is kept in memory."""
    return max(1 << 20, min(policy.limits.disk_bytes, policy.limits.memory_bytes // 2))


def rlimits(policy: Policy, *, others: int = 0) -> list[tuple[int, int]]:
    """`others` are processes outside the box that the kernel counts with it."""
    limits = policy.limits
    return [
        (resource.RLIMIT_CPU, limits.cpu_s),
        (resource.RLIMIT_DATA, limits.memory_bytes),  # RLIMIT_AS would break what reserves more than it uses
        (resource.RLIMIT_FSIZE, limits.file_bytes),
        (resource.RLIMIT_NOFILE, limits.open_files),
        (resource.RLIMIT_NPROC, limits.processes + others),
        (resource.RLIMIT_CORE, 0),
    ]


def watched(place: Path | Layers, policy: Policy, *more: Path) -> dict[str, object]:
    """`more` are folders on the host's disk that the box may fill besides its copy."""
    folder = {"path": str(place.upper), "empty": True} if isinstance(place, Layers) else {"path": str(place)}
    limits = policy.limits
    return {
        "watched": {"empty": False, "more": [str(path) for path in more], **folder},
        "disk_bytes": limits.disk_bytes,
        "memory_bytes": limits.memory_bytes,
        "processes": limits.processes,
    }
