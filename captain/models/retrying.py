"""Makes a failed call again when that can help, until its answer has begun.

Three kinds of failure (no, transient, rate-limited) come from `ModelError.retryable` and `retry_after_s`.
Waits are random between nothing and an exponentially growing limit ("full jitter"), since callers that
failed together and wait equally long fail together again.
"""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, aclosing, asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeAlias

from captain.core.clock import Clock, SystemClock
from captain.core.errors import ModelError, UsageError
from captain.core.messages import Request, StreamEvent
from captain.models.around import Around, begin, with_lost
from captain.models.base import Model

if TYPE_CHECKING:
    from tenacity import RetryCallState

_DOUBLINGS: Final = 30  # beyond that no limit is reached earlier, and powers overflow


@dataclass(frozen=True, slots=True, kw_only=True)
class Retry:
    """How often and how long a call is made again; times are seconds.

    The nth wait is random up to `first_wait_s` doubled n-1 times, at most `longest_wait_s`, and never
    shorter than what the provider asks for. A provider that asks for more than `longest_asked_s` is not
    waited for at all. `total_s` counts from the first attempt to the start of the last.
    """

    attempts: int = 8
    first_wait_s: float = 1.0
    longest_wait_s: float = 60.0
    longest_asked_s: float = 300.0
    total_s: float = 900.0

    def __post_init__(self) -> None:
        if self.attempts < 1:
            raise UsageError(
                f"Retry(attempts={self.attempts}) allows no call at all.", hint="The first attempt counts: 1 or more."
            )
        for name in ("first_wait_s", "longest_wait_s", "longest_asked_s", "total_s"):
            if not getattr(self, name) >= 0:
                raise UsageError(f"Retry({name}={getattr(self, name)}) is not a time.", hint="Give seconds, 0 or more.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Waiting:
    """An attempt at a call has failed, and the next is made after `wait_s`; `attempt` counts from 1."""

    model: str
    attempt: int
    wait_s: float
    error: ModelError


OnWait: TypeAlias = Callable[[Waiting], None]


class Retrying(Around):
    """Answers as `model` does, and makes a call again when it fails before its first event.

    Once an event has been passed on, a failure is the caller's: the turn can be repeated, its half answer
    cannot. So what is raised is `retryable` only then; attempts that are used up say so and are not.
    """

    def __init__(
        self,
        model: Model,
        retry: Retry | None = None,
        *,
        on_wait: OnWait | None = None,
        clock: Clock | None = None,
        rng: random.Random | None = None,
    ) -> None:
        super().__init__(model)
        self._retry = retry or Retry()
        self._on_wait = on_wait
        self._clock: Clock = clock or SystemClock()
        self._rng = rng or random.Random()  # noqa: S311 - spreads waits, keeps no secret

    @asynccontextmanager
    async def stream(self, request: Request, /) -> AsyncIterator[AsyncIterator[StreamEvent]]:
        async with AsyncExitStack() as stack:
            yield await self._begin(request, stack)

    async def _begin(self, request: Request, stack: AsyncExitStack) -> AsyncIterator[StreamEvent]:
        from tenacity import AsyncRetrying, retry_if_exception

        began_s = self._clock.monotonic_s()
        attempts = lost = 0

        async def attempt() -> AsyncIterator[StreamEvent]:
            nonlocal attempts, lost
            attempts += 1
            try:
                events = await begin(self._model, request, stack)
            except ModelError as error:
                lost += error.may_be_charged
                raise
            return await stack.enter_async_context(aclosing(with_lost(events, lambda: lost))) if lost else events

        def stop(state: RetryCallState) -> bool:
            passed_s = self._clock.monotonic_s() - began_s
            return attempts >= self._retry.attempts or passed_s + state.upcoming_sleep > self._retry.total_s

        # Made for each call: tenacity keeps the state of an iteration on the object and would mix up two.
        again = AsyncRetrying(
            sleep=self._clock.sleep,
            retry=retry_if_exception(self._helps),
            wait=self._wait_s,
            stop=stop,
            before_sleep=self._tell,
            reraise=True,
        )
        try:
            return await again(attempt)
        except ModelError as error:
            if error.retryable:
                raise self._given_up(error, attempts, self._clock.monotonic_s() - began_s) from error
            raise

    def _helps(self, error: BaseException) -> bool:
        return isinstance(error, ModelError) and error.retryable and not self._asks_too_much(error)

    def _asks_too_much(self, error: ModelError) -> bool:
        return error.retry_after_s is not None and error.retry_after_s > self._retry.longest_asked_s

    def _wait_s(self, state: RetryCallState) -> float:
        doublings = min(state.attempt_number - 1, _DOUBLINGS)
        limit_s = min(self._retry.first_wait_s * 2**doublings, self._retry.longest_wait_s)
        jitter_s = self._rng.uniform(0.0, limit_s)
        error = _failure(state)
        return jitter_s if error.retry_after_s is None else error.retry_after_s + jitter_s

    def _tell(self, state: RetryCallState) -> None:
        if self._on_wait is not None:
            self._on_wait(
                Waiting(model=self.id, attempt=state.attempt_number, wait_s=state.upcoming_sleep, error=_failure(state))
            )

    def _given_up(self, error: ModelError, attempts: int, passed_s: float) -> ModelError:
        if self._asks_too_much(error):
            why = (
                f"It asks to wait {error.retry_after_s:,.0f} seconds, more than the "
                f"{self._retry.longest_asked_s:,.0f} that are allowed."
            )
            hint = "Try again after that time, or use another model or account."
        else:
            times = "once" if attempts == 1 else f"{attempts} times within {passed_s:,.0f} s"
            why, hint = f"The call was made {times}.", error.hint
        # Whatever class it is of: the same error, with more to say.
        last = type(error).__new__(type(error), f"{str(error).rstrip('.')}. {why}")
        vars(last).update(vars(error), hint=hint, retryable=False)
        return last


def _failure(state: RetryCallState) -> ModelError:
    error = state.outcome.exception() if state.outcome is not None else None
    assert isinstance(error, ModelError)
    return error
