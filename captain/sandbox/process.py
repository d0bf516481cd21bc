"""One command: started, watched, drained, and always ended.

The pipes are our own rather than the event loop's: with asyncio's, `wait` may return only after every
pipe is closed, so that a server left in the background would hang the call that started it.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from io import FileIO
from typing import Final, Protocol

import anyio

from captain.core.errors import SandboxError
from captain.sandbox.box import ExceededLimit

DRAIN_S: Final = 0.15
_CHUNK_BYTES: Final = 64 * 1024


class Sink(Protocol):
    def feed(self, data: bytes, /) -> bool:
        """False when nothing more is wanted, which ends the command."""
        ...


class Running(Protocol):
    """A command that was started, with all that it starts."""

    @property
    def exit_code(self) -> int | None:
        """None while it runs; negative when a signal ended it."""
        ...

    @property
    def exceeded(self) -> ExceededLimit | None:
        """The limit of the box for which it was ended from outside."""
        ...

    async def wait(self) -> None: ...

    async def stop(self) -> None:
        """Ends it and all of its own: politely first, where that can be done. Returns when they are gone."""
        ...

    def kill(self) -> None:
        """Ends what is left of it, at once; harmless when nothing is."""
        ...


class Start(Protocol):
    """Starts a command with these descriptors; `extra` are more of them, by the number they get there.

    Raises `OSError` or `ValueError` if the command cannot start.
    """

    async def __call__(
        self, argv: Sequence[str], /, *, stdin: int, stdout: int, stderr: int, extra: Mapping[int, int] = ...
    ) -> Running: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """`exit_code` is None when the command was ended from outside: at its time limit, or for `exceeded`."""

    exit_code: int | None
    timed_out: bool
    duration_s: float
    exceeded: ExceededLimit | None = None


class HeadTail:
    """Keeps the first and the last half of `limit_bytes` and counts what lies between: memory stays flat."""

    def __init__(self, limit_bytes: int) -> None:
        self._head_bytes = limit_bytes // 2
        self._tail_bytes = limit_bytes - self._head_bytes
        self._head = bytearray()
        self._tail = bytearray()
        self.omitted_bytes = 0

    def feed(self, data: bytes, /) -> bool:
        room = self._head_bytes - len(self._head)
        self._head += data[:room]
        self._tail += data[room:]
        if len(self._tail) > 2 * self._tail_bytes + _CHUNK_BYTES:
            self._trim()
        return True

    def _trim(self) -> None:
        surplus = max(0, len(self._tail) - self._tail_bytes)
        del self._tail[:surplus]
        self.omitted_bytes += surplus

    def take(self) -> bytes:
        self._trim()
        return joined(bytes(self._head), self.omitted_bytes, bytes(self._tail))


def joined(head: bytes, omitted_bytes: int, tail: bytes) -> bytes:
    """Output from whose middle `omitted_bytes` were cut, with a line that says so."""
    gap = f"\n[... {omitted_bytes} bytes omitted ...]\n".encode() if omitted_bytes else b""
    return head + gap + tail


class Whole:
    """Keeps everything up to `limit_bytes`; `overflowed` says that there was more."""

    def __init__(self, limit_bytes: int) -> None:
        self._limit_bytes = limit_bytes
        self._data = bytearray()
        self.overflowed = False

    def feed(self, data: bytes, /) -> bool:
        self._data += data[: self._limit_bytes - len(self._data) + 1]
        self.overflowed = len(self._data) > self._limit_bytes
        return not self.overflowed

    def take(self) -> bytes:
        return bytes(self._data[: self._limit_bytes])


async def execute(
    argv: Sequence[str],
    *,
    start: Start,
    stdout: Sink,
    stderr: Sink | None = None,
    stdin: bytes = b"",
    timeout_s: float | None = None,
) -> Ended:
    """Runs `argv`; without `stderr`, both streams go to `stdout` as they come.

    However it ends, nothing of it is left. Raises `OSError` or `ValueError` if it cannot start.
    """
    began_s = time.monotonic()
    with ExitStack() as files:
        out = _Pipe(files)
        err = _Pipe(files) if stderr else out
        feed = _Pipe(files) if stdin else None
        given = feed.reader if feed else files.enter_context(FileIO(os.devnull, "rb"))
        # a start that is cancelled half-way would leave a process nobody knows
        with anyio.CancelScope(shield=True):
            running = await start(argv, stdin=given.fileno(), stdout=out.writer.fileno(), stderr=err.writer.fileno())
        for theirs in {out.writer, err.writer, given}:
            theirs.close()
        sources = [(out.reader, stdout)] + ([(err.reader, stderr)] if stderr else [])
        streams = _Streams(sources, feed.writer if feed else None, stdin, running)
        timed_out = await _supervise(running, streams, timeout_s)
    return Ended(
        exit_code=None if timed_out or running.exceeded else running.exit_code,
        timed_out=timed_out,
        duration_s=time.monotonic() - began_s,
        exceeded=running.exceeded,
    )


async def _supervise(running: Running, streams: _Streams, timeout_s: float | None) -> bool:
    try:
        return await _until_ended(running, streams, timeout_s)
    except BaseExceptionGroup as failed:
        broken, others = failed.split(SandboxError)
        if broken is None or others is not None:
            raise
    raise SandboxError("The box is gone: the process that held it has ended.")


async def _until_ended(running: Running, streams: _Streams, timeout_s: float | None) -> bool:
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(streams.move)
        try:
            with anyio.move_on_after(timeout_s) as limit:
                await running.wait()
        finally:
            with anyio.CancelScope(shield=True):
                await _end(running, streams)
            tasks.cancel_scope.cancel()
    return limit.cancelled_caught


async def _end(running: Running, streams: _Streams) -> None:
    if running.exit_code is None:
        await running.stop()
    else:
        with anyio.move_on_after(DRAIN_S):
            await streams.moved.wait()
    running.kill()
    streams.drain()


class _Pipe:
    """Both ends as files that the stack closes; ours do not block."""

    def __init__(self, files: ExitStack) -> None:
        read_end, write_end = os.pipe()
        self.reader = files.enter_context(FileIO(read_end, "rb"))
        self.writer = files.enter_context(FileIO(write_end, "wb"))


class _Streams:
    """Moves bytes between the command's pipes and its sinks until all of them are closed."""

    def __init__(
        self, sources: Sequence[tuple[FileIO, Sink]], feed: FileIO | None, stdin: bytes, running: Running
    ) -> None:
        self.moved = anyio.Event()
        self._sources = sources
        self._feed = feed
        self._stdin = stdin
        self._running = running
        for ours in [source for source, _ in sources] + ([feed] if feed else []):
            os.set_blocking(ours.fileno(), False)

    async def move(self) -> None:
        try:
            async with anyio.create_task_group() as tasks:
                if self._feed:
                    tasks.start_soon(self._push, self._feed)
                for source, sink in self._sources:
                    tasks.start_soon(self._pull, source, sink)
        finally:
            self.moved.set()

    async def _pull(self, source: FileIO, sink: Sink) -> None:
        while True:
            await anyio.wait_readable(source)
            data = source.read(_CHUNK_BYTES)
            if data == b"":
                return
            if data and not sink.feed(data):
                self._running.kill()
                return

    async def _push(self, feed: FileIO) -> None:
        rest = memoryview(self._stdin)
        with suppress(BrokenPipeError):  # a command need not read what it is given
            while rest:
                await anyio.wait_writable(feed)
                rest = rest[feed.write(rest[:_CHUNK_BYTES]) or 0 :]
        feed.close()

    def drain(self) -> None:
        """What the pipes still hold; bounded, as a process outside the group may go on writing."""
        for source, sink in self._sources:
            for _ in range(64):
                data = source.read(_CHUNK_BYTES)
                if not data or not sink.feed(data):
                    break
