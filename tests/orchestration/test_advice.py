"""Advice: when the crew's advisor is asked, what the agent hears, how often, and what it costs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import captain
from captain.agent import Advisor, Agent, Crewmate
from captain.core import events as ev
from captain.core.errors import ModelError
from captain.core.messages import Request, Text, ToolResult
from captain.models import ScriptedModel, ScriptedReply, call
from captain.orchestration import replay
from captain.runs import find_run
from captain.tools import said, tool
from tests.voyages import CALC_FIXED, ONE_LOOK, UNCONFINED, fix_task, fix_triage, plan, review, write

LOOK = call("read", path="calc.py")
FAIL = call("shell", command="false")
DONE = [write("calc.py", CALC_FIXED), "Done."]
WORDS = "Look at the sign in add."


def advised(build: list[Any], advice: list[Any], first: list[Any] | None = None) -> captain.Crew:
    return captain.Crew(
        captain=ScriptedModel([*(first or []), fix_triage(), plan(fix_task())], id="captain-model", by_turn=True),
        build=ScriptedModel(build, id="build-model", by_turn=True),
        review=[ScriptedModel([review()], id="review-model", by_turn=True)],
        advisor=ScriptedModel(advice, id="advisor-model"),
    )


def carrier(team: captain.Crew, state: Path) -> captain.Captain:
    return captain.Captain(team, state_dir=state, sandbox=UNCONFINED, options=captain.Options(review=ONE_LOOK))


def asked(player: object) -> list[Request]:
    assert isinstance(player, ScriptedModel)
    return player.requests


def heard(request: Request) -> str:
    """The last thing a model was told, results of tools included."""
    texts = []
    for part in request.messages[-1].parts:
        parts = part.content if isinstance(part, ToolResult) else (part,)
        texts += [inner.text for inner in parts if isinstance(inner, Text)]
    return "\n".join(texts)


async def test_a_build_that_goes_in_circles_hears_the_advisor_in_place_of_the_bare_nudge(
    repo: Path, state: Path
) -> None:
    team = advised([LOOK] * 4 + DONE, [WORDS])
    outcome = await carrier(team, state).run("Mend it", repo=repo)
    assert outcome.status == "succeeded"
    told = heard(asked(team.build)[4])
    assert f"> {WORDS}" in told
    assert "You have made the same calls" not in told
    (advice,) = outcome.view.advice
    assert (advice.agent, advice.task, advice.trigger, advice.advice) == ("build-T1", "T1", "stuck", WORDS)
    (request,) = asked(team.advisor)
    assert request.tools == ()
    assert "> # Task T1: Title of T1" in heard(request)
    assert "calls read" in heard(request)
    kept = json.loads((outcome.folder / "report.json").read_text("utf-8"))
    assert kept["spend"]["by_role"]["advisor"]["model_calls"] == 1
    assert kept["advice"][0]["trigger"] == "stuck"
    assert "## Advice" in (outcome.folder / "report.md").read_text("utf-8")
    assert await replay(find_run(state, outcome.run)) == find_run(state, outcome.run).events()


async def test_a_command_that_fails_twice_brings_advice_and_one_that_fails_once_does_not(
    repo: Path, state: Path
) -> None:
    team = advised([FAIL, call("shell", command="exit 3"), write("calc.py", CALC_FIXED), FAIL, "Done."], [WORDS])
    outcome = await carrier(team, state).run("Mend it", repo=repo)
    assert outcome.status == "succeeded"
    assert [one.trigger for one in outcome.view.advice] == ["failing"]
    builds = asked(team.build)
    assert [WORDS in heard(request) for request in builds] == [False, False, False, False, True]


async def test_a_build_may_ask_the_advisor_and_is_advised_twice_at_most(repo: Path, state: Path) -> None:
    ask = [call("ask_advisor", question=f"What now? {number}") for number in (1, 2, 3)]
    team = advised([*ask, FAIL, FAIL, *DONE], [WORDS, "Turn it round."])
    outcome = await carrier(team, state).run("Mend it", repo=repo)
    assert outcome.status == "succeeded"
    assert [one.trigger for one in outcome.view.advice] == ["asked", "asked"]
    assert "You were advised 2 times" in heard(asked(team.build)[3])
    assert "> What now? 1" in heard(asked(team.advisor)[0])
    assert await replay(find_run(state, outcome.run)) == find_run(state, outcome.run).events()


async def test_the_captain_is_advised_when_it_asks_and_only_then(repo: Path, state: Path) -> None:
    team = advised(DONE, [WORDS], first=[FAIL, FAIL, call("ask_advisor", question="Where?")])
    outcome = await carrier(team, state).run("Mend it", repo=repo)
    assert outcome.status == "succeeded"
    assert [(one.agent, one.trigger) for one in outcome.view.advice] == [("captain", "asked")]
    assert f"> {WORDS}" in heard(asked(team.captain)[3])


async def test_advice_is_cut_and_an_advisor_that_fails_leaves_the_bare_nudge(repo: Path, state: Path) -> None:
    broken = ScriptedReply(error=ModelError("It is down.", model="advisor-model"))
    team = advised([FAIL, FAIL, LOOK, LOOK, LOOK, LOOK, *DONE], ["long " * 1_000, broken])
    outcome = await carrier(team, state).run("Mend it", repo=repo)
    assert outcome.status == "succeeded"
    (advice,) = outcome.view.advice
    assert len(advice.advice) == 1_500
    assert "You have made the same calls" in heard(asked(team.build)[6])


async def test_a_run_cut_off_after_advice_hears_the_same_and_does_not_pay_again(repo: Path, state: Path) -> None:
    build = [FAIL, FAIL, *DONE]
    async with carrier(advised(build, [WORDS]), state).start("Mend it", repo=repo) as run:
        async for recorded in run.events():
            if isinstance(recorded.event, ev.Advised):
                run.cancel()
        assert (await run.result()).status == "cancelled"
    team = advised(build, [])  # it has nothing more to say
    async with carrier(team, state).resume(run.id) as resumed:
        outcome = await resumed.result()
    assert outcome.status == "succeeded"
    assert [one.advice for one in outcome.view.advice] == [WORDS]
    assert f"> {WORDS}" in "\n".join(getattr(p, "text", "") for m in asked(team.build)[-1].messages for p in m.parts)


async def test_without_an_advisor_the_nudge_stays_as_it_was(repo: Path, state: Path) -> None:
    script: list[Any] = [FAIL, LOOK, LOOK, LOOK, LOOK, *DONE]
    team = captain.Crew(
        captain=ScriptedModel([fix_triage(), plan(fix_task())]),
        build=ScriptedModel(script),
        review=[ScriptedModel([review()])],
    )
    outcome = await carrier(team, state).run("Mend it", repo=repo)
    assert outcome.view.advice == []
    assert "You have made the same calls" in heard(asked(team.build)[5])
    assert "ask_advisor" not in {spec.name for spec in asked(team.build)[0].tools}


async def test_an_agent_alone_can_have_an_advisor() -> None:
    @tool()
    async def look() -> captain.ToolOutput:
        """Looks."""
        return said("nothing")

    build = ScriptedModel([call("look")] * 4 + ["Enough."])
    advisor = Advisor(mate=Crewmate(model=ScriptedModel([WORDS]), name="advice", role="advisor"))
    result = await Agent(mate=Crewmate(model=build), instructions="", tools=(look,), advisor=advisor).run("Look")
    assert result.ending == "done"
    assert WORDS in heard(build.requests[4])
