from __future__ import annotations

import gzip
import json
import traceback
from collections.abc import AsyncIterator
from typing import Any

import anyio
import httpx2
import pytest
from openai import AsyncOpenAI

from captain.core.errors import (
    AuthenticationError,
    BadResponseError,
    ContextOverflowError,
    ModelError,
    ModelTimeoutError,
    RateLimitError,
    RequestRejectedError,
    StreamInterruptedError,
    UsageError,
)
from captain.core.messages import (
    Finished,
    Opaque,
    Reasoning,
    ReasoningDelta,
    Text,
    TextDelta,
    ToolCall,
    ToolCallDelta,
)
from captain.core.usage import Usage
from captain.models import Model, OpenAIChat
from tests.models.wire import ASK, SECRET, call_delta, chunk, drained, served, sse, usage_chunk

STOP = chunk(finish="stop")


async def test_text_is_passed_on_as_it_comes_and_the_reply_is_whole() -> None:
    usage = usage_chunk(
        prompt_tokens=10,
        completion_tokens=5,
        total_tokens=15,
        prompt_tokens_details={"cached_tokens": 4},
        completion_tokens_details={"reasoning_tokens": 2},
    )
    body = sse(
        chunk({"role": "assistant", "content": ""}), chunk({"content": "Hi"}), chunk({"content": "!"}), STOP, usage
    )

    async with served(body, headers={"x-request-id": "req_1"}) as model:
        events, reply = await drained(model)

    assert isinstance(model, Model)
    assert events == [TextDelta(text="Hi"), TextDelta(text="!"), Finished(reply=reply)]
    assert reply.message.parts == (Text(text="Hi!"),)
    assert reply.stop == "end"
    assert reply.usage == Usage(input_tokens=10, output_tokens=5, cached_tokens=4, reasoning_tokens=2)
    assert (reply.model, reply.request_id) == ("served-1", "req_1")
    assert 0 < reply.first_event_s <= reply.duration_s


async def test_one_finished_body_goes_to_the_endpoint_with_the_key() -> None:
    seen: list[httpx2.Request] = []

    def handle(request: httpx2.Request) -> httpx2.Response:
        seen.append(request)
        return httpx2.Response(200, content=sse(chunk({"content": "Hi"}), STOP))

    async with served(handle, base_url="https://gateway.example/v1") as model:
        await drained(model)

    [request] = seen
    assert str(request.url) == "https://gateway.example/v1/chat/completions"
    assert request.headers["authorization"] == f"Bearer {SECRET}"
    assert request.headers["content-type"] == "application/json"
    assert json.loads(request.content)["messages"][-1] == {"role": "user", "content": "Hello?"}


async def test_a_call_is_made_once_whatever_the_client_would_do() -> None:
    calls = 0

    def handle(_request: httpx2.Request) -> httpx2.Response:
        nonlocal calls
        calls += 1
        return httpx2.Response(500)

    async with served(handle) as model:
        with pytest.raises(ModelError):
            await drained(model)

    assert calls == 1


async def test_parallel_calls_are_put_together_from_their_pieces() -> None:
    body = sse(
        chunk({"content": "I look."}),
        chunk(call_delta("", index=0, call_id="a", name="read")),
        chunk(call_delta('{"path"', index=0)),
        chunk(call_delta("", index=1, call_id="b", name="list")),
        chunk(call_delta(': "x"}', index=0)),
        chunk(call_delta("{}", index=1)),
        chunk(finish="tool_calls"),
    )

    async with served(body) as model:
        events, reply = await drained(model)

    assert events[1:-1] == [
        ToolCallDelta(index=0, arguments="", id="a", name="read"),
        ToolCallDelta(index=0, arguments='{"path"'),
        ToolCallDelta(index=1, arguments="", id="b", name="list"),
        ToolCallDelta(index=0, arguments=': "x"}'),
        ToolCallDelta(index=1, arguments="{}"),
    ]
    assert reply.message.parts == (
        Text(text="I look."),
        ToolCall(id="a", name="read", arguments='{"path": "x"}'),
        ToolCall(id="b", name="list", arguments="{}"),
    )
    assert reply.stop == "tool_calls"


