"""`captain plan` shows a plan and its cost, changes nothing, and can be read by programs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from captain.cli.boundary import guarded
from tests.cli.test_terminal import script
from tests.root import ALLOW_ROOT
from tests.voyages import calc_repository, fingerprint, fix_task, fix_triage, plan


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    return calc_repository(tmp_path / "repo")


def planned(tmp_path: Path, repo: Path, *more: str) -> int:
    model = script(tmp_path / "captain.json", [fix_triage(), plan(fix_task())])
    where = ["--repo", str(repo), "--state-dir", str(tmp_path / "state")]
    return guarded(["plan", *ALLOW_ROOT, "Mend it", "--captain", model, *where, *more])


def test_a_plan_is_shown_whole_and_nothing_is_changed(
    tmp_path: Path, repo: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = fingerprint(repo)
    assert planned(tmp_path, repo) == 0
    said = capsys.readouterr().out
    assert fingerprint(repo) == before
    for line in ("## The plan", "### T1: Title of T1", "## What it is going to cost", "How this was reckoned:"):
        assert line in said.splitlines()
    assert "planned: The plan has 1 task; nothing has been changed." in said
    assert "hint: Carry it out with: captain resume " in said

    assert guarded(["runs", "--repo", str(repo), "--state-dir", str(tmp_path / "state")]) == 0
    assert "  planned  " in capsys.readouterr().out


def test_a_plan_as_json_ends_with_the_plan_and_the_estimate(
    tmp_path: Path, repo: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert planned(tmp_path, repo, "--json") == 0
    outcome = json.loads(capsys.readouterr().out.splitlines()[-1])["outcome"]
    assert outcome["status"] == "planned"
    assert [task["id"] for task in outcome["plan"]["tasks"]] == ["T1"]
    assert outcome["items"][0]["text"] == "Mend it"
    low, high = outcome["estimate"]["tokens"]
    assert 0 < low < high
    assert len(outcome["estimate"]["unpriced"]) == 1  # one scripted model plays all roles


def test_other_crews_are_reckoned_with_and_not_asked(
    tmp_path: Path, repo: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    other = tmp_path / "cheap.toml"
    other.write_text('[crew]\ncaptain = "openai-chat:gpt-4o-mini@http://127.0.0.1:9/v1"\n', "utf-8")
    assert planned(tmp_path, repo, "--also-crew", str(other)) == 0
    said = capsys.readouterr().out
    assert f"### With the crew {other}" in said.replace("\\", "")
    assert f"carrying it out with the crew {other}: about" in said

    other.write_text('[crew]\ncaptian = "x"\n', "utf-8")
    assert planned(tmp_path, repo, "--also-crew", str(other)) == 2
    assert "has a key 'captian' that Captain does not know" in capsys.readouterr().err


def test_asking_about_a_plan_needs_somebody_to_ask(
    tmp_path: Path, repo: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert planned(tmp_path, repo, "--approve-plan") == 2
    assert "--approve-plan needs a terminal to ask at." in capsys.readouterr().err
    assert not (tmp_path / "state").exists()
