"""Makes what commands will stand on: namespaces, the layered copy, a temporary folder, a Landlock ruleset.

The mounts made here are seen by the warden and by what it starts, by nothing else. They are gathered below
one folder, because a box whose host is root runs as another user, who could not pass through the folders
that lead to the copy.
"""

from __future__ import annotations

import _socket
import fcntl
import os
import struct

from . import kernel

STAGE = "/sys"
"""Where the mounts are gathered: a folder that is there on every Linux and that no box shows."""


def build(plan: dict) -> list[int]:
    """The descriptors the host gets: the root of the copy, the temporary folder, the listening socket if wanted."""
    if plan["namespaces"]:
        enter_namespaces()
        _gather(plan)
    os.mkdir(f"{plan['tmp']}/home", 0o700)
    if plan["user"]:
        os.chown(f"{plan['tmp']}/home", *plan["user"])
    shared = [os.open(plan["root"], os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)]
    shared.append(os.open(plan["tmp"], os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC))
    if plan["listen"]:
        shared.append(_listener(plan["listen"]))
    if plan["landlock"]:
        plan["rulesets"] = [_ruleset(plan["landlock"], rules) for rules in plan["landlock"]["rules"]]
    kernel.hide_memory()
    return shared


def enter_namespaces() -> None:
    flags = kernel.NEWNS | kernel.NEWNET | kernel.NEWIPC
    user, group = os.geteuid(), os.getegid()
    if user:
        kernel.unshare(flags | kernel.NEWUSER)
        map_self(user, group)
    else:
        kernel.unshare(flags)
    kernel.mount("none", "/", flags=kernel.RECURSIVE | kernel.PRIVATE)
    _raise_loopback()


def map_self(user: int, group: int) -> None:
    """In a new user namespace: the same numbers as outside, and no others."""
    for name, text in (("setgroups", "deny"), ("uid_map", f"{user} {user} 1"), ("gid_map", f"{group} {group} 1")):
        descriptor = os.open(f"/proc/self/{name}", os.O_WRONLY | os.O_CLOEXEC)
        try:
            os.write(descriptor, text.encode())
        finally:
            os.close(descriptor)


def _raise_loopback() -> None:
    """Servers that a command starts for its own tests are to be reached."""
    probe = _socket.socket(_socket.AF_INET, _socket.SOCK_DGRAM)
    try:
        fcntl.ioctl(probe.fileno(), 0x8914, struct.pack("16sh14x", b"lo", 0x1))  # SIOCSIFFLAGS, IFF_UP
    finally:
        probe.close()


def _gather(plan: dict) -> None:
    root, layers = plan["root"], plan["layers"]
    if layers:
        lay(root, layers)
    if plan["landlock"]:
        _hold_still(root)
    size = f"size={plan['tmp_bytes']},nr_inodes={plan['tmp_bytes'] // 4096}"
    kernel.mount("captain", plan["tmp"], "tmpfs", kernel.NOSUID_NODEV, f"{size},mode=0700")
    if plan["landlock"]:
        size += ",mode=1777"
        kernel.mount("captain", "/dev/shm", "tmpfs", kernel.NOSUID_NODEV, size)
        return
    kernel.mount("captain", STAGE, "tmpfs", kernel.NOSUID_NODEV, "mode=0755")
    if plan["user"]:
        os.chown(plan["tmp"], *plan["user"])
        _lend_root(plan, root)
    for source, name in plan["staged"]:
        _lend(plan, source, f"{STAGE}/{name}")
    for name, content in plan["files"]:
        with open(f"{STAGE}/{name}", "wb") as file:
            file.write(content)


def lay(root: str, layers: dict) -> None:
    base, upper, work = (_escaped(layers[name]) for name in ("base", "upper", "work"))
    options = f"lowerdir={base},upperdir={upper},workdir={work}" + (",userxattr" if os.geteuid() else "")
    kernel.mount("captain", root, "overlay", kernel.NOSUID_NODEV, options)


def _hold_still(root: str) -> None:
    """All that is mounted becomes read-only but the root: Landlock has no rule about modes, owners and times."""
    tree = kernel.detached(root)
    try:
        kernel.read_only_below("/")
        kernel.attach(tree, root)
    finally:
        os.close(tree)


