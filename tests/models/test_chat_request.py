from __future__ import annotations

import base64
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
from captain.models import Profile
from captain.models.chat_request import dialect_of, encode
from captain.models.profiles import profile_of
from tests.models.conformance import validator
from tests.models.requests import TEXTS, media, requests

OPENAI = "api.openai.com"
READ = ToolSpec(name="read", description="Reads a file.", parameters={"type": "object", "properties": {}})
PICTURE = Media(media_type="image/png", data=b"\x89PNG")


def body_of(request: Request, *, model: str = "gpt-4.1", host: str = OPENAI) -> dict[str, Any]:
    profile = profile_of(model, host=host)
    encoded = encode(request, model=model, name=model, profile=profile, dialect=dialect_of(host))
    decoded: dict[str, Any] = json.loads(encoded)
    return decoded


def messages_of(*messages: Message, host: str = OPENAI) -> list[dict[str, Any]]:
    said: list[dict[str, Any]] = body_of(Request(instructions="", messages=messages), host=host)["messages"]
    return said


def test_a_request_becomes_a_streaming_call() -> None:
    body = body_of(Request(instructions="Be brief.", messages=(user("Hello?"),), tools=(READ,)))

    assert body.pop("prompt_cache_key")
    assert body == {
        "model": "gpt-4.1",
        "stream": True,
        "stream_options": {"include_usage": True},
        "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "Hello?"}],
        "tools": [
            {
                "type": "function",
                "function": {
                    "name": "read",
                    "description": "Reads a file.",
                    "parameters": {"type": "object", "properties": {}},
                },
            }
        ],
    }


def test_tool_results_follow_their_calls_and_come_before_other_text() -> None:
    calls = AssistantMessage(parts=(Text(text="I look."), ToolCall(id="c1", name="read", arguments='{"path": "a"}')))
    answers = UserMessage(
        parts=(
            Text(text="And hurry."),
            ToolResult(call_id="c1", content=(Text(text="one"), Text(text="two"))),
            ToolResult(call_id="c2", content=(Text(text="no such file"),), is_error=True),
            ToolResult(call_id="c3", content=()),
        )
    )

    assert messages_of(calls, answers) == [
        {
            "role": "assistant",
            "content": "I look.",
            "tool_calls": [
                {"id": "c1", "type": "function", "function": {"name": "read", "arguments": '{"path": "a"}'}}
            ],
        },
        {"role": "tool", "tool_call_id": "c1", "content": "one\ntwo"},
        {"role": "tool", "tool_call_id": "c2", "content": "Error: no such file"},
        {"role": "tool", "tool_call_id": "c3", "content": "(no output)"},
        {"role": "user", "content": "And hurry."},
    ]


def test_pictures_go_as_data_urls_those_of_tools_in_a_message_of_their_own() -> None:
    url = "data:image/png;base64," + base64.b64encode(PICTURE.data).decode()
    image = {"type": "image_url", "image_url": {"url": url}}

    [shown] = messages_of(UserMessage(parts=(Text(text="See:"), PICTURE)))
    result, follow_up = messages_of(UserMessage(parts=(ToolResult(call_id="c1", content=(PICTURE,)),)))

    assert shown["content"] == [{"type": "text", "text": "See:"}, image]
    assert result == {"role": "tool", "tool_call_id": "c1", "content": "(A picture follows.)"}
    assert follow_up["content"] == [{"type": "text", "text": "Returned by the tool call c1:"}, image]


@pytest.mark.parametrize(
    ("shown", "profile", "complaint"),
    [
        (PICTURE, Profile(family="x"), "image/png cannot be sent to m, which is not known to take images"),
        (
            Media(media_type="application/pdf", data=b"", name="a.pdf"),
            Profile(family="x", images=True),
            "a.pdf cannot be sent to m, which takes images and text",
        ),
    ],
)
@pytest.mark.parametrize("by_tool", [False, True])
def test_media_a_model_does_not_take_are_refused_before_the_call(
    *, shown: Media, profile: Profile, complaint: str, by_tool: bool
) -> None:
    part = ToolResult(call_id="c", content=(shown,)) if by_tool else shown
    request = Request(instructions="", messages=(UserMessage(parts=(part,)),))

    with pytest.raises(RequestRejectedError, match=complaint):
        encode(request, model="m", name="m", profile=profile, dialect=dialect_of("localhost"))


