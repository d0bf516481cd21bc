"""A repository is opened from wherever it is, or refused with a reason."""

from __future__ import annotations

import os
import stat
from pathlib import Path

import pytest

from captain.core.errors import UsageError
from captain.workspace import Repository
from tests.workspace.repos import Repo, fingerprint, new_repo


async def test_a_repository_is_found_from_a_folder_and_a_file_in_it(tmp_path: Path) -> None:
    repo = new_repo(tmp_path / "ours")
    for place in (repo.root, repo.root / "src", repo.root / "src" / "b.txt"):
        opened = await Repository.open(place)
        assert (opened.root, opened.head) == (repo.root, repo.git("rev-parse", "HEAD"))
        assert (opened.branch, opened.dirty, opened.notes, opened.shallow) == ("main", False, (), False)


@pytest.mark.parametrize("name", ["with space", "süß", "line\nend", 'quo"te\\', "co:lon", os.fsdecode(b"\xff\xfe")])
async def test_any_name_of_the_folder_will_do(tmp_path: Path, name: str) -> None:
    repo = new_repo(tmp_path / name)
    opened = await Repository.open(repo.root)
    assert (opened.common_dir, opened.dirty) == (repo.root / ".git", False)
    assert await opened.read(opened.head, "a.txt", limit_bytes=100) == b"one\n"


async def test_a_detached_head_has_no_branch(tmp_path: Path) -> None:
    repo = new_repo(tmp_path / "ours")
    repo.git("checkout", "-q", "--detach")
    opened = await Repository.open(repo.root)
    assert opened.branch is None


async def test_a_linked_work_tree_has_its_own_head_and_shares_the_refs(tmp_path: Path) -> None:
    repo = new_repo(tmp_path / "ours")
    repo.git("worktree", "add", "-q", "-b", "side", str(tmp_path / "linked"))
    linked = Repo(tmp_path / "linked")
    commit = linked.commit({"c.txt": "three\n"})
    opened = await Repository.open(linked.root)
    assert (opened.branch, opened.head, opened.root) == ("side", commit, linked.root)
    assert opened.common_dir == repo.root / ".git"
    await opened.set_ref("refs/captain/r/base", commit, None)
    assert repo.git("rev-parse", "refs/captain/r/base") == commit


async def test_a_linked_work_tree_of_a_bare_repository_works(tmp_path: Path) -> None:
    new_repo(tmp_path / "ours")
    bare = Repo(tmp_path / "bare.git")
    Repo(tmp_path).git("clone", "-q", "--bare", "ours", "bare.git")
    bare.git("worktree", "add", "-q", str(tmp_path / "linked"), "main")
    opened = await Repository.open(tmp_path / "linked")
    assert (opened.branch, opened.dirty) == ("main", False)


async def test_sha256_repositories_work(tmp_path: Path) -> None:
    repo = new_repo(tmp_path / "ours", options=("--object-format=sha256",))
    opened = await Repository.open(repo.root)
    assert (opened.object_format, len(opened.head)) == ("sha256", 64)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
async def test_a_repository_of_another_user_is_opened(tmp_path: Path) -> None:
    repo = new_repo(tmp_path / "ours")
    for path in (repo.root, *repo.root.rglob("*")):
        os.chown(path, 12345, 12345)
    opened = await Repository.open(repo.root)
    assert opened.head


async def test_a_shallow_clone_is_opened_with_a_note(tmp_path: Path) -> None:
    repo = new_repo(tmp_path / "ours")
    repo.commit({"a.txt": "later\n"})
    repo.git("clone", "-q", "--depth=1", f"file://{repo.root}", str(tmp_path / "shallow"))
    opened = await Repository.open(tmp_path / "shallow")
    assert opened.shallow
    assert any("shallow" in note for note in opened.notes)


