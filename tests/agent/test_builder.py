"""A Build is told its task, or what is to be mended in it, and nothing else."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from captain.agent import AgentBuilder, FixBrief, Limits
from captain.agent.builder import brief
from captain.core.tasks import Check, Criterion, Scope, Task
from captain.models import ScriptedModel, ScriptedReply, call
from captain.tools import WORKING
from tests.agent.tools import act, events, mate, words

TASK = Task(
    id="T1",
    title="Mend add",
    kind="change",
    brief="It subtracts.",
    scope=Scope(paths=("/src/", "a.py"), forbid=("src/vendor/",)),
    criteria=(
        Criterion(id="T1.1", text="It adds.", check="tests"),
        Criterion(id="T1.2", text="It is clear.", evidence="the docstring"),
    ),
    checks=(Check(name="tests", command="pytest -q"),),
)


class Unchanged:
    """A workspace in which nothing is done."""

    box = None

    async def checkpoint(self) -> None:
        return None


def test_a_brief_holds_all_a_build_needs_to_know() -> None:
    told = brief(TASK, "> Be brief.")
    for part in ("Mend add", "It subtracts.", "/src/, a.py", "Never: src/vendor/", "It adds.", "`pytest -q`"):
        assert part in told
    assert "(proved by the check `tests`)" in told
    assert "(evidence: the docstring)" in told
    assert told.endswith("> Be brief.")
    assert "notes" not in brief(TASK)


def test_a_brief_says_what_is_protected_limited_and_not_granted() -> None:
    scope = Scope(paths=("src/",), protect=("src/core/", "!Makefile"), symbols=("add",), max_files=2, max_lines=50)
    told = brief(replace(TASK, scope=scope))
    assert "Protected, so put back unless a pattern above names it: src/core/, tests, test set-up, ci," in told
    for part in ("only: add", "At most 2 files", "At most 50 lines", "symbolic links"):
        assert part in told
    assert "new files" not in told


async def test_a_fix_begins_a_conversation_of_its_own_with_the_task_and_what_is_to_be_mended() -> None:
    model = ScriptedModel(["One.", ScriptedReply(text="Two.", expects=("It subtracts.", "Mend F1."))])
    crewmate = mate(model)
    builder = AgentBuilder(crewmate=lambda _: crewmate)
    workspace: Any = Unchanged()
    await builder.build(TASK, workspace)
    report = await builder.build(TASK, workspace, fix=FixBrief(id="F1-1", text="Mend F1."))
    assert (report.ending, report.summary) == ("done", "Two.")
    (asked,) = [words(message) for message in model.requests[1].messages]
    assert asked.endswith("Mend F1.")
    started = [event for event in events(crewmate) if event.kind == "agent_started"]
    assert [event.task for event in started] == ["T1", "T1"]
    assert [event.agent for event in started] == [crewmate.name, f"{crewmate.name}-F1-1"]


async def test_follow_ups_and_the_ending_are_in_the_report() -> None:
    crewmate = mate(ScriptedModel([call("follow_up", title="t", detail="d"), call("act", on="x")]))
    builder = AgentBuilder(crewmate=lambda _: crewmate, tools=(*WORKING, act), limits=Limits(turns=2))
    workspace: Any = Unchanged()
    report = await builder.build(TASK, workspace)
    assert report.ending == "turn_limit"
    assert [note.title for note in report.follow_ups] == ["t"]
