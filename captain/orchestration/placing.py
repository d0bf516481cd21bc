"""Where tasks stand: what each builds on, and on which tasks of the run one has to stand that is added later."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from graphlib import TopologicalSorter
from itertools import chain

from captain.core.tasks import Plan, Task
from captain.guards import Reach
from captain.orchestration.added import Standing


def ancestors(tasks: Sequence[Task]) -> dict[str, frozenset[str]]:
    """For every task the tasks it builds on, directly or not. They have to be without a circle."""
    parents_of = {task.id: task.depends_on for task in tasks}
    found: dict[str, frozenset[str]] = {}
    for task in TopologicalSorter(parents_of).static_order():
        parents = parents_of.get(task, ())
        found[task] = frozenset(parents).union(*(found[parent] for parent in parents))
    return found


def stacked(plan: Plan, standing: Standing, files: Sequence[str]) -> Plan:
    """Each task after those of the run that could change the same file; of these, after the topmost ones."""
    live = standing.live
    above = ancestors(live)
    reach = {task.id: Reach.of(task.scope, files) for task in live}

    def placed(task: Task) -> Task:
        own = Reach.of(task.scope, files)
        return on_top_of(task, [other.id for other in live if own.meets(reach[other.id])], above)

    return replace(plan, tasks=tuple(map(placed, plan.tasks)))


def on_top_of(task: Task, others: Sequence[str], above: Mapping[str, frozenset[str]]) -> Task:
    """The task after `others` as well; what one of its parents stands on need not be named."""
    parents = tuple(dict.fromkeys((*task.depends_on, *others)))
    below = set(chain.from_iterable(above.get(parent, ()) for parent in parents))
    return replace(task, depends_on=tuple(parent for parent in parents if parent not in below))
