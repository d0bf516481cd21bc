"""The host's side of the warden: starts it, sends it orders, and hears how each command ended.

A command's end comes through a pipe of its own, so that nothing has to read in the background: whoever waits
for a command waits for its pipe.
"""

from __future__ import annotations

import array
import marshal
import os
import socket
import struct
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import anyio
from anyio import to_thread

from captain.core.errors import SandboxError
from captain.sandbox.box import ExceededLimit
from captain.sandbox.counted import Counted
from captain.sandbox.warden.tree import OWN_PROCESSES

WARDEN: Final = Path(__file__).parent / "warden"
BOOT: Final = """
import sys
package = type(sys)("warden")
package.__path__ = [sys.argv[1]]
sys.modules["warden"] = package
import {module}
{call}
"""
"""`captain` itself is not imported: its packages would load everything the host uses."""
_SERVE: Final = BOOT.format(module="warden.main", call="warden.main.serve(int(sys.argv[2]))")
_READY_S: Final = 20.0
_CLOSE_S: Final = 5.0
_COMPLAINT_BYTES: Final = 2000
_NONE: Final[Mapping[int, int]] = MappingProxyType({})


class Link:
    """A running warden. `root`, `tmp` and `listener` are descriptors of the box's folders and socket."""

    def __init__(
        self,
        process: subprocess.Popen[bytes],
        control: socket.socket,
        shared: Sequence[int],
        counted: Counted | None,
    ) -> None:
        self._process = process
        self._counted = counted
        self._control = control
        self._shared = list(shared)
        self._turn = anyio.Lock()
        self._open = True

    @classmethod
    async def open(cls, plan: Mapping[str, Any]) -> Link:
        """Raises `SandboxError` if the walls cannot be made."""
        with anyio.CancelScope(shield=True):
            link = await to_thread.run_sync(_begin, plan)
        return link  # noqa: RET504 - a shield may end without having run its block, for all a type checker knows

    @property
    def root(self) -> int:
        return self._shared[0]

    @property
    def tmp(self) -> int:
        return self._shared[1]

    @property
    def listener(self) -> int:
        return self._shared[2]

    async def start(
        self,
        argv: Sequence[str],
        *,
        env: Mapping[str, str],
        own: bool,
        stdin: int,
        stdout: int,
        stderr: int,
        extra: Mapping[int, int] = _NONE,
    ) -> Warded:
        """Raises `OSError` if the command cannot be started and `SandboxError` if the warden is gone."""
        for text in (*argv, *env.values()):
            if "\0" in text:
                raise ValueError("embedded null byte")
        report, reporting = os.pipe()
        numbers = (0, 1, 2, *extra)
        order = {"argv": list(argv), "env": dict(env), "own": own, "numbers": numbers}
        try:
            await self._send(order, (reporting, stdin, stdout, stderr, *extra.values()))
            os.close(reporting)
            reporting = -1
            warded = Warded(self, report)
            await warded.started()
        except BaseException:
            os.close(report)
            raise
        finally:
            if reporting >= 0:
                os.close(reporting)
        return warded

    def kill(self, pid: int) -> None:
        with suppress(OSError):  # the warden is gone, and with it the command
            _send(self._control, {"kill": pid}, ())

    async def _send(self, order: dict[str, Any], descriptors: Sequence[int]) -> None:
        async with self._turn:
            try:
                await to_thread.run_sync(_send, self._control, order, descriptors)
            except OSError as error:
                raise SandboxError("The box is gone: the process that held it has ended.") from error

    async def close(self) -> None:
        """Ends everything in the box; may be called again."""
        if not self._open:
            return
        self._open = False
        self._control.close()
        for descriptor in self._shared:
            os.close(descriptor)
        with anyio.CancelScope(shield=True):
            await to_thread.run_sync(_reap, self._process, self._counted)


class Warded:
    """A `Running` command behind walls."""

    def __init__(self, link: Link, report: int) -> None:
        self._link = link
        self._report = report
        self._pid = 0
        self.exit_code: int | None = None
        self.exceeded: ExceededLimit | None = None

    async def started(self) -> None:
        kind, data = await self._next()
        if kind == b"E":
            os.close(self._report)
            raise OSError(0, data.decode("utf-8", "replace"))
        self._pid = marshal.loads(data)  # noqa: S302 - from the warden, in which nothing of an agent's runs

    async def wait(self) -> None:
        if self.exit_code is None:
            _, data = await self._next()
            self.exit_code, exceeded = marshal.loads(data)  # noqa: S302 - as above
            self.exceeded = exceeded or None
            os.close(self._report)

    async def stop(self) -> None:
        self.kill()
        await self.wait()

    def kill(self) -> None:
        if self.exit_code is None:
            self._link.kill(self._pid)

    async def _next(self) -> tuple[bytes, bytes]:
        await anyio.wait_readable(self._report)
        head = os.read(self._report, 4)
        if len(head) < 4:
            raise SandboxError("The box is gone: the process that held it has ended.")
        record = os.read(self._report, int.from_bytes(head, "little"))  # written at once, as it is small
        return record[:1], record[1:]


def _begin(plan: Mapping[str, Any]) -> Link:
    ours, theirs = socket.socketpair()
    complaint = os.memfd_create("captain-warden")
    try:
        with theirs:
            process = subprocess.Popen(
                [sys.executable, "-I", "-S", "-c", _SERVE, str(WARDEN), str(theirs.fileno())],
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=complaint,
                env={"PATH": os.defpath},
                cwd="/",
                pass_fds=(theirs.fileno(),),
                start_new_session=True,  # Ctrl-C and a closed terminal reach the host's group, not the warden
            )
        ours.settimeout(_READY_S)
        counted = Counted.make(_most_processes(plan)) if os.geteuid() == 0 else None
        if counted:
            counted.add(process.pid)
        try:
            _send(ours, dict(plan), ())
            answer, shared = _receive(ours)
        except OSError as error:
            ours.close()
            _reap(process, counted)
            said = os.pread(complaint, _COMPLAINT_BYTES, 0).decode("utf-8", "replace").strip().rpartition("\n")[2]
            raise SandboxError(f"A box cannot be opened: its warden ended ({said or error}).") from error
        if "failed" in answer:
            ours.close()
            _reap(process, counted)
            raise SandboxError(f"A box cannot be opened: {answer['failed']}.")
        return Link(process, ours, shared, counted)
    finally:
        os.close(complaint)


def _send(control: socket.socket, value: dict[str, Any], descriptors: Sequence[int]) -> None:
    body = marshal.dumps(value)
    rights = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", descriptors).tobytes())] if descriptors else []
    control.sendmsg([struct.pack("<I", len(body))], rights)
    control.sendall(body)


def _receive(control: socket.socket) -> tuple[dict[str, Any], list[int]]:
    head, descriptors, _, _ = socket.recv_fds(control, 4, 8)
    if len(head) < 4:
        raise ConnectionResetError("it said nothing")
    left, body = int.from_bytes(head, "little"), b""
    while left > len(body):
        part = control.recv(left - len(body))
        if not part:
            raise ConnectionResetError("it broke off")
        body += part
    return marshal.loads(body), descriptors  # noqa: S302 - from the warden, in which nothing of an agent's runs


def _most_processes(plan: Mapping[str, Any]) -> int:
    return int(plan["processes"]) + OWN_PROCESSES


def _reap(process: subprocess.Popen[bytes], counted: Counted | None) -> None:
    try:
        process.wait(_CLOSE_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    if counted:
        counted.remove()
