"""Finds the strongest sandbox that works on this machine, by trying; says what is missing and how to get it."""

from __future__ import annotations

import marshal
import os
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import anyio

from captain.core.errors import SandboxError, SandboxUnavailableError, UsageError
from captain.core.policy import Guarantee, Policy
from captain.sandbox import bubblewrap, landlock
from captain.sandbox.box import Box
from captain.sandbox.link import BOOT, WARDEN
from captain.sandbox.place import Layers
from captain.sandbox.proof import prove
from captain.sandbox.sandbox import Sandbox
from captain.sandbox.seccomp import MACHINES
from captain.sandbox.walled import WalledBox, Walls

EVERY: Final = frozenset(Guarantee)
REQUIRED: Final = EVERY - {Guarantee.FS_META}
"""Modes and times of files outside are the one thing that Landlock alone cannot hold."""

_PROGRAMS: Final = (Path("/usr/bin/bwrap"), Path("/bin/bwrap"), Path("/usr/local/bin/bwrap"))
"""The system's own first: some systems allow user namespaces to that one only."""
_OLDEST: Final = (0, 8)  # the first with --disable-userns
_USEFUL_LANDLOCK: Final = 6  # the first that keeps signals and abstract sockets inside
_TRIAL_S: Final = 20.0
_GET_BUBBLEWRAP: Final = "Install bubblewrap 0.8 or newer (the package is called bubblewrap)"


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """What boxes can be made of here. Empty strings mean that it works; else they are the reason why not.

    `landlock` is the version of the kernel's Landlock, 0 for none. `layers` was tried in the folder asked about.
    """

    system: str
    bubblewrap: Path | None
    bubblewrap_problem: str
    namespaces_problem: str
    layers_problem: str
    landlock: int
    filter_problem: str


class WalledSandbox(Sandbox):
    """Boxes with walls. Before the first one is opened, the walls are tried from inside, once for each object."""

    isolated = True

    def __init__(self, *, allow_root: bool) -> None:
        self._allow_root = allow_root
        self._proving = anyio.Lock()
        self._proved = False

    async def open(self, place: Path | Layers, policy: Policy, /) -> Box:
        if os.geteuid() == 0 and not self._allow_root:
            raise _root_refused()
        async with self._proving:
            if not self._proved:
                await prove(self._open, self.name)
                self._proved = True
        return await self._open(place, policy)

    async def _open(self, place: Path | Layers, policy: Policy) -> Box:
        return await WalledBox.open(self._walls(place, policy))

    def _walls(self, place: Path | Layers, policy: Policy) -> Walls:
        raise NotImplementedError


class Bubblewrap(WalledSandbox):
    """The strongest: namespaces for everything, a filter for system calls, a user of its own for a root host."""

    name = "bubblewrap"
    guarantees = EVERY

    def __init__(self, program: Path, *, layers: bool = False, allow_root: bool = False) -> None:
        super().__init__(allow_root=allow_root)
        self.layers = layers
        self.owner = None if os.geteuid() else (bubblewrap.BOX_USER, bubblewrap.BOX_USER)
        self._program = program

    def _walls(self, place: Path | Layers, policy: Policy) -> Walls:
        return bubblewrap.walls(self._program, place, policy)


class Landlock(WalledSandbox):
    """Needs nothing but the kernel and the standard library. `namespaces` says whether they can be made here."""

    def __init__(self, version: int, *, namespaces: bool, layers: bool = False, allow_root: bool = False) -> None:
        super().__init__(allow_root=allow_root)
        self.name = "landlock" if namespaces else "landlock without namespaces"
        lost = set() if namespaces else {Guarantee.FS_META}
        if version < _USEFUL_LANDLOCK:
            lost.add(Guarantee.PROC)
        self.guarantees = EVERY - lost
        self.layers = layers and namespaces
        self._version = version
        self._namespaces = namespaces

    def _walls(self, place: Path | Layers, policy: Policy) -> Walls:
        return landlock.walls(self._version, place, policy, namespaces=self._namespaces)


def detect(
    require: Collection[Guarantee] = REQUIRED, *, allow_root: bool = False, folder: Path | None = None
) -> Sandbox:
    """The strongest sandbox of this machine that holds all of `require`.

    Copies will lie below `folder` (None: the system's temporary folder), where layers are tried. Raises
    `SandboxUnavailableError`, and `UsageError` for a host that is root unless `allow_root` says that this is
    wanted: commands then run as another user, or without any of root's rights. Never degrades silently.
    """
    if os.geteuid() == 0 and not allow_root:
        raise _root_refused()
    machine = inspect_machine(folder)
    wanted = frozenset(require)
    found = sandboxes(machine, allow_root=allow_root)
    for sandbox in found:
        if wanted <= sandbox.guarantees:
            return sandbox
    held = frozenset[Guarantee]().union(*(sandbox.guarantees for sandbox in found))
    missing = tuple(sorted(wanted - held)) or tuple(sorted(wanted))
    raise SandboxUnavailableError(
        f"No sandbox of this machine holds what is required: {', '.join(missing)}. {_problems(machine)}",
        missing=missing,
        hint=f"{_GET_BUBBLEWRAP}, or use a kernel with Landlock (6.12 or newer). Without any sandbox, commands run "
        "only if a program says so in code: sandbox=Sandbox.none().",
    )


