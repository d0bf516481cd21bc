"""What other processes have to say to a run, heard by the one that carries it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Final, Protocol

import anyio

from captain.core.errors import JournalError, UsageError
from captain.core.events import Noticed
from captain.orchestration.context import Voyage
from captain.runs import AddMessage, AnswerMessage, CancelMessage, SteerMessage
from captain.runs.inbox import How

LOOK_EVERY_S: Final = 0.5


class Hearer(Protocol):
    """A run under way, as far as it can be spoken to."""

    async def send(self, text: str, *, how: How = "steer", task: str | None = None) -> None: ...

    async def add(self, request: str) -> int: ...

    def cancel(self, task: str | None = None) -> None: ...


@asynccontextmanager
async def listening(voyage: Voyage, run: Hearer) -> AsyncIterator[None]:
    """What came while nobody carried the run is heard before anything else; then it is looked for all the time."""
    await _hear(voyage, run, stops=False)
    error: Exception | None = None
    async with anyio.create_task_group() as group:
        group.start_soon(_listen, voyage, run)
        try:
            yield
        except Exception as own:  # noqa: BLE001 - raised again below, out of the group that would wrap it
            error = own
        group.cancel_scope.cancel()
    if error is not None:
        raise error


async def _listen(voyage: Voyage, run: Hearer) -> None:
    while True:
        await anyio.sleep(LOOK_EVERY_S)  # of the world, not of the run: what comes from outside goes by no other clock
        try:
            await _hear(voyage, run)
        except JournalError:  # whoever carries the run meets it as well, and says so
            return


async def _hear(voyage: Voyage, run: Hearer, *, stops: bool = True) -> None:
    """Without `stops`, what was to be stopped had ended by itself: who takes the run up wants it to go on."""
    for posted in await voyage.inbox.waiting():
        try:
            match posted.message:
                case AnswerMessage(question=question, choice=choice, text=text):
                    await voyage.questions.answer(question, choice, text, by="person")
                case SteerMessage(text=text, how=how, task=task):
                    await run.send(text, how=how, task=task)
                case AddMessage(request=request):
                    await run.add(request)
                case CancelMessage(task=task) if stops:
                    run.cancel(task)
                case CancelMessage():
                    await voyage.tell(Noticed(text="A message to stop the run came when nobody carried it any more."))
        except UsageError as error:  # it was right when it was posted; things have moved on since
            await voyage.tell(Noticed(text=f"A message to the run came too late: {error}"))
        with anyio.CancelScope(shield=True):
            await voyage.inbox.taken(posted)