def _lend_root(plan: dict, root: str) -> None:
    """A copy made for the box's user is its own already; of any other folder, what root owns is shown as that user's.

    Where the file system cannot do that, commands stay root to the kernel, without any of root's rights.
    """
    os.mkdir(f"{STAGE}/root")
    if os.stat(root).st_uid == plan["user"][0]:
        kernel.mount(root, f"{STAGE}/root", flags=kernel.BIND | kernel.RECURSIVE)
        return
    try:
        _attach_as(plan["user"], root, f"{STAGE}/root")
    except OSError:
        kernel.mount(root, f"{STAGE}/root", flags=kernel.BIND | kernel.RECURSIVE)
        os.chown(plan["tmp"], 0, 0)
        plan["user"] = None


def _attach_as(owner: tuple, source: str, target: str) -> None:
    """Shows `source` at `target` with what root owns as that user's. Raises `OSError` where that cannot be done."""
    user, group = owner
    users = _namespace(f"0 {user} 1", f"0 {group} 1")
    try:
        tree = kernel.detached(source)
        try:
            kernel.own_as(tree, users)
            kernel.attach(tree, target)
        finally:
            os.close(tree)
    finally:
        os.close(users)


def _namespace(users: str, groups: str) -> int:
    """A descriptor of a user namespace with these maps."""
    waiting, done = os.pipe()
    entered, entering = os.pipe()
    pid = os.fork()
    if pid == 0:
        os.close(done)
        kernel.unshare(kernel.NEWUSER)
        os.write(entering, b"x")
        os.read(waiting, 1)
        os._exit(0)
    os.close(waiting)
    os.close(entering)
    try:
        os.read(entered, 1)
        for name, text in (("uid_map", users), ("gid_map", groups)):
            descriptor = os.open(f"/proc/{pid}/{name}", os.O_WRONLY | os.O_CLOEXEC)
            try:
                os.write(descriptor, text.encode())
            finally:
                os.close(descriptor)
        return os.open(f"/proc/{pid}/ns/user", os.O_RDONLY | os.O_CLOEXEC)
    finally:
        os.close(done)
        os.close(entered)
        os.waitpid(pid, 0)


def _lend(plan: dict, source: str, target: str) -> None:
    """What root keeps to itself is shown as the box's user's own: granted is granted, and it is mounted read-only."""
    facts = os.stat(source)
    if os.path.isdir(source):
        os.mkdir(target)
    else:
        os.close(os.open(target, os.O_CREAT | os.O_WRONLY | os.O_CLOEXEC))
    if plan["user"] and source != plan["tmp"] and facts.st_uid == 0 and not facts.st_mode & 0o004:
        try:
            _attach_as(plan["user"], source, target)
        except OSError:  # this file system cannot do that: it stays as readable as it is
            pass
        else:
            return
    kernel.mount(source, target, flags=kernel.BIND | kernel.RECURSIVE)


def _escaped(path: str) -> str:
    """In the options of an overlay a backslash, a colon and a comma mean something."""
    return "".join(f"\\{char}" if char in "\\:," else char for char in path)


def _listener(port: int) -> int:
    """A socket in the box's own network, which the host accepts from."""
    listener = _socket.socket(_socket.AF_INET, _socket.SOCK_STREAM)
    listener.setsockopt(_socket.SOL_SOCKET, _socket.SO_REUSEADDR, 1)
    listener.bind(("127.0.0.1", port))
    listener.listen(128)
    return listener.detach()


def _ruleset(wanted: dict, rules: list[tuple[int, str]]) -> int:
    ruleset = kernel.landlock_ruleset(wanted["files"], 0, wanted["scoped"])
    for access, path in rules:
        try:
            descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
        except OSError:  # not there: nothing to allow
            continue
        try:
            granted = access if os.path.isdir(path) else access & _FILE_ACCESS
            kernel.landlock_allow(ruleset, granted & wanted["files"], descriptor)
        finally:
            os.close(descriptor)
    return ruleset


_FILE_ACCESS = 0x1 | 0x2 | 0x4 | 0x4000 | 0x8000
"""Execute, write, read, truncate, device control: all that a rule for a single file may name."""
