from __future__ import annotations

import json
import traceback
from collections.abc import AsyncIterator
from typing import Any

import anyio
import httpx2
import pytest
from anthropic import AsyncAnthropic

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
    AssistantMessage,
    Finished,
    Opaque,
    Reasoning,
    ReasoningDelta,
    Request,
    Text,
    TextDelta,
    ToolCall,
    ToolCallDelta,
    user,
)
from captain.core.usage import Usage
from captain.models import AnthropicMessages, Model
from tests.models.anthropic_wire import (
    ASK,
    SECRET,
    STOP,
    answer,
    block,
    drained,
    ended,
    served,
    sse,
    start,
    text,
    tool_use,
)

PING = {"type": "ping"}
HI = text("Hi")


def opaque(**payload: Any) -> Opaque:
    return Opaque(provider="anthropic", data=json.dumps(payload))


async def test_text_is_passed_on_as_it_comes_and_the_reply_is_whole() -> None:
    body = sse(
        start(input_tokens=10, cache_read_input_tokens=40, cache_creation_input_tokens=50, output_tokens=1),
        PING,
        *text("Hi", "!"),
        ended(output_tokens=5, output_tokens_details={"thinking_tokens": 2}),
        STOP,
    )

    async with served(body, headers={"request-id": "req_1"}) as model:
        events, reply = await drained(model)

    assert isinstance(model, Model)
    assert events == [TextDelta(text="Hi"), TextDelta(text="!"), Finished(reply=reply)]
    assert reply.message.parts == (Text(text="Hi!"),)
    assert reply.stop == "end"
    assert reply.usage == Usage(
        input_tokens=100, output_tokens=5, cached_tokens=40, cache_write_tokens=50, reasoning_tokens=2
    )
    assert (reply.model, reply.request_id) == ("served-1", "req_1")
    assert 0 < reply.first_event_s <= reply.duration_s


async def test_counts_are_cumulative_so_the_last_of_each_holds() -> None:
    body = sse(
        start(input_tokens=10, cache_read_input_tokens=5, output_tokens=9),
        *HI,
        ended(None, output_tokens=3),
        ended(input_tokens=25, cache_read_input_tokens=None, output_tokens=7),
        STOP,
    )

    async with served(body) as model:
        _, reply = await drained(model)

    assert reply.usage == Usage(input_tokens=30, cached_tokens=5, output_tokens=7)


async def test_one_finished_body_goes_to_the_endpoint_with_the_key_and_the_version_it_is_written_for() -> None:
    seen: list[httpx2.Request] = []

    def handle(request: httpx2.Request) -> httpx2.Response:
        seen.append(request)
        return httpx2.Response(200, content=answer(HI))

    async with served(handle, base_url="https://gateway.example/claude") as model:
        await drained(model)

    [request] = seen
    assert str(request.url) == "https://gateway.example/claude/v1/messages"
    assert request.headers["authorization"] == f"Bearer {SECRET}"
    assert request.headers["anthropic-version"] == "2023-06-01"
    assert request.headers["content-type"] == "application/json"
    assert "anthropic-beta" not in request.headers
    assert json.loads(request.content)["messages"][-1]["content"][0]["text"] == "Hello?"


async def test_a_host_s_own_betas_stay_beside_those_a_model_needs() -> None:
    seen: list[str] = []

    def handle(request: httpx2.Request) -> httpx2.Response:
        seen.append(request.headers["anthropic-beta"])
        return httpx2.Response(200, content=answer(HI))

    async with httpx2.AsyncClient(transport=httpx2.MockTransport(handle)) as http:
        client = AsyncAnthropic(api_key=SECRET, http_client=http, default_headers={"Anthropic-Beta": "theirs-2026"})
        await drained(AnthropicMessages("claude-opus-5-5", client=client))

    assert seen == ["theirs-2026,thinking-binding-controls-2026-08-01"]


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


async def test_parallel_calls_between_text_are_put_together_from_their_pieces() -> None:
    body = answer(
        text("I look."),
        tool_use("toolu_a", "read", "", '{"path"', ': "x"}', index=1),
        text("And list.", index=2),
        tool_use("toolu_b", "list", "", index=3),
        reason="tool_use",
    )

    async with served(body) as model:
        events, reply = await drained(model)

    assert [event for event in events if isinstance(event, ToolCallDelta)] == [
        ToolCallDelta(index=0, arguments="", id="toolu_a", name="read"),
        ToolCallDelta(index=0, arguments='{"path"'),
        ToolCallDelta(index=0, arguments=': "x"}'),
        ToolCallDelta(index=1, arguments="", id="toolu_b", name="list"),
        ToolCallDelta(index=1, arguments="{}"),
    ]
    assert reply.message.parts == (
        Text(text="I look."),
        ToolCall(id="toolu_a", name="read", arguments='{"path": "x"}'),
        Text(text="And list."),
        ToolCall(id="toolu_b", name="list", arguments="{}"),
    )
    assert reply.stop == "tool_calls"


