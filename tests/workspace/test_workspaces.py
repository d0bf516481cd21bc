"""Agents work in copies of their own, and only objects come back."""

from __future__ import annotations

import os
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import anyio
import pytest

from captain.core import ids
from captain.core.errors import UsageError, WorkspaceError
from captain.sandbox import Policy, Sandbox
from captain.workspace import ImportRefusedError, Repository, Workspace, Workspaces, reclaim
from captain.workspace.owners import Owner, claim_new
from tests.workspace.repos import Repo, fingerprint, new_repo


@pytest.fixture
def repo(tmp_path: Path) -> Repo:
    return new_repo(tmp_path / "ours")


async def workspaces_for(repo: Repo, folder: Path, run: str = "run1") -> tuple[Repository, Workspaces]:
    opened = await Repository.open(repo.root)
    return opened, Workspaces(opened, folder, run, Sandbox.none())


async def sh(workspace: Workspace, command: str) -> str:
    result = await workspace.box.run_shell(command, timeout_s=60)
    assert result.exit_code == 0, result.text
    return result.text.strip()


async def test_a_snapshot_brings_back_exactly_what_the_files_are(repo: Repo, tmp_path: Path) -> None:
    repo.commit(
        {
            "run.sh": "#!/bin/sh\n",
            "old": "x",
            "crlf.txt": "1\r\n2\r\n",
            "folder/in": "y",
            "README": "upper",
            "readme": "",
        }
    )
    opened, workspaces = await workspaces_for(repo, tmp_path / "copies")
    odd = os.fsdecode(b"n\xffn\n-utf8")
    async with workspaces.open("T1", opened.head) as workspace:
        assert (workspace.name, workspace.base) == ("T1", opened.head)
        assert workspace.root.parent.stat().st_mode & 0o777 == 0o700
        assert await sh(workspace, "git status --porcelain; git rev-parse HEAD") == opened.head
        await workspace.box.write("-rf", b"dash")
        await workspace.box.write("new/deep/file", b"1")
        await workspace.box.write(odd, b"2")
        await workspace.box.write("readme", b"lower")
        await workspace.box.write("crlf.txt", b"1\r\n2\r\n3\r\n")
        await sh(workspace, "rm old; rm -r folder; echo z > folder; chmod +x run.sh; mkdir -p __pycache__ empty")
        await sh(workspace, "touch __pycache__/x.pyc")
        commit = await workspace.snapshot("Work")
        assert await workspace.snapshot("Nothing more") == commit
        assert workspace.head == commit
    modes = {change.path: change.new_mode for change in await opened.changes(opened.head, commit)}
    assert modes == {
        "-rf": "100644",
        "new/deep/file": "100644",
        odd: "100644",
        "readme": "100644",
        "crlf.txt": "100644",
        "old": "000000",
        "folder/in": "000000",
        "folder": "100644",
        "run.sh": "100755",
    }
    assert await opened.read(commit, "crlf.txt", limit_bytes=100) == b"1\r\n2\r\n3\r\n"
    assert (
        repo.git("log", "-1", "--format=%P %an <%ae> %s", commit) == f"{opened.head} Captain <captain@localhost> Work"
    )
    assert not (tmp_path / "copies" / "run1").exists()


async def test_nothing_of_the_users_changes_but_objects_and_captains_refs(repo: Repo, tmp_path: Path) -> None:
    repo.git("config", "core.logAllRefUpdates", "always")
    repo.write({"a.txt": "uncommitted\n", "new": "n"})
    before = fingerprint(repo.root)
    opened, workspaces = await workspaces_for(repo, tmp_path / "copies")
    assert opened.dirty
    saved = await opened.snapshot_work_tree("Uncommitted changes")
    await opened.set_ref(ids.base_ref("run1"), saved, None)
    async with workspaces.open("T1", saved) as workspace:
        await workspace.box.write("a.txt", b"agent\n")
        await sh(workspace, "git commit -qam mine && git checkout -q -b branch && git stash -q && git gc -q || true")
        commit = await workspace.snapshot("Work")
        await opened.set_ref(ids.snapshot_ref("run1", "T1", 1), commit, None)
        await opened.set_ref(f"refs/heads/{ids.task_branch('run1', 'T1')}", commit, None)
        await workspace.reset(saved)
    await opened.diff(saved, commit)
    await opened.merge(saved, commit, "Merge")
    assert await reclaim(tmp_path / "copies", opened, Sandbox.none()) == ()
    assert fingerprint(repo.root) == before
    repo.git("fsck", "--strict")


