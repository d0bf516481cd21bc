"""Reads, replaces and removes files below one open directory and nowhere else.

A path is judged twice, as written and by what was found, since either may lead into `.git` or out of the
directory; `captain.sandbox.beneath` does the finding. `root` is only how commands see the directory.
"""

from __future__ import annotations

import errno
import os
import secrets
import stat
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

from anyio import to_thread

from captain.core.errors import FileMissingError, SandboxError, ToolError
from captain.core.git_names import canonical_parts
from captain.sandbox.beneath import FOLDER_FLAGS, OpenFolder, Place, kernel_name, locate, open_by_steps
from captain.sandbox.box import FilePart

_O_PATH: Final = getattr(os, "O_PATH", 0)
_CHUNK_BYTES: Final = 1024 * 1024
_PATH_BYTES: Final = 4096


class BoxFiles:
    """The files of a box for its file calls; owns `directory`. After `close` they raise `SandboxError`."""

    def __init__(self, directory: int, root: Path) -> None:
        self._directory: int | None = directory
        self._root = root

    @classmethod
    def of(cls, root: Path) -> BoxFiles:
        """Of a folder that the host sees where commands do. Raises `OSError`."""
        return cls(os.open(root, FOLDER_FLAGS), root)

    async def read(self, path: str, *, limit_bytes: int) -> bytes:
        with self._open() as directory:
            return await to_thread.run_sync(read_below, directory, self._root, path, limit_bytes)

    async def read_part(self, path: str, *, offset_bytes: int, limit_bytes: int) -> FilePart:
        with self._open() as directory:
            return await to_thread.run_sync(
                partial(read_part_below, offset_bytes=offset_bytes, limit_bytes=limit_bytes),
                *(directory, self._root, path),
            )

    async def write(self, path: str, data: bytes) -> None:
        with self._open() as directory:
            await to_thread.run_sync(write_below, directory, self._root, path, data)

    async def remove(self, path: str) -> None:
        with self._open() as directory:
            await to_thread.run_sync(remove_below, directory, self._root, path)

    def close(self) -> None:
        if self._directory is not None:
            os.close(self._directory)
            self._directory = None

    @contextmanager
    def _open(self) -> Iterator[int]:
        """A descriptor for one call: its number must not become another file's while a thread works with it."""
        if self._directory is None:
            raise SandboxError("The box is closed.")
        directory = os.dup(self._directory)
        try:
            yield directory
        finally:
            os.close(directory)


def read_below(
    directory: int, root: Path, path: str, limit_bytes: int, *, open_folder: OpenFolder | None = None
) -> bytes:
    """A whole file. Raises `ToolError`, also where it has more than `limit_bytes`."""
    with _opened(directory, root, path, open_folder) as file:
        size_bytes = os.fstat(file).st_size
        if size_bytes <= limit_bytes:
            data = _take(file, 0, limit_bytes + 1)  # it may grow meanwhile
            if len(data) <= limit_bytes:
                return data
            size_bytes = max(len(data), os.fstat(file).st_size)
    raise ToolError(f"{path} has {size_bytes} bytes, more than the {limit_bytes} that can be read at once.")


def read_part_below(
    directory: int,
    root: Path,
    path: str,
    *,
    offset_bytes: int,
    limit_bytes: int,
    open_folder: OpenFolder | None = None,
) -> FilePart:
    """Up to `limit_bytes` of a file of any size. Raises `ToolError`."""
    with _opened(directory, root, path, open_folder) as file:
        data = _take(file, offset_bytes, limit_bytes)
        return FilePart(data=data, size_bytes=max(os.fstat(file).st_size, offset_bytes + len(data) if data else 0))


