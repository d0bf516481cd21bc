"""The system-call filter of a box, as the bytes the kernel takes: built here, without a library, and tested as data.

Everything is allowed but a list, since a program that meets an unexpected refusal breaks in ways nobody can
explain. On the list: what makes or enters namespaces, mounts, traces or reads other processes, talks to kernel
subsystems with a long record of holes (bpf, io_uring, perf events, keys, userfaultfd), sets the clock, loads
modules; and sockets of other families than the allowed ones, because a network namespace stops neither the
channel from a virtual machine to its host (AF_VSOCK) nor the kernel's own sockets.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

_LOAD: Final = 0x20  # BPF_LD | BPF_W | BPF_ABS
_EQUALS: Final = 0x15  # BPF_JMP | BPF_JEQ | BPF_K
_AT_LEAST: Final = 0x35  # BPF_JMP | BPF_JGE | BPF_K
_HAS_BITS: Final = 0x45  # BPF_JMP | BPF_JSET | BPF_K
_RETURN: Final = 0x06  # BPF_RET | BPF_K

_ALLOW: Final = 0x7FFF0000
_KILL: Final = 0x80000000
_ERRNO: Final = 0x00050000
_EPERM: Final = _ERRNO | 1
_ENOSYS: Final = _ERRNO | 38
_EAFNOSUPPORT: Final = _ERRNO | 97

_NUMBER: Final = 0  # places in struct seccomp_data
_ARCH: Final = 4
_ARGUMENTS: Final = 16

_NAMESPACE_FLAGS: Final = 0x7E020000  # CLONE_NEWNS, NEWCGROUP, NEWUTS, NEWIPC, NEWUSER, NEWPID, NEWNET
_TERMINAL_INPUT: Final = (0x5412, 0x541C)  # TIOCSTI and TIOCLINUX put characters into a terminal's input
_X32: Final = 0x40000000
_OPENAT2: Final = 437  # on every processor
_SET_USER: Final = 0o4000
_CREATE: Final = 0o100 | 0x400000  # O_CREAT; O_TMPFILE's own bit

AF_UNIX: Final = 1
AF_INET: Final = 2
AF_INET6: Final = 10
_AF_NETLINK: Final = 16

_EVERYWHERE: Final = {
    "io_uring_setup": 425,
    "io_uring_enter": 426,
    "io_uring_register": 427,
    "open_tree": 428,
    "move_mount": 429,
    "fsopen": 430,
    "fsconfig": 431,
    "fsmount": 432,
    "fspick": 433,
    "pidfd_getfd": 438,
    "process_madvise": 440,
    "mount_setattr": 442,
    "quotactl_fd": 443,
    "process_mrelease": 448,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """System-call numbers of one kind of processor, from the kernel's own tables."""

    audit_arch: int
    denied: dict[str, int]
    clone: int
    clone3: int
    socket: int
    ioctl: int
    open: int
    openat: int
    prlimit: int
    modes: dict[int, int]
    """Calls that give a file a mode, by the place of the mode among their arguments."""
    shared: tuple[int, ...]
    """Memory, queues and semaphores that processes find by a number or a name, whoever's they are."""
    scheduling: dict[int, int | None]
    """Calls that set how another process runs, by the kind of target that is a process; None where there is no kind."""
    has_x32: bool = False


