"""Reads and writes files below one folder and nowhere else, whatever the path or the links on it say.

A path is judged twice, as written and as resolved, since either may lead into `.git` or out of the folder.
This is for a box without walls: a command that swaps a link in between could as well touch the file itself.
"""

from __future__ import annotations

import os
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from captain.core.errors import ToolError


def read_below(root: Path, path: str, limit_bytes: int) -> bytes:
    """Raises `ToolError`."""
    with _explained(path, "read"):
        target = _inside(root, path)
        # a FIFO would block the open, a device could do anything
        file = os.open(target, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW | os.O_CLOEXEC)
        try:
            facts = os.fstat(file)
            _require_regular(facts.st_mode, path)
            if facts.st_size <= limit_bytes:
                with os.fdopen(os.dup(file), "rb") as stream:
                    data = stream.read(limit_bytes + 1)
                if len(data) <= limit_bytes:
                    return data
        finally:
            os.close(file)
    raise ToolError(f"{path} has {facts.st_size} bytes, more than the {limit_bytes} that can be read at once.")


def write_below(root: Path, path: str, data: bytes) -> None:
    """Raises `ToolError`."""
    with _explained(path, "written"):
        target = _inside(root, path)
        mode = None
        with suppress(FileNotFoundError):
            facts = target.lstat()
            _require_regular(facts.st_mode, path)
            mode = stat.S_IMODE(facts.st_mode)
        if target == root:
            raise ToolError(f"{path!r} is the workspace itself, not a file.")
        target.parent.mkdir(parents=True, exist_ok=True)
        _replace(target, data, mode)


def remove_below(root: Path, path: str) -> None:
    """Raises `ToolError`."""
    with _explained(path, "removed"):
        target = _inside(root, str(Path(path).parent)) / Path(path).name
        _inside(root, path)
        mode = target.lstat().st_mode
        if not stat.S_ISLNK(mode):
            _require_regular(mode, path)
        target.unlink()


def _replace(target: Path, data: bytes, mode: int | None) -> None:
    draft = target.parent / f".captain-{secrets.token_hex(6)}.tmp"
    try:
        with draft.open("xb") as stream:
            stream.write(data)
            if mode is not None:
                os.fchmod(stream.fileno(), mode)
        draft.replace(target)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise


def _inside(root: Path, path: str) -> Path:
    if not path:
        raise ToolError("The path is empty.")
    real_root = root.resolve()
    written = Path(os.path.normpath(root / path))
    resolved = (root / path).resolve()
    base = root if written.is_relative_to(root) else real_root
    if not (written.is_relative_to(base) and resolved.is_relative_to(real_root)):
        raise ToolError(f"{path} is outside the workspace; only paths inside it can be used.")
    below = (*written.relative_to(base).parts, *resolved.relative_to(real_root).parts)
    if any(part.casefold() == ".git" for part in below):
        raise ToolError(f"{path} is inside .git, which only git commands may touch.")
    return resolved


def _require_regular(mode: int, path: str) -> None:
    if stat.S_ISDIR(mode):
        raise ToolError(f"{path} is a directory, not a file.")
    if not stat.S_ISREG(mode):
        raise ToolError(f"{path} is not a regular file.")


@contextmanager
def _explained(path: str, done: str) -> Iterator[None]:
    try:
        yield
    except FileNotFoundError:
        raise ToolError(f"{path} does not exist.") from None
    except (NotADirectoryError, FileExistsError):
        raise ToolError(f"{path} has a file where a directory would have to be.") from None
    except OSError as error:
        raise ToolError(f"{path} could not be {done}: {error.strerror or error}.") from None
    except (ValueError, RuntimeError):  # a NUL, a lone surrogate; a loop of links before Python 3.13
        raise ToolError(f"{path!r} is not a path that can be {done}.") from None
