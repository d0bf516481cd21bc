"""Lanes of fixes made one line of commits again, without those that break something only together."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from captain.workspace import Repository

Broken = Callable[[str, frozenset[str]], Awaitable[str]]
"""Says in words what fails on a commit with so many fixes in it, or nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Picked:
    """A fix as it was made in its lane, and as it stands in the line."""

    fix: str
    commit: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """Commits on top of one another, and the fixes that were left out, each with the reason."""

    head: str
    picked: tuple[Picked, ...]
    dropped: tuple[tuple[str, str], ...] = ()


async def join(
    repository: Repository,
    onto: str,
    fixes: Sequence[str],
    broken: Broken,
) -> Line:
    """All fixes on top of `onto`, without those that break something only together.

    Where the whole fails, the first commit with which it fails is found by bisection and dropped, until it holds.
    Each turn drops one, so that it ends; with none of them left nothing is broken.
    """
    dropped: list[tuple[str, str]] = []
    left = list(fixes)
    while True:
        line = await _pick(repository, onto, left)
        dropped += line.dropped
        reason = await _fails(line, len(line.picked), broken) if line.picked else ""
        if not reason:
            return Line(head=line.head, picked=line.picked, dropped=tuple(dropped))
        culprit = await _culprit(line, broken)
        dropped.append((culprit, f"with the other fixes of its round: {reason}"))
        left = [pick.fix for pick in line.picked if pick.fix != culprit]


async def _fails(line: Line, length: int, broken: Broken) -> str:
    fixes = frozenset(pick.fix for pick in line.picked[:length])
    return await broken(line.picked[length - 1].commit, fixes)


async def _culprit(line: Line, broken: Broken) -> str:
    """The first commit of a line that is broken at its end."""
    good, bad = -1, len(line.picked) - 1
    while bad - good > 1:
        middle = (good + bad) // 2
        if await _fails(line, middle + 1, broken):
            bad = middle
        else:
            good = middle
    return line.picked[bad].fix


async def _pick(repository: Repository, onto: str, fixes: Sequence[str]) -> Line:
    """Each fix as the change it made in its lane; one that meets a conflict is left out."""
    head = onto
    picked: list[Picked] = []
    dropped: list[tuple[str, str]] = []
    for fix in fixes:
        parent, message = await _origin(repository, fix)
        if parent == head:
            commit = fix
        else:
            # the older git has no merge with a base of one's choice: a commit on the fix's own parent stands in
            ours = await repository.commit_tree(head, (parent,), "the line so far")
            merged = await repository.merge(ours, fix, message)
            if merged.commit is None:
                dropped.append((fix, f"it meets another fix in {', '.join(merged.conflicts)}"))
                continue
            commit = await repository.commit_tree(merged.commit, (head,), message)
        head = commit
        picked.append(Picked(fix=fix, commit=commit))
    return Line(head=head, picked=tuple(picked), dropped=tuple(dropped))


async def _origin(repository: Repository, fix: str) -> tuple[str, str]:
    text = await repository.git.text("cat-file", "commit", fix)
    head, _, message = text.partition("\n\n")
    parent = next(line.removeprefix("parent ") for line in head.splitlines() if line.startswith("parent "))
    return parent, message
