"""What an agent did is not lost when the block or the process around it ends the wrong way."""

from __future__ import annotations

import signal
import subprocess
import sys
from contextlib import AbstractAsyncContextManager
from pathlib import Path
from subprocess import PIPE

import anyio
import pytest

from captain.core import ids
from captain.core.clock import SystemClock
from captain.sandbox import Sandbox
from captain.workspace import Repository, Salvaged, Workspace, Workspaces, reclaim
from captain.workspace.owners import Owner, claim_new
from tests.waiting import line_in, runs, until
from tests.workspace.repos import Repo, new_repo

HOST = """
import anyio, sys
from pathlib import Path
from captain.sandbox import Sandbox
from captain.workspace import Repository, Workspaces

async def main():
    repository = await Repository.open(Path(sys.argv[1]))
    workspaces = Workspaces(repository, Path(sys.argv[2]), "run1", Sandbox.none())
    async with workspaces.open("T1", repository.head) as one, workspaces.open("T2", repository.head) as two:
        async with workspaces.open("checks", repository.head, scratch=True) as three:
            await one.box.write("saved.txt", b"saved")
            await repository.set_ref("refs/captain/run1/task/T1/1", await one.snapshot("Saved"), None)
            await two.box.write("unsaved.txt", b"unsaved")
            await three.box.write("noise.txt", b"noise")
            await two.box.run_shell(f"echo $$ > {sys.argv[2]}/pid; exec sleep 600", timeout_s=600)

anyio.run(main)
"""


@pytest.fixture
def repo(tmp_path: Path) -> Repo:
    return new_repo(tmp_path / "ours")


@pytest.fixture
def copies(tmp_path: Path) -> Path:
    (tmp_path / "copies").mkdir()
    return tmp_path / "copies"


async def killed_host(repo: Repo, copies: Path) -> Repository:
    with subprocess.Popen([sys.executable, "-c", HOST, str(repo.root), str(copies)]) as host:
        pid = int(await line_in(copies / "pid"))
        host.send_signal(signal.SIGKILL)
    await until(lambda: not runs(pid))
    (copies / "pid").unlink()
    return await Repository.open(repo.root)


async def test_unsaved_work_of_a_killed_host_is_kept_under_a_ref(repo: Repo, copies: Path) -> None:
    repository = await killed_host(repo, copies)
    assert (copies / "run1" / "T2").exists()
    (found,) = await reclaim(copies, repository, Sandbox.none())
    ref = ids.salvaged_ref("run1", "T2")
    assert found == Salvaged(run="run1", name="T2", copy=copies / "run1" / "T2", commit=found.commit, ref=ref)
    assert repo.git("show", f"{ref}:unsaved.txt") == "unsaved"
    assert not list(copies.iterdir())
    assert set(await repository.refs("refs/captain/run1")) == {ref, "refs/captain/run1/task/T1/1"}
    assert await reclaim(copies, repository, Sandbox.none()) == ()


async def test_many_may_reclaim_at_once(repo: Repo, copies: Path) -> None:
    repository = await killed_host(repo, copies)
    found: list[Salvaged] = []

    async def work() -> None:
        found.extend(await reclaim(copies, repository, Sandbox.none()))

    async with anyio.create_task_group() as tasks:
        for _ in range(4):
            tasks.start_soon(work)
    assert [one.name for one in found] == ["T2"]
    assert not list(copies.iterdir())


async def test_what_is_in_use_foreign_or_without_an_owner_is_left_alone(
    repo: Repo, copies: Path, tmp_path: Path
) -> None:
    repository = await Repository.open(repo.root)
    stranger = copies / "run1" / "stranger"
    stranger.mkdir(parents=True)
    (stranger / "file").write_text("mine")
    other = new_repo(tmp_path / "other")
    foreign = Owner(
        run="run1",
        name="foreign",
        base=other.git("rev-parse", "HEAD"),
        repository=str(other.root / ".git"),
        made_at=SystemClock().now().isoformat(),
        scratch=False,
    )
    claim = claim_new(copies, foreign)
    assert claim is not None
    claim.copy.mkdir()
    claim.release()
    async with Workspaces(repository, copies, "run1", Sandbox.none()).open("busy", repository.head) as workspace:
        await workspace.box.write("new", b"")
        assert await reclaim(copies, repository, Sandbox.none()) == ()
        assert (workspace.root / "new").exists()
    assert (stranger / "file").exists()
    assert claim.copy.exists()


async def test_a_copy_that_cannot_be_saved_stays_and_is_reported(repo: Repo, copies: Path) -> None:
    repository = await killed_host(repo, copies)
    (copies / "run1" / "T2" / ".git" / "HEAD").unlink()
    for _ in range(2):
        (found,) = await reclaim(copies, repository, Sandbox.none())
        assert (found.name, found.ref) == ("T2", None)
        assert "cannot be handed back" in found.problem
        assert (found.copy / "unsaved.txt").read_text() == "unsaved"


async def test_a_copy_that_was_never_finished_goes(repo: Repo, copies: Path) -> None:
    repository = await Repository.open(repo.root)
    owner = Owner(
        run="run1",
        name="T1",
        base=repository.head,
        repository=str(repository.common_dir),
        made_at=SystemClock().now().isoformat(),
        scratch=False,
    )
    claim = claim_new(copies, owner)
    assert claim is not None
    (claim.draft / ".git").mkdir(parents=True)
    claim.release()
    (copies / "run1" / ".T2.owner").touch()
    assert await reclaim(copies, repository, Sandbox.none()) == ()
    assert not list(copies.iterdir())


