"""A crewmate: a model in a role, with the journal and the ledger its calls go through."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from decimal import Decimal
from functools import partial
from typing import Final

import anyio

from captain.core import codec
from captain.core.clock import Clock, SystemClock
from captain.core.errors import CaptainError, ModelError
from captain.core.events import Event, ModelCalled, Role, ToolCalled
from captain.core.masking import Masker
from captain.core.messages import Reply, Request, Settings, ToolCall
from captain.core.usage import Budget, Usage
from captain.models import Model, complete, cost_usd, reply_cost_usd
from captain.models.base import repeated
from captain.runs import Effect, Journal, Ledger
from captain.sandbox import secret_variables
from captain.tools import ToolOutput

_RESERVED_OUTPUT_TOKENS: Final = 2_000
_REPEATS: Final = 2  # of a call whose answer broke off


@dataclass(frozen=True, slots=True, kw_only=True)
class Used:
    """What a tool call gave and the seconds it took: remembered, as waiting is judged by them on a resumed run too."""

    output: ToolOutput
    took_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Crewmate:
    """Every model call and tool call of an agent passes here, and so through `Journal.step`.

    Without a journal nothing is kept, and the default ledger allows everything: an agent can be used alone.
    `masker` takes secrets out of what the model is shown and of what it answers.
    """

    model: Model
    name: str = "agent"
    role: Role = "build"
    task: str | None = None
    clock: Clock = field(default_factory=SystemClock)
    journal: Journal | None = None
    ledger: Ledger = field(default_factory=lambda: Ledger(Budget(), SystemClock()))
    masker: Masker = field(default_factory=lambda: Masker(named=secret_variables()))

    def estimate(self, input_tokens: int, settings: Settings) -> Usage:
        """What a call may use at most, as far as can be known before it."""
        return Usage(input_tokens=input_tokens, output_tokens=settings.max_output_tokens or _RESERVED_OUTPUT_TOKENS)

    def price(self, usage: Usage) -> Decimal | None:
        return cost_usd(self.model.profile, usage)

    async def ask(
        self,
        request: Request,
        wanted: Usage,
        *,
        path: str,
        inputs: Callable[[], str] | None = None,
        turn: bool = True,
    ) -> Reply:
        """One model call: reserved before, settled after, never made twice for one path.

        `inputs` gives the digest of the conversation where it is at hand; else the request is digested. `turn` says
        whether an agent takes a turn with it.
        """

        async def call() -> Reply:
            return await repeated(partial(self._attempt, request, wanted, turn=turn), _REPEATS)

        if self.journal is None:
            return await call()
        digest = codec.digest(request) if inputs is None else inputs()
        given = {"model": self.model.id, "instructions": request.instructions, "conversation": digest}
        return await self.journal.step(path, call, inputs=given, gives=Reply, effect="call")

    async def _attempt(self, request: Request, wanted: Usage, *, turn: bool) -> Reply:
        """What may be charged for is spent and on record, whether an answer came of it or not."""
        started_s = self.clock.monotonic_s()
        with self.ledger.reserve(tokens=wanted.total_tokens, cost_usd=self.price(wanted), turn=turn) as reservation:
            try:
                reply = self.masker.value(await complete(self.model, request))
            except BaseException as error:
                if isinstance(error, CaptainError):
                    self.masker.error(error)
                if _may_be_charged(error):
                    lost = self._called(wanted, self.price(wanted), started_s, turn=False, estimated=True)
                    reservation.broke_off(lost.usage, lost.cost_usd)
                    await self._happened(lost)
                raise
            counted = reply.usage.total_tokens > 0  # no call uses nothing: its server does not count
            usage = reply.usage if counted else wanted
            price = reply_cost_usd(self.model.profile, replace(reply, usage=usage))
            called = self._called(usage, price, started_s, turn=turn, estimated=not counted, reply=reply)
            reservation.settle(usage, price, estimated=not counted)
        await self._happened(called)
        for _ in range(reply.lost_calls):  # what they came to nobody says: they were asked the same
            lost = replace(called, turn=False, estimated=True, first_event_s=0.0)
            self.ledger.charge(usage, price)
            await self._happened(lost)
        return reply

    def _called(
        self,
        usage: Usage,
        price: Decimal | None,
        started_s: float,
        *,
        turn: bool,
        estimated: bool,
        reply: Reply | None = None,
    ) -> ModelCalled:
        return ModelCalled(
            agent=self.name,
            role=self.role,
            model=(reply.answered_by if reply else "") or self.model.id,
            usage=usage,
            cost_usd=price,
            first_event_s=reply.first_event_s if reply else 0.0,
            duration_s=self.clock.monotonic_s() - started_s,
            turn=turn,
            estimated=estimated,
        )

    async def use(
        self, call: ToolCall, work: Callable[[], Awaitable[ToolOutput]], *, path: str, effect: Effect
    ) -> Used:
        """One tool call."""

        async def run() -> Used:
            started_s = self.clock.monotonic_s()
            output = await work()
            took_s = self.clock.monotonic_s() - started_s
            await self._happened(
                ToolCalled(
                    agent=self.name,
                    tool=call.name,
                    summary=_summary(call),
                    is_error=output.is_error,
                    duration_s=took_s,
                )
            )
            return Used(output=output, took_s=took_s)

        if self.journal is None:
            return await run()
        given = {"tool": call.name, "arguments": call.arguments}
        return await self.journal.step(path, run, inputs=given, gives=Used, effect=effect)

    async def tell(self, event: Event) -> None:
        if self.journal is not None:
            await self.journal.record(event)

    async def _happened(self, event: Event) -> None:
        """What is paid or done is on record, also when a cancellation comes right after it."""
        with anyio.CancelScope(shield=True):
            await self.tell(event)


def _may_be_charged(error: BaseException) -> bool:
    """Whether a call that ended like this may have been at work: its answer broke off, or nobody waited for it."""
    if isinstance(error, ModelError):
        return error.may_be_charged
    return isinstance(error, anyio.get_cancelled_exc_class())


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
