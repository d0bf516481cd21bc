"""Forgetting runs that are over: their rows, and large bodies that no run refers to any more."""

from __future__ import annotations

import contextlib
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from captain.core.errors import RunHeldError
from captain.runs.bodies import Bodies
from captain.runs.holds import holder, marks_beside
from captain.runs.sqlite import connect, explained, transaction


@dataclass(frozen=True, slots=True, kw_only=True)
class Freed:
    """What was removed, or with a dry run would be. `entries_bytes` are their bodies in the database."""

    runs: tuple[str, ...]
    entries: int
    entries_bytes: int
    files: int
    files_bytes: int


def forget(journal: Path, runs: Collection[str], *, dry_run: bool = False) -> Freed:
    """Removes the records of `runs`, all or none. Raises `RunHeldError` if a process carries one of them.

    No writer can take up a body while it is removed: they hold the same lock when they keep one.
    """
    with contextlib.closing(connect(journal)) as connection, explained(journal, "written"):
        bodies, marks = Bodies.beside(journal), marks_beside(journal)
        with transaction(connection):
            entries = size_bytes = 0
            for run in runs:
                if (by := holder(connection, run, marks)) is not None:
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
