"""Branches follow what they stand on, as they would if they were made again on top of it by git itself."""

from __future__ import annotations

import subprocess
import tempfile
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TypeAlias

import anyio
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from captain.core.errors import GitError
from captain.workspace import RefMove, Repository, Restacked, collisions, restack
from captain.workspace.stacking import Way, way_of_this_git
from tests.workspace.repos import ENV, Repo, fingerprint, new_repo

NUMBERED = "".join(f"line {number}\n" for number in range(12))
FILES: dict[str, str | bytes] = {"a.txt": NUMBERED, "b.txt": NUMBERED.upper(), "src/c.txt": "c\n", "d.bin": b"\0\1\2"}

NEW_GIT = anyio.run(way_of_this_git) == "merge-base"
WAYS = [
    "throw-away",
    pytest.param("merge-base", marks=pytest.mark.skipif(not NEW_GIT, reason="git takes --merge-base since 2.40")),
]


@dataclass(frozen=True)
class Edit:
    """One edit of a work tree; where it makes no sense, nothing happens."""

    kind: str
    path: str
    line: int
    text: str

    def apply(self, root: Path) -> None:
        file = root / self.path
        there = file.is_file()
        blocked = file.is_dir() or any(part.is_file() for part in file.parents if part != root)
        if self.kind == "add" and not there and not blocked:
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(f"new {self.text}\n" * 5)
        elif self.kind == "edit" and there:
            lines = file.read_bytes().split(b"\n")
            lines[self.line % len(lines)] = self.text.encode()
            file.write_bytes(b"\n".join(lines))
        elif self.kind == "delete" and there:
            file.unlink()
        elif self.kind == "rename" and there:
            target = root / f"moved-{self.line % 2}" / file.name
            if not target.exists() and not target.parent.is_file():
                target.parent.mkdir(exist_ok=True)
                file.rename(target)
        elif self.kind == "mode" and there:
            file.chmod(0o755 if not file.stat().st_mode & 0o100 else 0o644)
        elif self.kind == "binary" and there:
            file.write_bytes(b"\0" + self.text.encode() + b"\0")


PATHS = [*FILES, "new.txt", "src/new.txt", "moved-0/a.txt", "moved-1/a.txt", "moved-0"]
KINDS = ["add", "edit", "edit", "edit", "delete", "rename", "mode", "binary"]
edits = st.builds(
    Edit, kind=st.sampled_from(KINDS), path=st.sampled_from(PATHS), line=st.integers(0, 11), text=st.sampled_from("XYZ")
)
Commit: TypeAlias = list[Edit]
commits = st.lists(edits, min_size=1, max_size=3)


def make(repo: Repo, on: str, made: list[Commit], label: str = "commit") -> str:
    repo.git("checkout", "-q", "--detach", "--force", on)
    repo.git("clean", "-qfdx")
    for number, commit in enumerate(made, 1):
        for edit in commit:
            edit.apply(repo.root)
        repo.commit({}, f"{label} {number}")
    return repo.git("rev-parse", "HEAD")


def replayed(repo: Repo, old: str, new: str, head: str) -> tuple[str | None, set[str]]:
    """What git itself makes of it: the tree, or the paths left unmerged."""
    repo.git("checkout", "-q", "--detach", "--force", new)
    repo.git("clean", "-qfdx")
    argv = ["git", "-C", str(repo.root), "cherry-pick", "--allow-empty", "--keep-redundant-commits", f"{old}..{head}"]
    if subprocess.run(argv, env=ENV, capture_output=True, check=False).returncode == 0:
        return repo.git("rev-parse", "HEAD^{tree}"), set()
    listing = repo.git("-c", "core.quotePath=false", "ls-files", "-u", "-z")
    unmerged = {entry.partition("\t")[2] for entry in listing.split("\0") if entry}
    repo.git("cherry-pick", "--quit")
    repo.git("reset", "-q", "--hard")
    return None, unmerged


def restacked(repo: Repo, old: str, new: str, head: str, way: Way | None = None) -> Restacked:
    async def work() -> Restacked:
        return await restack(await Repository.open(repo.root), old, new, head, way=way)

    return anyio.run(work)


def as_git_does(lower: Commit, amended: Commit, upper: list[Commit], *, afresh: bool) -> None:
    with tempfile.TemporaryDirectory() as folder:
        repo = new_repo(Path(folder), FILES)
        base = repo.git("rev-parse", "HEAD")
        old = make(repo, base, [lower])
        head = make(repo, old, upper)
        new = make(repo, base if afresh else old, [amended])
        tree, unmerged = replayed(repo, old, new, head)
        for way in ("throw-away", "merge-base") if NEW_GIT else ("throw-away",):
            found = restacked(repo, old, new, head, way)
            if tree is None:
                assert found.commit is None
                assert unmerged & set(found.paths)
            else:
                assert found.conflicts == ()
                assert repo.git("rev-parse", f"{found.commit}^{{tree}}") == tree
                assert repo.git("log", "--format=%s", f"{new}..{found.commit}") == repo.git(
                    "log", "--format=%s", f"{old}..{head}"
                )


