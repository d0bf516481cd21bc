"""The stack of a run as it stands in the repository now: what the record says of it, and where the branches are.

Branches may have been moved since, by `captain stack --restack` or by a person: git has the last word.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Literal, TypeAlias

from captain.core import ids
from captain.core.errors import UsageError
from captain.core.tasks import TaskState
from captain.orchestration.stack import Layer, Stack, in_order
from captain.reports import RunView
from captain.reports.tasks import TaskView
from captain.workspace import Repository

Standing: TypeAlias = Literal["in place", "outdated", "merged", "no branch"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One task. `layer` is None where there is no branch; `merged`: the base holds its work already."""

    task: str
    title: str
    state: TaskState
    parents: tuple[str, ...]
    standing: Standing
    layer: Layer | None = None
    files: int = 0
    added: int = 0
    removed: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Reading:
    """`onto` is what the stack should stand on, by `onto_name`; `ahead` counts its commits since the run's `base`.

    `stack` has the accepted tasks that are not merged: what restacking is about.
    """

    run: str
    repository: Repository
    base: str
    onto: str
    onto_name: str
    ahead: int
    rows: tuple[Row, ...]
    stack: Stack
    result: tuple[str, str] | None

    @property
    def outdated(self) -> tuple[str, ...]:
        return tuple(layer.task for layer in self.stack.outdated())


async def read_stack(view: RunView, place: Path, onto: str | None = None) -> Reading:
    """Of a run's record, in the repository at `place`; `onto` is a revision in place of the user's branch.

    Raises `UsageError`.
    """
    repository = await Repository.open(place)
    base = await repository.resolve(view.base)
    tip, tip_name = await _tip(repository, view, base, onto)
    found = _Found(repository=repository, view=view, tip=tip)
    tasks = _tasks(view)
    layers: dict[str, Layer] = {}
    merged: set[str] = set()
    for task_id in in_order({task.id: _parents(view, task) for task in tasks.values()}):
        layer = await found.layer(tasks[task_id], layers, merged)
        if layer is None:
            continue
        layers[task_id] = layer
        if await found.is_merged(layer):
            merged.add(task_id)
    accepted = [layer for task, layer in layers.items() if tasks[task].state == "accepted" and task not in merged]
    known = {layer.task for layer in accepted}
    stack = Stack(
        base=tip,
        layers=tuple(
            replace(layer, parents=tuple(parent for parent in layer.parents if parent in known)) for layer in accepted
        ),
    )
    outdated = {layer.task for layer in stack.outdated()}
    rows = []
    for task in tasks.values():
        shown = layers.get(task.id)
        standing: Standing = "merged" if task.id in merged else "outdated" if task.id in outdated else "in place"
        rows.append(await found.row(task, shown, standing if shown else "no branch"))
    result = view.result.branch if view.result else ids.result_branch(view.run)
    at = (await repository.refs(f"refs/heads/{result}")).get(f"refs/heads/{result}")
    ahead = await repository.git.text("rev-list", "--count", f"{base}..{tip}")
    return Reading(
        run=view.run,
        repository=repository,
        base=base,
        onto=tip,
        onto_name=tip_name,
        ahead=int(ahead),
        rows=tuple(rows),
        stack=stack,
        result=(result, at) if at else None,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Found:
    repository: Repository
    view: RunView
    tip: str

    async def layer(self, task: TaskView, below: dict[str, Layer], merged: set[str]) -> Layer | None:
        """The branch of a task, if there is one; its work begins where the record, or a later move, has it."""
        branch = task.branch.branch if task.branch else ids.task_branch(self.view.run, task.id)
        head = (await self.repository.refs(f"refs/heads/{branch}")).get(f"refs/heads/{branch}")
        if head is None:
            return None
        parents = tuple(name for name in _parents(self.view, task) if name in below and name not in merged)
        wanted = tuple(below[name].head for name in parents) or (self.tip,)
        start = await self._start(task, head, wanted)
        in_place = all([await self.repository.is_ancestor(one, start) for one in wanted])
        if len(parents) == 1:
            in_place = start == wanted[0]
        return Layer(
            task=task.id,
            branch=branch,
            head=head,
            start=start,
            on=wanted if in_place else (start,) * len(wanted),
            parents=parents,
        )

    async def _start(self, task: TaskView, head: str, wanted: tuple[str, ...]) -> str:
        """The highest that is known to be below the task's own work; somebody may have rebased the branch by hand."""
        below = self.repository.is_ancestor
        ref = ids.start_ref(self.view.run, task.id)
        noted = (await self.repository.refs(ref)).get(ref) or (task.snapshot.base if task.snapshot else None)
        if noted is not None and not await below(noted, head):
            noted = None
        if len(wanted) == 1 and await below(wanted[0], head) and (noted is None or await below(noted, wanted[0])):
            return wanted[0]
        return noted or await self.repository.merge_base(head, wanted[-1]) or head

    async def is_merged(self, layer: Layer) -> bool:
        return layer.head != layer.start and await self.repository.is_ancestor(layer.head, self.tip)

    async def row(self, task: TaskView, layer: Layer | None, standing: Standing) -> Row:
        row = Row(
            task=task.id, title=task.title, state=task.state, parents=_parents(self.view, task), standing=standing
        )
        if layer is None:
            return row
        counts = (await self.repository.line_counts(layer.start, layer.head)).values()
        return replace(
            row,
            layer=layer,
            files=len(counts),
            added=sum(count.added for count in counts),
            removed=sum(count.removed for count in counts),
        )


async def _tip(repository: Repository, view: RunView, base: str, onto: str | None) -> tuple[str, str]:
    """What the stack should stand on, and what that is called."""
    if onto is not None:
        return await repository.resolve(onto), onto
    if view.branch is None:
        return base, "the commit the run began with"
    ref = f"refs/heads/{view.branch}"
    tip = (await repository.refs(ref)).get(ref)
    if tip is None:
        raise UsageError(
            f"The branch {view.branch!r} that run {view.run} began on is gone from {repository.root}.",
            hint="Name another one with --onto.",
        )
    # with uncommitted changes in it, what the run began with is above the tip
    return (base if await repository.is_ancestor(tip, base) else tip), view.branch


def _tasks(view: RunView) -> dict[str, TaskView]:
    """Those of the plan: what a small task made of one of them is on the branch of that."""
    planned = {task.id for task in view.plan.tasks} if view.plan is not None else set(view.tasks)
    return {name: task for name, task in view.tasks.items() if name in planned}


def _parents(view: RunView, task: TaskView) -> tuple[str, ...]:
    """What it depends on; or if the run has put its branch onto something else, that."""
    for moved in reversed(view.restacked):
        if task.branch is not None and (moved.task, moved.after) == (task.id, task.branch.commit):
            return moved.below
    return task.task.depends_on if task.task is not None else ()