async def test_what_the_agent_does_with_git_makes_no_difference(repo: Repo, tmp_path: Path) -> None:
    opened, workspaces = await workspaces_for(repo, tmp_path / "copies")
    async with workspaces.open("T1", opened.head) as workspace:
        await workspace.box.write("a.txt", b"1\n")
        await sh(workspace, "git add -A && git commit -qm one && git checkout -q -b other && echo 2 > c && git add c")
        await sh(workspace, "touch .git/index.lock .git/HEAD.lock .git/captain/index.lock; rm a.txt; echo 1 > a.txt")
        first = await workspace.snapshot("First")
        assert repo.git("log", "-1", "--format=%P", first) == opened.head
        assert await opened.read(first, "c", limit_bytes=10) == b"2\n"
        await sh(workspace, "rm .git/index.lock .git/HEAD.lock; git rm -q --cached a.txt; git checkout -q --orphan x")
        assert await workspace.snapshot("Same files") == first
        await sh(workspace, "echo 3 > c")
        second = await workspace.snapshot("Second")
    assert repo.git("log", "--format=%s", second) == "Second\nFirst\nfirst"


async def test_hooks_and_settings_of_a_copy_never_run_on_the_host(repo: Repo, tmp_path: Path) -> None:
    opened, workspaces = await workspaces_for(repo, tmp_path / "copies")
    before = fingerprint(repo.root)
    async with workspaces.open("T1", opened.head) as workspace:
        evil = tmp_path / "evil"
        evil.write_text(f'#!/bin/sh\n[ -n "$CAPTAIN_BOX" ] || touch {tmp_path}/ran-on-host\ncat\n')
        evil.chmod(0o755)
        await sh(
            workspace, f"mkdir -p .git/hooks; for h in pre-commit post-index-change; do cp {evil} .git/hooks/$h; done"
        )
        await sh(workspace, f"git config core.fsmonitor {evil}; git config core.hooksPath .git/hooks")
        await sh(workspace, f"git config filter.x.clean {evil}; echo '* filter=x' > .gitattributes; echo x > a.txt")
        await sh(workspace, "git config core.worktree /; git config core.bare true")
        commit = await workspace.snapshot("Work")
    assert {change.path for change in await opened.changes(opened.head, commit)} == {".gitattributes", "a.txt"}
    assert not (tmp_path / "ran-on-host").exists()
    assert fingerprint(repo.root) == before


async def test_an_agent_that_deletes_its_git_folder_gets_a_clear_error(repo: Repo, tmp_path: Path) -> None:
    opened, workspaces = await workspaces_for(repo, tmp_path / "copies")
    async with workspaces.open("T1", opened.head) as workspace:
        await sh(workspace, "rm -rf .git")
        with pytest.raises(WorkspaceError, match=r"'T1' cannot be handed back: its \.git folder is gone\."):
            await workspace.snapshot("Work")


async def test_a_new_git_folder_without_the_users_objects_is_an_error(repo: Repo, tmp_path: Path) -> None:
    opened, workspaces = await workspaces_for(repo, tmp_path / "copies")
    async with workspaces.open("T1", opened.head) as workspace:
        await sh(workspace, "rm -rf .git; git init -q; mkdir .git/captain; echo x > a.txt")
        with pytest.raises(WorkspaceError, match="cannot be handed back"):
            await workspace.snapshot("Work")


async def test_repositories_nested_in_the_files_stay_out_and_stop_nothing(repo: Repo, tmp_path: Path) -> None:
    opened, workspaces = await workspaces_for(repo, tmp_path / "copies")
    async with workspaces.open("T1", opened.head) as workspace:
        await sh(workspace, "git init -q empty; git init -q full; git -C full commit -q --allow-empty -m x || true")
        await sh(
            workspace, "cd full; git -c user.name=x -c user.email=x commit -q --allow-empty -m x; cd ..; echo x > c"
        )
        commit = await workspace.snapshot("Work")
        assert [change.path for change in await opened.changes(opened.head, commit)] == ["c"]
        await workspace.reset(opened.head)
        assert sorted(path.name for path in workspace.root.iterdir()) == [".git", "a.txt", "src"]


