"""Looking at history with git, by those of its commands that change nothing.

A list of commands is not enough: some of their options write a file, start a program, or read files
outside the repository, and an agent that only reviews must be able to do none of that.
"""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from typing import Annotated, Final

from captain.core.errors import ToolError
from captain.tools.base import ToolContext, ToolOutput, said, tool
from captain.tools.shell import describe

_COMMANDS: Final = frozenset(
    {
        "blame",
        "cat-file",
        "describe",
        "diff",
        "grep",
        "log",
        "ls-files",
        "ls-tree",
        "rev-parse",
        "shortlog",
        "show",
        "status",
    }
)

_OPTIONS: Final = (
    "--output",  # writes a file
    *("--open-files-in-pager", "--ext-diff", "--show-signature"),  # start a program
    *("--no-index", "--contents", "--ignore-revs-file"),  # read any file
)
_LONGER_OPTIONS: Final = {"--exclude-from": len("--exclude-f")}  # reads any file; `--exclude` is another option
_SIGNATURE: Final = re.compile(r"%[-+ ]?G")  # in a format: starts gpg
_EXACT_OPTIONS: Final = frozenset({"--textconv", "--filters"})  # start a program; `--text` is another option
_SHORT: Final = {
    "grep": re.compile(r"-[^-eABCm]*[Of]"),  # a program for what was found; patterns from any file
    "blame": re.compile(r"-[^-LMC]*S"),  # revisions from any file
    "ls-files": re.compile(r"-[^-x]*X"),  # patterns from any file
}
_ORDER_FILE: Final = re.compile(r"-O")
_LEAST_PREFIX: Final = len("--x")

# Settings of the repository that name programs: a command that only looks starts none of them.
_SETTINGS: Final = ("--no-optional-locks", "--no-pager", "-c", "core.fsmonitor=false", "-c", "log.showSignature=false")
_SAFE: Final = {
    "diff": ("--no-ext-diff", "--no-textconv"),
    "log": ("--no-ext-diff", "--no-textconv"),
    "show": ("--no-ext-diff", "--no-textconv"),
    "blame": ("--no-textconv",),
    "grep": ("--no-textconv",),
}


@tool(effect="read")
async def git(
    context: ToolContext,
    arguments: Annotated[list[str], "A read-only git command and its options, such as ['log', '-5', '--stat']."],
) -> ToolOutput:
    """Runs a read-only git command: log, show, diff, blame, status and the like."""
    if not arguments or arguments[0] not in _COMMANDS:
        raise ToolError(f"Only these git commands can be used here: {', '.join(sorted(_COMMANDS))}.")
    command, *rest = arguments
    for argument in rest:
        if _reaches_out(command, argument):
            raise ToolError(
                f"git {command} cannot be used with {argument!r} here: options that write files, start programs "
                "or read files outside the repository are not allowed."
            )
    if command == "diff":
        _refuse_paths_outside(rest)
    limit_s = min(60.0, context.command_timeout_s)
    argv = ["git", *_SETTINGS, command, *_SAFE.get(command, ()), *rest]
    result = await context.box.run(argv, timeout_s=limit_s)
    return said(describe(result, limit_s))


def _reaches_out(command: str, argument: str) -> bool:
    if argument.startswith("--"):
        if _SIGNATURE.search(argument):
            return True
        name = argument.partition("=")[0]  # which git lets one abbreviate
        short_for = len(name) >= _LEAST_PREFIX and any(option.startswith(name) for option in _OPTIONS)
        longer = any(len(name) >= least and each.startswith(name) for each, least in _LONGER_OPTIONS.items())
        return short_for or longer or name in _EXACT_OPTIONS
    return bool(_SHORT.get(command, _ORDER_FILE).match(argument))


def _refuse_paths_outside(arguments: Sequence[str]) -> None:
    """`git diff` compares any two files of the machine as soon as one of them is outside the repository."""
    for argument in arguments:
        path = os.path.normpath(argument)
        if path.startswith("/") or path.split("/")[0] == "..":
            raise ToolError(f"{argument!r} is outside the repository; only what is inside can be compared.")
