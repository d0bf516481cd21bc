"""The user's repository stays as it was, whatever an agent behind walls does, and whatever it is called."""

from __future__ import annotations

import hashlib
from pathlib import Path

import pytest

from captain.sandbox import Sandbox
from captain.workspace import ImportRefusedError, Repository, Workspaces
from tests.workspace.repos import Repo, fingerprint, new_repo
from tests.workspace.walls import LAYERING, Unlayered, sandbox_of

pytestmark = pytest.mark.slow


DAMAGE = r"""
theirs=$(sed 's/^"//; s/"$//' .git/objects/info/alternates)
home=${theirs%/objects}
tree=${home%/.git}
for file in $(find "$theirs" -type f | head -20); do
    chmod u+w "$file"; echo broken > "$file"; rm -f "$file"; mv "$file" "$file.gone"; touch "$file"; ln "$file" stolen
done
chmod -R 777 "$theirs"; rm -rf "$theirs"; mkdir "$theirs/evil"; touch "$theirs/pack/evil.pack"
mkdir -p "$home/hooks" "$home/refs/heads"
for name in hooks/pre-commit refs/heads/main HEAD config index packed-refs info/alternates; do
    echo evil > "$home/$name"
done
git --git-dir="$home" update-ref refs/heads/evil HEAD
git --git-dir="$home" config core.fsmonitor evil
git --git-dir="$home" gc --prune=now -q
git --git-dir="$home" reflog expire --expire=now --all
git push -q "$home" HEAD:refs/heads/main
git -C "$tree" commit -q --allow-empty -m evil
echo evil > "$tree/a.txt"; rm -rf "$tree"; mkdir -p "$tree/src"; echo evil > "$tree/new"
ln -s "$tree" way; echo evil > way/a.txt; rm -rf way/
GIT_OBJECT_DIRECTORY="$theirs" git hash-object -w --stdin < .git/config
git repack -adlq; git prune; git gc --prune=now -q
true
"""


@pytest.fixture(params=[*LAYERING, "unlayered bubblewrap", "unlayered landlock"])
def walls(request: pytest.FixtureRequest) -> Sandbox:
    kind = str(request.param)
    if kind.startswith("unlayered"):
        return Unlayered(sandbox_of(kind.removeprefix("unlayered ")))
    return sandbox_of(kind)


def objects_of(repo: Repo) -> dict[str, str]:
    found = {}
    for path in sorted((repo.root / ".git" / "objects").rglob("*")):
        facts = path.lstat()
        content = hashlib.sha256(path.read_bytes()).hexdigest() if path.is_file() else ""
        found[str(path)] = f"{facts.st_mode:o} {facts.st_uid} {facts.st_ino} {facts.st_mtime_ns} {content}"
    return found


async def test_an_agent_that_tries_to_damage_it_does_not(tmp_path: Path, walls: Sandbox) -> None:
    repo = new_repo(tmp_path / "ours")
    repo.commit({"a.txt": "second\n"})
    repo.git("gc", "-q")
    repo.commit({"a.txt": "third\n"})
    opened = await Repository.open(repo.root)
    before, objects = fingerprint(repo.root), objects_of(repo)
    workspaces = Workspaces(opened, tmp_path / "copies", "run1", walls)
    async with workspaces.open("T1", opened.head, scratch=True) as workspace:
        result = await workspace.box.run_shell(DAMAGE, timeout_s=120)
        assert result.exit_code == 0, result.text
        assert await workspace.box.read("a.txt", limit_bytes=10) == b"third\n"
    await workspaces.close()
    assert fingerprint(repo.root) == before
    assert objects_of(repo) == objects
    assert repo.git("fsck", "--strict", "--full") == ""


async def test_work_done_after_an_attempt_at_damage_comes_back(tmp_path: Path, walls: Sandbox) -> None:
    repo = new_repo(tmp_path / "ours")
    opened = await Repository.open(repo.root)
    before = fingerprint(repo.root)
    workspaces = Workspaces(opened, tmp_path / "copies", "run1", walls)
    async with workspaces.open("T1", opened.head) as workspace:
        await workspace.box.run_shell(DAMAGE, timeout_s=120)
        await workspace.box.run_shell("rm -f way stolen; echo good > good.txt", timeout_s=60)
        commit = await workspace.snapshot("Work")
    await workspaces.close()
    assert [change.path for change in await opened.changes(opened.head, commit)] == ["good.txt"]
    assert fingerprint(repo.root) == before


