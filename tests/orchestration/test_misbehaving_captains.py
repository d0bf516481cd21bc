"""Captains that misbehave: a run ends right or stops with the right question, and the report says which rule held."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

import captain
from captain.agent import Limits
from captain.core import events as ev
from captain.core.messages import ToolCall
from captain.models import ScriptedReply, call
from captain.testing import git
from tests.voyages import (
    CALC,
    CALC_FIXED,
    DOUBLE_WORKS,
    PYTHON,
    REPRODUCTION,
    SHOUT_WORKS,
    TEXT_FIXED,
    calc_repository,
    change_triage,
    crew,
    fix_task,
    fix_triage,
    of,
    plan,
    review,
    sail,
    shout_task,
    task,
    write,
)

pytestmark = pytest.mark.slow


BOTH = "`add` gives the difference. Make `shout` shout."
MENDED = [write("calc.py", CALC_FIXED), "Done."]


def then(made: ToolCall, *expects: str) -> ScriptedReply:
    """The Captain's next attempt, after it was told what is expected here."""
    return ScriptedReply(calls=(made,), expects=expects)


def held(outcome: captain.Outcome) -> list[str]:
    """The rules that the report names, in Markdown and in JSON alike."""
    said = json.loads((outcome.folder / "report.json").read_text("utf-8"))
    shown = (outcome.folder / "report.md").read_text("utf-8")
    for rule in said["rules_held"]:
        assert rule["says"] in shown.partition("## Rules that held")[2]
    return [rule["rule"] for rule in said["rules_held"]]


async def test_one_who_delegates_the_hunt_for_a_bug_at_once_is_sent_to_look_itself(repo: Path, state: Path) -> None:
    script = [
        call("submit_triage", kind="fix", reason="a bug"),
        then(change_triage(), "needs a diagnosis of every bug"),
        plan(task(kind="fix")),
        then(plan(task(kind="investigate")), "T1 is a fix without a diagnosis"),
        then(plan(task(brief="Find out why add is wrong and fix it.")), "T1 delegates an investigation"),
    ]
    outcome, events = await sail(repo, state, crew(script))
    assert outcome.status == "needs_human"
    assert "sends a Build to look for the cause ('Find out why')" in outcome.summary
    assert held(outcome) == ["diagnosis before delegation", "investigate inline first"]
    assert not of(ev.PlanAdopted, events)
    assert {event.role for event in of(ev.AgentStarted, events)} == {"captain"}


@pytest.mark.parametrize(
    ("location", "told"),
    [
        ({"path": "sums.py"}, "D1 points at 'sums.py', which is not in the repository"),
        ({"path": "calc.py", "symbol": "ad"}, "which calc.py does not define; did you mean 'add'?"),
        ({"path": "AGENTS.md", "symbol": "verbosity"}, "which does not occur in AGENTS.md"),
    ],
)
async def test_one_who_invents_a_location_is_told(repo: Path, state: Path, location: dict[str, str], told: str) -> None:
    script = [fix_triage(locations=[location]), then(fix_triage(), told), plan(fix_task())]
    outcome, events = await sail(repo, state, crew(script, MENDED, [review()]))
    assert outcome.status == "succeeded"
    assert held(outcome) == ["locations exist"]
    assert len(of(ev.ReproductionRan, events)) == 1  # nothing is run for a place that does not exist


@pytest.mark.parametrize(
    ("reproduction", "told"),
    [
        (DOUBLE_WORKS, "passes on the base commit, so it does not show the bug"),
        ("no-such-program --here", "could not be run (exit code 127)"),
        (f"{PYTHON} test_nothing.py", "it names test_nothing.py, which is not in the repository"),
        (f"{PYTHON} -m pytest -q test_nothing.py", "pytest was called wrongly"),
        (f"{PYTHON} -c 'assert add(2, 2 == 4'", "the command itself has a syntax error"),
        ("if true; then echo", "the command itself has a syntax error"),
        (f"{PYTHON} -c 'import calculator'", "it imports calculator, which is not in the repository"),
        (f"{PYTHON} -m unittest discover -s . -p 'no*.py'; exit 1", "no test was run"),
    ],
)
async def test_a_reproduction_that_shows_something_else_than_the_bug_is_refused(
    repo: Path, state: Path, reproduction: str, told: str
) -> None:
    script = [fix_triage(reproduction), then(fix_triage(), told), plan(fix_task())]
    outcome, events = await sail(repo, state, crew(script, MENDED, [review()]))
    assert outcome.status == "succeeded"
    assert held(outcome) == ["reproduction seen to fail"]
    refuted, taken = of(ev.ReproductionRan, events)
    assert (refuted.seen_to_fail, refuted.failed, bool(refuted.refuted)) == (False, 0, True)
    assert (taken.seen_to_fail, taken.failed, taken.runs) == (True, 3, 3)


