"""A box without walls: commands run on this machine as the user who runs Captain."""

from __future__ import annotations

import errno
from collections.abc import Mapping
from pathlib import Path

from captain.core.errors import SandboxError
from captain.sandbox.box import Shell
from captain.sandbox.commands import CommandBox
from captain.sandbox.environment import command_environment
from captain.sandbox.files import BoxFiles
from captain.sandbox.groups import StartGroup
from captain.sandbox.orphans import Guard
from captain.sandbox.outputs import OutputFolder
from captain.sandbox.shell import PersistentShell

_HOST_FAULTS = (errno.EMFILE, errno.ENFILE, errno.EAGAIN, errno.ENOMEM)


class LocalBox(CommandBox):
    """Ends what it started, also when a command left its process group; hides nothing from commands."""

    def __init__(self, root: Path, env: Mapping[str, str]) -> None:
        self._root = root.absolute()
        try:
            self._files = BoxFiles.of(self._root)
        except (NotADirectoryError, FileNotFoundError) as error:
            raise SandboxError(f"A box cannot be opened in {root}: it is not a directory.") from error
        except OSError as error:
            raise SandboxError(f"A box cannot be opened in {root}: {error.strerror}.") from error
        self._env = env
        try:
            self._guard = Guard()
        except SandboxError:
            self._files.close()
            raise
        self._shell: PersistentShell | None = None
        self._outputs: OutputFolder | None = None
        self._closed = False

    @property
    def root(self) -> Path:
        return self._root

    async def shell(self) -> Shell:
        self._require_open()
        lost = self._outputs is not None and not self._outputs.is_there()  # a command may have swept /tmp
        if lost:
            await self._close_shell()
        if self._shell is None:
            self._outputs = OutputFolder()
            self._shell = PersistentShell(
                self._start(), outputs=self._outputs.descriptor, outputs_path=self._outputs.path, anew=lost
            )
        return self._shell

    async def _close_shell(self) -> None:
        shell, outputs, self._shell, self._outputs = self._shell, self._outputs, None, None
        if shell is not None:
            await shell.close()
        if outputs is not None:
            await outputs.close()

    async def close(self) -> None:
        self._closed = True
        await self._close_shell()
        self._files.close()
        await self._guard.close()

    def _start(self, *, own: bool = False) -> StartGroup:
        self._require_open()
        return StartGroup(cwd=self._root, env=command_environment(self._env, self._guard.mark), groups=self._guard)

    def _require_open(self) -> None:
        if self._closed:
            raise SandboxError("The box is closed.")

    def _require_usable(self, error: Exception) -> None:
        """A command that cannot start is data only if that is about the command."""
        if not self._root.is_dir():
            raise SandboxError(f"The folder of the box, {self._root}, is gone.") from error
        if isinstance(error, OSError) and error.errno in _HOST_FAULTS:
            raise SandboxError(f"No command can be started: {error.strerror}.") from error
