"""Real bugs of real public repositories, carried from words to a branch by scripted crews.

The bugs are listed by commit in the conformance material; the repositories are clones in the folder that
CAPTAIN_REPOSITORIES names, as `owner+name/repo`. The crews' texts come from the repositories' own history.
"""

from __future__ import annotations

import importlib.util
import json
import os
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

import captain
from captain.core import events as ev
from captain.core.messages import ToolCall
from captain.models import ScriptedModel, call
from captain.orchestration.items import items_of
from captain.testing import git
from tests.voyages import ONE_LOOK, UNCONFINED, finding, fingerprint, plan, review

CONFORMANCE = Path(os.environ.get("CAPTAIN_CONFORMANCE", Path(__file__).parents[3] / "shared" / "conformance"))
REPOSITORIES = os.environ.get("CAPTAIN_REPOSITORIES", "")
_OLD = "ignore::pytest.PytestRemovedIn10Warning"  # older suites run under the pytest of today
IMPORT_NAMES = {"pyyaml": "yaml"}


def bugs(kind: str) -> list[Any]:
    listed = CONFORMANCE / "bugs.json"
    entries = json.loads(listed.read_text()) if listed.exists() else []
    found = [pytest.param(bug, id=bug["id"]) for bug in entries if bug["kind"] == kind]
    return found or [pytest.param(None, marks=pytest.mark.skip(reason=f"there is no list of bugs at {listed}"))]


def clone(bug: dict[str, Any], to: Path) -> Path:
    """The repository at the commit before the fix, on a branch of its own; skips where it is not at hand."""
    source = Path(REPOSITORIES) / bug["repo"].replace("/", "+") / "repo"
    if not REPOSITORIES or not source.exists():
        pytest.skip(f"no clone of {bug['repo']}: CAPTAIN_REPOSITORIES names no folder that has one")
    for need in bug["needs"]:
        name = need.split(" ")[0]
        if importlib.util.find_spec(IMPORT_NAMES.get(name, name)) is None:
            pytest.skip(f"{bug['id']} needs {name}, which is not installed here")
    git(to.parent, "clone", "--quiet", "--no-checkout", str(source), str(to))
    fixed = bug.get("fix_commit") or bug["final_fix_commit"]
    git(to, "checkout", "--quiet", "--detach", fixed)
    command = pytest_command(bug, bug.get("fail_to_pass") or bug["tests_wanted_by_naive_fix"])
    if subprocess.run(command, shell=True, cwd=to, capture_output=True, check=False).returncode != 0:
        pytest.skip(f"the tests of {bug['id']} do not pass on this machine even at the fix")
    git(to, "checkout", "--quiet", "-B", "work", bug["base_commit"])
    return to


async def sailed(bug: dict[str, Any], repo: Path, team: captain.Crew, state: Path) -> captain.Outcome:
    """A run for the words of the bug, which leaves the repository as it was but for refs of its own."""
    before = fingerprint(repo)
    options = captain.Options(review=ONE_LOOK)
    outcome = await captain.run(
        bug["problem"], repo=repo, crew=team, state_dir=state, sandbox=UNCONFINED, options=options
    )
    assert fingerprint(repo) == before
    return outcome


def run_from(bug: dict[str, Any], commit: str, tests: list[str]) -> str:
    """A command that runs tests as they are in `commit`."""
    fetch = " && ".join(f"git show {commit}:{path} > {path}" for path in bug["test_paths"])
    return f"{fetch} && {pytest_command(bug, tests)}"


