"""Noticing an agent that goes in circles: the same call with the same outcome, again and again.

Waiting is not being stuck: a call whose output changes resets the count.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Final, Literal

from captain.core.messages import Text, ToolCall
from captain.tools import ToolOutput


class StuckWatch:
    """Sees every turn of one agent. The first time it asks for a nudge, the second time for a stop."""

    REPEATS: Final = 4
    ADVICE: Final = (
        "You have made the same call with the same outcome several times. Try something else, "
        "or finish and say what is in the way."
    )

    def __init__(self) -> None:
        self._seen: Counter[tuple[str, str, str]] = Counter()
        self._nudged = False

    def see(self, calls: Sequence[ToolCall], outputs: Sequence[ToolOutput]) -> Literal["go on", "nudge", "stop"]:
        new = {(call.name, call.arguments, _text(output)) for call, output in zip(calls, outputs, strict=True)}
        if new - self._seen.keys():
            self._seen.clear()  # something moved
        self._seen.update(new)
        if max(self._seen.values(), default=0) < self.REPEATS:
            return "go on"
        self._seen.clear()
        if self._nudged:
            return "stop"
        self._nudged = True
        return "nudge"


def _text(output: ToolOutput) -> str:
    return "".join(part.text for part in output.content if isinstance(part, Text))
