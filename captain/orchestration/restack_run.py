"""A run that puts the stack of another one onto something else, with a crew for what is in conflict."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from types import NoneType
from typing import Final

from captain.core.errors import BudgetExceededError, UsageError
from captain.core.events import Kept, RunEnded, TaskRestacked, TasksClashed
from captain.core.tasks import Task
from captain.orchestration.again import has_more_to_do, say_again, times_resumed
from captain.orchestration.context import Voyage
from captain.orchestration.questions import UnansweredError
from captain.orchestration.restacking import Misfit, Repair, ask_about, is_decided, rebased_by_hand
from captain.orchestration.stack import Layer, Restacking, Stack, StackConflict, moves_of, restack_above
from captain.runs import Journal
from captain.workspace import RefMove

_ORDER: Final = "restack/order"


@dataclass(frozen=True, slots=True, kw_only=True)
class RestackOrder:
    """The `stack` of the run `run` is to stand on its base, which is called `onto`. `tasks` are those of its layers.

    With `keep_going`, what fits moves though something does not; without, all branches move or none does.
    """

    run: str
    onto: str
    stack: Stack
    tasks: tuple[Task, ...]
    keep_going: bool = False

    async def note(self, journal: Journal) -> None:
        """Puts it on record, before anything else of the run is: that is how the run knows what it is for."""

        async def given() -> RestackOrder:
            return self

        await journal.step(_ORDER, given, inputs={}, gives=RestackOrder, effect="read")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Put:
    """What restacking came to. `fitted` are tasks that a small task made fit, `dropped` those a person took out."""

    done: Restacking
    fitted: tuple[str, ...]
    dropped: tuple[str, ...]
    waiting: tuple[str, ...]
    cut_short: bool
    resumed: int


def is_restack(voyage: Voyage) -> bool:
    return voyage.journal.knows(_ORDER)


async def restack_run(voyage: Voyage, repair: Repair) -> RunEnded:
    """Carries out the order on record. Raises `GitError`, `WorkspaceError` where branches cannot be moved."""

    async def gone() -> RestackOrder:
        raise UsageError("The record of the run does not say what is to be restacked.")

    order = await voyage.step(_ORDER, gone, inputs={}, gives=RestackOrder, effect="read")
    number = 1
    while True:
        path = f"restack/{number}"
        put = await voyage.step(path, _Putting(voyage, order, repair).put, inputs={}, gives=_Put)
        if not has_more_to_do(voyage, waiting=put.waiting, cut_short=put.cut_short, resumed=put.resumed):
            break
        number += 1
    await say_again(voyage, (), path=f"{path}/said")
    moved = order.keep_going or not put.done.conflicts
    if moved and put.done.moves:
        await _publish(voyage, order, put, path)
    return _ended(order, put, moved=moved)


@dataclass(slots=True)
class _Putting:
    voyage: Voyage
    order: RestackOrder
    repair: Repair
    made: dict[str, str | None] = field(default_factory=dict)
    fitted: list[str] = field(default_factory=list)
    dropped: list[str] = field(default_factory=list)
    settled: set[str] = field(default_factory=set)
    waiting: list[str] = field(default_factory=list)
    cut_short: bool = False

    async def put(self) -> _Put:
        """Once more after each answer that changes the stack: what was made to fit is known by then."""
        stack = self.order.stack
        while True:
            done = await restack_above(self.voyage.repository, stack, resolve=self.resolve)
            changed = await self._answered(stack, done)
            if changed is None:
                break
            stack = changed
        return _Put(
            done=done,
            fitted=tuple(self.fitted),
            dropped=tuple(self.dropped),
            waiting=tuple(dict.fromkeys(self.waiting)),
            cut_short=self.cut_short,
            resumed=times_resumed(self.voyage),
        )

    async def resolve(self, conflict: StackConflict, layer: Layer) -> str | None:
        """See `captain.orchestration.stack.Resolve`: by a small task, once for each task."""
        misfit = self._misfit(conflict, layer)
        if misfit is None:
            return None
        name = f"{layer.task}/{misfit.name}"
        if name not in self.made:
            self.made[name] = await self._made(misfit)
        return self.made[name]

    async def _made(self, misfit: Misfit) -> str | None:
        task = misfit.task.id
        await self.voyage.tell(misfit.evidence)
        if is_decided(self.voyage, misfit) or any(name.startswith(f"{task}/") for name in self.made):
            return None
        try:
            made = await self.repair(misfit)
        except UnansweredError as error:
            self.waiting.append(error.question.id)
            self.settled.add(task)
            return None
        except BudgetExceededError:
            self.cut_short = True
            self.settled.add(task)
            return None
        if made is not None:
            self.fitted.append(task)
        return made

    async def _answered(self, stack: Stack, done: Restacking) -> Stack | None:
        """The stack as somebody wants it, who was asked about what does not fit; None if that changes nothing."""
        for conflict in done.conflicts:
            layer = stack.layer(conflict.task)
            misfit = self._misfit(conflict, layer)
            if misfit is None or conflict.task in self.settled:
                continue
            self.settled.add(conflict.task)
            above = [one.task for one in stack.above(conflict.task)]
            try:
                decision = await ask_about(self.voyage, misfit, above)
                if decision == "drop":
                    self.dropped.append(conflict.task)
                    return stack.without(conflict.task)
                if decision == "rebased" and (head := await rebased_by_hand(self.voyage, misfit)) is not None:
                    on = done.stack.should_stand_on(conflict.task)
                    return stack.with_layer(replace(layer, head=head, start=misfit.onto, on=on))
            except UnansweredError as error:
                self.waiting.append(error.question.id)
        return None

    def _misfit(self, conflict: StackConflict, layer: Layer) -> Misfit | None:
        """Nothing can be built of a task that is not on record, or where its parents do not fit together."""
        task = next((task for task in self.order.tasks if task.id == layer.task), None)
        if task is None or conflict.onto is None:
            return None
        evidence = TasksClashed(task=layer.task, others=layer.parents, conflicts=conflict.paths)
        return Misfit(
            task=task, branch=layer.branch, start=layer.start, head=layer.head, onto=conflict.onto, evidence=evidence
        )


async def _publish(voyage: Voyage, order: RestackOrder, put: _Put, path: str) -> None:
    async def look() -> list[RefMove]:
        return list(await moves_of(voyage.repository, order.run, put.done))

    moves = await voyage.step(f"{path}/moves", look, inputs={}, gives=list[RefMove], effect="read")

    async def move() -> None:
        await voyage.repository.move_refs(moves)

    await voyage.step(f"{path}/branches", move, inputs={"moves": moves}, gives=NoneType)
    for moved, kept in zip(put.done.moves, moves[1::3], strict=True):
        layer = moved.after
        await voyage.tell(
            TaskRestacked(
                task=layer.task,
                below=layer.parents,
                before=moved.before.head,
                after=layer.head,
                how="small task" if layer.task in put.fitted else "followed",
            )
        )
        reason = f"{layer.branch}, before it was restacked"
        await voyage.tell(Kept(ref=kept.ref, commit=kept.new, reason=reason, task=layer.task))


def _ended(order: RestackOrder, put: _Put, *, moved: bool) -> RunEnded:
    done = put.done
    said = [
        f"{conflict.task} does not fit onto what is below it: it conflicts in {', '.join(conflict.paths)}."
        for conflict in done.conflicts
    ]
    said += [f"{task} stays as it is, on top of what is in conflict." for task in done.held]
    said += [f"{task} is not in the stack any more; its branch stays as it is." for task in put.dropped]
    if moved and done.moves:
        names = ", ".join(move.after.task for move in done.moves)
        said.append(f"Of run {order.run} these stand on {order.onto} now: {names}.")
        if unchecked := [move.after.task for move in done.moves if move.after.task not in put.fitted]:
            said.append(f"No check has run on {', '.join(unchecked)} yet.")
    else:
        said.append("No branch moved.")
    summary = " ".join(said)
    if put.cut_short:
        return RunEnded(status="budget", summary=summary, hint="Go on with captain resume and a larger budget.")
    if put.waiting:
        hint = f"Answer {', '.join(put.waiting)} with captain answer; then captain resume goes on."
        return RunEnded(status="needs_human", summary=summary, hint=hint)
    if done.conflicts:
        hint = "" if order.keep_going or not done.moves else "With --keep-going those that fit move all the same."
        return RunEnded(status="needs_human", summary=summary, hint=hint)
    return RunEnded(status="succeeded", summary=summary)