@pytest.mark.parametrize(
    "name", ["with space", "co:lon", "com,ma", "back\\slash", "quo\"te'", "-rf", "li\nne", "ünï\u202e"]
)
async def test_repositories_and_state_folders_of_any_name(tmp_path: Path, walls: Sandbox, name: str) -> None:
    repo = new_repo(tmp_path / name / "ours" / name, {"-rf": "dash\n", "README": "upper\n", "readme": "lower\n"})
    before = fingerprint(repo.root)
    opened = await Repository.open(repo.root)
    workspaces = Workspaces(opened, tmp_path / name / "copies", "run1", walls)
    async with workspaces.open("T1", opened.head) as workspace:
        listed = await workspace.box.run_shell("git status --porcelain; git log --oneline | wc -l; ls", timeout_s=60)
        assert listed.text.split() == ["1", "-rf", "README", "readme"], listed.text
        await workspace.box.write("readme", b"changed\n")
        await workspace.box.run(("rm", "--", "-rf"), timeout_s=60)
        await workspace.box.write("--all", b"x")
        commit = await workspace.snapshot("Work")
        await workspace.reset(opened.head)
        assert await workspace.box.read("-rf", limit_bytes=10) == b"dash\n"
    await workspaces.close()
    assert {change.path for change in await opened.changes(opened.head, commit)} == {"readme", "-rf", "--all"}
    assert fingerprint(repo.root) == before
    assert not list((tmp_path / name / "copies").iterdir())


async def test_a_name_that_differs_only_in_case_from_one_that_is_there_is_refused(
    tmp_path: Path, walls: Sandbox
) -> None:
    repo = new_repo(tmp_path / "ours", {"README": "upper\n"})
    opened = await Repository.open(repo.root)
    workspaces = Workspaces(opened, tmp_path / "copies", "run1", walls)
    async with workspaces.open("T1", opened.head, scratch=True) as workspace:
        await workspace.box.write("readme", b"lower\n")
        with pytest.raises(ImportRefusedError, match="README and readme are one file"):
            await workspace.snapshot("Work")
        await workspace.box.run(("git", "mv", "-f", "README", "readme"), timeout_s=60)
        await workspace.snapshot("Renamed")
    await workspaces.close()


async def test_a_key_that_is_handed_back_is_refused_without_being_shown(tmp_path: Path, walls: Sandbox) -> None:
    key = "ghp_" + "a1B2c3D4e5F6g7H8i9J0" + "k1L2m3N4o5P6q7R8"
    repo = new_repo(tmp_path / "ours")
    opened = await Repository.open(repo.root)
    workspaces = Workspaces(opened, tmp_path / "copies", "run1", walls)
    async with workspaces.open("T1", opened.head, scratch=True) as workspace:
        await workspace.box.write("conf.py", f"\n\ntoken = '{key}'\n".encode())
        with pytest.raises(ImportRefusedError, match=r"conf\.py holds, in line 3, what looks like a secret") as caught:
            await workspace.snapshot("Work")
    await workspaces.close()
    assert key not in str(caught.value)
    assert not any(key.encode() in path.read_bytes() for path in opened.objects.rglob("*") if path.is_file())


@pytest.mark.slow
@pytest.mark.parametrize("kind", LAYERING)
async def test_a_repository_of_a_hundred_thousand_files(tmp_path: Path, kind: str) -> None:
    sandbox = sandbox_of(kind)
    repo = new_repo(tmp_path / "ours", {})
    blob = repo.git("hash-object", "-w", "--stdin", stdin=b"content\n")
    listing = "".join(f"100644 {blob}\tpart{number % 300}/file{number}\n" for number in range(100_000))
    repo.git("update-index", "--add", "--index-info", stdin=listing.encode())
    repo.git("commit", "-q", "-m", "many")
    opened = await Repository.open(repo.root)
    workspaces = Workspaces(opened, tmp_path / "copies", "run1", sandbox)
    async with workspaces.open("T1", opened.head) as workspace:
        assert (await workspace.box.run(("git", "diff-files"), timeout_s=120)).text == ""
        await workspace.box.write("part7/file7", b"changed\n")
        commit = await workspace.snapshot("Work")
        await workspace.box.run(("rm", "-rf", "part9"), timeout_s=120)
        await workspace.reset(commit)
        assert await workspace.snapshot("Nothing") == commit
    await workspaces.close()
    assert [change.path for change in await opened.changes(opened.head, commit)] == ["part7/file7"]
    assert not list((tmp_path / "copies").iterdir())
