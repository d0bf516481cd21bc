"""Notes for others go to the report, not into the work."""

from __future__ import annotations

from captain.core.tasks import FollowUp
from captain.tools import READING, WORKING, ToolContext, follow_up


async def test_a_follow_up_is_noted_and_the_agent_goes_on() -> None:
    output = await follow_up.call({"title": "t", "detail": "d", "paths": ["a.py"]}, ToolContext())
    assert output.follow_ups == (FollowUp(title="t", detail="d", paths=("a.py",)),)
    assert output.submission is None
    assert not output.is_error


async def test_paths_can_be_left_out_and_are_not_shared_between_calls() -> None:
    one = await follow_up.call({"title": "t", "detail": "d"}, ToolContext())
    assert one.follow_ups[0].paths == ()


def test_the_tools_to_look_with_change_nothing() -> None:
    assert {tool.effect for tool in READING} == {"read"}
    names = [tool.spec.name for tool in WORKING]
    assert names == ["read", "list", "search", "git", "edit", "write", "shell", "follow_up"]
