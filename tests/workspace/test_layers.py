"""Copies as layers over one base snapshot, behind real walls and without."""

from __future__ import annotations

from pathlib import Path

import anyio
import pytest

from captain.core.errors import WorkspaceError
from captain.sandbox import Sandbox
from captain.workspace import Repository, Workspace, Workspaces, reclaim
from captain.workspace.lenders import lenders
from tests.workspace.repos import Repo, new_repo
from tests.workspace.walls import KINDS, LAYERING, Unlayered, sandbox_of


@pytest.fixture
def repo(tmp_path: Path) -> Repo:
    return new_repo(tmp_path / "ours", {f"src/{number}.txt": f"{number}\n" for number in range(30)})


@pytest.fixture(params=LAYERING)
def layering(request: pytest.FixtureRequest) -> Sandbox:
    return sandbox_of(request.param)


@pytest.fixture(params=[*KINDS, "unlayered bubblewrap", "unlayered landlock"])
def sandbox(request: pytest.FixtureRequest) -> Sandbox:
    kind = str(request.param)
    if kind.startswith("unlayered"):
        return Unlayered(sandbox_of(kind.removeprefix("unlayered ")))
    return sandbox_of(kind)


async def sh(workspace: Workspace, command: str) -> str:
    result = await workspace.box.run_shell(command, timeout_s=60)
    assert result.exit_code == 0, result.text
    return result.text.strip()


async def test_a_copy_is_worked_in_saved_and_removed(repo: Repo, tmp_path: Path, sandbox: Sandbox) -> None:
    opened = await Repository.open(repo.root)
    workspaces = Workspaces(opened, tmp_path / "copies", "run1", sandbox)
    async with workspaces.open("T1", opened.head) as workspace:
        assert await sh(workspace, "git status --porcelain; git rev-parse HEAD; git log -p | wc -l") != ""
        await workspace.box.write("src/1.txt", b"changed\n")
        await sh(workspace, "git rm -q src/2.txt; mkdir new; echo x > 'new/a b'; printf y > \"new/a$(printf '\\nb')\"")
        first = await workspace.snapshot("First")
        assert await workspace.snapshot("Nothing") == first
        await sh(workspace, "rm -rf src")
        await workspace.reset(first)
        assert await sh(workspace, "git status --porcelain; ls src | wc -l") == "29"
    await workspaces.close()
    changed = {change.path for change in await opened.changes(opened.head, first)}
    assert changed == {"src/1.txt", "src/2.txt", "new/a b", "new/a\nb"}
    assert not list((tmp_path / "copies").iterdir())


async def test_git_takes_every_file_for_unchanged_without_reading_any(
    repo: Repo, tmp_path: Path, layering: Sandbox
) -> None:
    opened = await Repository.open(repo.root)
    workspaces = Workspaces(opened, tmp_path / "copies", "run1", layering)
    async with workspaces.open("T1", opened.head) as workspace:
        # the plumbing names what only looks changed, too; files not older than the index would be read
        for index in (".git/index", ".git/captain/index"):
            assert await sh(workspace, f"GIT_INDEX_FILE={index} git diff-files") == ""
            newest = await sh(workspace, "stat -c %Y src/*.txt | sort -n | tail -1")
            assert int(newest) < int(await sh(workspace, f"stat -c %Y {index}"))
    await workspaces.close()


async def test_the_base_snapshot_is_made_once_and_never_changed(repo: Repo, tmp_path: Path, layering: Sandbox) -> None:
    opened = await Repository.open(repo.root)
    workspaces = Workspaces(opened, tmp_path / "copies", "run1", layering)
    seen: list[dict[str, tuple[int, int, int]]] = []
    base = tmp_path
    for name in ("T1", "T2"):
        async with workspaces.open(name, opened.head) as workspace:
            (base,) = (tmp_path / "copies" / "run1").glob("@base-*")
            seen.append(states(base))
            await sh(workspace, "echo x > src/1.txt; rm -rf src/2.txt .git/config; git gc -q || true; chmod 700 src")
            assert sorted(path.name for path in workspace.root.iterdir()) == []
    assert seen[0] == seen[1] == states(base)
    await workspaces.close()
    await workspaces.close()
    assert not list((tmp_path / "copies").iterdir())


def states(root: Path) -> dict[str, tuple[int, int, int]]:
    found = {}
    for path in root.rglob("*"):
        facts = path.lstat()
        found[str(path.relative_to(root))] = (facts.st_mode, facts.st_mtime_ns, facts.st_size)
    return found


async def test_a_copy_at_another_commit_than_the_base_snapshots(repo: Repo, tmp_path: Path, layering: Sandbox) -> None:
    first = repo.git("rev-parse", "HEAD")
    repo.git("rm", "-q", "src/1.txt")
    second = repo.commit({"src/2.txt": "second\n", "later/x": "x\n"})
    opened = await Repository.open(repo.root)
    workspaces = Workspaces(opened, tmp_path / "copies", "run1", layering)
    async with workspaces.open("T1", first), workspaces.open("T2", second) as workspace:
        assert len(list((tmp_path / "copies" / "run1").glob("@base-*"))) == 1
        assert await sh(workspace, "git status --porcelain; git rev-parse HEAD; cat src/2.txt") == f"{second}\nsecond"
        assert await workspace.snapshot("Nothing") == second
        upper = tmp_path / "copies" / "run1" / "T2" / "upper"
        assert sorted(path.name for path in (upper / "src").iterdir()) == ["1.txt", "2.txt"]
    await workspaces.close()


