"""A Build is told its task and what is open, and keeps one conversation over its rounds."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

from captain.agent import AgentBuilder, Feedback, Limits
from captain.agent.builder import brief, describe
from captain.core.findings import Finding
from captain.core.tasks import Check, Criterion, Scope, Task
from captain.models import ScriptedModel, ScriptedReply, call
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
FINDING = Finding(
    id="R1.1", severity="major", category="tests", path="a.py", anchor="x = 1", claim="Untested.", evidence="No test."
)


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


def test_feedback_names_every_finding_and_what_was_put_back() -> None:
    told = describe(Feedback(findings=(FINDING,), put_back=("b.py",)))
    for part in ("R1.1 [major, tests] a.py: Untested.", "at: x = 1", "evidence: No test.", "b.py"):
        assert part in told
    assert "put back" not in describe(Feedback(findings=(FINDING,)))


async def test_the_rounds_of_a_task_are_one_conversation_and_tasks_do_not_share_one() -> None:
    model = ScriptedModel({"Task T1": ["One.", ScriptedReply(text="Two.", expects="Untested.")], "Task T2": ["Other."]})
    crewmate = mate(model)
    builder = AgentBuilder(crewmate=lambda _: crewmate)
    workspace: Any = SimpleNamespace(box=None)
    other = Task(**{**{name: getattr(TASK, name) for name in Task.__dataclass_fields__}, "id": "T2"})
    await builder.build(TASK, workspace)
    await builder.build(other, workspace)
    report = await builder.build(TASK, workspace, feedback=Feedback(findings=(FINDING,)))
    assert (report.ending, report.summary) == ("done", "Two.")
    asked = [words(message) for message in model.requests[2].messages]
    assert len(asked) == 3
    assert asked[1] == "One."
    assert len(model.requests[1].messages) == 1
    assert {getattr(event, "task", None) for event in events(crewmate) if event.kind == "agent_started"} == {"T1", "T2"}


async def test_follow_ups_and_the_ending_are_in_the_report() -> None:
    crewmate = mate(ScriptedModel([call("follow_up", title="t", detail="d"), call("act", on="x")]))
    builder = AgentBuilder(crewmate=lambda _: crewmate, limits=Limits(turns=2))
    builder.tools = (*builder.tools, act)
    workspace: Any = SimpleNamespace(box=None)
    report = await builder.build(TASK, workspace)
    assert report.ending == "turn_limit"
    assert [note.title for note in report.follow_ups] == ["t"]
