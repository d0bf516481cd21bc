"""A box with walls: a warden that made them, and commands that run behind them."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import anyio
from anyio import to_thread

from captain.core.errors import SandboxError
from captain.sandbox.commands import CommandBox
from captain.sandbox.files import read_below, remove_below, write_below
from captain.sandbox.link import Link, Warded
from captain.sandbox.process import Start

_NONE: Final[Mapping[int, int]] = {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Walls:
    """What a backend decides for one box.

    `plan` is what its warden is told, `before` the words before those of a command, `env` all of a command's
    environment, and `scratch` a folder of the host's that goes with the box.
    """

    plan: Mapping[str, Any]
    before: Sequence[str]
    env: Mapping[str, str]
    root: Path
    scratch: Path


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

    async def read(self, path: str, /, *, limit_bytes: int) -> bytes:
        return await to_thread.run_sync(read_below, self._link.root, self.root, path, limit_bytes)

    async def write(self, path: str, data: bytes, /) -> None:
        await to_thread.run_sync(write_below, self._link.root, self.root, path, data)

    async def remove(self, path: str, /) -> None:
        await to_thread.run_sync(remove_below, self._link.root, self.root, path)

    async def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        await self._link.close()
        with anyio.CancelScope(shield=True):
            await to_thread.run_sync(shutil.rmtree, self._walls.scratch, True)

    def _start(self, *, own: bool) -> Start:
        if self._closed:
            raise SandboxError("The box is closed.")
        return _Start(self._link, self._walls, own)

    def _require_usable(self, error: Exception) -> None:
        """The warden tells what it cannot start as data; what comes here is about the command."""
