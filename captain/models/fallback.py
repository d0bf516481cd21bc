"""Calls the next model when one has failed, and stays with the one that worked.

A conversation stays where it was answered because its prompt cache is there: sending a long history
elsewhere costs about ten times as much as going on.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import AsyncGenerator, AsyncIterator, Callable, Hashable, Sequence
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from dataclasses import dataclass, replace
from typing import Final, TypeAlias

from captain.core.clock import Clock, SystemClock
from captain.core.errors import (
    CaptainError,
    ContextOverflowError,
    ModelError,
    ModelsExhaustedError,
    RequestRejectedError,
    ScriptError,
    UsageError,
)
from captain.core.messages import Finished, Request, StreamEvent
from captain.models.around import begin, with_lost
from captain.models.base import Model, Profile, secrets_of

_CONVERSATIONS: Final = 1_000  # remembered at most
_BREAKS: Final = 2  # half answers in a row after which a conversation moves on

Failures: TypeAlias = tuple[tuple[str, CaptainError], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Switched:
    """`after` has failed, and the call goes to `model`."""

    model: str
    after: str
    error: CaptainError


OnSwitch: TypeAlias = Callable[[Switched], None]


@dataclass(slots=True)
class _Seat:
    """Where a conversation is at home, and how many answers there broke off in a row."""

    place: int
    breaks: int = 0


class Fallback:
    """Answers as the first of `models` that can. It goes by the name and the profile of the first one.

    Any `ModelError` before the first event leads to the next model, a refused request too: what one
    provider refuses (a model's name, a key, a schema, a conversation's length) another one may take. Where a
    conversation is too long, models that are known to take no more are passed over. Never passed on are a
    `UsageError` of the first model, which is the caller's, and a `ScriptError`, which is the script's.

    A model that failed for reasons of its own is tried last for `rest_s` seconds. Raises
    `ModelsExhaustedError` with every failure; `ContextOverflowError` where that is what all of them say.
    """

    def __init__(
        self,
        models: Sequence[Model],
        *,
        rest_s: float = 60.0,
        on_switch: OnSwitch | None = None,
        clock: Clock | None = None,
    ) -> None:
        if not models:
            raise UsageError("Fallback() was given no models.", hint="Give it at least one.")
        self._models = tuple(models)
        self._rest_s = rest_s
        self._on_switch = on_switch
        self._clock: Clock = clock or SystemClock()
        self._seats: OrderedDict[Hashable, _Seat] = OrderedDict()
        self._resting_until_s = [float("-inf")] * len(self._models)

    def __repr__(self) -> str:
        return f"Fallback({list(self._models)!r})"

    @property
    def id(self) -> str:
        return self._models[0].id

    @property
    def profile(self) -> Profile:
        return self._models[0].profile

    @property
    def secrets(self) -> tuple[str, ...]:
        return tuple(secret for model in self._models for secret in secrets_of(model))

    @asynccontextmanager
    async def stream(self, request: Request, /) -> AsyncIterator[AsyncIterator[StreamEvent]]:
        async with AsyncExitStack() as stack:
            place, events, lost = await self._begin(request, stack)
            if lost:
                events = await stack.enter_async_context(aclosing(with_lost(events, lambda: lost)))
            yield await stack.enter_async_context(aclosing(self._watched(place, events, request)))

    async def aclose(self) -> None:
        """Closes all models, also when one of them cannot be closed."""
        async with AsyncExitStack() as stack:
            for model in self._models:
                stack.push_async_callback(model.aclose)

    async def _begin(self, request: Request, stack: AsyncExitStack) -> tuple[int, AsyncIterator[StreamEvent], int]:
        """Whose answer has begun, the answer, and how many calls before it may be charged for."""
        failures: list[tuple[int, CaptainError]] = []
        for place in self._order(request):
            model = self._models[place]
            if _too_small(model.profile, [(self._models[at].profile, error) for at, error in failures]):
                continue
            if failures and self._on_switch is not None:
                last, error = failures[-1]
                self._on_switch(Switched(model=model.id, after=self._models[last].id, error=error))
            try:
                events = await begin(model, request, stack)
            except (ModelError, UsageError) as error:
                if isinstance(error, ScriptError) or (isinstance(error, UsageError) and place == 0):
                    raise
                failures.append((place, error))
                if not isinstance(error, RequestRejectedError | UsageError):
                    self._rest(place)
            else:
                return place, events, sum(isinstance(e, ModelError) and e.may_be_charged for _, e in failures)
        raise self._exhausted(tuple((self._models[place].id, error) for place, error in failures))

    def _order(self, request: Request) -> list[int]:
        """Where the conversation is at home, then in the order given; those that rest come last."""
        seat, now_s = self._seats.get(_name(request)), self._clock.monotonic_s()
        home = -1 if seat is None else seat.place
        return sorted(range(len(self._models)), key=lambda at: (at != home, self._resting_until_s[at] > now_s, at))

    async def _watched(
        self, place: int, events: AsyncIterator[StreamEvent], request: Request
    ) -> AsyncGenerator[StreamEvent]:
        seat = self._seat(place, request)
        try:
            async for event in events:
                if isinstance(event, Finished):
                    seat.breaks = 0
                    yield self._signed(event, place)
                else:
                    yield event
        except ModelError:
            seat.breaks += 1
            if seat.breaks >= _BREAKS:
                self._seats.pop(_name(request), None)
                self._rest(place)
            raise

    def _seat(self, place: int, request: Request) -> _Seat:
        name = _name(request)
        seat = self._seats.get(name)
        if seat is None or seat.place != place:
            seat = self._seats[name] = _Seat(place)
        self._seats.move_to_end(name)
        if len(self._seats) > _CONVERSATIONS:
            self._seats.popitem(last=False)
        return seat

    def _signed(self, event: Finished, place: int) -> Finished:
        """The answer with who gave it and at which price, where that is not the model that was asked."""
        if place == 0:
            return event
        model, reply = self._models[place], event.reply
        priced_as = reply.priced_as if reply.answered_by else model.profile.pricing
        return replace(event, reply=replace(reply, answered_by=reply.answered_by or model.id, priced_as=priced_as))

    def _rest(self, place: int) -> None:
        self._resting_until_s[place] = self._clock.monotonic_s() + self._rest_s

    def _exhausted(self, failures: Failures) -> ModelError:
        errors = [error for _, error in failures]
        if isinstance(errors[0], ContextOverflowError) and all(isinstance(e, ContextOverflowError) for e in errors):
            return errors[0]
        told = " ".join(f"{model}: {error}" for model, error in failures)
        of_models = [error for error in errors if isinstance(error, ModelError)]
        waits_s = [error.retry_after_s for error in of_models if error.retry_after_s is not None]
        refused = all(isinstance(error, RequestRejectedError) for error in errors)
        return ModelsExhaustedError(
            f"None of {len(failures)} models answered. {told}",
            failures=failures,
            model=self.id,
            hint="All of them refuse this request: change it." if refused else "See what each of them needs.",
            retryable=any(error.retryable for error in of_models),
            retry_after_s=min(waits_s, default=None),
        )


def _name(request: Request) -> Hashable:
    """What a conversation keeps from call to call; its beginning, where it was given no name."""
    return request.conversation or (request.instructions, request.messages[:1])


def _too_small(profile: Profile, failures: Sequence[tuple[Profile, CaptainError]]) -> bool:
    """Whether the conversation was too long for a model that takes at least as much."""
    window = profile.context_tokens
    overflown = [failed.context_tokens for failed, error in failures if isinstance(error, ContextOverflowError)]
    return window is not None and any(tokens is not None and tokens >= window for tokens in overflown)
