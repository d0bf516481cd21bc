"""The main job from the request to the branch, on real repositories with real commands."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import anyio
import pytest

import captain
from captain.core import events as ev
from captain.core.errors import ModelTimeoutError
from captain.core.findings import Proposal, Review
from captain.core.messages import ToolCall
from captain.models import Profile, ScriptedModel, ScriptedReply, call
from captain.testing import git
from captain.workspace import Workspace
from tests.voyages import (
    CALC,
    CALC_FIXED,
    DOUBLE_WORKS,
    PYTHON,
    TEXT_FIXED,
    UNCONFINED,
    calc_repository,
    change_triage,
    crew,
    critic,
    finding,
    fingerprint,
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
from tests.waiting import line_in, runs


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    return calc_repository(tmp_path / "répo with spaces")


async def test_a_bug_goes_from_words_to_a_branch_and_the_repository_is_left_as_it_was(repo: Path, state: Path) -> None:
    before = fingerprint(repo)
    outcome, events = await sail(repo, state, fix_crew())
    assert (outcome.status, outcome.branch) == ("succeeded", f"captain/{outcome.run}/result")
    assert git(repo, "show", f"{outcome.branch}:calc.py") + "\n" == CALC_FIXED
    assert git(repo, "log", "-1", "--format=%s", f"captain/{outcome.run}/task/T1") == "Title of T1"
    assert fingerprint(repo) == before
    assert git(repo, "status", "--porcelain") == ""
    (reproduction,) = of(ev.ReproductionRan, events)
    assert reproduction.seen_to_fail
    assert [entry.state for entry in of(ev.TaskChanged, events)] == [
        *("planned", "building", "checking", "reviewing", "accepted"),
    ]
    report = (outcome.folder / "report.md").read_text()
    assert "unsandboxed" in report
    assert "unpriced" in report
    assert not list(state.glob("*/work/*/*"))


async def test_the_build_is_told_its_brief_and_the_projects_notes_and_nothing_of_the_request(
    repo: Path, state: Path
) -> None:
    team = fix_crew()
    await sail(repo, state, team)
    assert isinstance(team.build, ScriptedModel)
    told = str(team.build.requests[0].messages)
    assert "Brief of T1" in told
    assert "> Be brief." in told
    assert "import calc; assert calc.add(2, 2) == 4" in told
    assert "Mend it" not in told


async def test_a_build_whose_model_is_trained_on_patches_works_with_patches(repo: Path, state: Path) -> None:
    hunk = [
        "*** Begin Patch",
        "*** Update File: calc.py",
        "@@ def add(a, b):",
        "-    return a - b",
        "+    return a + b",
    ]
    team = fix_crew()
    build = ScriptedModel(
        [call("apply_patch", patch="\n".join([*hunk, "*** End Patch"])), call("shell", command="cd /"), "Done."],
        id="build-model",
        profile=Profile(family="patches", edit_dialect="patch"),
    )
    outcome, _ = await sail(repo, state, replace(team, build=build))
    assert git(repo, "show", f"{outcome.branch}:calc.py") + "\n" == CALC_FIXED
    assert [tool.name for tool in build.requests[0].tools if tool.name in {"edit", "apply_patch"}] == ["apply_patch"]


async def test_a_reviewer_never_sees_the_builders_transcript(repo: Path, state: Path) -> None:
    team = fix_crew(build=[ScriptedReply(text="SECRET PLAN", calls=(write("calc.py", CALC_FIXED),)), "SECRET WORDS"])
    await sail(repo, state, team)
    reviewer = team.review[0]
    assert isinstance(reviewer, ScriptedModel)
    assert "return a + b" in str(reviewer.requests[0].messages)
    assert "SECRET" not in str(reviewer.requests)


async def test_a_reproduction_that_passes_at_the_base_sends_the_captain_back(repo: Path, state: Path) -> None:
    script = [
        fix_triage(DOUBLE_WORKS),
        ScriptedReply(calls=(fix_triage(),), expects="passes on the base commit"),
        plan(fix_task()),
    ]
    outcome, events = await sail(repo, state, crew(script, [write("calc.py", CALC_FIXED), "Done."], [review()]))
    assert outcome.status == "succeeded"
    assert [event.seen_to_fail for event in of(ev.ReproductionRan, events)] == [False, True]
    assert [event.what for event in of(ev.Refused, events)] == ["triage"]


async def test_a_captain_that_never_shows_the_bug_needs_a_person(repo: Path, state: Path) -> None:
    outcome, events = await sail(repo, state, crew([fix_triage(DOUBLE_WORKS)] * 3))
    assert outcome.status == "needs_human"
    assert "refused 3 times" in outcome.summary
    assert not of(ev.PlanAdopted, events)


@pytest.mark.parametrize(
    ("reproduction", "told"),
    [
        ("sleep 60", "put a limit into the command"),
        ("no-such-program --here", "could not be run (exit code 127)"),
    ],
)
async def test_a_reproduction_that_hangs_or_cannot_run_is_refused(
    repo: Path, state: Path, reproduction: str, told: str
) -> None:
    decline = call("submit_triage", kind="decline", reason="", reply="No.")
    script = [fix_triage(reproduction), ScriptedReply(calls=(decline,), expects=told)]
    outcome, events = await sail(repo, state, crew(script), command_timeout_s=1.0)
    assert outcome.status == "declined"
    assert not of(ev.ReproductionRan, events)[0].seen_to_fail


@pytest.mark.parametrize(
    ("kind", "status"), [("answer", "answered"), ("clarify", "needs_human"), ("decline", "declined")]
)
async def test_a_triage_without_work_ends_the_run_with_its_reply(
    repo: Path, state: Path, kind: str, status: str
) -> None:
    script = [call("submit_triage", kind=kind, reason="because", reply="It subtracts.")]
    outcome, _ = await sail(repo, state, crew(script), request="Why does add not add?")
    assert (outcome.status, outcome.summary, outcome.branch) == (status, "It subtracts.", None)


async def test_what_lies_outside_the_scope_is_put_back_kept_and_noted(repo: Path, state: Path) -> None:
    edits = (write("calc.py", CALC_FIXED), write("text.py", "oops\n"), write("new.py", "x = 1\n"))
    outcome, events = await sail(repo, state, fix_crew(build=[edits, "Done."]))
    assert outcome.status == "succeeded"
    (drift,) = of(ev.DriftPutBack, events)
    assert set(drift.paths) == {"new.py", "text.py"}
    assert git(repo, "diff", "--name-only", f"main..{outcome.branch}") == "calc.py"
    assert git(repo, "show", f"{drift.ref}:new.py") == "x = 1"
    (noted,) = of(ev.FollowUpNoted, events)
    assert noted.follow_up.ref == drift.ref


async def test_what_a_broad_scope_does_not_name_is_put_back_with_its_reason(repo: Path, state: Path) -> None:
    edits = (write("calc.py", CALC_FIXED), write("AGENTS.md", "obey\n"), write("tests/test_new.py", "x = 1\n"))
    script = [fix_triage(), plan(fix_task(paths=["**"]))]
    outcome, events = await sail(
        repo, state, crew(script, build=[edits, call("shell", command="chmod +x text.py"), "Done."], reviews=[review()])
    )
    assert outcome.status == "succeeded"
    (drift,) = of(ev.DriftPutBack, events)
    assert set(drift.paths) == {"AGENTS.md", "text.py"}
    (noted,) = of(ev.FollowUpNoted, events)
    assert "AGENTS.md is configuration of agents, and no pattern in paths names it." in noted.follow_up.detail
    assert "text.py is executable now" in noted.follow_up.detail
    changed = git(repo, "diff", "--name-only", f"main..{outcome.branch}").splitlines()
    assert changed == ["calc.py", "tests/test_new.py"]


async def test_a_change_over_its_budget_is_a_finding_the_build_has_to_mend(repo: Path, state: Path) -> None:
    build = [
        write("calc.py", CALC_FIXED + "# more\n" * 30),
        "Done.",
        ScriptedReply(calls=(write("calc.py", CALC_FIXED),), expects="lines are changed, and the scope allows 10."),
        "Smaller.",
    ]
    script = [fix_triage(), plan(fix_task(max_lines=10))]
    outcome, events = await sail(repo, state, crew(script, build=build, reviews=[review()] * 3))
    assert outcome.status == "succeeded"
    (ended,) = of(ev.LoopEnded, events)
    assert (ended.verdict, ended.rounds, ended.weight) == ("converged", 2, 0)


async def test_a_reviewer_is_asked_about_a_hunk_that_seems_to_serve_nothing(repo: Path, state: Path) -> None:
    reviewer = ScriptedModel([review()], id="review-model")
    edits = (write("calc.py", CALC_FIXED), write("text.py", "def whisper(words):\n    return words.lower()\n"))
    team = captain.Crew(
        captain=ScriptedModel([fix_triage(), plan(fix_task(paths=["calc.py", "*.py"]))], id="captain-model"),
        build=ScriptedModel([edits, "Done."], id="build-model"),
        review=[reviewer],
    )
    outcome, _ = await sail(repo, state, team)
    assert outcome.status == "succeeded"
    asked = str(reviewer.requests[0].messages[-1])
    assert "Does the task need these?" in asked
    assert "text.py, line 1: It shares no name with the task" in asked
    assert "calc.py, line" not in asked


async def test_open_findings_go_back_to_the_build_and_the_loop_converges(repo: Path, state: Path) -> None:
    build = [
        write("calc.py", CALC.replace("a - b", "abs(a) + b")),
        "Done.",
        ScriptedReply(calls=(write("calc.py", CALC_FIXED),), expects="abs is wrong"),
        "Mended.",
    ]
    team = fix_crew(build=build, review_script=critic(review(finding(claim="abs is wrong")), review(), review()))
    outcome, events = await sail(repo, state, team)
    assert outcome.status == "succeeded"
    (ended,) = of(ev.LoopEnded, events)
    assert (ended.verdict, ended.rounds, ended.start_weight, ended.weight) == ("converged", 2, 3, 0)


async def test_fixes_that_do_not_hold_are_undone_and_the_task_waits_for_a_person(repo: Path, state: Path) -> None:
    build = [
        *(write("calc.py", CALC_FIXED), "Done."),
        *(write("calc.py", CALC_FIXED + "# 1\n"), "1"),
        *(write("calc.py", CALC_FIXED + "# 2\n"), "2"),
        *(write("calc.py", CALC_FIXED + "# 3\n"), "3"),
    ]
    reviews = critic(review(finding("critical")), review(), gone=False)
    outcome, events = await sail(repo, state, fix_crew(build=build, review_script=reviews))
    (ended,) = of(ev.LoopEnded, events)
    assert (ended.verdict, ended.commit) == ("needs_human", ended.start)
    assert [attempt.clause for attempt in ended.residuals[0].attempts] == ["gone", "gone", "gone"]
    kept = [attempt.ref for attempt in ended.residuals[0].attempts]
    assert [git(repo, "show", f"{ref}:calc.py")[-3:] for ref in kept] == ["# 1", "# 2", "# 3"]
    assert outcome.status == "needs_human"
    assert git(repo, "show", f"captain/{outcome.run}/task/T1:calc.py") + "\n" == CALC_FIXED
    assert outcome.branch is None


async def test_what_two_attempts_do_not_mend_is_mended_by_the_advisor(repo: Path, state: Path) -> None:
    build = [
        *(write("calc.py", CALC_FIXED), "Done."),
        *(write("calc.py", CALC_FIXED + "# 1\n"), "1"),
        *(write("calc.py", CALC_FIXED + "# 2\n"), "2"),
    ]
    reviews = critic(review(finding()), review(), review())
    reviews["Something was wrong in a git repository"] = [opinion(False), opinion(False), opinion(True)]
    team = replace(
        fix_crew(build=build, review_script=reviews),
        advisor=ScriptedModel([write("calc.py", CALC_FIXED + "# 3\n"), "3"], id="advisor-model"),
    )
    outcome, events = await sail(repo, state, team)
    assert outcome.status == "succeeded"
    assert [(event.role, event.model) for event in of(ev.AgentStarted, events) if event.role == "advisor"] == [
        ("advisor", "advisor-model")
    ]
    assert git(repo, "show", f"{outcome.branch}:calc.py")[-3:] == "# 3"


async def test_a_failing_check_is_a_finding_whatever_the_build_and_the_reviewer_say(repo: Path, state: Path) -> None:
    build = [write("calc.py", CALC.replace("a - b", "a * b - 1")), "All tests pass.", "They really do.", "Look again."]
    outcome, events = await sail(repo, state, fix_crew(build=build, review_script=[review(), review()]))
    assert outcome.status == "failed"
    (ended,) = of(ev.LoopEnded, events)
    assert ended.verdict == "needs_human"
    assert [case.finding.category for case in ended.residuals] == ["check"]


async def test_a_build_that_changes_nothing_is_not_done(repo: Path, state: Path) -> None:
    outcome, _ = await sail(repo, state, crew([change_triage(), plan(task())], ["Done!"], [review()]))
    assert outcome.status == "failed"
    assert outcome.summary == "No task is accepted and integrated. T1: the Build changed nothing."


async def test_a_build_that_worked_outside_its_scope_alone_is_told_from_an_idle_one(repo: Path, state: Path) -> None:
    outcome, _ = await sail(repo, state, crew([change_triage(), plan(task())], [write("text.py", "oops\n"), "Done."]))
    assert outcome.status == "failed"
    assert outcome.summary.endswith("T1: all that the Build changed lies outside its scope, and was put back.")


@pytest.mark.parametrize(("evidence", "status"), [({}, "needs_human"), ({"T1.1": "the comment"}, "succeeded")])
async def test_a_criterion_without_a_check_needs_evidence_a_reviewer_cites(
    repo: Path, state: Path, evidence: dict[str, str], status: str
) -> None:
    wanted = task(criteria=[{"text": "it reads well", "evidence": "the docstring"}], checks=[])
    team = crew(
        [change_triage(), plan(wanted)], [write("calc.py", CALC + "\n# more\n"), "Done."], [review(evidence=evidence)]
    )
    outcome, _ = await sail(repo, state, team)
    assert outcome.status == status


async def test_parallel_tasks_run_at_once_and_a_stacked_one_builds_on_its_parents(repo: Path, state: Path) -> None:
    tasks = [fix_task(), shout_task("T2"), task("T3", depends_on=["T1", "T2"])]
    build = {
        "Task T1:": [write("calc.py", CALC_FIXED), "Done."],
        "Task T2:": [write("text.py", TEXT_FIXED), "Done."],
        "Task T3:": [call("edit", path="calc.py", old="return a + b", new="return b + a"), "Done."],
    }
    outcome, events = await sail(repo, state, crew([fix_triage(), plan(*tasks)], build, [review()] * 3))
    assert outcome.status == "succeeded"
    assert "return b + a" in git(repo, "show", f"{outcome.branch}:calc.py")
    assert git(repo, "show", f"{outcome.branch}:text.py") + "\n" == TEXT_FIXED
    begun = [event.task for event in of(ev.TaskChanged, events) if event.state == "building"]
    assert (set(begun[:2]), begun[2]) == ({"T1", "T2"}, "T3")
    integrated = of(ev.ChecksRan, events)[-1]
    assert all(check.passed for check in integrated.results)


async def test_a_task_that_fails_leaves_the_others_alone_and_parks_what_builds_on_it(repo: Path, state: Path) -> None:
    tasks = [fix_task(), shout_task("T2"), task("T3", depends_on=["T1"])]
    broken = ModelTimeoutError("The server went silent.", model="build-model")
    build = {
        "Task T1:": [write("calc.py", CALC_FIXED), ScriptedReply(error=broken)],
        "Task T2:": [write("text.py", TEXT_FIXED), "Done."],
        "Task T3:": [],
    }
    outcome, events = await sail(repo, state, crew([fix_triage(), plan(*tasks)], build, [review()]))
    assert outcome.status == "failed"
    assert "The server went silent" in outcome.summary
    last = {event.task: event.state for event in of(ev.TaskChanged, events)}
    assert last == {"T1": "failed", "T2": "accepted", "T3": "parked"}
    assert git(repo, "show", f"{outcome.branch}:text.py") + "\n" == TEXT_FIXED
    (kept,) = of(ev.Kept, events)
    assert git(repo, "show", f"{kept.ref}:calc.py") + "\n" == CALC_FIXED


async def test_of_accepted_tasks_that_fail_together_the_later_is_left_out_and_kept(tmp_path: Path, state: Path) -> None:
    repo = calc_repository(tmp_path / "two", {"calc.py": "ONE = 0\n", "text.py": "ONE = 0\n"})
    small = f"{PYTHON} -c 'import calc, text; assert calc.ONE + text.ONE < 2'"
    proof = {"criteria": [{"text": "small", "check": "small"}], "checks": [{"name": "small", "command": small}]}
    tasks = [task("T1", paths=["calc.py"], **proof), task("T2", paths=["text.py"], **proof)]
    build = {
        "Task T1:": [write("calc.py", "ONE = 1\n"), "Done."],
        "Task T2:": [write("text.py", "ONE = 1\n"), "Done."],
    }
    outcome, events = await sail(repo, state, crew([change_triage(), plan(*tasks)], build, [review()] * 2))
    assert (outcome.status, outcome.branch) == ("needs_human", f"captain/{outcome.run}/result")
    assert "T2: together with T1 it fails small." in outcome.summary
    assert git(repo, "show", f"{outcome.branch}:calc.py") == "ONE = 1"
    assert git(repo, "show", f"{outcome.branch}:text.py") == "ONE = 0"
    (clash,) = of(ev.TasksClashed, events)
    assert (clash.task, clash.others) == ("T2", ("T1",))
    (kept,) = of(ev.Kept, events)
    assert kept.ref == clash.ref
    assert git(repo, "show", f"{kept.ref}:text.py") == "ONE = 1"
    assert [event.state for event in of(ev.TaskChanged, events) if event.task == "T2"][-2:] == ["accepted", "parked"]
    report = (outcome.folder / "report.md").read_text()
    assert "## Accepted, but not together" in report


async def test_a_plan_with_overlapping_parallel_scopes_is_refused_with_the_reason(repo: Path, state: Path) -> None:
    script = [
        change_triage(),
        plan(task("T1"), task("T2")),
        ScriptedReply(calls=(plan(task("T1")),), expects="T1 and T2 could both change 'calc.py'"),
    ]
    outcome, events = await sail(repo, state, crew(script, [write("calc.py", CALC + "\n"), "Done."], [review()]))
    assert outcome.status == "succeeded"
    assert [event.what for event in of(ev.Refused, events)] == ["plan"]


async def test_a_check_whose_program_does_not_exist_is_refused_before_anyone_builds(repo: Path, state: Path) -> None:
    missing = task(checks=[{"name": "double", "command": "no-such-tool --all"}])
    outcome, events = await sail(repo, state, crew([change_triage(), *[plan(missing)] * 3]))
    assert outcome.status == "needs_human"
    assert "no-such-tool" in outcome.summary
    assert not of(ev.TaskChanged, events)


@pytest.mark.parametrize(
    ("script", "why"),
    [
        (["", "", ""], "before it called submit_triage: it stopped answering"),
        ([call("submit_triage", kind="nonsense")], "has only 1 reply"),
        ([ToolCall(id="", name="read", arguments="{")], "has only 1 reply"),
        ([call("read", path="calc.py")] * 20, "it made the same calls with the same outcome"),
    ],
)
async def test_a_model_that_never_hands_in_anything_ends_the_run_with_the_reason(
    repo: Path, state: Path, script: list[str | ToolCall], why: str
) -> None:
    outcome, _ = await sail(repo, state, crew(script))
    assert outcome.status == "failed"
    assert why in outcome.summary


async def test_the_budget_is_checked_before_a_call_and_what_is_finished_is_kept(repo: Path, state: Path) -> None:
    tasks = [fix_task(), shout_task("T2", depends_on=["T1"])]
    build = {
        "Task T1:": [write("calc.py", CALC_FIXED), "Done."],
        "Task T2:": [write("text.py", TEXT_FIXED), "Done."],
    }
    team = crew([fix_triage(), plan(*tasks)], build, [review()] * 2)
    outcome = await captain.run(
        "Mend", repo=repo, crew=team, state_dir=state, sandbox=UNCONFINED, budget=captain.Budget(model_calls=6)
    )
    assert outcome.status == "budget"
    assert "budget of 6 model calls" in outcome.summary
    assert git(repo, "show", f"{outcome.branch}:calc.py") + "\n" == CALC_FIXED
    assert outcome.view.spend.model_calls == 6


async def test_a_cancelled_run_stops_its_commands_and_keeps_its_work(repo: Path, state: Path, tmp_path: Path) -> None:
    alive = tmp_path / "alive"
    wait = call("shell", command=f"echo $$ > {alive}; sleep 600 & wait", timeout_s=600)
    team = fix_crew(build=[write("calc.py", CALC_FIXED), wait])
    async with captain.start("Mend it", repo=repo, crew=team, state_dir=state, sandbox=UNCONFINED) as run:
        command = int(await line_in(alive))
        run.cancel()
        with anyio.fail_after(30):
            outcome = await run.result()
        events = [recorded.event async for recorded in run.events()]
    assert outcome.status == "cancelled"
    assert not runs(command)
    (kept,) = of(ev.Kept, events)
    assert git(repo, "show", f"{kept.ref}:calc.py") + "\n" == CALC_FIXED
    assert of(ev.TaskChanged, events)[-1].state == "cancelled"
    assert kept.ref in (outcome.folder / "report.md").read_text()
    assert not list(state.glob("*/work/*/*"))


async def test_leaving_the_block_early_cancels_the_run(repo: Path, state: Path) -> None:
    team = fix_crew(build=[call("shell", command="sleep 600", timeout_s=600)])
    async with captain.start("Mend it", repo=repo, crew=team, state_dir=state, sandbox=UNCONFINED) as run:
        async for recorded in run.events():
            if isinstance(recorded.event, ev.TaskChanged) and recorded.event.state == "building":
                break
    assert (await run.result()).status == "cancelled"


async def test_an_error_of_the_hosts_own_comes_out_of_the_block_as_it_is(repo: Path, state: Path) -> None:
    with pytest.raises(LookupError, match="mine"):
        async with captain.start("Mend it", repo=repo, crew=fix_crew(), state_dir=state, sandbox=UNCONFINED) as run:
            raise LookupError("mine")
    assert (await run.result()).status == "cancelled"


async def test_tasks_that_wait_for_others_are_cancelled_with_the_run(repo: Path, state: Path) -> None:
    tasks = [fix_task(), shout_task("T2", depends_on=["T1"])]
    team = crew([fix_triage(), plan(*tasks)], [call("shell", command="sleep 600", timeout_s=600)])
    async with captain.start("Mend it", repo=repo, crew=team, state_dir=state, sandbox=UNCONFINED) as run:
        async for recorded in run.events():
            if isinstance(recorded.event, ev.TaskChanged) and recorded.event.state == "building":
                run.cancel()
        events = [recorded.event async for recorded in run.events()]
    last = {event.task: event.state for event in of(ev.TaskChanged, events)}
    assert last == {"T1": "cancelled", "T2": "cancelled"}


async def test_runs_on_one_repository_at_once_do_not_meet(repo: Path, state: Path) -> None:
    outcomes: list[captain.Outcome] = []

    async def one() -> None:
        outcomes.append((await sail(repo, state, fix_crew()))[0])

    async with anyio.create_task_group() as group:
        for _ in range(3):
            group.start_soon(one)
    assert [outcome.status for outcome in outcomes] == ["succeeded"] * 3
    assert len({outcome.branch for outcome in outcomes}) == 3


async def test_a_reader_that_stops_reading_blocks_nothing(repo: Path, state: Path) -> None:
    async with captain.start("Mend it", repo=repo, crew=fix_crew(), state_dir=state, sandbox=UNCONFINED) as run:
        lazy = run.events()
        first = await anext(lazy)
        assert (await run.result()).status == "succeeded"
        rest = [recorded.seq async for recorded in lazy]
    assert first.event.kind == "run_opened"
    assert sorted(rest) == rest


async def test_uncommitted_changes_stay_out_unless_they_are_asked_for(repo: Path, state: Path) -> None:
    (repo / "extra.py").write_text("x = 1\n")
    (repo / "calc.py").write_text(CALC + "\n# mine\n")
    before = fingerprint(repo)
    build = [call("edit", path="calc.py", old="a - b", new="a + b"), "Done."]
    outcome, events = await sail(repo, state, fix_crew(build=list(build)))
    assert "uncommitted changes" in of(ev.Noticed, events)[0].text
    assert "mine" not in git(repo, "show", f"{outcome.branch}:calc.py")
    outcome, _ = await sail(repo, state, fix_crew(build=list(build)), include_dirty=True)
    assert "# mine" in git(repo, "show", f"{outcome.branch}:calc.py")
    assert git(repo, "show", f"{outcome.branch}:extra.py") == "x = 1"
    assert fingerprint(repo) == before


async def test_a_detached_head_is_a_base_like_any_other(repo: Path, state: Path) -> None:
    git(repo, "checkout", "--quiet", "--detach")
    outcome, events = await sail(repo, state, fix_crew())
    assert outcome.status == "succeeded"
    assert of(ev.RunOpened, events)[0].branch is None
    assert "HEAD is detached" in of(ev.Noticed, events)[0].text


async def test_a_state_folder_inside_the_work_tree_is_refused(repo: Path) -> None:
    with pytest.raises(captain.UsageError, match="inside the work tree"):
        await captain.run("Mend", repo=repo, crew=fix_crew(), state_dir=repo / "state", sandbox=UNCONFINED)
    assert not (repo / "state").exists()


async def test_the_hosts_own_reviewer_and_builder_take_the_same_places_as_models(repo: Path, state: Path) -> None:
    class Strict:
        name = "strict"

        async def review(self, proposal: Proposal, /) -> Review:
            return Review(reviewer=self.name, findings=())

    class Sed:
        name = "sed"

        async def build(
            self, _: captain.Task, workspace: Workspace, /, *, fix: captain.FixBrief | None = None
        ) -> captain.BuildReport:
            await workspace.box.run_shell("sed -i 's/a - b/a + b/' calc.py", timeout_s=10)
            return captain.BuildReport(ending="done", summary="sed")

    team = captain.Crew(captain=fix_crew().captain, build=Sed(), review=[Strict()])
    outcome, events = await sail(repo, state, team)
    assert outcome.status == "succeeded"
    assert of(ev.RunOpened, events)[0].crew == (
        ("captain", "captain-model"),
        ("build", "sed"),
        ("review", "strict"),
    )
