"""`captain scope`: the scope guard for CI, and for the hooks of other agents."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final, TypeAlias

import typer

from captain.cli import flags
from captain.cli.exits import FAILED

if TYPE_CHECKING:
    from captain.core.tasks import Scope
    from captain.guards import Judgement, Ruling, Standing
    from captain.workspace import Repository

app = typer.Typer(
    name="scope", help="Hold a change to what was asked for.", no_args_is_help=True, rich_markup_mode=None
)

_WORDS: Final[dict[Standing, str]] = {
    "inside": "inside",
    "outside": "outside",
    "protected": "protected",
    "kind": "of a kind not granted",
}

ScopePath: TypeAlias = Annotated[Path, typer.Option("--scope", metavar="FILE.toml", help="The scope file.")]
AsJson: TypeAlias = Annotated[bool, typer.Option("--json", help="One JSON object.")]


@app.command()
def check(
    *,
    base: Annotated[
        str, typer.Option("--base", metavar="REV", help="Where the change branched off; its merge base is compared.")
    ],
    scope: ScopePath,
    head: Annotated[
        str | None,
        typer.Option("--head", metavar="REV", help="The changed commit. Default: HEAD with all uncommitted changes."),
    ] = None,
    repo: flags.Repo = Path(),
    as_json: AsJson = False,
) -> int:
    """Say what of a change is outside its scope; exits with 0 if nothing is, with 1 if something is."""
    import anyio

    from captain.cli.scopefile import read_scope_file

    asked = read_scope_file(scope)
    judged, notes = anyio.run(_judged, asked, scope, repo, base, head)
    judged = replace(judged, warnings=(*notes, *judged.warnings))
    if as_json:
        print(json.dumps(_as_json(judged)))
    else:
        for line in _lines(judged):
            print(line)
    return 0 if judged.passed else FAILED


@app.command()
def explain(
    paths: Annotated[list[str], typer.Argument(metavar="PATH...", help="Paths from the top of the repository.")],
    *,
    scope: ScopePath,
    repo: flags.Repo = Path(),
    as_json: AsJson = False,
) -> int:
    """Say which rule decides over a path; exits with 0 if all may be edited, or added where they do not exist."""
    import anyio

    from captain.cli.scopefile import read_scope_file
    from captain.core.diff import ABSENT, Change
    from captain.guards import Judgement, ScopeGuard

    asked = read_scope_file(scope)
    opened, files = anyio.run(_opened, repo)
    guard = ScopeGuard(with_itself(asked, scope, opened))
    names = [path.removeprefix("./") for path in paths]
    changes = [
        Change(path=name, old_mode="100644" if name in files else ABSENT, new_mode="100644", old_id="", new_id="")
        for name in names
    ]
    judged = Judgement(rulings=tuple(guard.rule(change) for change in changes))
    if as_json:
        print(json.dumps(_as_json(judged)))
    else:
        for ruling in judged.rulings:
            print(_line(ruling))
    return 0 if judged.passed else FAILED


async def _opened(repo: Path) -> tuple[Repository, frozenset[str]]:
    from captain.workspace import Repository

    opened = await Repository.open(repo)
    return opened, frozenset(await opened.files(opened.head))


async def _judged(
    scope: Scope, scope_path: Path, repo: Path, base: str, head: str | None
) -> tuple[Judgement, tuple[str, ...]]:
    from captain.guards import idle
    from captain.workspace import judge, work_tree

    opened, files = await _opened(repo)
    notes = idle(scope, sorted(files))
    scope = with_itself(scope, scope_path, opened)
    start = await _merge_base(opened, base, head or "HEAD")
    if head is not None:
        return await judge(opened.git, scope, start, await opened.resolve(head)), notes
    async with work_tree(opened) as (git, tree):
        return await judge(git, scope, start, tree), notes


async def _merge_base(repository: Repository, base: str, head: str) -> str:
    from captain.core.errors import UsageError

    ids = await repository.resolve(base), await repository.resolve(head)
    answer = await repository.git.attempt("merge-base", *ids)
    if answer.exit_code != 0:
        raise UsageError(
            f"{base!r} and {head!r} have no commit in common in {repository.root}.",
            hint="A shallow clone lacks history: fetch all of it (git fetch --unshallow, or fetch-depth: 0)."
            if repository.shallow
            else "Name the branch the change started from.",
        )
    return answer.stdout.decode().strip()


def with_itself(scope: Scope, path: Path, repository: Repository) -> Scope:
    """No change may widen the scope it is held to."""
    from captain.guards.patterns import literal

    root = repository.root.resolve()
    places = {(path.parent.resolve() / path.name), path.resolve()}
    own = tuple(sorted(literal(place.relative_to(root).as_posix()) for place in places if place.is_relative_to(root)))
    return replace(scope, forbid=(*scope.forbid, *own))


def _lines(judged: Judgement) -> Iterator[str]:
    from captain.reports.escape import one_line

    for ruling in judged.refused:
        yield _line(ruling)
    for finding in judged.findings:
        yield one_line(f"finding: {finding.path + ': ' if finding.path else ''}{finding.claim} {finding.evidence}")
    for warning in judged.warnings:
        yield one_line(f"warning: {warning}")
    counts = Counter(_WORDS[ruling.decision] for ruling in judged.rulings)
    total, found = len(judged.rulings), len(judged.findings)
    summary = f"{total} {'change' if total == 1 else 'changes'}"
    if total:
        summary += ": " + ", ".join(f"{counts[words]} {words}" for words in _WORDS.values() if counts[words])
    yield f"{summary}; {found} {'finding' if found == 1 else 'findings'}." if found else f"{summary}."


def _line(ruling: Ruling) -> str:
    from captain.reports.escape import one_line

    hint = " Name it in paths if it is wanted." if ruling.decision == "protected" else ""
    return one_line(f"{ruling.decision}: {ruling.reason}{hint}")


def _as_json(judged: Judgement) -> dict[str, Any]:
    return {
        "passed": judged.passed,
        "changes": [
            {"path": r.path, "decision": r.decision, "rule": r.rule, "reason": r.reason} for r in judged.rulings
        ],
        "findings": [{"path": f.path, "claim": f.claim, "evidence": f.evidence} for f in judged.findings],
        "warnings": list(judged.warnings),
    }
