"""Models that take their time, fail and are left, as a test says."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass

import anyio

from captain.core.errors import ModelError, RateLimitError, StreamInterruptedError
from captain.core.messages import AssistantMessage, Finished, Reply, Request, StreamEvent, Text, TextDelta, user
from captain.core.usage import Usage
from captain.models import Profile

ASK = Request(instructions="Be brief.", messages=(user("Hello?"),))


def busy(retry_after_s: float | None = None) -> RateLimitError:
    return RateLimitError("m takes no more calls.", model="m", retryable=True, retry_after_s=retry_after_s)


def broken() -> StreamInterruptedError:
    return StreamInterruptedError("The answer of m broke off.", model="m", hint="Try again.", retryable=True)


def refused() -> ModelError:
    return ModelError("m refuses.", model="m", hint="Change it.", request_id="req_1")


@dataclass(frozen=True, slots=True, kw_only=True)
class Act:
    """One call: `wait_s` to the first event and again to the end, or to the error in place of either."""

    text: str = "Hi"
    wait_s: float = 0.0
    rest_s: float = 0.0
    before: Exception | None = None
    after: Exception | None = None


class Acting:
    """Does for its nth call what `acts` says of n, from 0; it knows what is open and what was left early."""

    def __init__(
        self,
        acts: Callable[[int], Act],
        *,
        id: str = "acting",  # noqa: A002
        profile: Profile | None = None,
    ) -> None:
        self.id = id
        self.profile = profile or Profile(family="acting")
        self.calls = 0
        self.open = 0
        self.most_open = 0
        self.left = 0
        self.closed = False
        self._acts = acts

    @asynccontextmanager
    async def stream(self, request: Request, /) -> AsyncIterator[AsyncIterator[StreamEvent]]:
        act = self._acts(self.calls)
        self.calls += 1
        self.open += 1
        self.most_open = max(self.most_open, self.open)
        finished = False

        async def events() -> AsyncGenerator[StreamEvent]:
            nonlocal finished
            await anyio.sleep(act.wait_s)
            if act.before is not None:
                finished = True
                raise act.before
            yield TextDelta(text=act.text)
            await anyio.sleep(act.rest_s)
            finished = True
            if act.after is not None:
                raise act.after
            yield Finished(reply=reply(act.text, model=self.id))

        try:
            async with aclosing(events()) as streamed:
                yield streamed
        finally:
            self.open -= 1
            self.left += not finished

    async def aclose(self) -> None:
        self.closed = True


def reply(text: str, *, model: str = "served-1") -> Reply:
    return Reply(
        message=AssistantMessage(parts=(Text(text=text),)),
        stop="end",
        usage=Usage(input_tokens=100, output_tokens=10),
        model=model,
        request_id="req_7",
    )


def always(act: Act) -> Callable[[int], Act]:
    return lambda _: act


def in_turn(*acts: Act) -> Callable[[int], Act]:
    """One after the other, the last one for ever."""
    return lambda call: acts[min(call, len(acts) - 1)]
