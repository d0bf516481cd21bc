"""What servers do to a call, through the SDK's own client over real connections, met by the whole outfit."""

from __future__ import annotations

import asyncio
import random
import socket
import struct
import time
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from itertools import chain, repeat

import anyio
import pytest

from captain.core.errors import BadResponseError, ModelTimeoutError, RateLimitError, StreamInterruptedError
from captain.core.messages import AssistantMessage, TextDelta
from captain.models import (
    CallRecord,
    Hedge,
    Limited,
    Model,
    OpenAIChat,
    RateGate,
    Retry,
    Retrying,
    Waiting,
    complete,
    outfit,
)
from tests.models.test_openai_chat_server import Answering, calling, hello, piece, server, status
from tests.models.wire import ASK, call_delta, chunk, sse, usage_chunk

STREAM = sse(
    chunk({"role": "assistant", "content": ""}),
    chunk({"content": "I read é 🙂"}),
    chunk({"content": " both."}),
    chunk(call_delta("", call_id="call_1", name="read")),
    chunk(call_delta('{"path": "a')),
    chunk(call_delta('.py"}')),
    chunk(call_delta('{"path": "b.py"}', index=1, call_id="call_2", name="read")),
    chunk(finish="tool_calls"),
    usage_chunk(prompt_tokens=100, completion_tokens=20, total_tokens=120),
)
TO_THE_END = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n"
CHUNKED = TO_THE_END.replace(b"Connection: close", b"Transfer-Encoding: chunked")
# The usual 900 s are 0.9 s by a hurried clock, and over before the retry on a machine that is busy.
PATIENT = Retry(total_s=1e6)
OVERLOADED = status("529 Overloaded", b'{"error": {"message": "Overloaded"}}')


class Hurried:
    """A clock that runs so many times as fast."""

    def __init__(self, times: float) -> None:
        self._times = times

    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic_s(self) -> float:
        return time.monotonic() * self._times

    async def sleep(self, seconds: float, /) -> None:
        await anyio.sleep(seconds / self._times)


def in_turn(*answers: Answering) -> Answering:
    """One answer after the other, the last one for ever."""
    left: Iterator[Answering] = chain(answers, repeat(answers[-1]))

    async def answer(writer: asyncio.StreamWriter) -> None:
        await next(left)(writer)

    return answer


def cut(at: int, *, framed: bool) -> Answering:
    """The stream up to a byte. Without a frame, the end of the connection is a proper end of the body."""

    async def answer(writer: asyncio.StreamWriter) -> None:
        part = STREAM[:at]
        writer.write(CHUNKED + (piece(part) if part else b"") if framed else TO_THE_END + part)
        await writer.drain()
        writer.close()

    return answer


def reset(after: bytes) -> Answering:
    async def answer(writer: asyncio.StreamWriter) -> None:
        writer.write(after)
        await writer.drain()
        await asyncio.sleep(0)
        sock = writer.get_extra_info("socket")
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        writer.transport.abort()

    return answer


async def stall(writer: asyncio.StreamWriter) -> None:
    writer.write(CHUNKED + piece(STREAM[:300]))
    await writer.drain()
    await asyncio.Event().wait()


async def whole(writer: asyncio.StreamWriter) -> None:
    writer.write(CHUNKED + piece(STREAM) + b"0\r\n\r\n")
    await writer.drain()


@asynccontextmanager
async def fitted(
    answering: Answering,
    *,
    idle_timeout_s: float = 30.0,
    records: list[CallRecord] | None = None,
    waits: list[Waiting] | None = None,
) -> AsyncIterator[Model]:
    async with server(answering) as (url, _), calling(url, idle_timeout_s=idle_timeout_s) as model:
        yield outfit(
            model,
            retry=PATIENT,
            clock=Hurried(1_000),
            on_call=None if records is None else records.append,
            on_wait=None if waits is None else waits.append,
        )


async def expected() -> AssistantMessage:
    async with server(whole) as (url, _), calling(url) as model:
        return (await complete(model, ASK)).message


async def cuts(places: range, *, framed: bool) -> None:
    """Every cut is the whole answer or a clear error, and the call made again is the whole answer."""
    message = await expected()
    assert [call.arguments for call in message.tool_calls] == ['{"path": "a.py"}', '{"path": "b.py"}']
    answers: list[Answering] = []

    async def next_answer(writer: asyncio.StreamWriter) -> None:
        await answers.pop(0)(writer)

    wholes = 0
    async with server(next_answer) as (url, _), calling(url) as model:
        careful = outfit(model, retry=PATIENT, clock=Hurried(1_000))
        for at in places:
            answers[:] = [cut(at, framed=framed)]
            try:
                reply = await complete(model, ASK)
            except (StreamInterruptedError, BadResponseError) as error:
                assert error.retryable, at  # noqa: PT017 - which of the two it is depends on the place
                answers[:] = [cut(at, framed=framed), whole]
                reply = await complete(careful, ASK, repeats=1)
            else:
                wholes += 1
            assert (reply.message, reply.stop) == (message, "tool_calls"), at
    assert 0 < wholes < len(places) / 3


@pytest.mark.parametrize("framed", [True, False])
async def test_a_stream_cut_anywhere_is_whole_or_an_error(framed: bool) -> None:
    await cuts(range(len(STREAM), -1, -41), framed=framed)


@pytest.mark.slow
@pytest.mark.parametrize("framed", [True, False])
async def test_a_stream_cut_at_every_byte_is_whole_or_an_error(framed: bool) -> None:
    await cuts(range(len(STREAM) + 1), framed=framed)