@pytest.mark.parametrize(
    ("written", "sent"),
    [
        ('{"a": 1}', '{"a": 1}'),
        ("", "{}"),
        ("{oops", '{"invalid_json": "{oops"}'),
        ("[1]", '{"invalid_json": "[1]"}'),
        ("[" * 100_000, json.dumps({"invalid_json": "[" * 100_000})),
    ],
)
def test_arguments_in_the_history_are_always_an_object(written: str, sent: str) -> None:
    [said] = messages_of(AssistantMessage(parts=(ToolCall(id="c", name="read", arguments=written),)))

    assert said["tool_calls"][0]["function"]["arguments"] == sent
    assert said["content"] is None


def test_reasoning_goes_back_to_the_server_it_came_from_while_its_calls_are_open() -> None:
    here, there = "api.deepseek.com", "openrouter.ai"
    thought = Reasoning(
        text="Hm.", opaque=Opaque(provider=f"openai-chat@{here}", data='{"field": "reasoning_content"}')
    )
    with_call = AssistantMessage(parts=(thought, ToolCall(id="c", name="read", arguments="{}")))
    without = AssistantMessage(parts=(thought, Text(text="Done.")))

    assert messages_of(with_call, host=here)[0]["reasoning_content"] == "Hm."
    assert "reasoning_content" not in messages_of(without, host=here)[0]
    assert "reasoning_content" not in messages_of(with_call, host=there)[0]


def test_signed_reasoning_and_calls_go_back_as_they_came() -> None:
    host = "openrouter.ai"
    details = [{"type": "reasoning.text", "signature": "s"}]
    signed = Opaque(
        provider=f"openai-chat@{host}", data=json.dumps({"field": "reasoning", "reasoning_details": details})
    )
    extra = Opaque(provider=f"openai-chat@{host}", data='{"extra_content": {"google": {"thought_signature": "s"}}}')
    message = AssistantMessage(
        parts=(Reasoning(text="Hm.", opaque=signed), ToolCall(id="c", name="read", arguments="{}", opaque=extra))
    )

    [said] = messages_of(message, host=host)

    assert said["reasoning_details"] == details
    assert "reasoning" not in said
    assert said["tool_calls"][0]["extra_content"] == {"google": {"thought_signature": "s"}}


KNOBS = Settings(max_output_tokens=30_000, temperature=0.5, reasoning_effort="minimal")


@pytest.mark.parametrize(
    ("model", "host", "tools", "sent"),
    [
        ("gpt-4.1", OPENAI, False, {"max_completion_tokens": 30_000, "temperature": 0.5}),
        ("gpt-5-mini", OPENAI, True, {"max_completion_tokens": 30_000, "reasoning_effort": "minimal"}),
        ("gpt-5.5", OPENAI, False, {"max_completion_tokens": 30_000, "reasoning_effort": "low"}),
        ("gpt-5.5", OPENAI, True, {"max_completion_tokens": 30_000, "reasoning_effort": "none"}),
        ("openai/gpt-5.5", "openrouter.ai", True, {"max_tokens": 30_000, "reasoning_effort": "low"}),
        ("qwen3", "localhost", True, {"max_tokens": 30_000, "temperature": 0.5}),
    ],
)
def test_settings_are_put_as_the_model_and_its_server_take_them(
    *, model: str, host: str, tools: bool, sent: dict[str, Any]
) -> None:
    request = Request(instructions="", messages=(user("x"),), tools=(READ,) if tools else (), settings=KNOBS)

    body = body_of(request, model=model, host=host)

    knobs = {"max_tokens", "max_completion_tokens", "temperature", "reasoning_effort"}
    assert {key: body[key] for key in body.keys() & knobs} == sent


