"""A command as one process group of this machine, which is how it can be ended together with what it started."""

from __future__ import annotations

import os
import signal
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Final, Protocol

import anyio
from anyio.abc import Process

from captain.sandbox.box import ExceededLimit

GRACE_S: Final = 0.5
_REAP_S: Final = 1.0  # after SIGKILL only a process stuck in the kernel is still there
_NONE: Final[Mapping[int, int]] = MappingProxyType({})


class Groups(Protocol):
    """Who is told which process groups run, so as to end them if the host cannot."""

    def add(self, group: int, /) -> None: ...

    def discard(self, group: int, /) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class StartGroup:
    """Starts commands in `cwd` with exactly the variables of `env`."""

    cwd: Path
    env: Mapping[str, str]
    groups: Groups | None = None

    async def __call__(
        self, argv: Sequence[str], /, *, stdin: int, stdout: int, stderr: int, extra: Mapping[int, int] = _NONE
    ) -> Group:
        words = list(argv)
        if extra:
            words = _renumbering(argv, extra)
        process = await anyio.open_process(
            words,
            stdin=stdin,
            stdout=stdout,
            stderr=stderr,
            cwd=self.cwd,
            env=self.env,
            start_new_session=True,
            pass_fds=tuple(extra.values()),
        )
        return Group(process, self.groups)


def _renumbering(argv: Sequence[str], extra: Mapping[int, int]) -> list[str]:
    """`argv` behind a shell that gives the descriptors their numbers; those of a new process keep their own."""
    moves = " ".join(f"{number}<&{given}" for number, given in extra.items() if number != given)
    closes = " ".join(f"{given}<&-" for given in extra.values() if given not in extra)
    return ["/bin/bash", "--norc", "-c", f'exec {moves} {closes}; exec "$0" "$@"', *argv]


class Group:
    """A `Running` command and its process group."""

    def __init__(self, process: Process, groups: Groups | None) -> None:
        self._process = process
        self._groups = groups
        if groups:
            groups.add(process.pid)

    @property
    def exit_code(self) -> int | None:
        return self._process.returncode

    @property
    def exceeded(self) -> ExceededLimit | None:
        return None

    async def wait(self) -> None:
        await self._process.wait()

    async def stop(self) -> None:
        if _signal(self._process.pid, signal.SIGTERM):
            with anyio.move_on_after(GRACE_S):
                await self._process.wait()
                while _signal(self._process.pid, 0):  # noqa: ASYNC110 - its children may be tidying up, and nothing tells when they end
                    await anyio.sleep(0.02)
        self.kill()
        with anyio.move_on_after(_REAP_S):
            await self._process.wait()

    def kill(self) -> None:
        _signal(self._process.pid, signal.SIGKILL)
        if self._groups and self._process.returncode is not None:
            self._groups.discard(self._process.pid)


def _signal(group: int, number: int) -> bool:
    with suppress(ProcessLookupError, PermissionError):  # macOS answers EPERM for a group of zombies
        os.killpg(group, number)
        return True
    return False
