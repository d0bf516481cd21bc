"""Compaction: making a conversation shorter before it no longer fits.

First old results of tools are cut to their heads; if that is not enough, the older part is told as a
summary by the model itself. Instructions, tools and brief stay what they were, so caches still hit on them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Final, Literal, TypeAlias

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


Stage: TypeAlias = Literal["clipped", "summarised"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Shrunk:
    """What was done: how many turns were kept whole by each stage, and per stage the tokens before and after."""

    clip: int
    stages: tuple[tuple[Stage, int, int], ...]
    summary: str = ""
    fold: int | None = None


@dataclass(frozen=True, slots=True)
class Compactor:
    """Looks after one window. A model whose context is not known is compacted only when it overflows."""

    mate: Crewmate
    window: Window

    async def keep_within(self, request: Request, *, path: str, asked: bool = False) -> None:
        """Makes room if the request comes near the model's limit.

        What was done before a run was resumed is done again, whatever the limit is now; and if the reply is on record
        (`asked`), nothing else is.
        """
        limit = self.mate.model.profile.context_tokens
        if self.mate.knows(path):
            await self._shrink(request, 0, path)
        elif limit is not None and not asked and self.window.tokens > FULL * limit:
            await self._shrink(request, int(_ENOUGH * limit), path)

    async def make_room(self, request: Request, *, path: str) -> None:
        """Halves the conversation at least, because the model has refused it as too long."""
        await self._shrink(request, self.window.tokens // 2, path)

    async def _shrink(self, request: Request, enough: int, path: str) -> None:
        remembered = self.mate.knows(path)
        done = await self.mate.remember(path, partial(self._make_shorter, request, enough, path), gives=Shrunk)
        if remembered:
            self._repeat(done)
        for stage, before, after in done.stages:
            event = Compacted(agent=self.mate.name, stage=stage, tokens_before=before, tokens_after=after)
            await self.mate.tell(event)

    async def _make_shorter(self, request: Request, enough: int, path: str) -> Shrunk:
        """Both stages, each keeping fewer of the last turns whole until it is enough."""
        before = self.window.tokens
        clip = self._until(enough, self.window.clip, _CLIP_KEEPS)
        between = self.window.tokens
        done = Shrunk(clip=clip, stages=(("clipped", before, between),))
        if between <= enough:
            return done
        summary = await self._summary(replace(request, messages=tuple(self.window.messages)), f"{path}/summary")
        if not summary:
            return done
        fold = self._until(enough, partial(self.window.fold, summary), _FOLD_KEEPS)
        stages = (*done.stages, ("summarised", between, self.window.tokens))
        return replace(done, summary=summary, fold=fold, stages=stages)

    def _until(self, enough: int, shorten: Callable[[int], None], keeps: Sequence[int]) -> int:
        """How many turns were kept whole when it was enough, or at last."""
        for keep_turns in keeps:
            shorten(keep_turns)
            if self.window.tokens <= enough:
                break
        return keep_turns

    def _repeat(self, done: Shrunk) -> None:
        self.window.clip(done.clip)
        if done.fold is not None:
            self.window.fold(done.summary, done.fold)

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
