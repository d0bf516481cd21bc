"""An agent's files, kept in step with its record: as they were after the last tool call that is on record.

When a run is resumed the copy is a new one. What its files were is brought back just before the first call that is
not on record, so that what had begun and was cut off happens to the files it began with.
"""

from __future__ import annotations

import anyio

from captain.workspace import Workspace


class Checkpoints:
    """Of one agent in one workspace."""

    def __init__(self, workspace: Workspace) -> None:
        self._workspace = workspace
        self._behind: str | None = None
        self._turn = anyio.Lock()

    def remembered(self, commit: str) -> None:
        """A call on record left the files as in this commit."""
        self._behind = commit

    async def catch_up(self) -> None:
        """Brings the files to where the record is. Raises `WorkspaceError`."""
        async with self._turn:
            if self._behind is not None:
                await self._workspace.reset(self._behind)
                self._behind = None

    async def take(self) -> str | None:
        """The commit of the files as they are; None if they cannot be handed back as they are."""
        return await self._workspace.checkpoint()