def write_below(directory: int, root: Path, path: str, data: bytes, *, open_folder: OpenFolder | None = None) -> None:
    """Replaces a file at once: another name of it, or who has it open, keeps the old one. Raises `ToolError`."""
    with _explained(path, "written"), ExitStack() as closing:
        written = _written(directory, root, path)
        if not written.plain:
            raise ToolError(f"{path!r} is the workspace itself, not a file.")
        owner = _owner(directory)
        place = _locate_to_write(directory, written, owner, open_folder)
        closing.callback(os.close, place.folder.descriptor)
        _refuse_git(path, place)
        mode = None
        with suppress(FileNotFoundError):
            facts = os.stat(place.name, dir_fd=place.folder.descriptor, follow_symlinks=False)
            _require_regular(facts.st_mode, path)
            mode = facts.st_mode & 0o777  # not setuid: the content is new
        _replace(place, data, mode, owner)


def remove_below(directory: int, root: Path, path: str, *, open_folder: OpenFolder | None = None) -> None:
    """A file, or a link itself. Raises `ToolError`."""
    with _explained(path, "removed"), ExitStack() as closing:
        written = _written(directory, root, path)
        place = _locate(directory, written, follow=False, open_folder=open_folder)
        closing.callback(os.close, place.folder.descriptor)
        _refuse_git(path, place)
        mode = os.stat(place.name, dir_fd=place.folder.descriptor, follow_symlinks=False).st_mode
        if not stat.S_ISLNK(mode):
            _require_regular(mode, path)
        os.unlink(place.name, dir_fd=place.folder.descriptor)


@contextmanager
def _opened(directory: int, root: Path, path: str, open_folder: OpenFolder | None) -> Iterator[int]:
    with _explained(path, "read"), ExitStack() as closing:
        place = _locate(directory, _written(directory, root, path), open_folder=open_folder)
        closing.callback(os.close, place.folder.descriptor)
        _refuse_git(path, place)
        file = _open_regular(place, path)
        closing.callback(os.close, file)
        yield file


def _open_regular(place: Place, path: str) -> int:
    """Opened only once it is known to be a regular file: to open a device may already do something."""
    folder, closed = place.folder.descriptor, os.O_CLOEXEC | os.O_NOFOLLOW
    if not _O_PATH:
        _require_readable(os.stat(place.name, dir_fd=folder, follow_symlinks=False), path)
        file = os.open(place.name, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | closed, dir_fd=folder)
        try:
            _require_readable(os.fstat(file), path)
        except BaseException:
            os.close(file)
            raise
        return file
    seen = os.open(place.name, _O_PATH | closed, dir_fd=folder)
    try:
        _require_readable(os.fstat(seen), path)
        return os.open(f"/proc/self/fd/{seen}", os.O_RDONLY | os.O_CLOEXEC)
    finally:
        os.close(seen)


def _take(file: int, offset_bytes: int, limit_bytes: int) -> bytes:
    data = bytearray()
    while len(data) < limit_bytes:
        piece = os.pread(file, min(limit_bytes - len(data), _CHUNK_BYTES), offset_bytes + len(data))
        if not piece:
            break
        data += piece
    return bytes(data)


def _locate_to_write(
    directory: int, written: _Written, owner: tuple[int, int] | None, open_folder: OpenFolder | None
) -> Place:
    try:
        return locate(directory, written.steps, open_folder=open_folder)
    except FileNotFoundError:
        making = partial(open_by_steps, make=partial(_make_folder, owner=owner))
        return locate(directory, written.plain, open_folder=making)


def _make_folder(folder: int, name: str, *, owner: tuple[int, int] | None) -> None:
    with suppress(FileExistsError):
        os.mkdir(name, dir_fd=folder)
        if owner is not None:
            _give_folder(folder, name, owner)


def _give_folder(folder: int, name: str, owner: tuple[int, int]) -> None:
    made = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=folder)
    try:
        # what was just made is empty and ours; anything else was put in its place
        if os.fstat(made).st_uid == os.geteuid() and not os.listdir(made):  # noqa: PTH208 - by its descriptor
            os.fchown(made, *owner)
    finally:
        os.close(made)