MACHINES: Final = {
    "x86_64": Machine(
        audit_arch=0xC000003E,
        clone=56,
        clone3=435,
        socket=41,
        ioctl=16,
        open=2,
        openat=257,
        prlimit=302,
        modes={90: 1, 91: 1, 268: 2, 452: 2, 85: 1, 133: 1, 259: 2},  # chmod, fchmod, fchmodat(2), creat, mknod(at)
        # setpriority, ioprio_set, sched_setparam, sched_setscheduler, sched_setaffinity, sched_setattr
        scheduling={141: 0, 251: 1, 142: None, 144: None, 203: None, 314: None},
        shared=(29, 30, 64, 65, 66, 68, 69, 70, 71, 220, 240, 241),
        has_x32=True,
        denied={
            "ptrace": 101,
            "syslog": 103,
            "uselib": 134,
            "vhangup": 153,
            "modify_ldt": 154,
            "pivot_root": 155,
            "_sysctl": 156,
            "adjtimex": 159,
            "chroot": 161,
            "acct": 163,
            "settimeofday": 164,
            "mount": 165,
            "umount2": 166,
            "swapon": 167,
            "swapoff": 168,
            "reboot": 169,
            "sethostname": 170,
            "setdomainname": 171,
            "iopl": 172,
            "ioperm": 173,
            "create_module": 174,
            "init_module": 175,
            "delete_module": 176,
            "quotactl": 179,
            "nfsservctl": 180,
            "lookup_dcookie": 212,
            "clock_settime": 227,
            "kexec_load": 246,
            "add_key": 248,
            "request_key": 249,
            "keyctl": 250,
            "migrate_pages": 256,
            "unshare": 272,
            "move_pages": 279,
            "perf_event_open": 298,
            "fanotify_init": 300,
            "name_to_handle_at": 303,
            "open_by_handle_at": 304,
            "clock_adjtime": 305,
            "setns": 308,
            "process_vm_readv": 310,
            "process_vm_writev": 311,
            "kcmp": 312,
            "finit_module": 313,
            "kexec_file_load": 320,
            "bpf": 321,
            "userfaultfd": 323,
            **_EVERYWHERE,
        },
    ),
    "aarch64": Machine(
        audit_arch=0xC00000B7,
        clone=220,
        clone3=435,
        socket=198,
        ioctl=29,
        open=-1,  # there is none
        openat=56,
        prlimit=261,
        modes={52: 1, 53: 2, 452: 2, 33: 2},
        scheduling={140: 0, 30: 1, 118: None, 119: None, 122: None, 274: None},
        shared=(180, 181, 186, 187, 188, 189, 190, 191, 192, 193, 194, 196),
        denied={
            "lookup_dcookie": 18,
            "umount2": 39,
            "mount": 40,
            "pivot_root": 41,
            "nfsservctl": 42,
            "chroot": 51,
            "vhangup": 58,
            "quotactl": 60,
            "acct": 89,
            "unshare": 97,
            "kexec_load": 104,
            "init_module": 105,
            "delete_module": 106,
            "clock_settime": 112,
            "syslog": 116,
            "ptrace": 117,
            "reboot": 142,
            "sethostname": 161,
            "setdomainname": 162,
            "settimeofday": 170,
            "adjtimex": 171,
            "add_key": 217,
            "request_key": 218,
            "keyctl": 219,
            "swapon": 224,
            "swapoff": 225,
            "migrate_pages": 238,
            "move_pages": 239,
            "perf_event_open": 241,
            "fanotify_init": 262,
            "name_to_handle_at": 264,
            "open_by_handle_at": 265,
            "clock_adjtime": 266,
            "setns": 268,
            "process_vm_readv": 270,
            "process_vm_writev": 271,
            "kcmp": 272,
            "finit_module": 273,
            "bpf": 280,
            "userfaultfd": 282,
            "kexec_file_load": 294,
            **_EVERYWHERE,
        },
    ),
}


def build_filter(machine: Machine, families: Sequence[int], *, shared: bool = True, processes: bool = True) -> bytes:
    """The program as an array of `struct sock_filter`. `families` are those that `socket` may open.

    `shared` says whether memory and queues may be found by number: only where the box has its own of them.
    `processes` says whether it has its own processes; else a command may set how it runs itself, and no other.

    Netlink is allowed for its routing protocol only, which looking up addresses needs, and only together with
    other families: without a network of its own a box would be told that of the host. Pairs of connected
    sockets are always allowed, since they lead nowhere.
    """
    program = [
        *(_load(_ARCH), _unless(machine.audit_arch, _KILL), _load(_NUMBER)),
        *([_instruction(_AT_LEAST, _X32, 0, 1), _return(_ENOSYS)] if machine.has_x32 else []),
        *_where(machine.clone3, [_return(_ENOSYS)]),  # its flags lie in memory, so libraries have to use clone
        *_where(_OPENAT2, [_return(_ENOSYS)]),  # as does its mode: those who try it know openat too
        *_where(machine.clone, [_load(_ARGUMENTS), *_if_bits(_NAMESPACE_FLAGS, _EPERM), _return(_ALLOW)]),
        *_where(machine.socket, _sockets(families)),
        *_where(machine.ioctl, _ioctls()),
        *_where(machine.prlimit, _prlimit()),
        *(word for number, place in machine.modes.items() for word in _where(number, _mode(place))),
        *(_where(machine.open, _opened(1)) if machine.open >= 0 else []),
        *_where(machine.openat, _opened(2)),
        *([] if processes else _schedulings(machine)),
    ]
    numbers = sorted((*machine.denied.values(), *(() if shared else machine.shared)))
    program += [_instruction(_EQUALS, number, len(numbers) - place, 0) for place, number in enumerate(numbers)]
    program += [_return(_ALLOW), _return(_EPERM)]
    return b"".join(program)


