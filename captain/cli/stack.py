"""`captain stack`: the branches of a run in order, put onto a base that moved on, or written as patches."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from captain.cli import flags
from captain.cli.crewfile import CrewFile
from captain.cli.exits import UNDECIDED

if TYPE_CHECKING:
    from captain.cli.stack_reading import Reading, Row
    from captain.orchestration.stack import Restacking, StackConflict
    from captain.reports import RunView
    from captain.runs import StoredRun


def stack(
    run: Annotated[str, typer.Argument(metavar="RUN", help="The id of a run, or its beginning; see captain runs.")],
    *,
    restack: Annotated[
        bool, typer.Option("--restack", help="Put the accepted branches onto your branch as it is now.")
    ] = False,
    onto: Annotated[
        str | None,
        typer.Option("--onto", metavar="REV", help="What they are to stand on. Default: the branch the run began on."),
    ] = None,
    keep_going: Annotated[
        bool, typer.Option("--keep-going", help="With --restack: move what fits, and leave what is in conflict.")
    ] = False,
    export: Annotated[
        Path | None, typer.Option("--export", metavar="DIR", help="Write one patch file per branch, in order.")
    ] = None,
    branch: Annotated[
        str | None, typer.Option("--branch", metavar="TASK", help="Print the patch of one task's branch.")
    ] = None,
    captain: flags.CaptainModel = None,
    build: flags.BuildModel = None,
    review: flags.ReviewModels = None,
    advisor: flags.AdvisorModel = None,
    crew: flags.CrewPath = None,
    budget_usd: flags.BudgetUsd = None,
    allow_root: flags.AllowRoot = False,
    yes: flags.Yes = False,
    no_input: flags.NoInput = False,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
    state_dir: flags.StateDir = None,
) -> int:
    """Show the stack of a run: its tasks, their branches, and which of them stand on something old.

    With --restack all branches move in one go or none does; old heads are kept. Exits with 3 if there is a conflict.
    With a crew (--crew, --captain), each conflict becomes a small task, once, and then a question, in a run of its own.
    """
    import anyio

    from captain.cli import setup
    from captain.cli.patches import write_patches
    from captain.core.masking import Masker
    from captain.reports import RunView, one_line
    from captain.runs import default_state_dir, find_run
    from captain.sandbox import secret_variables

    flagged = replace(
        setup.limits_of(usd=budget_usd, tokens=None, time=None, calls=None, turns=None),
        captain=captain,
        build=build,
        review=tuple(review or ()),
        advisor=advisor,
    )
    chosen = setup.combine(crew, flagged)
    _refuse_crew(chosen, restack=restack)
    _refuse_both(restack=restack, export=export, branch=branch, keep_going=keep_going, as_json=as_json)
    stored = find_run(state_dir or default_state_dir(), run)
    if restack:
        _refuse_alive(stored)
    masker = Masker(named=secret_variables())
    view = RunView.of(map(masker.value, stored.events()))
    place = _place(stored, view.repository)
    if restack and chosen != CrewFile():
        from captain.cli.stack_crew import carrier_of, conflicting, restacked

        screen = setup.choose_screen(as_json=as_json, live=None, quiet=False)
        silent = no_input or as_json
        carrier = carrier_of(chosen, screen, state_dir, allow_root=allow_root, yes=yes, no_input=silent)
        order = anyio.run(partial(conflicting, view, place, onto, keep_going=keep_going))
        if order is not None:
            return restacked(carrier, order, place, screen)
    if restack:
        return anyio.run(_restack, view, place, onto, keep_going, as_json)
    if branch is not None:
        for patch in anyio.run(_patches, view, place, onto, branch).values():
            _print_patch(patch)
        return 0
    if export is not None:
        for path in write_patches(anyio.run(_patches, view, place, onto, None), export):
            print(f"wrote {one_line(str(path))}")
        return 0
    return anyio.run(_show, view, place, onto, as_json)


def _refuse_both(*, restack: bool, export: Path | None, branch: str | None, keep_going: bool, as_json: bool) -> None:
    from captain.core.errors import UsageError

    asked = {"--restack": restack, "--export": export is not None, "--branch": branch is not None}
    given = [name for name, there in asked.items() if there]
    if len(given) > 1:
        raise UsageError(f"{' and '.join(given)} cannot be asked for at once.", hint="Ask for one after the other.")
    if keep_going and not restack:
        raise UsageError("--keep-going says how --restack goes about it.", hint="Give --restack too.")
    if as_json and (export is not None or branch is not None):
        raise UsageError(f"{given[0]} writes patches, not JSON.", hint="Leave one of them out.")


def _refuse_crew(chosen: CrewFile, *, restack: bool) -> None:
    from captain.core.errors import UsageError

    if chosen != CrewFile() and not restack:
        raise UsageError("A crew is for what --restack finds in conflict.", hint="Give --restack too, or no crew.")


def _refuse_alive(stored: StoredRun) -> None:
    from captain.core.errors import UsageError

    if stored.alive:
        raise UsageError(
            f"Run {stored.id} is still going on; its branches are not yet what they will be.",
            hint="Wait for its end, or cancel it.",
        )


def _place(stored: StoredRun, recorded: str) -> Path:
    """A work tree of the repository that the record is filed under; it may have been moved since the run."""
    git_dir = stored.project.git_dir
    return git_dir.parent if git_dir is not None and git_dir.name == ".git" else Path(recorded)


async def _show(view: RunView, place: Path, onto: str | None, as_json: bool) -> int:
    from captain.cli.stack_reading import read_stack
    from captain.reports.jsonable import dumps

    reading = await read_stack(view, place, onto)
    if as_json:
        print(dumps(_as_json(reading)))
    else:
        for line in _lines(reading, view.request):
            print(line)
    return 0


async def _restack(view: RunView, place: Path, onto: str | None, keep_going: bool, as_json: bool) -> int:
    from captain.cli.stack_reading import read_stack
    from captain.orchestration.stack import publish, restack_above
    from captain.reports.jsonable import dumps

    reading = await read_stack(view, place, onto)
    done = await restack_above(reading.repository, reading.stack)
    kept: tuple[str, ...] = ()
    if keep_going or not done.conflicts:
        kept = await publish(reading.repository, reading.run, done)
    if as_json:
        print(dumps(_restacking_as_json(reading, done, kept)))
    else:
        for line in _restacked(reading, done, kept):
            print(line)
    return UNDECIDED if done.conflicts else 0


async def _patches(view: RunView, place: Path, onto: str | None, task: str | None) -> dict[str, bytes]:
    """Of the accepted tasks that are not merged yet; or of one task, whatever became of it."""
    from captain.cli.patches import patches_of
    from captain.cli.stack_reading import read_stack
    from captain.core.errors import UsageError

    reading = await read_stack(view, place, onto)
    if task is None:
        return await patches_of(reading.repository, reading.stack.order())
    layers = [row.layer for row in reading.rows if row.layer is not None]
    wanted = [layer for layer in layers if layer.task == task]
    if not wanted:
        there = ", ".join(layer.task for layer in layers)
        raise UsageError(
            f"Run {reading.run} has no branch of a task {task!r}.",
            hint=f"There are branches of {there}." if there else "It left no branch.",
        )
    return await patches_of(reading.repository, wanted)


def _print_patch(patch: bytes) -> None:
    """As it is for a program; for a person nothing in it acts on the terminal."""
    from captain.reports.escape import visible

    if sys.stdout.isatty():
        print(visible(patch.decode("utf-8", "replace")), end="")
    else:
        sys.stdout.flush()
        sys.stdout.buffer.write(patch)


def _lines(reading: Reading, request: str) -> Iterator[str]:
    from captain.cli.history import one_cut, terminal_width
    from captain.core import ids
    from captain.reports import words
    from captain.reports.escape import one_line

    width = terminal_width()
    yield one_cut(f"run {one_line(reading.run)}: {one_line(request)}", width)
    yield f"on {one_line(reading.onto_name)} at {words.commit(reading.onto)}{_moved(reading)}"
    table = [_cells(row) for row in _ordered(reading)]
    sizes = [max(len(cells[column]) for cells in table) for column in range(6)] if table else []
    for cells in table:
        line = "  ".join(cell.ljust(size) for cell, size in zip(cells, sizes, strict=False))
        yield one_cut(f"  {line}  {cells[6]}".rstrip(), width)
    if not table:
        yield "  no task"
    if any(row.layer for row in reading.rows):
        yield f"branches: {one_line(ids.task_branch(reading.run, 'TASK'))}"
    if reading.result is not None:
        yield f"result: {one_line(reading.result[0])} at {words.commit(reading.result[1])}"
    if reading.outdated:
        needs = "needs" if len(reading.outdated) == 1 else "need"
        yield (
            f"{words.count(len(reading.outdated), 'branch')} {needs} a restack: "
            f"captain stack {one_line(reading.run)} --restack"
        )


def _moved(reading: Reading) -> str:
    from captain.reports import words

    if reading.onto == reading.base:
        return ""
    if not reading.ahead:
        return f" (the run began at {words.commit(reading.base)})"
    return f", {words.count(reading.ahead, 'commit')} on from {words.commit(reading.base)}, where the run began"


def _ordered(reading: Reading) -> list[Row]:
    from captain.orchestration.stack import in_order

    rows = {row.task: row for row in reading.rows}
    return [rows[name] for name in in_order({row.task: row.parents for row in reading.rows}) if name in rows]


def _cells(row: Row) -> tuple[str, ...]:
    from captain.reports import words
    from captain.reports.escape import one_line

    where = f"on {one_line(', '.join(row.parents))}" if row.parents else "on the base"
    standing = {"outdated": "needs a restack", "merged": "merged", "no branch": "no branch", "in place": "in place"}
    size = f"{words.count(row.files, 'file')} +{row.added} -{row.removed}" if row.layer else ""
    head = words.commit(row.layer.head) if row.layer else ""
    return one_line(row.task), row.state, where, standing[row.standing], head, size, one_line(row.title)


def _restacked(reading: Reading, done: Restacking, kept: Sequence[str]) -> Iterator[str]:
    from captain.reports import words
    from captain.reports.escape import one_line

    moved = bool(kept)
    for number, move in enumerate(done.moves):
        before, after = words.commit(move.before.head), words.commit(move.after.head)
        if moved:
            ref = f"; before that: {one_line(kept[number])}"
            yield f"{one_line(move.after.task)}  {one_line(move.after.branch)} moved from {before} to {after}{ref}"
        else:
            yield f"{one_line(move.after.task)}  would fit"
    for conflict in done.conflicts:
        yield from _conflict(reading, conflict, moved=moved)
    for task in done.held:
        yield f"{one_line(task)}  stays as it is, on top of what is in conflict"
    if done.conflicts:
        yield (
            "Nothing else moved."
            if moved
            else "No branch moved." + (" --keep-going moves those that fit." if done.moves else "")
        )
        yield (
            "With a crew, a conflict becomes a small task: "
            f"captain stack {one_line(reading.run)} --restack --crew FILE.toml"
        )
    elif not done.moves:
        yield f"Everything stands on {one_line(reading.onto_name)} already."
    if moved:
        yield "No check has run on these branches yet; the result branch is as it was."


def _conflict(reading: Reading, conflict: StackConflict, *, moved: bool) -> Iterator[str]:
    """How it is done by hand is said where what it has to stand on is on a branch."""
    from captain.orchestration.restacking import by_hand
    from captain.reports.escape import one_line

    if conflict.onto is None:
        yield f"{one_line(conflict.task)}  what it stands on does not fit together:"
    else:
        yield f"{one_line(conflict.task)}  does not fit onto {conflict.onto[:12]}:"
    for one in conflict.conflicts:
        yield f"    {one_line(one.path)} ({one_line(one.kind)})"
    if conflict.onto is not None and (moved or conflict.onto == reading.onto):
        layer = reading.stack.layer(conflict.task)
        yield f"    by hand: {one_line(by_hand(reading.repository.root, conflict.onto, layer.start, layer.branch))}"


def _as_json(reading: Reading) -> dict[str, Any]:
    return {
        "run": reading.run,
        "repository": str(reading.repository.root),
        "base": reading.base,
        "onto": {"name": reading.onto_name, "commit": reading.onto, "ahead": reading.ahead},
        "tasks": [_row_as_json(row) for row in _ordered(reading)],
        "outdated": list(reading.outdated),
        "result": {"branch": reading.result[0], "commit": reading.result[1]} if reading.result else None,
    }


def _row_as_json(row: Row) -> dict[str, Any]:
    return {
        "task": row.task,
        "title": row.title,
        "state": row.state,
        "parents": list(row.parents),
        "standing": row.standing,
        "branch": row.layer.branch if row.layer else None,
        "head": row.layer.head if row.layer else None,
        "start": row.layer.start if row.layer else None,
        "files": row.files,
        "added": row.added,
        "removed": row.removed,
    }


def _restacking_as_json(reading: Reading, done: Restacking, kept: Sequence[str]) -> dict[str, Any]:
    return {
        "run": reading.run,
        "onto": {"name": reading.onto_name, "commit": reading.onto},
        "moved": bool(kept),
        "moves": [
            {
                "task": move.after.task,
                "branch": move.after.branch,
                "before": move.before.head,
                "after": move.after.head,
                "kept": kept[number] if kept else None,
            }
            for number, move in enumerate(done.moves)
        ],
        "conflicts": [
            {
                "task": conflict.task,
                "commit": conflict.commit,
                "onto": conflict.onto,
                "paths": [{"path": one.path, "kind": one.kind} for one in conflict.conflicts],
            }
            for conflict in done.conflicts
        ],
        "held": list(done.held),
    }