async def test_objects_borrowed_at_second_hand_are_seen_in_the_box(tmp_path: Path, sandbox: Sandbox) -> None:
    far = new_repo(tmp_path / "far, way: off\\", {"a.txt": "one\n"})
    far.git("clone", "-q", "--shared", str(far.root), str(tmp_path / "near"))
    Repo(tmp_path / "near").git("clone", "-q", "--shared", str(tmp_path / "near"), str(tmp_path / "here"))
    opened = await Repository.open(tmp_path / "here")
    assert lenders(opened.objects) == tuple(
        folder / ".git" / "objects" for folder in (tmp_path / "here", tmp_path / "near", far.root)
    )
    workspaces = Workspaces(opened, tmp_path / "copies", "run1", sandbox)
    async with workspaces.open("T1", opened.head) as workspace:
        assert await sh(workspace, "git show HEAD:a.txt") == "one"
        await sh(workspace, "echo x > b.txt")
        await workspace.snapshot("Work")
    await workspaces.close()


def test_a_ring_of_lenders_and_lines_of_every_kind_are_read(tmp_path: Path) -> None:
    one, two, three = (tmp_path / name for name in ("one", "two", 'th"r\nee'))
    for folder in (one, two, three):
        (folder / "info").mkdir(parents=True)
    quoted = str(three).replace('"', '\\"').replace("\n", "\\n")
    (one / "info" / "alternates").write_text(f'# a comment\n../two\n"{quoted}"\n/nowhere\n\n')
    (two / "info" / "alternates").write_text(f"{one}\n")
    assert lenders(one) == (one, two, three)


async def test_eight_at_once_share_one_base_and_none_meets_a_lock(repo: Repo, tmp_path: Path, sandbox: Sandbox) -> None:
    opened = await Repository.open(repo.root)
    workspaces = Workspaces(opened, tmp_path / "copies", "run1", sandbox)
    commits: dict[int, str] = {}

    async def work(number: int) -> None:
        async with workspaces.open(f"T{number}", opened.head) as workspace:
            await sh(workspace, f"echo {number} > mine; git add -A; git commit -qm mine; git status --porcelain")
            commits[number] = await workspace.snapshot(f"Work {number}")

    async with anyio.create_task_group() as tasks:
        for number in range(8):
            tasks.start_soon(work, number)
    if sandbox.layers:
        assert len(list((tmp_path / "copies" / "run1").glob("@base-*"))) == 1
    await workspaces.close()
    for number, commit in commits.items():
        assert await opened.read(commit, "mine", limit_bytes=10) == f"{number}\n".encode()
    assert len(commits) == 8
    assert not list((tmp_path / "copies").iterdir())


async def test_an_exception_keeps_the_work_of_a_layered_copy(repo: Repo, tmp_path: Path, layering: Sandbox) -> None:
    opened = await Repository.open(repo.root)
    workspaces = Workspaces(opened, tmp_path / "copies", "run1", layering)
    held: list[Workspace] = []

    async def fail() -> None:
        async with workspaces.open("T1", opened.head) as workspace:
            held.append(workspace)
            await workspace.box.write("work.txt", b"work")
            raise LookupError

    with pytest.raises(LookupError):
        await fail()
    await workspaces.close()
    assert held[0].kept is not None
    assert repo.git("show", f"{held[0].kept[1]}:work.txt") == "work"
    assert not list((tmp_path / "copies").iterdir())


async def test_a_base_snapshot_that_was_swept_away_is_made_again(repo: Repo, tmp_path: Path, layering: Sandbox) -> None:
    opened = await Repository.open(repo.root)
    workspaces = Workspaces(opened, tmp_path / "copies", "run1", layering)
    async with workspaces.open("T1", opened.head):
        (base,) = (tmp_path / "copies" / "run1").glob("@base-*")
    base.rename(tmp_path / "elsewhere")
    async with workspaces.open("T1", opened.head) as workspace:
        assert await sh(workspace, "cat src/1.txt") == "1"
    await workspaces.close()
    assert not list((tmp_path / "copies").iterdir())


async def test_a_deleted_git_folder_of_a_layered_copy_is_named(repo: Repo, tmp_path: Path, layering: Sandbox) -> None:
    opened = await Repository.open(repo.root)
    workspaces = Workspaces(opened, tmp_path / "copies", "run1", layering)
    async with workspaces.open("T1", opened.head, scratch=True) as workspace:
        await sh(workspace, "rm -rf .git")
        with pytest.raises(WorkspaceError, match=r"its \.git folder is gone"):
            await workspace.snapshot("Work")
    await workspaces.close()
    assert await reclaim(tmp_path / "copies", opened, layering) == ()


async def test_whiteouts_and_closed_folders_are_removed_with_their_layers(
    repo: Repo, tmp_path: Path, layering: Sandbox
) -> None:
    opened = await Repository.open(repo.root)
    workspaces = Workspaces(opened, tmp_path / "copies", "run1", layering)
    async with workspaces.open("T1", opened.head) as workspace:
        await sh(workspace, "rm -rf src; mkdir src; mkdir -m 0 closed; mkdir -p a/b; touch a/b/c; chmod -R a-w a")
        assert list((tmp_path / "copies" / "run1" / "T1" / "work").iterdir())
    await workspaces.close()
    assert not list((tmp_path / "copies").iterdir())


async def test_a_repository_that_only_its_owner_may_read(repo: Repo, tmp_path: Path, sandbox: Sandbox) -> None:
    for path in (repo.root, *repo.root.rglob("*")):
        path.chmod(path.stat().st_mode & 0o700)
    opened = await Repository.open(repo.root)
    workspaces = Workspaces(opened, tmp_path / "copies", "run1", sandbox)
    async with workspaces.open("T1", opened.head) as workspace:
        assert await sh(workspace, "git log --format=%s; git status --porcelain; echo x > new") == "first"
        commit = await workspace.snapshot("Work")
    await workspaces.close()
    assert [change.path for change in await opened.changes(opened.head, commit)] == ["new"]
