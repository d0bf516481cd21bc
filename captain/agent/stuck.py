"""Noticing an agent that goes in circles: turns that bring nothing new, or one failure in many words.

Waiting is not being stuck: a call that took long does not count, and a call whose output changes is news.
"""

from __future__ import annotations

import re
from collections import deque
from collections.abc import Sequence
from typing import Final, Literal

from captain.core.messages import Text, ToolCall
from captain.tools import ToolOutput

_VARYING: Final = re.compile(r"""'[^']*'|"[^"]*"|`[^`]*`|\d+|\s+""")


class StuckWatch:
    """Sees every turn of one agent. The first time it asks for a nudge, the second time for a stop."""

    STALE_TURNS: Final = 3
    FAILED_TURNS: Final = 6
    REMEMBERED_TURNS: Final = 12
    WAITING_S: Final = 10.0
    ADVICE: Final = (
        "You have made the same calls with the same outcome several times. Try something else, "
        "or finish and say what is in the way."
    )

    def __init__(self) -> None:
        self._seen: deque[frozenset[int]] = deque(maxlen=self.REMEMBERED_TURNS)
        self._stale = 0
        self._failure = ""
        self._failed = 0
        self._nudged = False

    def see(
        self, calls: Sequence[ToolCall], outputs: Sequence[ToolOutput], took_s: Sequence[float] = ()
    ) -> Literal["go on", "nudge", "stop"]:
        """One turn's calls with their outcomes, and how many seconds each took."""
        seconds = (*took_s, *(0.0 for _ in calls[len(took_s) :]))
        quick = [(call, output) for call, output, s in zip(calls, outputs, seconds, strict=True) if s < self.WAITING_S]
        if not quick:
            return "go on"
        self._count_stale(quick)
        self._count_failed(quick)
        if self._stale < self.STALE_TURNS and self._failed < self.FAILED_TURNS:
            return "go on"
        self._seen.clear()
        self._stale = self._failed = 0
        if self._nudged:
            return "stop"
        self._nudged = True
        return "nudge"

    def _count_stale(self, turn: Sequence[tuple[ToolCall, ToolOutput]]) -> None:
        """Turns in a row of which every call was made before, with the same outcome: A A A A, or A B A B A."""
        now = frozenset(hash((call.name, call.arguments, _text(output))) for call, output in turn)
        self._stale = self._stale + 1 if now <= frozenset().union(*self._seen) else 0
        self._seen.append(now)

    def _count_failed(self, turn: Sequence[tuple[ToolCall, ToolOutput]]) -> None:
        """Turns in a row with the same failure, however worded: names, numbers and quotes do not count."""
        failures = {f"{call.name} {_VARYING.sub(' ', _text(output))}" for call, output in turn if output.is_error}
        failure = failures.pop() if len(failures) == 1 and all(output.is_error for _, output in turn) else ""
        self._failed = self._failed + 1 if failure and failure == self._failure else int(bool(failure))
        self._failure = failure


def _text(output: ToolOutput) -> str:
    return "".join(part.text for part in output.content if isinstance(part, Text))