def _sockets(families: Sequence[int]) -> list[bytes]:
    netlink = [_load(_ARGUMENTS + 16), *_if_equal(0, _ALLOW), _return(_EAFNOSUPPORT)]
    allowed = [word for family in families for word in _if_equal(family, _ALLOW)]
    routing = _where(_AF_NETLINK, netlink) if families else []
    return [_load(_ARGUMENTS), *allowed, *routing, _return(_EAFNOSUPPORT)]


def _prlimit() -> list[bytes]:
    """Of other processes limits may be read and not set: they need not be the box's own."""
    of_itself = [_load(_ARGUMENTS), *_if_equal(0, _ALLOW)]
    low, high = _ARGUMENTS + 16, _ARGUMENTS + 20
    return [
        *of_itself,
        _load(low),
        _instruction(_EQUALS, 0, 1, 0),
        _return(_EPERM),
        _load(high),
        *_if_equal(0, _ALLOW),
        _return(_EPERM),
    ]


def _schedulings(machine: Machine) -> list[bytes]:
    return [word for number, kind in machine.scheduling.items() for word in _where(number, _scheduling(kind))]


def _scheduling(kind: int | None) -> list[bytes]:
    """Of kinds that name a group or a user, 0 is not the caller alone."""
    if kind is None:
        return [_load(_ARGUMENTS), *_if_equal(0, _ALLOW), _return(_EPERM)]
    of_its_kind = [_load(_ARGUMENTS), _instruction(_EQUALS, kind, 1, 0), _return(_EPERM)]
    return [*of_its_kind, _load(_ARGUMENTS + 8), *_if_equal(0, _ALLOW), _return(_EPERM)]


def _mode(place: int) -> list[bytes]:
    """A program that runs as its owner would, outside, run as the user."""
    return [_load(_ARGUMENTS + 8 * place), *_if_bits(_SET_USER, _EPERM), _return(_ALLOW)]


def _opened(flags: int) -> list[bytes]:
    """Of a file that is not made, the mode is whatever lies in its place."""
    made = [_load(_ARGUMENTS + 8 * (flags + 1)), *_if_bits(_SET_USER, _EPERM)]
    return [_load(_ARGUMENTS + 8 * flags), _instruction(_HAS_BITS, _CREATE, 0, len(made)), *made, _return(_ALLOW)]


def _ioctls() -> list[bytes]:
    refused = [word for request in _TERMINAL_INPUT for word in _if_equal(request, _EPERM)]
    return [_load(_ARGUMENTS + 8), *refused, _return(_ALLOW)]


def _where(value: int, body: list[bytes]) -> list[bytes]:
    """`body`, which returns, if the loaded word is `value`; else what follows."""
    return [_instruction(_EQUALS, value, 0, len(body)), *body]


def _if_equal(value: int, answer: int) -> list[bytes]:
    return [_instruction(_EQUALS, value, 0, 1), _return(answer)]


def _if_bits(bits: int, answer: int) -> list[bytes]:
    return [_instruction(_HAS_BITS, bits, 0, 1), _return(answer)]


def _unless(value: int, answer: int) -> bytes:
    return _instruction(_EQUALS, value, 1, 0) + _return(answer)


def _load(place: int) -> bytes:
    """Little-endian: the low half of a 64-bit argument is at its own place."""
    return _instruction(_LOAD, place, 0, 0)


def _return(answer: int) -> bytes:
    return _instruction(_RETURN, answer, 0, 0)


def _instruction(code: int, value: int, if_true: int, if_false: int) -> bytes:
    return struct.pack("=HBBI", code, if_true, if_false, value)
