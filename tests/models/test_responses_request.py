from __future__ import annotations

import json
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from captain.core.errors import RequestRejectedError
from captain.core.messages import (
    AssistantMessage,
    Media,
    Message,
    Opaque,
    OutputSchema,
    Reasoning,
    Request,
    Settings,
    Text,
    ToolCall,
    ToolResult,
    ToolSpec,
    UserMessage,
    user,
)
from captain.models.base import IMAGE_TYPES
from captain.models.profiles import profile_of
from captain.models.responses_request import encode, habits_of
from tests.models.conformance import validator
from tests.models.requests import TEXTS, media, requests

OPENAI = "api.openai.com"
READ = ToolSpec(name="read", description="Reads a file.", parameters={"type": "object", "properties": {}})
PICTURE = Media(media_type="image/png", data=b"\x89PNG")
PAPER = Media(media_type="application/pdf", data=b"%PDF", name="a.pdf")
PICTURE_URL, PAPER_URL = "data:image/png;base64,iVBORw==", "data:application/pdf;base64,JVBERg=="


def encoded(request: Request, *, model: str = "gpt-5.5", host: str = OPENAI, **habits: Any) -> bytes:
    return encode(
        request, model=model, name=model, profile=profile_of(model, host=host), habits=habits_of(host, **habits)
    )


def body_of(request: Request, **more: Any) -> dict[str, Any]:
    body: dict[str, Any] = json.loads(encoded(request, **more))
    return body


def items_of(*messages: Message, **more: Any) -> list[dict[str, Any]]:
    items: list[dict[str, Any]] = body_of(Request(instructions="", messages=messages), **more)["input"]
    return items


def own(payload: dict[str, Any], *, host: str = OPENAI) -> Opaque:
    return Opaque(provider=f"openai@{host}", data=json.dumps(payload))


def said(text: str, *, item_id: str = "msg_1", kind: str = "output_text") -> Text:
    piece = {"type": kind, "annotations": []} if kind == "output_text" else {"type": kind}
    item = {"type": "message", "id": item_id, "role": "assistant", "status": "completed", "content": [piece]}
    return Text(text=text, opaque=own(item))


REASONING_ITEM = {"type": "reasoning", "id": "rs_1", "encrypted_content": "gAAA", "summary": []}
THOUGHT = Reasoning(text="Hm.", opaque=own(REASONING_ITEM))
CALL = ToolCall(
    id="call_1", name="read", arguments="{}", opaque=own({"type": "function_call", "id": "fc_1", "namespace": "n"})
)
SEARCH_ITEM = {
    "type": "web_search_call",
    "id": "ws_1",
    "status": "completed",
    "action": {"type": "search", "query": ""},
}
SEARCH = Text(text="", opaque=own(SEARCH_ITEM))


def test_a_request_becomes_a_streaming_call_that_leaves_nothing_behind() -> None:
    request = Request(instructions="Be brief.", messages=(user("Hello?"),), tools=(READ,), conversation="run-1/T1")

    assert body_of(request) == {
        "model": "gpt-5.5",
        "stream": True,
        "store": False,
        "instructions": "Be brief.",
        "tools": [
            {
                "type": "function",
                "name": "read",
                "description": "Reads a file.",
                "parameters": {"type": "object", "properties": {}},
                "strict": False,
            }
        ],
        "prompt_cache_key": "run-1/T1",
        "include": ["reasoning.encrypted_content"],
        "input": [{"role": "user", "content": "Hello?"}],
    }


def test_what_the_provider_said_goes_back_verbatim_and_in_its_order() -> None:
    annotated = said("Found.")

    items = items_of(
        AssistantMessage(parts=(SEARCH, THOUGHT, CALL, annotated, said(" More."), said("New", item_id="m2")))
    )

    assert items[0] == SEARCH_ITEM
    assert items[1] == REASONING_ITEM
    assert items[2] == {
        "type": "function_call",
        "id": "fc_1",
        "namespace": "n",
        "call_id": "call_1",
        "name": "read",
        "arguments": "{}",
    }
    assert [[piece["text"] for piece in item["content"]] for item in items[3:]] == [["Found.", " More."], ["New"]]
    assert items[3]["id"] == "msg_1"


def test_a_refusal_goes_back_as_one() -> None:
    [item] = items_of(AssistantMessage(parts=(said("I cannot.", kind="refusal"),)))

    assert item["content"] == [{"type": "refusal", "refusal": "I cannot."}]


def test_what_another_provider_said_goes_as_plain_text_and_calls() -> None:
    elsewhere = Opaque(provider="anthropic", data='{"signature": "s"}')
    parts = (
        Reasoning(text="Hm.", opaque=elsewhere),
        Text(text="I ", opaque=elsewhere),
        Text(text="", opaque=elsewhere),
        Text(text="look."),
        ToolCall(id="toolu_1", name="read", arguments="{oops", opaque=elsewhere),
    )

    assert items_of(AssistantMessage(parts=parts)) == [
        {"role": "assistant", "content": "I look."},
        {"type": "function_call", "call_id": "toolu_1", "name": "read", "arguments": '{"invalid_json": "{oops"}'},
    ]