@pytest.mark.parametrize(
    ("pieces", "calls"),
    [
        pytest.param(
            [
                call_delta("{", index=None, call_id="a", name="x"),
                call_delta("}", index=None),
                call_delta("{}", index=None, call_id="b", name="y"),
            ],
            [("a", "x", "{}"), ("b", "y", "{}")],
            id="no indexes",
        ),
        pytest.param(
            [call_delta("{}", index=0, call_id="a", name="x"), call_delta("{}", index=0, call_id="b", name="x")],
            [("a", "x", "{}"), ("b", "x", "{}")],
            id="index 0 for every call",
        ),
        pytest.param(
            [call_delta("{", index=0, call_id="a", name="x"), call_delta("}", index=0, call_id="a", name="x")],
            [("a", "x", "{}")],
            id="id and name repeated",
        ),
        pytest.param(
            [call_delta("{", index=0, call_id="a", name="x"), call_delta("}", index=0, call_id="other")],
            [("a", "x", "{}")],
            id="a new id on every piece",
        ),
        pytest.param(
            [call_delta({"path": "ä"}, index=0, call_id="a", name="x")],
            [("a", "x", '{"path": "ä"}')],
            id="arguments as an object",
        ),
        pytest.param([call_delta(None, index=0, call_id="a", name="x")], [("a", "x", "")], id="no arguments"),
    ],
)
async def test_calls_are_told_apart_however_a_server_marks_them(
    pieces: list[dict[str, Any]], calls: list[tuple[str, str, str]]
) -> None:
    async with served(sse(*map(chunk, pieces), chunk(finish="stop"))) as model:
        _, reply = await drained(model)

    assert [(made.id, made.name, made.arguments) for made in reply.message.tool_calls] == calls
    assert reply.stop == "tool_calls"


async def test_calls_without_an_id_get_one_each() -> None:
    body = sse(chunk(call_delta("{}", index=0, name="x")), chunk(call_delta("{}", index=1, name="x")), STOP)

    async with served(body) as model:
        events, reply = await drained(model)

    first, second = reply.message.tool_calls
    assert first.id != second.id
    assert [event.id for event in events if isinstance(event, ToolCallDelta)] == [first.id, second.id]


@pytest.mark.parametrize("name", ["reasoning_content", "reasoning"])
async def test_reasoning_is_kept_apart_with_where_it_goes_back_to(name: str) -> None:
    body = sse(chunk({name: "Hm"}), chunk({name: "."}), chunk({"content": "Yes."}), STOP)

    async with served(body, base_url="http://gateway.example/v1") as model:
        events, reply = await drained(model)

    assert events[:2] == [ReasoningDelta(text="Hm"), ReasoningDelta(text=".")]
    opaque = Opaque(provider="openai-chat@gateway.example", data=json.dumps({"field": name}))
    assert reply.message.parts == (Reasoning(text="Hm.", opaque=opaque), Text(text="Yes."))


async def test_reasoning_sent_under_two_names_counts_once() -> None:
    async with served(sse(chunk({"reasoning": "Hm.", "reasoning_content": "Hm."}), STOP)) as model:
        _, reply = await drained(model)

    assert reply.message.parts[0] == Reasoning(
        text="Hm.", opaque=Opaque(provider="openai-chat@api.openai.com", data='{"field": "reasoning_content"}')
    )


async def test_pieces_of_signed_reasoning_are_joined() -> None:
    def detail(**more: Any) -> dict[str, Any]:
        return {"reasoning_details": [{"type": "reasoning.text", "index": 0, "format": None, **more}]}

    body = sse(chunk(detail(text="H")), chunk(detail(text="m")), chunk(detail(signature="s")), STOP)

    async with served(body) as model:
        _, reply = await drained(model)

    [part] = reply.message.parts
    assert isinstance(part, Reasoning)
    assert part.opaque is not None
    assert json.loads(part.opaque.data) == {
        "reasoning_details": [{"type": "reasoning.text", "index": 0, "format": None, "text": "Hm", "signature": "s"}]
    }