async def test_submodules_of_the_repository_are_left_as_they_are(repo: Repo, tmp_path: Path) -> None:
    repo.git("update-index", "--add", "--cacheinfo", f"160000,{repo.git('rev-parse', 'HEAD')},lib")
    repo.git("commit", "-q", "-m", "submodule")
    opened, workspaces = await workspaces_for(repo, tmp_path / "copies")
    async with workspaces.open("T1", opened.head) as workspace:
        await sh(workspace, "rmdir lib; echo x > c")
        commit = await workspace.snapshot("Work")
    assert [change.path for change in await opened.changes(opened.head, commit)] == ["c"]


async def test_links_are_refused_when_new_and_left_alone_when_old(repo: Repo, tmp_path: Path) -> None:
    (repo.root / "old").symlink_to("a.txt")
    repo.commit({})
    opened, workspaces = await workspaces_for(repo, tmp_path / "copies")
    async with workspaces.open("T1", opened.head, scratch=True) as workspace:
        await sh(workspace, "echo x > c")
        good = await workspace.snapshot("Fine")
        await sh(workspace, "ln -s /etc/passwd evil; echo y > d")
        with pytest.raises(ImportRefusedError, match="evil is a symbolic link") as caught:
            await workspace.snapshot("Refused")
        assert len(caught.value.problems) == 1
        await sh(workspace, "rm evil")
        better = await workspace.snapshot("Fine again")
    assert repo.git("log", "-1", "--format=%P", better) == good


async def test_a_folder_replaced_by_a_link_out_is_refused_and_nothing_outside_is_read(
    repo: Repo, tmp_path: Path
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "b.txt").write_text("secret\n")
    opened, workspaces = await workspaces_for(repo, tmp_path / "copies")
    async with workspaces.open("T1", opened.head, scratch=True) as workspace:
        await sh(workspace, f"rm -r src; ln -s {outside} src")
        with pytest.raises(ImportRefusedError, match="src is a symbolic link"):
            await workspace.snapshot("Work")
        await workspace.reset(opened.head)
        assert await workspace.box.read("src/b.txt", limit_bytes=10) == b"two\n"
    assert (outside / "b.txt").read_text() == "secret\n"


async def test_hostile_trees_do_not_get_into_the_object_store(repo: Repo, tmp_path: Path) -> None:
    opened, _ = await workspaces_for(repo, tmp_path / "copies")
    evil = Repo(tmp_path / "evil")
    Repo(tmp_path).git("clone", "-q", "ours", "evil")
    blob = evil.git("hash-object", "-w", "--stdin", stdin=b"payload")
    inner = evil.git("mktree", stdin=f"100644 blob {blob}\tconfig\n".encode())
    packs = set((repo.root / ".git" / "objects").rglob("*"))
    for name in (".git", "..", ".GIT", "git~1", ".gitmodules", "a/b"):
        content = b"40000 " + name.encode() + b"\0" + bytes.fromhex(inner)
        tree = evil.git("hash-object", "-t", "tree", "-w", "--literally", "--stdin", stdin=content)
        pack = _pack(evil, tree, inner, blob)
        with pytest.raises(WorkspaceError):
            await opened.import_tree(pack, tree=tree, base=opened.head)
    assert set((repo.root / ".git" / "objects").rglob("*")) == packs


def _pack(repo: Repo, *objects: str) -> bytes:
    name = repo.git("pack-objects", ".git/evil", stdin="\n".join(objects).encode())
    return (repo.root / ".git" / f"evil-{name}.pack").read_bytes()


async def test_broken_packs_and_missing_trees_are_refused(repo: Repo, tmp_path: Path) -> None:
    opened, _ = await workspaces_for(repo, tmp_path / "copies")
    for pack in (b"", b"PACK", b"PACK\0\0\0\2\0\0\0\0", os.urandom(1000)):
        with pytest.raises(WorkspaceError):
            await opened.import_tree(pack, tree="1" * 40, base=opened.head)
    assert not list(opened.objects.glob("tmp_*"))


