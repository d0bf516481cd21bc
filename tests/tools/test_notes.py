"""Notes for others go to the report, not into the work."""

from __future__ import annotations

from captain.core.tasks import FollowUp
from captain.tools import READING, WORKING, ToolContext, follow_up, working


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


def test_a_build_gets_the_tool_for_edits_that_its_model_is_trained_on() -> None:
    assert working("replace") == WORKING
    names = [tool.spec.name for tool in working("patch")]
    assert names == ["read", "list", "search", "git", "apply_patch", "write", "shell", "follow_up"]
