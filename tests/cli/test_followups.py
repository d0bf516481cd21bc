"""What a run noticed and left alone is listed, and can be taken up by another run."""

from __future__ import annotations

import json
from pathlib import Path

import anyio
import pytest

import captain
from captain.cli.boundary import guarded
from captain.cli.followups import taken_up
from captain.core.errors import UsageError
from captain.models import ScriptedModel, call
from captain.testing import git
from tests.voyages import CALC_FIXED, ONE_LOOK, UNCONFINED, calc_repository, fix_task, fix_triage, plan, review, write


@pytest.fixture
def repo(tmp_path: Path) -> Path:
    return calc_repository(tmp_path / "a repository")


@pytest.fixture
def state(tmp_path: Path) -> Path:
    return tmp_path / "state"


@pytest.fixture
def run(repo: Path, state: Path) -> str:
    """It leaves a note about text.py, and a file outside of its scope."""
    note = call("follow_up", title="Shout louder", detail="shout does not shout.\nIt whispers.", paths=["text.py"])
    team = captain.Crew(
        captain=ScriptedModel([fix_triage(), plan(fix_task())]),
        build=ScriptedModel([write("calc.py", CALC_FIXED), note, write("notes.txt", "Hm.\n"), "Done."]),
        review=[ScriptedModel([review()], by_turn=True)],
    )
    carrier = captain.Captain(team, state_dir=state, sandbox=UNCONFINED, options=captain.Options(review=ONE_LOOK))
    outcome = anyio.run(lambda: carrier.run("Mend it", repo=repo))
    assert outcome.status == "succeeded"
    return outcome.run


def test_follow_ups_are_listed_with_the_command_that_takes_them_up(
    run: str, state: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert guarded(["followups", run, "--state-dir", str(state)]) == 0
    shown = capsys.readouterr().out
    assert "1: Shout louder" in shown
    assert "2: Changes of T1 outside its scope were put back" in shown
    assert f"captain run --from-followup {run}:2" in shown
    assert guarded(["followups", run, "--json", "--state-dir", str(state)]) == 0
    page = json.loads(capsys.readouterr().out)
    assert [(note["number"], note["paths"]) for note in page["follow_ups"]] == [(1, ["text.py"]), (2, ["notes.txt"])]


def test_a_follow_up_is_the_request_of_another_run_which_says_where_it_is_from(
    run: str, repo: Path, state: Path
) -> None:
    origin = taken_up(f"{run[:12]}:1", repo, state)
    order, *data = origin.request.splitlines()
    assert order == f"Resolve what run {run} noticed and left alone, and nothing else; it is quoted here."
    assert all(line.startswith(">") or not line for line in data), "an agent's words are never an order"
    assert "> Shout louder" in data
    assert "> shout does not shout.\n> It whispers." in origin.request
    assert "> It is about text.py" in origin.request
    answers = ScriptedModel([call("submit_triage", kind="decline", reason="no work", reply="It is loud enough.")])
    carrier = captain.Captain(captain.Crew(captain=answers), state_dir=state, sandbox=UNCONFINED)

    async def go() -> captain.Outcome:
        async with carrier.start(origin.request, repo=repo, origin=origin.said) as under_way:
            return await under_way.result()

    outcome = anyio.run(go)
    assert outcome.status == "declined", outcome.summary
    assert f"- From: follow-up 1 of run {run}" in (outcome.folder / "report.md").read_text("utf-8")


def test_what_was_put_back_can_be_taken_up_though_it_is_on_no_branch(run: str, repo: Path, state: Path) -> None:
    request = taken_up(f"{run}:2", repo, state).request
    assert "> These are not on the branch: notes.txt" in request
    assert f"kept under refs/captain/{run}/drift/T1/1" in request


@pytest.mark.parametrize(
    ("name", "said"),
    [("RUN", "left 2 follow-ups"), ("RUN:3", "has no follow-up '3'"), ("RUN:x", "has no follow-up 'x'")],
)
def test_a_follow_up_that_is_not_there_is_refused(run: str, repo: Path, state: Path, name: str, said: str) -> None:
    with pytest.raises(UsageError, match=said) as raised:
        taken_up(name.replace("RUN", run), repo, state)
    assert f"--from-followup {run}:1" in raised.value.hint


def test_a_follow_up_whose_paths_are_gone_is_refused(
    run: str, repo: Path, state: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    git(repo, "rm", "--quiet", "text.py")
    git(repo, "-c", "user.name=T", "-c", "user.email=t@localhost", "commit", "--quiet", "-m", "No words")
    at = ["--repo", str(repo), "--state-dir", str(state), "--captain", "openai:gpt-5.5"]
    assert guarded(["run", "--from-followup", f"{run}:1", *at]) == 2
    assert "is in the repository any more: text.py" in capsys.readouterr().err
    assert guarded(["run", "Shout", "--from-followup", f"{run}:1", *at]) == 2
    assert "exclude each other" in capsys.readouterr().err
