"""The agent loop: ask the model, run the tools it calls, until it is done or has to stop."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import groupby
from typing import Final, Literal, TypeAlias

from captain.agent.crewmate import Crewmate
from captain.agent.stuck import StuckWatch
from captain.core.errors import CaptainError, ToolError
from captain.core.events import AgentEnded, AgentStarted
from captain.core.messages import (
    AssistantMessage,
    JsonObject,
    Message,
    Reply,
    Request,
    Settings,
    Text,
    ToolCall,
    ToolResult,
    UserMessage,
    user,
)
from captain.core.tasks import FollowUp
from captain.core.together import together
from captain.sandbox import Box
from captain.tools import Tool, ToolContext, ToolOutput, clip, said

Ending: TypeAlias = Literal["done", "turn_limit", "stuck", "silent"]

_NUDGES: Final = 2
_RESULT_LIMIT_CHARS: Final = 40_000


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentResult:
    """How an agent's work ended. `submission` is the JSON of the tool call that ended it, if one did."""

    ending: Ending
    text: str
    turns: int
    messages: tuple[Message, ...]
    submission: str | None = None
    follow_ups: tuple[FollowUp, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Agent:
    """A model with instructions and tools. With `submits`, only a submission by that tool ends its work.

    An agent keeps no state between runs: hand the `messages` of a result back in to go on from there.
    """

    mate: Crewmate
    instructions: str
    tools: tuple[Tool, ...] = ()
    submits: str | None = None
    max_turns: int = 200
    settings: Settings = Settings()

    async def run(
        self,
        brief: str,
        *,
        box: Box | None = None,
        path: str = "agent",
        history: Sequence[Message] = (),
        command_timeout_s: float = 600.0,
    ) -> AgentResult:
        """Works on `brief`. `path` names this work in the journal and must be unique in its run.

        Raises `ModelError` and `BudgetExceededError`; a tool's own failure is told to the model.
        """
        mate = self.mate
        await mate.tell(AgentStarted(agent=mate.name, role=mate.role, model=mate.model.id, task=mate.task))
        context = ToolContext(maybe_box=box, command_timeout_s=command_timeout_s)
        try:
            result = await self._work([*history, user(brief)], context, path)
        except CaptainError as error:
            await mate.tell(AgentEnded(agent=mate.name, ending="failed", turns=0, summary=str(error)))
            raise
        summary = " ".join(result.text.split())[:300]
        await mate.tell(AgentEnded(agent=mate.name, ending=result.ending, turns=result.turns, summary=summary))
        return result

    async def _work(self, messages: list[Message], context: ToolContext, path: str) -> AgentResult:
        follow_ups: list[FollowUp] = []
        watch, nudges = StuckWatch(), 0

        def ended(ending: Ending, turns: int, reply: Reply | None, submission: str | None = None) -> AgentResult:
            return AgentResult(
                ending=ending,
                text=reply.message.text if reply else "",
                turns=turns,
                messages=tuple(messages),
                submission=submission,
                follow_ups=tuple(follow_ups),
            )

        reply = None
        for turn in range(1, self.max_turns + 1):
            request = Request(
                instructions=self.instructions,
                messages=tuple(messages),
                tools=tuple(tool.spec for tool in self.tools),
                settings=self.settings,
            )
            reply = await self.mate.ask(request, path=f"{path}/turn/{turn}/model")
            messages.append(reply.message)
            if not reply.message.tool_calls:
                if reply.message.text.strip() and self.submits is None and reply.stop != "length":
                    return ended("done", turn, reply)
                if nudges == _NUDGES:
                    return ended("silent", turn, reply)
                nudges += 1
                messages.append(user(self._nudge(reply)))
                continue
            outputs = await self._run_tools(reply.message.tool_calls, context, path=f"{path}/turn/{turn}/tool")
            messages.append(_results(reply.message, outputs))
            follow_ups.extend(note for output in outputs for note in output.follow_ups)
            if submission := next((output.submission for output in outputs if output.submission), None):
                return ended("done", turn, reply, submission)
            match watch.see(reply.message.tool_calls, outputs):
                case "nudge":
                    messages[-1] = _with_text(messages[-1], StuckWatch.ADVICE)
                case "stop":
                    return ended("stuck", turn, reply)
        return ended("turn_limit", self.max_turns, reply)

    def _nudge(self, reply: Reply) -> str:
        lead = "Your answer was cut off at its length limit. " if reply.stop == "length" else ""
        if self.submits is None:
            lead = lead or "You answered nothing. "
            return lead + "Go on with the work, or say in a few words what you did."
        return lead + f"Nothing has been handed in yet. Go on, and when you are ready call `{self.submits}`."

    async def _run_tools(
        self, calls: tuple[ToolCall, ...], context: ToolContext, *, path: str
    ) -> tuple[ToolOutput, ...]:
        """Neighbouring reads run together, effects one by one; outputs stand in the order of the calls."""
        by_name = {tool.spec.name: tool for tool in self.tools}

        def is_read(job: tuple[int, ToolCall]) -> bool:
            tool = by_name.get(job[1].name)
            return tool is not None and tool.effect == "read"

        async def run(job: tuple[int, ToolCall]) -> ToolOutput:
            place, call = job
            work = partial(_call, call, by_name.get(call.name), context, by_name)
            return await self.mate.use(call, work, path=f"{path}/{place + 1}")

        outputs: list[ToolOutput] = []
        for at_once, jobs in groupby(enumerate(calls), key=is_read):
            if at_once:
                outputs += await together([partial(run, job) for job in jobs])
            else:
                outputs += [await run(job) for job in jobs]
        return tuple(outputs)


async def _call(call: ToolCall, tool: Tool | None, context: ToolContext, known: Iterable[str]) -> ToolOutput:
    if tool is None:
        return said(f"There is no tool {call.name!r}. The tools are: {', '.join(known)}.", is_error=True)
    try:
        return _clipped(await tool.call(_arguments(call), context))
    except ToolError as error:
        return said(str(error), is_error=True)


def _arguments(call: ToolCall) -> JsonObject:
    try:
        arguments = json.loads(call.arguments or "{}")
    except (ValueError, RecursionError) as error:
        raise ToolError(f"The arguments of {call.name} are not valid JSON: {error}.") from error
    if not isinstance(arguments, dict):
        raise ToolError(f"The arguments of {call.name} have to be a JSON object.")
    return arguments


def _clipped(output: ToolOutput) -> ToolOutput:
    parts = (
        replace(part, text=clip(part.text, _RESULT_LIMIT_CHARS)) if isinstance(part, Text) else part
        for part in output.content
    )
    return replace(output, content=tuple(parts))


def _results(message: AssistantMessage, outputs: Sequence[ToolOutput]) -> UserMessage:
    return UserMessage(
        parts=tuple(
            ToolResult(call_id=call.id, content=output.content, is_error=output.is_error)
            for call, output in zip(message.tool_calls, outputs, strict=True)
        )
    )


def _with_text(message: Message, text: str) -> UserMessage:
    assert isinstance(message, UserMessage)
    return UserMessage(parts=(*message.parts, Text(text=text)))
