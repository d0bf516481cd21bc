"""A box without walls: commands run on this machine as the user who runs Captain."""

from __future__ import annotations

import errno
from collections.abc import Mapping, Sequence
from pathlib import Path

from captain.core.errors import SandboxError, UsageError
from captain.sandbox.box import OUTPUT_LIMIT_BYTES, ExecResult, FilePart, Shell
from captain.sandbox.environment import command_environment
from captain.sandbox.files import BoxFiles
from captain.sandbox.groups import StartGroup
from captain.sandbox.orphans import Guard
from captain.sandbox.outputs import OutputFolder
from captain.sandbox.process import Ended, HeadTail, Sink, Whole, execute
from captain.sandbox.shell import PersistentShell

_HOST_FAULTS = (errno.EMFILE, errno.ENFILE, errno.EAGAIN, errno.ENOMEM)
_COMPLAINT_BYTES = 2000


class LocalBox:
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

    async def run(
        self, argv: Sequence[str], /, *, timeout_s: float, stdin: bytes = b"", limit_bytes: int = OUTPUT_LIMIT_BYTES
    ) -> ExecResult:
        output = HeadTail(limit_bytes)
        try:
            ended = await self._execute(argv, stdin=stdin, timeout_s=timeout_s, stdout=output)
        except (OSError, ValueError) as error:
            self._require_usable(error)
            return _not_started(argv, error)
        return ExecResult(
            argv=tuple(argv),
            exit_code=ended.exit_code,
            output=output.take(),
            omitted_bytes=output.omitted_bytes,
            timed_out=ended.timed_out,
            duration_s=ended.duration_s,
        )

    async def run_shell(
        self, command: str, /, *, timeout_s: float, stdin: bytes = b"", limit_bytes: int = OUTPUT_LIMIT_BYTES
    ) -> ExecResult:
        argv = (_shell(), "-c", command)
        return await self.run(argv, timeout_s=timeout_s, stdin=stdin, limit_bytes=limit_bytes)

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

    async def export(self, argv: Sequence[str], /, *, timeout_s: float, limit_bytes: int, stdin: bytes = b"") -> bytes:
        output, complaint = Whole(limit_bytes), HeadTail(_COMPLAINT_BYTES)
        try:
            ended = await self._execute(argv, stdin=stdin, timeout_s=timeout_s, stdout=output, stderr=complaint)
        except (OSError, ValueError) as error:
            self._require_usable(error)
            raise SandboxError(f"The command {argv[0]!r} could not be started: {error}.") from error
        if output.overflowed:
            raise SandboxError(
                f"The command {argv[0]!r} gave more than the {limit_bytes} bytes that are taken from it."
            )
        if ended.timed_out:
            raise SandboxError(f"The command {argv[0]!r} was not done after {timeout_s:g} s.")
        if ended.exit_code != 0:
            said = complaint.take().decode("utf-8", "replace").strip() or "it gave no reason"
            raise SandboxError(f"The command {argv[0]!r} failed with exit code {ended.exit_code}: {said}")
        return output.take()

    async def read(self, path: str, /, *, limit_bytes: int) -> bytes:
        return await self._files.read(path, limit_bytes=limit_bytes)

    async def read_part(self, path: str, /, *, offset_bytes: int, limit_bytes: int) -> FilePart:
        return await self._files.read_part(path, offset_bytes=offset_bytes, limit_bytes=limit_bytes)

    async def write(self, path: str, data: bytes, /) -> None:
        await self._files.write(path, data)

    async def remove(self, path: str, /) -> None:
        await self._files.remove(path)

    async def close(self) -> None:
        self._closed = True
        await self._close_shell()
        self._files.close()
        await self._guard.close()

    async def _execute(
        self, argv: Sequence[str], *, stdin: bytes, timeout_s: float, stdout: Sink, stderr: Sink | None = None
    ) -> Ended:
        self._require_open()
        if not argv:
            raise UsageError("A command needs at least the name of a program.")
        return await execute(
            argv,
            start=self._start(),
            stdin=stdin,
            timeout_s=timeout_s,
            stdout=stdout,
            stderr=stderr,
        )

    def _start(self) -> StartGroup:
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


def _shell() -> str:
    return "/bin/bash" if Path("/bin/bash").exists() else "/bin/sh"


def _not_started(argv: Sequence[str], error: OSError | ValueError) -> ExecResult:
    """The exit codes a shell gives: 127 for a program that is not there, 126 for one that cannot be run."""
    missing = isinstance(error, FileNotFoundError)
    reason = error.strerror if isinstance(error, OSError) else str(error)
    return ExecResult(
        argv=tuple(argv),
        exit_code=127 if missing else 126,
        output=f"{argv[0]}: {'command not found' if missing else reason}\n".encode("utf-8", "replace"),
        omitted_bytes=0,
        timed_out=False,
        duration_s=0.0,
    )
