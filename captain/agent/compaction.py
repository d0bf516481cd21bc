"""Compaction: making a conversation shorter before it no longer fits.

First old results of tools are cut to their heads; if that is not enough, the older part is told as a
summary by the model itself. Instructions, tools and brief stay what they were, so caches still hit on them.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final, Literal

from captain.agent.crewmate import Crewmate
from captain.agent.prompts import prompt
from captain.agent.window import Window
from captain.core.events import Compacted
from captain.core.messages import Request, UserMessage, user

FULL: Final = 0.8
"""The share of the context at which room is made: estimates are off by a tenth, and the answer needs space."""

_ENOUGH: Final = 0.5
_CLIP_KEEPS: Final = (6, 3, 1, 0)
_FOLD_KEEPS: Final = (4, 2, 1)


@dataclass(frozen=True, slots=True)
class Compactor:
    """Looks after one window. A model whose context is not known is compacted only when it overflows."""

    mate: Crewmate
    window: Window

    async def keep_within(self, request: Request, *, path: str) -> None:
        """Makes room if the request comes near the model's limit."""
        limit = self.mate.model.profile.context_tokens
        if limit is not None and self.window.tokens > FULL * limit:
            await self._shrink(request, int(_ENOUGH * limit), path)

    async def make_room(self, request: Request, *, path: str) -> None:
        """Halves the conversation at least, because the model has refused it as too long."""
        await self._shrink(request, self.window.tokens // 2, path)

    async def _shrink(self, request: Request, enough: int, path: str) -> None:
        """Both stages, each keeping fewer of the last turns whole until it is enough."""
        before = self.window.tokens
        for keep_turns in _CLIP_KEEPS:
            self.window.clip(keep_turns)
            if self.window.tokens <= enough:
                break
        await self._tell("clipped", before)
        if self.window.tokens <= enough:
            return
        before = self.window.tokens
        summary = await self._summary(replace(request, messages=tuple(self.window.messages)), path)
        if not summary:
            return
        for keep_turns in _FOLD_KEEPS:
            self.window.fold(summary, keep_turns)
            if self.window.tokens <= enough:
                break
        await self._tell("summarised", before)

    async def _summary(self, request: Request, path: str) -> str:
        """The older part in the model's words; empty if it would not say them."""
        *earlier, last = request.messages
        ask = user(prompt("compaction"))
        asked = [UserMessage(parts=(*last.parts, *ask.parts))] if isinstance(last, UserMessage) else [last, ask]
        request = replace(request, messages=(*earlier, *asked))
        for tools in (request.tools, ()):  # with its tools for the cache's sake; without, if it calls one
            wanted = self.mate.estimate(self.window.tokens, request.settings)
            attempt = path if tools else f"{path}/without-tools"
            reply = await self.mate.ask(replace(request, tools=tools), wanted, path=attempt, turn=False)
            if text := reply.message.text.strip():
                return text
        return ""

    async def _tell(self, stage: Literal["clipped", "summarised"], before: int) -> None:
        event = Compacted(agent=self.mate.name, stage=stage, tokens_before=before, tokens_after=self.window.tokens)
        await self.mate.tell(event)
