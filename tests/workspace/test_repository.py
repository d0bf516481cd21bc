"""The user's repository is read and added to; nothing else about it changes."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from captain.core.errors import GitError, UsageError, WorkspaceError
from captain.workspace import Repository
from tests.workspace.repos import Repo, fingerprint, new_repo


@pytest.fixture
def repo(tmp_path: Path) -> Repo:
    return new_repo(tmp_path / "ours")


async def test_files_and_contents_are_read_at_a_commit(repo: Repo) -> None:
    odd = os.fsdecode(b"\xff-rf \n")
    (repo.root / "link").symlink_to("a.txt")
    commit = repo.commit({odd: b"\r\n\0", "-rf": "dash", ":(top)x": "magic"})
    opened = await Repository.open(repo.root)
    assert set(await opened.files(commit)) == {"a.txt", "src/b.txt", "link", odd, "-rf", ":(top)x"}
    assert await opened.read(commit, odd, limit_bytes=10) == b"\r\n\0"
    assert await opened.read(commit, "-rf", limit_bytes=10) == b"dash"
    assert await opened.read(commit, ":(top)x", limit_bytes=10) == b"magic"
    assert await opened.read(commit, "a.txt", limit_bytes=2) == b"on"
    for nothing in ("link", "src", "src/", "missing", "", "a\0b", "../a.txt", "*.txt"):
        assert await opened.read(commit, nothing, limit_bytes=10) is None, nothing


async def test_a_diff_shows_everything_whatever_settings_and_attributes_say(repo: Repo) -> None:
    opened = await Repository.open(repo.root)
    repo.git("config", "diff.external", "false")
    repo.git("config", "color.ui", "always")
    repo.git("config", "diff.noprefix", "true")
    head = repo.commit({".gitattributes": "*.txt -diff\n", "a.txt": "zwei\n", "picture": b"\0\1"})
    text = await opened.diff(opened.head, head)
    assert "--- a/a.txt\n+++ b/a.txt\n@@ -1 +1 @@\n-one\n+zwei\n" in text
    assert "Binary files /dev/null and b/picture differ" in text
    assert "picture" not in await opened.diff(opened.head, head, paths=("a.txt",))
    assert {change.path for change in await opened.changes(opened.head, head)} == {".gitattributes", "a.txt", "picture"}


async def test_a_snapshot_of_the_work_tree_has_every_change_and_touches_nothing(repo: Repo) -> None:
    repo.commit({".gitignore": "*.log\n", "gone": "", "folder/in": "x", "script": "#!/bin/sh\n"})
    opened = await Repository.open(repo.root)
    repo.write({"staged": "s", "new-\udcff": "n", "noise.log": "no", "a.txt": "changed\r\n"})
    repo.git("add", "staged")
    (repo.root / "gone").unlink()
    (repo.root / "script").chmod(0o755)
    (repo.root / "folder" / "in").unlink()
    (repo.root / "folder").rmdir()
    (repo.root / "folder").symlink_to("src")
    nested = new_repo(repo.root / "nested")
    Repo(nested.root).git("commit", "-q", "--allow-empty", "-m", "more")
    before = fingerprint(repo.root)
    commit = await opened.snapshot_work_tree("Uncommitted changes")
    assert fingerprint(repo.root) == before
    assert repo.git("log", "-1", "--format=%P %an <%ae> %s", commit) == (
        f"{opened.head} Captain <captain@localhost> Uncommitted changes"
    )
    expected = {".gitignore", "a.txt", "src/b.txt", "script", "folder", "staged", "new-\udcff"}
    assert set(await opened.files(commit)) == expected
    modes = {change.path: change.new_mode for change in await opened.changes(opened.head, commit)}
    assert (modes["script"], modes["folder"], modes["gone"]) == ("100755", "120000", "000000")
    assert await opened.read(commit, "a.txt", limit_bytes=100) == b"changed\r\n"


async def test_a_snapshot_in_the_middle_of_a_merge_takes_the_files_as_they_are(repo: Repo) -> None:
    repo.git("checkout", "-q", "-b", "side")
    repo.commit({"a.txt": "side\n"})
    repo.git("checkout", "-q", "main")
    repo.commit({"a.txt": "main\n"})
    with pytest.raises(AssertionError):
        repo.git("merge", "-q", "side")
    opened = await Repository.open(repo.root)
    commit = await opened.snapshot_work_tree("midway")
    content = await opened.read(commit, "a.txt", limit_bytes=1000)
    assert opened.dirty
    assert content is not None
    assert content.startswith(b"<<<<<<<")


async def test_a_snapshot_of_a_clean_work_tree_is_head(repo: Repo) -> None:
    opened = await Repository.open(repo.root)
    assert await opened.snapshot_work_tree("nothing") == opened.head


async def test_merging_gives_a_commit_a_side_or_the_conflicts(repo: Repo) -> None:
    opened = await Repository.open(repo.root)
    base = opened.head
    ours = repo.commit({"a.txt": "ours\n"})
    repo.git("checkout", "-q", "--detach", base)
    theirs = repo.commit({"src/b.txt": "theirs\n"})
    repo.git("checkout", "-q", "--detach", base)
    other = repo.commit({"a.txt": "other\n"})
    merged = (await opened.merge(ours, theirs, "Merge")).commit
    assert merged is not None
    assert repo.git("log", "-1", "--format=%P", merged) == f"{ours} {theirs}"
    assert await opened.read(merged, "a.txt", limit_bytes=10) == b"ours\n"
    assert await opened.read(merged, "src/b.txt", limit_bytes=10) == b"theirs\n"
    assert (await opened.merge(base, theirs, "")).commit == theirs
    assert (await opened.merge(ours, base, "")).commit == ours
    conflict = await opened.merge(ours, other, "Merge")
    assert (conflict.commit, conflict.conflicts) == (None, ("a.txt",))
    assert await opened.is_ancestor(base, ours)
    assert not await opened.is_ancestor(ours, theirs)


async def test_putting_back_restores_the_listed_paths_only(repo: Repo) -> None:
    base = repo.commit({"keep": "1", "file": "f", "folder/x": "x", "removed": "r"})
    (repo.root / "file").unlink()
    (repo.root / "removed").unlink()
    head = repo.commit({"keep": "2", "file/now/folder": "!", "added": "a", "a.txt": "drift\n"})
    opened = await Repository.open(repo.root)
    paths = ("file", "file/now/folder", "added", "a.txt", "removed", "never/there")
    commit = await opened.put_back(head, base, paths, "Put back")
    assert [change.path for change in await opened.changes(base, commit)] == ["keep"]
    assert repo.git("log", "-1", "--format=%P", commit) == base
    assert await opened.put_back(head, base, (), "Nothing") != head
    assert not await opened.changes(head, await opened.put_back(head, base, (), "Nothing"))


async def test_a_ref_is_set_only_from_the_expected_value(repo: Repo) -> None:
    opened = await Repository.open(repo.root)
    second = await opened.commit_tree(opened.head, (opened.head,), "second")
    ref = "refs/captain/run/base"
    await opened.set_ref(ref, opened.head, None)
    with pytest.raises(GitError, match=r"expected to be absent but is at .*; something else has set it"):
        await opened.set_ref(ref, second, None)
    with pytest.raises(GitError, match=r"expected to be at .* but is at") as caught:
        await opened.set_ref(ref, second, second)
    assert "update-ref" in caught.value.argv
    await opened.set_ref(ref, second, opened.head)
    assert await opened.refs("refs/captain/run") == {ref: second}
    assert await opened.refs("refs/captain/ru") == {}


@pytest.mark.parametrize("ref", ["refs/heads/main", "HEAD", "refs/captain", "refs/heads/captainx", "refs/captain/a\nb"])
async def test_only_refs_of_captain_can_be_set(repo: Repo, ref: str) -> None:
    opened = await Repository.open(repo.root)
    with pytest.raises(UsageError, match="is not a ref Captain may set"):
        await opened.set_ref(ref, opened.head, None)


async def test_a_ref_that_climbs_out_or_has_no_place_is_refused(repo: Repo) -> None:
    opened = await Repository.open(repo.root)
    repo.git("branch", "captain")
    for ref in ("refs/captain/../heads/main", "refs/heads/captain/run/result"):
        with pytest.raises(GitError, match="could not be set"):
            await opened.set_ref(ref, opened.head, None)


async def test_a_branch_that_is_checked_out_is_not_moved_under_its_files(repo: Repo) -> None:
    opened = await Repository.open(repo.root)
    repo.git("checkout", "-q", "-b", "captain/run/result")
    second = await opened.commit_tree(opened.head, (opened.head,), "second")
    with pytest.raises(WorkspaceError, match="is checked out in"):
        await opened.set_ref("refs/heads/captain/run/result", second, opened.head)


async def test_names_are_resolved_or_refused(repo: Repo) -> None:
    opened = await Repository.open(repo.root)
    repo.git("tag", "-a", "-m", "tag", "v1")
    for name in ("main", "v1", "HEAD", opened.head[:8]):
        assert await opened.resolve(name) == opened.head
    for name in ("nope", "--all", "", "a\0b", "HEAD:a.txt", "HEAD^{tree}"):
        with pytest.raises(UsageError, match="names no commit"):
            await opened.resolve(name)


async def test_messages_survive_whatever_is_in_them(repo: Repo) -> None:
    opened = await Repository.open(repo.root)
    commit = await opened.commit_tree(opened.head, (opened.head,), "-m ü \0 \ud800 $(x)\n\nbody")
    assert repo.git("log", "-1", "--format=%B", commit) == "-m ü  ? $(x)\n\nbody"
    assert repo.git("rev-parse", f"{commit}^{{tree}}") == repo.git("rev-parse", f"{opened.head}^{{tree}}")


async def test_hooks_of_the_user_do_not_run(repo: Repo) -> None:
    hooks = repo.root / ".git" / "hooks"
    hooks.mkdir(exist_ok=True)
    for name in ("reference-transaction", "post-index-change", "post-commit"):
        (hooks / name).write_text("#!/bin/sh\ntouch ran\n")
        (hooks / name).chmod(0o755)
    repo.git("config", "core.fsmonitor", "touch ran")
    opened = await Repository.open(repo.root)
    repo.write({"a.txt": "changed"})
    await opened.set_ref("refs/captain/r/base", await opened.snapshot_work_tree("x"), None)
    assert not list(repo.root.rglob("ran"))


async def test_a_failing_git_says_what_ran_and_what_it_said(repo: Repo) -> None:
    opened = await Repository.open(repo.root)
    with pytest.raises(GitError, match=r"git ls-tree failed in .*: Not a valid object name nonsense\.") as caught:
        await opened.files("nonsense")
    assert caught.value.argv[-1] == "nonsense"
    assert "fatal:" in caught.value.stderr
