"""A crewmate: a model in a role, with the journal and the ledger its calls go through."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field

import anyio

from captain.core import codec
from captain.core.clock import Clock, SystemClock
from captain.core.events import Event, ModelCalled, Role, ToolCalled
from captain.core.messages import Reply, Request, ToolCall
from captain.core.usage import Budget, Usage
from captain.models import Model, complete, cost_usd
from captain.runs import Journal, Ledger, MemoryStore
from captain.tools import ToolOutput

_BYTES_PER_TOKEN = 4  # a usual estimate for English and code; only reservations rest on it
_RESERVED_OUTPUT_TOKENS = 2_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Crewmate:
    """Every model call and tool call of an agent passes here, and so through `Journal.step`.

    Left to their defaults, journal and ledger live in memory and allow everything: an agent can be used
    alone.
    """

    model: Model
    name: str = "agent"
    role: Role = "build"
    task: str | None = None
    clock: Clock = field(default_factory=SystemClock)
    journal: Journal = field(default_factory=lambda: Journal(MemoryStore(), SystemClock()))
    ledger: Ledger = field(default_factory=lambda: Ledger(Budget(), SystemClock()))

    async def ask(self, request: Request, *, path: str) -> Reply:
        """One model call: reserved before, settled after, never made twice for one path."""

        async def call() -> Reply:
            estimate = _estimate(request)
            cost = cost_usd(self.model.profile, estimate)
            with self.ledger.reserve(tokens=estimate.total_tokens, cost_usd=cost) as reservation:
                started_s = self.clock.monotonic_s()
                reply = await complete(self.model, request)
                price = cost_usd(self.model.profile, reply.usage)
                reservation.settle(reply.usage, price)
            await self._happened(
                ModelCalled(
                    agent=self.name,
                    role=self.role,
                    model=self.model.id,
                    usage=reply.usage,
                    cost_usd=price,
                    first_event_s=reply.first_event_s,
                    duration_s=self.clock.monotonic_s() - started_s,
                )
            )
            return reply

        return await self.journal.step(path, call, inputs=(self.model.id, codec.digest(request)), gives=Reply)

    async def use(self, call: ToolCall, work: Callable[[], Awaitable[ToolOutput]], *, path: str) -> ToolOutput:
        """One tool call."""

        async def run() -> ToolOutput:
            started_s = self.clock.monotonic_s()
            output = await work()
            await self._happened(
                ToolCalled(
                    agent=self.name,
                    tool=call.name,
                    summary=_summary(call),
                    is_error=output.is_error,
                    duration_s=self.clock.monotonic_s() - started_s,
                )
            )
            return output

        return await self.journal.step(path, run, inputs=(call.name, call.arguments), gives=ToolOutput)

    async def tell(self, event: Event) -> None:
        await self.journal.record(event)

    async def _happened(self, event: Event) -> None:
        """What is paid or done is on record, also when a cancellation comes right after it."""
        with anyio.CancelScope(shield=True):
            await self.journal.record(event)


def _estimate(request: Request) -> Usage:
    return Usage(
        input_tokens=len(codec.to_json(request)) // _BYTES_PER_TOKEN,
        output_tokens=request.settings.max_output_tokens or _RESERVED_OUTPUT_TOKENS,
    )


def _summary(call: ToolCall) -> str:
    """The argument that says most, on one line."""
    try:
        arguments = json.loads(call.arguments or "{}")
    except (ValueError, RecursionError):
        return ""
    if not isinstance(arguments, dict):
        return ""
    for name in ("command", "path", "pattern", "title", "arguments", "kind", "summary"):
        if value := arguments.get(name):
            text = " ".join(map(str, value)) if isinstance(value, list) else str(value)
            return " ".join(text.split())[:120]
    return ""