stacks = given(lower=commits, amended=commits, upper=st.lists(commits, min_size=1, max_size=3), afresh=st.booleans())
usual = settings(deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True)


@stacks
@settings(usual, max_examples=8)
def test_restacking_is_what_git_makes_of_replaying_the_same_commits(
    lower: Commit, amended: Commit, upper: list[Commit], afresh: bool
) -> None:
    as_git_does(lower, amended, upper, afresh=afresh)


@pytest.mark.slow
@stacks
@settings(usual, max_examples=200)
def test_restacking_is_what_git_makes_of_replaying_many_commits(
    lower: Commit, amended: Commit, upper: list[Commit], afresh: bool
) -> None:
    as_git_does(lower, amended, upper, afresh=afresh)


@pytest.fixture
def repo(tmp_path: Path) -> Repo:
    return new_repo(tmp_path / "repo", FILES)


def on(repo: Repo, commit: str, files: dict[str, str | bytes], message: str = "change") -> str:
    repo.git("checkout", "-q", "--detach", commit)
    return repo.commit(files, message)


@pytest.mark.parametrize("way", WAYS)
def test_what_an_amended_parent_says_now_does_not_meet_what_it_said_before(repo: Repo, way: Way) -> None:
    base = repo.git("rev-parse", "HEAD")
    old = on(repo, base, {"a.txt": NUMBERED.replace("line 3", "three")})
    head = on(repo, old, {"a.txt": NUMBERED.replace("line 3", "three").replace("line 9", "nine")})
    new = on(repo, base, {"a.txt": NUMBERED.replace("line 3", "trois")})
    found = restacked(repo, old, new, head, way)
    assert repo.git("show", f"{found.commit}:a.txt") == "\n".join(
        ["trois" if n == 3 else "nine" if n == 9 else f"line {n}" for n in range(12)]
    )
    assert repo.git("rev-parse", f"{found.commit}^") == new


@pytest.mark.parametrize("way", WAYS)
def test_a_conflict_names_its_paths_and_kinds_and_the_commit_that_does_not_fit(repo: Repo, way: Way) -> None:
    base = repo.git("rev-parse", "HEAD")
    first = on(repo, base, {"src/c.txt": "mine\n"}, "fits")
    head = on(repo, first, {"a.txt": "mine\n", "d.bin": b"\0mine"}, "does not")
    (repo.root / "b.txt").write_text("mine\n")
    head = repo.commit({"b.txt": "mine\n"}, "not asked any more")
    repo.git("checkout", "-q", "--detach", base)
    (repo.root / "b.txt").unlink()
    new = repo.commit({"a.txt": "theirs\n", "d.bin": b"\0theirs"})
    found = restacked(repo, base, new, head, way)
    assert found.commit is None
    assert ("a.txt", "contents") in {(conflict.path, conflict.kind) for conflict in found.conflicts}
    assert ("d.bin", "binary") in {(conflict.path, conflict.kind) for conflict in found.conflicts}
    assert found.paths == ("a.txt", "d.bin")
    assert found.at is not None
    assert repo.git("log", "-1", "--format=%s", found.at) == "does not"


@pytest.mark.parametrize("way", WAYS)
def test_a_file_in_the_way_of_a_folder_is_named_as_it_was(repo: Repo, way: Way) -> None:
    base = repo.git("rev-parse", "HEAD")
    head = on(repo, base, {"thing": "a file\n"})
    new = on(repo, base, {"thing/inside": "a folder\n"})
    found = restacked(repo, base, new, head, way)
    assert [(conflict.path, conflict.kind) for conflict in found.conflicts] == [("thing", "file/directory")]


def test_author_date_and_message_are_kept_to_the_byte(repo: Repo) -> None:
    base = repo.git("rev-parse", "HEAD")
    repo.write({"a.txt": "mine\n"})
    repo.git("add", "-A")
    who = {"GIT_AUTHOR_NAME": "Zoë O'Neill", "GIT_AUTHOR_EMAIL": "zoë@x.org", "GIT_AUTHOR_DATE": "@1700000000 +0530"}
    message = b"subject\n\n\n  body \n#no comment\n\n\n"
    head = repo.git("commit-tree", repo.git("write-tree"), "-p", base, "-F", "-", stdin=message, env=who)
    new = on(repo, base, {"b.txt": "theirs\n"})
    found = restacked(repo, base, new, head)
    assert found.commit is not None
    shape = "--format=%an %ae %ad%n%B"
    assert repo.git("log", "-1", shape, found.commit) == repo.git("log", "-1", shape, head)
    old, now = (repo.git("cat-file", "commit", commit).partition("\n\n")[2] for commit in (head, found.commit))
    assert old == now
    assert repo.git("log", "-1", "--format=%cn", found.commit) == "Captain"


