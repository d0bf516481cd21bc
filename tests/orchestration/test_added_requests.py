"""What is asked for while a run goes on: triaged and planned like the first, stacked on what it could meet."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest

import captain
from captain.core import events as ev
from captain.core import ids
from captain.core.errors import UsageError
from captain.core.messages import Request, StreamEvent, Text
from captain.models import ScriptedModel, call
from captain.models.scripted import Scripted
from captain.orchestration import replay
from captain.runs import AddMessage, find_run, post
from captain.testing import git
from tests.voyages import (
    CALC,
    CALC_FIXED,
    ONE_LOOK,
    PYTHON,
    TEXT_FIXED,
    UNCONFINED,
    change_triage,
    fix_task,
    fix_triage,
    of,
    plan,
    review,
    shout_task,
    task,
    write,
)

pytestmark = pytest.mark.slow

TRIPLED = "\n\ndef triple(a):\n    return 3 * a\n"
TRIPLE_WORKS = f"{PYTHON} -c 'import calc; assert calc.triple(2) == 6'"


class Held(ScriptedModel):
    """Does not answer what tells of `held` before `go` is set; `asked` says that it was asked."""

    def __init__(self, replies: Any, held: str) -> None:
        super().__init__(replies, id="build-model")
        self.held = held
        self.asked, self.go = anyio.Event(), anyio.Event()

    @asynccontextmanager
    async def stream(self, request: Request, /) -> AsyncIterator[AsyncIterator[StreamEvent]]:
        if self.held in said(request):
            self.asked.set()
            await self.go.wait()
        async with super().stream(request) as events:
            yield events


def said(request: Request) -> str:
    return "\n".join(part.text for message in request.messages for part in message.parts if isinstance(part, Text))


def triple_task(id_: str, **more: Any) -> dict[str, Any]:
    checks = [{"name": "triple", "command": TRIPLE_WORKS}]
    return task(id_, criteria=[{"text": "it triples", "check": "triple"}], checks=checks, **more)


def builds(**of_task: list[Scripted]) -> dict[str, list[Scripted]]:
    return {f"Task {name}:": replies for name, replies in of_task.items()}


MENDED: list[Scripted] = [write("calc.py", CALC_FIXED), "Mended."]
SHOUTS: list[Scripted] = [write("text.py", TEXT_FIXED), "It shouts."]
TRIPLES: list[Scripted] = [write("calc.py", CALC_FIXED + TRIPLED), "It triples."]


def crew_of(captain_script: list[Scripted], build: ScriptedModel) -> captain.Crew:
    return captain.Crew(
        captain=ScriptedModel(captain_script, id="captain-model"),
        build=build,
        review=[ScriptedModel([review()] * 9, id="review-model")],
    )


def carrier(team: captain.Crew, state: Path, **options: Any) -> captain.Captain:
    settings = captain.Options(**{"review": ONE_LOOK, **options})
    return captain.Captain(team, state_dir=state, sandbox=UNCONFINED, options=settings)


async def sail(
    team: captain.Crew, repo: Path, state: Path, request: str = "Let it shout too", **options: Any
) -> tuple[captain.Outcome, list[ev.Event]]:
    """A run to which something is added while T1 is being built."""
    build = team.build
    assert isinstance(build, Held)
    with anyio.fail_after(120):
        async with carrier(team, state, **options).start("Mend it", repo=repo) as run:
            await build.asked.wait()
            assert await run.add(request) == 2
            if build.held == "Task T1:":
                await settled(run, lambda event: isinstance(event, ev.PlanAdopted | ev.RequestEnded), request=2)
            build.go.set()
            events = [recorded.event async for recorded in run.events()]
            return await run.result(), events


async def settled(run: captain.Run, wanted: Callable[[ev.Event], bool], *, request: int) -> None:
    async for recorded in run.events():
        if wanted(recorded.event) and getattr(recorded.event, "request", None) == request:
            return


def started_from(repo: Path, run: str, task_id: str) -> str:
    return git(repo, "rev-parse", f"{ids.task_branch(run, task_id)}^")


def branch(outcome: captain.Outcome, task_id: str) -> str:
    return ids.task_branch(outcome.run, task_id)


async def test_what_meets_nothing_is_done_beside_the_rest(repo: Path, state: Path) -> None:
    script: list[Scripted] = [fix_triage(), plan(fix_task()), change_triage(), plan(shout_task("T2"))]
    team = crew_of(script, Held(builds(T1=MENDED, T2=SHOUTS), "Task T1:"))
    outcome, events = await sail(team, repo, state)
    assert (outcome.status, outcome.summary) == (
        "succeeded",
        f"All 2 tasks are accepted and integrated on captain/{outcome.run}/result.",
    )
    base = git(repo, "rev-parse", "HEAD")
    assert {started_from(repo, outcome.run, name) for name in ("T1", "T2")} == {base}
    assert git(repo, "diff", "--name-only", f"HEAD..{branch(outcome, 'T2')}") == "text.py"
    assert git(repo, "diff", "--name-only", f"HEAD..captain/{outcome.run}/result").split() == ["calc.py", "text.py"]
    assert [(event.request, len(event.plan.tasks)) for event in of(ev.PlanAdopted, events)] == [(1, 1), (2, 1)]
    (added,) = outcome.view.added
    assert (added.number, added.text, [one.item.text for one in outcome.view.items_in(added)]) == (
        2,
        "Let it shout too",
        ["Let it shout too"],
    )
    assert isinstance(team.captain, ScriptedModel)
    told = said(team.captain.requests[2])
    assert "# Request 2\n\nWhile the run goes on, the user asks for more:\n\nLet it shout too" in told
    assert "- T1 (under way), may change /calc.py: Title of T1" in told
    report = (outcome.folder / "report.md").read_text("utf-8")
    assert "## Asked for meanwhile\n\n### Request 2: 1 task\n\n> Let it shout too\n" in report
    data = json.loads((outcome.folder / "report.json").read_text("utf-8"))
    assert [(one["number"], one["request"]) for one in data["added_requests"]] == [(2, "Let it shout too")]
    assert await replay(find_run(state, outcome.run)) == find_run(state, outcome.run).events()


async def test_what_could_meet_a_task_is_stacked_on_it(repo: Path, state: Path) -> None:
    script: list[Scripted] = [fix_triage(), plan(fix_task()), change_triage(), plan(triple_task("T2"))]
    team = crew_of(script, Held(builds(T1=MENDED, T2=TRIPLES), "Task T1:"))
    outcome, events = await sail(team, repo, state, "Let it triple")
    assert outcome.status == "succeeded"
    assert of(ev.PlanAdopted, events)[1].plan.tasks[0].depends_on == ("T1",)
    assert started_from(repo, outcome.run, "T2") == git(repo, "rev-parse", branch(outcome, "T1"))
    only_its_own = git(repo, "diff", "--stat", f"{branch(outcome, 'T1')}..{branch(outcome, 'T2')}")
    assert "4 insertions(+)" in only_its_own
    assert "T2 (on T1)" in (outcome.folder / "report.md").read_text("utf-8")
    assert await replay(find_run(state, outcome.run)) == find_run(state, outcome.run).events()


async def test_a_bug_in_what_was_made_meanwhile_is_looked_at_and_stacked_there(repo: Path, state: Path) -> None:
    """Its scope meets nobody's, but it does not show where the run began: in doubt, it is stacked."""
    made = write("shapes.py", "from text import shout\n\n\ndef loud():\n    return shout('a')\n")
    shapes = task("T1", paths=("shapes.py",), creates=["shapes.py"])
    shows = f"{PYTHON} -c 'import shapes; assert shapes.loud() == \"A\"'"
    bug = {"cause": "shout says the word as it is", "locations": [{"path": "text.py"}], "reproduction": shows}
    script: list[Scripted] = [
        change_triage(),
        plan(shapes, triple_task("T2")),
        call("submit_triage", kind="fix", reason="a bug", diagnoses=[bug]),
        plan(task("T3", kind="fix", diagnosis="D1", paths=("text.py",))),
    ]
    replies = builds(T1=[made, "Made."], T2=[write("calc.py", CALC + TRIPLED), "It triples."], T3=SHOUTS)
    build = Held(replies, "Task T2:")
    with anyio.fail_after(120):
        async with carrier(crew_of(script, build), state).start("Make shapes.py", repo=repo) as run:
            async for recorded in run.events():
                if recorded.event == ev.TaskChanged(
                    task="T1", state="accepted", reason=getattr(recorded.event, "reason", "")
                ):
                    break
            await build.asked.wait()
            await run.add("loud() is not loud")
            await settled(run, lambda event: isinstance(event, ev.PlanAdopted), request=2)
            build.go.set()
            outcome = await run.result()
    assert outcome.status == "succeeded"
    assert outcome.view.tasks["T3"].task is not None
    assert outcome.view.tasks["T3"].task.depends_on == ("T1",)
    assert started_from(repo, outcome.run, "T3") == git(repo, "rev-parse", branch(outcome, "T1"))
    (bug_view,) = outcome.view.reproductions
    assert (bug_view.diagnosis.id, bug_view.state) == ("D2.1", "fixed")


