"""Notes an agent leaves for others instead of acting on what it sees."""

from __future__ import annotations

from typing import Annotated

from captain.core.messages import Text
from captain.core.tasks import FollowUp
from captain.tools.base import ToolOutput, tool


@tool(effect="read")
async def follow_up(
    title: Annotated[str, "What should be done, in a few words."],
    detail: Annotated[str, "Why, and where to look."],
    paths: Annotated[list[str], "The files it is about."] = [],  # noqa: B006 - only read, copied by pydantic
) -> ToolOutput:
    """Notes work you noticed that is outside your task. It is reported to the user; do not do it yourself."""
    note = FollowUp(title=title, detail=detail, paths=tuple(paths))
    return ToolOutput(content=(Text(text="Noted for the report. Go on with your task."),), follow_ups=(note,))
