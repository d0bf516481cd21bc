"""A stack: branches of tasks, each on top of others or of the base, and how they follow when something below changes.

What is above what is a plain value. Only `restack_above` looks at git, and moves no ref; `publish` moves all at once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from graphlib import CycleError, TopologicalSorter
from typing import Protocol

from captain.core import ids
from captain.core.errors import UsageError
from captain.workspace import Conflict, RefMove, Repository, restack


@dataclass(frozen=True, slots=True, kw_only=True)
class Layer:
    """The branch of one task. Its work is what lies between `start` and `head`.

    `on` are the heads of its parents from which `start` was made, in their order; without parents, the base.
    """

    task: str
    branch: str
    head: str
    start: str
    on: tuple[str, ...]
    parents: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Stack:
    """Layers in the order of the plan, on a `base`. Raises `UsageError` where parents are unknown or form a circle."""

    base: str
    layers: tuple[Layer, ...] = ()

    def __post_init__(self) -> None:
        known = [layer.task for layer in self.layers]
        if len(set(known)) < len(known):
            raise UsageError(f"A task stands twice in a stack of {', '.join(known)}.")
        for layer in self.layers:
            for parent in layer.parents:
                if parent not in known:
                    raise UsageError(f"{layer.task} stands on {parent}, which is not in the stack.")
        try:
            self.order()
        except CycleError as error:
            raise UsageError(f"Tasks stand on one another in a circle: {', '.join(error.args[1])}.") from error

    def layer(self, task: str) -> Layer:
        """Raises `UsageError`."""
        for layer in self.layers:
            if layer.task == task:
                return layer
        tasks = ", ".join(layer.task for layer in self.layers)
        raise UsageError(f"No task {task!r} is in the stack.", hint=f"There is {tasks}." if tasks else "It is empty.")

    def order(self) -> tuple[Layer, ...]:
        """What is below first, otherwise as in the plan."""
        return tuple(map(self.layer, in_order({layer.task: layer.parents for layer in self.layers})))

    def above(self, task: str) -> tuple[Layer, ...]:
        """What stands on a task, directly or not, lowest first."""
        found = {self.layer(task).task}
        for layer in self.order():
            if not found.isdisjoint(layer.parents):
                found.add(layer.task)
        return tuple(layer for layer in self.order() if layer.task in found and layer.task != task)

    def should_stand_on(self, task: str) -> tuple[str, ...]:
        """The heads of its parents as they are now, or the base."""
        parents = self.layer(task).parents
        return tuple(self.layer(parent).head for parent in parents) or (self.base,)

    def outdated(self) -> tuple[Layer, ...]:
        """What has to be restacked, lowest first: what stands on something old, and all that is above it."""
        found: set[str] = set()
        for layer in self.order():
            if layer.on != self.should_stand_on(layer.task) or not found.isdisjoint(layer.parents):
                found.add(layer.task)
        return tuple(layer for layer in self.order() if layer.task in found)

    def with_layer(self, changed: Layer) -> Stack:
        """With a layer in place of the one of its task."""
        self.layer(changed.task)
        return replace(self, layers=tuple(changed if one.task == changed.task else one for one in self.layers))

    def with_head(self, task: str, head: str) -> Stack:
        """After the work of a task itself changed; what is above is outdated then."""
        return self.with_layer(replace(self.layer(task), head=head))

    def with_base(self, base: str) -> Stack:
        return replace(self, base=base)

    def without(self, task: str) -> Stack:
        """Without a task; what stood on it stands on what it stood on."""
        dropped = self.layer(task)
        left = []
        for layer in self.layers:
            if layer.task == task:
                continue
            parents = [name for one in layer.parents for name in (dropped.parents if one == task else (one,))]
            left.append(replace(layer, parents=tuple(dict.fromkeys(parents))))
        return replace(self, layers=tuple(left))

    def reordered(self, task: str, parents: Sequence[str]) -> Stack:
        """With a task on other parents. Raises `UsageError` where that would be a circle."""
        return self.with_layer(replace(self.layer(task), parents=tuple(parents)))


@dataclass(frozen=True, slots=True, kw_only=True)
class StackConflict:
    """The work of a task does not fit onto what is below it now.

    `commit` of it meets changes of `onto` in `conflicts`. `onto` is None where the parents do not fit together.
    """

    task: str
    commit: str
    onto: str | None
    conflicts: tuple[Conflict, ...]

    @property
    def paths(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(conflict.path for conflict in self.conflicts))


class Resolve(Protocol):
    """Makes the work of a task fit, for example by a small task scoped to the paths in conflict.

    Gives a commit that has `conflict.onto` in its history, or None to leave the branch as it is. It is asked once for
    each conflict.
    """

    async def __call__(self, conflict: StackConflict, layer: Layer, /) -> str | None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """A layer before and after."""

    before: Layer
    after: Layer


@dataclass(frozen=True, slots=True, kw_only=True)
class Restacking:
    """What restacking comes to. Layers in `conflicts` and the tasks `held` above them are as they were in `stack`."""

    stack: Stack
    moves: tuple[Move, ...]
    conflicts: tuple[StackConflict, ...] = ()
    held: tuple[str, ...] = ()


async def restack_above(
    repository: Repository, stack: Stack, task: str | None = None, *, resolve: Resolve | None = None
) -> Restacking:
    """Puts what is outdated onto what is below it now; with `task`, only what is above that. Raises `GitError`.

    A conflict stops those above it and nobody else: they stay together as they were.
    """
    wanted = {layer.task for layer in (stack.outdated() if task is None else stack.above(task))}
    now, moves, conflicts, held = stack, list[Move](), list[StackConflict](), list[str]()
    for layer in stack.order():
        if layer.task not in wanted:
            continue
        stopped = {*held, *(conflict.task for conflict in conflicts)}
        if not stopped.isdisjoint(layer.parents):
            held.append(layer.task)
            continue
        if layer.on == now.should_stand_on(layer.task):
            continue
        moved = await _restacked(repository, now, layer, resolve)
        if isinstance(moved, StackConflict):
            conflicts.append(moved)
        else:
            now = now.with_layer(moved)
            moves.append(Move(before=layer, after=moved))
    return Restacking(stack=now, moves=tuple(moves), conflicts=tuple(conflicts), held=tuple(held))


async def publish(repository: Repository, run: str, restacking: Restacking) -> tuple[str, ...]:
    """Sets the branches that moved, in one transaction; gives the refs under which the old heads are kept.

    Raises `GitError` if a branch is elsewhere by now, and `WorkspaceError` if one is checked out; nothing moves then.
    """
    moves = await moves_of(repository, run, restacking)
    if moves:
        await repository.move_refs(moves)
    return tuple(move.ref for move in moves[1::3])


async def moves_of(repository: Repository, run: str, restacking: Restacking) -> tuple[RefMove, ...]:
    """What `publish` sets: three of each task, its branch, a ref that keeps its old head, and what it stands on."""
    moves = list[RefMove]()
    for move in restacking.moves:
        task, old = move.before.task, move.before.head
        prefix = ids.restacked_ref(run, task, 0).removesuffix("/0")
        numbers = [int(name) for ref in await repository.refs(prefix) if (name := ref.rpartition("/")[2]).isdigit()]
        kept, start = ids.restacked_ref(run, task, max(numbers, default=0) + 1), ids.start_ref(run, task)
        moves += [
            RefMove(ref=f"refs/heads/{move.before.branch}", new=move.after.head, old=old),
            RefMove(ref=kept, new=old, old=None),
            RefMove(ref=start, new=move.after.start, old=(await repository.refs(start)).get(start)),
        ]
    return tuple(moves)


def in_order(parents: dict[str, tuple[str, ...]]) -> list[str]:
    """Parents first, otherwise as they stand. Raises `CycleError`."""
    sorter = TopologicalSorter(parents)
    sorter.prepare()
    ordered: list[str] = []
    while sorter.is_active():
        ready = set(sorter.get_ready())
        ordered += [name for name in parents if name in ready]
        sorter.done(*ready)
    return ordered


async def _restacked(
    repository: Repository, stack: Stack, layer: Layer, resolve: Resolve | None
) -> Layer | StackConflict:
    on = stack.should_stand_on(layer.task)
    start, *others = on
    for other in others:
        merged = await repository.merge(start, other, f"What {layer.task} builds on")
        if merged.commit is None:
            apart = tuple(Conflict(path=path, kind="contents") for path in merged.conflicts)
            return StackConflict(task=layer.task, commit=other, onto=None, conflicts=apart)
        start = merged.commit
    found = await restack(repository, layer.start, start, layer.head)
    head = found.commit
    if head is None:
        conflict = StackConflict(task=layer.task, commit=found.at or layer.head, onto=start, conflicts=found.conflicts)
        head = await resolve(conflict, layer) if resolve is not None else None
        if head is None or not await repository.is_ancestor(start, head):
            return conflict
    return replace(layer, head=head, start=start, on=on)