def test_a_message_that_is_no_utf8_stays_what_it_is(repo: Repo) -> None:
    base = repo.git("rev-parse", "HEAD")
    tree = repo.git("rev-parse", f"{base}^{{tree}}")
    latin = repo.git(
        "-c", "i18n.commitEncoding=iso-8859-1", "commit-tree", tree, "-p", base, "-F", "-", stdin="é".encode("latin-1")
    )
    new = on(repo, base, {"b.txt": "theirs\n"})
    found = restacked(repo, base, new, latin)
    assert found.commit is not None
    assert repo.git("log", "-1", "--format=%s", found.commit) == "é"
    assert repo.git("log", "-1", "--format=%e", found.commit) == "iso-8859-1"


def test_what_has_nothing_left_to_do_stays_as_an_empty_commit(repo: Repo) -> None:
    base = repo.git("rev-parse", "HEAD")
    head = on(repo, base, {"a.txt": "same\n"}, "mine")
    new = on(repo, base, {"a.txt": "same\n"}, "theirs")
    found = restacked(repo, base, new, head)
    assert found.commit is not None
    assert repo.git("log", "--format=%s", f"{new}..{found.commit}") == "mine"
    assert repo.git("diff", "--stat", new, found.commit) == ""


def test_a_branch_on_which_somebody_merged_becomes_one_commit(repo: Repo) -> None:
    base = repo.git("rev-parse", "HEAD")
    side = on(repo, base, {"b.txt": "side\n"})
    head = on(repo, base, {"a.txt": "mine\n"})
    repo.git("merge", "-q", "--no-edit", "-m", "both", side)
    head = repo.git("rev-parse", "HEAD")
    new = on(repo, base, {"src/c.txt": "theirs\n"})
    found = restacked(repo, base, new, head)
    assert found.commit is not None
    assert repo.git("log", "--format=%s", f"{new}..{found.commit}") == "both"
    assert set(repo.git("diff", "--name-only", new, found.commit).splitlines()) == {"a.txt", "b.txt"}


def test_nothing_of_the_users_moves_and_asking_again_leaves_no_more_objects(repo: Repo) -> None:
    base = repo.git("rev-parse", "HEAD")
    head = on(repo, base, {"a.txt": "mine\n"})
    new = on(repo, base, {"a.txt": "theirs\n"})
    before = fingerprint(repo.root)
    assert restacked(repo, base, new, head).conflicts
    objects = repo.git("count-objects")
    assert restacked(repo, base, new, head).conflicts
    assert repo.git("count-objects") == objects
    assert fingerprint(repo.root) == before


async def test_with_a_fixed_date_the_same_restack_gives_the_same_commit(repo: Repo) -> None:
    base = repo.git("rev-parse", "HEAD")
    head = on(repo, base, {"a.txt": "mine\n"})
    new = on(repo, base, {"b.txt": "theirs\n"})
    opened = (await Repository.open(repo.root)).dating(datetime(2026, 1, 1, tzinfo=UTC))
    assert await restack(opened, base, new, head) == await restack(opened, base, new, head)
    found = await restack(opened, base, new, head)
    assert found.commit is not None
    assert repo.git("log", "-1", "--format=%ct", found.commit) == "1767225600"


async def test_collisions_are_found_between_two_that_know_nothing_of_each_other(repo: Repo) -> None:
    base = repo.git("rev-parse", "HEAD")
    one = on(repo, base, {"a.txt": "one\n", "b.txt": "one\n"})
    two = on(repo, base, {"a.txt": "two\n"})
    above = on(repo, one, {"a.txt": "more\n"})
    opened = await Repository.open(repo.root)
    assert [conflict.path for conflict in await collisions(opened, one, two)] == ["a.txt"]
    assert await collisions(opened, one, above) == ()
    assert await collisions(opened, base, two) == ()


async def test_several_refs_move_together_or_not_at_all(repo: Repo) -> None:
    base = repo.git("rev-parse", "HEAD")
    newer = on(repo, base, {"a.txt": "newer\n"})
    repo.git("checkout", "-q", "main")
    opened = await Repository.open(repo.root)
    one, two = "refs/captain/r/one", "refs/captain/r/two"
    await opened.move_refs((RefMove(ref=one, new=base, old=None), RefMove(ref=two, new=base, old=None)))
    first = RefMove(ref=one, new=newer, old=base)
    with pytest.raises(GitError, match="refs/captain/r/two was expected to be at"):
        await opened.move_refs((first, RefMove(ref=two, new=newer, old=newer)))
    assert set((await opened.refs("refs/captain")).values()) == {base}
    await opened.move_refs((first, RefMove(ref=two, new=newer, old=base)))
    assert set((await opened.refs("refs/captain")).values()) == {newer}