async def test_submodules_and_filters_are_noted(tmp_path: Path) -> None:
    repo = new_repo(tmp_path / "ours")
    repo.git("update-index", "--add", "--cacheinfo", f"160000,{repo.git('rev-parse', 'HEAD')},vendor/lib")
    repo.git("commit", "-q", "-m", "submodule")
    (repo.root / "vendor" / "lib").mkdir(parents=True)
    repo.commit({".gitattributes": "# filter=none\n*.bin filter=lfs diff=lfs -text\n"})
    opened = await Repository.open(repo.root)
    assert any("vendor/lib" in note for note in opened.notes)
    assert any("(lfs)" in note for note in opened.notes)
    assert not opened.dirty


@pytest.mark.parametrize("kind", ["missing", "plain", "bare", "inside", "empty", "partial", "broken", "dangling"])
async def test_what_cannot_be_used_is_refused_with_a_reason(tmp_path: Path, kind: str) -> None:
    repo, place = new_repo(tmp_path / "ours"), tmp_path / kind
    reasons = {
        "missing": "does not exist",
        "plain": "is not in a git repository",
        "bare": "bare repository",
        "inside": "bare repository or the inside of one",
        "empty": "has no commit yet",
        "partial": "partial clone",
        "broken": "cannot be read",
        "dangling": "which does not exist",
    }
    if kind == "bare":
        repo.git("clone", "-q", "--bare", ".", str(place))
    elif kind == "inside":
        place = repo.root / ".git" / "refs"
    elif kind == "partial":
        repo.git("config", "uploadpack.allowFilter", "true")
        repo.git("clone", "-q", "--filter=blob:none", f"file://{repo.root}", str(place))
    elif kind != "missing":
        place.mkdir()
        if kind == "empty":
            Repo(place).git("init", "-q")
        elif kind == "broken":
            (place / ".git").mkdir()
        elif kind == "dangling":
            (place / ".git").write_text("gitdir: ../nowhere\n")
    with pytest.raises(UsageError, match=reasons[kind]):
        await Repository.open(place)


async def test_a_git_that_is_missing_or_too_old_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    repo = new_repo(tmp_path / "ours")
    programs = tmp_path / "bin"
    programs.mkdir()
    monkeypatch.setenv("PATH", str(programs))
    with pytest.raises(UsageError, match="git was not found"):
        await Repository.open(repo.root)
    old = programs / "git"
    old.write_text("#!/bin/sh\necho 'git version 2.37.9 (Vendor Git-7)'\n")
    old.chmod(old.stat().st_mode | stat.S_IXUSR)
    with pytest.raises(UsageError, match=r"2\.37\.9 \(Vendor Git-7\).*2\.38 is the oldest"):
        await Repository.open(repo.root)


async def test_dirty_means_changed_staged_deleted_or_new_but_not_ignored(tmp_path: Path) -> None:
    repo = new_repo(tmp_path / "ours", {".gitignore": "*.log\n", "a.txt": "one\n", "gone.txt": ""})

    async def dirty() -> bool:
        before = fingerprint(repo.root)
        opened = await Repository.open(repo.root)
        assert fingerprint(repo.root) == before
        return opened.dirty

    repo.write({"build.log": "noise"})
    assert not await dirty()
    os.utime(repo.root / "a.txt", (1, 1))
    assert not await dirty(), "touched only"
    repo.write({"a.txt": "two\n"})
    assert await dirty()
    repo.git("add", "a.txt")
    assert await dirty(), "staged"
    repo.git("reset", "-q", "--hard")
    (repo.root / "gone.txt").unlink()
    assert await dirty(), "deleted"
    repo.git("reset", "-q", "--hard")
    repo.write({"new.txt": ""})
    assert await dirty(), "new"


async def test_what_the_user_has_git_ignore_everywhere_is_ignored(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    repo = new_repo(tmp_path / "ours")
    home = tmp_path / "home"
    (home / ".config" / "git").mkdir(parents=True)
    (home / ".config" / "git" / "ignore").write_text(".env\n")
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.delenv("XDG_CONFIG_HOME", raising=False)
    repo.write({".env": "SECRET=1"})
    opened = await Repository.open(repo.root)
    assert not opened.dirty
    assert await opened.snapshot_work_tree("nothing") == opened.head
    (home / ".gitconfig").write_text("[core]\n\texcludesFile = ~/mine\n")
    (home / "mine").write_text("*.swp\n")
    assert (await Repository.open(repo.root)).dirty
