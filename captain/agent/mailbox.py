"""Words from the user to an agent at work, handed over where its conversation can take them."""

from __future__ import annotations

from contextlib import AbstractContextManager
from typing import Protocol

import anyio

STOPPED = "Stopped: a message from the user came in."
"""What a tool call gives that was cut off for a message."""


class Mailbox(Protocol):
    """Of one agent. What was handed over is on record, and a resumed run hands it over again in the same place."""

    def attend(self, path: str, /) -> AbstractContextManager[None]:
        """While the agent of that path is at work."""
        ...

    async def due(self, turn: int, *, asked: bool, done: bool = False) -> tuple[str, ...]:
        """What is to be said before that turn.

        Where the turn's reply is on record (`asked`), that is only what was said then. What waits until the agent
        would be through is due when it is `done`.
        """
        ...

    def cut(self) -> AbstractContextManager[anyio.CancelScope]:
        """Around what an urgent message may cut off."""
        ...


def quoted(texts: tuple[str, ...]) -> str:
    """As the agent is told it."""
    lines = "\n".join(f"> {line}" for text in texts for line in text.splitlines())
    return f"The user says:\n\n{lines}"
