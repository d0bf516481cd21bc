"""A scripted model that lets others run before, during and after each of its answers, as a real one does."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from decimal import Decimal
from typing import Final

import anyio.lowlevel

from captain.core.messages import Request, StreamEvent, ToolCall
from captain.core.usage import Budget, Usage
from captain.models import Profile, ScriptedModel, ScriptedReply, cost_usd
from captain.models.scripted import Script

USED: Final = Usage(input_tokens=100, output_tokens=1_900)
"""Of each of its calls: less than what is reserved for one."""
PRICED: Final = Profile(family="priced", pricing=("openai", "gpt-4o"))
PRICE_USD: Final = cost_usd(PRICED, USED) or Decimal(0)
CALLS: Final = 10
TEN_CALLS: Final = {
    "model_calls": Budget(model_calls=CALLS),
    "turns": Budget(turns=CALLS),
    "tokens": Budget(tokens=CALLS * USED.total_tokens),
    "cost_usd": Budget(cost_usd=CALLS * PRICE_USD),
}
"""A budget for ten such calls, by each of the limits."""


def paid(*calls: ToolCall) -> ScriptedReply:
    return ScriptedReply(text="Hm.", calls=calls, usage=USED)


class Unhurried(ScriptedModel):
    """`look` is called whenever others had their turn."""

    def __init__(
        self,
        script: Script,
        rng: random.Random,
        *,
        id: str = "unhurried",  # noqa: A002
        look: Callable[[], None] = lambda: None,
    ) -> None:
        super().__init__(script, id=id, profile=PRICED)
        self._rng = rng
        self._look = look

    @asynccontextmanager
    async def stream(self, request: Request, /) -> AsyncIterator[AsyncIterator[StreamEvent]]:
        await self._others()
        async with super().stream(request) as streamed:

            async def slowly() -> AsyncIterator[StreamEvent]:
                async for event in streamed:
                    await self._others()
                    yield event

            yield slowly()
        await self._others()

    async def _others(self) -> None:
        for _ in range(self._rng.randrange(6)):
            await anyio.lowlevel.checkpoint()
            self._look()
