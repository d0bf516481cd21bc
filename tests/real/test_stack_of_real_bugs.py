"""Several real bugs of one public repository in one request: as many branches, each with exactly its own fix."""

from __future__ import annotations

import copy
import importlib.util
import subprocess
from pathlib import Path
from typing import Any

import pytest

import captain
from captain.core.messages import ToolCall
from captain.models import ScriptedModel, call
from captain.testing import git
from tests.real.test_public_repositories import IMPORT_NAMES, REPOSITORIES, bugs, pytest_command
from tests.voyages import ONE_LOOK, UNCONFINED, fingerprint, review


def _bug(fix: str, path: str, *failing: str) -> dict[str, Any]:
    """One fix of the history: its commit, the file it mends, tests that fail without it. Its words are read there."""
    return {"fix_commit": fix, "base_commit": f"{fix}^", "source_paths": [path], "failing": list(failing)}


STACKS: list[dict[str, Any]] = [
    {
        "id": "boltons-stack-967864f8",
        "repo": "mahmoud/boltons",
        "needs": ["pytest"],
        "pythonpath": ".",
        "good_commit": "967864f89791509f9eb36b22b4579d36b72a6df2",
        "bugs": [
            _bug(
                "5df26592",
                "boltons/strutils.py",
                "tests/test_strutils.py::test_args2sh_sep",
                "tests/test_strutils.py::test_args2cmd_sep",
            ),
            _bug("ec1ff9f6", "boltons/setutils.py", "tests/test_setutils.py::test_complement_set"),
            _bug("c1c25da3", "boltons/mathutils.py", "tests/test_mathutils.py::test_bits_len_bound"),
            _bug("8c3fc285", "boltons/strutils.py", "tests/test_strutils.py::test_pluralize_x"),
            _bug(
                "25e8d6b1",
                "boltons/listutils.py",
                "tests/test_listutils.py::test_barrel_list_insert_before_start_matches_list",
            ),
        ],
    },
    {
        "id": "packaging-stack-053c8846",
        "repo": "pypa/packaging",
        "needs": ["pytest"],
        "pythonpath": "src",
        "good_commit": "053c884615f2e83d80705251b447769ec2599653",
        "bugs": [
            _bug("b80e6eb0", "src/packaging/pylock.py", "tests/test_pylock_select.py::test_lock_no_matching_env"),
            _bug(
                "826426fc",
                "src/packaging/pylock.py",
                "tests/test_pylock_select.py::test_empty_tags_selects_sdist_instead_of_host_compatible_wheel",
                "tests/test_pylock_select.py::test_empty_tags_rejects_wheel_only_lock",
            ),
            _bug("8af75907", "src/packaging/utils.py", "tests/test_utils.py::test_parse_wheel_invalid_filename"),
            _bug(
                "0cc1cc8e",
                "src/packaging/licenses/__init__.py",
                "tests/test_licenses.py::test_invalid_spdx_with_or_licenseref_forms",
            ),
            _bug(
                "08bb0477",
                "src/packaging/direct_url.py",
                "tests/test_direct_url.py::test_to_dict_strip_url_with_at_in_password",
            ),
        ],
    },
]
"""As those of the conformance material: at the good commit all is well, and each fix can be taken back by itself."""


def broken_clone(stack: dict[str, Any], to: Path) -> Path:
    """The repository with all of the bugs in it again, and the tests that show them; skips where it is not at hand."""
    source = Path(REPOSITORIES) / stack["repo"].replace("/", "+") / "repo"
    if not REPOSITORIES or not source.exists():
        pytest.skip(f"no clone of {stack['repo']}: CAPTAIN_REPOSITORIES names no folder that has one")
    for need in stack["needs"]:
        name = need.split(" ")[0]
        if importlib.util.find_spec(IMPORT_NAMES.get(name, name)) is None:
            pytest.skip(f"{stack['id']} needs {name}, which is not installed here")
    git(to.parent, "clone", "--quiet", "--no-checkout", str(source), str(to))
    git(to, "checkout", "--quiet", "-B", "work", stack["good_commit"])
    for bug in stack["bugs"]:
        bug.setdefault("problem", git(to, "log", "-1", "--format=%B", bug["fix_commit"]))
        apply(to, fix_of(to, bug), "-R")
    git(
        to,
        "-c",
        "user.name=T",
        "-c",
        "user.email=t@localhost",
        "commit",
        "--quiet",
        "-am",
        "As it was before the fixes",
    )
    return to


def fix_of(repo: Path, bug: dict[str, Any]) -> str:
    args = ["git", "-C", str(repo), "diff", bug["base_commit"], bug["fix_commit"], "--", *bug["source_paths"]]
    return subprocess.run(args, check=True, capture_output=True, text=True).stdout


def apply(repo: Path, patch: str, *options: str) -> None:
    argv = ["git", "-C", str(repo), "apply", *options, "-"]
    subprocess.run(argv, input=patch, check=True, capture_output=True, text=True)