async def test_a_reproduction_that_fails_sometimes_is_taken_and_has_to_pass_again_and_again(
    repo: Path, state: Path, tmp_path: Path
) -> None:
    times = tmp_path / "times"
    sometimes = f'echo >> {times}; [ "$(wc -l < {times})" = 2 ] || {REPRODUCTION}'
    script = [fix_triage(sometimes), plan(fix_task())]
    outcome, events = await sail(repo, state, crew(script, MENDED, [review()]))
    assert outcome.status == "succeeded"
    (ran,) = of(ev.ReproductionRan, events)
    assert (ran.seen_to_fail, ran.failed, ran.runs) == (True, 2, 3)
    assert times.read_text().count("\n") == 3 + 5  # in the triage, and on what became the result
    report = (outcome.folder / "report.md").read_text("utf-8")
    assert "Flaky: it fails only some of the times" in report
    assert "### D1: fixed" in report
    assert "- After: passes on the integrated result (exit 0)" in report


async def test_a_cause_that_only_repeats_the_request_is_no_diagnosis(repo: Path, state: Path) -> None:
    asked = "`add` gives the wrong result"
    again = fix_triage(cause="The bug is that add gives the wrong result.")
    script = [again, then(fix_triage(), "D1 only repeats the request"), plan(fix_task())]
    outcome, _ = await sail(repo, state, crew(script, MENDED, [review()]), request=asked)
    assert outcome.status == "succeeded"
    assert held(outcome) == ["diagnosis before delegation"]


@pytest.mark.parametrize(("evidence", "status"), [({}, "needs_human"), ({"T1.2": "calc.py:5"}, "succeeded")])
async def test_the_cause_of_a_bug_nobody_could_reproduce_has_to_be_confirmed_by_a_reviewer(
    repo: Path, state: Path, evidence: dict[str, str], status: str
) -> None:
    script = [fix_triage(None, no_reproduction="it takes a harbour"), plan(fix_task())]
    outcome, events = await sail(repo, state, crew(script, MENDED, [review(evidence=evidence)]))
    assert outcome.status == status
    (adopted,) = of(ev.PlanAdopted, events)
    added = adopted.plan.tasks[0].criteria[-1]
    assert (added.text, added.evidence) == (
        "D1: the cause is confirmed: add subtracts",
        "a citation of the code that shows the cause",
    )
    assert "Not reproduced: it takes a harbour" in (outcome.folder / "report.md").read_text("utf-8")


async def test_one_who_plans_half_of_the_request_has_to_cover_or_decline_the_rest(repo: Path, state: Path) -> None:
    half = plan(fix_task(covers=["R1"]))
    whole = plan(fix_task(covers=["R1"]), shout_task("T2", covers=["R2"]))
    build = {"Task T1:": MENDED, "Task T2:": [write("text.py", TEXT_FIXED), "Done."]}
    script = [fix_triage(), half, then(whole, "nothing covers R2 ('Make `shout` shout.')")]
    outcome, _ = await sail(repo, state, crew(script, build, [review()] * 2), request=BOTH)
    assert outcome.status == "succeeded"
    assert held(outcome) == ["request covered"]
    assert [(item.item.id, item.state) for item in outcome.view.items] == [("R1", "done"), ("R2", "done")]


async def test_what_is_declined_is_said_to_the_user_with_the_reason(repo: Path, state: Path) -> None:
    declined = [{"item": "R2", "reason": "Shouting is against the house rules."}]
    made = call("submit_plan", summary="the plan", tasks=[fix_task(covers=["R1"])], declined=declined)
    outcome, _ = await sail(repo, state, crew([fix_triage(), made], MENDED, [review()]), request=BOTH)
    assert outcome.status == "succeeded"
    report = (outcome.folder / "report.md").read_text("utf-8")
    assert "**declined** R2: Make \\`shout\\` shout." in report
    assert "Declined: Shouting is against the house rules." in report
    said = json.loads((outcome.folder / "report.json").read_text("utf-8"))
    assert [item["state"] for item in said["items"]] == ["done", "declined"]


