"""The adapter's own client against a real server on this machine."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest

from captain.core.errors import ModelError, ModelTimeoutError, RateLimitError, StreamInterruptedError
from captain.core.messages import StreamEvent, TextDelta
from captain.models import AnthropicMessages
from tests.models.anthropic_wire import ASK, SECRET, answer, drained, sse, start, text
from tests.models.wire import listen

Answering = Callable[[asyncio.StreamWriter], Awaitable[None]]

HEAD = b"HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n"
BEGUN = sse(start(), *text("Hi")[:2])


def piece(data: bytes) -> bytes:
    return b"%x\r\n%b\r\n" % (len(data), data)


@asynccontextmanager
async def server(answering: Answering) -> AsyncIterator[tuple[str, list[bytes]]]:
    """Its URL, and the heads of the connections' first requests."""
    heads: list[bytes] = []
    tasks: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        first = True
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                heads.extend([head] if first else [])
                first = False
                length = next(line for line in head.lower().split(b"\r\n") if line.startswith(b"content-length:"))
                await reader.readexactly(int(length.split(b":")[1]))
                await answering(writer)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError):
            pass
        finally:
            writer.close()

    listening = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = listening.sockets[0].getsockname()[1]
    try:
        yield f"http://127.0.0.1:{port}", heads
    finally:
        listening.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks)
        await listening.wait_closed()


@asynccontextmanager
async def calling(
    url: str, *, idle_timeout_s: float = 30.0, timeout_s: float = 60.0
) -> AsyncIterator[AnthropicMessages]:
    model = AnthropicMessages("m", base_url=url, api_key=SECRET, idle_timeout_s=idle_timeout_s, timeout_s=timeout_s)
    try:
        yield model
    finally:
        await model.aclose()


async def hello(writer: asyncio.StreamWriter) -> None:
    whole = answer(text("Hi"))
    for data in (HEAD, piece(whole[:50]), piece(whole[50:]), b"0\r\n\r\n"):
        writer.write(data)
        await writer.drain()


async def test_turns_share_one_connection() -> None:
    async with server(hello) as (url, heads), calling(url) as model:
        for _ in range(3):
            events, reply = await drained(model)
            assert events[0] == TextDelta(text="Hi")
            assert reply.message.text == "Hi"

    [head] = heads
    assert head.startswith(b"POST /v1/messages HTTP/1.1\r\n")
    assert f"Authorization: Bearer {SECRET}".lower().encode() in head.lower()


async def test_a_stream_that_stalls_ends_in_a_time_out() -> None:
    async def stall(writer: asyncio.StreamWriter) -> None:
        writer.write(HEAD + piece(BEGUN))
        await writer.drain()
        await asyncio.Event().wait()

    heard: list[StreamEvent] = []
    async with server(stall) as (url, _), calling(url, idle_timeout_s=0.1) as model:
        with pytest.raises(ModelTimeoutError, match=r"Nothing came from anthropic:m for 0\.1 seconds"):
            await listen(model, ASK, heard)

    assert heard == [TextDelta(text="Hi")]


async def test_signs_of_life_do_not_keep_a_call_alive_beyond_its_whole_time() -> None:
    async def forever(writer: asyncio.StreamWriter) -> None:
        writer.write(HEAD)
        while True:
            writer.write(piece(b'event: ping\ndata: {"type": "ping"}\n\n'))
            await writer.drain()
            await asyncio.sleep(0.01)

    async with server(forever) as (url, _), calling(url, timeout_s=0.2) as model:
        with pytest.raises(ModelTimeoutError, match=r"to the end within 0\.2 seconds"):
            await drained(model)


async def test_a_stream_that_is_cut_is_not_taken_for_an_answer() -> None:
    async def cut(writer: asyncio.StreamWriter) -> None:
        writer.write(HEAD + piece(BEGUN))
        await writer.drain()
        writer.close()

    async with server(cut) as (url, _), calling(url) as model:
        with pytest.raises(StreamInterruptedError) as caught:
            await drained(model)

    assert caught.value.retryable


async def test_a_server_that_hangs_up_before_it_answers_is_no_time_out() -> None:
    async def hang_up(writer: asyncio.StreamWriter) -> None:
        writer.close()

    async with server(hang_up) as (url, _), calling(url) as model:
        with pytest.raises(ModelError, match=r"No connection to http://127\.0\.0\.1") as caught:
            await drained(model)

    assert type(caught.value) is ModelError
    assert caught.value.retryable


async def test_an_overloaded_server_says_how_long_to_wait() -> None:
    body = b'{"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}}'

    async def overloaded(writer: asyncio.StreamWriter) -> None:
        lines = ["HTTP/1.1 529 Overloaded", "Retry-After: 12", f"Content-Length: {len(body)}", "", ""]
        writer.write("\r\n".join(lines).encode() + body)

    async with server(overloaded) as (url, _), calling(url) as model:
        with pytest.raises(RateLimitError, match="Overloaded") as caught:
            await drained(model)

    assert caught.value.retry_after_s == 12.0


async def test_nobody_listening_is_said_plainly() -> None:
    async with server(hello) as (url, _):
        pass

    async with calling(url) as model:
        with pytest.raises(ModelError, match=f"No connection to {url}"):
            await drained(model)


async def test_a_cancelled_call_is_gone_at_once() -> None:
    left = asyncio.Event()

    async def stall(writer: asyncio.StreamWriter) -> None:
        writer.write(HEAD + piece(BEGUN))
        await writer.drain()
        await writer.wait_closed()

    async with server(stall) as (url, _), calling(url) as model:

        async def call() -> None:
            async with model.stream(ASK) as stream:
                async for _ in stream:
                    left.set()

        task = asyncio.create_task(call())
        await left.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
