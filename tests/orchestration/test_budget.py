"""Budgets of whole runs: wherever one is used up, the run says so and keeps all that was finished."""

from __future__ import annotations

import random
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import captain
from captain.cli.exits import EXIT_CODES
from captain.core import events as ev
from captain.core.loop_events import FixAttempted, FixStarted
from captain.core.messages import Request, ToolCall
from captain.models import Profile, ScriptedModel, ScriptedReply
from captain.orchestration.context import Team
from captain.runs.ledger import spent_of
from captain.testing import FakeClock, git
from tests.unhurried import CALLS, PRICE_USD, TEN_CALLS, USED, Unhurried, paid
from tests.voyages import (
    CALC,
    CALC_FIXED,
    ONE_LOOK,
    TEXT_FIXED,
    UNCONFINED,
    calc_repository,
    change_triage,
    crew,
    critic,
    finding,
    fix_crew,
    fix_task,
    fix_triage,
    of,
    opinion,
    plan,
    review,
    sail,
    shout_task,
    task,
    write,
)

pytestmark = pytest.mark.slow


ALMOST = CALC.replace("a - b", "abs(a) + b")


def long_way() -> captain.Crew:
    """Through everything that is paid for: triage, plan, build, review, an opinion, a fix, its gate, a last review."""
    build = [
        write("calc.py", ALMOST),
        "Done.",
        ScriptedReply(calls=(write("calc.py", CALC_FIXED),), expects="abs is wrong"),
        "Mended.",
    ]
    return fix_crew(build=build, review_script=critic(review(finding(claim="abs is wrong")), review(), review()))


def stage(events: list[ev.Event]) -> str:
    """What the run was at when the next call was not allowed."""
    agents = [event.agent for event in of(ev.AgentEnded, events) if event.ending == "failed"]
    assert len(set(agents)) == 1
    steps = [event.step for event in of(ev.ReviewStep, events)]
    if agents[0] == "captain":
        return "planning" if of(ev.Triaged, events) else "triage"
    if agents[0].startswith("build"):
        return "fix" if any(isinstance(step, FixStarted) for step in steps) else "build"
    fixed = any(isinstance(step, FixAttempted) and step.commit for step in steps)
    return "review of a fix" if fixed else "review"


def kept_texts(repo: Path) -> set[str]:
    """Every state of calc.py that a branch or a ref of the run's leads to."""
    refs = git(repo, "for-each-ref", "--format=%(refname)", "refs/captain", "refs/heads/captain").split()
    return {git(repo, "show", f"{ref}:calc.py") + "\n" for ref in refs}


@pytest.mark.slow
async def test_wherever_the_calls_run_out_what_was_finished_is_kept_and_told(tmp_path: Path) -> None:
    outcome, _ = await sail(calc_repository(tmp_path / "whole"), tmp_path / "state", long_way())
    assert outcome.status == "succeeded"
    stages = {}
    for calls in range(1, outcome.view.spend.model_calls):
        repo = calc_repository(tmp_path / f"repo-{calls}")
        outcome, events = await sail(repo, tmp_path / "state", long_way(), budget=captain.Budget(model_calls=calls))
        assert (outcome.status, EXIT_CODES[outcome.status]) == ("budget", 3)
        assert f"The budget of {calls} model calls does not allow the next" in outcome.summary
        assert spent_of(events).model_calls == outcome.view.spend.model_calls == calls
        report = (outcome.folder / "report.md").read_text()
        places = {kept.ref: kept.commit for kept in of(ev.Kept, events)}
        places |= {branch.branch: branch.commit for branch in of(ev.BranchSet, events)}
        for name, commit in places.items():
            assert git(repo, "rev-parse", name) == commit
            assert name in report
        written = len([event for event in of(ev.ToolCalled, events) if event.tool == "write"])
        assert kept_texts(repo) >= {*(ALMOST, CALC_FIXED)[:written]}
        stages[calls] = stage(events)
    assert list(dict.fromkeys(stages.values())) == ["planning", "build", "review", "fix", "review of a fix"]


async def test_every_call_to_every_model_of_a_crew_is_in_the_ledger(tmp_path: Path) -> None:
    build = [
        *(write("calc.py", CALC_FIXED), "Done."),
        *(write("calc.py", CALC_FIXED + "# 1\n"), "1"),
        *(write("calc.py", CALC_FIXED + "# 2\n"), "2"),
    ]
    reviews = critic(review(finding()), review(), review())
    reviews["Something was wrong in a git repository"] = [opinion(False), opinion(False), opinion(True)]
    advisor = ScriptedModel([write("calc.py", CALC_FIXED + "# 3\n"), "3"], id="advisor-model")
    team = replace(fix_crew(build=build, review_script=reviews), advisor=advisor)
    outcome, events = await sail(calc_repository(tmp_path / "repo"), tmp_path / "state", team)
    assert outcome.status == "succeeded"
    players = (team.captain, team.build, *team.review, advisor)
    asked = {player.id: len(player.requests) for player in players if isinstance(player, ScriptedModel)}
    assert {model: spend.model_calls for model, spend in outcome.view.meter.by_model.items()} == asked
    assert len(asked) == 4
    assert outcome.view.spend == spent_of(events)