async def test_one_who_plans_extra_refactoring_is_asked_who_wants_it(repo: Path, state: Path) -> None:
    tidy = task("T3", paths=["AGENTS.md"], title="Tidy the notes")
    wanted = [fix_task(covers=["R1"]), shout_task("T2", covers=["R2"])]
    build = {"Task T1:": MENDED, "Task T2:": [write("text.py", TEXT_FIXED), "Done."]}
    script = [fix_triage(), plan(*wanted, tidy), then(plan(*wanted), "nothing asks for T3.1 ('double works')")]
    outcome, events = await sail(repo, state, crew(script, build, [review()] * 2), request=BOTH)
    assert outcome.status == "succeeded"
    assert held(outcome) == ["nothing unasked"]
    assert {event.task for event in of(ev.TaskChanged, events)} == {"T1", "T2"}


async def test_one_whose_parallel_tasks_touch_one_file_stacks_them(repo: Path, state: Path) -> None:
    stacked = plan(task("T1"), task("T2", depends_on=["T1"]))
    build = {
        "Task T1:": [write("calc.py", CALC + "\n# one\n"), "Done."],
        "Task T2:": [write("calc.py", CALC + "\n# one\n\n# two\n"), "Done."],
    }
    script = [change_triage(), plan(task("T1"), task("T2")), then(stacked, "both change 'calc.py' at the same time")]
    outcome, _ = await sail(repo, state, crew(script, build, [review()] * 2))
    assert outcome.status == "succeeded"
    assert held(outcome) == ["parallel scopes are disjoint"]


async def test_one_who_plans_for_ever_ends_with_a_question_and_all_reasons(repo: Path, state: Path) -> None:
    script = [change_triage(), *[plan(task("T1", criteria=[]), task("T2", brief=" "))] * 9]
    outcome, events = await sail(repo, state, crew(script))
    assert outcome.status == "needs_human"
    assert outcome.summary == (
        "The Captain's plan was refused 3 times. The last reasons: T1 has no criterion; "
        "T2 has no brief, and a Build is told nothing else."
    )
    assert outcome.hint.startswith("Say which part matters most")
    assert len(of(ev.Refused, events)) == 3
    assert held(outcome) == ["criteria are provable", "tasks are well formed"]


async def test_one_who_answers_what_asks_for_a_change_is_sent_back_to_work(repo: Path, state: Path) -> None:
    answer = call("submit_triage", kind="answer", reason="a question", reply="add subtracts, as its code shows.")
    script = [
        answer,
        then(fix_triage(), "'make it add' asks for a change, and a reply changes nothing"),
        plan(fix_task(covers=["R1", "R2"])),
    ]
    outcome, _ = await sail(
        repo, state, crew(script, MENDED, [review()]), request="Tell me what `add` does, and make it add"
    )
    assert outcome.status == "succeeded"
    assert held(outcome) == ["answer answers the request"]


async def test_one_who_answers_one_question_of_two_is_asked_for_the_other(repo: Path, state: Path) -> None:
    def answer(reply: str) -> ToolCall:
        return call("submit_triage", kind="answer", reason="questions", reply=reply)

    script = [
        answer("It subtracts."),
        then(answer("R1: it subtracts. R2: nothing, it gives the word back."), "the reply says nothing on R2"),
    ]
    asked = "Why is `calc.add` wrong when it subtracts? What does shout do?"
    outcome, _ = await sail(repo, state, crew(script), request=asked)
    assert (outcome.status, held(outcome)) == ("answered", ["answer answers the request"])


async def test_fixes_that_creep_into_one_another_are_kept_apart(tmp_path: Path, state: Path) -> None:
    repo = calc_repository(tmp_path / "three", {"more.py": "ONE = 0\n"})
    request = "- `add` gives the difference\n- `shout` whispers\n- `ONE` is none"
    one = {"name": "one", "command": f"{PYTHON} -c 'import more; assert more.ONE == 1'"}
    tasks = [
        fix_task(covers=["R1"]),
        shout_task("T2", covers=["R2"]),
        task("T3", paths=["more.py"], covers=["R3"], checks=[one], criteria=[{"text": "it is one", "check": "one"}]),
    ]
    creeping = (write("calc.py", CALC_FIXED), write("text.py", "# tidied\n"), write("more.py", "ONE = 2\n"))
    build = {
        "Task T1:": [creeping, "Done."],
        "Task T2:": [(write("text.py", TEXT_FIXED), write("calc.py", "# mine\n")), "Done."],
        "Task T3:": [write("more.py", "ONE = 1\n"), "Done."],
    }
    outcome, events = await sail(
        repo, state, crew([fix_triage(), plan(*tasks)], build, [review()] * 3), request=request
    )
    assert outcome.status == "succeeded"
    assert held(outcome) == ["scope held"]
    assert {event.task: set(event.paths) for event in of(ev.DriftPutBack, events)} == {
        "T1": {"text.py", "more.py"},
        "T2": {"calc.py"},
    }
    assert git(repo, "show", f"{outcome.branch}:calc.py") + "\n" == CALC_FIXED
    assert git(repo, "show", f"{outcome.branch}:text.py") + "\n" == TEXT_FIXED
    assert git(repo, "show", f"{outcome.branch}:more.py") == "ONE = 1"


