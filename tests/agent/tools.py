"""Small tools and mates for tests of the agent loop."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from captain.agent import Crewmate
from captain.core.errors import ToolError
from captain.core.events import Event
from captain.core.messages import Message, Request, Text, ToolResult, UserMessage
from captain.core.usage import Budget
from captain.models import Model, ScriptedModel
from captain.runs import Ledger, MemoryStore, RunJournal
from captain.testing import FakeClock
from captain.tools import ToolOutput, tool


@tool(effect="read")
async def look(at: str) -> str:
    """Looks at something."""
    return f"saw {at}"


@tool(effect="write")
async def act(on: str) -> str:
    """Does something."""
    return f"did {on}"


@tool(effect="execute")
async def fail(why: str) -> str:
    """Fails."""
    raise ToolError(why)


@tool(effect="read")
async def hand_in(answer: str) -> ToolOutput:
    """Hands in an answer and ends the work."""
    return ToolOutput(content=(Text(text="Thank you."),), submission=f'"{answer}"')


def mate(
    model: Model,
    *,
    budget: Budget | None = None,
    journal: RunJournal | None = None,
    clock: FakeClock | None = None,
    **more: Any,
) -> Crewmate:
    clock = clock or FakeClock()
    return Crewmate(
        model=model,
        clock=clock,
        journal=journal or RunJournal(MemoryStore(), clock),
        ledger=Ledger(budget or Budget(), clock),
        **more,
    )


def events(of: Crewmate) -> list[Event]:
    assert of.journal is not None
    return [recorded.event for recorded in of.journal.events]


def results(message: Message) -> list[tuple[str, bool]]:
    """The tool results in a message: text, and whether it is an error."""
    assert isinstance(message, UserMessage)
    return [
        ("".join(shown.text for shown in part.content if isinstance(shown, Text)), part.is_error)
        for part in message.parts
        if isinstance(part, ToolResult)
    ]


def words(message: Message) -> str:
    return "".join(part.text for part in message.parts if isinstance(part, Text))


def pairs(model: ScriptedModel) -> Iterator[tuple[Request, Request]]:
    return zip(model.requests, model.requests[1:], strict=False)
