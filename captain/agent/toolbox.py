"""An agent's tools in use: reads of one turn together, effects one by one, outputs in the order of the calls."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import replace
from functools import partial
from itertools import groupby
from typing import Final

from captain.agent.checkpoints import Checkpoints
from captain.agent.crewmate import Crewmate, Used
from captain.agent.mailbox import STOPPED, Mailbox
from captain.core.errors import ToolError
from captain.core.masking import MASK
from captain.core.messages import JsonObject, Text, ToolCall
from captain.core.together import together
from captain.runs import Effect
from captain.tools import Tool, ToolContext, ToolOutput, clip, said

_RESULT_LIMIT_CHARS: Final = 40_000
_ANY_MASK: Final = MASK.removesuffix("]")


class Toolbox:
    """`specs` never changes, so that prompt caches hit."""

    def __init__(
        self,
        tools: tuple[Tool, ...],
        mate: Crewmate,
        checkpoints: Checkpoints | None = None,
        mailbox: Mailbox | None = None,
    ) -> None:
        self.specs = tuple(tool.spec for tool in tools)
        self._by_name: Mapping[str, Tool] = {tool.spec.name: tool for tool in tools}
        self._mate = mate
        self._checkpoints = checkpoints
        self._mailbox = mailbox
        self._has_masked = False

    @property
    def chars(self) -> int:
        """About how much text the tools add to every request."""
        return sum(len(spec.description) + len(json.dumps(spec.parameters)) for spec in self.specs)

    async def use(self, calls: tuple[ToolCall, ...], context: ToolContext, *, path: str) -> tuple[Used, ...]:
        async def run(job: tuple[int, ToolCall]) -> Used:
            place, call = job
            named = f"{path}/{place + 1}"
            work = partial(self._call, call, replace(context, path=named))
            return await self._mate.use(
                call, work, path=named, effect=self._effect(call), checkpoints=self._checkpoints
            )

        done: list[Used] = []
        for at_once, group in groupby(enumerate(calls), key=self._is_read):
            jobs = list(group)
            if at_once and len(jobs) > 1:
                done += await together([partial(run, job) for job in jobs])
            else:
                done += [await run(job) for job in jobs]
        return tuple(done)

    def _effect(self, call: ToolCall) -> Effect:
        """As the journal names it; a call of a tool that is not there does nothing."""
        tool = self._by_name.get(call.name)
        if tool is None:
            return "read"
        return "command" if tool.effect == "execute" else tool.effect

    def _is_read(self, job: tuple[int, ToolCall]) -> bool:
        return job[1].name in self._by_name and self._effect(job[1]) == "read"

    async def _call(self, call: ToolCall, context: ToolContext) -> ToolOutput:
        """What the model is shown: masked, and only then clipped, as half a secret is not recognised."""
        output = await self._output(call, context)
        masked = self._mate.masker.value(output)
        self._has_masked |= masked is not output
        return _clipped(masked)

    async def _output(self, call: ToolCall, context: ToolContext) -> ToolOutput:
        tool = self._by_name.get(call.name)
        if tool is None:
            return said(f"There is no tool {call.name!r}. The tools are: {', '.join(self._by_name)}.", is_error=True)
        try:
            if self._has_masked and tool.effect == "write":
                _refuse_masks(call.arguments)
            with nullcontext() if self._mailbox is None else self._mailbox.cut():
                return await tool.call(_arguments(call), context)
            return said(STOPPED, is_error=True)
        except ToolError as error:
            return said(str(error), is_error=True)


def _refuse_masks(arguments: str) -> None:
    if _ANY_MASK in arguments:
        raise ToolError(
            f"{MASK} stands for a value that is not shown, and would be written in its place. "
            "Make an edit that leaves the line with it alone."
        )


def _arguments(call: ToolCall) -> JsonObject:
    try:
        arguments = json.loads(call.arguments or "{}")
    except (ValueError, RecursionError) as error:
        raise ToolError(f"The arguments of {call.name} are not valid JSON: {error}.") from error
    if not isinstance(arguments, dict):
        raise ToolError(f"The arguments of {call.name} have to be a JSON object.")
    return arguments


def _clipped(output: ToolOutput) -> ToolOutput:
    if all(not isinstance(part, Text) or len(part.text) <= _RESULT_LIMIT_CHARS for part in output.content):
        return output
    parts = (
        replace(part, text=clip(part.text, _RESULT_LIMIT_CHARS)) if isinstance(part, Text) else part
        for part in output.content
    )
    return replace(output, content=tuple(parts))