@pytest.mark.parametrize(
    "calls", [2, 8, *(pytest.param(n, marks=pytest.mark.slow) for n in (1, 3, 4, 5, 6, 7, 9, 10, 11))]
)
async def test_a_run_that_goes_on_under_a_larger_budget_pays_for_nothing_twice(tmp_path: Path, calls: int) -> None:
    repo, team = calc_repository(tmp_path / "repo"), long_way()
    first, _ = await sail(repo, tmp_path / "state", team, budget=captain.Budget(model_calls=calls))
    assert first.status == "budget"
    carrier = captain.Captain(
        team,
        budget=captain.Budget(model_calls=12),
        sandbox=UNCONFINED,
        state_dir=tmp_path / "state",
        options=captain.Options(review=ONE_LOOK),
    )
    async with carrier.resume(first.run) as run:
        outcome = await run.result()
    assert (outcome.status, outcome.view.spend.model_calls) == ("succeeded", 12), outcome.summary
    players = [player for player in (team.captain, team.build, *team.review) if isinstance(player, ScriptedModel)]
    assert sum(len(player.requests) for player in players) == 12
    assert git(repo, "show", f"{outcome.branch}:calc.py") + "\n" == CALC_FIXED


async def test_what_a_run_had_integrated_is_integrated_anew_with_what_comes_later(tmp_path: Path) -> None:
    repo = calc_repository(tmp_path / "repo")
    build = {
        "Task T1:": [write("text.py", TEXT_FIXED), "Done."],
        "Task T2:": [write("calc.py", CALC_FIXED), "Done."],
    }
    tasks = (shout_task("T1"), fix_task(id_="T2", depends_on=["T1"]))
    team = crew([fix_triage(), plan(*tasks)], build, [review()] * 2)
    first, _ = await sail(repo, tmp_path / "state", team, budget=captain.Budget(model_calls=6))
    assert first.status == "budget"
    assert git(repo, "show", f"{first.branch}:calc.py") + "\n" == CALC
    carrier = captain.Captain(
        team,
        budget=captain.Budget(model_calls=9),
        sandbox=UNCONFINED,
        state_dir=tmp_path / "state",
        options=captain.Options(review=ONE_LOOK),
    )
    async with carrier.resume(first.run) as run:
        outcome = await run.result()
    assert (outcome.status, outcome.branch) == ("succeeded", first.branch), outcome.summary
    assert git(repo, "show", f"{outcome.branch}:calc.py") + "\n" == CALC_FIXED
    assert git(repo, "show", f"{outcome.branch}:text.py") + "\n" == TEXT_FIXED


async def test_time_that_runs_out_with_the_last_review_does_not_stop_the_integration(tmp_path: Path) -> None:
    clock = FakeClock()

    def late(_: Request) -> ToolCall:
        clock.advance(100)
        return review()

    team = replace(fix_crew(), review=[ScriptedModel(late, id="review-model")])
    carrier = captain.Captain(
        team,
        budget=captain.Budget(time_s=60),
        sandbox=UNCONFINED,
        state_dir=tmp_path / "state",
        options=captain.Options(review=ONE_LOOK),
        clock=clock,
    )
    async with carrier.start("Mend it", repo=calc_repository(tmp_path / "repo")) as run:
        outcome = await run.result()
    assert (outcome.status, outcome.branch) == ("succeeded", f"captain/{outcome.run}/result")


@pytest.mark.parametrize("limits", [{"tokens": 100}, {"time_s": 1e-9}])
async def test_a_run_that_may_not_even_begin_ends_as_budget(tmp_path: Path, limits: dict[str, Any]) -> None:
    repo = calc_repository(tmp_path / "repo")
    outcome, events = await sail(repo, tmp_path / "state", long_way(), budget=captain.Budget(**limits))
    assert (outcome.status, stage(events), outcome.view.spend.model_calls) == ("budget", "triage", 0)