def title(bug: dict[str, Any]) -> str:
    return str(bug["problem"]).splitlines()[0].strip()


def tasks_of(stack: dict[str, Any]) -> list[dict[str, Any]]:
    """Those that touch one file stand on each other, oldest first; the rest is independent."""
    tasks: list[dict[str, Any]] = []
    for number, bug in reversed(list(enumerate(stack["bugs"], 1))):
        below = [task["id"] for task in tasks if set(task["paths"]) & {f"/{path}" for path in bug["source_paths"]}]
        tasks.append(
            {
                "id": f"T{number}",
                "title": title(bug)[:70],
                "kind": "fix",
                "brief": bug["problem"],
                "paths": [f"/{path}" for path in bug["source_paths"]],
                "criteria": [{"text": "Its tests pass.", "check": "tests", "covers": [f"R{number}"]}],
                "checks": [{"name": "tests", "command": pytest_command(stack, bug["failing"])}],
                "depends_on": below[-1:],
                "diagnosis": f"D{number}",
            }
        )
    return tasks


def crew(stack: dict[str, Any], repo: Path) -> captain.Crew:
    diagnoses = [
        {
            "cause": f"what {title(bug)} mends",
            "locations": [{"path": path} for path in bug["source_paths"]],
            "reproduction": pytest_command(stack, bug["failing"]),
        }
        for bug in stack["bugs"]
    ]
    items = [{"id": f"R{number}", "text": title(bug)} for number, bug in enumerate(stack["bugs"], 1)]
    builds: dict[str, list[Any]] = {
        f"# Task T{number}:": [mends(fix_of(repo, bug)), "Mended."] for number, bug in enumerate(stack["bugs"], 1)
    }
    return captain.Crew(
        captain=ScriptedModel(
            [
                call("submit_triage", kind="fix", reason="separate bugs", diagnoses=diagnoses, items=items),
                call("submit_plan", summary="One task for each.", tasks=tasks_of(stack)),
            ]
        ),
        build=ScriptedModel(builds, by_turn=True),
        review=[ScriptedModel([review()], by_turn=True)],
    )


def mends(patch: str) -> ToolCall:
    return call("shell", command=f"git apply --3way - <<'END-OF-THE-PATCH'\n{patch}\nEND-OF-THE-PATCH")


def passing(stack: dict[str, Any], repo: Path, commit: str, to: Path) -> set[int]:
    """The numbers of the bugs whose tests pass on a commit."""
    git(repo, "worktree", "add", "--quiet", "--detach", str(to), commit)
    found = set()
    for number, bug in enumerate(stack["bugs"], 1):
        done = subprocess.run(
            pytest_command(stack, bug["failing"]), shell=True, cwd=to, capture_output=True, check=False
        )
        if done.returncode == 0:
            found.add(number)
    git(repo, "worktree", "remove", "--force", str(to))
    return found


@pytest.mark.slow
@pytest.mark.parametrize("stack", [*bugs("stack"), *(pytest.param(stack, id=stack["id"]) for stack in STACKS)])
async def test_as_many_branches_as_asks_each_with_exactly_its_own_fix(stack: dict[str, Any], tmp_path: Path) -> None:
    stack = copy.deepcopy(stack)
    repo = broken_clone(stack, tmp_path / "a clone")
    everything = set(range(1, len(stack["bugs"]) + 1))
    assert passing(stack, repo, "HEAD", tmp_path / "base") == set()
    before = fingerprint(repo)
    request = "\n".join(f"- {title(bug)}" for bug in stack["bugs"])
    outcome = await captain.run(
        request,
        repo=repo,
        crew=crew(stack, repo),
        state_dir=tmp_path / "state",
        sandbox=UNCONFINED,
        options=captain.Options(review=ONE_LOOK),
    )
    assert fingerprint(repo) == before
    assert outcome.status == "succeeded", outcome.summary
    assert outcome.branch is not None
    assert passing(stack, repo, outcome.branch, tmp_path / "result") == everything
    tasks = {task["id"]: task for task in tasks_of(stack)}
    assert len(tasks) == len(everything) == len([name for name in outcome.view.branches if "/task/" in name])
    assert outcome.view.plan is not None
    assert len(outcome.view.plan.tasks) == len(everything)
    assert [name for name, task in tasks.items() if not task["depends_on"]] != list(tasks)  # some are a stack
    assert len([name for name, task in tasks.items() if not task["depends_on"]]) > 1  # and some are side by side
    for name, task in tasks.items():
        own, below = int(name[1:]), task["depends_on"]
        mended = {own}
        while below:
            mended.add(int(below[0][1:]))
            below = tasks[below[0]]["depends_on"]
        branch = f"captain/{outcome.run}/task/{name}"
        assert passing(stack, repo, branch, tmp_path / name) == mended, name
        changed = git(repo, "diff", "--name-only", f"{branch}^", branch).split()
        assert {f"/{path}" for path in changed} <= set(task["paths"]), name