async def test_one_who_plans_on_a_file_that_does_not_exist_is_told_and_so_is_the_user(repo: Path, state: Path) -> None:
    asked = "Fix the totals in `src/ledger.py`"
    blind = task(paths=["src/ledger.py", "calc.py"])
    clarify = call("submit_triage", kind="clarify", reason="no such file", reply="Which file do you mean?")
    script = [then(change_triage(), "# Named, and not in the repository", "- src/ledger.py"), *[plan(blind)] * 3]
    outcome, events = await sail(repo, state, crew(script), request=asked)
    assert outcome.status == "needs_human"
    assert "T1 is planned on src/ledger.py, which the request names and is not in the repository" in outcome.summary
    assert held(outcome) == ["named files exist"]
    assert "src/ledger.py, which is not in the repository at its base commit" in of(ev.Noticed, events)[0].text
    outcome, _ = await sail(repo, state, crew([clarify]), request=asked)
    assert (outcome.status, outcome.summary) == ("needs_human", "Which file do you mean?")


async def test_a_file_that_a_task_is_to_make_may_be_planned_on(repo: Path, state: Path) -> None:
    makes = task(paths=["src/ledger.py"], creates=["src/ledger.py"])
    script = [change_triage(), plan(makes)]
    build = [write("src/ledger.py", "TOTAL = 0\n"), "Done."]
    outcome, _ = await sail(repo, state, crew(script, build, [review()]), request="Let `src/ledger.py` hold totals")
    assert (outcome.status, held(outcome)) == ("succeeded", [])


def look(id_: str, *paths: str, **more: Any) -> dict[str, Any]:
    return {
        "id": id_,
        "title": f"Look in {', '.join(paths)}",
        "kind": "investigate",
        "brief": f"What of {id_} could make sums wrong?",
        "paths": list(paths),
        **more,
    }


async def test_a_search_by_others_is_refused_before_the_captain_has_looked_itself(repo: Path, state: Path) -> None:
    def wide(*areas: str) -> ToolCall:
        return call("submit_triage", kind="fix", reason="a bug", wide=list(areas))

    script = [
        wide("calc.py", "text.py"),
        then(wide("calc.py", "*.py", "AGENTS.md"), "a search of 2 areas is not wide"),
        then(
            wide("calc.py", "text.py", "src/"), "the areas 'calc.py' and '*.py' of the search have 'calc.py' in common"
        ),
    ]
    outcome, events = await sail(repo, state, crew(script))
    assert outcome.status == "needs_human"
    assert "the area 'src/' of the search has no file" in outcome.summary
    assert held(outcome) == ["investigate inline first"]
    assert not of(ev.SearchPlanned, events)


async def test_a_wide_search_is_made_by_readers_and_the_captain_decides_anew(repo: Path, state: Path) -> None:
    areas = ["calc.py", "text.py", "AGENTS.md"]
    script = [
        call("submit_triage", kind="fix", reason="it could be anywhere", wide=areas),
        plan(*(look(f"S{number}", area) for number, area in enumerate(areas, 1))),
        then(
            fix_triage(), "## S1: Look in calc.py", "> add subtracts in calc.py, line 5.", "There is no second search"
        ),
        then(plan(fix_task()), "plan the work"),
    ]
    build = {
        "# S1:": [call("read", path="calc.py"), "add subtracts in calc.py, line 5."],
        "# S2:": [call("write", path="text.py", content="oops"), "Nothing there."],
        "# S3:": ["Nothing there."],
        "Task T1:": MENDED,
    }
    outcome, events = await sail(repo, state, crew(script, build, [review()]))
    assert outcome.status == "succeeded"
    assert {found.task: found.report for found in of(ev.Investigated, events)}["S2"] == "Nothing there."
    assert [call_.is_error for call_ in of(ev.ToolCalled, events) if call_.agent == "investigate-S2"] == [True]
    assert {event.task for event in of(ev.TaskChanged, events)} == {"T1"}
    report = (outcome.folder / "report.md").read_text("utf-8")
    assert "## Search for the cause" in report
    assert "> add subtracts in calc.py, line 5." in report