def test_mistral_is_not_asked_for_the_usage_it_sends_anyway() -> None:
    request = Request(instructions="", messages=(user("x"),))

    assert "stream_options" not in body_of(request, host="api.mistral.ai")
    assert "prompt_cache_key" not in body_of(request, host="api.mistral.ai")


def test_a_longer_conversation_extends_the_shorter_one_byte_for_byte() -> None:
    thought = Reasoning(text="Hm.", opaque=Opaque(provider=f"openai-chat@{OPENAI}", data='{"field": "reasoning"}'))
    turns: tuple[Message, ...] = (
        user("Fix it"),
        AssistantMessage(parts=(thought, ToolCall(id="c1", name="read", arguments="{oops"))),
        UserMessage(
            parts=(ToolResult(call_id="c1", content=(PICTURE, Text(text="ä")), is_error=True), Text(text="go"))
        ),
        AssistantMessage(parts=(Text(text="Done."),)),
        user("Thanks"),
    )
    bodies = [
        body_of(Request(instructions="Be brief.", messages=turns[:count], tools=(READ,)))
        for count in range(1, len(turns) + 1)
    ]

    for before, after in pairwise(bodies):
        assert after["messages"][: len(before["messages"])] == before["messages"]
        assert {**after, "messages": None} == {**before, "messages": None}


PAPER = Media(media_type="application/pdf", data=b"%PDF", name="a.pdf")


@pytest.mark.parametrize(("model", "host"), [("gpt-4.1", OPENAI), ("openai/gpt-5.5", "openrouter.ai")])
def test_files_go_where_a_server_carries_them_and_the_model_reads_them(model: str, host: str) -> None:
    request = Request(
        instructions="", messages=(UserMessage(parts=(PAPER, ToolResult(call_id="c1", content=(PAPER,)))),)
    )
    part = {"type": "file", "file": {"filename": "a.pdf", "file_data": "data:application/pdf;base64,JVBERg=="}}

    result, shown = body_of(request, model=model, host=host)["messages"]

    assert result["content"] == "(A file follows.)"
    assert shown["content"] == [part, {"type": "text", "text": "Returned by the tool call c1:"}, part]


SCHEMA = {"type": "object", "properties": {"ok": {"type": "boolean"}}}
STRICT = {**SCHEMA, "required": ["ok"], "additionalProperties": False}
OPEN = {"type": "object", "additionalProperties": {"type": "string"}}


@pytest.mark.parametrize(
    ("model", "host", "schema", "sent"),
    [
        ("gpt-5.5", OPENAI, SCHEMA, {"name": "verdict", "schema": STRICT, "strict": True}),
        ("qwen3", "localhost", SCHEMA, {"name": "verdict", "schema": STRICT, "strict": True}),
        ("qwen3", "localhost", OPEN, {"name": "verdict", "schema": OPEN, "strict": False}),
    ],
)
def test_an_answer_s_schema_is_sent_as_strictly_as_it_can_be(
    model: str, host: str, schema: dict[str, Any], sent: dict[str, Any]
) -> None:
    output = OutputSchema(name="verdict", schema=schema)
    request = Request(instructions="", messages=(user("x"),), output=output)

    assert body_of(request, model=model, host=host)["response_format"] == {"type": "json_schema", "json_schema": sent}


@pytest.mark.parametrize(
    ("model", "host", "schema", "complaint"),
    [
        ("gpt-5.5", OPENAI, OPEN, "allows properties of any name"),
        ("gpt-4", OPENAI, SCHEMA, "does not promise answers"),
        ("deepseek-chat", "api.deepseek.com", SCHEMA, "does not promise answers"),
    ],
)
def test_a_schema_that_cannot_be_promised_is_refused_before_the_call(
    model: str, host: str, schema: dict[str, Any], complaint: str
) -> None:
    request = Request(instructions="", messages=(user("x"),), output=OutputSchema(name="v", schema=schema))

    with pytest.raises(RequestRejectedError, match=complaint):
        body_of(request, model=model, host=host)


