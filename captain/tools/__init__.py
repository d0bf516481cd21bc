"""The tools agents use, and how to make one."""

from typing import Literal

from captain.tools.apply_patch import apply_patch
from captain.tools.base import Effect, FunctionTool, Tool, ToolContext, ToolOutput, said, tool
from captain.tools.fetch import fetch_tool, web_tools
from captain.tools.files import edit, read, write
from captain.tools.git import git
from captain.tools.notes import follow_up
from captain.tools.search import list_files, search
from captain.tools.shell import clip, shell

READING: tuple[Tool, ...] = (read, list_files, search, git)
"""Look, change nothing."""

WORKING: tuple[Tool, ...] = (*READING, edit, write, shell, follow_up)
"""What a Build agent works with, if it edits by replacing text."""


def working(edit_dialect: Literal["replace", "patch"]) -> tuple[Tool, ...]:
    """What a Build agent works with, in the way of editing that its model is trained on."""
    if edit_dialect == "replace":
        return WORKING
    return tuple(apply_patch if each is edit else each for each in WORKING)


__all__ = [
    "READING",
    "WORKING",
    "Effect",
    "FunctionTool",
    "Tool",
    "ToolContext",
    "ToolOutput",
    "apply_patch",
    "clip",
    "edit",
    "fetch_tool",
    "follow_up",
    "git",
    "list_files",
    "read",
    "said",
    "search",
    "shell",
    "tool",
    "web_tools",
    "working",
    "write",
]
