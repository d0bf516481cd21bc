"""The warden's loop: make the walls, then start, watch and end commands, until the host is gone.

The host talks over one socket: a record is a length, a marshalled value and descriptors. What became of a
command is written to a pipe of its own, which came with it: `S` once it runs or `E` and a reason, then its
end. When the host's end of the socket closes, however that came about, the warden ends everything.
"""

from __future__ import annotations

import _socket
import array
import marshal
import os
import select

from . import kernel, stage, tree, watch

_LENGTH_BYTES = 4
_MOST_DESCRIPTORS = 8


class Command:
    """A started command: its process, where its end is reported, and what keeps its supervisor waiting."""

    def __init__(self, pid: int, leash: int | None, report: int) -> None:
        self.pid = pid
        self.handle = os.pidfd_open(pid)
        self.exceeded = ""
        self._report = report
        self._leash = leash

    def kill(self) -> None:
        """Of a namespace the first process is ended, and the kernel ends the rest; a supervisor ends its tree."""
        if self._leash is None:
            os.kill(self.pid, 9)
        elif self._leash >= 0:  # one that takes its time to end may be told again
            os.close(self._leash)
            self._leash = -1

    def reap(self, others: set[int]) -> int:
        """Its exit code, once nothing of it runs."""
        _, status = os.waitpid(self.pid, 0)
        tree.end_orphans(others)
        return os.waitstatus_to_exitcode(status)

    def tell(self, code: int) -> None:
        _tell(self._report, b"X" + marshal.dumps((code, self.exceeded)))
        os.close(self.handle)
        os.close(self._report)
        if self._leash is not None and self._leash >= 0:
            os.close(self._leash)


def serve(descriptor: int) -> None:
    control = _socket.socket(fileno=descriptor)
    kernel.adopt_orphans()
    received = receive(control)
    if received is None:
        return
    plan = received[0]
    try:
        shared = stage.build(plan)
    except OSError as error:
        send(control, {"failed": str(error)}, [])
        return
    send(control, {"ready": True}, shared)
    for one in shared:
        os.close(one)
    Loop(control, plan).run()


class Loop:
    def __init__(self, control: _socket.socket, plan: dict) -> None:
        self._control = control
        self._plan = plan
        self._commands: dict[int, Command] = {}
        self._watch = watch.Watch(plan)
        self._poll = select.poll()
        self._poll.register(control.fileno(), select.POLLIN)

    def run(self) -> None:
        while True:
            wait_s = self._watch.due_s() if self._commands else None
            ready = self._poll.poll(None if wait_s is None else 1000 * wait_s)
            for descriptor, _ in ready:
                if descriptor == self._control.fileno():
                    received = receive(self._control)
                    if received is None:
                        return self._end_all()
                    self._obey(*received)
                else:
                    self._reap(descriptor)
            if self._commands and self._watch.due_s() <= 0:
                self._enforce()

    def _obey(self, order: dict, descriptors: list[int]) -> None:
        if "kill" in order:
            for command in self._commands.values():
                if order["kill"] == command.pid:
                    command.kill()
            return
        report, *given = descriptors
        try:
            command = Command(*tree.start(self._plan, order, given), report)
        except OSError as error:
            _tell(report, b"E" + str(error).encode())
            os.close(report)
        else:
            self._commands[command.handle] = command
            self._poll.register(command.handle, select.POLLIN)
            _tell(report, b"S" + marshal.dumps(command.pid))
        for one in given:
            os.close(one)

    def _reap(self, handle: int) -> None:
        self._poll.unregister(handle)
        command = self._commands.pop(handle)
        code = command.reap({other.pid for other in self._commands.values()})
        if not self._commands:
            self._watch.settle()
        command.tell(code)

    def _enforce(self) -> None:
        limit = self._watch.exceeded()
        if limit:
            for command in self._commands.values():
                command.exceeded = command.exceeded or limit
                command.kill()

    def _end_all(self) -> None:
        for command in self._commands.values():
            command.kill()
        while self._commands:
            self._reap(next(iter(self._commands)))


def receive(control: _socket.socket) -> tuple[dict, list[int]] | None:
    """None when the other side has closed."""
    space = _socket.CMSG_SPACE(_MOST_DESCRIPTORS * array.array("i").itemsize)
    head, ancillary, _, _ = control.recvmsg(_LENGTH_BYTES, space, _socket.MSG_CMSG_CLOEXEC | _socket.MSG_WAITALL)
    if len(head) < _LENGTH_BYTES:
        return None
    descriptors = array.array("i")
    for level, kind, data in ancillary:
        if level == _socket.SOL_SOCKET and kind == _socket.SCM_RIGHTS:
            descriptors.frombytes(data[: len(data) - len(data) % descriptors.itemsize])
    left = int.from_bytes(head, "little")
    body = b""
    while left:
        part = control.recv(min(left, 1 << 20))
        if not part:
            return None
        body += part
        left -= len(part)
    return marshal.loads(body), list(descriptors)  # noqa: S302 - from the host, which is this very program


def send(control: _socket.socket, value: dict, descriptors: list[int]) -> None:
    body = marshal.dumps(value)
    rights = [(_socket.SOL_SOCKET, _socket.SCM_RIGHTS, array.array("i", descriptors).tobytes())] if descriptors else []
    control.sendmsg([len(body).to_bytes(_LENGTH_BYTES, "little")], rights)
    control.sendall(body)


def _tell(report: int, data: bytes) -> None:
    try:
        os.write(report, len(data).to_bytes(_LENGTH_BYTES, "little") + data)
    except BrokenPipeError:  # the host no longer waits for this one
        return
