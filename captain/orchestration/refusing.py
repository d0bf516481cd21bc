"""Refusals: what the Captain is told of a proposal that breaks rules, counted, and where the patience ends."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Literal

from captain.core.errors import NeedsPersonError
from captain.core.events import Refused
from captain.core.house_rules import Broken
from captain.orchestration.context import Voyage
from captain.tools import ToolOutput, said

MAX_REFUSALS: Final = 3
_SAID: Final = 8


_HINTS: Final[dict[str, str]] = {
    "triage": "Say more precisely what goes wrong and how to see it, or use another model as Captain.",
    "plan": "Say which part matters most, ask for less at once, or use another model as Captain.",
}


class Refusals:
    """Of one proposal. The third one ends the run with a question to a person."""

    def __init__(self, voyage: Voyage, what: Literal["triage", "plan"]) -> None:
        self._voyage = voyage
        self._what = what
        self.count = 0

    async def refuse(self, broken: Sequence[Broken]) -> ToolOutput:
        """Raises `NeedsPersonError` when patience ends."""
        self.count += 1
        problems = tuple(each.how for each in broken)
        rules = tuple(each.rule for each in broken)
        await self._voyage.tell(Refused(what=self._what, problems=problems, rules=rules))
        if self.count >= MAX_REFUSALS:
            raise NeedsPersonError(
                f"The Captain's {self._what} was refused {MAX_REFUSALS} times. The last "
                f"{'reason' if len(problems) == 1 else 'reasons'}: {listed(problems)}",
                hint=_HINTS[self._what],
            )
        return said(f"The {self._what} was not taken:\n" + "\n".join(f"- {p}" for p in problems), is_error=True)


def listed(problems: Sequence[str]) -> str:
    """As sentences one after another; more than a few are counted."""
    shown = [problem.rstrip(".") for problem in problems[:_SAID]]
    more = f"; and {len(problems) - _SAID} more" if len(problems) > _SAID else ""
    return "; ".join(shown) + more + "."