async def test_a_folder_that_does_not_exist_holds_nothing(repo: Repo, tmp_path: Path) -> None:
    repository = await Repository.open(repo.root)
    assert await reclaim(tmp_path / "nowhere", repository, Sandbox.none()) == ()


async def failing(block: AbstractAsyncContextManager[Workspace], text: str) -> Workspace:
    """The workspace of a block that wrote a file and then met an exception."""
    opened: list[Workspace] = []

    async def fail() -> None:
        async with block as workspace:
            opened.append(workspace)
            await workspace.box.write("work.txt", text.encode())
            raise LookupError

    with pytest.raises(LookupError):
        await fail()
    return opened[0]


async def test_an_exception_keeps_what_was_not_saved_and_removes_the_copy(repo: Repo, copies: Path) -> None:
    repository = await Repository.open(repo.root)
    workspaces = Workspaces(repository, copies, "run1", Sandbox.none())
    for number in (1, 2):
        workspace = await failing(workspaces.open("T1", repository.head), f"work {number}")
        assert workspace.kept is not None
    refs = await repository.refs("refs/captain/run1")
    assert list(refs) == [ids.salvaged_ref("run1", name) for name in ("T1", "T1-2")]
    assert [repo.git("show", f"{ref}:work.txt") for ref in refs] == ["work 1", "work 2"]
    assert not list(copies.iterdir())


async def test_cancelling_keeps_what_was_not_saved(repo: Repo, copies: Path) -> None:
    repository = await Repository.open(repo.root)
    workspaces = Workspaces(repository, copies, "run1", Sandbox.none())
    opened: list[Workspace] = []

    async def work() -> None:
        async with workspaces.open("T1", repository.head) as workspace:
            await workspace.box.write("work.txt", b"work")
            opened.append(workspace)
            await workspace.box.run_shell(f"echo $$ > {copies}/pid; exec sleep 600", timeout_s=600)

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(work)
        pid = int(await line_in(copies / "pid"))
        tasks.cancel_scope.cancel()
    assert not runs(pid)
    assert opened[0].kept is not None
    assert repo.git("show", f"{opened[0].kept[1]}:work.txt") == "work"
    assert not (copies / "run1").exists()


async def test_nothing_is_kept_of_scratch_or_of_what_is_under_a_ref_already(repo: Repo, copies: Path) -> None:
    repository = await Repository.open(repo.root)
    workspaces = Workspaces(repository, copies, "run1", Sandbox.none())
    ref = ids.snapshot_ref("run1", "T1", 1)
    async with workspaces.open("T1", repository.head) as workspace:
        await workspace.box.write("work.txt", b"work")
        await repository.set_ref(ref, await workspace.snapshot("Work"), None)
    same = await failing(workspaces.open("T1", repository.head), "work")
    scratch = await failing(workspaces.open("T2", repository.head, scratch=True), "noise")
    assert list(await repository.refs("refs/captain/run1")) == [ref]
    assert (same.kept, scratch.kept) == (None, None)


REMOVER = """
import os, shutil, sys
from pathlib import Path
from captain.workspace.owners import claim_abandoned
from captain.workspace.workspaces import finish

def stopped(root, **_):
    if (objects := Path(root, ".git", "objects")).exists():
        remove_tree(objects)
        os._exit(137)

remove_tree, shutil.rmtree = shutil.rmtree, stopped
(claim,) = (one for one in claim_abandoned(Path(sys.argv[1])) if one.owner.name == "T2")
finish(claim, True)
"""


HOLDER = """
import fcntl, sys
file = open(sys.argv[1])
fcntl.flock(file, fcntl.LOCK_EX)
print("held", flush=True)
sys.stdin.readline()
"""


async def test_half_a_copy_that_a_killed_host_was_removing_is_not_taken_for_work(repo: Repo, copies: Path) -> None:
    repository = await killed_host(repo, copies)
    done = subprocess.run([sys.executable, "-c", REMOVER, str(copies)], check=False)
    assert done.returncode == 137
    assert not (copies / "run1" / "T2").exists()
    assert await reclaim(copies, repository, Sandbox.none()) == ()
    assert not list(copies.iterdir())


async def test_the_lock_that_a_command_of_the_lost_host_still_holds_is_waited_for(repo: Repo, copies: Path) -> None:
    repository = await killed_host(repo, copies)
    (owner,) = (copies / "run1").glob(".T2.owner")
    with subprocess.Popen([sys.executable, "-c", HOLDER, str(owner)], stdin=PIPE, stdout=PIPE) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        assert child.stdout.readline() == b"held\n"
        assert await reclaim(copies, repository, Sandbox.none(), held="another") == ()
        assert (copies / "run1" / "T2").exists()
        found: list[Salvaged] = []

        async def work() -> None:
            found.extend(await reclaim(copies, repository, Sandbox.none(), held="run1"))

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(work)
            await anyio.sleep(0.1)
            child.stdin.write(b"\n")
            child.stdin.flush()
    assert [one.name for one in found] == ["T2"]
    assert not list(copies.iterdir())
