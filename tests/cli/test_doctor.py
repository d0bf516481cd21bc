"""`captain doctor`, over real state folders: what was left, whose it is, and that nothing is touched."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from captain.cli.boundary import guarded
from captain.core.clock import SystemClock
from captain.runs import Project
from captain.testing.repositories import git, make_repository
from captain.workspace.owners import Claim, Owner, base_name, claim_new
from tests.runs.holding import held

RUN = "20261126-120000-abcd"


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    return make_repository(tmp_path / "repo", {"a.txt": "one\n"})


@pytest.fixture
def project(repo: Path, tmp_path: Path) -> Project:
    made = Project.of(tmp_path / "state", repo / ".git")
    made.create(repo / ".git")
    return made


def left_in(project: Project, name: str, *, kind: str = "copy") -> Claim:
    owner = Owner(
        run=RUN,
        name=name,
        base="0" * 40,
        repository="/repo/.git",
        made_at=SystemClock().now().isoformat(),
        scratch=False,
        kind="base" if kind == "base" else "copy",
    )
    claim = claim_new(project.workspaces, owner)
    assert claim is not None
    claim.copy.mkdir()
    (claim.copy / "file").write_bytes(b"x" * 20_000)
    return claim


def examine(tmp_path: Path, *more: str) -> int:
    return guarded(["doctor", "--state-dir", str(tmp_path / "state"), *more])


def test_a_machine_without_runs_is_described(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert examine(tmp_path) == 0
    said = capsys.readouterr().out
    assert said.startswith("git: git version ")
    assert f"state: {tmp_path / 'state'} (not there yet)" in said
    assert said.endswith("No run has been here yet.\n")


def test_what_is_left_is_told_apart_from_what_is_in_use(
    repo: Path, project: Project, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    git(repo, "update-ref", f"refs/captain/{RUN}/base", "HEAD")
    git(repo, "update-ref", f"refs/heads/captain/{RUN}/result", "HEAD")
    git(repo, "update-ref", "refs/captain/20261126-130000-abcd/base", "HEAD")
    left_in(project, "T1").release()
    base = left_in(project, base_name("0" * 40), kind="base")
    with held(project, "20261126-130000-abcd"):
        assert examine(tmp_path) == 0
    said = capsys.readouterr().out.splitlines()
    assert f"project: {repo / '.git'}" in said
    assert "  refs: 2 of runs that are over, 1 of runs under way" in said
    assert f"  base {base.copy.name} of run {RUN}: 20 KB, in use" in said
    assert f"  copy T1 of run {RUN}: 20 KB, left behind; the next run in this repository takes it back" in said
    assert (base.copy / "file").exists()
    base.release()


def test_json_says_the_same(repo: Path, project: Project, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    left_in(project, "T1").release()
    assert examine(tmp_path, "--json") == 0
    said = json.loads(capsys.readouterr().out)
    assert set(said) == {"git", "sandbox", "state_dir", "projects"}
    (found,) = said["projects"]
    (copy,) = found["copies"]
    assert (found["git_dir"], found["problem"], found["refs_of_runs_over"]) == (str(repo / ".git"), "", 0)
    assert (copy["run"], copy["name"], copy["kind"], copy["in_use"]) == (RUN, "T1", "copy", False)
    assert copy["size_bytes"] >= 20_000


def test_a_repository_that_is_gone_and_a_broken_note_are_only_said(
    repo: Path, project: Project, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    repo.rename(tmp_path / "moved")
    assert examine(tmp_path) == 0
    assert "  the repository is no longer there" in capsys.readouterr().out.splitlines()
    (project.folder / "project.json").write_text('{"git_dir": 3}')
    (project.workspaces / "run").mkdir(parents=True)
    (project.workspaces / "run" / ".T1.owner").write_text("\x1b[2J")
    assert examine(tmp_path) == 0
    said = capsys.readouterr().out
    assert "  it is not noted which repository this was" in said
    assert "copy T1 of a run that had only begun: 0 B, left behind" in said