async def test_input_that_comes_with_the_beginning_of_a_call_is_read() -> None:
    async with served(answer(tool_use("t", "read", input={"path": "ä"}), reason="tool_use")) as model:
        _, reply = await drained(model)

    assert reply.message.tool_calls == (ToolCall(id="t", name="read", arguments='{"path": "ä"}'),)


async def test_who_may_call_a_tool_goes_back_with_its_call() -> None:
    async with served(answer(tool_use("t", "read", "{}", caller={"type": "direct"}), reason="tool_use")) as model:
        _, reply = await drained(model)

    assert reply.message.tool_calls[0].opaque == opaque(caller={"type": "direct"})


async def test_signed_and_redacted_thoughts_are_kept_as_they_came() -> None:
    thought = block(
        0,
        {"type": "thinking", "thinking": "", "signature": ""},
        {"type": "thinking_delta", "thinking": "Hm"},
        {"type": "thinking_delta", "thinking": "."},
        {"type": "signature_delta", "signature": "sig"},
    )
    hidden = block(
        1, {"type": "thinking", "thinking": "", "signature": ""}, {"type": "signature_delta", "signature": "s2"}
    )
    redacted = block(2, {"type": "redacted_thinking", "data": "xyz"})

    async with served(answer(thought, hidden, redacted, text("Yes.", index=3))) as model:
        events, reply = await drained(model)

    assert events[:2] == [ReasoningDelta(text="Hm"), ReasoningDelta(text=".")]
    assert reply.message.parts == (
        Reasoning(text="Hm.", opaque=opaque(type="thinking", thinking="Hm.", signature="sig")),
        Reasoning(text="", opaque=opaque(type="thinking", thinking="", signature="s2")),
        Reasoning(text="", opaque=opaque(type="redacted_thinking", data="xyz")),
        Text(text="Yes."),
    )


async def test_a_thought_without_its_signature_is_not_for_sending_back() -> None:
    cut = block(0, {"type": "thinking", "thinking": ""}, {"type": "thinking_delta", "thinking": "Hm"})

    async with served(answer(cut, reason="max_tokens")) as model:
        _, reply = await drained(model)

    assert reply.message.parts == (Reasoning(text="Hm"),)
    assert reply.stop == "length"


async def test_the_server_s_own_tools_and_their_results_ride_along() -> None:
    used = block(
        0,
        {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {}},
        {"type": "input_json_delta", "partial_json": '{"query":'},
        {"type": "input_json_delta", "partial_json": ' "x"}'},
    )
    found = block(1, {"type": "web_search_tool_result", "tool_use_id": "srvtoolu_1", "content": [{"title": "t"}]})
    cited = block(
        2,
        {"type": "text", "text": "", "citations": []},
        {"type": "citations_delta", "citation": {"type": "char_location", "cited_text": "c"}},
        {"type": "text_delta", "text": "So."},
    )
    summary = block(
        3,
        {"type": "compaction", "content": None},
        {"type": "compaction_delta", "content": "Before.", "encrypted_content": "e"},
    )

    async with served(answer(used, found, cited, summary, reason="pause_turn")) as model:
        events, reply = await drained(model)

    assert events[:-1] == [TextDelta(text="So.")]
    assert reply.stop == "pause"
    assert reply.message.text == "So."
    assert reply.message.tool_calls == ()
    assert [part.opaque for part in reply.message.parts] == [
        opaque(type="server_tool_use", id="srvtoolu_1", name="web_search", input={"query": "x"}),
        opaque(type="web_search_tool_result", tool_use_id="srvtoolu_1", content=[{"title": "t"}]),
        opaque(citations=[{"type": "char_location", "cited_text": "c"}]),
        opaque(type="compaction", content="Before.", encrypted_content="e"),
    ]


