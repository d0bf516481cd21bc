"""The commits a loop works with, as a reader of findings needs them: files, texts, and where lines went."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from captain.core.cases import Anchor
from captain.review.anchors import anchor_at
from captain.review.linemap import TreeMap
from captain.workspace import Repository

_FILE_BYTES = 2 * 1024 * 1024


class Trees:
    """Remembers what it has read: a commit does not change."""

    def __init__(self, repository: Repository) -> None:
        self._repository = repository
        self._files: dict[str, frozenset[str]] = {}
        self._texts: dict[tuple[str, str], str | None] = {}
        self._maps: dict[tuple[str, str], TreeMap] = {}

    async def files(self, commit: str) -> frozenset[str]:
        if commit not in self._files:
            self._files[commit] = frozenset(await self._repository.files(commit))
        return self._files[commit]

    async def text(self, commit: str, path: str) -> str | None:
        """A file's text; None if there is no such file, or if it is no text."""
        if (commit, path) not in self._texts:
            data = await self._repository.read(commit, path, limit_bytes=_FILE_BYTES)
            is_text = data is not None and b"\0" not in data
            self._texts[commit, path] = data.decode("utf-8", "replace") if data is not None and is_text else None
        return self._texts[commit, path]

    async def between(self, old: str, new: str) -> TreeMap:
        if (old, new) not in self._maps:
            diff = "" if old == new else await self._repository.diff(old, new)
            self._maps[old, new] = TreeMap.from_diff(diff)
        return self._maps[old, new]

    async def carried(self, anchor: Anchor, old: str, new: str) -> Anchor | None:
        """Where a place in one tree is in another; None if its code is gone."""
        there = (await self.between(old, new)).forward(anchor.path, anchor.line)
        if there is None:
            return None
        path, line = there
        text = await self.text(new, path)
        return anchor_at(path, text, line, anchor.lines) if text is not None else None

    async def written_by(self, anchor: Anchor, history: Sequence[str]) -> str | None:
        """The last of `history`, commits one on top of the other, that wrote a line of a place in the last of them.

        The first is where history begins: what was there already was written by none of them (None).
        """
        lines = {(anchor.path, anchor.line + step) for step in range(anchor.lines)}
        for older, newer in reversed(list(pairwise(history))):
            between = await self.between(older, newer)
            before = {between.backward(path, line) for path, line in lines}
            if None in before:
                return newer
            lines = {place for place in before if place is not None}
        return None