async def test_the_ids_and_parents_of_what_is_added_are_held_against_what_there_is(repo: Path, state: Path) -> None:
    script: list[Scripted] = [
        fix_triage(),
        plan(fix_task()),
        change_triage(),
        plan(shout_task("T1")),
        plan(shout_task("T2", depends_on=["T9"])),
        plan(shout_task("T2", depends_on=["T1"])),
    ]
    team = crew_of(script, Held(builds(T1=MENDED, T2=SHOUTS), "Task T1:"))
    outcome, events = await sail(team, repo, state)
    assert [refused.problems for refused in of(ev.Refused, events)] == [
        ("the run has a task 'T1' already; go on counting",),
        ("T2 depends on 'T9', which is no task",),
    ]
    assert outcome.status == "succeeded"
    assert started_from(repo, outcome.run, "T2") == git(repo, "rev-parse", branch(outcome, "T1"))


@pytest.mark.parametrize(
    ("kind", "status", "sentence"),
    [
        ("answer", "succeeded", "Request 2 was answered: It is four."),
        ("decline", "succeeded", "Request 2 was declined: It is four."),
        ("clarify", "needs_human", "Request 2 needs a person: It is four."),
    ],
)
async def test_a_request_without_work_ends_by_itself_and_is_told(
    repo: Path, state: Path, kind: str, status: str, sentence: str
) -> None:
    says = call("submit_triage", kind=kind, reason="no work", reply="It is four.")
    team = crew_of([fix_triage(), plan(fix_task()), says], Held(builds(T1=MENDED), "Task T1:"))
    outcome, events = await sail(team, repo, state, "What is two and two?")
    assert outcome.status == status
    assert outcome.summary.endswith(sentence)
    (ended,) = of(ev.RequestEnded, events)
    assert (ended.request, ended.summary) == (2, "It is four.")
    assert outcome.branch is not None, "what was asked first is done all the same"
    assert "It is four." in (outcome.folder / "report.md").read_text("utf-8")
    assert await replay(find_run(state, outcome.run)) == find_run(state, outcome.run).events()


