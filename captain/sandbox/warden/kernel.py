"""System calls that the standard library lacks, each with the kernel's own error."""

from __future__ import annotations

import ctypes
import os

NEWNS = 0x00020000
NEWIPC = 0x08000000
NEWUSER = 0x10000000
NEWNET = 0x40000000

BIND = 0x1000
RECURSIVE = 0x4000
PRIVATE = 0x40000
NOSUID_NODEV = 0x2 | 0x4

_SET_DEATH_SIGNAL = 1
_SET_DUMPABLE = 4
_DROP_BOUND = 24
_SET_SECCOMP = 22
_SET_SUBREAPER = 36
_SET_NO_NEW_PRIVILEGES = 38
_FILTER = 2
_CAPSET = {"x86_64": 126, "aarch64": 91}
_CAPABILITY_VERSION = 0x20080522

_OPEN_TREE, _MOVE_MOUNT, _MOUNT_SETATTR = 428, 429, 442
_HERE = -100
_CLONE_TREE = 1
_RECURSIVELY = 0x8000
_READ_ONLY = 0x1
_CLOSE_ON_EXEC = 0o2000000
_EMPTY_PATH = 0x1000
_MOVE_EMPTY_PATH = 0x4
_MAP_OWNERS = 0x00100000

_libc = ctypes.CDLL(None, use_errno=True)


def _call(name, *arguments):  # type: ignore[no-untyped-def]
    """The result of a function of the C library. Raises `OSError`."""
    result = getattr(_libc, name)(*arguments)
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{name}: {os.strerror(number)}")
    return result


def unshare(flags: int) -> None:
    _call("unshare", flags)


def mount(source: str, target: str, kind: str = "none", flags: int = 0, options: str = "") -> None:
    _call(
        "mount",
        *(os.fsencode(source), os.fsencode(target), kind.encode(), ctypes.c_ulong(flags), os.fsencode(options) or None),
    )


def detached(path: str) -> int:
    """A descriptor of a mount of `path` that hangs nowhere yet."""
    return int(_call("syscall", _OPEN_TREE, _HERE, os.fsencode(path), _CLONE_TREE | _CLOSE_ON_EXEC))


def attach(tree: int, target: str) -> None:
    _call("syscall", _MOVE_MOUNT, tree, b"", _HERE, os.fsencode(target), _MOVE_EMPTY_PATH)


def own_as(tree: int, users: int) -> None:
    """Shows owners below a detached mount as the user namespace behind the descriptor `users` translates them."""
    _set_mount(tree, b"", _EMPTY_PATH, _MAP_OWNERS, users)


def read_only_below(path: str) -> None:
    """Every mount at `path` and below it."""
    _set_mount(_HERE, os.fsencode(path), _RECURSIVELY, _READ_ONLY, 0)


def _set_mount(folder: int, path: bytes, how: int, attribute: int, users: int) -> None:
    attributes = (ctypes.c_uint64 * 4)(attribute, 0, 0, users)
    _call("syscall", _MOUNT_SETATTR, folder, path, how, ctypes.byref(attributes), ctypes.c_size_t(32))


def prctl(option: int, value: int = 0, other: object = 0) -> None:
    _call("prctl", option, ctypes.c_ulong(value), other, 0, 0)


def die_with_parent() -> None:
    prctl(_SET_DEATH_SIGNAL, 9)


def adopt_orphans() -> None:
    prctl(_SET_SUBREAPER, 1)


def hide_memory() -> None:
    """Nobody of the same user may trace this process or read what /proc tells of it."""
    prctl(_SET_DUMPABLE, 0)


def give_up_privileges() -> None:
    """No capability now, and no program that would bring one back."""
    for number in range(64):
        try:
            prctl(_DROP_BOUND, number)
        except OSError:  # beyond the last one, or not ours to drop
            break
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION, 0)
    _call("syscall", _CAPSET[os.uname().machine], ctypes.byref(header), ctypes.byref((ctypes.c_uint32 * 6)()))
    prctl(_SET_NO_NEW_PRIVILEGES, 1)


def filter_calls(program: bytes) -> None:
    """Installs a seccomp filter for this process and all it starts."""

    class Program(ctypes.Structure):
        _fields_ = [("length", ctypes.c_ushort), ("filter", ctypes.c_char_p)]

    prctl(_SET_SECCOMP, _FILTER, ctypes.byref(Program(len(program) // 8, program)))


def landlock_version() -> int:
    """0 where the kernel has no Landlock, or it is off."""
    return max(0, int(_libc.syscall(444, None, ctypes.c_size_t(0), 1)))


def landlock_ruleset(files: int, network: int, scoped: int) -> int:
    """A descriptor of a ruleset that refuses these kinds of access unless a rule allows them."""
    attributes = (ctypes.c_uint64 * 3)(files, network, scoped)
    version = landlock_version()
    size = 24 if version >= 6 else 16 if version >= 4 else 8
    return int(_call("syscall", 444, ctypes.byref(attributes), ctypes.c_size_t(size), 0))


def landlock_allow(ruleset: int, access: int, folder: int) -> None:
    """Allows `access` to the file or folder behind a descriptor, and below it."""

    class Rule(ctypes.Structure):
        _pack_ = 1
        _fields_ = [("access", ctypes.c_uint64), ("parent", ctypes.c_int32)]

    _call("syscall", 445, ruleset, 1, ctypes.byref(Rule(access, folder)), 0)


def landlock_enter(ruleset: int) -> None:
    _call("syscall", 446, ruleset, 0)