async def test_a_stream_that_stalls_is_repeated_as_a_turn() -> None:
    records: list[CallRecord] = []
    async with fitted(in_turn(stall, whole), idle_timeout_s=0.1, records=records) as model:
        reply = await complete(model, ASK, repeats=1)

    assert reply.message.text == "I read é 🙂 both."
    assert [(record.outcome, type(record.error)) for record in records] == [
        ("failed", ModelTimeoutError),
        ("finished", type(None)),
    ]


@pytest.mark.parametrize("after", [b"", CHUNKED, CHUNKED + piece(STREAM[:5])])
async def test_a_connection_that_is_reset_before_the_first_event_is_made_again(after: bytes) -> None:
    waits: list[Waiting] = []
    async with fitted(in_turn(reset(after), reset(after), whole), waits=waits) as model:
        reply = await complete(model, ASK)

    assert reply.stop == "tool_calls"
    assert len(waits) == 2


async def test_a_connection_that_is_reset_in_the_middle_is_an_error_worth_repeating() -> None:
    async def in_the_middle(writer: asyncio.StreamWriter) -> None:
        writer.write(CHUNKED + piece(STREAM[:300]))
        await writer.drain()
        await heard.wait()
        await reset(b"")(writer)

    heard = asyncio.Event()
    async with fitted(in_the_middle) as model:

        async def read() -> None:
            async with model.stream(ASK) as events:
                async for event in events:
                    assert isinstance(event, TextDelta)
                    heard.set()

        with pytest.raises(StreamInterruptedError) as caught:
            await read()

    assert caught.value.retryable


async def test_an_overloaded_server_is_waited_for() -> None:
    waits: list[Waiting] = []
    async with fitted(in_turn(OVERLOADED, OVERLOADED, whole), waits=waits) as model:
        reply = await complete(model, ASK)

    assert reply.stop == "tool_calls"
    assert [type(told.error) for told in waits] == [RateLimitError, RateLimitError]


async def test_a_server_that_stays_overloaded_is_given_up_with_its_own_words() -> None:
    async with fitted(OVERLOADED) as model:
        with pytest.raises(RateLimitError, match=r"\(HTTP 529\): Overloaded\. The call was made 8 times") as caught:
            await complete(model, ASK, repeats=3)

    assert not caught.value.retryable


async def test_the_loser_of_a_hedge_leaves_no_connection_behind() -> None:
    async def slow(writer: asyncio.StreamWriter) -> None:
        writer.write(CHUNKED)
        try:
            while True:
                writer.write(piece(b": waiting\n\n"))
                await writer.drain()
                await asyncio.sleep(0.01)
        finally:
            left.set()

    left = asyncio.Event()
    records: list[CallRecord] = []
    async with server(in_turn(*[hello] * 20, slow, hello)) as (url, _), calling(url) as inner:
        model = outfit(inner, hedge=Hedge(min_calls=20), on_call=records.append)
        replies = [await complete(model, ASK) for _ in range(21)]
        with anyio.fail_after(10):
            await left.wait()

    assert [reply.message.text for reply in replies] == ["Hi"] * 21
    assert [record.outcome for record in records if record.hedge] == ["abandoned"]


class Storm:
    """A server that takes `burst` calls at once and `rate_per_s` after that, and tells the others when to come."""

    def __init__(self, *, burst: int, rate_per_s: float, times: float) -> None:
        self.rejected = self.taken = 0
        self._tokens, self._burst, self._rate_per_s, self._times = float(burst), burst, rate_per_s, times
        self._filled_s = time.monotonic()

    async def __call__(self, writer: asyncio.StreamWriter) -> None:
        now_s = time.monotonic()
        filled = (now_s - self._filled_s) * self._times * self._rate_per_s
        self._tokens, self._filled_s = min(self._burst, self._tokens + filled), now_s
        if self._tokens >= 1:
            self._tokens -= 1
            self.taken += 1
            await hello(writer)
            return
        self.rejected += 1
        wait_s = (1 - self._tokens) / self._rate_per_s
        body = b'{"error": {"message": "Slow down"}}'
        await status("429 Too Many Requests", body, f"Retry-After: {wait_s:.3f}")(writer)


async def rejections(fit: Callable[[OpenAIChat, Hurried], Model], *, siblings: int = 50) -> int:
    """How many calls of so many siblings a server rejects that takes 5 at once and then 1 a second."""
    clock = Hurried(40)
    storm = Storm(burst=5, rate_per_s=1, times=40)
    async with server(storm) as (url, _), calling(url) as inner:
        model = fit(inner, clock)
        async with anyio.create_task_group() as group:
            for _ in range(siblings):
                group.start_soon(complete, model, ASK)
    assert storm.taken == siblings
    return storm.rejected


async def test_fifty_siblings_come_through_a_storm_of_rejections() -> None:
    def fit(inner: OpenAIChat, clock: Hurried) -> Model:
        return outfit(inner, gate=RateGate(clock=clock, rng=random.Random(1)), clock=clock)

    # All 50 go out together and 45 of them are rejected; after that hardly any.
    assert await rejections(fit) <= 45 + 20


@pytest.mark.slow
async def test_the_storm_is_worse_for_siblings_that_do_not_share_a_gate() -> None:
    def each_for_itself(inner: OpenAIChat, clock: Hurried) -> Model:
        return Retrying(inner, Retry(attempts=1_000, total_s=1e6), clock=clock, rng=random.Random(1))

    def shared(inner: OpenAIChat, clock: Hurried) -> Model:
        return each_for_itself_around(Limited(inner, RateGate(clock=clock, rng=random.Random(1))), clock)

    def each_for_itself_around(model: Model, clock: Hurried) -> Model:
        return Retrying(model, Retry(attempts=1_000, total_s=1e6), clock=clock, rng=random.Random(1))

    assert 2 * await rejections(shared) < await rejections(each_for_itself)
