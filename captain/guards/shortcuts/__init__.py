"""The shortcut guard: changes that make a check pass without doing the work, found by rules on the diff."""

from captain.guards.shortcuts.find import find_shortcuts
from captain.guards.shortcuts.guard import ShortcutGuard
from captain.guards.shortcuts.rules import RULES, Rule
from captain.guards.shortcuts.values import FileChange, Shortcut

__all__ = ["RULES", "FileChange", "Rule", "Shortcut", "ShortcutGuard", "find_shortcuts"]
