"""One bash that takes command after command, so that its folder, variables and servers stay.

It reads a script that is written as it goes: for each command a line that runs it, with its output in a file
and the way back closed, then a line that reports a nonce, the status and the folder. While the command runs,
the second line lies unread in the socket, and nothing in the shell knows the nonce. A command can end its own
shell or spoil it, which is then said; and nothing that a shell says is proof, since it is the agent's own.

A socket rather than a pipe, as a pipe could be opened again for writing through /proc. And no loop around
`read` and `eval`, as a command's own `break` or `continue` would be the loop's.
"""

from __future__ import annotations

import os
import secrets
import socket
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from io import FileIO
from pathlib import PurePosixPath
from typing import Final, Literal, TypeAlias

import anyio

from captain.core.errors import SandboxError
from captain.sandbox.box import OUTPUT_LIMIT_BYTES, ShellResult
from captain.sandbox.outputs import Output, Outputs
from captain.sandbox.process import Running, Start

BASH: Final = "/bin/bash"
OUTPUT_FILE_BYTES: Final = 256 * 1024 * 1024

_CHANNEL_FD: Final = 8
# A bash that gets commands by `-c` with a socket as its input takes itself for a remote shell and runs the
# user's .bashrc, so the socket becomes its input at the last moment.
_BEGIN: Final = 'exec "$0" --noprofile --norc -s <&8 9>&8 8>&-'
# `set +eu`, because they are meant for one command and would end the shell at the next one's first failing grep.
# The expansion ends a shell in which `builtin` is no builtin any more; it would be silent until the time is up.
_PREAMBLE: Final = rb"""
_captain() {
  \builtin set +euvx -- "$1" "$2" x; [[ ${3:?} ]]
  \builtin printf '%s %s %s\0' "$1" "$2" "$PWD" >&9
}
\builtin readonly -f _captain
"""
_SCRIPT: Final = b'{ \\builtin eval %b; } </dev/null >>%b 2>&1 9>&-\n\\_captain %b "$?"\n'
_INLINE_BYTES: Final = 1024  # bash reads a script from a socket byte by byte: longer commands go into a file
_REPORT_BYTES: Final = 64 * 1024
_SIZE_INTERVAL_S: Final = 0.05
_EXIT_S: Final = 1.0  # from the end of a shell's socket to the end of its process
_REFUSED: Final = 126
_GONE: Final = "without its folder, variables, functions and background processes"
_NEXT: Final = f"The next command starts a new one, {_GONE}."

_Stop: TypeAlias = Literal["exit", "size", "time"]


@dataclass(frozen=True, slots=True)
class _Report:
    status: int
    folder: str


