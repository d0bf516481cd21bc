"""A Build that asks the Captain: who answers, what becomes of what nobody knows, and how often it may."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import anyio
import pytest
from anyio import to_thread

import captain
from captain.cli import run_page
from captain.cli.plain import plain_lines
from captain.core import events as ev
from captain.core.messages import Request, ToolResult
from captain.core.questions import Answered, Question
from captain.models import ScriptedModel, call
from captain.orchestration import replay
from captain.orchestration.consulting import NOBODY_KNOWS
from captain.reports import RunView
from captain.runs import find_run
from tests.voyages import (
    CALC_FIXED,
    ONE_LOOK,
    UNCONFINED,
    fix_task,
    fix_triage,
    plan,
    review,
    write,
)

ASK = call("ask_captain", question="Floats too?")
DONE = [write("calc.py", CALC_FIXED), "Done."]


def asking(answers: list[Any], build: list[Any] | None = None) -> captain.Crew:
    return captain.Crew(
        captain=ScriptedModel(
            {"asks you one short question": answers, "You carry one request": [fix_triage(), plan(fix_task())]},
            id="captain-model",
            by_turn=True,
        ),
        build=ScriptedModel(build or [ASK, *DONE], id="build-model", by_turn=True),
        review=[ScriptedModel([review()], id="review-model", by_turn=True)],
    )


def carrier(team: captain.Crew, state: Path, **options: Any) -> captain.Captain:
    return captain.Captain(
        team, state_dir=state, sandbox=UNCONFINED, options=captain.Options(**{"review": ONE_LOOK, **options})
    )


def told(team: captain.Crew) -> list[str]:
    """The results of tools that the Build was shown, in order."""
    assert isinstance(team.build, ScriptedModel)
    parts = [part for message in team.build.requests[-1].messages for part in message.parts]
    results = [part for part in parts if isinstance(part, ToolResult)]
    return ["".join(getattr(part, "text", "") for part in result.content) for result in results]


async def test_the_captain_answers_from_what_the_repository_shows(repo: Path, state: Path) -> None:
    team = asking([call("read", path="calc.py"), "No; whole numbers are all that calc.py has."])
    outcome = await carrier(team, state).run("Mend it", repo=repo)
    assert outcome.status == "succeeded"
    assert told(team)[0] == "The Captain says: No; whole numbers are all that calc.py has."
    (asked,) = outcome.view.consulted
    assert (asked.task, asked.question, asked.by) == ("T1", "Floats too?", "captain")
    report = (outcome.folder / "report.md").read_text("utf-8")
    assert "## Asked on the way" in report
    kept = json.loads((outcome.folder / "report.json").read_text("utf-8"))
    assert kept["asked_on_the_way"][0]["answer"] == asked.answer
    assert outcome.view.agents["captain-T1-ask-1"].role == "captain"
    assert kept["spend"]["by_role"]["captain"]["model_calls"] == 4
    assert await replay(find_run(state, outcome.run)) == find_run(state, outcome.run).events()


async def test_the_captain_knows_the_request_the_plan_and_the_question_and_cannot_write(
    repo: Path, state: Path
) -> None:
    team = asking(["Yes."])
    await carrier(team, state).run("Mend the sum", repo=repo)
    assert isinstance(team.captain, ScriptedModel)
    request: Request = team.captain.requests[-1]
    words = getattr(request.messages[0].parts[0], "text", "")
    assert all(text in words for text in ("> Mend the sum", "add subtracts", "Brief of T1.", "> Floats too?"))
    assert not {"write", "edit", "shell"} & {spec.name for spec in request.tools}


async def test_what_only_the_user_knows_becomes_a_question_of_the_run(repo: Path, state: Path) -> None:
    asked: list[Question] = []

    async def answer(question: Question) -> Answered:
        asked.append(question)
        return Answered(text="Yes, floats too.")

    team = asking(["`pass`"])
    outcome = await carrier(team, state, on_question=answer, max_parallel=1).run("Mend it", repo=repo)
    assert outcome.status == "succeeded"
    assert [(one.key, one.kind, one.task, one.free_text) for one in asked] == [("task/T1/ask/1", "clarify", "T1", True)]
    assert told(team)[0] == "The user says: Yes, floats too."
    assert [one.by for one in outcome.view.consulted] == ["person"]


async def test_what_nobody_knows_is_left_to_the_build_and_leaves_no_question_open(repo: Path, state: Path) -> None:
    team = asking(["pass"])
    outcome = await carrier(team, state).run("Mend it", repo=repo)
    assert outcome.status == "succeeded"
    assert told(team)[0] == NOBODY_KNOWS
    assert [(one.answer, one.by) for one in outcome.view.consulted] == [("", "nobody")]
    assert outcome.view.open_questions == ()
    assert "nobody could say" in (outcome.folder / "report.md").read_text("utf-8")
    assert await replay(find_run(state, outcome.run)) == find_run(state, outcome.run).events()


async def test_a_task_asks_three_times_and_the_same_question_counts_once(repo: Path, state: Path) -> None:
    others = [call("ask_captain", question=f"Question {number}?") for number in (2, 3, 4)]
    team = asking(["So."], [ASK, ASK, *others, *DONE])
    outcome = await carrier(team, state).run("Mend it", repo=repo)
    assert outcome.status == "succeeded"
    assert [text.split(":")[0] for text in told(team)[:4]] == ["The Captain says"] * 4
    assert told(team)[4].startswith("The Captain was asked 3 times in this task")
    assert isinstance(team.captain, ScriptedModel)
    assert len(team.captain.requests) == 2 + 3


@pytest.mark.parametrize(("question", "says"), [("  ", "is empty"), ("why " * 200, "600 at most")])
async def test_what_is_no_short_question_is_not_put(repo: Path, state: Path, question: str, says: str) -> None:
    team = asking([], [call("ask_captain", question=question), *DONE])
    outcome = await carrier(team, state).run("Mend it", repo=repo)
    assert says in told(team)[0]
    assert outcome.view.consulted == []


async def test_a_run_cut_off_after_an_answer_does_not_ask_the_captain_again(repo: Path, state: Path) -> None:
    async with carrier(asking(["No."]), state).start("Mend it", repo=repo) as run:
        async for recorded in run.events():
            if isinstance(recorded.event, ev.CaptainAsked):
                run.cancel()
        assert (await run.result()).status == "cancelled"
    team = asking([])  # it has nothing more to say
    async with carrier(team, state).resume(run.id) as resumed:
        outcome = await resumed.result()
    assert outcome.status == "succeeded"
    assert told(team)[0] == "The Captain says: No."
    assert [one.answer for one in outcome.view.consulted] == ["No."]


async def test_a_build_that_waits_for_a_person_is_shown_as_waiting_until_there_is_an_answer(
    repo: Path, state: Path
) -> None:
    view, lines = RunView(), list[str]()
    async with carrier(asking(["pass"]), state, unanswered="wait").start("Mend it", repo=repo) as run:
        with anyio.fail_after(60):
            async for recorded in run.events():
                view.apply(recorded)
                lines += [line[10:] for line in plain_lines(recorded, view)]
                if isinstance(recorded.event, ev.QuestionAsked):
                    task = view.tasks["T1"]
                    assert (task.state, task.settled) == ("waiting", False)
                    assert view.activity(task) == "waits for an answer to Q1"
                    page = await to_thread.run_sync(run_page.read, find_run(state, run.id))
                    assert "task T1 is waiting for an answer to Q1: Title of T1" in run_page.lines(page)
                    await run.answer("Q1", text="Yes.")
                elif isinstance(recorded.event, ev.QuestionAnswered):
                    assert view.tasks["T1"].state == "building"
        outcome = await run.result()
    assert outcome.view.tasks["T1"].state == "accepted"
    place = lines.index("T1  waiting: for an answer to Q1")
    assert "T1  building" in lines[place:]


def test_an_answer_is_a_line_for_people_who_watch(repo: Path, state: Path) -> None:
    outcome = anyio.run(lambda: carrier(asking(["No."]), state).run("Mend it", repo=repo))
    view = RunView()
    lines: list[str] = []
    for recorded in find_run(state, outcome.run).events():
        view.apply(recorded)
        lines += plain_lines(recorded, view)
    assert any(line.endswith("T1  asks: Floats too?") for line in lines)
    assert any(line.endswith("T1  is told by the Captain: No.") for line in lines)
