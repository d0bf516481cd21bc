from __future__ import annotations

import asyncio
import json
from typing import Any

import httpx2
import pytest

from captain.core.errors import (
    AuthenticationError,
    BadResponseError,
    ContextOverflowError,
    ModelError,
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
from captain.models import Model, OpenAIResponses, complete
from tests.models.test_openai_chat_server import HEAD, piece, server
from tests.models.wire import ASK, SECRET, drained, served_responses

HERE = "openai@api.openai.com"
LAST = b"0\r\n\r\n"
OPEN = {"type": "response.created", "response": {"id": "resp_1", "model": "served-1", "status": "in_progress"}}


def stream(*events: dict[str, Any]) -> bytes:
    return "".join(f"event: {event['type']}\ndata: {json.dumps(event)}\n\n" for event in events).encode()


def response(*output: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {"id": "resp_1", "model": "served-1", "status": "completed", "output": list(output), **more}


def closed(*output: dict[str, Any], **more: Any) -> dict[str, Any]:
    whole = response(*output, **more)
    return {"type": f"response.{whole['status']}", "response": whole}


def message(text: str, *, item_id: str = "msg_1", **more: Any) -> dict[str, Any]:
    piece = {"type": "output_text", "text": text, "annotations": []}
    return {"type": "message", "id": item_id, "role": "assistant", "status": "completed", "content": [piece], **more}


def call(arguments: str, *, call_id: str = "call_1", name: str = "read", **more: Any) -> dict[str, Any]:
    return {"type": "function_call", "id": "fc_1", "call_id": call_id, "name": name, "arguments": arguments, **more}


def delta(kind: str, text: str, *, index: int = 0, **more: Any) -> dict[str, Any]:
    return {"type": f"response.{kind}.delta", "output_index": index, "delta": text, **more}


def added(item: dict[str, Any], *, index: int = 0) -> dict[str, Any]:
    return {"type": "response.output_item.added", "output_index": index, "item": item}


def done(item: dict[str, Any], *, index: int = 0) -> dict[str, Any]:
    return {"type": "response.output_item.done", "output_index": index, "item": item}


async def test_text_is_passed_on_as_it_comes_and_the_reply_is_whole() -> None:
    usage = {
        "input_tokens": 10,
        "output_tokens": 5,
        "input_tokens_details": {"cached_tokens": 4, "cache_write_tokens": 3},
        "output_tokens_details": {"reasoning_tokens": 2},
    }
    said = message("Hi!", phase="final_answer")
    body = stream(OPEN, delta("output_text", "Hi"), delta("output_text", "!"), done(said), closed(said, usage=usage))

    async with served_responses(body, headers={"x-request-id": "req_1"}) as model:
        events, reply = await drained(model)

    assert isinstance(model, Model)
    assert events == [TextDelta(text="Hi"), TextDelta(text="!"), Finished(reply=reply)]
    [part] = reply.message.parts
    assert isinstance(part, Text)
    assert part.text == "Hi!"
    assert part.opaque is not None
    assert json.loads(part.opaque.data)["phase"] == "final_answer"
    assert "Hi" not in part.opaque.data
    assert reply.stop == "end"
    assert reply.usage == Usage(
        input_tokens=10, output_tokens=5, cached_tokens=4, cache_write_tokens=3, reasoning_tokens=2
    )
    assert (reply.model, reply.request_id) == ("served-1", "req_1")
    assert 0 < reply.first_event_s <= reply.duration_s


async def test_one_finished_body_goes_to_the_endpoint_with_the_key() -> None:
    seen: list[httpx2.Request] = []

    def handle(request: httpx2.Request) -> httpx2.Response:
        seen.append(request)
        return httpx2.Response(200, content=stream(closed(message("Hi"))))

    async with served_responses(handle, base_url="https://gateway.example/v1") as model:
        await drained(model)

    [request] = seen
    assert str(request.url) == "https://gateway.example/v1/responses"
    assert request.headers["authorization"] == f"Bearer {SECRET}"
    assert json.loads(request.content)["input"] == [{"role": "user", "content": "Hello?"}]


async def test_parallel_calls_and_text_between_them_keep_their_order() -> None:
    first, said, second = call('{"path": "x"}'), message("And"), call("{}", call_id="call_2", name="list", id="fc_2")
    body = stream(
        added(call("")),
        delta("function_call_arguments", '{"path"'),
        added(call("", call_id="call_2", name="list"), index=2),
        delta("function_call_arguments", ': "x"}'),
        done(first),
        delta("output_text", "And", index=1),
        done(said, index=1),
        delta("function_call_arguments", "{}", index=2),
        done(second, index=2),
        closed(first, said, second),
    )

    async with served_responses(body) as model:
        events, reply = await drained(model)

    assert events[:-1] == [
        ToolCallDelta(index=0, arguments="", id="call_1", name="read"),
        ToolCallDelta(index=0, arguments='{"path"'),
        ToolCallDelta(index=1, arguments="", id="call_2", name="list"),
        ToolCallDelta(index=0, arguments=': "x"}'),
        TextDelta(text="And"),
        ToolCallDelta(index=1, arguments="{}"),
    ]
    assert [part.kind for part in reply.message.parts] == ["tool_call", "text", "tool_call"]
    assert [(made.id, made.name, made.arguments) for made in reply.message.tool_calls] == [
        ("call_1", "read", '{"path": "x"}'),
        ("call_2", "list", "{}"),
    ]
    assert reply.stop == "tool_calls"


async def test_reasoning_is_kept_whole_for_the_provider_it_came_from() -> None:
    thought = {
        "type": "reasoning",
        "id": "rs_1",
        "encrypted_content": "gAAA",
        "summary": [{"type": "summary_text", "text": "Hm."}, {"type": "summary_text", "text": "Well."}],
    }
    body = stream(
        added({**thought, "summary": []}),
        {"type": "response.reasoning_summary_part.added", "output_index": 0, "summary_index": 0},
        delta("reasoning_summary_text", "Hm."),
        {"type": "response.reasoning_summary_part.added", "output_index": 0, "summary_index": 1},
        delta("reasoning_summary_text", "Well."),
        done(thought),
        done(call("{}"), index=1),
        closed(thought, call("{}")),
    )

    async with served_responses(body) as model:
        events, reply = await drained(model)

    thinking = "".join(event.text for event in events if isinstance(event, ReasoningDelta))
    reasoning, made = reply.message.parts
    assert thinking == "Hm.\n\nWell."
    assert reasoning == Reasoning(text=thinking, opaque=Opaque(provider=HERE, data=json.dumps(thought)))
    assert isinstance(made, ToolCall)
    assert made.opaque is not None
    assert json.loads(made.opaque.data) == {"type": "function_call", "id": "fc_1"}


async def test_what_a_server_s_own_tools_did_rides_along_in_its_place() -> None:
    search = {"type": "web_search_call", "id": "ws_1", "status": "completed", "action": {"type": "search"}}
    later = {"type": "something_of_next_year", "id": "x_1"}

    async with served_responses(stream(closed(search, message("Found."), later))) as model:
        events, reply = await drained(model)

    assert events[:-1] == [TextDelta(text="Found.")]
    first, _, last = reply.message.parts
    assert first == Text(text="", opaque=Opaque(provider=HERE, data=json.dumps(search)))
    assert last == Text(text="", opaque=Opaque(provider=HERE, data=json.dumps(later)))
    assert (reply.message.text, reply.stop) == ("Found.", "end")


async def test_items_that_came_without_deltas_are_passed_on_when_they_are_done() -> None:
    body = stream(done(message("Hi")), done(call("{}"), index=1), done(call("{}", call_id="c2"), index=2), closed())

    async with served_responses(body) as model:
        events, reply = await drained(model)

    assert events[:-1] == [
        TextDelta(text="Hi"),
        ToolCallDelta(index=0, arguments="{}", id="call_1", name="read"),
        ToolCallDelta(index=1, arguments="{}", id="c2", name="read"),
    ]
    assert len(reply.message.parts) == 3


async def test_a_call_whose_arguments_come_with_its_end_only() -> None:
    body = stream(added(call("")), done(call("{}")), closed(call("{}")))

    async with served_responses(body) as model:
        events, _ = await drained(model)

    assert events[:-1] == [
        ToolCallDelta(index=0, arguments="", id="call_1", name="read"),
        ToolCallDelta(index=0, arguments="{}"),
    ]


async def test_a_server_that_answers_with_one_json_body_is_understood() -> None:
    body = json.dumps(response(message("Hi"), call("{}"), error=None), indent=1).encode()

    async with served_responses(body, headers={"content-type": "application/json"}) as model:
        events, reply = await drained(model)

    assert events[:-1] == [
        TextDelta(text="Hi"),
        ToolCallDelta(index=0, arguments="{}", id="call_1", name="read"),
    ]
    assert (reply.stop, reply.request_id) == ("tool_calls", "resp_1")


REFUSAL = {
    "type": "message",
    "id": "msg_1",
    "role": "assistant",
    "status": "completed",
    "content": [{"type": "refusal", "refusal": "I cannot."}],
}


@pytest.mark.parametrize(
    ("last", "stop"),
    [
        (closed(message("x")), "end"),
        (closed(call("{}")), "tool_calls"),
        (closed(REFUSAL), "refusal"),
        (closed(message("x"), status="incomplete", incomplete_details={"reason": "max_output_tokens"}), "length"),
        (closed(call("{"), status="incomplete", incomplete_details={"reason": "max_output_tokens"}), "length"),
        (closed(status="incomplete", incomplete_details={"reason": "max_output_tokens"}), "length"),
        (closed(message("x"), status="incomplete", incomplete_details={"reason": "content_filter"}), "refusal"),
    ],
)
async def test_why_an_answer_ended(last: dict[str, Any], stop: str) -> None:
    async with served_responses(stream(last)) as model:
        reply = await complete(model, ASK)

    assert reply.stop == stop


async def test_a_refusal_is_the_text_of_the_answer() -> None:
    async with served_responses(stream(delta("refusal", "I cannot."), done(REFUSAL), closed(REFUSAL))) as model:
        events, reply = await drained(model)

    assert events[:-1] == [TextDelta(text="I cannot.")]
    assert reply.message.text == "I cannot."


async def test_nothing_is_waited_for_after_the_last_word() -> None:
    async def body() -> Any:
        yield stream(closed(message("Hi")))
        yield b"data: {oops\n\n"

    class Bytes(httpx2.AsyncByteStream):
        def __aiter__(self) -> Any:
            return body()

    async with served_responses(lambda _request: httpx2.Response(200, stream=Bytes())) as model:
        _, reply = await drained(model)

    assert reply.message.text == "Hi"


@pytest.mark.parametrize(
    "body",
    [
        stream(OPEN, delta("output_text", "Hi")),
        stream(OPEN, delta("output_text", "Hi"), done(message("Hi"))),
        stream(OPEN) + b'data: {"type": "response.comp',
        stream(OPEN) + b"data: [DONE]\n\n",
        stream(closed(message("Hi"), status="cancelled")),
        b": waiting\n\n",
        b"",
    ],
    ids=["end of bytes", "an item is not an answer", "half a piece", "end mark", "cancelled", "comments", "nothing"],
)
async def test_half_an_answer_is_never_taken_for_a_whole_one(body: bytes) -> None:
    async with served_responses(body) as model:
        with pytest.raises(StreamInterruptedError, match="broke off before it was finished") as caught:
            await drained(model)

    assert caught.value.retryable


@pytest.mark.parametrize(
    ("body", "complaint"),
    [
        (b"<!doctype html><title>Hello</title>", "The answer of https://api.openai.com/v1 is an HTML page."),
        (b"{}", "has no output"),
        (b'{"choices": []}', "has no output"),
        (b"[]", "has a piece that is no JSON object"),
        (b'{"outp', "has a piece that is no JSON"),
        (stream(closed()), "has no output"),
        (stream(OPEN) + b"data: {oops\n\n" + stream(closed(message("x"))), "has a piece that is no JSON: {oops"),
        (b"data: 3\n\n", "has a piece that is no JSON object: 3"),
        (stream({"type": "response.output_text.delta", "delta": "x"}), "has a piece of an unknown shape"),
        (stream(delta("output_text", "x"), {**delta("output_text", "x"), "delta": 3}), "of an unknown shape"),
        (stream(delta("function_call_arguments", "x")), "has a piece of an unknown shape"),
        (stream(closed({"id": "x"})), "has a piece of an unknown shape"),
        (stream(closed(call("{}", name=None))), "has a piece of an unknown shape"),  # type: ignore[arg-type]
        (stream({"type": "response.completed"}), "has a piece of an unknown shape"),
        (stream({"type": ["x"]}), "has a piece of an unknown shape"),
        (stream(closed(message("x"), status="incomplete", incomplete_details={"reason": "whim"})), "known: whim"),
        (json.dumps(response(status="queued")).encode(), "calls in the background are not supported"),
        (stream(closed(status="failed")), "the server says 'failed'"),
    ],
)
async def test_an_answer_that_is_not_what_the_interface_promises_is_an_error(body: bytes, complaint: str) -> None:
    async with served_responses(body) as model:
        with pytest.raises(ModelError) as caught:
            await drained(model)

    assert type(caught.value) in (BadResponseError, StreamInterruptedError)
    assert complaint in str(caught.value)
    assert caught.value.hint
    assert caught.value.model == model.id == "openai:gpt-4.1"


@pytest.mark.parametrize(
    ("code", "message", "kind", "retryable"),
    [
        ("server_error", "Oops", BadResponseError, True),
        (None, "Oops", BadResponseError, True),
        ("rate_limit_exceeded", "Please try again in 1.5s.", RateLimitError, True),
        ("context_length_exceeded", "Too much", ContextOverflowError, False),
        ("invalid_prompt", "No", RequestRejectedError, False),
        ("image_parse_error", "No", RequestRejectedError, False),
        ("bio_policy", "No", RequestRejectedError, False),
        ("insufficient_quota", "You exceeded your current quota", RateLimitError, False),
    ],
)
@pytest.mark.parametrize("how", ["event", "nested event", "failed response", "whole body"])
async def test_an_error_inside_an_answer_keeps_its_kind(
    *, code: str | None, message: str, kind: type[ModelError], retryable: bool, how: str
) -> None:
    error = {"code": code, "message": message, "param": None}
    body = {
        "event": stream(OPEN, {"type": "error", **error}),
        "nested event": stream(OPEN, {"type": "error", "error": error}),
        "failed response": stream(OPEN, closed(status="failed", error=error)),
        "whole body": json.dumps(response(status="failed", error=error)).encode(),
    }[how]

    async with served_responses(body) as model:
        with pytest.raises(ModelError) as caught:
            await drained(model)

    assert type(caught.value) is kind
    assert caught.value.retryable is retryable
    assert message in str(caught.value)
    assert caught.value.request_id in ("resp_1", None)


@pytest.mark.parametrize(
    ("status", "code", "kind", "said"),
    [
        (400, "model_not_found", RequestRejectedError, "does not know openai:gpt-4.1"),
        (400, "invalid_value", RequestRejectedError, "refuses this request"),
        (400, "context_length_exceeded", ContextOverflowError, "is longer than openai:gpt-4.1 takes"),
        (401, "invalid_api_key", AuthenticationError, "does not let this key use"),
        (429, "rate_limit_exceeded", RateLimitError, "takes no more calls at the moment"),
    ],
)
async def test_every_status_has_its_error(status: int, code: str, kind: type[ModelError], said: str) -> None:
    body = json.dumps({"error": {"message": f"Not with {SECRET}", "code": code}}).encode()

    async with served_responses(body, status=status, headers={"x-request-id": "req_1"}) as model:
        with pytest.raises(ModelError) as caught:
            await drained(model)

    assert type(caught.value) is kind
    assert said in str(caught.value)
    assert SECRET not in str(caught.value)
    assert (caught.value.request_id, caught.value.model) == ("req_1", "openai:gpt-4.1")


def test_openai_is_not_called_without_a_key() -> None:
    with pytest.raises(UsageError, match="none was given"):
        OpenAIResponses("gpt-5.5")


def test_it_shows_no_more_than_it_needs_to() -> None:
    model = OpenAIResponses("m", base_url="http://localhost:1/v1", api_key=SECRET, headers={"X-Key": "hidden-too"})

    assert repr(model) == "OpenAIResponses('m', base_url='http://localhost:1/v1')"
    assert model.id == "openai:m"


async def test_turns_over_a_real_connection_share_it() -> None:
    async def hello(writer: asyncio.StreamWriter) -> None:
        for data in (HEAD, piece(stream(delta("output_text", "Hi"))), piece(stream(closed(message("Hi")))), LAST):
            writer.write(data)
            await writer.drain()

    async with server(hello) as (url, connections):
        model = OpenAIResponses("m", base_url=url, api_key=SECRET)
        for _ in range(3):
            events, reply = await drained(model)
            assert events[0] == TextDelta(text="Hi")
            assert reply.message.text == "Hi"
        await model.aclose()

    assert len(connections) == 1