@pytest.mark.parametrize(
    ("delta", "finish", "stop"),
    [
        ({"content": "x"}, "stop", "end"),
        ({"content": "x"}, "length", "length"),
        ({"content": "x"}, "content_filter", "refusal"),
        ({"refusal": "I cannot."}, "stop", "refusal"),
        ({"content": "x"}, "tool_calls", "end"),
        ({"content": "x"}, "STOP", "end"),
        (call_delta("{}", call_id="a", name="x"), "stop", "tool_calls"),
        (call_delta("{", call_id="a", name="x"), "length", "length"),
    ],
)
async def test_why_an_answer_ended(delta: dict[str, Any], finish: str, stop: str) -> None:
    async with served(sse(chunk(delta), chunk(finish=finish))) as model:
        _, reply = await drained(model)

    assert reply.stop == stop


async def test_a_refusal_is_the_text_of_the_answer() -> None:
    async with served(sse(chunk({"refusal": "I cannot."}), STOP)) as model:
        events, reply = await drained(model)

    assert events[0] == TextDelta(text="I cannot.")
    assert reply.message.text == "I cannot."


@pytest.mark.parametrize(
    ("usage", "counted"),
    [
        (
            {"prompt_tokens": 10, "completion_tokens": 5, "prompt_cache_hit_tokens": 4},
            Usage(input_tokens=10, output_tokens=5, cached_tokens=4),
        ),
        (
            {
                "prompt_tokens": 10,
                "completion_tokens": 5,
                "total_tokens": 35,
                "completion_tokens_details": {"reasoning_tokens": 20},
            },
            Usage(input_tokens=10, output_tokens=25, reasoning_tokens=20),
        ),
        ({"prompt_tokens": 10, "completion_tokens": None}, Usage(input_tokens=10)),
    ],
)
async def test_token_counts_are_made_inclusive(usage: dict[str, Any], counted: Usage) -> None:
    async with served(sse(chunk({"content": "x"}), STOP, usage_chunk(**usage))) as model:
        _, reply = await drained(model)

    assert reply.usage == counted


async def test_a_server_that_answers_with_one_json_body_is_understood() -> None:
    body = {
        "id": "c1",
        "choices": [{"message": {"role": "assistant", "content": "Hi", "tool_calls": None}, "finish_reason": None}],
        "usage": {"prompt_tokens": 1, "completion_tokens": 1},
    }

    async with served(json.dumps(body, indent=1).encode(), headers={"content-type": "application/json"}) as model:
        events, reply = await drained(model)

    assert events[0] == TextDelta(text="Hi")
    assert (reply.stop, reply.usage, reply.request_id) == ("end", Usage(input_tokens=1, output_tokens=1), "c1")


async def test_a_compressed_answer_is_read() -> None:
    body = gzip.compress(sse(chunk({"content": "Hi"}), STOP))

    async with served(body, headers={"content-encoding": "gzip"}) as model:
        _, reply = await drained(model)

    assert reply.message.text == "Hi"


async def test_an_answer_without_an_end_mark_is_whole_once_its_finish_was_said() -> None:
    async with served(sse(chunk({"content": "Hi"}), STOP, done=False)) as model:
        _, reply = await drained(model)

    assert reply.message.text == "Hi"


@pytest.mark.parametrize(
    "body",
    [
        sse(chunk({"content": "Hi"}), done=False),
        sse(chunk({"content": "Hi"})),
        sse(chunk({"content": "Hi"}), done=False) + b'data: {"choices": [{"de',
        sse(chunk({"content": "Hi"}), chunk(finish="abort")),
        b": waiting\n\n: waiting\n\n",
        b"",
    ],
    ids=["end of bytes", "end mark", "half a piece", "server gave up", "nothing but comments", "nothing at all"],
)
async def test_half_an_answer_is_never_taken_for_a_whole_one(body: bytes) -> None:
    async with served(body) as model:
        with pytest.raises(StreamInterruptedError, match="broke off before it was finished") as caught:
            await drained(model)

    assert caught.value.retryable


