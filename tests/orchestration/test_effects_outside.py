"""What is felt outside of this machine is not repeated unasked when a run is taken up."""

from __future__ import annotations

from pathlib import Path

import anyio
import pytest

import captain
from captain.core import events as ev
from captain.core.questions import Answered, Question
from captain.models import ScriptedModel, call
from captain.runs import find_run
from captain.tools import FunctionTool, tool
from tests.voyages import CALC_FIXED, ONE_LOOK, UNCONFINED, calc_repository, fix_task, fix_triage, plan, review, write


class Bell:
    """Rings for as long as it is told to; `rung` counts."""

    def __init__(self) -> None:
        self.rung = 0
        self.heard = anyio.Event()
        self.silent = True

    def tool(self) -> FunctionTool:
        @tool(effect="external")
        async def ring() -> str:
            """Rings the bell."""
            self.rung += 1
            self.heard.set()
            if self.silent:
                await anyio.sleep_forever()
            return "It rang."

        return ring


def carrier(bell: Bell, state: Path, **options: object) -> captain.Captain:
    team = captain.Crew(
        captain=ScriptedModel([fix_triage(), plan(fix_task())], by_turn=True),
        build=ScriptedModel([write("calc.py", CALC_FIXED), call("ring"), "Done."], by_turn=True),
        review=[ScriptedModel([review()], by_turn=True)],
    )
    settings = captain.Options(review=ONE_LOOK, extra_tools=(bell.tool(),), **options)  # type: ignore[arg-type]
    return captain.Captain(team, state_dir=state, sandbox=UNCONFINED, options=settings)


@pytest.mark.parametrize(("said", "times"), [("repeat", 2), ("happened", 1)])
async def test_whether_it_happened_is_asked_and_the_run_goes_on(tmp_path: Path, said: str, times: int) -> None:
    repo, state, bell = calc_repository(tmp_path / "repo"), tmp_path / "state", Bell()
    with anyio.fail_after(60):
        async with carrier(bell, state).start("Mend it", repo=repo) as run:
            await bell.heard.wait()
    bell.silent = False
    async with carrier(bell, state).resume(run.id) as waiting:
        parked = await waiting.result()
    assert parked.status == "needs_human"
    assert parked.view.tasks["T1"].reason == "it waits for an answer to Q1"
    (question,) = parked.view.open_questions
    assert question.kind == "external"
    assert 'tool: "ring"' in question.details
    assert bell.rung == 1

    async def answer(_: Question) -> Answered:
        return Answered(choice=said)

    async with carrier(bell, state, on_question=answer).resume(run.id) as resumed:
        outcome = await resumed.result()
    assert outcome.status == "succeeded", outcome.summary
    assert bell.rung == times
    calls = [one.event for one in find_run(state, run.id).events() if isinstance(one.event, ev.ToolCalled)]
    assert len([each for each in calls if each.tool == "ring"]) == times - 1
