"""What a run is shown on: the interface, JSON lines for machines, and silence."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING, Protocol

from captain.core import codec
from captain.core.events import Recorded
from captain.reports.escape import one_line
from captain.reports.jsonable import dumps, to_dict
from captain.reports.view import RunView

if TYPE_CHECKING:
    from captain.api import Outcome


class Screen(Protocol):
    """`refresh_s` is how often `tick` wants to be called; None for never."""

    refresh_s: float | None

    def show(self, recorded: Recorded, view: RunView) -> None:
        """An event that `view` has taken in already."""
        ...

    def tick(self) -> None: ...

    def say(self, text: str) -> None:
        """A word from the command itself, to the person before it."""
        ...

    def hold(self, held: bool, /) -> None:
        """While held, nothing is drawn: a question stands on the terminal."""
        ...

    def close(self) -> None:
        """Leaves the terminal as it was; may be called twice."""
        ...

    def finish(self, outcome: Outcome) -> None:
        """The last words, after `close`."""
        ...


class JsonScreen:
    """One JSON object per line on standard output: the recorded events, then `{"outcome": …}`."""

    refresh_s: float | None = None

    def show(self, recorded: Recorded, view: RunView) -> None:
        self._print(json.loads(codec.to_json(recorded)))

    def tick(self) -> None:
        return None

    def say(self, text: str) -> None:
        whisper(text)

    def hold(self, held: bool, /) -> None:
        return None

    def close(self) -> None:
        return None

    def finish(self, outcome: Outcome) -> None:
        said: dict[str, object] = {
            "run": outcome.run,
            "status": outcome.status,
            "summary": outcome.summary,
            "hint": outcome.hint,
            "branch": outcome.branch,
            "folder": str(outcome.folder),
        }
        if outcome.status == "planned":
            whole = to_dict(outcome.view)
            said |= {name: whole[name] for name in ("items", "plan", "estimate", "other_estimates")}
        self._print({"outcome": said})

    def _print(self, value: object) -> None:
        print(dumps(value), flush=True)


def whisper(text: str) -> None:
    """One line on standard error."""
    print(one_line(text), file=sys.stderr, flush=True)
