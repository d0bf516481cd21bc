"""The shortcut guard as a value that can be used alone, in the manner of the scope guard."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from captain.guards.shortcuts.find import find_shortcuts
from captain.guards.shortcuts.values import FileChange, Shortcut


@dataclass(frozen=True, slots=True, kw_only=True)
class ShortcutGuard:
    """Decides over changed files. `allowed` are ids of rules that are not applied."""

    allowed: frozenset[str] = frozenset()

    def shortcuts(self, files: Iterable[FileChange]) -> tuple[Shortcut, ...]:
        return tuple(one for one in find_shortcuts(files) if one.rule not in self.allowed)

    def blocking(self, files: Iterable[FileChange]) -> tuple[Shortcut, ...]:
        """Those that stop a change; the others ask for a reason."""
        return tuple(one for one in self.shortcuts(files) if one.blocks)