async def test_reset_brings_a_commit_back_and_keeps_what_is_ignored(repo: Repo, tmp_path: Path) -> None:
    repo.commit({".gitignore": "*.log\n"})
    opened, workspaces = await workspaces_for(repo, tmp_path / "copies")
    async with workspaces.open("T1", opened.head) as workspace:
        await sh(workspace, "echo 1 > c; git mv a.txt moved")
        first = await workspace.snapshot("First")
        await sh(
            workspace, "git checkout -q -b x; echo 2 > c; mkdir -p d/e; touch d/e/f build.log; rm -r src; git add -A"
        )
        await sh(workspace, "touch .git/index.lock; chmod 755 moved")
        await workspace.reset(first)
        status = await sh(workspace, "git status --porcelain; git rev-parse HEAD; cat c; ls; stat -c %a moved")
        assert status.split() == [first, "1", "build.log", "c", "moved", "src", "644"]
        assert await workspace.snapshot("Nothing") == first
        await workspace.reset(opened.head)
        await workspace.box.write("e", b"")
        second = await workspace.snapshot("From the base")
    assert repo.git("log", "-1", "--format=%P", second) == opened.head


async def test_an_edit_of_the_same_size_right_after_a_snapshot_is_seen(repo: Repo, tmp_path: Path) -> None:
    opened, workspaces = await workspaces_for(repo, tmp_path / "copies")
    async with workspaces.open("T1", opened.head) as workspace:
        commits = set()
        for digit in "0123456789":
            await workspace.box.write("a.txt", f"{digit}\n".encode())
            commits.add(await workspace.snapshot(digit))
        assert len(commits) == 10


async def test_sha256_shallow_linked_and_oddly_named_repositories_have_copies(tmp_path: Path) -> None:
    sha256 = new_repo(tmp_path / "sha256", options=("--object-format=sha256",))
    odd = new_repo(tmp_path / 'o"d:d\nnäme')
    odd.commit({"a.txt": "later\n"})
    odd.git("clone", "-q", "--depth=1", f"file://{odd.root}", str(tmp_path / "shallow"))
    odd.git("worktree", "add", "-q", "--detach", str(tmp_path / "linked"))
    for name in ("sha256", odd.root.name, "shallow", "linked"):
        opened, workspaces = await workspaces_for(Repo(tmp_path / name), tmp_path / "copies")
        async with workspaces.open("T1", opened.head) as workspace:
            await sh(workspace, "git log -p > /dev/null; echo x > c")
            commit = await workspace.snapshot("Work")
        assert [change.path for change in await opened.changes(opened.head, commit)] == ["c"], name
    assert sha256.git("count-objects", "-v")


async def test_eight_copies_can_be_made_at_once_and_two_runs_do_not_meet(repo: Repo, tmp_path: Path) -> None:
    opened, one = await workspaces_for(repo, tmp_path / "copies", "run1")
    _, two = await workspaces_for(repo, tmp_path / "copies", "run2")
    commits: dict[str, str] = {}

    async def work(workspaces: Workspaces, name: str, text: str) -> None:
        async with workspaces.open(name, opened.head) as workspace:
            await workspace.box.write("a.txt", text.encode())
            commits[text] = await workspace.snapshot(text)

    async with anyio.create_task_group() as tasks:
        for number in range(4):
            tasks.start_soon(work, one, f"T{number}", f"one {number}")
            tasks.start_soon(work, two, f"T{number}", f"two {number}")
    for text, commit in commits.items():
        assert await opened.read(commit, "a.txt", limit_bytes=100) == text.encode()
    assert len(commits) == 8
    assert not list((tmp_path / "copies").iterdir())


async def test_a_name_is_taken_while_its_workspace_is_open(repo: Repo, tmp_path: Path) -> None:
    opened, workspaces = await workspaces_for(repo, tmp_path / "copies")
    async with workspaces.open("T1", opened.head):
        with pytest.raises(WorkspaceError, match="already a workspace 'T1' of run run1"):
            async with workspaces.open("T1", opened.head):
                pass
    async with workspaces.open("T1", opened.head):
        pass


async def test_places_and_names_that_cannot_be_are_refused(repo: Repo, tmp_path: Path) -> None:
    opened, workspaces = await workspaces_for(repo, tmp_path / "copies")
    for folder in (repo.root / "copies", repo.root / ".git" / "copies"):
        with pytest.raises(UsageError, match="is inside the repository"):
            Workspaces(opened, folder, "run1", Sandbox.none())
    with pytest.raises(UsageError, match="cannot name a run"):
        Workspaces(opened, tmp_path / "copies", "../run", Sandbox.none())
    for name in ("", ".", "..", "a/b", "-x", "a..b", "a.lock", "a\n", "a."):
        with pytest.raises(UsageError, match="cannot name a workspace"):
            async with workspaces.open(name, opened.head):
                pass
    with pytest.raises(UsageError, match="names no commit"):
        async with workspaces.open("T1", "nonsense"):
            pass
    (tmp_path / "file").write_text("")
    with pytest.raises(WorkspaceError, match="cannot be made in"):
        async with Workspaces(opened, tmp_path / "file", "run1", Sandbox.none()).open("T1", opened.head):
            pass


