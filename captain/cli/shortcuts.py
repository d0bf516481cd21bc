"""`captain shortcuts`: the shortcut guard over a branch, or over what is not committed yet."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from captain.cli import flags
from captain.cli.exits import FAILED

if TYPE_CHECKING:
    from captain.guards import Shortcut
    from captain.workspace import Contents


def shortcuts(
    *,
    base: Annotated[
        str,
        typer.Option("--base", metavar="REV", help="What the change is compared with: the commit where the two part."),
    ] = "main",
    head: Annotated[
        str | None,
        typer.Option(
            "--head",
            metavar="REV",
            help="The change. Default: HEAD with what is not committed, new files that are not ignored included.",
        ),
    ] = None,
    repo: flags.Repo = Path(),
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
) -> int:
    """Find changes that make a check pass without doing the work: tests deleted, weakened, skipped, and the like.

    Exit code 1 if something blocks; what only asks for a reason is shown and exits with 0.
    """
    import anyio

    from captain.guards import ShortcutGuard
    from captain.reports.jsonable import dumps

    start, contents = anyio.run(_compare, repo, base, head)
    found = ShortcutGuard().shortcuts(contents.files)
    blocking = sum(one.blocks for one in found)
    if as_json:
        facts = {
            "schema": 1,
            "base": start,
            "files": len(contents.files),
            "blocking": blocking,
            "asking": len(found) - blocking,
            "shortcuts": [asdict(one) for one in found],
            "left_out": [asdict(one) for one in contents.left_out],
        }
        print(dumps(facts, indent=2))
    else:
        for line in _lines(found, contents, start, base):
            print(line)
    return FAILED if blocking else 0


async def _compare(path: Path, base: str, head: str | None) -> tuple[str, Contents]:
    """The commit the two have in common, and what differs since. Raises `UsageError`."""
    from captain.core.errors import UsageError
    from captain.workspace import Repository, read_contents

    repository = await Repository.open(path)
    before = await repository.resolve(base)
    if head is None:
        after = await repository.snapshot_work_tree("what is not committed")
    else:
        after = await repository.resolve(head)
    start = await repository.merge_base(before, after)
    if start is None:
        raise UsageError(
            f"{base!r} and {head or 'HEAD'!r} have no commit in common in {repository.root}.",
            hint="Name another --base, or fetch the missing history.",
        )
    return start, await read_contents(repository, start, after)


def _lines(found: tuple[Shortcut, ...], contents: Contents, start: str, base: str) -> Iterator[str]:
    from captain.reports import words
    from captain.reports.escape import one_line

    for one in found:
        side = ", before the change" if one.side == "old" else ""
        symbol = f" in {one_line(one.symbol)}" if one.symbol else ""
        verb = "blocks" if one.blocks else "asks"
        yield f"{verb}  {one.rule}  {one_line(one.path)}:{one.line}{symbol}{side}: {one_line(one.quote)}"
        yield f"        {one_line(one.why)}"
        yield f"        What would justify it: {one_line(one.justified_by)}"
    for left in contents.left_out:
        yield f"not looked at: {one_line(left.path)} {one_line(left.reason)}"
    blocking = sum(one.blocks for one in found)
    told = (
        f"{words.count(len(found), 'shortcut')}: {blocking} blocking, {len(found) - blocking} to be justified"
        if found
        else "No shortcut was found"
    )
    since = f"since {words.commit(start)}, where {one_line(base)} and the change part"
    yield f"{told}, in {words.count(len(contents.files), 'changed file')} {since}."
