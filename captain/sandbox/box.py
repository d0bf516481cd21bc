"""The port: a box is the one place where an agent's commands run and its files are touched."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Protocol, runtime_checkable

OUTPUT_LIMIT_BYTES: Final = 1024 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class ExecResult:
    """What a command did; a failure or a time-out is data.

    `exit_code` is None when the command was stopped at its time limit, negative when a signal ended it,
    127 or 126 when it could not be found or started. `output` is stdout and stderr as they came; where
    `omitted_bytes` were cut from its middle, a line says so.
    """

    argv: tuple[str, ...]
    exit_code: int | None
    output: bytes
    omitted_bytes: int
    timed_out: bool
    duration_s: float

    @property
    def text(self) -> str:
        return self.output.decode("utf-8", "replace")


@dataclass(frozen=True, slots=True, kw_only=True)
class Policy:
    """What a box grants. `env` is added to the environment of its commands."""

    env: Mapping[str, str] = field(default_factory=dict)


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

    async def export(self, argv: Sequence[str], /, *, timeout_s: float, limit_bytes: int, stdin: bytes = b"") -> bytes:
        """The exact stdout of a command. Raises `SandboxError` unless it exits with 0 within both limits."""
        ...

    async def read(self, path: str, /, *, limit_bytes: int) -> bytes:
        """A whole file. Raises `ToolError`, also for a file of more than `limit_bytes`."""
        ...

    async def write(self, path: str, data: bytes, /) -> None:
        """Replaces a file at once and keeps its mode; makes missing folders. Raises `ToolError`."""
        ...

    async def close(self) -> None:
        """Ends everything that was started in the box; may be called again."""
        ...
