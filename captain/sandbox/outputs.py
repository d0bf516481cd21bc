"""The outputs of commands in a persistent shell: files that both sides see, read by descriptor, kept within bounds.

The host makes each file before its command and never opens it by name again: what has that name later may
be a link. A command that was left in the background may go on writing to a file nobody will read.
"""

from __future__ import annotations

import os
import shutil
import tempfile
from collections import deque
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import PurePosixPath
from typing import Final

import anyio
from anyio import to_thread

from captain.core.errors import SandboxError
from captain.sandbox.beneath import FOLDER_FLAGS
from captain.sandbox.process import joined

SPILLS: Final = 20
SPILLS_BYTES: Final = 64 * 1024 * 1024


@dataclass(slots=True)
class Output:
    """The output of one command. `descriptor` is the host's own; commands append to `path`."""

    name: str
    path: PurePosixPath
    descriptor: int
    seen_bytes: int = 0
    spill: bool = False

    @property
    def size_bytes(self) -> int:
        return os.fstat(self.descriptor).st_size

    def take(self, limit_bytes: int) -> tuple[bytes, int]:
        """Its head and its tail, and how many bytes between them are left out."""
        self.seen_bytes = size_bytes = self.size_bytes
        if size_bytes <= limit_bytes:
            return self._read(0, size_bytes), 0
        head = self._read(0, limit_bytes // 2)
        tail_bytes = limit_bytes - limit_bytes // 2
        omitted = size_bytes - len(head) - tail_bytes
        return joined(head, omitted, self._read(size_bytes - tail_bytes, tail_bytes)), omitted

    def _read(self, offset_bytes: int, count: int) -> bytes:
        data = bytearray()
        while len(data) < count:
            piece = os.pread(self.descriptor, count - len(data), offset_bytes + len(data))
            if not piece:  # cut short by the command itself
                break
            data += piece
        return bytes(data)


class OutputFolder:
    """A folder of this machine for the outputs of one shell, outside any workspace, removed when closed.

    Raises `SandboxError` where none can be made.
    """

    def __init__(self) -> None:
        try:
            self.path = PurePosixPath(tempfile.mkdtemp(prefix="captain-shell-"))
            self.descriptor = os.open(self.path, FOLDER_FLAGS)
        except OSError as error:
            raise SandboxError(f"No folder can be made for the outputs of commands: {error.strerror}.") from error

    def is_there(self) -> bool:
        with suppress(OSError):
            return os.path.samestat(os.lstat(self.path), os.fstat(self.descriptor))
        return False

    async def close(self) -> None:
        os.close(self.descriptor)
        with anyio.CancelScope(shield=True):
            await to_thread.run_sync(partial(shutil.rmtree, self.path, ignore_errors=True))


class Outputs:
    """The files of one shell in `folder`, an open directory that commands see at `path`."""

    def __init__(self, folder: int, path: PurePosixPath) -> None:
        self._folder = folder
        self._path = path
        self._number = 0
        self._watched: deque[Output] = deque()
        self._spills: deque[Output] = deque()

    def make(self) -> Output:
        """Raises `OSError`."""
        self._number += 1
        name = f"output-{self._number}.txt"
        return Output(name, self._path / name, self.add(name, os.O_RDWR | os.O_APPEND))

    def add(self, name: str, flags: int) -> int:
        """A new file, opened. It belongs to whom the folder belongs, who is the one commands run as."""
        flags |= os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        descriptor = os.open(name, flags, 0o600, dir_fd=self._folder)
        owner = os.fstat(self._folder)
        if os.geteuid() == 0 and owner.st_uid != 0:
            os.fchown(descriptor, owner.st_uid, owner.st_gid)
        return descriptor

    def holds(self, output: Output) -> bool:
        """Whether commands still find the file by its name: without it they do not even start."""
        with suppress(OSError):
            facts = os.stat(output.name, dir_fd=self._folder, follow_symlinks=False)
            return os.path.samestat(facts, os.fstat(output.descriptor))
        return False

    def remove(self, name: str) -> None:
        with suppress(OSError):  # commands may have done so, or have put a folder there
            os.unlink(name, dir_fd=self._folder)

    def keep(self, output: Output, *, spill: bool) -> bool:
        """Whether the file stays for commands to read; the oldest ones give way to it."""
        self._look()
        output.spill = spill and output.seen_bytes <= SPILLS_BYTES
        if output.spill:
            self._spills.append(output)
            while len(self._spills) > SPILLS or sum(each.seen_bytes for each in self._spills) > SPILLS_BYTES:
                self._forget(self._spills.popleft())
        else:
            self._forget(output)
        return output.spill

    def close(self) -> None:
        for output in (*self._spills, *self._watched):
            self.remove(output.name)
            os.close(output.descriptor)
        self._spills.clear()
        self._watched.clear()

    def _forget(self, output: Output) -> None:
        self.remove(output.name)
        self._watched.append(output)

    def _look(self) -> None:
        """Keeps files that still grow within bounds, and lets go of those that nobody writes to any more.

        Commands append, so that a file cut to nothing goes on from there.
        """
        for output in self._spills:
            if output.size_bytes > SPILLS_BYTES:
                os.ftruncate(output.descriptor, 0)
        for output in tuple(self._watched):
            size_bytes = output.size_bytes
            if size_bytes > SPILLS_BYTES:  # also where its writer only waits at the moment, for the disk or stopped
                os.ftruncate(output.descriptor, 0)
            elif size_bytes == output.seen_bytes:
                self._watched.remove(output)
                os.close(output.descriptor)
                continue
            output.seen_bytes = output.size_bytes
