"""What a box shows of the machine: system folders, a few files of /etc, and the tool chains on the PATH.

A list of what is there, never of what is hidden: masks have to know every secret's name, and starting
bubblewrap takes time that grows with the square of the mounts.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Final

SYSTEM: Final = ("/usr", "/bin", "/sbin", "/lib", "/lib32", "/lib64", "/libx32", "/nix/store")

ETC: Final = tuple(
    f"/etc/{name}"
    for name in (
        *("alternatives", "ssl", "pki", "ca-certificates", "ca-certificates.conf", "crypto-policies"),
        *("ld.so.cache", "ld.so.conf", "ld.so.conf.d", "localtime", "timezone", "nsswitch.conf", "services"),
        *("protocols", "mime.types", "host.conf", "gai.conf", "magic", "terminfo", "inputrc", "bash.bashrc"),
        *("os-release", "debian_version", "fonts", "java", "python3", "perl", "lsb-release"),
    )
)

_OF_A_PREFIX: Final = ("bin", "sbin", "lib", "lib32", "lib64", "libexec", "include", "shims", "versions", "plugins")
"""Of an installation in somebody's home only these are shown: beside them may lie credentials."""
_NAMED: Final = {
    "PYENV_ROOT": (*_OF_A_PREFIX, "completions", "pyenv.d", "version"),
    "RUSTUP_HOME": ("toolchains", "settings.toml"),
    "NVM_DIR": ("versions",),
    "JAVA_HOME": ("",),
    "GOROOT": ("",),
    "CONDA_PREFIX": ("",),
    "VIRTUAL_ENV": ("",),
}
_HOME_OF_VENV: Final = re.compile(r"(?m)^home\s*=\s*(.+?)\s*$")


def toolchains(env: Mapping[str, str], home: Path | None) -> tuple[Path, ...]:
    """Folders outside the system's that programs on the PATH need, as far as their places tell."""
    found: dict[Path, None] = {}
    for entry in env.get("PATH", "").split(os.pathsep):
        folder = Path(entry)
        if folder.is_absolute() and _is_there(folder) and folder.is_dir() and not _in_system(folder):
            found.update(dict.fromkeys(_around(folder, home)))
    # the interpreter Captain itself runs in: checks that call it by its whole path are common
    found.update(dict.fromkeys(_around(Path(sys.executable).parent, home)))
    for name, parts in _NAMED.items():
        if (value := env.get(name)) and Path(value).is_absolute():
            found.update(dict.fromkeys(path for part in parts if _shown(path := Path(value, part), home)))
    return _topmost(path for path in found if not _in_system(path))


def _around(folder: Path, home: Path | None) -> Iterator[Path]:
    yield folder
    prefix = folder.parent
    if (prefix / "pyvenv.cfg").is_file():
        yield prefix
        yield from _base_of(prefix / "pyvenv.cfg", home)
    elif home is None or not prefix.is_relative_to(home):
        if folder.name in ("bin", "sbin") and (prefix / "lib").is_dir() and _shown(prefix, home):
            yield prefix
    elif prefix != home and (prefix / "lib").is_dir():
        yield from (path for part in _OF_A_PREFIX if (path := prefix / part).exists())
    for name in ("python3", "node"):  # a link in a folder of links leads to where its libraries lie
        real = (folder / name).resolve()
        if real.is_file() and real.parent != folder and not _in_system(real):
            yield from (path for part in _OF_A_PREFIX if (path := real.parent.parent / part).exists())


def _base_of(config: Path, home: Path | None) -> Iterator[Path]:
    """Where the interpreter of a virtual environment comes from."""
    try:
        named = _HOME_OF_VENV.search(config.read_text("utf-8", "replace"))
    except OSError:
        return
    if named and _shown(base := Path(named[1]).parent, home) and not _in_system(base):
        yield from (path for part in _OF_A_PREFIX if (path := base / part).exists())


def _shown(path: Path, home: Path | None) -> bool:
    """Never a whole home, nor a folder that one lies in."""
    return path.is_absolute() and _is_there(path) and path != Path("/") and not (home and home.is_relative_to(path))


def _is_there(path: Path) -> bool:
    """For this process: the PATH of another user may name folders it cannot look into."""
    try:
        return path.exists()
    except OSError:
        return False


def _in_system(path: Path) -> bool:
    return any(path.is_relative_to(folder) for folder in SYSTEM)


def _topmost(paths: Iterable[Path]) -> tuple[Path, ...]:
    """Without what lies in another of them."""
    kept: list[Path] = []
    for path in sorted(paths):
        if not kept or not path.is_relative_to(kept[-1]):
            kept.append(path)
    return tuple(kept)


def accounts(user: int, group: int, home: str) -> tuple[tuple[str, bytes], ...]:
    """The files of /etc that say who is who, knowing nobody but the box's own user."""
    passwd = f"root:x:0:0:root:/nonexistent:/usr/sbin/nologin\ncaptain:x:{user}:{group}:Captain:{home}:/bin/bash\n"
    groups = f"root:x:0:\ncaptain:x:{group}:\n"
    hosts = "127.0.0.1 localhost box\n::1 localhost\n"
    return (("passwd", passwd.encode()), ("group", groups.encode()), ("hosts", hosts.encode()))
