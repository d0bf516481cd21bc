"""What is said to a run while it goes on, on its way to the agents it is for; and tasks that are to stop."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

import anyio

from captain.core.errors import UsageError
from captain.core.events import MessageDelivered, MessageSent, PlanAdopted, Recorded
from captain.runs import Journal
from captain.runs.inbox import How


@dataclass(slots=True)
class _Letter:
    sent: MessageSent
    delivered: bool = False


@dataclass(slots=True, eq=False)
class AgentMailbox:
    """Made for one agent by `Steering.mailbox`; see `captain.agent.Mailbox`."""

    steering: Steering
    agent: str
    task: str | None
    path: str = ""
    letters: list[_Letter] = field(default_factory=list)
    given: Counter[int] = field(default_factory=Counter)
    scopes: set[anyio.CancelScope] = field(default_factory=set)

    @contextmanager
    def attend(self, path: str, /) -> Iterator[None]:
        self.path = path
        self.steering.at_work(self)
        try:
            yield
        finally:
            self.steering.left(self)

    async def due(self, turn: int, *, asked: bool, done: bool = False) -> tuple[str, ...]:
        on_record = self.steering.delivered[self.path, turn]
        texts = on_record[self.given[turn] :]
        if not asked:
            for letter in [one for one in self.letters if done or one.sent.how != "queue"]:
                self.letters.remove(letter)
                await self.steering.hand_over(letter, self, turn)
                texts = (*texts, letter.sent.text)
        self.given[turn] = len(self.steering.delivered[self.path, turn])
        return tuple(texts)

    @contextmanager
    def cut(self) -> Iterator[anyio.CancelScope]:
        with anyio.CancelScope() as scope:
            self.scopes.add(scope)
            try:
                if any(letter.sent.how == "interrupt" for letter in self.letters):
                    scope.cancel()  # it came a moment before
                yield scope
            finally:
                self.scopes.discard(scope)

    def hears(self, sent: MessageSent) -> bool:
        return sent.task is None or sent.task == self.task


class Steering:
    """One for each run. What was sent to a run and reached nobody is sent again when the run is taken up."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._boxes: list[AgentMailbox] = []
        self.delivered: defaultdict[tuple[str, int], tuple[str, ...]] = defaultdict(tuple)
        self._letters = [_Letter(sent) for sent in self._take_in(journal.events)]
        self._waiting = list(self._letters)

    def _take_in(self, events: Iterable[Recorded]) -> list[MessageSent]:
        """Notes what was delivered, and gives what reached nobody."""
        sent: dict[int, MessageSent] = {}
        heard: set[int] = set()
        for recorded in events:
            if isinstance(event := recorded.event, MessageSent):
                sent[recorded.seq] = event
            elif isinstance(event, MessageDelivered):
                self.delivered[event.path, event.turn] += (event.text,)
                same = [seq for seq, one in sent.items() if one.text == event.text]
                heard.update(same[-1:])  # of the same words said twice, the later
        return [one for seq, one in sent.items() if seq not in heard]

    def mailbox(self, agent: str, task: str | None = None) -> AgentMailbox:
        return AgentMailbox(self, agent, task)

    async def send(self, text: str, *, how: How = "steer", task: str | None = None) -> None:
        """To every agent at work, or to those of a task; where there is none, to the next one. Raises `UsageError`."""
        if not text.strip():
            raise UsageError("The message is empty.", hint="Say what the agents are to know.")
        refuse_no_task(self._journal.events, task)
        sent = MessageSent(text=self._journal.masker.mask(text.strip()), how=how, task=task)
        await self._journal.record(sent)
        letter = _Letter(sent)
        self._letters.append(letter)
        boxes = [box for box in self._boxes if box.hears(sent)]
        for box in boxes:
            box.letters.append(letter)
            for scope in box.scopes if how == "interrupt" else ():
                scope.cancel()
        if not boxes:
            self._waiting.append(letter)

    def at_work(self, box: AgentMailbox) -> None:
        self._boxes.append(box)
        for letter in [one for one in self._waiting if box.hears(one.sent)]:
            self._waiting.remove(letter)
            box.letters.append(letter)

    def left(self, box: AgentMailbox) -> None:
        """What it has not taken is for whoever comes next."""
        self._boxes.remove(box)
        self._waiting += [letter for letter in box.letters if not letter.delivered]

    async def hand_over(self, letter: _Letter, box: AgentMailbox, turn: int) -> None:
        sent = letter.sent
        letter.delivered = True
        await self._journal.record(
            MessageDelivered(agent=box.agent, path=box.path, turn=turn, text=sent.text, how=sent.how, task=box.task)
        )
        self.delivered[box.path, turn] += (sent.text,)

    @property
    def undelivered(self) -> tuple[MessageSent, ...]:
        return tuple(letter.sent for letter in self._letters if not letter.delivered)


class Stops:
    """Which tasks somebody wants to stop, and what there is of them to stop."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._scopes: dict[str, anyio.CancelScope] = {}
        self._wanted: set[str] = set()

    def stop(self, task: str) -> None:
        """Raises `UsageError` for a task that the run does not have, or that is over."""
        refuse_no_task(self._journal.events, task)
        if (scope := self._scopes.get(task)) is None:
            raise UsageError(f"{task} is not at work, so there is nothing to stop.")
        self._wanted.add(task)
        scope.cancel()

    @contextmanager
    def over(self, task: str) -> Iterator[anyio.CancelScope]:
        """Around everything a task does."""
        with anyio.CancelScope() as scope:
            self._scopes[task] = scope
            try:
                yield scope
            finally:
                del self._scopes[task]

    def wanted(self, task: str) -> bool:
        return task in self._wanted


def refuse_no_task(events: Iterable[Recorded], task: str | None) -> None:
    if task is None:
        return
    names = [known.id for one in events if isinstance(one.event, PlanAdopted) for known in one.event.plan.tasks]
    if task not in names:
        raise UsageError(
            f"The run has no task {task!r}.",
            hint=f"It has {', '.join(names)}." if names else "It has no plan yet.",
        )