@pytest.mark.parametrize(
    ("body", "complaint"),
    [
        (b"<!doctype html><title>Hello</title>", "The answer of https://api.openai.com/v1 is an HTML page."),
        (b"Hello there", "is no Chat Completions answer: Hello there"),
        (b"{}", "has no choices"),
        (b'{"choices": []}', "has no choices"),
        (sse(usage_chunk(prompt_tokens=1)), "has no choices"),
        (b'{"choices": [{"mess', "has a piece that is no JSON"),
        (b"data: {oops\n\n" + sse(STOP), "has a piece that is no JSON: {oops"),
        (b"data: 3\n\n", "has a piece that is no JSON object: 3"),
        (sse({"choices": [{"delta": "x"}]}), "has a piece of an unknown shape"),
        (sse(chunk({"content": 3}), STOP), "has a piece of an unknown shape"),
        (sse({"choices": 3}), "has a piece of an unknown shape"),
        (sse(usage_chunk(prompt_tokens=float("inf"))), "has a piece of an unknown shape"),
        (sse(chunk({"content": "x"}), chunk(finish="whim")), "ended for a reason that is not known: whim"),
        (sse(chunk(call_delta("{}", call_id="a")), STOP), "has a tool call without a name"),
        (sse(chunk({"content": "x"}), {"error": {"message": "No capacity"}}), "ended with an error: No capacity"),
        (b'event: error\ndata: {"error": "No capacity"}\n\n', "ended with an error: No capacity"),
        (b'{"error": {"message": "No capacity"}}', "ended with an error: No capacity"),
        (b'[{"error": {"message": "No capacity"}}]', "ended with an error: No capacity"),
        (sse({"object": "error", "message": "No capacity"}), "ended with an error: No capacity"),
    ],
)
async def test_an_answer_that_is_not_what_the_interface_promises_is_an_error(body: bytes, complaint: str) -> None:
    async with served(body) as model:
        with pytest.raises(BadResponseError) as caught:
            await drained(model)

    assert complaint in str(caught.value)
    assert caught.value.hint
    assert caught.value.model == model.id


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        ({"message": "slow down", "code": 429}, RateLimitError),
        ({"message": "slow down", "type": "rate_limit_exceeded"}, RateLimitError),
        ({"message": "maximum context length is 10", "code": "context_length_exceeded"}, ContextOverflowError),
        ({"message": "no", "code": 401}, AuthenticationError),
    ],
)
async def test_an_error_inside_a_stream_keeps_its_kind(error: dict[str, Any], kind: type[ModelError]) -> None:
    async with served(sse({"error": error})) as model:
        with pytest.raises(ModelError) as caught:
            await drained(model)

    assert type(caught.value) is kind


