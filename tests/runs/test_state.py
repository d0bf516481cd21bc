"""The state folder: projects by repository, runs by id, and who carries what right now."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from captain.core.errors import JournalError, RunHeldError, UsageError
from captain.core.events import Noticed
from captain.runs import Project, RunJournal, SqliteStore, find_run, readable_runs, stored_runs
from captain.testing import FakeClock, git, make_repository
from tests.waiting import until


def project(state: Path, name: str = "repo") -> Project:
    common = state.parent / name / ".git"
    common.mkdir(parents=True, exist_ok=True)
    made = Project.of(state, common)
    made.create(common)
    return made


async def leave_run(of: Project, run: str) -> None:
    store = await SqliteStore.open(of.journal, run)
    await (await RunJournal.open(store, FakeClock())).record(Noticed(text=run))
    await store.aclose()


@pytest.fixture
def state(tmp_path: Path) -> Path:
    return tmp_path / "state"


def test_a_project_is_named_after_its_repository_and_told_from_its_namesakes(tmp_path: Path) -> None:
    one = Project.of(tmp_path, tmp_path / "a" / "repo" / ".git").folder.name
    other = Project.of(tmp_path, tmp_path / "b" / "repo" / ".git").folder.name
    assert one.startswith("repo-")
    assert other.startswith("repo-")
    assert one != other
    assert Project.of(tmp_path, tmp_path / "bare.git").folder.name.startswith("bare.git-")


def test_a_link_to_a_repository_is_the_same_project(tmp_path: Path) -> None:
    (tmp_path / "real" / ".git").mkdir(parents=True)
    (tmp_path / "link").symlink_to("real")
    assert Project.of(tmp_path, tmp_path / "link" / ".git") == Project.of(tmp_path, tmp_path / "real" / ".git")


def test_all_work_trees_of_a_repository_share_its_project(tmp_path: Path) -> None:
    root = make_repository(tmp_path / "repo", {"a": "1"})
    git(root, "worktree", "add", "--quiet", str(tmp_path / "tree"))
    common = {
        Project.of(tmp_path, Path(git(tree, "rev-parse", "--path-format=absolute", "--git-common-dir")))
        for tree in (root, tmp_path / "tree")
    }
    assert len(common) == 1


PLAIN = st.characters(exclude_characters="/\0", exclude_categories=["Cs"])
NAMES = st.text(PLAIN, min_size=1, max_size=60).filter(lambda name: name not in {".", ".."})


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(name=NAMES)
def test_any_repository_name_gives_one_plain_folder(tmp_path: Path, name: str) -> None:
    folder = Project.of(tmp_path, tmp_path / name / ".git").folder
    assert folder.parent == tmp_path
    assert folder.name.isascii()
    assert not folder.name.startswith((".", "-"))
    assert len(folder.name) <= 60


def test_the_folder_is_private_to_its_user(state: Path) -> None:
    made = project(state)
    assert made.folder.stat().st_mode & 0o077 == 0


def test_a_state_folder_that_cannot_be_made_is_a_usage_error(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("a file in its place")
    with pytest.raises(UsageError, match=r"state folder .* cannot be written") as caught:
        Project.of(tmp_path / "state", tmp_path / ".git").create(tmp_path / ".git")
    assert "--state-dir" in caught.value.hint


def test_an_open_folder_is_closed_to_others(state: Path) -> None:
    made = project(state)
    made.folder.chmod(0o755)
    project(state)
    assert made.folder.stat().st_mode & 0o777 == 0o700
    assert state.stat().st_mode & 0o777 == 0o700


HOLDER = """
import sys
from pathlib import Path
import anyio
from captain.runs import SqliteStore
async def main():
    store = await SqliteStore.open(Path(sys.argv[1]), "r")
    print("held", flush=True)
    sys.stdin.read()
