"""The branch a person asks for with `captain review --fix --branch NAME`: a new one, or none."""

from __future__ import annotations

from typing import TYPE_CHECKING

from captain.core.errors import GitError, UsageError

if TYPE_CHECKING:
    from captain.workspace import Repository


async def require_new(repository: Repository, name: str) -> None:
    """Raises `UsageError` unless a branch of that name could be made now; nothing is left of the attempt."""
    if name.startswith("-") or (await repository.git.attempt("check-ref-format", f"refs/heads/{name}")).exit_code:
        raise UsageError(f"--branch {name!r} cannot be the name of a branch.", hint="See git help check-ref-format.")
    if await repository.refs(f"refs/heads/{name}"):
        raise UsageError(
            f"There is already a branch {name!r}, or one below it, in {repository.root}.",
            hint="Captain moves no branch of yours: name a new one.",
        )
    problem = await _create(repository, name, repository.head, "abort")
    if problem:
        raise UsageError(f"A branch {name!r} cannot be made in {repository.root}: {problem}", hint="Name another one.")


async def make(repository: Repository, name: str, commit: str) -> None:
    """Raises `GitError` if somebody else has made one in the meantime."""
    problem = await _create(repository, name, commit, "commit")
    if problem:
        raise GitError(
            f"The branch {name!r} could not be made: {problem}",
            argv=("git", "update-ref"),
            stderr=problem,
            hint=f"The result is kept all the same: git branch ANOTHER-NAME {commit}",
        )


async def _create(repository: Repository, name: str, commit: str, end: str) -> str:
    """Git's objection, or nothing."""
    orders = ("start", f"create refs/heads/{name}\0{commit}", "prepare", end)
    stdin = "".join(f"{order}\0" for order in orders).encode("utf-8", "surrogateescape")
    answer = await repository.git.attempt("update-ref", "-z", "--no-deref", "--stdin", stdin=stdin)
    return "" if answer.exit_code == 0 else answer.stderr.strip() or "git refused it"
