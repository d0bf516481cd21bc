"""Who a copy belongs to, and whether its host still lives: an owner file beside the copy, locked while it is in use.

The kernel frees the lock however the host ends. A process id would not do: it may be another's by now.
"""

from __future__ import annotations

import fcntl
import json
import os
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Final

_SUFFIX: Final = ".owner"


@dataclass(frozen=True, slots=True, kw_only=True)
class Owner:
    """`made_at` is ISO 8601. What is left in a `scratch` copy is nobody's work and need not be saved."""

    run: str
    name: str
    base: str
    repository: str
    made_at: str
    scratch: bool


class Claim:
    """A locked owner file; `copy` is the folder it speaks for, `draft` that folder before it is complete."""

    def __init__(self, file: Path, descriptor: int, owner: Owner | None) -> None:
        name = file.name.removesuffix(_SUFFIX)
        self.copy = file.with_name(name.removeprefix("."))
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
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
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


def claim_abandoned(folder: Path) -> list[Claim]:
    """Claims to all copies whose host is gone; what has no owner file is left alone, and so is what is in use."""
    claims = (_claim(file) for file in sorted(folder.resolve().glob(f"*/.*{_SUFFIX}")))
    return [claim for claim in claims if claim]


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
