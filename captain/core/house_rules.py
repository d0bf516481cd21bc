"""The rules a Captain's proposals are held to, by name, each with the sentence a report says it in."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

HouseRule: TypeAlias = Literal[
    "reply given",
    "answer answers the request",
    "request covered",
    "nothing unasked",
    "named files exist",
    "diagnosis before delegation",
    "locations exist",
    "reproduction seen to fail",
    "investigate inline first",
    "criteria are provable",
    "checks can run",
    "tasks are well formed",
    "dependencies have no circle",
    "parallel scopes are disjoint",
    "scope held",
]

HOUSE_RULES: Final[dict[HouseRule, str]] = {
    "reply given": "What leads to no work is told to the user in words.",
    "answer answers the request": "A request to change something is not settled by a reply.",
    "request covered": "Every part of the request is carried out or declined with a reason.",
    "nothing unasked": "Whatever no part of the request asks for is no task.",
    "named files exist": "A file that the request names and nobody has made is not planned on.",
    "diagnosis before delegation": "A bug is delegated only with its cause.",
    "locations exist": "A cause sits in code that exists.",
    "reproduction seen to fail": "A bug is delegated only once its reproduction was seen to fail.",
    "investigate inline first": "The Captain looks for the cause itself before others are sent to look.",
    "criteria are provable": "Every criterion has a command or evidence that proves it.",
    "checks can run": "A check is a command that exists.",
    "tasks are well formed": "A task says who does what, where.",
    "dependencies have no circle": "Tasks can be carried out in some order.",
    "parallel scopes are disjoint": "Tasks at work at the same time change no file in common.",
    "scope held": "What lies outside the scope of a task is put back.",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Broken:
    """A rule that a proposal breaks, and how, as a sentence a model can act on."""

    rule: HouseRule
    how: str
