"""A box without walls: commands run on this machine as the user who runs Captain."""

from __future__ import annotations

import errno
from collections.abc import Mapping
from pathlib import Path

from anyio import to_thread

from captain.core.errors import SandboxError
from captain.sandbox.commands import CommandBox
from captain.sandbox.environment import command_environment
from captain.sandbox.files import read_below, remove_below, write_below
from captain.sandbox.groups import StartGroup
from captain.sandbox.orphans import Guard
from captain.sandbox.process import Start

_HOST_FAULTS = (errno.EMFILE, errno.ENFILE, errno.EAGAIN, errno.ENOMEM)


class LocalBox(CommandBox):
    """Ends what it started, also when a command left its process group; hides nothing from commands."""

    def __init__(self, root: Path, env: Mapping[str, str]) -> None:
        if not root.is_dir():
            raise SandboxError(f"A box cannot be opened in {root}: it is not a directory.")
        self._root = root.absolute()
        self._env = env
        self._guard = Guard()
        self._closed = False

    @property
    def root(self) -> Path:
        return self._root

    async def read(self, path: str, /, *, limit_bytes: int) -> bytes:
        return await to_thread.run_sync(read_below, self._root, path, limit_bytes)

    async def write(self, path: str, data: bytes, /) -> None:
        await to_thread.run_sync(write_below, self._root, path, data)

    async def remove(self, path: str, /) -> None:
        await to_thread.run_sync(remove_below, self._root, path)

    async def close(self) -> None:
        self._closed = True
        await self._guard.close()

    def _start(self, *, own: bool) -> Start:  # noqa: ARG002 - without walls there is nothing to open
        if self._closed:
            raise SandboxError("The box is closed.")
        env = command_environment(self._env, self._guard.mark)
        return StartGroup(cwd=self._root, env=env, groups=self._guard)

    def _require_usable(self, error: Exception) -> None:
        """A command that cannot start is data only if that is about the command."""
        if not self._root.is_dir():
            raise SandboxError(f"The folder of the box, {self._root}, is gone.") from error
        if isinstance(error, OSError) and error.errno in _HOST_FAULTS:
            raise SandboxError(f"No command can be started: {error.strerror}.") from error
