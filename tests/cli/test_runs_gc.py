"""`captain runs gc` on real git: what goes, what stays, and what a kill in the middle leaves."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from captain.cli.boundary import guarded
from captain.core import ids
from captain.runs import Project, stored_runs
from captain.testing import git, make_repository
from tests.cli.test_history import keep
from tests.reports.sample import opening, record, whole_run
from tests.root import ALLOW_ROOT
from tests.runs.holding import held

RUN = "20261121-160512-k3f9"


class Scene:
    def __init__(self, folder: Path) -> None:
        self.repo = make_repository(folder / "a rêpo with spaces", {"a": "1"})
        self.state = folder / "state"
        self.project = Project.of(self.state, self.repo / ".git")

    def leave(self, run: str, *, over: bool = True) -> str:
        """A run with refs and a report, of which one commit is nowhere else; gives that commit."""
        keep(self.state, self.repo / ".git", whole_run() if over else record(*opening()), run=run)
        (self.project.make_run_folder(run) / "report.md").write_text("x")
        head = git(self.repo, "rev-parse", "HEAD")
        work = git(self.repo, "commit-tree", "HEAD^{tree}", "-p", "HEAD", "-m", f"work of {run}")
        git(self.repo, "update-ref", ids.base_ref(run), head)
        git(self.repo, "update-ref", ids.salvaged_ref(run, "T1"), work)
        git(self.repo, "update-ref", f"refs/heads/{ids.result_branch(run)}", work)
        return work

    def gc(self, *arguments: str) -> list[str]:
        return ["runs", "gc", "--repo", str(self.repo), "--state-dir", str(self.state), *arguments]

    def refs(self, prefix: str = "refs/captain") -> list[str]:
        return git(self.repo, "for-each-ref", "--format=%(refname)", prefix).split()

    def runs(self) -> list[str]:
        return [run.id for run in stored_runs(self.state)]


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return Scene(tmp_path)


def removed(out: str) -> dict[str, Any]:
    (project,) = json.loads(out)["projects"]
    return {one["run"]: one for one in project["runs"]}


def test_a_run_that_is_over_goes_whole_and_its_branch_stays(scene: Scene, capsys: pytest.CaptureFixture[str]) -> None:
    scene.leave(RUN)
    assert guarded(scene.gc("--older-than-days", "0", "--dry-run")) == 0
    assert f"would remove {RUN}" in capsys.readouterr().out
    assert len(scene.refs()) == 2
    assert guarded(scene.gc("--older-than-days", "0")) == 0
    assert scene.refs() == []
    assert scene.runs() == []
    assert not scene.project.run_folder(RUN).exists()
    assert scene.refs("refs/heads/captain") == [f"refs/heads/captain/{RUN}/result"]


def test_a_branch_goes_only_when_it_is_merged_and_asked_for(scene: Scene) -> None:
    merged, other = RUN, "20261121-160513-k3f9"
    git(scene.repo, "update-ref", "refs/heads/main", scene.leave(merged))
    scene.leave(other)
    assert guarded(scene.gc("--older-than-days", "0", "--branches")) == 0
    assert scene.refs("refs/heads/captain") == [f"refs/heads/captain/{other}/result"]


def test_a_dry_run_says_what_is_nowhere_else(scene: Scene, capsys: pytest.CaptureFixture[str]) -> None:
    work = scene.leave(RUN)
    git(scene.repo, "update-ref", "-d", f"refs/heads/captain/{RUN}/result")
    assert guarded(scene.gc("--older-than-days", "0", "--dry-run")) == 0
    out = capsys.readouterr().out
    assert f"{ids.salvaged_ref(RUN, 'T1')} at {work[:12]}, nowhere else: work under way" in out


def test_a_young_run_that_is_named_keeps_what_is_nowhere_else(scene: Scene, capsys: pytest.CaptureFixture[str]) -> None:
    scene.leave(RUN)
    git(scene.repo, "update-ref", "-d", f"refs/heads/captain/{RUN}/result")
    assert guarded(scene.gc(RUN, "--older-than-days", "30000")) == 0
    assert "younger than the limit" in capsys.readouterr().out
    assert len(scene.refs()) == 2
    assert scene.runs() == [RUN]


def test_interrupted_held_and_newest_runs_stay(scene: Scene, capsys: pytest.CaptureFixture[str]) -> None:
    interrupted, carried, newest = (f"2026112{day}-160512-k3f9" for day in (1, 2, 3))
    scene.leave(interrupted, over=False)
    scene.leave(carried)
    scene.leave(newest)
    with held(scene.project, carried):
        assert guarded(scene.gc("--older-than-days", "0", "--keep", "1", "--json")) == 0
    found = removed(capsys.readouterr().out)
    assert "--interrupted" in found[interrupted]["stays"]
    assert f"process {os.getpid()}" in found[carried]["stays"]
    assert newest not in found
    assert len(scene.refs()) == 6
    assert guarded(scene.gc("--older-than-days", "0", "--interrupted")) == 0
    assert scene.refs() == []


def test_packed_refs_and_a_linked_work_tree_are_cleared_and_a_checked_out_branch_stays(
    scene: Scene, tmp_path: Path
) -> None:
    git(scene.repo, "update-ref", "refs/heads/main", scene.leave(RUN))
    linked = tmp_path / "linked tree"
    git(scene.repo, "worktree", "add", "--quiet", str(linked), ids.result_branch(RUN))
    git(scene.repo, "pack-refs", "--all")
    place = ["--repo", str(linked), "--state-dir", str(scene.state)]
    assert guarded(["runs", "gc", *place, "--older-than-days", "0", "--branches"]) == 0
    assert scene.refs() == []
    assert scene.refs("refs/heads/captain") == [f"refs/heads/captain/{RUN}/result"]


def test_refs_of_runs_this_project_does_not_know_stay(scene: Scene) -> None:
    scene.leave(RUN)
    for name in ("20261121-160512-zzzz/base", "mine/base"):
        git(scene.repo, "update-ref", f"refs/captain/{name}", "HEAD")
    assert guarded(scene.gc("--older-than-days", "0")) == 0
    assert scene.refs() == ["refs/captain/20261121-160512-zzzz/base", "refs/captain/mine/base"]


def test_a_lock_that_was_left_is_named_with_its_age_and_not_removed(
    scene: Scene, capsys: pytest.CaptureFixture[str]
) -> None:
    scene.leave(RUN)
    lock = scene.repo / ".git" / f"{ids.base_ref(RUN)}.lock"
    lock.touch()
    os.utime(lock, (0, 0))
    assert guarded(scene.gc("--older-than-days", "0")) == 0
    out = capsys.readouterr().out
    assert str(lock) in out
    assert "days old" in out
    assert lock.exists()
    assert len(scene.refs()) == 2
    assert scene.runs() == [RUN]


KILLED = """
import os, signal, sys
from captain.cli.boundary import guarded
from captain.workspace import clearing
after, count, real = int(sys.argv[1]), 0, clearing._clear_one
async def one(*arguments):
    global count
    await real(*arguments)
    count += 1
    if count == after:
        os.kill(os.getpid(), signal.SIGKILL)