async def test_a_captain_that_fails_on_it_ends_only_that_request(repo: Path, state: Path) -> None:
    script: list[Scripted] = [fix_triage(), plan(fix_task()), "I would rather not."]
    team = crew_of([*script, *["No."] * 9], Held(builds(T1=MENDED), "Task T1:"))
    outcome, events = await sail(team, repo, state)
    assert (outcome.status, outcome.branch) == ("failed", f"captain/{outcome.run}/result")
    assert of(ev.RequestEnded, events)[0].status == "failed"
    assert outcome.view.tasks["T1"].state == "accepted"
    assert outcome.hint.startswith("Use another model as Captain")


async def test_one_that_waited_for_an_answer_goes_on_when_the_run_is_resumed(repo: Path, state: Path) -> None:
    asks = call("submit_triage", kind="clarify", reason="two ways", reply="How loud?")
    team = crew_of([fix_triage(), plan(fix_task()), asks], Held(builds(T1=MENDED), "Task T1:"))
    outcome, _ = await sail(team, repo, state)
    assert outcome.status == "needs_human"
    (question,) = outcome.view.open_questions
    build = ScriptedModel(builds(T2=SHOUTS), id="build-model")
    again = carrier(crew_of([change_triage(), plan(shout_task("T2"))], build), state)
    async with again.resume(outcome.run) as run:
        await run.answer(question.id, text="As loud as it goes.")
        outcome = await run.result()
    assert outcome.status == "succeeded"
    assert isinstance(again.crew.captain, ScriptedModel)
    assert "> As loud as it goes." in said(again.crew.captain.requests[0])
    assert {name: one.state for name, one in outcome.view.tasks.items()} == {"T1": "accepted", "T2": "accepted"}
    assert await replay(find_run(state, outcome.run)) == find_run(state, outcome.run).events()


