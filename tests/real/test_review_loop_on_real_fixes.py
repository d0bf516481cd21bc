"""A real fix that broke other behaviour, put before the loop as the change to review, and as an attempt to mend.

The repository's history has the bug, the fix that broke something else, and the later fix that broke nothing. The loop
sees the tests of the last of them, as far as they ran at each commit.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from captain.core.findings import Finding, Proposal, Review
from captain.core.tasks import Check
from captain.review import FixJob, LoopReport, ReviewLoop
from captain.testing import git
from captain.workspace import Workspace
from tests.real.test_public_repositories import bugs, clone, run_from
from tests.voyages import fingerprint


@dataclass
class Offers:
    """A fixer that lays down files as they are in commits of the history: one commit for each attempt, in turn."""

    repo: Path
    paths: Sequence[str]
    commits: Sequence[str]
    jobs: list[FixJob] = field(default_factory=list)

    async def fix(self, job: FixJob, workspace: Workspace, /) -> str:
        if job.broken:
            return "It is what upstream did."
        commit = self.commits[min(len(self.jobs), len(self.commits) - 1)]
        self.jobs.append(job)
        for path in self.paths:
            await workspace.box.write(path, (git(self.repo, "show", f"{commit}:{path}") + "\n").encode())
        return "Fixed."


@dataclass(frozen=True)
class Reports:
    """A reviewer that names the bug as long as the change has not the words of a commit that mends it."""

    bug: dict[str, Any]
    command: str
    name: str = "critic"

    async def review(self, proposal: Proposal, /) -> Review:
        finding = Finding(
            id="",
            severity="major",
            category="correctness",
            path="",
            anchor="",
            claim=self.bug["problem"].splitlines()[0],
            evidence="The tests that the fix came with fail.",
            suggested_check=self.command,
        )
        return Review(reviewer=self.name, findings=(finding,))


def paths_of(bug: dict[str, Any]) -> list[str]:
    return sorted({*bug["naive_fix_paths"], *bug["final_fix_paths"]})


def check_of(bug: dict[str, Any], name: str, tests: str) -> Check:
    return Check(name=name, command=run_from(bug, bug["final_fix_commit"], bug[tests]))


def put(repo: Path, bug: dict[str, Any], commit: str | None) -> None:
    """Branch `work` with a change on top of the bug: the files of a commit, or else something of no consequence."""
    for path in paths_of(bug) if commit else ():
        (repo / path).write_text(git(repo, "show", f"{commit}:{path}") + "\n")
    if commit is None:
        (repo / "NOTES.captain").write_text("A change that leaves the bug where it is.\n")
    git(repo, "add", "-A")
    git(repo, "-c", "user.name=t", "-c", "user.email=t@localhost", "commit", "-q", "-m", "The change")


async def looked_at(repo: Path, bug: dict[str, Any], fixer: Offers, **more: Any) -> LoopReport:
    before = fingerprint(repo)
    loop = ReviewLoop(
        fixer=fixer,
        checks=(check_of(bug, "guard", "tests_broken_by_naive_fix"),),
        shortcut_guard=None,
        **{"reviewers": (), **more},
    )
    report = await loop.run(repo, bug["base_commit"], "work", run="r1")
    assert fingerprint(repo) == before
    assert report.weight(report.commit) <= report.weight(report.start)
    return report


@pytest.mark.slow
@pytest.mark.parametrize("bug", bugs("review-loop"))
async def test_a_change_that_broke_other_behaviour_never_ends_converged_while_nobody_mends_that(
    bug: dict[str, Any], tmp_path: Path
) -> None:
    repo = clone(bug, tmp_path / "a clone")
    put(repo, bug, bug["naive_fix_commit"])
    report = await looked_at(repo, bug, Offers(repo, paths_of(bug), [bug["naive_fix_commit"]]))
    assert report.verdict not in ("converged", "converged_with_residuals")
    assert not report.acceptable


@pytest.mark.slow
@pytest.mark.parametrize("bug", bugs("review-loop"))
async def test_the_same_change_converges_once_the_later_real_fix_is_among_the_attempts(
    bug: dict[str, Any], tmp_path: Path
) -> None:
    repo = clone(bug, tmp_path / "a clone")
    put(repo, bug, bug["naive_fix_commit"])
    fixer = Offers(repo, paths_of(bug), [bug["naive_fix_commit"], bug["final_fix_commit"]])
    report = await looked_at(repo, bug, fixer)
    assert report.verdict == "converged"
    assert git(repo, "diff", report.commit, bug["final_fix_commit"], "--", *paths_of(bug)) == ""


@pytest.mark.slow
@pytest.mark.parametrize("bug", bugs("review-loop"))
async def test_a_real_fix_that_breaks_other_behaviour_is_undone_and_the_next_attempt_is_told_why(
    bug: dict[str, Any], tmp_path: Path
) -> None:
    repo = clone(bug, tmp_path / "a clone")
    put(repo, bug, None)
    command = check_of(bug, "wanted", "tests_wanted_by_naive_fix").command
    fixer = Offers(repo, paths_of(bug), [bug["naive_fix_commit"], bug["final_fix_commit"]])
    report = await looked_at(repo, bug, fixer, reviewers=(Reports(bug, command),))
    (case,) = [case for case in report.cases if case.status == "fixed"]
    assert [(attempt.outcome, attempt.clause) for attempt in case.attempts] == [
        ("undone", "ratchet"),
        ("accepted", None),
    ]
    assert [failed.clause for failed in fixer.jobs[1].earlier] == ["ratchet"]
    assert report.verdict == "converged"
