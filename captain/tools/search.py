"""Finding files and text in the workspace, with git's own eyes: what is ignored stays out."""

from __future__ import annotations

from typing import Annotated, Final

from captain.core.errors import ToolError
from captain.tools.base import ToolContext, ToolOutput, said, tool

_TIMEOUT_S: Final = 60.0
_NO_MATCH: Final = 1


@tool(effect="read", name="list")
async def list_files(
    context: ToolContext,
    path: Annotated[str, "A folder or a git pathspec such as 'src' or '*.py'; everything if empty."] = "",
    limit: Annotated[int, "How many paths to show at most."] = 300,
) -> ToolOutput:
    """Lists the files of the repository, without those that git ignores."""
    argv = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard", "--deduplicate", "--"]
    result = await context.box.run([*argv, path or "."], timeout_s=_TIMEOUT_S)
    if result.exit_code != 0:
        raise ToolError(f"The files under {path!r} cannot be listed: {result.text.strip()}")
    paths = sorted(filter(None, result.text.split("\0")))
    if not paths:
        return said(f"No file matches {path!r}.")
    limit = max(limit, 1)
    more = len(paths) - limit
    return said("\n".join(paths[:limit]) + (f"\n({more} more; ask for a narrower path)" if more > 0 else ""))


@tool(effect="read")
async def search(
    context: ToolContext,
    pattern: Annotated[str, "A POSIX extended regular expression."],
    path: Annotated[str, "A folder or a git pathspec to search in; everything if empty."] = "",
    *,
    context_lines: Annotated[int, "Lines to show around each match."] = 0,
    ignore_case: bool = False,
    limit: Annotated[int, "How many lines to show at most."] = 200,
) -> ToolOutput:
    """Searches the text of all files that git does not ignore; gives path:line:text."""
    argv = ["git", "grep", "-n", "-I", "-E", "--untracked", "--no-color", f"-C{max(0, min(context_lines, 20))}"]
    argv += ["-i"] if ignore_case else []
    result = await context.box.run([*argv, "-e", pattern, "--", path or "."], timeout_s=_TIMEOUT_S)
    if result.exit_code == _NO_MATCH and not result.output:
        return said(f"No line matches {pattern!r}.")
    if result.exit_code != 0:
        raise ToolError(f"The search for {pattern!r} failed: {result.text.strip() or 'it took too long'}")
    lines = [line[:400] for line in result.text.removesuffix("\n").split("\n")]  # as git counts them
    limit = max(limit, 1)
    more = len(lines) - limit
    return said(
        "\n".join(lines[:limit]) + (f"\n({more} more lines; search for something narrower)" if more > 0 else "")
    )