async def test_what_comes_in_during_integration_is_carried_out_and_integrated_too(repo: Path, state: Path) -> None:
    script: list[Scripted] = [fix_triage(), plan(fix_task()), change_triage(), plan(triple_task("T2"))]
    build = ScriptedModel(builds(T1=MENDED, T2=TRIPLES), id="build-model")
    with anyio.fail_after(120):
        async with carrier(crew_of(script, build), state).start("Mend it", repo=repo) as run:
            async for recorded in run.events():
                if isinstance(recorded.event, ev.ChecksRan):
                    await run.add("Let it triple")
                    break
            outcome = await run.result()
    assert outcome.status == "succeeded"
    assert git(repo, "show", f"{outcome.branch}:calc.py") == (CALC_FIXED + TRIPLED).strip()
    assert git(repo, "for-each-ref", "--format=%(refname)", f"refs/captain/{outcome.run}/superseded")
    assert await replay(find_run(state, outcome.run)) == find_run(state, outcome.run).events()


async def test_what_is_added_to_a_run_that_only_answered_is_done_if_it_came_in_time(repo: Path, state: Path) -> None:
    script: list[Scripted] = [
        call("submit_triage", kind="answer", reason="a question", reply="It subtracts."),
        change_triage(),
        plan(shout_task("T1")),
    ]
    build = ScriptedModel(builds(T1=SHOUTS), id="build-model")
    async with carrier(crew_of(script, build), state).start("What does add do?", repo=repo) as run:
        await run.add("Let it shout")
        outcome = await run.result()
        with pytest.raises(UsageError, match="The run is at its end; nothing can be added to it"):
            await run.add("And sing")
    assert outcome.status == "succeeded"
    assert outcome.summary.endswith("What was asked first was answered: It subtracts.")


async def test_it_can_come_while_nobody_carries_the_run(repo: Path, state: Path) -> None:
    first = crew_of([fix_triage(), plan(fix_task())], ScriptedModel([], id="build-model"))
    planned = await carrier(first, state, stop_after_plan=True).run("Mend it", repo=repo)
    assert planned.status == "planned"
    stored = find_run(state, planned.run)
    post(stored.project.journal, stored.id, AddMessage(request="Let it shout"))
    build = ScriptedModel(builds(T1=MENDED, T2=SHOUTS), id="build-model")
    again = carrier(crew_of([change_triage(), plan(shout_task("T2"))], build), state)
    async with again.resume(planned.run) as run:
        outcome = await run.result()
    assert outcome.status == "succeeded"
    assert set(outcome.view.tasks) == {"T1", "T2"}
    assert [one.text for one in outcome.view.added] == ["Let it shout"]


async def test_an_empty_request_adds_nothing(repo: Path, state: Path) -> None:
    team = crew_of([fix_triage(), plan(fix_task())], ScriptedModel(builds(T1=MENDED), id="build-model"))
    async with carrier(team, state).start("Mend it", repo=repo) as run:
        with pytest.raises(UsageError, match="The request is empty"):
            await run.add(" \n")
        outcome = await run.result()
    assert (outcome.status, outcome.view.added) == ("succeeded", ())