async def test_what_is_handed_in_at_the_wrong_desk_is_sent_to_the_right_one(repo: Path, state: Path) -> None:
    script = [
        plan(fix_task()),
        then(
            call("submit_triage", kind="fix", reason="anywhere", wide=["calc.py", "text.py", "AGENTS.md"]), "First hand"
        ),
        fix_triage(),
        then(plan(look("S1", "calc.py")), "The triage is taken already; plan the work now."),
        plan(fix_task()),
        then(fix_triage(), "First hand in the triage."),
        plan(fix_task()),
    ]
    build = {"# S1:": ["add subtracts."], "Task T1:": MENDED}
    outcome, _ = await sail(repo, state, crew(script, build, [review()]))
    assert (outcome.status, held(outcome)) == ("succeeded", [])


async def test_there_is_one_search_in_a_run(repo: Path, state: Path) -> None:
    again = call("submit_triage", kind="fix", reason="anywhere", wide=["calc.py", "text.py", "AGENTS.md"])
    script = [again, plan(look("S1", "calc.py")), again, then(again, "there is one search in a run"), again]
    outcome, events = await sail(repo, state, crew(script, ["Nothing."]))
    assert outcome.status == "needs_human"
    assert len(of(ev.SearchPlanned, events)) == 1
    assert "others have looked already" in outcome.summary


async def test_one_that_has_used_up_its_investigation_may_send_others(repo: Path, state: Path) -> None:
    script = [
        call("read", path="calc.py"),
        call("read", path="text.py"),
        then(call("submit_triage", kind="fix", reason="not found yet"), "Your own investigation ends here (2 turns"),
        then(plan(look("S1", "calc.py"), look("S2", "*.py")), "plan the work"),
        then(plan(look("S1", "calc.py")), "S1 and S2 would both search 'calc.py'"),
        then(fix_triage(), "The search is over"),
        plan(fix_task()),
    ]
    build = {"# S1:": ["add subtracts."], "Task T1:": MENDED}
    outcome, events = await sail(repo, state, crew(script, build, [review()]), investigation=Limits(turns=2))
    assert outcome.status == "succeeded"
    assert held(outcome) == ["investigate inline first"]
    assert [found.report for found in of(ev.Investigated, events)] == ["add subtracts."]


async def test_one_that_never_stops_looking_ends_with_a_question(repo: Path, state: Path) -> None:
    looks = [call("search", pattern=f"word {number}") for number in range(20)]
    outcome, events = await sail(repo, state, crew(looks), investigation=Limits(turns=3))
    assert outcome.status == "needs_human"
    assert "used up its investigation budget" in outcome.summary
    assert sum(event.agent == "captain" for event in of(ev.ModelCalled, events)) == 3 + 6


async def test_a_search_plan_is_all_that_follows_a_triage_without_a_cause(repo: Path, state: Path) -> None:
    script = [
        call("submit_triage", kind="fix", reason="anywhere", wide=["calc.py", "text.py", "AGENTS.md"]),
        plan(task(brief="Make add add.")),
        then(plan(look("S1", "calc.py")), "no bug has a diagnosis yet"),
        call("submit_triage", kind="clarify", reason="not found", reply="When does it go wrong?"),
    ]
    outcome, _ = await sail(repo, state, crew(script, ["Nothing."]))
    assert (outcome.status, outcome.summary) == ("needs_human", "When does it go wrong?")
    assert held(outcome) == ["diagnosis before delegation"]


async def test_a_build_that_only_reads_the_check_of_another_item_does_not_pass_for_it(repo: Path, state: Path) -> None:
    """An item counts as done only if every criterion that serves it is proved."""
    both = task(
        paths=["calc.py", "text.py"],
        criteria=[
            {"text": "it adds", "check": "adds", "covers": ["R1"]},
            {"text": "it shouts", "check": "shouts", "covers": ["R2"]},
        ],
        checks=[{"name": "adds", "command": REPRODUCTION}, {"name": "shouts", "command": SHOUT_WORKS}],
    )
    build = [write("calc.py", CALC_FIXED), "Done.", *["I leave it."] * 9]
    outcome, _ = await sail(repo, state, crew([change_triage(), plan(both)], build, [review()] * 3), request=BOTH)
    assert outcome.status == "failed"
    assert [item.state for item in outcome.view.items] == ["done", "not done"]