async def test_what_a_turn_was_given_goes_back_in_the_next_exactly_as_it_came() -> None:
    blocks = [
        {"type": "thinking", "thinking": "Hm.", "signature": "sig"},
        {"type": "redacted_thinking", "data": "xyz"},
        {"type": "text", "text": "So.", "citations": [{"type": "char_location", "cited_text": "c"}]},
        {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {"query": "x"}},
        {"type": "web_search_tool_result", "tool_use_id": "srvtoolu_1", "content": []},
        {"type": "tool_use", "id": "t", "name": "read", "input": {"path": "ä"}, "caller": {"type": "direct"}},
    ]
    whole = {"id": "msg_1", "type": "message", "model": "m", "content": blocks, "stop_reason": "tool_use", "usage": {}}
    sent: list[Any] = []

    def handle(request: httpx2.Request) -> httpx2.Response:
        sent.append(json.loads(request.content)["messages"])
        return httpx2.Response(200, json=whole)

    async with served(handle) as model:
        _, reply = await drained(model)
        await drained(model, Request(instructions="", messages=(*ASK.messages, reply.message, user("On."))))

    assert sent[1][1] == {"role": "assistant", "content": blocks}


async def test_another_server_s_payload_does_not_come_back_to_anthropic() -> None:
    thought = block(0, {"type": "thinking", "thinking": "Hm", "signature": "sig"})

    async with served(answer(thought), base_url="http://gateway.example") as model:
        _, reply = await drained(model)

    [part] = reply.message.parts
    assert part.opaque is not None
    assert part.opaque.provider == "anthropic@gateway.example"


@pytest.mark.parametrize(
    ("reason", "stop"),
    [
        ("end_turn", "end"),
        ("stop_sequence", "end"),
        ("tool_use", "end"),
        ("max_tokens", "length"),
        ("model_context_window_exceeded", "length"),
        ("refusal", "refusal"),
        ("pause_turn", "pause"),
    ],
)
async def test_why_an_answer_ended(reason: str, stop: str) -> None:
    async with served(answer(HI, reason=reason)) as model:
        _, reply = await drained(model)

    assert reply.stop == stop


async def test_a_refusal_without_a_word_is_an_answer() -> None:
    async with served(sse(start(), ended("refusal"), STOP)) as model:
        events, reply = await drained(model)

    assert events == [Finished(reply=reply)]
    assert (reply.stop, reply.message) == ("refusal", AssistantMessage(parts=()))


async def test_a_server_that_answers_with_one_json_body_is_understood() -> None:
    body = {
        "id": "msg_1",
        "type": "message",
        "model": "m",
        "content": [{"type": "text", "text": "Hi"}],
        "stop_reason": "end_turn",
        "usage": {"input_tokens": 1, "output_tokens": 2},
    }

    async with served(json.dumps(body, indent=1).encode()) as model:
        events, reply = await drained(model)

    assert events[0] == TextDelta(text="Hi")
    assert (reply.stop, reply.usage, reply.request_id) == ("end", Usage(input_tokens=1, output_tokens=2), "msg_1")


async def test_events_that_did_not_exist_yet_are_passed_over() -> None:
    async with served(sse(start(), {"type": "weather", "index": 0}, *HI, ended(), STOP)) as model:
        _, reply = await drained(model)

    assert reply.message.text == "Hi"


WHOLE = [start(), *text("I look."), *tool_use("t", "read", "{}", index=1), ended("tool_use"), STOP]


@pytest.mark.parametrize("kept", range(1, len(WHOLE)))
@pytest.mark.parametrize("more", [b"", b'event: x\ndata: {"type": "content_bl', b"data: [DONE]\n\n"])
async def test_half_an_answer_is_never_taken_for_a_whole_one(kept: int, more: bytes) -> None:
    async with served(sse(*WHOLE[:kept]) + more) as model:
        with pytest.raises(StreamInterruptedError, match="broke off before it was finished") as caught:
            await drained(model)

    assert caught.value.retryable
    assert caught.value.request_id == "msg_1"


@pytest.mark.parametrize("body", [b"", b": waiting\n\n: waiting\n\n"])
async def test_nothing_at_all_is_a_broken_answer(body: bytes) -> None:
    async with served(body) as model:
        with pytest.raises(StreamInterruptedError):
            await drained(model)


