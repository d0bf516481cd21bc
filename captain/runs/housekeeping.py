"""Forgetting runs that are over: their rows, and large bodies that no run refers to any more."""

from __future__ import annotations

import contextlib
import sqlite3
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from captain.core.errors import JournalError, RunHeldError
from captain.runs.bodies import Bodies
from captain.runs.holds import Holder, Mark, give_up, holder, marks_beside, take_hold
from captain.runs.inbox import unheard
from captain.runs.sqlite import connect, explained, transaction


@dataclass(frozen=True, slots=True, kw_only=True)
class Freed:
    """What was removed, or with a dry run would be. `entries_bytes` are their bodies in the database."""

    runs: tuple[str, ...]
    entries: int
    entries_bytes: int
    files: int
    files_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Grip:
    """Runs that are held for being removed: `tokens` by run. `refused` are those that others carry."""

    mark: str = ""
    tokens: Mapping[str, int] = field(default_factory=dict)
    refused: Mapping[str, Holder] = field(default_factory=dict)


@contextmanager
def gripped(journal: Path, runs: Collection[str]) -> Iterator[Grip]:
    """Holds those of `runs` that nobody carries, so that nobody takes up again what is being removed."""
    marks = marks_beside(journal)
    mark = Mark(marks)
    try:
        tokens: dict[str, int] = {}
        refused: dict[str, Holder] = {}
        with contextlib.closing(connect(journal)) as connection, explained(journal, "written"):
            with transaction(connection):
                for run in runs:
                    if (by := holder(connection, run, marks)) is not None:
                        refused[run] = by
                    else:
                        tokens[run] = take_hold(connection, run, mark, marks, take_over=False)
            try:
                yield Grip(mark=mark.name, tokens=tokens, refused=refused)
            finally:
                with contextlib.suppress(sqlite3.Error, JournalError), transaction(connection):
                    for run, token in tokens.items():
                        give_up(connection, run, token)
    finally:
        mark.remove()  # which frees whatever could not be given up


def forget(journal: Path, runs: Collection[str], *, dry_run: bool = False, grip: Grip | None = None) -> Freed:
    """Removes the records of `runs`, all or none. Raises `RunHeldError` if a process carries one of them.

    What is held under `grip` is the caller's own.

    No writer can take up a body while it is removed: they hold the same lock when they keep one.
    """
    with contextlib.closing(connect(journal)) as connection, explained(journal, "written"):
        bodies, marks = Bodies.beside(journal), marks_beside(journal)
        with transaction(connection):
            entries = size_bytes = 0
            for run in runs:
                by = holder(connection, run, marks)
                if by is not None and not (grip and _is_ours(connection, run, grip)):
                    raise RunHeldError(
                        f"Run {run} is carried by another: {by}; its record stays.",
                        run=run,
                        pid=by.pid,
                        host=by.host,
                        since=by.since,
                        hint="Wait for it to end.",
                    )
                query = "SELECT count(*), coalesce(sum(length(body)), 0) FROM entries WHERE run = ?"
                count, total = connection.execute(query, (run,)).fetchone()
                entries, size_bytes = entries + count, size_bytes + total
                if not dry_run:
                    connection.execute("DELETE FROM entries WHERE run = ?", (run,))
                    connection.execute("DELETE FROM runs WHERE run = ?", (run,))
                    unheard(connection, run)
            rows = connection.execute("SELECT run, file FROM entries WHERE file IS NOT NULL")
            used = {file for run, file in rows if run not in runs}
            unused = [(digest, size) for digest, size in bodies.digests() if digest not in used]
        if not dry_run:  # rows first: a file without a row is litter, a row without its file is a loss
            with transaction(connection):
                rows = connection.execute("SELECT DISTINCT file FROM entries WHERE file IS NOT NULL")
                used = {file for (file,) in rows}
                unused = [(digest, size) for digest, size in bodies.digests() if digest not in used]
                for digest, _ in unused:
                    bodies.remove(digest)
            connection.execute("PRAGMA incremental_vacuum").fetchall()
            connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()
    return Freed(
        runs=tuple(runs),
        entries=entries,
        entries_bytes=size_bytes,
        files=len(unused),
        files_bytes=sum(size for _, size in unused),
    )


def _is_ours(connection: sqlite3.Connection, run: str, grip: Grip) -> bool:
    row = connection.execute("SELECT holder, token FROM runs WHERE run = ?", (run,)).fetchone()
    return row is not None and row == (grip.mark, grip.tokens.get(run))