async def test_the_copy_goes_even_when_parts_of_it_are_read_only(repo: Repo, tmp_path: Path) -> None:
    opened, workspaces = await workspaces_for(repo, tmp_path / "copies")
    async with workspaces.open("T1", opened.head) as workspace:
        await sh(workspace, "mkdir -p node_modules/x/y; touch node_modules/x/y/z; chmod -R a-w node_modules")
        await sh(workspace, "mkdir -m 0 closed")
    assert not (tmp_path / "copies" / "run1").exists()


async def test_the_policy_reaches_the_commands(repo: Repo, tmp_path: Path) -> None:
    opened = await Repository.open(repo.root)
    workspaces = Workspaces(opened, tmp_path / "copies", "run1", Sandbox.none(), Policy(env={"GREETING": "hello"}))
    async with workspaces.open("T1", opened.head) as workspace:
        assert await sh(workspace, "echo $GREETING") == "hello"


async def test_a_python_edit_within_one_second_is_what_runs(repo: Repo, tmp_path: Path) -> None:
    opened, workspaces = await workspaces_for(repo, tmp_path / "copies")
    async with workspaces.open("T1", opened.head) as workspace:
        for value in ("1", "2", "3"):
            await workspace.box.write("module.py", f"value = {value}\n".encode())
            result = await workspace.box.run([sys.executable, "-c", "import module; print(module.value)"], timeout_s=60)
            assert result.text == f"{value}\n"


async def test_files_folders_and_links_that_take_each_others_place(repo: Repo, tmp_path: Path) -> None:
    repo.commit({"file": "x", "folder/a": "a", "folder/b": "b", "other/c": "c", "stays": "s"})
    (repo.root / "link").symlink_to("stays")
    repo.commit({})
    opened, workspaces = await workspaces_for(repo, tmp_path / "copies")
    async with workspaces.open("T1", opened.head) as workspace:
        await sh(
            workspace, "rm file; mkdir file; echo 1 > file/in; rm -r folder; echo 2 > folder; rm link; echo 3 > link"
        )
        await sh(workspace, "mv other 'an\nother'; git init -q stays2; echo 4 > stays2/x")
        commit = await workspace.snapshot("Work")
    changed = {change.path: change.new_mode for change in await opened.changes(opened.head, commit)}
    regular = ("file/in", "folder", "link", "an\nother/c")
    gone = ("file", "folder/a", "folder/b", "other/c")
    assert changed == {**dict.fromkeys(regular, "100644"), **dict.fromkeys(gone, "000000")}


async def test_a_submodule_is_left_alone_also_when_a_file_takes_its_place(repo: Repo, tmp_path: Path) -> None:
    repo.git("update-index", "--add", "--cacheinfo", f"160000,{repo.git('rev-parse', 'HEAD')},lib")
    repo.git("commit", "-q", "-m", "submodule")
    opened, workspaces = await workspaces_for(repo, tmp_path / "copies")
    async with workspaces.open("T1", opened.head) as workspace:
        await sh(workspace, "rmdir lib; echo x > lib; echo x > c")
        commit = await workspace.snapshot("Work")
    assert [change.path for change in await opened.changes(opened.head, commit)] == ["c"]


def test_a_copy_is_claimed_while_others_of_its_run_take_the_run_folder_along(tmp_path: Path) -> None:
    def come_and_go(who: int) -> int:
        missed = 0
        for number in range(100):
            owner = Owner(
                run="run1", name=f"T{who}-{number}", base="0" * 40, repository="/r", made_at="now", scratch=True
            )
            claim = claim_new(tmp_path, owner)
            if claim is None:
                missed += 1
            else:
                claim.discard()
        return missed

    with ThreadPoolExecutor(4) as threads:
        assert list(threads.map(come_and_go, range(4))) == [0, 0, 0, 0]