async def test_a_fix_that_is_broken_off_is_kept_under_a_ref_that_the_report_names(tmp_path: Path) -> None:
    repo = calc_repository(tmp_path / "repo")
    outcome, events = await sail(repo, tmp_path / "state", long_way(), budget=captain.Budget(model_calls=8))
    assert stage(events) == "fix"
    *_, attempt = [event.step for event in of(ev.ReviewStep, events) if isinstance(event.step, FixAttempted)]
    assert git(repo, "show", f"{attempt.ref}:calc.py") + "\n" == CALC_FIXED
    assert str(attempt.ref) in (outcome.folder / "report.md").read_text()
    assert git(repo, "show", f"captain/{outcome.run}/task/T1:calc.py") + "\n" == ALMOST


async def test_what_nobody_has_reviewed_is_not_accepted_because_the_budget_is_used_up(tmp_path: Path) -> None:
    team = fix_crew()  # two calls of the Captain's, two of the Build
    outcome, events = await sail(
        calc_repository(tmp_path / "repo"), tmp_path / "state", team, budget=captain.Budget(model_calls=4)
    )
    assert (outcome.status, outcome.branch) == ("budget", None)
    last = of(ev.TaskChanged, events)[-1]
    assert (last.state, "review could not be brought to an end" in last.reason) == ("parked", True)


async def test_what_was_accepted_is_integrated_though_another_task_is_over_the_budget(tmp_path: Path) -> None:
    repo = calc_repository(tmp_path / "repo")
    build = {
        "Task T1:": [write("calc.py", CALC_FIXED), "Done."],
        "Task T2:": [write("text.py", TEXT_FIXED), "Done."],
    }
    team = crew([fix_triage(), plan(fix_task(), shout_task("T2", depends_on=["T1"]))], build, [review()] * 2)
    outcome, events = await sail(repo, tmp_path / "state", team, budget=captain.Budget(turns=6))
    assert outcome.status == "budget"
    assert "1 of 2 tasks is accepted and integrated" in outcome.summary
    assert "The budget of 6 turns" in outcome.summary
    assert git(repo, "show", f"{outcome.branch}:calc.py") + "\n" == CALC_FIXED
    (kept,) = of(ev.Kept, events)
    assert git(repo, "show", f"{kept.ref}:text.py") + "\n" == TEXT_FIXED


async def test_a_review_that_is_paid_for_is_heard_though_another_is_over_the_budget(tmp_path: Path) -> None:
    policy = captain.ReviewPolicy(reviewers=(2,))
    team = fix_crew(review_script=[review(finding()), review()])
    outcome, events = await sail(
        calc_repository(tmp_path / "repo"),
        tmp_path / "state",
        team,
        budget=captain.Budget(model_calls=5),
        review=policy,
    )
    assert outcome.status == "budget"
    (ended,) = of(ev.LoopEnded, events)
    assert [case.finding.claim for case in ended.unproved] == ["it is wrong"]


def test_a_price_that_is_known_is_not_called_unknown() -> None:
    priced = ScriptedModel([], id="priced", profile=Profile(family="p", pricing=("openai", "gpt-4o")))
    unpriced = ScriptedModel([], id="unpriced")
    assert Team(captain=priced, build=unpriced, review=(priced,)).unpriced() == ("unpriced",)


@pytest.mark.parametrize("limit", TEN_CALLS)
async def test_eight_tasks_at_once_never_spend_more_than_ten_calls(tmp_path: Path, limit: str) -> None:
    rng = random.Random(limit)
    tasks = [task(f"T{number}", paths=[f"new{number}.py"]) for number in range(8)]

    def build(request: Request) -> ScriptedReply:
        number = str(request.messages[0]).partition("Task T")[2][0]
        return paid(write(f"new{number}.py", f"x = {len(request.messages)}\n"))

    team = captain.Crew(
        captain=Unhurried([paid(change_triage()), paid(plan(*tasks))], rng, id="captain-model"),
        build=Unhurried(build, rng, id="build-model"),
        review=[Unhurried([], rng, id="review-model")],
    )
    repo = calc_repository(tmp_path / "repo")
    outcome, events = await sail(repo, tmp_path / "state", team, budget=TEN_CALLS[limit], max_parallel=8)
    assert outcome.status == "budget"
    spend = outcome.view.spend
    assert 3 <= spend.model_calls <= CALLS
    assert spend.usage.total_tokens <= CALLS * USED.total_tokens
    assert spend.cost_usd <= CALLS * PRICE_USD
    assert limit in ("tokens", "cost_usd") or spend.model_calls == CALLS
    written = {event.agent for event in of(ev.ToolCalled, events) if event.tool == "write"}
    assert len(of(ev.Kept, events)) == len(written) > 0
    assert {event.task for event in of(ev.TaskChanged, events) if event.state == "parked"} == {
        f"T{number}" for number in range(8)
    }
