"""The tool that gives back a result that compaction has cut to its head."""

from __future__ import annotations

from typing import Annotated, Final

from captain.core.errors import ToolError
from captain.tools import ToolContext, ToolOutput, said, tool

_SHOWN_CHARS: Final = 16_000


@tool(effect="read")
async def recall(
    context: ToolContext,
    id: Annotated[str, "The id that the cut result names."],  # noqa: A002 - the model's word for it
    offset: Annotated[int, "The first character to show, from 0."] = 0,
) -> ToolOutput:
    """Shows an earlier result that was cut to its head to save room."""
    clipped = context.clipped
    if id not in clipped:
        raise ToolError(f"No result with the id {id!r} was cut. Those that were: {', '.join(clipped) or 'none'}.")
    text = clipped[id]
    start = max(offset, 0)
    end = start + _SHOWN_CHARS
    left = len(text) - end
    return said(text[start:end] + (f"\n({left} more characters; go on with offset={end})" if left > 0 else ""))
