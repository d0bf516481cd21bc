"""What a run that was taken up does once more, though it is on record as done: what had waited, or was cut short."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from types import NoneType

from captain.core.events import RunResumed, TaskAdded, TaskChanged, is_taken_back
from captain.orchestration.context import Voyage


def times_resumed(voyage: Voyage) -> int:
    return sum(isinstance(recorded.event, RunResumed) for recorded in voyage.journal.events)


def has_more_to_do(voyage: Voyage, *, waiting: Iterable[str], cut_short: bool, resumed: int) -> bool:
    """Whether the run was taken up since, with an answer to a question it waited for or after a limit had ended it.

    `resumed` is how often the run had been taken up when that was so.
    """
    still_open = {question.id for question in voyage.questions.open}
    return times_resumed(voyage) > resumed and (cut_short or not still_open.issuperset(waiting))


async def say_again(voyage: Voyage, tasks: Collection[str], *, path: str) -> None:
    """Tells how `tasks`, and small tasks, had ended: a run that is taken up takes that back, and nobody begins them."""

    async def say() -> None:
        events = voyage.journal.events
        since = max(one.seq for one in events if isinstance(one.event, RunResumed))
        ours = {one.event.task.id for one in events if isinstance(one.event, TaskAdded)} | set(tasks)
        last = {one.event.task: one for one in events if isinstance(one.event, TaskChanged)}
        for task, one in last.items():
            if task in ours and one.seq < since and is_taken_back(one.event):
                await voyage.tell(one.event)

    if (times := times_resumed(voyage)) > 0:
        await voyage.step(f"{path}/{times}", say, inputs={}, gives=NoneType, effect="read")