@pytest.mark.parametrize(
    ("status", "error", "kind", "retryable"),
    [
        (400, {"message": "Unknown parameter"}, RequestRejectedError, False),
        (400, {"message": "x", "code": "context_length_exceeded"}, ContextOverflowError, False),
        (400, {"message": "This model's maximum context length is 10 tokens."}, ContextOverflowError, False),
        (400, {"message": "prompt is too long: 11 tokens > 10 maximum"}, ContextOverflowError, False),
        (400, {"message": "the request exceeds the available context size"}, ContextOverflowError, False),
        (400, {"message": "Your credit balance is too low"}, RequestRejectedError, False),
        (400, {"message": "Invalid call", "code": "tool_use_failed"}, BadResponseError, True),
        (401, {"message": "Incorrect API key"}, AuthenticationError, False),
        (402, {"message": "Insufficient credits"}, RequestRejectedError, False),
        (403, {"message": "Not allowed"}, AuthenticationError, False),
        (404, {"message": "No such model"}, RequestRejectedError, False),
        (408, {"message": "Timeout"}, ModelTimeoutError, True),
        (413, {"message": "Too large"}, ContextOverflowError, False),
        (422, {"message": "Invalid"}, RequestRejectedError, False),
        (429, {"message": "Slow down"}, RateLimitError, True),
        (429, {"message": "x", "code": "insufficient_quota"}, RateLimitError, False),
        (500, {"message": "Oops"}, ModelError, True),
        (503, {"message": "Overloaded"}, ModelError, True),
        (529, {"message": "Overloaded"}, RateLimitError, True),
    ],
)
async def test_every_status_has_its_error(
    *, status: int, error: dict[str, Any], kind: type[ModelError], retryable: bool
) -> None:
    body = json.dumps({"error": error}).encode()
    async with served(body, status=status, headers={"x-request-id": "req_1"}) as model:
        with pytest.raises(ModelError) as caught:
            await drained(model)

    assert type(caught.value) is kind
    assert caught.value.retryable is retryable
    assert (caught.value.request_id, caught.value.model) == ("req_1", "openai-chat:gpt-4.1")
    assert f"(HTTP {status}): {error['message']}" in str(caught.value)
    assert caught.value.hint


@pytest.mark.parametrize(
    "body",
    [b'{"error": "Oops"}', b'{"detail": "Oops"}', b'{"message": "Oops"}', b'[{"error": {"message": "Oops"}}]', b"Oops"],
)
async def test_a_complaint_is_found_in_whatever_shape_it_comes(body: bytes) -> None:
    async with served(body, status=400) as model:
        with pytest.raises(RequestRejectedError, match=r"refuses this request \(HTTP 400\): Oops$"):
            await drained(model)


async def test_a_page_in_place_of_an_error_is_not_quoted() -> None:
    async with served(b"<html><body>Bad gateway</body></html>", status=502) as model:
        with pytest.raises(ModelError, match=r"\(HTTP 502\): an HTML page$"):
            await drained(model)


async def test_a_gateway_s_word_for_its_upstream_is_quoted() -> None:
    body = b'{"error": {"message": "Provider returned error", "code": 429, "metadata": {"raw": "try tomorrow"}}}'
    async with served(body, status=429) as model:
        with pytest.raises(RateLimitError, match="Provider returned error: try tomorrow"):
            await drained(model)


@pytest.mark.parametrize(
    ("headers", "message", "wait_s"),
    [
        ({"retry-after": "7"}, "", 7.0),
        ({"retry-after": "7", "retry-after-ms": "1500"}, "", 1.5),
        ({"retry-after": "Wed, 21 Oct 2026 07:28:30 GMT", "date": "Wed, 21 Oct 2026 07:28:00 GMT"}, "", 30.0),
        ({"retry-after": "Wed, 21 Oct 2015 07:28:00 GMT"}, "", 0.0),
        ({"retry-after": "soon"}, "", None),
        ({"retry-after": "inf"}, "", None),
        ({}, "Please try again in 174ms. Visit us.", 0.174),
        ({}, "Please try again in 1.5s.", 1.5),
        ({}, "Please try again in 6m0s.", 360.0),
        ({}, "Please try again in a while.", None),
    ],
)
async def test_how_long_to_wait_is_taken_from_where_it_is_said(
    headers: dict[str, str], message: str, wait_s: float | None
) -> None:
    async with served(json.dumps({"error": {"message": message}}).encode(), status=429, headers=headers) as model:
        with pytest.raises(RateLimitError) as caught:
            await drained(model)

    assert caught.value.retry_after_s == wait_s