def _replace(place: Place, data: bytes, mode: int | None, owner: tuple[int, int] | None) -> None:
    folder, draft = place.folder.descriptor, f".captain-{secrets.token_hex(6)}.tmp"
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    file = os.open(draft, flags, 0o666, dir_fd=folder)
    try:
        with os.fdopen(file, "wb") as stream:
            stream.write(data)
            stream.flush()
            if owner is not None:
                os.fchown(file, *owner)
            if mode is not None:
                os.fchmod(file, mode)
        os.replace(draft, place.name, src_dir_fd=folder, dst_dir_fd=folder)
    except BaseException:
        with suppress(FileNotFoundError):
            os.unlink(draft, dir_fd=folder)
        raise


def _owner(directory: int) -> tuple[int, int] | None:
    """Whom new files go to, where that is not who makes them: root that works for a box of another user."""
    facts = os.fstat(directory)
    return (facts.st_uid, facts.st_gid) if os.geteuid() == 0 and facts.st_uid != 0 else None


@dataclass(frozen=True, slots=True)
class _Written:
    """A path from the root: as it stands, where `..` goes back from where a link led, and with `..` reckoned out."""

    steps: tuple[str, ...]
    plain: tuple[str, ...]


def _written(directory: int, root: Path, path: str) -> _Written:
    if not path:
        raise ToolError("The path is empty.")
    if len(os.fsencode(path)) >= _PATH_BYTES:
        raise OSError(errno.ENAMETOOLONG, os.strerror(errno.ENAMETOOLONG))
    for base in (str(root), _real_place(directory)):
        plain = _below(base, os.path.normpath(root / path))
        if plain is not None:
            _refuse_git_names(path, "/".join(plain))
            steps = _below(base, str(root / path))
            return _Written(plain if steps is None else steps, plain)
    raise _outside(path)


def _below(base: str, path: str) -> tuple[str, ...] | None:
    if not base or not (path == base or path.startswith(base.rstrip("/") + "/")):
        return None
    return tuple(part for part in path[len(base) :].split("/") if part not in ("", "."))


def _locate(directory: int, written: _Written, *, follow: bool = True, open_folder: OpenFolder | None) -> Place:
    try:
        return locate(directory, written.steps, follow=follow, open_folder=open_folder)
    except FileNotFoundError:
        if written.steps == written.plain:
            raise
        return locate(directory, written.plain, follow=follow, open_folder=open_folder)


def _real_place(directory: int) -> str:
    """Commands that ask for their folder are told it without links on the way."""
    if sys.platform == "darwin":
        import fcntl

        return fcntl.fcntl(directory, fcntl.F_GETPATH, b"\0" * 1024).rstrip(b"\0").decode("utf-8", "surrogateescape")
    with suppress(OSError):
        place = kernel_name(directory)
        return "" if place == "/" else place  # of another mount namespace, where it may be anything
    return ""


def _refuse_git(path: str, place: Place) -> None:
    _refuse_git_names(path, "/".join(place.parts))


def _refuse_git_names(path: str, below: str) -> None:
    if ".git" in canonical_parts(below):
        raise ToolError(f"{path} is inside .git, which only git commands may touch.")


def _require_readable(facts: os.stat_result, path: str) -> None:
    _require_regular(facts.st_mode, path)
    if facts.st_nlink > 1:
        raise ToolError(
            f"{path} is a hard link: the same file has {facts.st_nlink} names, and the others may lie outside the "
            "workspace. Read it with the shell."
        )


def _require_regular(mode: int, path: str) -> None:
    if stat.S_ISDIR(mode):
        raise ToolError(f"{path} is a directory, not a file.")
    if not stat.S_ISREG(mode):
        raise ToolError(f"{path} is not a regular file.")


def _outside(path: str) -> ToolError:
    return ToolError(f"{path} is outside the workspace; only paths inside it can be used.")


@contextmanager
def _explained(path: str, done: str) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError:
        raise FileMissingError(f"{path} does not exist.") from None
    except (NotADirectoryError, FileExistsError):
        raise ToolError(f"{path} has a file where a directory would have to be.") from None
    except OSError as error:
        if error.errno == errno.EXDEV:
            raise _outside(path) from None
        raise ToolError(f"{path} could not be {done}: {error.strerror or error}.") from None
    except ValueError:  # a NUL, a lone surrogate
        raise ToolError(f"{path!r} is not a path that can be {done}.") from None