def test_a_conversation_s_name_is_its_cache_key() -> None:
    request = Request(instructions="", messages=(user("x"),), conversation="run-1/T1")

    assert body_of(request)["prompt_cache_key"] == "run-1/T1"
    assert len(body_of(replace(request, conversation="x" * 65))["prompt_cache_key"]) <= 64


@pytest.mark.parametrize(
    ("model", "host", "role"),
    [("gpt-5.5", OPENAI, "developer"), ("gpt-4.1", OPENAI, "system"), ("openai/gpt-5.5", "openrouter.ai", "system")],
)
def test_instructions_have_the_role_that_the_model_expects(model: str, host: str, role: str) -> None:
    request = Request(instructions="Be brief.", messages=(user("x"),))

    assert body_of(request, model=model, host=host)["messages"][0] == {"role": role, "content": "Be brief."}


def test_another_provider_s_own_parts_are_left_out() -> None:
    foreign = Opaque(provider="openai@api.openai.com", data='{"type": "web_search_call"}')
    only = AssistantMessage(parts=(Text(text="", opaque=foreign), Reasoning(text="Hm.", opaque=foreign)))
    cited = AssistantMessage(parts=(Text(text="", opaque=foreign), Text(text="Found.", opaque=foreign)))

    assert messages_of(only, cited) == [{"role": "assistant", "content": "Found."}]


def test_an_id_that_openai_does_not_take_becomes_the_same_shorter_one_for_call_and_result() -> None:
    turn = (
        AssistantMessage(parts=(ToolCall(id="x" * 41, name="read", arguments="{}"),)),
        UserMessage(parts=(ToolResult(call_id="x" * 41, content=()),)),
    )

    made, answered = messages_of(*turn)

    assert made["tool_calls"][0]["id"] == answered["tool_call_id"]
    assert len(answered["tool_call_id"]) <= 40
    assert messages_of(*turn, host="localhost")[1]["tool_call_id"] == "x" * 41


def test_text_that_is_no_unicode_does_not_fail_the_call() -> None:
    assert messages_of(user("name \udc80"))[0]["content"] == "name ?"


def test_what_is_sent_fits_the_published_schema() -> None:
    schema = validator("openai-chat-request")
    call = ToolCall(id="c1", name="read", arguments="")
    whole = Request(
        instructions="Be brief.",
        messages=(
            UserMessage(parts=(Text(text="See"), PICTURE)),
            AssistantMessage(parts=(call,)),
            UserMessage(parts=(ToolResult(call_id="c1", content=(Text(text="x"), PICTURE)),)),
            AssistantMessage(parts=()),
            user("On."),
        ),
        tools=(READ,),
        settings=KNOBS,
    )

    for model in ("gpt-4.1", "gpt-5", "gpt-5.5"):
        for request in (whole, replace(whole, tools=()), replace(whole, settings=Settings())):
            schema.validate(body_of(request, model=model))


def own(host: str) -> st.SearchStrategy[AssistantMessage]:
    provider = f"openai-chat@{host}"
    field = Opaque(provider=provider, data='{"field": "reasoning_content"}')
    extra = Opaque(provider=provider, data='{"extra_content": {"google": {"thought_signature": "s"}}}')
    thought = st.builds(Reasoning, text=TEXTS, opaque=st.just(field))
    call = st.builds(ToolCall, id=st.just("c"), name=st.just("read"), arguments=st.just("{}"), opaque=st.just(extra))
    said = st.builds(Text, text=TEXTS, opaque=st.none())
    return st.builds(AssistantMessage, parts=st.lists(thought | call | said, max_size=3).map(tuple))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data(), model=st.sampled_from(["gpt-4.1", "gpt-5", "gpt-5.5"]), host=st.sampled_from([OPENAI, "x.ai"]))
def test_every_request_fits_the_published_schema(data: st.DataObject, model: str, host: str) -> None:
    schema = validator("openai-chat-request")
    kinds = ("image/png", "application/pdf") if host == OPENAI else ("image/png",)

    request = data.draw(requests(media(*kinds), own(host)))

    schema.validate(body_of(request, model=model, host=host))
