"""Shortcuts within a run: what blocks goes back to the Build, what only asks goes to the reviewers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import captain
from captain.core import events as ev
from captain.core.loop_events import RulesApplied
from captain.models import ScriptedReply
from captain.reports import to_markdown
from tests.voyages import (
    CALC_FIXED,
    calc_repository,
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

TEST = "import calc\n\n\ndef test_double():\n    assert calc.double(2) == 4\n    assert calc.double(0) == 0\n"
WEAKER = TEST.replace("calc.double(2) == 4", "calc.double(2)")


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    return calc_repository(tmp_path / "repo", {"test_calc.py": TEST})


def found(events: list[ev.Event]) -> list[RulesApplied]:
    return [event.step for event in of(ev.ReviewStep, events) if isinstance(event.step, RulesApplied)]


def with_tests(build: Any, reviews: Any) -> captain.Crew:
    return crew([fix_triage(), plan(fix_task(paths=("calc.py", "test_calc.py")))], build, reviews)


async def test_a_weakened_test_goes_back_to_the_build_although_no_reviewer_objects(repo: Path, state: Path) -> None:
    build = [
        (write("calc.py", CALC_FIXED), write("test_calc.py", WEAKER)),
        "Done.",
        ScriptedReply(
            calls=(write("test_calc.py", TEST),),
            expects=("F1 [major, shortcut]", "Assertion weakened", "What would justify it"),
        ),
        "The assertion is back.",
    ]
    reviews = [ScriptedReply(calls=(review(),), expects="Found by rule"), review(), review()]
    outcome, events = await sail(repo, state, with_tests(build, reviews))
    assert outcome.status == "succeeded"
    (first,) = found(events)
    assert [(one.path, one.severity, one.category, one.anchor) for one in first.findings] == [
        ("test_calc.py", "major", "shortcut", "assert calc.double(2)")
    ]
    (ended,) = [event for event in events if isinstance(event, ev.LoopEnded)]
    assert (ended.verdict, ended.rounds, ended.weight, ended.residuals) == ("converged", 2, 0, ())


async def test_a_task_whose_build_insists_on_its_shortcut_is_not_accepted(repo: Path, state: Path) -> None:
    build = [(write("calc.py", CALC_FIXED), write("test_calc.py", WEAKER)), "Done.", "It has to be so.", "Really."]
    outcome, events = await sail(repo, state, with_tests(build, [review(), review()]))
    assert outcome.status != "succeeded"
    (ended,) = [event for event in events if isinstance(event, ev.LoopEnded)]
    assert ended.verdict == "converged_with_residuals"
    (left,) = ended.residuals
    assert (left.finding.category, left.severity) == ("shortcut", "major")
    assert left.reason == "the fixer left the files as they were, 2 times: Really."


async def test_what_only_asks_is_put_to_the_reviewer_and_stands_in_the_report(repo: Path, state: Path) -> None:
    changed = TEST.replace("calc.double(0) == 0", "calc.double(0) == 0.0")
    build = [(write("calc.py", CALC_FIXED), write("test_calc.py", changed)), "Done."]
    reviews = [
        ScriptedReply(
            calls=(review(),), expects=("Asked by rule", "Expected value changed", "assert calc.double(0) == 0.0")
        )
    ]
    outcome, events = await sail(repo, state, with_tests(build, reviews))
    assert outcome.status == "succeeded"
    (asked,) = found(events)
    assert asked.findings == ()
    assert [one.path for one in asked.questions] == ["test_calc.py"]
    report = to_markdown(outcome.view)
    assert "## Possible shortcuts" in report
    assert "Expected value changed" in report


async def test_a_change_without_shortcuts_says_nothing_of_them(repo: Path, state: Path) -> None:
    outcome, events = await sail(repo, state, fix_crew())
    assert outcome.status == "succeeded"
    assert found(events) == []
    assert "Possible shortcuts" not in to_markdown(outcome.view)
