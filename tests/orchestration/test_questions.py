"""Questions of a run: who may answer, what waits meanwhile, and what becomes of those nobody answers."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest

import captain
from captain.core import events as ev
from captain.core.actions import OpenHost
from captain.core.clock import SystemClock
from captain.core.errors import UsageError
from captain.core.messages import Request, ToolCall
from captain.core.policy import Policy
from captain.core.questions import Answered, Choice, Question
from captain.guards import PermissionDesk
from captain.models import ScriptedModel, call
from captain.orchestration import replay
from captain.orchestration.questions import QuestionApprover, QuestionDesk
from captain.runs import AnswerMessage, CancelMessage, RunJournal, SqliteStore, find_run, post, stored_runs
from tests.voyages import (
    CALC_FIXED,
    ONE_LOOK,
    TEXT_FIXED,
    UNCONFINED,
    critic,
    finding,
    fix_task,
    fix_triage,
    of,
    plan,
    review,
    shout_task,
    write,
)
from tests.waiting import until

CLARIFY = call("submit_triage", kind="clarify", reason="two readings", reply="Which of the two?")


def clarifying(*more: ToolCall) -> captain.Crew:
    """Its Captain asks once, whichever process it is asked in; `more` is what it says to further requests."""
    return captain.Crew(
        captain=ScriptedModel([CLARIFY, fix_triage(), plan(fix_task()), *more], id="captain-model", by_turn=True),
        build=ScriptedModel([write("calc.py", CALC_FIXED), "Done."], id="build-model", by_turn=True),
        review=[ScriptedModel([review()], id="review-model", by_turn=True)],
    )


def stubborn() -> captain.Crew:
    """Its reviewer finds the same thing again and again, and no fix is good enough."""
    return captain.Crew(
        captain=ScriptedModel([fix_triage(), plan(fix_task())], id="captain-model", by_turn=True),
        build=ScriptedModel(
            {"What is to be mended": ["I leave it as it is."], "Title of T1": [write("calc.py", CALC_FIXED), "Done."]},
            id="build-model",
            by_turn=True,
        ),
        review=[ScriptedModel(critic(review(finding()), gone=False), id="review-model", by_turn=True)],
    )


def carrier(team: captain.Crew, state: Path, **options: Any) -> captain.Captain:
    return captain.Captain(
        team, state_dir=state, sandbox=UNCONFINED, options=captain.Options(**{"review": ONE_LOOK, **options})
    )


async def test_what_the_user_answers_goes_back_to_the_captain(repo: Path, state: Path) -> None:
    asked: list[Question] = []

    async def answer(question: Question) -> Answered:
        asked.append(question)
        return Answered(text="The first one.")

    team = clarifying()
    outcome = await carrier(team, state, on_question=answer).run("Mend it", repo=repo)
    assert outcome.status == "succeeded"
    assert [(one.id, one.kind, one.text) for one in asked] == [("Q1", "clarify", "Which of the two?")]
    assert isinstance(team.captain, ScriptedModel)
    told = team.captain.requests[1].messages[-1].parts[-1]
    assert "> The first one." in getattr(told, "text", "")
    assert "answered** Q1: Which of the two?" in (outcome.folder / "report.md").read_text("utf-8")


async def test_a_question_nobody_answers_ends_the_run_and_says_how_to_answer_it(repo: Path, state: Path) -> None:
    outcome = await carrier(clarifying(), state).run("Mend it", repo=repo)
    assert (outcome.status, outcome.summary) == ("needs_human", "Which of the two?")
    assert outcome.hint.startswith(f"Answer it with: captain answer {outcome.run} Q1 --text")
    assert [question.id for question in outcome.view.open_questions] == ["Q1"]
    produced = await replay(find_run(state, outcome.run))
    assert produced == find_run(state, outcome.run).events()


async def test_an_answer_that_comes_while_no_process_runs_is_used_when_the_run_is_taken_up(
    repo: Path, state: Path
) -> None:
    parked = await carrier(clarifying(), state).run("Mend it", repo=repo)
    post(find_run(state, parked.run).project.journal, parked.run, AnswerMessage(question="Q1", text="The first one."))
    async with carrier(clarifying(), state).resume(parked.run) as run:
        outcome = await run.result()
    assert outcome.status == "succeeded"
    assert outcome.view.open_questions == ()
    assert await replay(find_run(state, parked.run)) == find_run(state, parked.run).events()


async def test_a_person_may_accept_what_the_review_could_not_bring_to_a_good_end(repo: Path, state: Path) -> None:
    left = await carrier(stubborn(), state).run("Mend it", repo=repo)
    assert left.status == "needs_human"
    (question,) = left.view.open_questions
    assert (question.kind, question.task, question.recommended) == ("escalation", "T1", "leave")
    assert [choice.name for choice in question.choices] == ["accept", "leave"]
    assert left.view.tasks["T1"].state == "parked"
    post(find_run(state, left.run).project.journal, left.run, AnswerMessage(question="Q1", choice="accept"))
    async with carrier(stubborn(), state).resume(left.run) as run:
        outcome = await run.result()
    assert outcome.status == "succeeded"
    assert outcome.view.tasks["T1"].reason.startswith("accepted by a person, although findings are open")
    assert await replay(find_run(state, left.run)) == find_run(state, left.run).events()


async def test_the_policy_for_unattended_runs_accepts_no_findings(repo: Path, state: Path) -> None:
    outcome = await carrier(stubborn(), state, unanswered="recommended").run("Mend it", repo=repo)
    assert outcome.status == "needs_human"
    assert outcome.view.open_questions == ()
    (answer,) = [asked.answer for asked in outcome.view.questions.values()]
    assert answer is not None
    assert (answer.choice, answer.by) == ("leave", "policy")


async def test_a_task_that_waits_gives_its_place_to_another(repo: Path, state: Path) -> None:
    """With one place: T2 can end only if T1 gives its place up while it waits."""
    opinions = {needle: said for needle, said in critic(gone=False).items() if said}
    team = captain.Crew(
        captain=ScriptedModel([fix_triage(), plan(fix_task(), shout_task("T2"))], id="captain-model"),
        build=ScriptedModel(
            {
                "What is to be mended": ["I leave it as it is."],
                "Title of T1": [write("calc.py", CALC_FIXED), "Done."],
                "Title of T2": [write("text.py", TEXT_FIXED), "Done."],
            },
            id="build-model",
            by_turn=True,
        ),
        review=[
            ScriptedModel(
                {**opinions, "# Task T1": [review(finding())], "# Task T2": [review()]},
                id="review-model",
                by_turn=True,
            )
        ],
    )
    async with carrier(team, state, unanswered="wait", max_parallel=1).start("Mend it", repo=repo) as run:
        states: dict[str, list[str]] = {"T1": [], "T2": []}
        with anyio.fail_after(60):
            async for recorded in run.events():
                if isinstance(event := recorded.event, ev.TaskChanged):
                    states[event.task].append(event.state)
                    if event == ev.TaskChanged(task="T2", state="accepted", reason=event.reason):
                        assert states["T1"][-1] == "waiting"
                        with pytest.raises(UsageError, match="'acept' is no answer to Q1") as raised:
                            await run.answer("Q1", "acept")
                        assert "Did you mean 'accept'?" in raised.value.hint
                        with pytest.raises(UsageError, match="no open question 'Q7'"):
                            await run.answer("Q7", "accept")
                        await run.answer("q1", "accept")
        outcome = await run.result()
    assert outcome.status == "succeeded"
    assert states["T1"][-3:] == ["waiting", "reviewing", "accepted"]


async def test_a_plan_may_be_put_as_a_question(repo: Path, state: Path) -> None:
    said = iter([Answered(text="Smaller, please."), Answered(choice="accept")])

    async def answer(question: Question) -> Answered:
        assert question.kind == "plan"
        return next(said)

    smaller = plan({**fix_task(), "title": "Title of T1, smaller"})
    team = captain.Crew(
        captain=ScriptedModel([fix_triage(), plan(fix_task()), smaller], id="captain-model"),
        build=ScriptedModel([write("calc.py", CALC_FIXED), "Done."], id="build-model"),
        review=[ScriptedModel([review()], id="review-model")],
    )
    outcome = await carrier(team, state, approve_plan="ask", on_question=answer).run("Mend it", repo=repo)
    assert outcome.status == "succeeded"
    assert outcome.view.tasks["T1"].title == "Title of T1, smaller"
    assert [asked.question.id for asked in outcome.view.questions.values()] == ["Q1", "Q2"]
    assert await replay(find_run(state, outcome.run)) == find_run(state, outcome.run).events()


async def test_another_process_may_stop_a_run(repo: Path, state: Path) -> None:
    with anyio.fail_after(60):
        async with carrier(clarifying(), state, unanswered="wait").start("Mend it", repo=repo) as run:
            async for recorded in run.events():
                if isinstance(recorded.event, ev.QuestionAsked):
                    (stored,) = stored_runs(state)
                    post(stored.project.journal, run.id, CancelMessage())
            outcome = await run.result()
    assert outcome.status == "cancelled"
    assert find_run(state, run.id).facts().unfinished == ()


async def test_a_message_that_comes_too_late_is_said_and_gone(repo: Path, state: Path) -> None:
    parked = await carrier(clarifying(), state).run("Mend it", repo=repo)
    journal = find_run(state, parked.run).project.journal
    post(journal, parked.run, AnswerMessage(question="Q1", text="The first one."))
    post(journal, parked.run, AnswerMessage(question="Q1", text="No, the second."))
    async with carrier(clarifying(), state).resume(parked.run) as run:
        outcome = await run.result()
    assert outcome.status == "succeeded"
    assert any("came too late" in notice for notice in outcome.view.notices)
    events = [recorded.event for recorded in find_run(state, parked.run).events()]
    assert [answer.text for answer in of(ev.QuestionAnswered, events)] == ["The first one."]


async def journal_in(folder: Path) -> RunJournal:
    return await RunJournal.open(await SqliteStore.open(folder / "journal.db", "r"), SystemClock())


async def test_questions_asked_at_the_same_time_each_have_an_answer_of_their_own(tmp_path: Path) -> None:
    journal = await journal_in(tmp_path)
    desk = QuestionDesk("r", journal, unanswered="wait")
    answers: dict[str, str] = {}

    async def ask(key: str) -> None:
        choices = (Choice(name="yes", text="do"), Choice(name="no", text="do not"))
        answers[key] = (await desk.ask(key, "escalation", f"What of {key}?", choices=choices)).choice

    with anyio.fail_after(30):
        async with anyio.create_task_group() as group:
            group.start_soon(ask, "a")
            group.start_soon(ask, "b")
            await until(lambda: len(desk.open) == 2)
            ids = {question.key: question.id for question in desk.open}
            await desk.answer(ids["a"], "yes")
            await desk.answer(ids["b"], "no")
    await journal.aclose()
    assert answers == {"a": "yes", "b": "no"}


async def test_a_leave_given_once_is_not_taken_again_by_a_run_that_is_taken_up(tmp_path: Path) -> None:
    asked: list[str] = []

    async def host(question: Question) -> Answered:
        asked.append(question.id)
        return Answered(choice="once" if len(asked) == 1 else "no", by="person")

    async def effects(calls: int) -> list[str]:
        journal = await journal_in(tmp_path)
        approver = QuestionApprover(QuestionDesk("r", journal, on_question=host))
        desk = PermissionDesk(policy=Policy(), clock=SystemClock(), tell=journal.record, approver=approver)

        async def connect() -> str:
            action = OpenHost(host="example.org", port=443)
            return (await desk.permit(action, asked_by="build-T1", why="to fetch a page")).effect

        steps = [f"tool/{number}" for number in range(1, calls + 1)]
        given = [await journal.step(path, connect, inputs={}, gives=str, effect="command") for path in steps]
        await journal.aclose()
        return given

    assert await effects(1) == ["allow"]
    assert await effects(2) == ["allow", "deny"]  # the first is remembered, the second is another time
    assert asked == ["Q1", "Q2"]


async def test_what_a_hosts_own_answering_raises_is_raised_as_it_is(repo: Path, state: Path) -> None:
    async def answer(_question: Question) -> Answered:
        raise LookupError("no such person")

    with pytest.raises(LookupError, match="no such person"):
        await carrier(clarifying(), state, on_question=answer).run("Mend it", repo=repo)


async def test_a_wish_to_stop_that_came_after_the_end_does_not_stop_the_run_that_is_taken_up(
    repo: Path, state: Path
) -> None:
    parked = await carrier(clarifying(), state).run("Mend it", repo=repo)
    journal = find_run(state, parked.run).project.journal
    post(journal, parked.run, CancelMessage())
    post(journal, parked.run, AnswerMessage(question="Q1", text="The first one."))
    async with carrier(clarifying(), state).resume(parked.run) as run:
        outcome = await run.result()
    assert outcome.status == "succeeded"
    assert any("to stop the run came when nobody carried it" in notice for notice in outcome.view.notices)


class Hanging(ScriptedModel):
    """Never answers what the task T2 asks."""

    @asynccontextmanager
    async def stream(self, request: Request, /) -> AsyncIterator[AsyncIterator[Any]]:
        if "Title of T2" in str(request.messages[0]):
            self.requests.append(request)
            await anyio.sleep_forever()
        async with super().stream(request) as events:
            yield events


async def test_a_task_that_waits_can_be_stopped_while_another_has_its_place(repo: Path, state: Path) -> None:
    script: dict[str, list[Any]] = {
        "What is to be mended": ["I leave it."],
        "Title of T1": [write("calc.py", CALC_FIXED), "Done."],
    }
    build = Hanging(script, id="build-model", by_turn=True)
    team = captain.Crew(
        captain=ScriptedModel([fix_triage(), plan(fix_task(), shout_task("T2"))], id="captain-model"),
        build=build,
        review=[ScriptedModel(critic(review(finding()), gone=False), id="review-model", by_turn=True)],
    )
    with anyio.fail_after(60):
        async with carrier(team, state, unanswered="wait", max_parallel=1).start("Mend it", repo=repo) as run:
            await until(lambda: bool(run.questions))
            await until(lambda: any("Title of T2" in str(asked.messages[0]) for asked in build.requests))
            run.cancel("T1")
            async for recorded in run.events():
                if recorded.event == ev.TaskChanged(task="T1", state="cancelled", reason="it was stopped by the user"):
                    break
            run.cancel()
            assert (await run.result()).status == "cancelled"
