"""A crewmate: a model in a role, with the journal and the ledger its calls go through."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
from decimal import Decimal
from functools import partial
from typing import Final, TypeVar

import anyio

from captain.agent.checkpoints import Checkpoints
from captain.core import codec
from captain.core.clock import Clock, SystemClock
from captain.core.errors import CaptainError, ModelError
from captain.core.events import Event, ModelCalled, Role, ToolCalled
from captain.core.masking import Masker
from captain.core.messages import Reply, Request, Settings, ToolCall
from captain.core.usage import Budget, Usage
from captain.models import Model, complete, cost_usd, reply_cost_usd
from captain.models.base import repeated
from captain.runs import Effect, Happened, Journal, Ledger, Repeat, Unfinished
from captain.sandbox import secret_variables
from captain.tools import ToolOutput, said

T = TypeVar("T")

_RESERVED_OUTPUT_TOKENS: Final = 2_000
_HAPPENED: Final = (
    "This had begun when the process was lost, and it did happen, as somebody says who has looked. "
    "What it gave is not known."
)
_CHANGES_FILES: Final[frozenset[Effect]] = frozenset({"write", "command"})
_REPEATS: Final = 2  # of a call whose answer broke off


@dataclass(frozen=True, slots=True, kw_only=True)
class Used:
    """What a tool call gave and the seconds it took: remembered, as waiting is judged by them on a resumed run too.

    `files` is the commit of the workspace after a call that may have changed it, where that is kept.
    """

    output: ToolOutput
    took_s: float
    files: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Crewmate:
    """Every model call and tool call of an agent passes here, and so through `Journal.step`.

    Without a journal nothing is kept, and the default ledger allows everything: an agent can be used alone.
    `masker` takes secrets out of what the model is shown and of what it answers. `happened` finds out about an effect
    outside of this machine that had begun before the run was resumed.
    """

    model: Model
    name: str = "agent"
    role: Role = "build"
    task: str | None = None
    clock: Clock = field(default_factory=SystemClock)
    journal: Journal | None = None
    ledger: Ledger = field(default_factory=lambda: Ledger(Budget(), SystemClock()))
    happened: Callable[[Unfinished], Awaitable[bool]] | None = None
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

        paid: list[ModelCalled] = []

        async def call() -> Reply:
            return await repeated(partial(self._attempt, request, wanted, turn=turn, paid=paid), _REPEATS)

        if self.journal is None:
            return await call()
        # Neither the model nor its instructions: a run that is resumed may have another crew or newer prompts.
        given = {"conversation": codec.digest(request.messages) if inputs is None else inputs()}
        return await self.journal.step(path, call, inputs=given, gives=Reply, effect="call", tells=lambda _: paid)

    async def _attempt(self, request: Request, wanted: Usage, *, turn: bool, paid: list[ModelCalled]) -> Reply:
        """What may be charged for is spent and told, whether an answer came of it or not.

        What led to the answer goes into `paid`, to be recorded together with it.
        """
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
        paid.append(called)
        for _ in range(reply.lost_calls):  # what they came to nobody says: they were asked the same
            lost = replace(called, turn=False, estimated=True, first_event_s=0.0)
            self.ledger.charge(usage, price)
            paid.append(lost)
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
        self,
        call: ToolCall,
        work: Callable[[], Awaitable[ToolOutput]],
        *,
        path: str,
        effect: Effect,
        checkpoints: Checkpoints | None = None,
    ) -> Used:
        """One tool call. Its result and the files it left are remembered together: neither is without the other."""
        remembered = self.knows(path)

        async def run() -> Used:
            if checkpoints is not None:
                await checkpoints.catch_up()
            started_s = self.clock.monotonic_s()
            output = await work()
            took_s = self.clock.monotonic_s() - started_s
            keeps = checkpoints is not None and effect in _CHANGES_FILES
            return Used(output=output, took_s=took_s, files=await checkpoints.take() if keeps and checkpoints else None)

        def told(used: Used) -> tuple[Event, ...]:
            called = ToolCalled(
                agent=self.name,
                tool=call.name,
                summary=_summary(call),
                is_error=used.output.is_error,
                duration_s=used.took_s,
            )
            return (called,)

        if self.journal is None:
            return await run()
        given = {"tool": call.name, "arguments": call.arguments}
        used = await self.journal.step(
            path,
            run,
            inputs=given,
            gives=Used,
            effect=effect,
            settle=self._settle if self.happened is not None else None,
            tells=told,
        )
        if remembered and used.files is not None and checkpoints is not None:
            checkpoints.remembered(used.files)
        return used

    async def _settle(self, left: Unfinished) -> Repeat | Happened:
        """A workspace stands as it was before the call; the world may not."""
        if left.intent.effect != "external" or self.happened is None or not await self.happened(left):
            return Repeat()
        return Happened(Used(output=said(_HAPPENED, is_error=True), took_s=0.0))

    def knows(self, path: str) -> bool:
        """Whether the step of that path is on record."""
        return self.journal is not None and self.journal.knows(path)

    async def remember(self, path: str, work: Callable[[], Awaitable[T]], *, gives: type[T]) -> T:
        """What `work` gives, and what it gave where that is on record; it changes nothing outside of the agent."""
        if self.journal is None:
            return await work()
        return await self.journal.step(path, work, inputs=None, gives=gives, effect="call")  # it may ask the model

    async def tell(self, event: Event) -> None:
        if self.journal is not None:
            await self.journal.record(event)

    async def _happened(self, event: Event) -> None:
        """What may be charged for is on record, also when it ends by a cancellation."""
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
    for name in ("command", "path", "pattern", "title", "question", "arguments", "kind", "summary"):
        if value := arguments.get(name):
            text = " ".join(map(str, value)) if isinstance(value, list) else str(value)
            return " ".join(text.split())[:120]
    return ""
