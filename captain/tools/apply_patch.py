"""The tool that changes several files by one patch, all of it or nothing."""

from __future__ import annotations

import posixpath
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from functools import partial
from typing import Annotated, Final

import anyio
from anyio import to_thread

from captain.core.errors import FileMissingError, ToolError
from captain.sandbox import Box
from captain.tools.base import ToolContext, ToolOutput, said, tool
from captain.tools.files import FILE_LIMIT_BYTES
from captain.tools.patch import AddFile, DeleteFile, FileChange, parse_patch
from captain.tools.patching import apply_hunks
from captain.tools.text import decode, encode_new

_COPY_S: Final = 30.0


@tool(effect="write")
async def apply_patch(
    context: ToolContext,
    patch: Annotated[
        str,
        "Begins with `*** Begin Patch` and ends with `*** End Patch`. Between them, for each file: "
        "`*** Update File: path` (and `*** Move to: path` to rename it), then hunks of lines that begin with a "
        "space (kept), - (removed) or + (added), each hunk after a line `@@` that may name a line above it, such as "
        "`@@ def parse(text):`; `*** Add File: path`, then lines that begin with +; or `*** Delete File: path`. "
        "A unified diff is taken too.",
    ],
) -> ToolOutput:
    """Changes, adds, moves and deletes files by a patch: all of it or nothing.

    Three lines of context around a change are enough. They have to stand in the file as they are in the patch;
    only white space at line ends may differ. Line ends and encoding of the files stay as they are.
    """
    changes = parse_patch(patch)
    desk = _Desk(context.box)
    told = [await desk.change(change) for change in changes]
    await desk.carry_out()
    return said("\n".join(told))


@dataclass(slots=True)
class _Desk:
    """Files as they were and as they are to be; None is a file that is not there."""

    box: Box
    before: dict[str, bytes | None] = field(default_factory=dict)
    after: dict[str, bytes | None] = field(default_factory=dict)
    moved_from: dict[str, str] = field(default_factory=dict)

    async def change(self, change: FileChange) -> str:
        """Takes a change into what is to be; says what it does. Raises `ToolError` where it cannot be."""
        path = _plain(change.path)
        data = await self._look(path)
        if isinstance(change, AddFile):
            if data is not None:
                raise ToolError(f"{path} exists already, so it cannot be added: update it. Nothing was changed.")
            self.after[path] = encode_new(change.content)
            return f"Added {path}."
        if data is None:
            raise ToolError(f"{path} does not exist. Nothing was changed.")
        if isinstance(change, DeleteFile):
            self.after[path] = None
            return f"Deleted {path}."
        if change.hunks:
            file = decode(data, path)
            text = await to_thread.run_sync(partial(apply_hunks, file.text, change.hunks, path))
            data = file.encode(text)
        if change.move_to is None:
            self.after[path] = data
            return f"Updated {path}."
        return await self._move(path, _plain(change.move_to), data)

    async def _move(self, path: str, target: str, data: bytes) -> str:
        if await self._look(target) is not None:
            raise ToolError(f"{path} cannot be moved to {target}, which exists already. Nothing was changed.")
        self.after[path], self.after[target] = None, data
        self.moved_from[target] = path
        return f"Moved {path} to {target}."

    async def _look(self, path: str) -> bytes | None:
        if path not in self.after:
            try:
                self.before[path] = await self.box.read(path, limit_bytes=FILE_LIMIT_BYTES)
            except FileMissingError:
                self.before[path] = None
            except ToolError as error:
                raise ToolError(f"{error} Nothing was changed.") from error
            self.after[path] = self.before[path]
        return self.after[path]

    async def carry_out(self) -> None:
        """Writes first and removes last. Where one of it fails, what was done is taken back."""
        changed = [path for path in self.after if self.after[path] != self.before[path]]
        if not changed:
            raise ToolError("The patch leaves every file as it is.")
        done: list[str] = []
        try:
            for path in sorted(changed, key=lambda path: self.after[path] is None):
                done.append(path)
                await self._put(path, self.after[path])
        except BaseException as error:
            with anyio.CancelScope(shield=True):
                left = await self._take_back(done)
            if isinstance(error, ToolError):
                raise ToolError(f"{error} {_outcome(left)}") from error
            raise

    async def _put(self, path: str, data: bytes | None) -> None:
        if data is None:
            await self.box.remove(path)
            return
        await self.box.write(path, data)
        if (source := self.moved_from.get(path)) and self.before[source] is not None:
            # a copy brings the mode along, and writing keeps it
            copied = await self.box.run(["cp", "-p", "--", source, path], timeout_s=_COPY_S)
            if copied.exit_code != 0:
                raise ToolError(f"{source} could not be moved to {path}: {copied.text.strip()}.")
            await self.box.write(path, data)

    async def _take_back(self, done: Sequence[str]) -> list[str]:
        """The paths for which that failed as well."""
        left = []
        for path in reversed(done):
            try:
                if (data := self.before[path]) is not None:
                    await self.box.write(path, data)
                else:
                    with suppress(FileMissingError):
                        await self.box.remove(path)
            except ToolError:
                left.append(path)
        return left


def _plain(path: str) -> str:
    if not path:
        raise ToolError("The patch names a file without a path. Nothing was changed.")
    return posixpath.normpath(path)


def _outcome(left: Sequence[str]) -> str:
    return f"These may have been changed: {', '.join(left)}." if left else "Nothing was changed."
