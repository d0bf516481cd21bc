"""What was decided stays decided: a run that stopped at its plan, or was broken off after it, goes on from there."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path

import anyio
import pytest

import captain
from captain.core import events as ev
from captain.models import ScriptedModel, call
from captain.orchestration import Accept, Approval, Edited, PlanApprover, PlanOffer
from captain.runs import find_run
from captain.testing import git
from tests.orchestration.test_misbehaving_captains import look
from tests.orchestration.test_replay import same
from tests.voyages import (
    CALC_FIXED,
    ONE_LOOK,
    UNCONFINED,
    crew,
    fix_crew,
    fix_task,
    fix_triage,
    of,
    plan,
    review,
    sail,
    write,
)

pytestmark = pytest.mark.slow


MENDED = [write("calc.py", CALC_FIXED), "Done."]


def carrier(state: Path, team: captain.Crew, approve: PlanApprover | None = None) -> captain.Captain:
    options = captain.Options(review=ONE_LOOK, approve_plan=approve)
    return captain.Captain(team, state_dir=state, sandbox=UNCONFINED, options=options)


async def resumed(state: Path, run: str, team: captain.Crew, approve: PlanApprover | None = None) -> captain.Outcome:
    async with carrier(state, team, approve).resume(run) as again:
        return await again.result()


async def retitle(offer: PlanOffer) -> Approval:
    (task,) = offer.plan.tasks
    return Edited(plan=replace(offer.plan, tasks=(replace(task, title="As a person wants it"),)))


@dataclass
class Silent:
    """Is asked, and never answers."""

    asked: anyio.Event

    async def __call__(self, offer: PlanOffer) -> Approval:
        self.asked.set()
        await anyio.sleep_forever()
        raise AssertionError("unreachable")


async def test_a_run_that_stopped_at_its_plan_is_carried_out_when_it_is_resumed(repo: Path, state: Path) -> None:
    first, _ = await sail(repo, state, fix_crew(), stop_after_plan=True)
    await same(find_run(state, first.run))
    team = fix_crew()
    outcome = await resumed(state, first.run, team)
    assert (first.status, outcome.status, outcome.run) == ("planned", "succeeded", first.run)
    assert isinstance(team.captain, ScriptedModel)
    assert team.captain.requests == []  # what is planned is not asked for again
    await same(find_run(state, first.run))


async def test_an_edited_plan_is_the_one_a_broken_off_run_goes_on_with(repo: Path, state: Path) -> None:
    team = fix_crew(build=[call("shell", command="sleep 600", timeout_s=600)])
    async with carrier(state, team, retitle).start("Mend it", repo=repo) as run:
        async for recorded in run.events():
            if isinstance(recorded.event, ev.TaskChanged) and recorded.event.state == "building":
                run.cancel()
    outcome = await resumed(state, run.id, fix_crew())
    assert outcome.status == "succeeded"
    assert git(repo, "log", "-1", "--format=%s", f"captain/{run.id}/task/T1") == "As a person wants it"
    await same(find_run(state, run.id))


async def test_a_plan_nobody_has_approved_yet_is_not_carried_out_when_the_run_is_resumed(
    repo: Path, state: Path
) -> None:
    silent = Silent(anyio.Event())
    async with carrier(state, fix_crew(), silent).start("Mend it", repo=repo) as run:
        with anyio.fail_after(60):
            await silent.asked.wait()
    unheard = await resumed(state, run.id, fix_crew())
    assert unheard.status == "needs_human"
    assert unheard.summary.startswith("Carry out the plan?")
    assert [question.kind for question in unheard.view.open_questions] == ["plan"]

    async def accept(offer: PlanOffer) -> Approval:
        return Accept()

    outcome = await resumed(state, run.id, fix_crew(), accept)
    assert outcome.status == "succeeded"
    events = [recorded.event for recorded in find_run(state, run.id).events()]
    assert [event.decision for event in of(ev.PlanDecided, events)] == ["accepted"]


async def test_a_search_and_the_triage_after_it_are_replayed_from_the_record(repo: Path, state: Path) -> None:
    areas = ["calc.py", "text.py", "AGENTS.md"]
    script = [
        call("submit_triage", kind="fix", reason="it could be anywhere", wide=areas),
        plan(look("S1", "calc.py")),
        fix_triage(),
        plan(fix_task()),
    ]
    build = {"# S1:": [call("read", path="calc.py"), "add subtracts."], "Task T1:": MENDED}
    outcome, _ = await sail(repo, state, crew(script, build, [review()]), request="Mend `gone.py`, or what it became")
    assert outcome.status == "succeeded"
    await same(find_run(state, outcome.run))
