"""The port: a box is the one place where an agent's commands run and its files are touched."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal, Protocol, TypeAlias, runtime_checkable

OUTPUT_LIMIT_BYTES: Final = 1024 * 1024

ExceededLimit: TypeAlias = Literal["memory", "disk", "processes"]


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecResult:
    """What a command did; a failure or a time-out is data.

    `exit_code` is None when the command was stopped from outside: at its time limit (`timed_out`) or because
    the box went over a limit of its policy (`exceeded`); negative when a signal ended it, 127 or 126 when it
    could not be found or started. `output` is stdout and stderr as they came; where `omitted_bytes` were cut
    from its middle, a line says so.
    """

    argv: tuple[str, ...]
    exit_code: int | None
    output: bytes
    omitted_bytes: int
    timed_out: bool
    duration_s: float
    exceeded: ExceededLimit | None = None

    @property
    def text(self) -> str:
        return self.output.decode("utf-8", "replace")


@dataclass(frozen=True, slots=True, kw_only=True)
class ShellResult:
    """What a command in a persistent shell did.

    `exit_code` is None when the command was stopped, or when it ended the shell itself; `ended` is then a
    sentence that says so, and the next command gets a new shell. `ended` also says so where the shell had
    ended before this command, which then ran in a new one. `spill` is the path, as commands see it, of
    a file with the whole output where `omitted_bytes` were cut from it. `folder` is where the shell now is.
    Nothing of this is proof of anything: it is what a shell said that the agent has in its hands.
    """

    command: str
    exit_code: int | None
    output: bytes
    omitted_bytes: int
    timed_out: bool
    duration_s: float
    ended: str = ""
    spill: str | None = None
    folder: str = ""

    @property
    def text(self) -> str:
        return self.output.decode("utf-8", "replace")


@dataclass(frozen=True, slots=True, kw_only=True)
class FilePart:
    """Bytes of a file, and how many it had in all when they were read."""

    data: bytes
    size_bytes: int


class Shell(Protocol):
    """One bash whose folder, variables, functions and background processes stay from command to command."""

    async def run(self, command: str, /, *, timeout_s: float, limit_bytes: int = OUTPUT_LIMIT_BYTES) -> ShellResult:
        """One command at a time. Raises `SandboxError` only when the box itself cannot be used."""
        ...

    async def close(self) -> None:
        """Ends the shell and everything in it; may be called again."""
        ...


@runtime_checkable
class Box(Protocol):
    """Commands run in `root`; paths are relative to it, or absolute inside it."""

    @property
    def root(self) -> Path: ...

    async def run(
        self, argv: Sequence[str], /, *, timeout_s: float, stdin: bytes = b"", limit_bytes: int = OUTPUT_LIMIT_BYTES
    ) -> ExecResult:
        """Raises `SandboxError` only when the box itself cannot be used."""
        ...

    async def run_shell(
        self, command: str, /, *, timeout_s: float, stdin: bytes = b"", limit_bytes: int = OUTPUT_LIMIT_BYTES
    ) -> ExecResult:
        """`command` in bash where the box has it, as that is what commands are written for, else in `/bin/sh`."""
        ...

    async def shell(self) -> Shell:
        """The box's one persistent shell, the same at every call; it starts with its first command."""
        ...

    async def export(self, argv: Sequence[str], /, *, timeout_s: float, limit_bytes: int, stdin: bytes = b"") -> bytes:
        """The exact stdout of a command. Raises `SandboxError` unless it exits with 0 within both limits."""
        ...

    async def read(self, path: str, /, *, limit_bytes: int) -> bytes:
        """A whole file. Raises `ToolError`, also for one of more than `limit_bytes`; `FileMissingError` for none."""
        ...

    async def read_part(self, path: str, /, *, offset_bytes: int, limit_bytes: int) -> FilePart:
        """Up to `limit_bytes` of a file of any size. Raises `ToolError`, `FileMissingError` for none."""
        ...

    async def write(self, path: str, data: bytes, /) -> None:
        """Replaces a file at once and keeps its mode; makes missing folders. Raises `ToolError`."""
        ...

    async def remove(self, path: str, /) -> None:
        """Removes a file, or a link itself. Raises `ToolError`, `FileMissingError` for none."""
        ...

    async def close(self) -> None:
        """Ends everything that was started in the box; may be called again."""
        ...