@pytest.mark.parametrize("encrypted", [None, ""])
def test_reasoning_that_nobody_kept_takes_the_ids_that_are_tied_to_it_along(encrypted: str | None) -> None:
    lost = Reasoning(text="Hm.", opaque=own({**REASONING_ITEM, "encrypted_content": encrypted}))

    assert items_of(AssistantMessage(parts=(lost, SEARCH, CALL, said("Done.")))) == [
        {"type": "function_call", "call_id": "call_1", "name": "read", "arguments": "{}"},
        {"role": "assistant", "content": "Done."},
    ]


def test_a_model_that_does_not_reason_is_given_no_reasoning_of_another() -> None:
    assert items_of(AssistantMessage(parts=(THOUGHT, CALL)), model="gpt-4.1") == [
        {"type": "function_call", "call_id": "call_1", "name": "read", "arguments": "{}"}
    ]


def test_a_compatible_server_gets_its_open_reasoning_back() -> None:
    item = {"type": "reasoning", "id": "rs_1", "summary": [], "content": [{"type": "reasoning_text", "text": "Hm."}]}
    thought = Reasoning(text="Hm.", opaque=own(item, host="localhost"))

    assert items_of(AssistantMessage(parts=(thought,)), host="localhost") == [item]


def test_results_follow_their_calls_and_carry_pictures_and_files() -> None:
    answers = UserMessage(
        parts=(
            Text(text="And hurry."),
            ToolResult(call_id="c1", content=(Text(text="one"), Text(text="two"))),
            ToolResult(call_id="c2", content=(Text(text="no such file"),), is_error=True),
            ToolResult(call_id="c3", content=()),
            ToolResult(call_id="c" * 80, content=(Text(text="See"), PICTURE, PAPER), is_error=True),
        )
    )

    *results, last, asked = items_of(answers)

    assert results == [
        {"type": "function_call_output", "call_id": "c1", "output": "one\ntwo"},
        {"type": "function_call_output", "call_id": "c2", "output": "Error: no such file"},
        {"type": "function_call_output", "call_id": "c3", "output": "(no output)"},
    ]
    assert last["output"] == [
        {"type": "input_text", "text": "Error:"},
        {"type": "input_text", "text": "See"},
        {"type": "input_image", "image_url": PICTURE_URL, "detail": "auto"},
        {"type": "input_file", "filename": "a.pdf", "file_data": PAPER_URL},
    ]
    assert asked == {"role": "user", "content": "And hurry."}


def test_an_id_that_is_too_long_becomes_the_same_shorter_one_for_call_and_result() -> None:
    long = "x" * 65
    made, answered = items_of(
        AssistantMessage(parts=(ToolCall(id=long, name="read", arguments="{}"),)),
        UserMessage(parts=(ToolResult(call_id=long, content=()),)),
    )

    assert made["call_id"] == answered["call_id"]
    assert len(made["call_id"]) <= 64


@pytest.mark.parametrize(
    ("shown", "complaint"),
    [
        (Media(media_type="audio/mpeg", data=b"", name="a.mp3"), "a.mp3 cannot be sent to gpt-5.5, which takes images"),
        (Media(media_type="image/tiff", data=b""), "it is image/tiff, not image/png or image/jpeg or"),
        (Media(media_type="image/png", data=b"x" * 16_000_000), "has 16000000 bytes, and gpt-5.5 takes at most"),
    ],
)
@pytest.mark.parametrize("by_tool", [False, True])
def test_media_a_model_does_not_take_are_refused_before_the_call(
    *, shown: Media, complaint: str, by_tool: bool
) -> None:
    part = ToolResult(call_id="c", content=(shown,)) if by_tool else shown

    with pytest.raises(RequestRejectedError, match=complaint):
        items_of(UserMessage(parts=(part,)))


KNOBS = Settings(max_output_tokens=10, temperature=0.5, reasoning_effort="minimal")


@pytest.mark.parametrize(
    ("model", "knobs"),
    [
        ("gpt-4.1", {"max_output_tokens": 16, "temperature": 0.5}),
        ("gpt-5", {"max_output_tokens": 16, "reasoning": {"effort": "minimal"}}),
        ("gpt-5.5", {"max_output_tokens": 16, "reasoning": {"effort": "low"}}),
        ("gpt-5.5-pro", {"max_output_tokens": 16, "reasoning": {"effort": "medium"}}),
    ],
)
def test_settings_are_put_as_the_model_takes_them(model: str, knobs: dict[str, Any]) -> None:
    body = body_of(Request(instructions="", messages=(user("x"),), tools=(READ,), settings=KNOBS), model=model)

    assert {key: body[key] for key in body.keys() & {"max_output_tokens", "temperature", "reasoning"}} == knobs
    assert ("include" in body) is ("reasoning" in knobs)