async def test_one_that_is_decided_later_is_stacked_on_what_was_planned_meanwhile(repo: Path, state: Path) -> None:
    """What was paid for the third request counts, whatever comes of the second when the run is taken up."""
    asks = call("submit_triage", kind="clarify", reason="two ways", reply="Treble or triple?")
    script: list[Scripted] = [fix_triage(), plan(fix_task()), asks, change_triage(), plan(triple_task("T2"))]
    team = crew_of(script, Held(builds(T1=MENDED, T2=TRIPLES), "Task T1:"))
    assert isinstance(team.build, Held)
    with anyio.fail_after(120):
        async with carrier(team, state).start("Mend it", repo=repo) as run:
            await team.build.asked.wait()
            assert [await run.add("Let it treble"), await run.add("Let it triple")] == [2, 3]
            await settled(run, lambda event: isinstance(event, ev.PlanAdopted), request=3)
            team.build.go.set()
            outcome = await run.result()
    assert outcome.status == "needs_human"
    (question,) = outcome.view.open_questions
    trebles = CALC_FIXED + TRIPLED + TRIPLED.replace("triple", "treble")
    build = ScriptedModel(builds(T3=[write("calc.py", trebles), "It trebles."]), id="build-model")
    again = carrier(crew_of([change_triage(), plan(triple_task("T2")), plan(triple_task("T3"))], build), state)
    async with again.resume(outcome.run) as run:
        await run.answer(question.id, text="Treble.")
        outcome = await run.result()
    assert outcome.status == "succeeded", outcome.summary
    assert [refused.problems for refused in outcome.view.refusals] == [
        ("the run has a task 'T2' already; go on counting",)
    ]
    assert {name: one.state for name, one in outcome.view.tasks.items()} == dict.fromkeys(
        ("T1", "T2", "T3"), "accepted"
    )
    assert started_from(repo, outcome.run, "T3") == git(repo, "rev-parse", branch(outcome, "T2"))
    assert git(repo, "show", f"{outcome.branch}:calc.py") == trebles.strip()
    assert await replay(find_run(state, outcome.run)) == find_run(state, outcome.run).events()


async def test_the_patience_with_one_request_is_not_used_up_by_another(repo: Path, state: Path) -> None:
    unmade = plan(fix_task(depends_on=["T9"]))
    script: list[Scripted] = [
        fix_triage(),
        unmade,
        unmade,
        plan(fix_task()),
        change_triage(),
        plan(shout_task("T1")),
        plan(shout_task("T1")),
        plan(shout_task("T2")),
    ]
    team = crew_of(script, Held(builds(T1=MENDED, T2=SHOUTS), "Task T1:"))
    outcome, events = await sail(team, repo, state)
    assert [refused.request for refused in of(ev.Refused, events)] == [1, 1, 2, 2]
    assert outcome.status == "succeeded"


async def test_a_request_without_patience_left_goes_on_when_a_person_has_the_run_taken_up(
    repo: Path, state: Path
) -> None:
    taken = [plan(shout_task("T1"))] * 3
    team = crew_of([fix_triage(), plan(fix_task()), change_triage(), *taken], Held(builds(T1=MENDED), "Task T1:"))
    outcome, _ = await sail(team, repo, state)
    assert outcome.status == "needs_human"
    assert "Request 2 needs a person: The Captain's plan was refused 3 times" in outcome.summary
    build = ScriptedModel(builds(T2=SHOUTS), id="build-model")
    async with carrier(crew_of([plan(shout_task("T2"))], build), state).resume(outcome.run) as run:
        outcome = await run.result()
    assert outcome.status == "succeeded", outcome.summary


async def test_a_run_that_stops_after_its_plan_stops_after_that_of_what_is_added(repo: Path, state: Path) -> None:
    says = call("submit_triage", kind="answer", reason="a question", reply="It subtracts.")
    team = crew_of([says, change_triage(), plan(shout_task("T1"))], ScriptedModel([], id="build-model"))
    async with carrier(team, state, stop_after_plan=True).start("What does add do?", repo=repo) as run:
        await run.add("Let it shout")
        outcome = await run.result()
    assert outcome.status == "planned"
    assert "Request 2 was planned: The plan has 1 task; nothing has been changed." in outcome.summary
    build = ScriptedModel(builds(T1=SHOUTS), id="build-model")
    async with carrier(crew_of([], build), state).resume(outcome.run) as run:
        outcome = await run.result()
    assert (outcome.status, outcome.view.tasks["T1"].state) == ("succeeded", "accepted")
