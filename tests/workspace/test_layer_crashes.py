"""A host killed at any step of opening a layered copy leaves nothing that is in the way of the next run."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

import pytest

from captain.core import ids
from captain.sandbox import Sandbox
from captain.workspace import Repository, Salvaged, Workspaces, reclaim
from captain.workspace.owners import survey
from tests.waiting import line_in
from tests.workspace.repos import Repo, fingerprint, new_repo
from tests.workspace.walls import LAYERING, sandbox_of

HOST = """
import anyio, os, signal, sys
from pathlib import Path
from captain.workspace import Repository, Workspaces, copies, layering, owners, workspaces as module
from tests.workspace.walls import sandbox_of

kind, repo, folder, step, second = sys.argv[1:]

def die(*args, **kwargs):
    os.kill(os.getpid(), signal.SIGKILL)

async def die_later(*args, **kwargs):
    die()

if step == "base claimed":
    module.make_base = die_later
elif step == "base drafted":
    copies.copy_index = die
elif step == "base made":
    module.make_layers = die_later
elif step == "layers drafted":
    Path.chmod = die
elif step == "layers made":
    module.open_box = die_later
elif step == "box opened":
    module.Workspace.advance = die_later
elif step == "brought to its commit":
    module.mark_ready = die
elif step == "owner file empty":
    owners.json.dumps = die

async def main():
    repository = await Repository.open(Path(repo))
    sandbox = sandbox_of(kind)
    open_ones = Workspaces(repository, Path(folder), "run1", sandbox)
    if step in ("box opened", "brought to its commit"):
        async with open_ones.open("T0", repository.head, scratch=True):
            async with open_ones.open("T1", second):
                pass
    async with open_ones.open("T1", repository.head) as workspace:
        await workspace.box.write("work.txt", b"work")
        async with open_ones.open("checks", repository.head, scratch=True) as scratch:
            await scratch.box.write("noise.txt", b"noise")
            await workspace.box.run_shell("rm -rf src", timeout_s=60)
            (Path(folder) / "ready").write_text("x\\n")
            await anyio.sleep_forever()

anyio.run(main)
"""
pytestmark = pytest.mark.slow  # crash points, each in every sandbox

STEPS = (
    "base claimed",
    "base drafted",
    "base made",
    "layers drafted",
    "layers made",
    "box opened",
    "brought to its commit",
    "owner file empty",
)


@pytest.fixture
def repo(tmp_path: Path) -> Repo:
    made = new_repo(tmp_path / "ours")
    made.commit({"a.txt": "second\n"})
    return made


@pytest.fixture
def copies(tmp_path: Path) -> Path:
    (tmp_path / "copies").mkdir()
    return tmp_path / "copies"


@pytest.fixture(params=LAYERING)
def kind(request: pytest.FixtureRequest) -> str:
    sandbox_of(str(request.param))
    return str(request.param)


def host(kind: str, repo: Repo, copies: Path, step: str) -> subprocess.Popen[bytes]:
    argv = (kind, str(repo.root), str(copies), step, repo.git("rev-parse", "HEAD^"))
    return subprocess.Popen([sys.executable, "-c", HOST, *argv], cwd=Path(__file__).parents[2])


@pytest.mark.parametrize("step", STEPS)
async def test_nothing_of_a_host_killed_while_opening_is_in_the_way(
    repo: Repo, copies: Path, kind: str, step: str
) -> None:
    before = fingerprint(repo.root)
    with host(kind, repo, copies, step) as process:
        assert process.wait(60) == -signal.SIGKILL
    assert survey(copies)
    assert not any(left.alive for left in survey(copies))
    repository, sandbox = await Repository.open(repo.root), sandbox_of(kind)
    assert await reclaim(copies, repository, sandbox) == ()
    assert not list(copies.iterdir())
    workspaces = Workspaces(repository, copies, "run1", sandbox)
    async with workspaces.open("T1", repository.head) as workspace:
        assert await workspace.box.read("a.txt", limit_bytes=10) == b"second\n"
    await workspaces.close()
    assert not list(copies.iterdir())
    assert fingerprint(repo.root) == before


@pytest.mark.parametrize("step", ["base made", "layers made"])
async def test_the_same_run_goes_on_without_anything_being_reclaimed_first(
    repo: Repo, copies: Path, kind: str, step: str
) -> None:
    with host(kind, repo, copies, step) as process:
        assert process.wait(60) == -signal.SIGKILL
    repository, sandbox = await Repository.open(repo.root), sandbox_of(kind)
    workspaces = Workspaces(repository, copies, "run1", sandbox)
    async with workspaces.open("T2", repository.head) as workspace:
        assert await reclaim(copies, repository, sandbox) == ()
        assert await workspace.box.read("a.txt", limit_bytes=10) == b"second\n"
    await workspaces.close()
    assert not list(copies.iterdir())


async def killed_at_work(repo: Repo, copies: Path, kind: str) -> Repository:
    with host(kind, repo, copies, "none") as process:
        await line_in(copies / "ready")
        assert sorted(left.alive for left in survey(copies)) == [True] * 3
        process.send_signal(signal.SIGKILL)
    (copies / "ready").unlink()
    return await Repository.open(repo.root)


async def test_work_in_layers_of_a_killed_host_is_kept_and_its_base_goes_last(
    repo: Repo, copies: Path, kind: str
) -> None:
    repository = await killed_at_work(repo, copies, kind)
    found = await reclaim(copies, repository, sandbox_of(kind))
    ref = ids.salvaged_ref("run1", "T1")
    assert found == (Salvaged(run="run1", name="T1", copy=copies / "run1" / "T1", commit=found[0].commit, ref=ref),)
    assert repo.git("ls-tree", "-r", "--name-only", ref).split() == ["a.txt", "work.txt"]
    assert not list(copies.iterdir())


async def test_layers_stay_with_their_base_where_no_sandbox_can_open_them(repo: Repo, copies: Path, kind: str) -> None:
    repository = await killed_at_work(repo, copies, kind)
    (found,) = await reclaim(copies, repository, Sandbox.none())
    assert "Layers need a sandbox" in found.problem
    assert {left.copy.name[:5] for left in survey(copies)} == {"T1", "@base"}
    (saved,) = await reclaim(copies, repository, sandbox_of(kind))
    assert saved.ref == ids.salvaged_ref("run1", "T1")
    assert not list(copies.iterdir())


async def test_a_strangers_folder_that_looks_like_a_base_is_left_alone(repo: Repo, copies: Path, kind: str) -> None:
    stranger = copies / "run1" / "@base-0123456789ab-00000000"
    stranger.mkdir(parents=True)
    (stranger / "file").write_text("mine")
    repository = await killed_at_work(repo, copies, kind)
    await reclaim(copies, repository, sandbox_of(kind))
    assert (stranger / "file").read_text() == "mine"
    assert [path.name for path in (copies / "run1").iterdir()] == [stranger.name]