@pytest.mark.parametrize("effort", ["none", "xhigh"])
def test_the_least_and_the_greatest_effort_are_sent_where_a_model_has_them(effort: Any) -> None:
    request = Request(instructions="", messages=(user("x"),), settings=Settings(reasoning_effort=effort))

    assert body_of(request)["reasoning"] == {"effort": effort}
    assert body_of(request, model="gpt-5")["reasoning"] == {"effort": {"none": "minimal", "xhigh": "high"}[effort]}


def test_more_output_than_a_model_writes_is_refused_unless_its_limit_is_a_guess() -> None:
    request = Request(instructions="", messages=(user("x"),), settings=Settings(max_output_tokens=200_000))

    with pytest.raises(RequestRejectedError, match=r"gpt-5\.5 writes at most 128000 tokens"):
        body_of(request)
    assert body_of(request, model="gpt-7")["max_output_tokens"] == 200_000


def test_summaries_and_the_provider_s_own_tools_are_asked_for_where_they_are_wanted() -> None:
    body = body_of(
        Request(instructions="", messages=(user("x"),)), server_tools=({"type": "web_search"},), summary="auto"
    )

    assert body["tools"] == [{"type": "web_search"}]
    assert body["reasoning"] == {"summary": "auto"}


def test_a_tool_is_strict_when_its_schema_is() -> None:
    parameters = {"type": "object", "properties": {}, "required": [], "additionalProperties": False}
    request = Request(instructions="", messages=(user("x"),), tools=(READ, replace(READ, parameters=parameters)))

    assert [tool["strict"] for tool in body_of(request)["tools"]] == [False, True]
    assert [tool["strict"] for tool in body_of(request, model="qwen", host="localhost")["tools"]] == [False, False]


def test_an_answer_s_schema_is_sent_in_its_strict_form() -> None:
    output = OutputSchema(
        name="the verdict", schema={"type": "object", "properties": {"ok": {"type": "boolean", "default": True}}}
    )

    body = body_of(Request(instructions="", messages=(user("x"),), output=output))

    assert body["text"]["format"] == {
        "type": "json_schema",
        "name": "the_verdict",
        "strict": True,
        "schema": {
            "type": "object",
            "properties": {"ok": {"type": "boolean"}},
            "required": ["ok"],
            "additionalProperties": False,
        },
    }


@pytest.mark.parametrize(("model", "complaint"), [("gpt-5.5", "properties of any name"), ("gpt-4", "does not promise")])
def test_a_schema_that_cannot_be_promised_is_refused_before_the_call(model: str, complaint: str) -> None:
    output = OutputSchema(name="map", schema={"type": "object", "additionalProperties": {"type": "string"}})

    with pytest.raises(RequestRejectedError, match=complaint) as caught:
        body_of(Request(instructions="", messages=(user("x"),), output=output), model=model)

    assert caught.value.hint


def test_a_longer_conversation_extends_the_shorter_one_byte_for_byte() -> None:
    turns: tuple[Message, ...] = (
        user("Fix it"),
        AssistantMessage(parts=(THOUGHT, SEARCH, CALL)),
        UserMessage(parts=(ToolResult(call_id="call_1", content=(PICTURE, Text(text="ä"))), Text(text="go"))),
        AssistantMessage(parts=(said("Done."),)),
        user("Thanks"),
    )
    bodies = [
        encoded(Request(instructions="Be brief.", messages=turns[:count], tools=(READ,), conversation="c"))
        for count in range(1, len(turns) + 1)
    ]

    for before, after in pairwise(bodies):
        assert after.startswith(before.removesuffix(b"]}"))


def test_text_that_is_no_unicode_does_not_fail_the_call() -> None:
    assert items_of(user("name \udc80")) == [{"role": "user", "content": "name ?"}]


OWN = st.builds(
    AssistantMessage,
    parts=st.lists(
        st.sampled_from([THOUGHT, SEARCH, CALL]) | TEXTS.map(said) | st.just(said("No", kind="refusal")), max_size=4
    ).map(tuple),
)
MODELS = st.sampled_from(["gpt-4.1", "gpt-5", "gpt-5.5", "gpt-5.5-pro", "gpt-7"])


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(request=requests(media(*IMAGE_TYPES, "application/pdf", "text/csv"), OWN), model=MODELS)
def test_every_request_fits_the_published_schema(request: Request, model: str) -> None:
    schema = validator("openai-responses-request")

    body = body_of(request, model=model)

    for item in body["input"]:  # recorded traffic has no `logprobs` there either
        for piece in item["content"] if item.get("type") == "message" else ():
            piece.setdefault("logprobs", [])
    schema.validate(body)


@given(request=requests(media("image/png"), OWN), cut=st.integers(min_value=1, max_value=5))
def test_every_request_extends_the_one_before_it(request: Request, cut: int) -> None:
    request = replace(request, conversation="c")
    before = encoded(replace(request, messages=request.messages[:cut]))

    assert encoded(request).startswith(before.removesuffix(b"]}"))
