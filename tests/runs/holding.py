"""A run that this process carries, for tests that look at it from outside."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import anyio

from captain.runs import Project, SqliteStore


@contextmanager
def held(project: Project, run: str) -> Iterator[None]:
    store = anyio.run(SqliteStore.open, project.journal, run)
    try:
        yield
    finally:
        anyio.run(store.aclose)
