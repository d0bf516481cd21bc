"""How often a Captain's proposals may be refused is counted over all the processes that carry a run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import captain
from captain.core import events as ev
from captain.models import ScriptedModel
from captain.orchestration import replay
from captain.runs import find_run
from tests.voyages import (
    CALC_FIXED,
    ONE_LOOK,
    UNCONFINED,
    change_triage,
    fix_task,
    fix_triage,
    of,
    plan,
    review,
    task,
    write,
)

BAD = plan(task("T1", criteria=[]))
NO_TRIAGE = fix_triage(reproduction=None)


def crew(*script: Any) -> captain.Crew:
    return captain.Crew(
        captain=ScriptedModel(list(script), id="captain-model", by_turn=True),
        build=ScriptedModel([write("calc.py", CALC_FIXED), "Done."], id="build-model", by_turn=True),
        review=[ScriptedModel([review()], id="review-model", by_turn=True)],
    )


def carrier(team: captain.Crew, state: Path) -> captain.Captain:
    return captain.Captain(team, state_dir=state, sandbox=UNCONFINED, options=captain.Options(review=ONE_LOOK))


async def cut_off_after(refusals: int, team: captain.Crew, repo: Path, state: Path) -> str:
    """The run, whose process is gone right after so many refusals."""
    seen = 0
    async with carrier(team, state).start("Mend it", repo=repo) as run:
        async for recorded in run.events():
            seen += isinstance(recorded.event, ev.Refused)
            if seen == refusals:
                run.cancel()
        await run.result()
    return run.id


async def resumed(run: str, team: captain.Crew, state: Path) -> captain.Outcome:
    async with carrier(team, state).resume(run) as again:
        return await again.result()


def refused(state: Path, run: str) -> list[ev.Refused]:
    return of(ev.Refused, [recorded.event for recorded in find_run(state, run).events()])


def asked(team: captain.Crew) -> int:
    assert isinstance(team.captain, ScriptedModel)
    return len(team.captain.requests)


@pytest.mark.parametrize("script", [[change_triage(), *[BAD] * 9], [NO_TRIAGE] * 9], ids=["plan", "triage"])
@pytest.mark.parametrize("refusals", [1, 2])
async def test_a_run_that_is_taken_up_has_the_patience_it_had_left(
    repo: Path, state: Path, script: list[Any], refusals: int
) -> None:
    run = await cut_off_after(refusals, crew(*script), repo, state)
    assert len(refused(state, run)) == refusals
    outcome = await resumed(run, crew(*script), state)
    assert outcome.status == "needs_human"
    assert "was refused 3 times" in outcome.summary
    told = refused(state, run)
    assert len(told) == len({one.call for one in told}) == 3  # in the same words, and none of them twice
    stored = find_run(state, run)
    assert await replay(stored) == stored.events()


async def test_each_time_a_person_has_the_run_go_on_there_are_three_more(repo: Path, state: Path) -> None:
    outcome = await carrier(crew(change_triage(), *[BAD] * 9), state).run("Mend it", repo=repo)
    assert outcome.status == "needs_human"
    again = await resumed(outcome.run, crew(change_triage(), *[BAD] * 9), state)
    assert again.status == "needs_human"
    assert "was refused 6 times" in again.summary
    assert len(refused(state, outcome.run)) == 6


async def test_a_run_that_ended_for_want_of_patience_goes_on_with_a_captain_that_does_better(
    repo: Path, state: Path
) -> None:
    outcome = await carrier(crew(fix_triage(), *[BAD] * 3), state).run("Mend it", repo=repo)
    assert outcome.status == "needs_human"
    better = crew(fix_triage(), *[BAD] * 3, plan(fix_task()))
    again = await resumed(outcome.run, better, state)
    assert again.status == "succeeded"
    assert asked(better) == 1  # what is on record is not asked for again
    assert len(refused(state, outcome.run)) == 3
    stored = find_run(state, outcome.run)
    assert await replay(stored) == stored.events()