anyio.run(main)
"""


async def test_a_run_is_free_again_once_its_process_was_killed(state: Path) -> None:
    made = project(state)
    argv = [sys.executable, "-c", HOLDER, str(made.journal)]
    with subprocess.Popen(argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        found = made.holder("r")
        assert found is not None
        assert found.pid == process.pid
        with pytest.raises(RunHeldError, match=f"process {process.pid} on ") as caught:
            await SqliteStore.open(made.journal, "r")
        assert caught.value.pid == process.pid
        assert not made.is_held("other")
        os.kill(process.pid, signal.SIGKILL)
    await until(lambda: not made.is_held("r"))
    await leave_run(made, "r")


async def test_runs_are_listed_newest_first_over_all_projects(state: Path) -> None:
    one, other = project(state), project(state, "other")
    await leave_run(one, "20260101-000000-aaaa")
    await leave_run(other, "20260102-000000-bbbb")
    await leave_run(one, "20260103-000000-cccc")
    assert [run.id for run in stored_runs(state)] == [
        "20260103-000000-cccc",
        "20260102-000000-bbbb",
        "20260101-000000-aaaa",
    ]
    assert [run.id for run in stored_runs(state, state.parent / "other" / ".git")] == ["20260102-000000-bbbb"]
    assert stored_runs(state, state.parent / "unknown" / ".git") == ()


async def test_a_run_is_found_by_the_start_of_its_id(state: Path) -> None:
    made = project(state)
    await leave_run(made, "20260101-000000-aaaa")
    await leave_run(made, "20260102-000000-bbbb")
    run = find_run(state, "20260101")
    assert run.id == "20260101-000000-aaaa"
    assert [recorded.event for recorded in run.events()] == [Noticed(text=run.id)]
    assert not run.alive
    store = await SqliteStore.open(made.journal, run.id)
    assert run.alive
    await store.aclose()


async def test_a_name_that_fits_no_run_or_several_says_which_there_are(state: Path) -> None:
    with pytest.raises(UsageError, match="'x'") as caught:
        find_run(state, "x")
    assert caught.value.hint == f"There is no run on record in {state}."
    made = project(state)
    await leave_run(made, "20260101-000000-aaaa")
    await leave_run(made, "20260101-000001-bbbb")
    with pytest.raises(UsageError, match="the start of 2 runs") as caught:
        find_run(state, "2026")
    assert "20260101-000000-aaaa" in caught.value.hint
    for name in ("", "2027"):
        with pytest.raises(UsageError, match="No run on record") as caught:
            find_run(state, name)
        assert "20260101-000001-bbbb" in caught.value.hint


async def test_the_run_that_was_probably_meant_is_named(state: Path) -> None:
    made = project(state)
    for run in ("20260101-000000-aaaa", "20260101-090909-bcde"):
        await leave_run(made, run)
    for name in ("20260101-000000-aaab", "aaaa"):
        with pytest.raises(UsageError) as caught:
            find_run(state, name)
        assert caught.value.hint.startswith("Did you mean 20260101-000000-aaaa? The latest runs:")


async def test_a_damaged_record_hides_only_its_own_runs(state: Path) -> None:
    await leave_run(project(state, "sound"), "20260101-000000-aaaa")
    await leave_run(damaged := project(state, "other"), "20260202-000000-bbbb")
    with sqlite3.connect(damaged.journal) as connection:
        connection.execute("PRAGMA user_version = 99")
    assert find_run(state, "20260101").id == "20260101-000000-aaaa"
    with pytest.raises(JournalError, match="newer Captain"):
        find_run(state, "20260202")
    runs, unread = readable_runs(state)
    assert [run.id for run in runs] == ["20260101-000000-aaaa"]
    assert len(unread) == 1


async def test_an_id_that_is_on_record_twice_is_said_with_both_places(state: Path) -> None:
    places = [project(state, name) for name in ("here", "there")]
    for place in places:
        await leave_run(place, "20260101-000000-aaaa")
    with pytest.raises(UsageError, match="is on record 2 times") as caught:
        find_run(state, "20260101-000000-aaaa")
    assert all(str(place.folder) in str(caught.value) for place in places)


@pytest.mark.parametrize("name", ["%", "_", "../", "\0", "2026' OR 1=1 --"])
async def test_a_name_is_never_a_pattern_or_a_path(state: Path, name: str) -> None:
    await leave_run(project(state), "20260101-000000-aaaa")
    with pytest.raises(UsageError, match="No run on record"):
        find_run(state, name)


def test_a_journal_that_was_only_just_made_has_no_runs(state: Path) -> None:
    made = project(state)
    sqlite3.connect(made.journal).close()
    made.journal.touch()
    assert stored_runs(state) == ()


def test_a_journal_that_cannot_be_read_is_a_journal_error(state: Path) -> None:
    made = project(state)
    made.journal.write_bytes(b"not a database " * 1000)
    with pytest.raises(JournalError, match=r"journal\.sqlite"):
        stored_runs(state)
