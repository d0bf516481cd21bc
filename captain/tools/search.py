"""Finding files and text in the workspace, with git's own eyes: what is ignored stays out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, Final

from captain.core.errors import ToolError
from captain.tools.base import ToolContext, ToolOutput, said, tool
from captain.tools.grep import FILES_BYTES, SEARCH_S, Line, Query, grep, listing

_LINE_CHARS: Final = 400
_CONTEXT_LINES: Final = 20


@tool(effect="read", name="list")
async def list_files(
    context: ToolContext,
    path: Annotated[str, "A folder or a git pathspec such as 'src' or '*.py'; everything if empty."] = "",
    limit: Annotated[int, "How many paths to show at most."] = 300,
) -> ToolOutput:
    """Lists the files of the repository, without those that git ignores."""
    result = await context.box.run(listing(path or "."), timeout_s=SEARCH_S, limit_bytes=FILES_BYTES)
    if result.exit_code != 0:
        raise ToolError(f"The files under {path!r} cannot be listed: {result.text.strip()}")
    paths = sorted(filter(None, result.text.split("\0")))
    if not paths:
        return said(f"No file matches {path!r}.")
    return said(_first(paths, limit, "more; ask for a narrower path"))


@tool(effect="read")
async def search(
    context: ToolContext,
    pattern: Annotated[str, "A Perl-compatible regular expression, matched within a line."],
    path: Annotated[str, "A folder or a git pathspec to search in; everything if empty."] = "",
    *,
    context_lines: Annotated[int, "Lines to show around each match."] = 0,
    ignore_case: bool = False,
    limit: Annotated[int, "How many lines to show at most."] = 200,
) -> ToolOutput:
    """Searches the text of all files that git does not ignore; gives path:line:text."""
    around = max(0, min(context_lines, _CONTEXT_LINES))
    query = Query(pattern=pattern, path=path, context_lines=around, ignore_case=ignore_case)
    found = await grep(context.box, query)
    note = f"(The pattern was taken for {found.dialect}.)\n" if found.dialect else ""
    if not found.lines:
        return said(f"{note}No line matches {pattern!r}.")
    more = "more lines; search for something narrower"
    shown = _first(_shown(found.lines, separated=around > 0), limit, more if found.complete else f"and {more}")
    return said(note + shown)


def _first(lines: Sequence[str], limit: int, more: str) -> str:
    limit = max(limit, 1)
    left = len(lines) - limit
    return "\n".join(lines[:limit]) + (f"\n({left} {more})" if left > 0 else "")


def _shown(lines: Sequence[Line], *, separated: bool) -> list[str]:
    """As grep shows them: with `:` where a line matches, `-` where it stands around, `--` between places."""
    shown: list[str] = []
    before: Line | None = None
    for line in lines:
        apart = before is not None and (line.path != before.path or line.number != before.number + 1)
        shown += ["--"] if separated and apart else []
        sign = ":" if line.matches else "-"
        path = line.path.decode("utf-8", "replace")
        name = path if path.isprintable() else ascii(path)[1:-1]
        text = line.text.decode("utf-8", "replace").removesuffix("\r")
        shown.append(f"{name}{sign}{line.number}{sign}{text}"[:_LINE_CHARS])
        before = line
    return shown