async def test_a_redirect_is_reported_and_not_followed() -> None:
    async with served(b"", status=301, headers={"location": "https://else.example/"}) as model:
        with pytest.raises(RequestRejectedError, match="sends the call elsewhere"):
            await drained(model)


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (httpx2.ConnectError("refused"), ModelError),
        (httpx2.ReadTimeout("slow"), ModelTimeoutError),
        (httpx2.RemoteProtocolError("gone"), ModelError),
    ],
)
async def test_a_transport_that_fails_is_an_error_worth_another_try(error: Exception, kind: type[ModelError]) -> None:
    def fail(_request: httpx2.Request) -> httpx2.Response:
        raise error

    async with served(fail) as model:
        with pytest.raises(ModelError) as caught:
            await drained(model)

    assert type(caught.value) is kind
    assert caught.value.retryable


@pytest.mark.parametrize("status", [200, 401, 500])
async def test_a_key_that_a_server_repeats_is_not_repeated_further(status: int) -> None:
    body = json.dumps({"error": {"message": f"Bad key {SECRET} or gsk_x sk-proj-abcdef***xyz"}}).encode()
    async with served(body, status=status) as model:
        with pytest.raises(ModelError) as caught:
            await drained(model)

    trace = "".join(traceback.format_exception(caught.value))
    shown = f"{caught.value!r} {caught.value.hint} {model!r} {model._site!r} {trace}"
    assert "Bad key [key]" in shown
    assert SECRET not in shown
    assert "abcdef" not in shown


async def test_what_a_server_says_is_one_clean_line() -> None:
    body = json.dumps({"error": {"message": "a\x1b[31m\n\nb" + "x" * 1000}}).encode()
    async with served(body, status=400) as model:
        with pytest.raises(RequestRejectedError) as caught:
            await drained(model)

    said = str(caught.value)
    assert said.isprintable()
    assert len(said) < 400


async def test_leaving_early_closes_the_answer() -> None:
    closed = anyio.Event()

    class Endless(httpx2.AsyncByteStream):
        async def __aiter__(self) -> AsyncIterator[bytes]:
            while True:
                yield sse(chunk({"content": "x"}), done=False)
                await anyio.lowlevel.checkpoint()

        async def aclose(self) -> None:
            closed.set()

    async with served(lambda _request: httpx2.Response(200, stream=Endless())) as model:
        async with model.stream(ASK) as stream:
            async for _ in stream:
                break

        assert closed.is_set()


async def test_a_client_that_was_handed_in_stays_open() -> None:
    async with served(sse(chunk({"content": "Hi"}), STOP)) as model:
        await model.aclose()

        assert (await drained(model))[1].message.text == "Hi"


async def test_a_client_of_its_own_takes_the_key_to_its_url_and_nothing_from_the_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "sk-of-the-environment")
    monkeypatch.setenv("OPENAI_ORG_ID", "org-of-the-environment")
    monkeypatch.setenv("OPENAI_CUSTOM_HEADERS", "Authorization: Bearer sk-of-the-environment\nX-G: of-the-environment")
    model = OpenAIChat("m", base_url="http://localhost:1/v1", headers={"X-Team": "blue"})

    client = model._client()
    request = client._build_request(_options(client))
    await model.aclose()

    assert str(request.url) == "http://localhost:1/v1/chat/completions"
    assert request.headers["authorization"] == "Bearer none"
    assert request.headers["x-team"] == "blue"
    assert "of-the-environment" not in str(request.headers.raw)


def _options(client: AsyncOpenAI) -> Any:
    from openai._models import FinalRequestOptions

    return FinalRequestOptions.construct(method="post", url="/chat/completions", headers={})


@pytest.mark.parametrize("key", ["sk-a\nb", "sk-ä", "sk a"])
def test_a_key_that_cannot_be_one_is_refused_without_showing_it(key: str) -> None:
    with pytest.raises(UsageError, match="contains characters that no key has") as caught:
        OpenAIChat("gpt-4.1", api_key=key)

    assert key not in str(caught.value)


def test_openai_is_not_called_without_a_key() -> None:
    with pytest.raises(UsageError, match="none was given"):
        OpenAIChat("gpt-4.1")
