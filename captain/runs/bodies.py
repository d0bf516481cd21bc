"""Large bodies as files beside the database, each named by the digest of what it holds.

SQLite rewrites a large value page by page through its log and again at a checkpoint; a file is written once, and
what two steps gave alike is kept once. A file is whole and durable before a row speaks of it.
"""

from __future__ import annotations

import hashlib
import os
import secrets
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import Final

from captain.core.errors import JournalError

LIMIT_BYTES: Final = 64 * 1024
"""A body that is larger goes into a file."""

_SUFFIX: Final = ".json"
_DRAFT: Final = ".draft-"


class Bodies:
    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @classmethod
    def beside(cls, journal: Path) -> Bodies:
        return cls(journal.with_name(f"{journal.stem}.bodies"))

    def keep(self, data: bytes) -> str:
        """The digest it can be read by. Raises `OSError`. The caller holds the journal's write lock."""
        digest = hashlib.sha256(data).hexdigest()
        path = self._path(digest)
        with suppress(FileNotFoundError):
            if path.read_bytes() == data:  # and not what a failing disk has left of it
                return digest
        self.folder.mkdir(mode=0o700, exist_ok=True)
        draft = self.folder / f"{_DRAFT}{secrets.token_hex(8)}"
        try:
            with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600), "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            draft.replace(path)
        except BaseException:
            draft.unlink(missing_ok=True)
            raise
        _sync_folder(self.folder)
        return digest

    def read(self, digest: str) -> str:
        """Raises `JournalError` if the file is gone or is not what was written."""
        path = self._path(digest)
        try:
            data = path.read_bytes()
        except OSError as error:
            raise _lost(path, f"cannot be read: {error.strerror}") from error
        if hashlib.sha256(data).hexdigest() != digest:
            raise _lost(path, "is not what was written: it was cut off or changed")
        return data.decode()

    def digests(self) -> Iterator[tuple[str, int]]:
        """Of every file, with its size in bytes; drafts that a killed process left are among them."""
        with suppress(FileNotFoundError):
            for path in self.folder.iterdir():
                yield path.name.removesuffix(_SUFFIX), path.stat().st_size

    def remove(self, digest: str) -> None:
        """The caller holds the journal's write lock, and no row speaks of it."""
        draft = digest.startswith(_DRAFT)
        (self.folder / digest if draft else self._path(digest)).unlink(missing_ok=True)

    def _path(self, digest: str) -> Path:
        return self.folder / f"{digest}{_SUFFIX}"


def _lost(path: Path, what: str) -> JournalError:
    return JournalError(
        f"A part of the record, {path}, {what}.",
        hint="Put the file back from a backup; other steps and other runs are not affected.",
    )


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