@pytest.mark.parametrize(
    ("body", "complaint"),
    [
        (b"<!doctype html><title>Hello</title>", "The answer of https://api.anthropic.com is an HTML page."),
        (b"Hello there", "is no Messages answer: Hello there"),
        (b"{}", "has no message"),
        (b'{"input_tokens": 5}', "has no message"),
        (b'{"content": [{"ty', "has a piece that is no JSON"),
        (b"data: {oops\n\n" + answer(HI), "has a piece that is no JSON: {oops"),
        (b"data: 3\n\n", "has a piece that is no JSON object: 3"),
        (sse(start(), *HI[1:]), "has a piece of an unknown shape"),
        (sse(start(), HI[0], HI[0]), "has a piece of an unknown shape"),
        (sse(start(), *text(3)), "has a piece of an unknown shape"),  # type: ignore[arg-type]
        (sse({"type": "message_start", "message": 3}), "has a piece of an unknown shape"),
        (sse(start(), ended("whim"), STOP), "ended for a reason that is not known: whim"),
        (b'{"content": [3], "stop_reason": "end_turn"}', "has a piece of an unknown shape"),
        (sse(start(), {"type": "error", "error": {"type": "odd", "message": "Hm"}}), "ended with an error: Hm"),
        (b'{"error": "No capacity"}', "ended with an error: No capacity"),
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
    ("kind", "message", "error", "retryable"),
    [
        ("overloaded_error", "Overloaded", RateLimitError, True),
        ("rate_limit_error", "Slow down", RateLimitError, True),
        ("api_error", "Internal server error", ModelError, True),
        ("timeout_error", "Too slow", ModelTimeoutError, True),
        ("authentication_error", "No", AuthenticationError, False),
        ("invalid_request_error", "No", RequestRejectedError, False),
        ("invalid_request_error", "prompt is too long: 11 tokens > 10 maximum", ContextOverflowError, False),
        ("billing_error", "Pay", RequestRejectedError, False),
    ],
)
async def test_an_error_inside_a_stream_keeps_its_kind(
    *, kind: str, message: str, error: type[ModelError], retryable: bool
) -> None:
    event = {"type": "error", "error": {"type": kind, "message": message}, "request_id": "req_9"}

    async with served(sse(start(), *HI, event)) as model:
        with pytest.raises(ModelError, match=message) as caught:
            await drained(model)

    assert type(caught.value) is error
    assert (caught.value.retryable, caught.value.request_id) == (retryable, "req_9")


def body_of(kind: str, message: str, **more: Any) -> bytes:
    return json.dumps({"type": "error", "error": {"type": kind, "message": message, **more}}).encode()


@pytest.mark.parametrize(
    ("status", "body", "kind", "retryable"),
    [
        (400, body_of("invalid_request_error", "No such field"), RequestRejectedError, False),
        (
            400,
            body_of("invalid_request_error", "prompt is too long: 2 tokens > 1 maximum"),
            ContextOverflowError,
            False,
        ),
        (
            400,
            body_of("invalid_request_error", "input length and `max_tokens` exceed context limit: 1 + 2 > 2"),
            ContextOverflowError,
            False,
        ),
        (400, body_of("invalid_request_error", "Your credit balance is too low"), RequestRejectedError, False),
        (401, body_of("authentication_error", "invalid x-api-key"), AuthenticationError, False),
        (402, body_of("billing_error", "Pay"), RequestRejectedError, False),
        (403, body_of("permission_error", "Not yours"), AuthenticationError, False),
        (404, body_of("not_found_error", "model: x"), RequestRejectedError, False),
        (409, body_of("conflict_error", "Busy"), ModelError, True),
        (413, body_of("request_too_large", "Too large"), ContextOverflowError, False),
        (429, body_of("rate_limit_error", "Please reduce the prompt length"), RateLimitError, True),
        (
            429,
            body_of("rate_limit_error", "Enough", details={"error_code": "enforced_spend_limit_reached"}),
            RateLimitError,
            False,
        ),
        (500, body_of("api_error", "Oops"), ModelError, True),
        (504, body_of("timeout_error", "Slow"), ModelTimeoutError, True),
        (529, body_of("overloaded_error", "Overloaded"), RateLimitError, True),
        (502, b"<html>Bad gateway</html>", ModelError, True),
        (301, b"", RequestRejectedError, False),
    ],
)
async def test_every_status_has_its_error(*, status: int, body: bytes, kind: type[ModelError], retryable: bool) -> None:
    async with served(body, status=status, headers={"request-id": "req_1"}) as model:
        with pytest.raises(ModelError, match=rf"\(HTTP {status}\): ") as caught:
            await drained(model)

    assert type(caught.value) is kind
    assert caught.value.retryable is retryable
    assert (caught.value.request_id, caught.value.model) == ("req_1", "anthropic:claude-opus-4-7")
    assert caught.value.hint


async def test_the_id_of_a_refused_request_is_found_in_its_body_too() -> None:
    body = b'{"type": "error", "error": {"type": "api_error", "message": "Oops"}, "request_id": "req_2"}'
    async with served(body, status=500) as model:
        with pytest.raises(ModelError) as caught:
            await drained(model)

    assert caught.value.request_id == "req_2"


DATE = {"date": "Wed, 21 Oct 2026 07:28:00 GMT"}


@pytest.mark.parametrize(
    ("headers", "wait_s"),
    [
        ({"retry-after": "7"}, 7.0),
        (
            DATE
            | {
                "anthropic-ratelimit-requests-remaining": "3",
                "anthropic-ratelimit-requests-reset": "2026-10-21T07:29:00Z",
                "anthropic-ratelimit-input-tokens-remaining": "0",
                "anthropic-ratelimit-input-tokens-reset": "2026-10-21T07:28:30Z",
            },
            30.0,
        ),
        ({"anthropic-ratelimit-tokens-remaining": "0", "anthropic-ratelimit-tokens-reset": "soon"}, None),
        ({}, None),
    ],
)
async def test_how_long_to_wait_is_taken_from_where_it_is_said(headers: dict[str, str], wait_s: float | None) -> None:
    async with served(body_of("rate_limit_error", "Slow"), status=429, headers=headers) as model:
        with pytest.raises(RateLimitError) as caught:
            await drained(model)

    assert caught.value.retry_after_s == wait_s


async def test_a_server_that_says_not_to_try_again_is_believed() -> None:
    async with served(body_of("api_error", "Oops"), status=500, headers={"x-should-retry": "false"}) as model:
        with pytest.raises(ModelError) as caught:
            await drained(model)

    assert not caught.value.retryable


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
    async with served(body_of("api_error", f"Bad key {SECRET} or sk-ant-abcdef***xyz"), status=status) as model:
        with pytest.raises(ModelError) as caught:
            await drained(model)

    trace = "".join(traceback.format_exception(caught.value))
    shown = f"{caught.value!r} {caught.value.hint} {model!r} {model._site!r} {trace}"
    assert "Bad key [key]" in shown
    assert SECRET not in shown
    assert "abcdef" not in shown


async def test_leaving_early_closes_the_answer() -> None:
    closed = anyio.Event()

    class Endless(httpx2.AsyncByteStream):
        async def __aiter__(self) -> AsyncIterator[bytes]:
            yield sse(start(), HI[0])
            while True:
                yield sse(HI[1])
                await anyio.lowlevel.checkpoint()

        async def aclose(self) -> None:
            closed.set()

    async with served(lambda _request: httpx2.Response(200, stream=Endless())) as model:
        async with model.stream(ASK) as stream:
            async for _ in stream:
                break

        assert closed.is_set()


async def test_a_client_that_was_handed_in_stays_open() -> None:
    async with served(answer(HI)) as model:
        await model.aclose()

        assert (await drained(model))[1].message.text == "Hi"


async def test_a_client_of_its_own_takes_the_key_to_its_url_and_nothing_from_the_environment(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("ANTHROPIC_API_KEY", "sk-of-the-environment")
    monkeypatch.setenv("ANTHROPIC_AUTH_TOKEN", "token-of-the-environment")
    monkeypatch.setenv("ANTHROPIC_CUSTOM_HEADERS", "X-Api-Key: of-the-environment\nX-Gate: of-the-environment")
    model = AnthropicMessages("m", base_url="http://localhost:1/v1", headers={"X-Team": "blue"})

    client = model._client()
    request = client._build_request(_options())
    await model.aclose()

    assert str(request.url) == "http://localhost:1/v1/messages"
    assert request.headers["authorization"] == "Bearer none"
    assert request.headers["x-team"] == "blue"
    assert "of-the-environment" not in str(request.headers.raw)


def _options() -> Any:
    from anthropic._models import FinalRequestOptions

    return FinalRequestOptions.construct(method="post", url="/v1/messages", headers={})


@pytest.mark.parametrize("key", ["sk-a\nb", "sk-ä", "sk a"])
def test_a_key_that_cannot_be_one_is_refused_without_showing_it(key: str) -> None:
    with pytest.raises(UsageError, match="contains characters that no key has") as caught:
        AnthropicMessages("claude-opus-4-7", api_key=key)

    assert key not in str(caught.value)


def test_anthropic_is_not_called_without_a_key() -> None:
    with pytest.raises(UsageError, match="none was given"):
        AnthropicMessages("claude-opus-4-7")


def test_a_model_shows_no_more_than_it_needs_to() -> None:
    model = AnthropicMessages("m", base_url="http://localhost:1", api_key=SECRET, headers={"X-Key": "hidden-too"})

    assert repr(model) == "AnthropicMessages('m', base_url='http://localhost:1')"
