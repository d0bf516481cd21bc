"""Tasks at work whose changes would be in conflict are named while they work, not when they are merged."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from itertools import combinations

from captain.workspace import Repository, collisions


@dataclass(frozen=True, slots=True, kw_only=True)
class Collision:
    """Two tasks, in the order of their names, and the paths that would be in conflict."""

    tasks: tuple[str, str]
    paths: tuple[str, ...]


async def forecast(
    repository: Repository, heads: Mapping[str, str], pairs: Iterable[tuple[str, str]] | None = None
) -> tuple[Collision, ...]:
    """What merging the latest commits of tasks would run into, pair by pair; nothing is merged."""
    found = []
    for one, other in combinations(heads, 2) if pairs is None else pairs:
        conflicts = await collisions(repository, heads[one], heads[other])
        if conflicts:
            first, second = sorted((one, other))
            paths = tuple(sorted({conflict.path for conflict in conflicts}))
            found.append(Collision(tasks=(first, second), paths=paths))
    return tuple(found)


@dataclass(slots=True)
class Lookout:
    """Remembers how far each task is, and what was told."""

    _heads: dict[str, str] = field(default_factory=dict)
    _told: set[Collision] = field(default_factory=set)

    async def saw(self, repository: Repository, task: str, head: str) -> tuple[Collision, ...]:
        """A task is at `head` now: the collisions of which nobody has been told yet."""
        self.note(task, head)
        heads = dict(self._heads)
        found = await forecast(repository, heads, [(task, other) for other in heads if other != task])
        news = tuple(collision for collision in found if collision not in self._told)
        self._told.update(news)
        return news

    def note(self, task: str, head: str) -> None:
        """A task is at `head` now; others are compared with that."""
        self._heads[task] = head

    def forget(self, task: str) -> None:
        """Nothing of the task will be merged."""
        self._heads.pop(task, None)