def pytest_command(bug: dict[str, Any], tests: list[str]) -> str:
    words = shlex.join([sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-W", _OLD, *tests])
    return f"PYTHONPATH={bug['pythonpath']} {words}"


def files_at(repo: Path, commit: str, paths: list[str]) -> tuple[ToolCall, ...]:
    return tuple(call("write", path=path, content=git(repo, "show", f"{commit}:{path}") + "\n") for path in paths)


def triage(paths: list[str], reproduction: str) -> ToolCall:
    diagnosis = {"cause": "see the fix", "locations": [{"path": path} for path in paths], "reproduction": reproduction}
    return call("submit_triage", kind="fix", reason="a bug", diagnoses=[diagnosis])


def the_plan(bug: dict[str, Any], paths: list[str], check: str) -> ToolCall:
    return plan(
        {
            "id": "T1",
            "title": bug["problem"].splitlines()[0][:70],
            "kind": "fix",
            "brief": bug["problem"],
            "paths": [f"/{path}" for path in paths],
            "criteria": [{"text": "The tests of the module pass.", "check": "tests"}],
            "checks": [{"name": "tests", "command": check}],
            "diagnosis": "D1",
            "covers": [item.id for item in items_of(bug["problem"])],
        }
    )


@pytest.mark.slow
@pytest.mark.parametrize("bug", bugs("single"))
async def test_a_real_bug_is_fixed_on_a_branch_and_the_clone_is_left_as_it_was(
    bug: dict[str, Any], tmp_path: Path
) -> None:
    repo = clone(bug, tmp_path / "a clone")
    changed = [*bug["source_paths"], *bug["test_paths"]]
    fix = files_at(repo, bug["fix_commit"], changed)
    check = pytest_command(bug, bug["fail_to_pass"])
    team = captain.Crew(
        captain=ScriptedModel(
            [
                triage(bug["source_paths"], run_from(bug, bug["fix_commit"], bug["fail_to_pass"])),
                the_plan(bug, changed, check),
            ]
        ),
        build=ScriptedModel([(*fix, call("shell", command=check)), "Fixed."]),
        review=[ScriptedModel([review()])],
    )
    outcome = await sailed(bug, repo, team, tmp_path / "state")
    assert outcome.status == "succeeded", outcome.summary
    assert outcome.branch is not None
    assert git(repo, "diff", outcome.branch, bug["fix_commit"], "--", *changed) == ""
    (reproduced,) = outcome.view.reproductions
    assert reproduced.before is not None
    assert reproduced.before.seen_to_fail


async def sail_twice(
    bug: dict[str, Any], folder: Path, attempts: list[tuple[ToolCall, ...]]
) -> tuple[captain.Outcome, ev.LoopEnded]:
    """The naive fix is built first; `attempts` is what the Build then writes when it is told what is wrong."""
    repo = clone(bug, folder / "a clone")
    paths = sorted({*bug["naive_fix_paths"], *bug["final_fix_paths"]})
    guarded = [*bug["tests_wanted_by_naive_fix"], *bug["tests_broken_by_naive_fix"]]
    check = run_from(bug, bug["final_fix_commit"], guarded)
    mending = [turn for attempt in attempts for turn in (attempt, "Now really.")]
    team = captain.Crew(
        captain=ScriptedModel(
            [
                triage(paths, run_from(bug, bug["final_fix_commit"], bug["tests_wanted_by_naive_fix"])),
                the_plan(bug, paths, check),
            ]
        ),
        build=ScriptedModel([files_at(repo, bug["naive_fix_commit"], paths), "Fixed.", *mending, "It is fixed."]),
        review=[ScriptedModel([review(finding(claim="transactions are split"))] + [review()] * 6)],
    )
    outcome = await sailed(bug, repo, team, folder / "state")
    (ended,) = [task.loop for task in outcome.view.tasks.values() if task.loop is not None]
    return outcome, ended


def final_fix(bug: dict[str, Any], source: Path) -> tuple[ToolCall, ...]:
    return files_at(source, bug["final_fix_commit"], sorted({*bug["naive_fix_paths"], *bug["final_fix_paths"]}))


def naive_again(bug: dict[str, Any], source: Path, note: str) -> tuple[ToolCall, ...]:
    """The naive fix with another remark in it: a change that mends nothing."""
    path = bug["naive_fix_paths"][0]
    content = git(source, "show", f"{bug['naive_fix_commit']}:{path}")
    return (call("write", path=path, content=f"{content}\n# {note}\n"),)


@pytest.mark.slow
@pytest.mark.parametrize("bug", bugs("review-loop"))
async def test_a_naive_fix_that_broke_other_tests_is_caught_and_the_real_fix_taken(
    bug: dict[str, Any], tmp_path: Path
) -> None:
    source = clone(bug, tmp_path / "source")
    outcome, ended = await sail_twice(bug, tmp_path, [final_fix(bug, source)])
    assert outcome.status == "succeeded"
    assert (ended.verdict, ended.rounds, ended.weight) == ("converged", 2, 0)


@pytest.mark.slow
@pytest.mark.parametrize("bug", bugs("review-loop"))
async def test_the_real_fix_is_taken_in_a_later_attempt_too(bug: dict[str, Any], tmp_path: Path) -> None:
    source = clone(bug, tmp_path / "source")
    attempts = [naive_again(bug, source, "one"), naive_again(bug, source, "two"), final_fix(bug, source)]
    outcome, ended = await sail_twice(bug, tmp_path, attempts)
    assert outcome.status == "succeeded"
    assert ended.verdict == "converged"


@pytest.mark.slow
@pytest.mark.parametrize("bug", bugs("review-loop"))
async def test_a_naive_fix_that_is_insisted_on_never_converges(bug: dict[str, Any], tmp_path: Path) -> None:
    source = clone(bug, tmp_path / "source")
    attempts = [naive_again(bug, source, word) for word in ("one", "two", "three")]
    outcome, ended = await sail_twice(bug, tmp_path, attempts)
    assert outcome.status == "failed"
    assert ended.verdict == "needs_human"
    assert [attempt.outcome for attempt in ended.residuals[0].attempts] == ["undone"] * 3


def own_task(bug: dict[str, Any], id_: str, paths: list[str], **checks: str) -> dict[str, Any]:
    """A task with a criterion for each of its checks."""
    return {
        "id": id_,
        "title": f"Title of {id_}",
        "kind": "change",
        "brief": bug["problem"],
        "paths": [f"/{path}" for path in paths],
        "criteria": [{"text": f"The tests {name} pass.", "check": name} for name in checks],
        "checks": [{"name": name, "command": command} for name, command in checks.items()],
        "covers": [item.id for item in items_of(bug["problem"])],
    }


async def carried(bug: dict[str, Any], folder: Path, tasks: list[dict[str, Any]], build: Any) -> captain.Outcome:
    """A run whose reviewers object to nothing at all."""
    repo = clone(bug, folder / "a clone")
    reproduction = run_from(bug, bug["final_fix_commit"], bug["tests_wanted_by_naive_fix"])
    team = captain.Crew(
        captain=ScriptedModel([triage(bug["naive_fix_paths"], reproduction), plan(*tasks)]),
        build=ScriptedModel(build, by_turn=True),
        review=[ScriptedModel([review()], by_turn=True)],
    )
    return await sailed(bug, repo, team, folder / "state")


@pytest.mark.slow
@pytest.mark.parametrize("bug", bugs("review-loop"))
async def test_a_naive_fix_that_no_reviewer_objects_to_is_not_accepted_while_a_check_of_its_task_fails(
    bug: dict[str, Any], tmp_path: Path
) -> None:
    source = clone(bug, tmp_path / "source")
    wanted = run_from(bug, bug["final_fix_commit"], bug["tests_wanted_by_naive_fix"])
    broken = run_from(bug, bug["final_fix_commit"], bug["tests_broken_by_naive_fix"])
    one = own_task(bug, "T1", bug["naive_fix_paths"], wanted=wanted, others=broken)
    build = {
        "## What is to be mended": [naive_again(bug, source, "one"), "It is fine as it is."],
        "# Task T1:": [files_at(source, bug["naive_fix_commit"], bug["naive_fix_paths"]), "Fixed."],
    }
    outcome = await carried(bug, tmp_path, [{**one, "kind": "fix", "diagnosis": "D1"}], build)
    assert (outcome.status, outcome.branch) == ("failed", None)
    assert outcome.view.tasks["T1"].state == "failed"
    proofs = {entry.criterion.check: entry.proof for entry in outcome.view.evidence}
    assert proofs == {"wanted": "proved", "others": "failed", "reproduction-D1": "proved"}
    assert "**not met** T1/T1.2: The tests others pass." in (outcome.folder / "report.md").read_text("utf-8")


@pytest.mark.slow
@pytest.mark.parametrize("bug", bugs("review-loop"))
async def test_a_naive_fix_whose_own_checks_pass_is_caught_on_the_result_and_left_out(
    bug: dict[str, Any], tmp_path: Path
) -> None:
    source = clone(bug, tmp_path / "source")
    paths = bug["naive_fix_paths"]
    wanted = run_from(bug, bug["final_fix_commit"], bug["tests_wanted_by_naive_fix"])
    broken = run_from(bug, bug["final_fix_commit"], bug["tests_broken_by_naive_fix"])
    keeps = own_task(bug, "T1", ["NOTES.captain"], others=broken)  # it holds for these tests, whatever else comes
    fixes = {**own_task(bug, "T2", paths, wanted=wanted), "kind": "fix", "diagnosis": "D1"}
    build = {
        "# Task T1:": [
            call("write", path="NOTES.captain", content="What holds today is to hold tomorrow.\n"),
            "Noted.",
        ],
        "# Task T2:": [files_at(source, bug["naive_fix_commit"], paths), "Fixed."],
        "# Task T2-fit": [naive_again(bug, source, "one"), "It is fine as it is."],
        "## What is to be mended": [naive_again(bug, source, "two"), "It really is."],
    }
    outcome = await carried(bug, tmp_path, [keeps, fixes], build)
    assert outcome.status in ("failed", "needs_human"), outcome.summary
    (clash,) = outcome.view.clashes
    assert (clash.task, [failed.check.name for failed in clash.results]) == ("T2", ["others"])
    assert {task.id: task.state for task in outcome.view.tasks.values()} == {
        "T1": "accepted",
        "T2": "parked",
        "T2-fit": "failed",
    }
    assert outcome.branch is not None
    assert git(source, "fetch", "--quiet", str(tmp_path / "a clone"), outcome.branch) == ""
    assert git(source, "diff", "--name-only", bug["base_commit"], "FETCH_HEAD") == "NOTES.captain"
    text = (outcome.folder / "report.md").read_text("utf-8")
    assert "## Accepted, but not together" in text
