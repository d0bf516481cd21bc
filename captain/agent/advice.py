"""Advice for an agent that goes in circles, or that asks for it: one call of a stronger model, without tools."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Final

from captain.agent.crewmate import Crewmate
from captain.agent.prompts import prompt
from captain.agent.window import CHARS_PER_TOKEN, Window, tokens_of, turn_start
from captain.core import codec
from captain.core.errors import ModelError, ToolError
from captain.core.events import AdviceTrigger, Advised
from captain.core.messages import Message, Request, Settings, Text, ToolCall, ToolResult, user
from captain.tools import Tool, ToolOutput, clip, said, tool

MAX_ADVICE: Final = 2
"""For one agent, asked for or not."""

ADVICE_CHARS: Final = 1_500

_TURNS: Final = 6
_TASK_CHARS: Final = 6_000
_PART_CHARS: Final = 1_200
_OFTEN: Final = 2  # failures of one command, from which on it is worth a word
_WHY: Final[dict[AdviceTrigger, str]] = {
    "stuck": "It made the same calls with the same outcome several times.",
    "failing": "The same command has failed twice.",
    "asked": "It asks:",
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Advisor:
    """Who advises an agent. With `unasked`, also where the agent goes in circles and does not ask."""

    mate: Crewmate
    unasked: bool = True


class CommandWatch:
    """Sees every turn of one agent, and says when a command has failed for the second time."""

    def __init__(self) -> None:
        self._failed: Counter[str] = Counter()

    def see(self, calls: Sequence[ToolCall], outputs: Sequence[ToolOutput]) -> bool:
        again = False
        for call, output in zip(calls, outputs, strict=True):
            if output.failed:
                self._failed[_command(call)] += 1
                again = again or self._failed[_command(call)] == _OFTEN
        return again


def _command(call: ToolCall) -> str:
    try:
        arguments = json.loads(call.arguments or "{}")
    except (ValueError, RecursionError):
        arguments = None
    command = arguments.get("command") if isinstance(arguments, dict) else None
    return f"{call.name} {command if isinstance(command, str) else call.arguments}"


@dataclass(slots=True)
class Advice:
    """What one agent is advised. `path` is that of its work, `turn` the one it is at.

    Each piece is made once, also in a run that is resumed: what is on record is said again in its place, and where the
    next turn is on record, nothing is said that is not.
    """

    advisor: Advisor | None
    mate: Crewmate
    window: Window
    path: str
    turn: int = 0
    given: int = 0

    async def unasked(self, trigger: AdviceTrigger) -> str | None:
        """What to say to the agent after that turn, if there is an advisor that has something to say."""
        path = f"{self.path}/turn/{self.turn}/advice"
        if not self.mate.knows(path):
            unwanted = self.advisor is None or not self.advisor.unasked or self.mate.knows(self._next_turn)
            if unwanted or self._count() >= MAX_ADVICE:
                return None
        return await self._advise(path, trigger)

    @property
    def _next_turn(self) -> str:
        return f"{self.path}/turn/{self.turn + 1}/model"

    def tools(self) -> tuple[Tool, ...]:
        """`ask_advisor`, where there is somebody to be asked."""
        if self.advisor is None:
            return ()

        # no read: what happens in it is on record between its beginning and its end
        @tool(effect="execute")
        async def ask_advisor(question: Annotated[str, "What you are stuck at, in a sentence or two."]) -> ToolOutput:
            """Asks a stronger model for advice, when you do not get on. It sees your last turns. Twice at most."""
            path = f"{self.path}/turn/{self.turn}/asked/{codec.digest(question)[:12]}"
            if not question.strip():
                raise ToolError("The question is empty.")
            if self._count() >= MAX_ADVICE and not self.mate.knows(path):
                raise ToolError(f"You were advised {MAX_ADVICE} times, which is all. Go on by yourself.")
            advice = await self._advise(path, "asked", question)
            return said(advice or "The advisor has nothing to say. Go on by yourself.", is_error=advice is None)

        return (ask_advisor,)

    def _count(self) -> int:
        """How often the agent was advised, before the run was resumed too."""
        told = self.mate.journal.events if self.mate.journal is not None else ()
        return max(self.given, sum(isinstance(e := one.event, Advised) and e.agent == self.mate.name for one in told))

    async def _advise(self, path: str, trigger: AdviceTrigger, question: str = "") -> str | None:
        asker = self.advisor.mate if self.advisor is not None else self.mate  # of a crew that has none any more
        request = Request(
            instructions=prompt("advice"),
            messages=(user(asker.masker.mask(digest(self.window, trigger, question))),),
            settings=Settings(),
            conversation=f"{asker.name}-{path}",
        )
        size = len(request.instructions) // CHARS_PER_TOKEN + sum(map(tokens_of, request.messages))
        try:
            reply = await asker.ask(request, asker.estimate(size, request.settings), path=path, turn=False)
        except ModelError:
            return None  # the agent can go on without it
        advice = reply.message.text.strip()
        if not advice:
            return None
        cut = advice if len(advice) <= ADVICE_CHARS else advice[: ADVICE_CHARS - 1] + "…"
        self.given += 1
        mate = self.mate
        await mate.tell(Advised(agent=mate.name, task=mate.task, trigger=trigger, advice=cut))
        return f"A stronger model, which sees your last turns, advises:\n\n{_quoted(cut)}"


def digest(window: Window, trigger: AdviceTrigger, question: str = "") -> str:
    """An agent's task and its last turns, as quoted data."""
    messages = window.messages
    recent = messages[max(1, turn_start(messages, _TURNS)) :]
    opening = clip(_told(messages[0], _TASK_CHARS), _TASK_CHARS)
    why = _WHY[trigger] + (f"\n\n{_quoted(question)}" if question else "")
    turns = "\n\n".join(_quoted(f"{message.role}:\n{_told(message, _PART_CHARS)}") for message in recent)
    return f"# Its task\n\n{_quoted(opening)}\n\n# Its last turns\n\n{turns}\n\n# Why you are asked\n\n{why}"


def _told(message: Message, limit_chars: int) -> str:
    lines = []
    for part in message.parts:
        if isinstance(part, ToolCall):
            lines.append(clip(f"calls {part.name} {part.arguments}", limit_chars))
        elif isinstance(part, ToolResult):
            text = "".join(inner.text for inner in part.content if isinstance(inner, Text))
            lines.append(clip(f"result{' (error)' if part.is_error else ''}: {text}", limit_chars))
        elif isinstance(part, Text):
            lines.append(clip(part.text, limit_chars))
    return "\n".join(lines)


def _quoted(text: str) -> str:
    return "\n".join(f"> {line}" for line in text.splitlines())
