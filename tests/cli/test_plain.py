"""Plain lines and the closing lines, whole."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import pytest

from captain.cli.closing import closing_lines
from captain.cli.plain import PlainScreen, plain_lines
from captain.cli.screens import JsonScreen
from captain.core import codec
from captain.core import events as ev
from captain.core.events import Recorded
from captain.core.tasks import Diagnosis, RequestItem, Triage
from captain.reports import RunView
from tests.cli.fakes import outcome_of
from tests.reports.sample import BASE, FIX, SUITE, hostile_run, opened, record, result, whole_run
from tests.reports.snapshot import assert_matches
from tests.reports.test_escape import hides_something

FIXED_AT = "c" * 40
SNAPSHOTS = Path(__file__).parent / "snapshots"


def lines_of(events: tuple[Recorded, ...]) -> list[str]:
    view = RunView()
    lines: list[str] = []
    for recorded in events:
        view.apply(recorded)
        lines += plain_lines(recorded, view)
    return lines


def at_once(*events: ev.Event) -> list[str]:
    """The lines of events that all happen in one moment, without the time."""
    return [line.strip().removeprefix("0.0s  ") for line in lines_of(record(*events, step_s=0))]


def test_the_plain_lines_of_a_whole_run(capsys: pytest.CaptureFixture[str]) -> None:
    screen, view = PlainScreen(), RunView()

    for recorded in whole_run():
        view.apply(recorded)
        screen.show(recorded, view)
    screen.finish(outcome_of(whole_run()))

    assert_matches(capsys.readouterr().out, SNAPSHOTS / "whole_run.txt")


def test_hostile_text_stays_on_its_line_and_acts_on_nothing() -> None:
    lines = lines_of(hostile_run("planned")) + closing_lines(outcome_of(hostile_run()))

    assert not any(hides_something(line) for line in lines)
    assert not any("\n" in line for line in lines_of(hostile_run()))


def test_a_bug_hunt_is_told_as_suspicion_evidence_and_next_step() -> None:
    cause = "add subtracts."
    ran = ev.ReproductionRan(
        diagnosis="D1",
        command="false",
        commit=BASE,
        exit_code=1,
        seen_to_fail=True,
        output="Traceback\nAssertionError: 0\n",
        cause=cause,
        runs=3,
        failed=3,
    )
    passes = replace(ran, exit_code=0, seen_to_fail=False, failed=0, refuted="passes on the base commit")
    unseen = Diagnosis(id="D2", cause="It waits.", locations=(), no_reproduction="a race")
    items = (RequestItem(id="R1", text="It is slow"), RequestItem(id="R2", text="Since Monday", context=True))
    triage = Triage(kind="fix", reason="two bugs", diagnoses=(unseen,), items=items)
    told = at_once(passes, ran, replace(ran, failed=2), ev.Triaged(triage=triage))
    assert told == [
        "D1  suspected: add subtracts; evidence: none, the reproduction passes on the base commit (exit 0); "
        "next: look again",
        "D1  suspected: add subtracts; evidence: reproduction fails (exit 1): AssertionError: 0; next: plan the fix",
        "D1  suspected: add subtracts; evidence: reproduction fails 2 of 3 times, so it is flaky (exit 1): "
        "AssertionError: 0; next: plan the fix",
        "triage fix: two bugs",
        "D2  suspected: It waits; evidence: not reproduced, a race; next: plan the fix, have the cause confirmed",
        "R1  wanted: It is slow",
        "R2  background: Since Monday",
    ]


def test_a_refusal_does_not_say_again_what_a_reproduction_has_said() -> None:
    ran = ev.ReproductionRan(
        diagnosis="D1",
        command="true",
        commit=BASE,
        exit_code=0,
        seen_to_fail=False,
        output="",
        cause="add subtracts",
        refuted="passes on the base commit",
    )
    problems = ("D1: the reproduction passes on the base commit. Look again.", "R2 is mentioned by no item")
    told = at_once(ran, ev.Refused(what="triage", problems=problems))
    assert told[1:] == [
        "triage refused: D1 not reproduced",
        "triage refused: R2 is mentioned by no item",
    ]


def test_a_task_in_which_nothing_is_found_takes_as_many_lines_as_it_has_news() -> None:
    branch = ev.BranchSet(branch="captain/r/task/T1", commit=FIXED_AT, task="T1")
    nothing = "the cold review of round 1 admitted nothing"
    ended = ev.LoopEnded(
        task="T1",
        verdict="converged",
        reason=nothing,
        rounds=1,
        start=BASE,
        commit=FIXED_AT,
        start_weight=0,
        weight=0,
        residuals=(),
    )
    told = at_once(
        ev.TaskChanged(task="T1", state="building"),
        ev.TaskChanged(task="T1", state="checking"),
        ev.SnapshotTaken(task="T1", base=BASE, commit=FIXED_AT, ref="refs/x", files=1),
        ev.TaskChanged(task="T1", state="reviewing", reason="round 1"),
        ended,
        branch,
        ev.TaskChanged(task="T1", state="accepted", reason=nothing),
    )
    assert told == [
        "T1  building",
        "T1  built: 1 file changed",
        "T1  reviewing: round 1",
        "T1  converged after 1 round: the cold review of round 1 admitted nothing",
        f"T1  accepted on captain/r/task/T1 at {FIXED_AT[:12]}",
    ]


def test_a_search_is_told_by_who_looks_where_and_what_they_report() -> None:
    look = replace(FIX, id="S1", kind="investigate", title="Look at dates")
    told = at_once(
        ev.SearchPlanned(tasks=(look,), reason="it could be anywhere"),
        ev.Investigated(task="S1", report="\nNothing there.\nReally.", problem="it used up its 9 turns"),
        ev.PlanDecided(decision="rejected", words="too much"),
    )
    assert told == [
        "search by 1 reader: it could be anywhere",
        "S1  looks in quaybook/dates.py, tests/test_dates.py: Look at dates",
        "S1  reports: Nothing there.: it used up its 9 turns",
        "plan rejected: too much",
    ]


def test_a_quiet_run_says_only_how_it_ended(capsys: pytest.CaptureFixture[str]) -> None:
    screen, view = PlainScreen(quiet=True), RunView()

    for recorded in whole_run():
        view.apply(recorded)
        screen.show(recorded, view)
    screen.finish(outcome_of(whole_run()))

    assert capsys.readouterr().out.splitlines() == closing_lines(outcome_of(whole_run()))


def test_a_run_that_was_stopped_or_ran_into_a_limit_ends_with_how_it_goes_on() -> None:
    def last(status: ev.RunStatus) -> list[str]:
        return closing_lines(outcome_of(record(opened(), ev.RunEnded(status=status, summary="It ended."))))

    run = outcome_of(whole_run()).run
    assert f"go on: captain resume {run}" in last("cancelled")
    assert f"go on: captain resume {run} with a larger --budget-…" in last("budget")
    assert not any(line.startswith("go on") for line in last("succeeded"))


def test_json_lines_are_the_recorded_events_and_then_the_outcome(capsys: pytest.CaptureFixture[str]) -> None:
    screen, view = JsonScreen(), RunView()

    for recorded in hostile_run():
        view.apply(recorded)
        screen.show(recorded, view)
    screen.finish(outcome_of(hostile_run()))

    *events, outcome = capsys.readouterr().out.splitlines()
    assert tuple(codec.from_json(Recorded, line) for line in events) == hostile_run()
    assert json.loads(outcome)["outcome"]["status"] == "failed"
    assert all(" " <= character <= "~" for line in events for character in line)


def test_a_word_to_the_person_does_not_disturb_what_a_program_reads(capsys: pytest.CaptureFixture[str]) -> None:
    JsonScreen().say("Stopping\x1b[2J")

    said = capsys.readouterr()
    assert (said.out, said.err) == ("", "Stopping\\x1b[2J\n")


def test_a_compaction_is_told_with_its_sizes() -> None:
    event = ev.Compacted(agent="build-T1", stage="summarised", tokens_before=81_234, tokens_after=20_000)
    recorded = Recorded(seq=1, at=datetime(2026, 1, 1, tzinfo=UTC), event=event)
    assert [line.split("s  ", 1)[1] for line in plain_lines(recorded, RunView.of([recorded]))] == [
        "build-T1  conversation summarised: about 81,234 tokens before, 20,000 after"
    ]


def test_work_that_does_not_go_together_is_told_with_what_shows_it() -> None:
    clash = ev.TasksClashed(task="T2", others=("T1",), conflicts=("a.py", "b.py"))
    failing = ev.TasksClashed(task="T3", others=("T1", "T2"), results=(result(SUITE, 1),), ref="refs/x")
    moved = ev.TaskRestacked(task="T2", below=("T1",), before=f"{1:040x}", after=f"{2:040x}", how="small task")
    followed = ev.TaskRestacked(task="T4", below=(), before=f"{1:040x}", after=f"{2:040x}", how="followed")
    forecast = ev.CollisionForecast(tasks=("T1", "T2"), paths=("a.py",))
    told = record(opened(), clash, failing, moved, followed, forecast)
    assert [line.split("s  ", 1)[1] for line in lines_of(told)[-5:]] == [
        "T2  conflicts with T1 in a.py, b.py",
        "T3  fails suite (exit 1) together with T1 and T2",
        "T2  was made to fit, by a small task, onto T1: 000000000000",
        "T4  followed the base: 000000000000",
        "T1  is about to collide with T2 in a.py",
    ]
