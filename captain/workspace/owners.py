"""Who a copy belongs to, and whether its host still lives: an owner file beside the copy, locked while it is in use.

The kernel frees the lock however the host ends. A process id would not do: it may be another's by now.
"""

from __future__ import annotations

import fcntl
import json
import os
import secrets
import time
from collections.abc import Collection
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final, Literal, TypeAlias

Kind: TypeAlias = Literal["copy", "layers", "base"]

_SUFFIX: Final = ".owner"
_LEFT_S: Final = 1.0
_LOOK_S: Final = 0.02
_BASE: Final = "@base-"  # no workspace can have such a name


@dataclass(frozen=True, slots=True, kw_only=True)
class Owner:
    """`made_at` is ISO 8601. What is left in a `scratch` copy is nobody's work and need not be saved.

    `kind` says what lies beside the file: a whole copy, the layers of one, or a base snapshot. `on` is the
    name of the base snapshot that layers stand on.
    """

    run: str
    name: str
    base: str
    repository: str
    made_at: str
    scratch: bool
    kind: Kind = "copy"
    on: str = ""


class Claim:
    """A locked owner file; `copy` is the folder it speaks for, `draft` that folder before it is complete."""

    def __init__(self, file: Path, descriptor: int, owner: Owner | None) -> None:
        name = file.name.removesuffix(_SUFFIX)
        self.copy = _copy_beside(file)
        self.draft = file.with_name(f"{name}.draft")
        self.owner = owner
        self._file = file
        self._descriptor = descriptor

    def discard(self) -> None:
        """For when the copy is gone: the file goes too, and the run's folder with its last copy."""
        self._file.unlink(missing_ok=True)
        with suppress(OSError):  # other copies are still in it
            self._file.parent.rmdir()
        self.release()

    def release(self) -> None:
        os.close(self._descriptor)


def claim_new(folder: Path, owner: Owner) -> Claim | None:
    """None if there is such a copy already."""
    file = folder / owner.run / f".{owner.name}{_SUFFIX}"
    while True:
        with suppress(FileExistsError):  # also when it was there and is gone a moment later
            file.parent.mkdir(mode=0o700, parents=True)  # other accounts have no business in a copy
        try:
            descriptor = os.open(file, os.O_RDWR | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        except FileExistsError:
            return None
        except FileNotFoundError:  # another copy of the run was its last, and took the folder along
            continue
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        if _is_at(file, descriptor):
            os.write(descriptor, json.dumps(asdict(owner)).encode())
            return Claim(file, descriptor, owner)
        os.close(descriptor)


def base_name(commit: str) -> str:
    """Of a new base snapshot; never that of another, so that what a killed host left is not in the way."""
    return f"{_BASE}{commit[:12]}-{secrets.token_hex(4)}"


def claim_abandoned(folder: Path, runs: Collection[str] | None = None, *, held: str = "") -> list[Claim]:
    """Claims to all copies whose host is gone; what has no owner file is left alone, and so is what is in use.

    `held` is a run that the caller holds: none of its copies can have a living host, and a lock on one is that of a
    command which the last host was about to start when it ended. For such a lock this waits, for a second at most.
    """
    until = time.monotonic() + _LEFT_S
    claims = []
    for file in _owner_files(folder, runs):
        if not _is_base(file):
            claim = _claim(file)
            while claim is None and file.parent.name == held and file.exists() and time.monotonic() < until:
                time.sleep(_LOOK_S)
                claim = _claim(file)
            claims.append(claim)
    return [claim for claim in claims if claim]


def claim_unused_bases(folder: Path, runs: Collection[str] | None = None) -> list[Claim]:
    """Claims to base snapshots whose host is gone and on which no copy stands any more, not even an abandoned one."""
    claims = (_claim(file) for file in _owner_files(folder, runs) if _is_base(file) and not _is_stood_on(file))
    return [claim for claim in claims if claim]


@dataclass(frozen=True, slots=True, kw_only=True)
class Left:
    """An owner file as it was found, nothing claimed. `owner` is None if its host had not yet written into it."""

    copy: Path
    owner: Owner | None
    alive: bool


def survey(folder: Path) -> tuple[Left, ...]:
    """All that lies below `folder`, and whether its host lives."""
    return tuple(left for file in _owner_files(folder) if (left := _seen(file)))


def _seen(file: Path) -> Left | None:
    try:
        descriptor = os.open(file, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
    except OSError:
        return None
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        alive = False
    except BlockingIOError:
        alive = True
    try:
        return Left(copy=_copy_beside(file), owner=_owner_in(descriptor), alive=alive)
    finally:
        os.close(descriptor)


def _owner_files(folder: Path, runs: Collection[str] | None = None) -> list[Path]:
    files = sorted(folder.resolve().glob(f"*/.*{_SUFFIX}"))
    return [file for file in files if runs is None or file.parent.name in runs]


def _copy_beside(file: Path) -> Path:
    return file.with_name(file.name.removesuffix(_SUFFIX).removeprefix("."))


def _is_base(file: Path) -> bool:
    return file.name.startswith(f".{_BASE}")


def _is_stood_on(file: Path) -> bool:
    name = _copy_beside(file).name
    for other in file.parent.glob(f".*{_SUFFIX}"):
        with suppress(OSError):
            descriptor = os.open(other, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
            try:
                owner = _owner_in(descriptor)
            finally:
                os.close(descriptor)
            if owner is not None and owner.on == name:
                return True
    return False


def _claim(file: Path) -> Claim | None:
    try:
        descriptor = os.open(file, os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW)
    except OSError:
        return None
    with suppress(BlockingIOError):
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        if _is_at(file, descriptor):
            return Claim(file, descriptor, _owner_in(descriptor))
    os.close(descriptor)
    return None


def _owner_in(descriptor: int) -> Owner | None:
    """None if the host was gone before it had written who it was."""
    with os.fdopen(os.dup(descriptor), "rb") as stream:
        try:
            return Owner(**json.loads(stream.read()))
        except (ValueError, TypeError):
            return None


def _is_at(file: Path, descriptor: int) -> bool:
    """Whether the file was not removed, and perhaps made anew, before the lock on it was ours."""
    try:
        return os.path.samestat(file.stat(), os.fstat(descriptor))
    except FileNotFoundError:
        return False
