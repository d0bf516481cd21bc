"""One command as one process group: started, watched, drained, and always ended.

The pipes are our own rather than the event loop's: with asyncio's, `wait` may return only after every
pipe is closed, so that a server left in the background would hang the call that started it.
"""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from io import FileIO
from pathlib import Path
from typing import Final, Protocol

import anyio
from anyio.abc import Process

GRACE_S: Final = 0.5
DRAIN_S: Final = 0.15
_CHUNK_BYTES: Final = 64 * 1024
_REAP_S: Final = 1.0  # after SIGKILL only a process stuck in the kernel is still there


class Sink(Protocol):
    def feed(self, data: bytes, /) -> bool:
        """False when nothing more is wanted, which ends the command."""
        ...


class Groups(Protocol):
    """Who is told which process groups run, so as to end them if the host cannot."""

    def add(self, group: int, /) -> None: ...

    def discard(self, group: int, /) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Ended:
    """`exit_code` is None when the time limit ended the command."""

    exit_code: int | None
    timed_out: bool
    duration_s: float


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
        gap = f"\n[... {self.omitted_bytes} bytes omitted ...]\n".encode() if self.omitted_bytes else b""
        return bytes(self._head + gap + self._tail)


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
    cwd: Path,
    env: Mapping[str, str],
    stdout: Sink,
    stderr: Sink | None = None,
    stdin: bytes = b"",
    timeout_s: float | None = None,
    groups: Groups | None = None,
) -> Ended:
    """Runs `argv`; without `stderr`, both streams go to `stdout` as they come.

    However it ends, nothing of its process group is left. Raises `OSError` or `ValueError` if it cannot start.
    """
    began_s = time.monotonic()
    with ExitStack() as files:
        out = _Pipe(files)
        err = _Pipe(files) if stderr else out
        feed = _Pipe(files) if stdin else None
        # a start that is cancelled half-way would leave a process nobody knows
        with anyio.CancelScope(shield=True):
            process = await anyio.open_process(
                list(argv),
                stdin=feed.reader if feed else subprocess.DEVNULL,
                stdout=out.writer,
                stderr=err.writer,
                cwd=cwd,
                env=env,
                start_new_session=True,
            )
            group = process.pid
            if groups:
                groups.add(group)
        for theirs in {out.writer, err.writer} | ({feed.reader} if feed else set()):
            theirs.close()
        sources = [(out.reader, stdout)] + ([(err.reader, stderr)] if stderr else [])
        streams = _Streams(sources, feed.writer if feed else None, stdin, group)
        try:
            timed_out = await _supervise(process, streams, timeout_s)
        finally:
            if groups:
                groups.discard(group)
    return Ended(
        exit_code=None if timed_out else process.returncode,
        timed_out=timed_out,
        duration_s=time.monotonic() - began_s,
    )


async def _supervise(process: Process, streams: _Streams, timeout_s: float | None) -> bool:
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(streams.move)
        try:
            with anyio.move_on_after(timeout_s) as limit:
                await process.wait()
        finally:
            with anyio.CancelScope(shield=True):
                await _end(process, streams)
            tasks.cancel_scope.cancel()
    return limit.cancelled_caught


async def _end(process: Process, streams: _Streams) -> None:
    group = process.pid
    if process.returncode is None and _signal(group, signal.SIGTERM):
        with anyio.move_on_after(GRACE_S):
            await process.wait()
            while _signal(group, 0):  # noqa: ASYNC110 - its children may be tidying up, and nothing tells when they end
                await anyio.sleep(0.02)
    else:
        with anyio.move_on_after(DRAIN_S):
            await streams.moved.wait()
    _signal(group, signal.SIGKILL)
    with anyio.move_on_after(_REAP_S):
        await process.wait()
    streams.drain()


def _signal(group: int, number: int) -> bool:
    with suppress(ProcessLookupError, PermissionError):  # macOS answers EPERM for a group of zombies
        os.killpg(group, number)
        return True
    return False


class _Pipe:
    """Both ends as files that the stack closes; ours do not block."""

    def __init__(self, files: ExitStack) -> None:
        read_end, write_end = os.pipe()
        self.reader = files.enter_context(FileIO(read_end, "rb"))
        self.writer = files.enter_context(FileIO(write_end, "wb"))


class _Streams:
    """Moves bytes between the command's pipes and its sinks until all of them are closed."""

    def __init__(self, sources: Sequence[tuple[FileIO, Sink]], feed: FileIO | None, stdin: bytes, group: int) -> None:
        self.moved = anyio.Event()
        self._sources = sources
        self._feed = feed
        self._stdin = stdin
        self._group = group
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
                _signal(self._group, signal.SIGKILL)
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