class PersistentShell:
    """A `Shell` in whatever box `start` starts commands in.

    `outputs` is a descriptor of a folder for the outputs of commands, which they see at `outputs_path`. It
    stays the caller's, who closes it after the shell. A command whose output grows past `output_bytes` is
    stopped. `anew`: it takes the place of a shell that is gone, and says so with its first result.
    """

    def __init__(
        self,
        start: Start,
        *,
        outputs: int,
        outputs_path: PurePosixPath,
        bash: str = BASH,
        output_bytes: int = OUTPUT_FILE_BYTES,
        anew: bool = False,
    ) -> None:
        self._start = start
        self._outputs = Outputs(outputs, outputs_path)
        self._bash = bash
        self._output_bytes = output_bytes
        self._anew = anew
        self._session: _Session | None = None
        self._one_at_a_time = anyio.Lock()
        self._closed = False

    async def run(self, command: str, /, *, timeout_s: float, limit_bytes: int = OUTPUT_LIMIT_BYTES) -> ShellResult:
        async with self._one_at_a_time:
            if self._closed:
                raise SandboxError("The box is closed.")
            try:
                text = command.encode("utf-8", "surrogateescape")
            except UnicodeEncodeError:
                return _refused(command, "The command holds half of a surrogate pair, which is no character.")
            if b"\0" in text:
                return _refused(command, "The command holds a NUL character, which bash cannot take.")
            async with self._output() as output:
                return await self._run(command, text, output, timeout_s, limit_bytes)

    async def close(self) -> None:
        self._closed = True
        with anyio.CancelScope(shield=True):
            await self._stop()
            async with self._one_at_a_time:
                await self._stop()  # one that had been just starting
                self._outputs.close()

    @asynccontextmanager
    async def _output(self) -> AsyncIterator[Output]:
        """A file for one command. A command that is broken off takes its shell with it."""
        try:
            output = self._outputs.make()
        except OSError as error:
            raise SandboxError(f"The output of a command has no place to go: {error.strerror}.") from error
        try:
            yield output
        except BaseException:
            with anyio.CancelScope(shield=True):
                await self._stop()
            self._outputs.keep(output, spill=False)
            raise

    async def _run(self, command: str, text: bytes, output: Output, timeout_s: float, limit_bytes: int) -> ShellResult:
        began_s = time.monotonic()
        if self._session is not None and not self._session.answers():
            await self._stop()
            self._anew = True
        anew, self._anew = self._anew, False
        session = self._session = self._session or await self._begin()
        report, stop = await self._ask(session, text, output, timeout_s)
        ended = f"The shell had ended before this command, which ran in a new one, {_GONE}." if anew else ""
        if report is None:
            ended = await self._lost(stop, timeout_s)
        data, omitted_bytes = output.take(limit_bytes)
        kept = self._outputs.keep(output, spill=omitted_bytes > 0)
        return ShellResult(
            command=command,
            exit_code=report.status if report else None,
            output=data,
            omitted_bytes=omitted_bytes,
            timed_out=stop == "time",
            duration_s=time.monotonic() - began_s,
            ended=ended,
            spill=str(output.path) if kept else None,
            folder=report.folder if report else "",
        )

    async def _begin(self) -> _Session:
        argv = (self._bash, "--noprofile", "--norc", "-c", _BEGIN, self._bash)
        ours, theirs = socket.socketpair()
        with ExitStack() as unless_begun, theirs, FileIO(os.devnull, "r+b") as nothing:
            unless_begun.callback(ours.close)
            ours.setblocking(False)
            try:
                # a start that is cancelled half-way would leave a shell nobody knows
                with anyio.CancelScope(shield=True):
                    running = await self._start(
                        argv,
                        stdin=nothing.fileno(),
                        stdout=nothing.fileno(),
                        stderr=nothing.fileno(),
                        extra={_CHANNEL_FD: theirs.fileno()},
                    )
            except (OSError, ValueError) as error:
                raise SandboxError(
                    f"The shell {self._bash} could not be started: {error}.", hint="Install bash where commands run."
                ) from error
            unless_begun.pop_all()
        return _Session(ours, running)

    async def _ask(
        self, session: _Session, text: bytes, output: Output, timeout_s: float
    ) -> tuple[_Report | None, _Stop | None]:
        """What the shell reports, or why it was not waited for any longer."""
        nonce = secrets.token_hex(8).encode()
        reasons: list[_Stop] = []
        report = None

        async def give_up_when(happened: Callable[[], Awaitable[None]], reason: _Stop) -> None:
            await happened()
            reasons.append(reason)
            limit.cancel()

        with self._passed(text, output) as command:
            script = _SCRIPT % (command, _quoted(output.path), nonce)
            async with anyio.create_task_group() as watches:
                with anyio.move_on_after(timeout_s) as limit:
                    watches.start_soon(give_up_when, session.running.wait, "exit")
                    watches.start_soon(give_up_when, partial(_grown_past, output, self._output_bytes), "size")
                    report = await session.ask(script, nonce)
                watches.cancel_scope.cancel()
        if not limit.cancelled_caught:
            unstarted = report and report.status == 1 and not output.size_bytes and not self._outputs.holds(output)
            return (None if unstarted else report), None
        reason: _Stop = reasons[0] if reasons else "time"
        return (session.last_words(nonce) if reason == "exit" else None), reason

    @contextmanager
    def _passed(self, text: bytes, output: Output) -> Iterator[bytes]:
        """The command as a word of the script."""
        if len(text) <= _INLINE_BYTES:
            yield _quoted(text)
            return
        name = f"{output.name}.command"
        with os.fdopen(self._outputs.add(name, os.O_WRONLY), "wb") as file:
            file.write(text)
        try:
            yield b'"$(<%b)"' % _quoted(output.path.with_name(name))
        finally:
            self._outputs.remove(name)

    async def _lost(self, stop: _Stop | None, timeout_s: float) -> str:
        """Ends a shell that did not report; a sentence that says why it did not."""
        session = self._session
        if stop == "size" and session:
            session.running.kill()  # a flood is not asked to end
        if stop == "time":
            said = f"The command was not done after {timeout_s:g} s, and the shell was stopped with all it had started."
        elif stop == "size":
            said = f"The command wrote more than {self._output_bytes} bytes, and the shell was stopped with it."
        else:
            code = await session.exit_code() if session else None
            said = (
                "The shell no longer answers as it should and was stopped; how the command ended is not known."
                if code is None
                else f"The command ended the shell {f'with exit code {code}' if code >= 0 else f'by signal {-code}'}."
            )
        await self._stop()
        return f"{said} {_NEXT}"

    async def _stop(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            with anyio.CancelScope(shield=True):
                await session.stop()


class _Session:
    """One shell from its start to its end; `channel` is the host's end of its script and its reports."""

    def __init__(self, channel: socket.socket, running: Running) -> None:
        self.running = running
        self._channel = channel
        self._heard = bytearray()
        self._spoiled = False
        self._script = _PREAMBLE

    def answers(self) -> bool:
        """Whether the shell is there and has said nothing unasked."""
        if self.running.exit_code is None:
            with suppress(BlockingIOError):
                self._channel.recv(1)  # nothing: its end; something: not for this command
                return False
            return True
        return False

    async def ask(self, script: bytes, nonce: bytes) -> _Report | None:
        """None where the shell is gone or says anything but the report of this command."""
        self._heard.clear()
        try:
            await self._send(self._script + script)
            self._script = b""
            while True:
                await anyio.wait_readable(self._channel)
                data = self._channel.recv(_REPORT_BYTES)
                self._heard += data
                report = self._report(nonce)
                if not data or report or self._spoiled:
                    return report
        except OSError:
            return None

    def last_words(self, nonce: bytes) -> _Report | None:
        """What a shell that has ended said before."""
        with suppress(OSError):
            while len(self._heard) < _REPORT_BYTES and (data := self._channel.recv(_REPORT_BYTES)):
                self._heard += data
        return self._report(nonce)

    async def exit_code(self) -> int | None:
        """Of the shell; None if it is still there, and is to be stopped."""
        if not self._spoiled:
            with anyio.move_on_after(_EXIT_S):
                await self.running.wait()
        return self.running.exit_code

    async def stop(self) -> None:
        if self.running.exit_code is None:
            await self.running.stop()
        self.running.kill()
        self._channel.close()

    async def _send(self, data: bytes) -> None:
        rest = memoryview(data)
        while rest:
            try:
                rest = rest[self._channel.send(rest) :]
            except BlockingIOError:
                await anyio.wait_writable(self._channel)

    def _report(self, nonce: bytes) -> _Report | None:
        lead = nonce + b" "
        if self._heard[: len(lead)] != lead[: len(self._heard)] or len(self._heard) > _REPORT_BYTES:
            self._spoiled = True
            return None
        words, end, _ = bytes(self._heard[len(lead) :]).partition(b"\0")
        status, _, folder = words.partition(b" ")
        if not end:
            return None
        if not status.isdigit():
            self._spoiled = True
            return None
        return _Report(int(status), folder.decode("utf-8", "surrogateescape"))


async def _grown_past(output: Output, limit_bytes: int) -> None:
    while output.size_bytes <= limit_bytes:  # noqa: ASYNC110 - nothing tells when a file grows
        await anyio.sleep(_SIZE_INTERVAL_S)


def _quoted(text: bytes | PurePosixPath) -> bytes:
    """One word for bash, whatever is in it."""
    return b"'" + bytes(text).replace(b"'", b"'\\''") + b"'"


def _refused(command: str, reason: str) -> ShellResult:
    return ShellResult(
        command=command,
        exit_code=_REFUSED,
        output=f"{reason}\n".encode(),
        omitted_bytes=0,
        timed_out=False,
        duration_s=0.0,
    )
