"""What `captain review` looks at: from what is named, or found, to two commits and what is to be said about them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from captain.core.errors import UsageError

if TYPE_CHECKING:
    from captain.core.tasks import Check, Scope, Task
    from captain.workspace import Repository

_DEFAULTS: Final = (
    "refs/heads/main",
    "refs/heads/master",
    "refs/remotes/origin/HEAD",
    "refs/remotes/origin/main",
    "refs/remotes/origin/master",
)
_NAME: Final = re.compile(r"(?!F\d+$)[A-Za-z][A-Za-z0-9_.-]*")  # F1, F2, … are the loop's own names
_SUBJECTS: Final = 50
_SUBJECT_CHARS: Final = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """`base` is where the change starts from, `head` the commit under review. `notes` are whole sentences."""

    repository: Repository
    base: str
    head: str
    empty: bool
    notes: tuple[str, ...]


async def find_target(path: Path, base: str | None) -> Target:
    """The current branch against a base. Raises `UsageError`."""
    from captain.workspace import Repository

    repository = await Repository.open(path)
    head = repository.head
    name = base if base is not None else await _default(repository)
    tip = await repository.resolve(name)
    start = await repository.merge_base(tip, head)
    shown = name.removeprefix("refs/heads/").removeprefix("refs/remotes/")
    if start is None:
        raise UsageError(
            f"{shown!r} and HEAD have no commit in common in {repository.root}.",
            hint="A shallow clone lacks history: fetch all of it (git fetch --unshallow, or fetch-depth: 0)."
            if repository.shallow
            else "Name with --base the branch the change started from.",
        )
    notes = []
    if repository.dirty:
        notes.append("The work tree has uncommitted changes. They are not reviewed; commit them first.")
    if start != tip:
        notes.append(f"{shown} has gone on since this branch left it; compared with where the two part, {start[:12]}.")
    empty = await repository.tree(start) == await repository.tree(head)
    return Target(repository=repository, base=start, head=head, empty=empty, notes=tuple(notes))


async def _default(repository: Repository) -> str:
    """The repository's default branch; of a branch that is checked out, rather its counterpart elsewhere."""
    own = f"refs/heads/{repository.branch}"
    there = [
        name for name in _DEFAULTS if (await repository.git.attempt("rev-parse", "-q", "--verify", name)).exit_code == 0
    ]
    if not there:
        raise UsageError(
            f"{repository.root} has no branch main or master, and no origin/HEAD.",
            hint="Say with --base what the change is to be compared with.",
        )
    return next((name for name in there if name != own), there[0])


def parse_checks(given: Sequence[str]) -> tuple[Check, ...]:
    """From `name=command`. Raises `UsageError`."""
    from captain.core.tasks import Check

    checks: list[Check] = []
    for text in given:
        name, _, command = text.partition("=")
        if not _NAME.fullmatch(name.strip()) or not command.strip():
            raise UsageError(
                f"--check {text!r} is not a name, an equals sign and a command.",
                hint='Write --check "tests=make test"; a name has letters, digits, dots and dashes.',
            )
        if name.strip() in [check.name for check in checks]:
            raise UsageError(f"Two checks are called {name.strip()!r}.", hint="Give every --check a name of its own.")
        checks.append(Check(name=name.strip(), command=command.strip()))
    return tuple(checks)


async def task_of(target: Target, ask: str, scope: Scope | None, checks: Sequence[Check]) -> Task:
    """What reviewers are told the change is for: what the person says, or else what its commits say."""
    from captain.core.tasks import Task
    from captain.review.rules import ANYWHERE

    return Task(
        id="review",
        title="Review of a change",
        kind="change",
        brief=ask or await _said_by_commits(target),
        scope=scope or ANYWHERE,
        criteria=(),
        checks=tuple(checks),
    )


async def _said_by_commits(target: Target) -> str:
    from captain.reports.escape import one_line

    options = ("--no-show-signature", "--no-color", "--reverse", "--format=%s")
    log = await target.repository.git.run("log", *options, f"{target.base}..{target.head}")
    subjects = log.decode("utf-8", "replace").splitlines()
    lines = [f"- {one_line(subject, _SUBJECT_CHARS)}" for subject in subjects[-_SUBJECTS:]]
    return "What the change is for is said by its commits alone:\n" + "\n".join(lines)
