"""What is said to a run while it goes on: who hears it, when, and again when the run is taken up."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest

import captain
from captain.core import events as ev
from captain.core.errors import UsageError
from captain.core.messages import Request, StreamEvent, ToolResult
from captain.models import ScriptedModel, call
from captain.orchestration import replay
from captain.runs import CancelMessage, SteerMessage, find_run, post
from captain.sandbox import Sandbox, inspect_machine, sandboxes
from tests.voyages import (
    CALC_FIXED,
    ONE_LOOK,
    TEXT_FIXED,
    UNCONFINED,
    fix_crew,
    fix_task,
    fix_triage,
    of,
    plan,
    review,
    shout_task,
    write,
)
from tests.waiting import command_lines, until


class Slow(ScriptedModel):
    """Does not answer its first call until it is cut off."""

    def __init__(self, replies: Any) -> None:
        super().__init__(replies, id="build-model", by_turn=True)
        self.asked = anyio.Event()

    @asynccontextmanager
    async def stream(self, request: Request, /) -> AsyncIterator[AsyncIterator[StreamEvent]]:
        if not self.asked.is_set():
            self.asked.set()
            await anyio.sleep_forever()
        async with super().stream(request) as events:
            yield events


def carrier(team: captain.Crew, state: Path, sandbox: Sandbox = UNCONFINED, **options: Any) -> captain.Captain:
    settings = captain.Options(**{"review": ONE_LOOK, "allow_root": True, **options})
    return captain.Captain(team, state_dir=state, sandbox=sandbox, options=settings)


def words(request: Request) -> str:
    """Of the last message."""
    parts = request.messages[-1].parts
    shown = [inner for part in parts for inner in (part.content if isinstance(part, ToolResult) else (part,))]
    return "\n".join(getattr(part, "text", "") for part in shown)


def crew_with(build: ScriptedModel) -> captain.Crew:
    return captain.Crew(
        captain=ScriptedModel([fix_triage(), plan(fix_task())], id="captain-model", by_turn=True),
        build=build,
        review=[ScriptedModel([review()], id="review-model", by_turn=True)],
    )


def lasting() -> str:
    """So many seconds as no other command on the machine sleeps."""
    return f"6{secrets.randbelow(10**6):06}"


def sleeping(seconds: str) -> bool:
    return any(seconds.encode() in argv for argv in command_lines())


async def test_a_message_reaches_a_build_before_its_next_call(repo: Path, state: Path) -> None:
    team = fix_crew()
    async with carrier(team, state).start("Mend it", repo=repo) as run:
        await run.send("Use plain words.")  # before anybody is at work: the next one hears it
        outcome = await run.result()
    assert outcome.status == "succeeded"
    assert isinstance(team.captain, ScriptedModel)
    assert "The user says:\n\n> Use plain words." in words(team.captain.requests[0])
    assert [heard.agent for heard in outcome.view.heard] == ["captain"]
    assert "Use plain words.: heard by captain" in (outcome.folder / "report.md").read_text("utf-8")


async def test_an_urgent_message_cuts_off_the_call_under_way(repo: Path, state: Path) -> None:
    build = Slow([write("calc.py", CALC_FIXED), "Done."])
    with anyio.fail_after(60):
        async with carrier(crew_with(build), state).start("Mend it", repo=repo) as run:
            await build.asked.wait()
            await run.send("Be quick.", how="interrupt", task="T1")
            outcome = await run.result()
    assert outcome.status == "succeeded"
    assert "> Be quick." in words(build.requests[0])
    (heard,) = outcome.view.heard
    assert (heard.turn, heard.how, heard.task) == (1, "interrupt", "T1")
    assert await replay(find_run(state, run.id)) == find_run(state, run.id).events()


async def test_a_tool_that_is_cut_off_gives_a_result_that_says_so(repo: Path, state: Path) -> None:
    seconds = lasting()
    script: list[Any] = [call("shell", command=f"sleep {seconds}"), write("calc.py", CALC_FIXED), "Done."]
    build = ScriptedModel(script, id="build-model")
    with anyio.fail_after(60):
        async with carrier(crew_with(build), state).start("Mend it", repo=repo) as run:
            await until(lambda: sleeping(seconds))
            await run.send("Do not wait.", how="interrupt")
            outcome = await run.result()
    assert outcome.status == "succeeded"
    assert "Stopped: a message from the user came in." in words(build.requests[1])
    assert "> Do not wait." in words(build.requests[1])


async def test_a_message_in_the_queue_waits_until_the_agent_would_be_done(repo: Path, state: Path) -> None:
    build = Slow([write("calc.py", CALC_FIXED), "Done.", "Now with a word more."])
    with anyio.fail_after(60):
        async with carrier(crew_with(build), state).start("Mend it", repo=repo) as run:
            await build.asked.wait()
            await run.send("Say a word more.", how="queue")
            await run.send("Go on.", how="interrupt")
            outcome = await run.result()
    assert outcome.status == "succeeded"
    assert [(heard.turn, heard.text) for heard in outcome.view.heard] == [(1, "Go on."), (3, "Say a word more.")]
    assert await replay(find_run(state, run.id)) == find_run(state, run.id).events()


async def test_a_message_from_another_process_and_a_resumed_run_that_says_it_again(repo: Path, state: Path) -> None:
    build = Slow([write("calc.py", CALC_FIXED), "Done."])
    with anyio.fail_after(60):
        async with carrier(crew_with(build), state).start("Mend it", repo=repo) as run:
            await build.asked.wait()
            post(find_run(state, run.id).project.journal, run.id, SteerMessage(text="Be quick.", how="interrupt"))
            async for recorded in run.events():
                event = recorded.event
                if isinstance(event, ev.ModelCalled) and event.role == "build" and not event.estimated:
                    break
            run.cancel()
            assert (await run.result()).status == "cancelled"
    again = ScriptedModel([write("calc.py", CALC_FIXED), "Done."], id="build-model", by_turn=True)
    async with carrier(crew_with(again), state).resume(run.id) as resumed:
        outcome = await resumed.result()
    assert outcome.status == "succeeded"
    assert len(of(ev.MessageDelivered, [one.event for one in find_run(state, run.id).events()])) == 1
    first = again.requests[0].messages[0].parts
    assert any("> Be quick." in getattr(part, "text", "") for part in first)


@pytest.mark.parametrize(
    ("text", "task", "said"),
    [("  ", None, "The message is empty"), ("Hm.", "T9", "The run has no task 'T9'")],
)
async def test_what_cannot_be_said_is_refused(repo: Path, state: Path, text: str, task: str | None, said: str) -> None:
    build = Slow([write("calc.py", CALC_FIXED), "Done."])
    with anyio.fail_after(60):
        async with carrier(crew_with(build), state).start("Mend it", repo=repo) as run:
            await build.asked.wait()
            with pytest.raises(UsageError, match=said):
                await run.send(text, task=task)


@pytest.mark.parametrize("confined", [False, True])
async def test_a_task_that_is_stopped_takes_its_commands_along_and_leaves_the_others_alone(
    repo: Path, state: Path, confined: bool
) -> None:
    found = sandboxes(inspect_machine()) if confined else ()
    if confined and not found:
        pytest.skip("there is no sandbox on this machine")
    sandbox = captain.sandbox.detect(allow_root=True, folder=state.parent) if confined else UNCONFINED
    seconds = lasting()
    team = captain.Crew(
        captain=ScriptedModel(
            [fix_triage(), plan(fix_task(), shout_task("T2"), shout_task("T3", depends_on=["T1", "T2"]))],
            id="captain-model",
        ),
        build=ScriptedModel(
            {
                "Title of T1": [
                    write("calc.py", CALC_FIXED),
                    call("shell", command=f"sleep {seconds} & sleep {seconds}"),
                    "Done.",
                ],
                "Title of T2": [write("text.py", TEXT_FIXED), "Done."],
            },
            id="build-model",
        ),
        review=[ScriptedModel([review()], id="review-model", by_turn=True)],
    )
    with anyio.fail_after(120):
        async with carrier(team, state, sandbox).start("Mend it", repo=repo) as run:
            await until(lambda: sleeping(seconds))
            post(find_run(state, run.id).project.journal, run.id, CancelMessage(task="T1"))
            outcome = await run.result()
    states = {name: task.state for name, task in outcome.view.tasks.items()}
    assert states == {"T1": "cancelled", "T2": "accepted", "T3": "parked"}
    assert outcome.view.tasks["T1"].reason == "it was stopped by the user"
    assert [kept.task for kept in outcome.view.kept] == ["T1"]
    assert outcome.status == "needs_human"
    await until(lambda: not sleeping(seconds))
