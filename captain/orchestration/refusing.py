"""Refusals: what the Captain is told of a proposal that breaks rules, counted, and where the patience ends."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Literal

from captain.core.errors import NeedsPersonError
from captain.core.events import Refused, RequestEnded, RunEnded
from captain.core.house_rules import Broken
from captain.orchestration.context import Voyage
from captain.tools import ToolOutput, said

MAX_REFUSALS: Final = 3
"""After so many, and after so many more each time a person has had the run go on all the same."""
_SAID: Final = 8


_HINTS: Final[dict[str, str]] = {
    "triage": "Say more precisely what goes wrong and how to see it, or use another model as Captain.",
    "plan": "Say which part matters most, ask for less at once, or use another model as Captain.",
}


class Refusals:
    """Of one proposal for one request. The third one ends that with a question to a person.

    They are counted on record, so that a run which is taken up again has no more patience than it had left.
    """

    def __init__(self, voyage: Voyage, what: Literal["triage", "plan"]) -> None:
        self._voyage = voyage
        self._what = what
        self._request = voyage.number

    @property
    def count(self) -> int:
        """One call that was handed in anew by another process counts once."""
        return len({call or place for place, call in self._on_record()})

    async def refuse(self, broken: Sequence[Broken], call: str) -> ToolOutput:
        """Raises `NeedsPersonError` when patience ends."""
        problems = tuple(each.how for each in broken)
        rules = tuple(each.rule for each in broken)
        await self._voyage.tell(
            Refused(what=self._what, problems=problems, rules=rules, call=call, request=self._request)
        )
        if self.count % MAX_REFUSALS == 0 and not self._was_put_to_a_person(call):
            raise NeedsPersonError(
                f"The Captain's {self._what} was refused {self.count} times. The last "
                f"{'reason' if len(problems) == 1 else 'reasons'}: {listed(problems)}",
                hint=_HINTS[self._what],
            )
        return said(f"The {self._what} was not taken:\n" + "\n".join(f"- {p}" for p in problems), is_error=True)

    def _on_record(self) -> list[tuple[int, str]]:
        """Where in the record each refusal stands, and the call that was refused."""
        events = enumerate(recorded.event for recorded in self._voyage.journal.events)
        return [
            (at, event.call)
            for at, event in events
            if isinstance(event, Refused) and (event.what, event.request) == (self._what, self._request)
        ]

    def _was_put_to_a_person(self, call: str) -> bool:
        """Whether the run, or the request, has ended for this very refusal before: somebody took it up all the same."""
        first = next(place for place, refused in self._on_record() if refused == call)
        later = (recorded.event for recorded in self._voyage.journal.events[first:])
        return any(
            event.status == "needs_human"
            for event in later
            if isinstance(event, RunEnded) or (isinstance(event, RequestEnded) and event.request == self._request)
        )


def listed(problems: Sequence[str]) -> str:
    """As sentences one after another; more than a few are counted."""
    shown = [problem.rstrip(".") for problem in problems[:_SAID]]
    more = f"; and {len(problems) - _SAID} more" if len(problems) > _SAID else ""
    return "; ".join(shown) + more + "."