clearing._clear_one = one
guarded(sys.argv[2:])
"""


def test_what_a_kill_in_the_middle_leaves_is_on_record_and_goes_next_time(scene: Scene) -> None:
    names = [f"2026112{day}-160512-k3f9" for day in range(5)]
    for name in names:
        scene.leave(name)
    argv = [sys.executable, "-c", KILLED, "2", *scene.gc("--older-than-days", "0")]
    assert subprocess.run(argv, check=False).returncode == -signal.SIGKILL
    assert len(scene.refs()) == 6
    assert scene.runs() == names[::-1]
    assert guarded(scene.gc("--older-than-days", "0")) == 0
    assert scene.refs() == []
    assert scene.runs() == []


HOST = """
import anyio, os, signal, sys
from pathlib import Path
from captain.sandbox import Sandbox
from captain.workspace import Repository, Workspaces
async def main():
    repository = await Repository.open(Path(sys.argv[1]))
    workspaces = Workspaces(repository, Path(sys.argv[2]), sys.argv[3], Sandbox.none())
    async with workspaces.open("T1", repository.head) as copy:
        await copy.box.write("unsaved.txt", b"unsaved")
        os.kill(os.getpid(), signal.SIGKILL)
anyio.run(main)
"""


def test_unsaved_work_in_a_copy_is_kept_first_and_its_run_stays_until_the_next_time(
    scene: Scene, capsys: pytest.CaptureFixture[str]
) -> None:
    scene.leave(RUN)
    work = scene.project.workspaces
    work.mkdir()
    argv = [sys.executable, "-c", HOST, str(scene.repo), str(work), RUN]
    assert subprocess.run(argv, check=False).returncode == -signal.SIGKILL
    gc = scene.gc("--older-than-days", "0", *ALLOW_ROOT)
    assert guarded(gc) == 0
    out = capsys.readouterr().out
    ref = f"{ids.salvaged_ref(RUN, 'T1')}-2"
    assert f"kept now under {ref}" in out
    assert git(scene.repo, "show", f"{ref}:unsaved.txt") == "unsaved"
    assert scene.runs() == [RUN]
    assert list(work.iterdir()) == []
    assert guarded(gc) == 0
    assert scene.refs() == []
    assert scene.runs() == []


def test_records_of_a_repository_that_is_gone_go_only_with_all(
    scene: Scene, capsys: pytest.CaptureFixture[str]
) -> None:
    scene.leave(RUN)
    scene.repo.rename(scene.repo.with_name("moved"))
    argv = ["runs", "gc", "--state-dir", str(scene.state), "--older-than-days", "0"]
    assert guarded([*argv, RUN]) == 0
    assert "no longer there" in capsys.readouterr().out
    assert scene.runs() == [RUN]
    assert guarded([*argv, "--all"]) == 0
    assert scene.runs() == []


def test_a_run_that_is_going_on_is_not_exported(
    scene: Scene, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    scene.leave(RUN)
    file = tmp_path / "x.zip"
    with held(scene.project, RUN):
        assert guarded(["runs", "export", RUN, str(file), "--state-dir", str(scene.state)]) == 2
    assert f"process {os.getpid()}" in capsys.readouterr().err
    assert not file.exists()


def test_what_a_run_has_left_is_shown_and_a_base_that_lacks_is_said(
    scene: Scene, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    scene.leave(RUN)
    place = ["--state-dir", str(scene.state)]
    assert guarded(["runs", "show", RUN, "--json", *place]) == 0
    page = json.loads(capsys.readouterr().out)
    assert page["refs"][0]["holds"] == "what the run started from"
    assert len(page["refs"]) == 3
    assert guarded(["runs", "export", RUN, str(tmp_path / "x.zip"), *place]) == 0
    other = make_repository(tmp_path / "other", {"a": "1"})
    take_in = ["runs", "import", str(tmp_path / "x.zip"), "--repo", str(other)]
    assert guarded([*take_in, *place]) == 2  # an id names one run
    assert f"on record already, in {scene.project.folder}" in capsys.readouterr().err
    assert guarded([*take_in, "--state-dir", str(tmp_path / "elsewhere")]) == 0
    assert "notice: the commit it started from" in capsys.readouterr().out


def test_nothing_of_a_record_can_be_read_by_others_whatever_the_umask(scene: Scene) -> None:
    before = os.umask(0)
    try:
        keep(scene.state, scene.repo / ".git", record(opening()[0], *whole_run_notices()), run=RUN)
        scene.project.make_run_folder(RUN)
    finally:
        os.umask(before)
    for path in (scene.state, *scene.state.rglob("*")):
        assert path.stat().st_mode & 0o077 == 0, path


def whole_run_notices() -> tuple[Any, ...]:
    from captain.core.events import Noticed

    return (Noticed(text="x" * 100_000),)