def sandboxes(machine: Machine, *, allow_root: bool = False) -> tuple[Sandbox, ...]:
    """All that work here, the strongest first."""
    found: list[Sandbox] = []
    if machine.filter_problem:
        return ()
    namespaces, layers = not machine.namespaces_problem, not machine.layers_problem
    if machine.bubblewrap and not machine.bubblewrap_problem and namespaces:
        found.append(Bubblewrap(machine.bubblewrap, layers=layers, allow_root=allow_root))
    if machine.landlock and namespaces:
        found.append(Landlock(machine.landlock, namespaces=True, layers=layers, allow_root=allow_root))
    if machine.landlock:
        found.append(Landlock(machine.landlock, namespaces=False, allow_root=allow_root))
    return tuple(found)


def inspect_machine(folder: Path | None = None) -> Machine:
    """Tries everything, in about 50 ms; changes nothing."""
    system = os.uname()
    if sys.platform != "linux":
        problem = f"{system.sysname} is not Linux"
        return Machine(
            system=system.sysname,
            bubblewrap=None,
            bubblewrap_problem=problem,
            namespaces_problem=problem,
            layers_problem=problem,
            landlock=0,
            filter_problem=problem,
        )
    program = next((path for path in _PROGRAMS if os.access(path, os.X_OK)), None)
    tried = _try(folder)
    return Machine(
        system=f"{system.sysname} {system.release}",
        bubblewrap=program,
        bubblewrap_problem=_problem_of(program) or tried["namespaces"],
        namespaces_problem=tried["namespaces"],
        layers_problem=tried["layers"],
        landlock=tried["landlock"],
        filter_problem="" if system.machine in MACHINES else f"no system-call filter for {system.machine}",
    )


def _problem_of(program: Path | None) -> str:
    if program is None:
        return "bubblewrap is not installed"
    try:
        said = subprocess.run([program, "--version"], capture_output=True, text=True, timeout=_TRIAL_S, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        return f"{program} cannot be run: {error}"
    found = re.search(r"(\d+)\.(\d+)", said.stdout)
    if found is None or (int(found[1]), int(found[2])) < _OLDEST:
        return f"{program} is too old: it says {said.stdout.strip()!r}, and 0.8 is the oldest that works"
    return ""


def _try(folder: Path | None) -> Mapping[str, Any]:
    if folder is not None:
        folder.mkdir(parents=True, exist_ok=True)
    place = tempfile.mkdtemp(prefix="captain-trial-", dir=folder)
    try:
        boot = BOOT.format(call="warden.trial.run(sys.argv[2])", module="warden.trial")
        argv = [sys.executable, "-I", "-S", "-c", boot, str(WARDEN), place]
        ran = subprocess.run(argv, capture_output=True, timeout=_TRIAL_S, check=True, env={}, stdin=subprocess.DEVNULL)
        tried: Mapping[str, Any] = marshal.loads(ran.stdout)  # noqa: S302 - from this very program
    except (OSError, subprocess.SubprocessError, ValueError, EOFError) as error:
        raise SandboxError(f"This machine cannot be tried for a sandbox: {error}.") from error
    else:
        return tried
    finally:
        _clear(Path(place))


def _clear(place: Path) -> None:
    """An overlay leaves a folder in which even its owner may do nothing."""
    inner = place / "work" / "work"
    if inner.is_dir():
        inner.chmod(0o700)
    shutil.rmtree(place, ignore_errors=True)


def _problems(machine: Machine) -> str:
    reasons = (machine.filter_problem, machine.bubblewrap_problem, "" if machine.landlock else "there is no Landlock")
    text = "; ".join(dict.fromkeys(filter(None, reasons)))
    return f"{text[0].upper()}{text[1:]}." if text else ""


def _root_refused() -> UsageError:
    return UsageError(
        "Captain was started as root, and agents' commands would come from there.",
        hint="Start it as an ordinary user. Where that cannot be, as in a container, say --allow-root, or in code "
        "Options(allow_root=True): commands then run as another user, or without any of root's rights.",
    )
