"""Several awaits at once, with the results in order and one plain exception when one fails."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import TypeVar

import anyio

T = TypeVar("T")


async def together(jobs: Sequence[Callable[[], Awaitable[T]]]) -> tuple[T, ...]:
    """Runs all jobs; the first that fails cancels the others, and its exception is what is raised."""
    results: dict[int, T] = {}

    async def run(place: int, job: Callable[[], Awaitable[T]]) -> None:
        results[place] = await job()

    failure: BaseException | None = None
    try:
        async with anyio.create_task_group() as group:
            for place, job in enumerate(jobs):
                group.start_soon(run, place, job)
    except BaseExceptionGroup as failed:
        failure = first_of(failed)
    if failure is not None:
        raise failure  # outside of `except`, so that its own cause and context stay as they are
    return tuple(results[place] for place in range(len(jobs)))


def first_of(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """The first plain exception in a group, however deep."""
    error = group.exceptions[0]
    return first_of(error) if isinstance(error, BaseExceptionGroup) else error
