"""Project memory: what a repository tells agents about itself in AGENTS.md and CLAUDE.md.

It is read from the base commit, never from the work tree, and handed on as quoted data.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import Final

from captain.workspace import Repository

NAMES: Final = ("AGENTS.md", "CLAUDE.md")
"""In this order where one folder has both."""

LIMIT_BYTES: Final = 32_000


@dataclass(frozen=True, slots=True, kw_only=True)
class MemoryFile:
    path: str
    text: str
    cut: bool

    def quoted(self) -> str:
        note = f" (its first {LIMIT_BYTES} bytes)" if self.cut else ""
        return f"From `{self.path}`{note}:\n\n" + "\n".join(f"> {line}" for line in self.text.splitlines())


@dataclass(frozen=True, slots=True, kw_only=True)
class ProjectMemory:
    files: tuple[MemoryFile, ...] = ()

    @classmethod
    async def read(cls, repository: Repository, commit: str, files: Iterable[str]) -> ProjectMemory:
        found = []
        for path in sorted(path for path in files if PurePosixPath(path).name in NAMES):
            data = await repository.read(commit, path, limit_bytes=LIMIT_BYTES + 1)
            if data:
                text = data[:LIMIT_BYTES].decode("utf-8", "replace")
                found.append(MemoryFile(path=path, text=text, cut=len(data) > LIMIT_BYTES))
        return cls(files=tuple(found))

    def nearest(self, paths: Iterable[str] = ()) -> str:
        """The notes that hold for work in `paths`: for each, those of the nearest folder that has any."""
        by_folder: dict[PurePosixPath, MemoryFile] = {}
        by_rank = sorted(self.files, key=lambda file: NAMES.index(PurePosixPath(file.path).name), reverse=True)
        for file in by_rank:
            by_folder[PurePosixPath(file.path).parent] = file
        chosen: dict[str, MemoryFile] = {}
        for path in paths or [""]:
            folder = PurePosixPath(path.lstrip("/!"))
            for candidate in (folder, *folder.parents):
                if candidate in by_folder:
                    chosen.setdefault(by_folder[candidate].path, by_folder[candidate])
                    break
        return "\n\n".join(file.quoted() for file in chosen.values())
