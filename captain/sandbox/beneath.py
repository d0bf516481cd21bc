"""Finds a file below a directory that is open, and nowhere else, whatever the path and the links on it say.

A box's root may exist in another mount namespace only: the host has a descriptor for it, and no path. And a
path that was found good is worth nothing by the time it is opened: what is opened has to be what was judged.
So each step starts from a descriptor. Links are followed if they are relative and stay below.
"""

from __future__ import annotations

import errno
import os
import stat
import sys
from collections.abc import Callable, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from functools import cache
from typing import Final, TypeAlias

LINKS: Final = 40  # as many as Linux follows
FOLDER_FLAGS: Final = os.O_DIRECTORY | os.O_CLOEXEC | getattr(os, "O_PATH", os.O_RDONLY)

_OPENAT2: Final = 437  # on every architecture
_AT_FDCWD: Final = -100
_BENEATH: Final = 0x08 | 0x02  # RESOLVE_BENEATH | RESOLVE_NO_MAGICLINKS
_TRIES: Final = 32  # EAGAIN: a folder was moved while the kernel walked through ".."

OpenFolder: TypeAlias = Callable[[int, Sequence[str]], "Folder"]


@dataclass(frozen=True, slots=True)
class Folder:
    """An open folder, closed by whoever got it, and where it truly lies below the directory."""

    descriptor: int
    parts: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Place:
    """The folder of a file and its name there: "." for the folder itself. The name was no link when looked at."""

    folder: Folder
    name: str

    @property
    def parts(self) -> tuple[str, ...]:
        return self.folder.parts if self.name == "." else (*self.folder.parts, self.name)


def locate(
    directory: int, parts: Sequence[str], *, follow: bool = True, open_folder: OpenFolder | None = None
) -> Place:
    """Raises `OSError`: EXDEV where the way leads out. The caller closes the place's folder."""
    open_folder = open_folder or usual_opener()
    for _ in range(LINKS):
        folder = open_folder(directory, parts[:-1] if _names_a_file(parts) else parts)
        name = parts[-1] if _names_a_file(parts) else "."
        with ExitStack() as unless_returned:
            unless_returned.callback(os.close, folder.descriptor)
            target = link_at(folder.descriptor, name) if follow else None
            if target is None:
                unless_returned.pop_all()
                return Place(folder, name)
        parts = [*folder.parts, *_steps(target)]
    raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))


def _names_a_file(parts: Sequence[str]) -> bool:
    return bool(parts) and parts[-1] != ".."


@cache
def usual_opener() -> OpenFolder:
    """By the kernel where it can: `openat2` is in Linux 5.6 and newer; a container may hide it, or `/proc`."""
    if sys.platform == "linux":
        with suppress(OSError), ExitStack() as closing:
            directory = os.open("/", FOLDER_FLAGS)
            closing.callback(os.close, directory)
            closing.callback(os.close, open_by_kernel(directory, ()).descriptor)
            return open_by_kernel
    return open_by_steps


def open_by_kernel(directory: int, parts: Sequence[str]) -> Folder:
    descriptor = _openat2(directory, "/".join(parts) or ".")
    try:
        return Folder(descriptor, _parts_below(descriptor, directory))
    except BaseException:
        os.close(descriptor)
        raise


def _openat2(directory: int, path: str) -> int:
    import ctypes
    import struct

    name = os.fsencode(path)
    if b"\0" in name:
        raise ValueError("embedded null byte")
    how = struct.pack("QQQ", FOLDER_FLAGS, 0, _BENEATH)
    for _ in range(_TRIES):
        descriptor = int(_syscall()(_OPENAT2, directory, ctypes.c_char_p(name), ctypes.c_char_p(how), len(how)))
        if descriptor >= 0:
            return descriptor
        if ctypes.get_errno() not in (errno.EAGAIN, errno.EINTR):
            break
    raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


@cache
def _syscall() -> Callable[..., int]:
    import ctypes

    function = ctypes.CDLL(None, use_errno=True).syscall
    function.restype = ctypes.c_long
    function.argtypes = [ctypes.c_long, ctypes.c_int, ctypes.c_char_p, ctypes.c_char_p, ctypes.c_size_t]
    return function


def _parts_below(descriptor: int, directory: int) -> tuple[str, ...]:
    """What was opened, as the kernel names it: only here a link into `.git`, say, shows."""
    root = kernel_name(directory).rstrip("/")
    real = kernel_name(descriptor).rstrip("/")
    if real != root and not real.startswith(f"{root}/"):  # moved out in this very moment
        raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))
    return tuple(real[len(root) + 1 :].split("/")) if real != root else ()


def kernel_name(descriptor: int) -> str:
    """The path of what is open, as seen from its own mounts; Linux only."""
    return os.readlink(f"/proc/self/fd/{descriptor}")  # noqa: PTH115 - `Path` would tidy it up


def open_by_steps(directory: int, parts: Sequence[str], *, make: Callable[[int, str], None] | None = None) -> Folder:
    """One folder after the other, for systems without `openat2`; `make` makes those that are missing.

    `..` goes back to the folder that was open before: the kernel is never asked for one.
    """
    ahead, way, links = list(reversed(parts)), [(os.dup(directory), "")], 0
    try:
        while ahead:
            step = ahead.pop()
            if step == "..":
                if len(way) == 1:
                    raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))
                os.close(way.pop()[0])
                continue
            found = _step(way[-1][0], step, make)
            if isinstance(found, int):
                way.append((found, step))
                continue
            links += 1
            if links > LINKS:
                raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
            ahead += reversed(_steps(found))
        return Folder(os.dup(way[-1][0]), tuple(name for _, name in way[1:]))
    finally:
        for descriptor, _ in way:
            os.close(descriptor)


def _step(folder: int, name: str, make: Callable[[int, str], None] | None) -> int | str:
    """The folder of that name, opened, or where the link of that name leads."""
    flags = FOLDER_FLAGS | os.O_NOFOLLOW
    try:
        return os.open(name, flags, dir_fd=folder)
    except FileNotFoundError:
        if make is None:
            raise
        make(folder, name)
        return os.open(name, flags, dir_fd=folder)
    except OSError as error:
        if error.errno in (errno.ENOTDIR, errno.ELOOP, errno.EMLINK):
            target = link_at(folder, name)
            if target is not None:
                return target
        raise


def link_at(folder: int, name: str) -> str | None:
    """Where the link of that name leads; None where there is no link."""
    try:
        if not stat.S_ISLNK(os.stat(name, dir_fd=folder, follow_symlinks=False).st_mode):
            return None
        return os.readlink(name, dir_fd=folder)
    except OSError as error:
        if error.errno in (errno.ENOENT, errno.EINVAL):
            return None
        raise


def _steps(target: str) -> list[str]:
    if target.startswith("/"):
        raise OSError(errno.EXDEV, os.strerror(errno.EXDEV))
    return [part for part in target.split("/") if part not in ("", ".")]
