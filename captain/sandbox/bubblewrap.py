"""Walls by bubblewrap and a seccomp filter: namespaces of its own for files, processes, users, IPC and network."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from captain.core.policy import EVERYWHERE, Policy
from captain.sandbox import layout, terms
from captain.sandbox.place import Layers
from captain.sandbox.seccomp import AF_INET, AF_INET6, AF_UNIX
from captain.sandbox.walled import Walls
from captain.sandbox.warden.stage import STAGE

TMP: Final = "/tmp"  # noqa: S108 - inside the box, where it is the box's own
HOME: Final = f"{TMP}/home"
BOX_USER: Final = 64219
"""Whom commands run as when the host is root: a number that nobody has, so that nothing outside is its own."""

_SHARED_MEMORY_BYTES: Final = 256 * 1024 * 1024
_FILTER_AT: Final = 40
_OPTIONS_AT: Final = 41
_NOT_FOUND: Final = """
case $1 in
*/*) [ -e "$1" ] ;;
*) command -v -- "$1" >/dev/null 2>&1 ;;
esac || { printf '%s: command not found\\n' "$1" >&2; exit 127; }
[ -d "$1" ] || exec "$@"
printf '%s: Is a directory\\n' "$1" >&2
exit 126
"""
"""bubblewrap itself ends with 1 whatever is wrong with a command."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """Where a mount comes from in the warden's eyes, and where it is in the box."""

    source: str
    target: str


@dataclass(frozen=True, slots=True, kw_only=True)
class _Spot:
    """Where the copy and the temporary folder are in the warden's eyes."""

    root: str
    tmp: str


def walls(program: Path, place: Path | Layers, policy: Policy) -> Walls:
    """Raises `SandboxError`."""
    root = place.root if isinstance(place, Layers) else place
    user = _user_for()
    env = terms.environment(policy, home=HOME, tmp=TMP)
    scratch = terms.scratch_for(place)
    shown = [*policy.read, *layout.toolchains(env, terms.host_home())]
    staged = [(str(path), f"read-{number}") for number, path in enumerate(shown)] if user else []
    seen = [
        Seen(source=f"{STAGE}/{staged[number][1]}" if user else str(path), target=str(path))
        for number, path in enumerate(shown)
    ]
    if user:
        staged.append((str(scratch), "tmp"))
    spot = _Spot(root=f"{STAGE}/root", tmp=f"{STAGE}/tmp") if user else _Spot(root=str(root), tmp=str(scratch))  # noqa: S108
    inside = user or (os.geteuid() or BOX_USER, os.getegid() or BOX_USER)
    plan = {
        "root": str(root),
        "layers": terms.layers_of(place),
        "namespaces": True,
        "user": user,
        "staged": staged,
        "files": layout.accounts(*inside, HOME),
        "tmp": str(scratch),
        "tmp_bytes": terms.tmp_bytes(policy),
        "listen": terms.PROXY_PORT if policy.network.allowed else 0,
        "landlock": None,
        "filter": terms.call_filter((AF_UNIX, AF_INET, AF_INET6)),
        "rlimits": terms.rlimits(policy),
        **terms.watched(place, policy),
        "options": [_joined(words) for words in _options(place, spot, seen, inside, policy)],
    }
    before = (str(program), "--args", str(_OPTIONS_AT), "--", "/bin/sh", "-c", _NOT_FOUND, "sh")
    return Walls(plan=plan, before=before, env=env, root=root, tmp=TMP, scratch=scratch, network=policy.network)


def _user_for() -> tuple[int, int] | None:
    """Whom a root host becomes for commands; None keeps the host's own user."""
    return None if os.geteuid() else (BOX_USER, BOX_USER)


def _options(
    place: Path | Layers, spot: _Spot, seen: Sequence[Seen], inside: tuple[int, int], policy: Policy
) -> tuple[Sequence[str], Sequence[str]]:
    """bubblewrap's options for an agent's commands, and for the host's own."""
    root = place.root if isinstance(place, Layers) else place
    common = [
        *("--unshare-user", "--uid", str(inside[0]), "--gid", str(inside[1])),
        *("--unshare-ipc", "--unshare-pid", "--unshare-uts", "--unshare-cgroup-try", "--hostname", "box"),
        *("--die-with-parent", "--cap-drop", "ALL", "--disable-userns", "--seccomp", str(_FILTER_AT)),
        *_system(),
        *("--proc", "/proc", "--ro-bind", "/proc/sys", "/proc/sys"),  # bubblewrap leaves it writable for a root host
        *("--dev", "/dev", "--size", str(_SHARED_MEMORY_BYTES), "--tmpfs", "/dev/shm", "--remount-ro", "/dev"),  # noqa: S108
        *("--bind", spot.tmp, TMP, "--bind", spot.tmp, "/var/tmp", "--dir", "/run"),  # noqa: S108
        *(word for one in seen for word in ("--ro-bind", one.source, one.target)),
    ]
    end = ("--remount-ro", "/", "--chdir", str(root))
    free: tuple[str, ...] = ("--bind", spot.root, str(root))
    held = free
    there = place.base if isinstance(place, Layers) else place  # of layers the root is empty outside the box
    if policy.scope == "mount" and EVERYWHERE not in policy.write:
        names = (".git", *policy.write)
        writable = [path for name in names if (path := _below(root, name)) and (there / path).is_dir()]
        held = ("--ro-bind", spot.root, str(root), *_again("--bind", spot, root, writable))
    protected = [path for name in policy.protect if (path := _below(root, name)) and os.path.lexists(there / path)]
    return (*common, *held, *_again("--ro-bind", spot, root, protected), *end), (*common, *free, *end)


def _system() -> Iterator[str]:
    for path in map(Path, layout.SYSTEM):
        if path.is_symlink():
            yield from ("--symlink", str(path.readlink()), str(path))
        elif path.is_dir():
            yield from ("--ro-bind", str(path), str(path))
    for path in map(Path, layout.ETC):
        yield from ("--ro-bind", str(path), str(path)) if path.exists() else ()
    for name in ("passwd", "group", "hosts"):
        yield from ("--ro-bind", f"{STAGE}/{name}", f"/etc/{name}")


def _again(how: str, spot: _Spot, root: Path, paths: Iterable[Path]) -> Iterator[str]:
    """Parts of the copy mounted once more, over it, in another way."""
    for path in paths:
        yield from (how, f"{spot.root}/{path}", str(root / path))


def _below(root: Path, name: str) -> Path | None:
    """Relative to the root; None for what is not below it."""
    path = Path(os.path.normpath(root / name))
    return path.relative_to(root) if path != root and path.is_relative_to(root) else None


def _joined(options: Sequence[str]) -> bytes:
    """Handed over where `ps` in the box does not show them."""
    return b"".join(os.fsencode(word) + b"\0" for word in options)
