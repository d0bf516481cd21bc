"""Restacking: a branch follows what it stands on, by a three-way merge without a checkout.

What a commit does is the way from its old parent to itself. So the old parent is the base of the merge, and the
common history of the two sides has no say: after the parent was amended, that history ends too far below, and its
changes would meet themselves. Git takes a base for `merge-tree` since 2.40; an older one is given throw-away commits,
whose only parent carries the tree of the old parent. Both are the merge that `git rebase --onto` makes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from captain.workspace.git import Git, git_version
from captain.workspace.repository import WHO, Repository

Way: TypeAlias = Literal["merge-base", "throw-away"]

_TAKES_A_BASE: Final = (2, 40)
_CONFLICT: Final = re.compile(r"CONFLICT \((.+)\)")
# with the same date, the same trees give the same commits: nothing piles up however often is merged
_ANY_TIME: Final = {"GIT_AUTHOR_DATE": "@0 +0000", "GIT_COMMITTER_DATE": "@0 +0000"}
_KEPT_HEADERS: Final = (b"author ", b"encoding ")


@dataclass(frozen=True, slots=True, kw_only=True)
class Conflict:
    """`kind` as git names it: contents, modify/delete, rename/delete, binary and so on."""

    path: str
    kind: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Restacked:
    """Either a `commit` or what is in conflict; then `at` is the commit that does not fit onto what is new below."""

    commit: str | None
    conflicts: tuple[Conflict, ...] = ()
    at: str | None = None

    @property
    def paths(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(conflict.path for conflict in self.conflicts))


@dataclass(frozen=True, slots=True, kw_only=True)
class Marked:
    """`commit` has both sides in its history and in its files, with marks where they are in conflict."""

    commit: str
    conflicts: tuple[Conflict, ...] = ()


async def restack(
    repository: Repository, old_parent: str, new_parent: str, head: str, *, way: Way | None = None
) -> Restacked:
    """What is between `old_parent` and `head`, put onto `new_parent`; no ref moves. Raises `GitError`.

    Commits stay apart, with their authors and messages; one that has nothing left to do stays as an empty one. What
    is no straight line (somebody merged on the branch) becomes one commit with the message of `head`.
    """
    if old_parent == new_parent:
        return Restacked(commit=head)
    if head == old_parent:
        return Restacked(commit=new_parent)
    chosen = way or await way_of_this_git()
    onto = new_parent
    for commit, parent in await _line(repository.git, old_parent, head):
        tree, conflicts = await _merged(repository.git, parent, onto, commit, chosen)
        if conflicts:
            return Restacked(commit=None, conflicts=conflicts, at=commit)
        onto = await _again(repository, commit, tree, onto)
    return Restacked(commit=onto)


async def restack_marked(
    repository: Repository, old_parent: str, new_parent: str, head: str, message: str, *, way: Way | None = None
) -> Marked:
    """All that is between `old_parent` and `head` put onto `new_parent` at once, for somebody to resolve.

    No ref moves. What of a commit is in conflict need not be so of all of them together. Raises `GitError`.
    """
    chosen = way or await way_of_this_git()
    tree, conflicts = await _merged(repository.git, old_parent, new_parent, head, chosen)
    return Marked(commit=await repository.commit_tree(tree, (new_parent, head), message), conflicts=conflicts)


async def as_one_commit(repository: Repository, head: str, tree_of: str, parent: str) -> str:
    """The files of `tree_of` on top of `parent`, with the author and the message of `head`. Raises `GitError`."""
    return await _again(repository, head, await repository.tree(tree_of), parent)


async def collisions(repository: Repository, one: str, other: str) -> tuple[Conflict, ...]:
    """What would be in conflict if these commits were merged; nothing if one holds the other. Raises `GitError`."""
    return (await _merge_tree(repository.git, one, other))[1]


async def way_of_this_git() -> Way:
    found = re.search(r"(\d+)\.(\d+)", await git_version())
    return "merge-base" if found and (int(found[1]), int(found[2])) >= _TAKES_A_BASE else "throw-away"


async def _line(git: Git, start: str, head: str) -> list[tuple[str, str]]:
    """Each commit above `start` with the one it is to be compared with, lowest first."""
    listing = await git.text("rev-list", "--reverse", "--topo-order", "--parents", f"{start}..{head}")
    below, line = start, list[tuple[str, str]]()
    for commit, *parents in map(str.split, listing.splitlines()):
        if parents != [below]:
            return [(head, start)]
        line.append((commit, below))
        below = commit
    return line or [(head, start)]


async def _merged(git: Git, base: str, ours: str, theirs: str, way: Way) -> tuple[str, tuple[Conflict, ...]]:
    if way == "merge-base":
        return await _merge_tree(git, ours, theirs, f"--merge-base={base}")
    below = await _throw_away(git, base)
    sides = await _throw_away(git, ours, below), await _throw_away(git, theirs, below)
    return await _merge_tree(git, *sides)


async def _throw_away(git: Git, commit: str, *parents: str) -> str:
    words = [word for parent in parents for word in ("-p", parent)]
    return await git.with_env(**WHO, **_ANY_TIME).text("commit-tree", f"{commit}^{{tree}}", *words, "-m", "throw-away")


async def _merge_tree(git: Git, ours: str, theirs: str, *options: str) -> tuple[str, tuple[Conflict, ...]]:
    """The tree, and what is in conflict in it."""
    args = ("merge-tree", "--write-tree", "-z", "--messages", *options, ours, theirs)
    answer = await git.attempt(*args)
    if answer.exit_code > 1:
        raise git.failed(args, answer)
    fields = answer.stdout.decode("utf-8", "surrogateescape").split("\0")
    if answer.exit_code == 0:
        return fields[0], ()
    sides = (f"~{ours}", f"~{theirs}")
    return fields[0], tuple(dict.fromkeys(_conflicts(fields[1:], sides)))


def _conflicts(fields: list[str], sides: tuple[str, str]) -> Iterator[Conflict]:
    """Files as `<mode> <id> <stage>\\t<path>`, an empty field, then messages: paths with their number, kind, text."""
    end = fields.index("")
    files = [field.partition("\t")[2] for field in fields[:end]]
    told = set[str]()
    rest = iter(fields[end + 1 :])
    for number in rest:
        if not number:
            break
        paths = [next(rest) for _ in range(int(number))]
        kind, _text = next(rest), next(rest)
        told.update(paths)
        if found := _CONFLICT.fullmatch(kind):
            yield from (Conflict(path=_as_it_was(path, sides), kind=found[1]) for path in paths)
    yield from (Conflict(path=_as_it_was(path, sides), kind="contents") for path in files if path not in told)


def _as_it_was(path: str, sides: tuple[str, str]) -> str:
    """Git puts a file that is in the way of a folder under another name, which ends in the side it comes from."""
    return next((path.removesuffix(side) for side in sides if path.endswith(side)), path)


async def _again(repository: Repository, commit: str, tree: str, parent: str) -> str:
    """The commit with another tree and parent. Its author and message are kept to the byte, its signature cannot be."""
    git = repository.git
    headers, _, message = (await git.run("cat-file", "commit", commit)).partition(b"\n\n")
    dated = {"GIT_COMMITTER_DATE": repository.dated.isoformat(timespec="seconds")} if repository.dated else {}
    committer = await git.with_env(**WHO, **dated).run("var", "GIT_COMMITTER_IDENT")
    kept = {name: line for line in headers.split(b"\n") for name in _KEPT_HEADERS if line.startswith(name)}
    lines = [f"tree {tree}".encode(), f"parent {parent}".encode(), kept[b"author "], b"committer " + committer.rstrip()]
    lines += [kept[b"encoding "]] if b"encoding " in kept else []
    body = b"\n".join(lines) + b"\n\n" + message
    return await git.text("hash-object", "-t", "commit", "-w", "--stdin", stdin=body)
