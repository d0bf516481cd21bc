"""Running commands in a box, whatever starts them: what is common to all boxes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path

from captain.core.errors import SandboxError, UsageError
from captain.sandbox.box import OUTPUT_LIMIT_BYTES, ExecResult, FilePart
from captain.sandbox.files import BoxFiles
from captain.sandbox.process import Ended, HeadTail, Sink, Start, Whole, execute

_COMPLAINT_BYTES = 2000


class CommandBox(ABC):
    """`run`, `run_shell` and `export` over a way to start commands, and file calls over a descriptor."""

    _files: BoxFiles

    @abstractmethod
    def _start(self, *, own: bool) -> Start:
        """`own` commands are the host's, which need the whole copy: they make snapshots and put files back."""

    @abstractmethod
    def _require_usable(self, error: Exception) -> None:
        """A command that cannot start is data only if that is about the command. Raises `SandboxError`."""

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
            exceeded=ended.exceeded,
        )

    async def run_shell(
        self, command: str, /, *, timeout_s: float, stdin: bytes = b"", limit_bytes: int = OUTPUT_LIMIT_BYTES
    ) -> ExecResult:
        argv = (_shell(), "-c", command)
        return await self.run(argv, timeout_s=timeout_s, stdin=stdin, limit_bytes=limit_bytes)

    async def export(self, argv: Sequence[str], /, *, timeout_s: float, limit_bytes: int, stdin: bytes = b"") -> bytes:
        output, complaint = Whole(limit_bytes), HeadTail(_COMPLAINT_BYTES)
        try:
            ended = await self._execute(
                argv, stdin=stdin, timeout_s=timeout_s, stdout=output, stderr=complaint, own=True
            )
        except (OSError, ValueError) as error:
            self._require_usable(error)
            raise SandboxError(f"The command {argv[0]!r} could not be started: {error}.") from error
        if output.overflowed:
            raise SandboxError(
                f"The command {argv[0]!r} gave more than the {limit_bytes} bytes that are taken from it."
            )
        if ended.timed_out:
            raise SandboxError(f"The command {argv[0]!r} was not done after {timeout_s:g} s.")
        if ended.exceeded:
            raise SandboxError(f"The command {argv[0]!r} was stopped: the box passed its limit of {ended.exceeded}.")
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

    async def _execute(
        self,
        argv: Sequence[str],
        *,
        stdin: bytes,
        timeout_s: float,
        stdout: Sink,
        stderr: Sink | None = None,
        own: bool = False,
    ) -> Ended:
        if not argv:
            raise UsageError("A command needs at least the name of a program.")
        start = self._start(own=own)
        return await execute(argv, start=start, stdin=stdin, timeout_s=timeout_s, stdout=stdout, stderr=stderr)


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
