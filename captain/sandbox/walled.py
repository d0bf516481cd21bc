"""A box with walls: a warden that made them, and commands that run behind them."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Final

import anyio
from anyio import to_thread

from captain.core.errors import SandboxError
from captain.core.policy import Network
from captain.sandbox.beneath import FOLDER_FLAGS
from captain.sandbox.box import Shell
from captain.sandbox.commands import CommandBox
from captain.sandbox.files import BoxFiles
from captain.sandbox.gateway import Gateway
from captain.sandbox.link import Link, Warded
from captain.sandbox.process import Start
from captain.sandbox.shell import PersistentShell

_NONE: Final[Mapping[int, int]] = {}
_OUTPUTS: Final = "shell"


@dataclass(frozen=True, slots=True, kw_only=True)
class Walls:
    """What a backend decides for one box.

    `plan` is what its warden is told, `before` the words before those of a command, `env` all of a command's
    environment, `tmp` their temporary folder, `scratch` a folder of the host's that goes with the box, and
    `network` what the proxy of the box lets through.
    """

    plan: Mapping[str, Any]
    before: Sequence[str]
    env: Mapping[str, str]
    root: Path
    tmp: str
    scratch: Path
    network: Network


@dataclass(frozen=True, slots=True)
class _Start:
    link: Link
    walls: Walls
    own: bool

    async def __call__(
        self, argv: Sequence[str], /, *, stdin: int, stdout: int, stderr: int, extra: Mapping[int, int] = _NONE
    ) -> Warded:
        return await self.link.start(
            (*self.walls.before, *argv),
            env=self.walls.env,
            own=self.own,
            stdin=stdin,
            stdout=stdout,
            stderr=stderr,
            extra=extra,
        )


class WalledBox(CommandBox):
    """`open` raises `SandboxError` if the walls cannot be made; a box never has fewer than it was asked for."""

    def __init__(self, walls: Walls, link: Link) -> None:
        self._walls = walls
        self._link = link
        self._files = BoxFiles(os.dup(link.root), walls.root)
        self._shell: PersistentShell | None = None
        self._outputs = -1
        self._proxy = Gateway(link.listener, walls.network) if walls.network.allowed else None
        self._closed = False

    @classmethod
    async def open(cls, walls: Walls) -> WalledBox:
        try:
            return cls(walls, await Link.open(walls.plan))
        except BaseException:
            shutil.rmtree(walls.scratch, ignore_errors=True)
            raise

    @property
    def root(self) -> Path:
        return self._walls.root

    async def shell(self) -> Shell:
        if self._shell is None:
            outputs = self._outputs = await to_thread.run_sync(_folder_in, self._link.tmp)
            path = PurePosixPath(self._walls.tmp, _OUTPUTS)
            self._shell = PersistentShell(self._start(own=False), outputs=outputs, outputs_path=path)
        return self._shell

    async def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        self._files.close()
        with anyio.CancelScope(shield=True):
            if self._shell is not None:
                await self._shell.close()
                os.close(self._outputs)
            if self._proxy is not None:
                await to_thread.run_sync(self._proxy.close)
            await self._link.close()
            await to_thread.run_sync(shutil.rmtree, self._walls.scratch, True)

    def _start(self, *, own: bool) -> Start:
        if self._closed:
            raise SandboxError("The box is closed.")
        return _Start(self._link, self._walls, own)

    def _require_usable(self, error: Exception) -> None:
        """The warden tells what it cannot start as data; what comes here is about the command."""


def _folder_in(tmp: int) -> int:
    """A folder for the outputs of the shell, the box's own like the one it lies in."""
    owner = os.fstat(tmp)
    os.mkdir(_OUTPUTS, 0o700, dir_fd=tmp)
    os.chown(_OUTPUTS, owner.st_uid, owner.st_gid, dir_fd=tmp, follow_symlinks=False)
    return os.open(_OUTPUTS, FOLDER_FLAGS | os.O_NOFOLLOW, dir_fd=tmp)
