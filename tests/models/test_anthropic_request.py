from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest
from genai_prices.data_snapshot import get_snapshot
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
from captain.models.anthropic_request import encode
from captain.models.families_claude import FAMILIES
from captain.models.profiles import profile_of
from tests.models.conformance import SCHEMAS, folder

READ = ToolSpec(name="read", description="Reads a file.", parameters={"type": "object", "properties": {}})
PICTURE = Media(media_type="image/png", data=b"\x89PNG")
MARK = {"type": "ephemeral"}
ANSWER = {"type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"], "additionalProperties": False}
OUTPUT = OutputSchema(name="count", schema=ANSWER)


def own(**payload: Any) -> Opaque:
    return Opaque(provider="anthropic", data=json.dumps(payload))


SIGNED = Reasoning(text="Hm.", opaque=own(type="thinking", thinking="Hm.", signature="s"))


def body_of(request: Request, *, model: str = "claude-opus-4-7", profile: Profile | None = None) -> dict[str, Any]:
    facts = profile or profile_of(model, host="api.anthropic.com")
    decoded: dict[str, Any] = json.loads(
        encode(request, model=model, name=f"anthropic:{model}", profile=facts, provider="anthropic")
    )
    return decoded


def unmarked(value: Any) -> Any:
    """Without the breakpoints of the cache, which move."""
    if isinstance(value, list):
        return [unmarked(item) for item in value]
    if isinstance(value, dict):
        return {key: unmarked(item) for key, item in value.items() if key != "cache_control"}
    return value


def messages_of(*messages: Message) -> list[dict[str, Any]]:
    said: list[dict[str, Any]] = unmarked(body_of(Request(instructions="", messages=messages))["messages"])
    return said


def blocks_of(body: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """All blocks in the order the cache sees them."""
    yield from body.get("tools", ())
    yield from body.get("system", ())
    for message in body["messages"]:
        yield from message["content"]


def marks_of(body: dict[str, Any]) -> list[dict[str, Any]]:
    return [block for block in blocks_of(body) if "cache_control" in block]


def test_a_request_becomes_a_streaming_call() -> None:
    assert body_of(Request(instructions="Be brief.", messages=(user("Hello?"),), tools=(READ,))) == {
        "model": "claude-opus-4-7",
        "stream": True,
        "max_tokens": 128_000,
        "tools": [{"name": "read", "description": "Reads a file.", "input_schema": READ.parameters}],
        "system": [{"type": "text", "text": "Be brief.", "cache_control": MARK}],
        "messages": [{"role": "user", "content": [{"type": "text", "text": "Hello?", "cache_control": MARK}]}],
    }


def test_all_results_of_a_turn_come_in_one_message_and_first_in_it() -> None:
    calls = AssistantMessage(parts=(ToolCall(id="a", name="read", arguments='{"path": "x"}'),))
    answers = UserMessage(
        parts=(
            Text(text="And hurry."),
            ToolResult(call_id="a", content=(Text(text="one"), PICTURE)),
            ToolResult(call_id="b", content=(), is_error=True),
        )
    )
    later = UserMessage(parts=(ToolResult(call_id="c", content=(Text(text="two"),)), Text(text=" ")))
    picture = {"type": "base64", "media_type": "image/png", "data": base64.b64encode(PICTURE.data).decode()}

    assert messages_of(user("Go."), calls, answers, later, user("Now.")) == [
        {"role": "user", "content": [{"type": "text", "text": "Go."}]},
        {"role": "assistant", "content": [{"type": "tool_use", "id": "a", "name": "read", "input": {"path": "x"}}]},
        {
            "role": "user",
            "content": [
                {
                    "type": "tool_result",
                    "tool_use_id": "a",
                    "content": [{"type": "text", "text": "one"}, {"type": "image", "source": picture}],
                },
                {
                    "type": "tool_result",
                    "tool_use_id": "b",
                    "content": [{"type": "text", "text": "(no output)"}],
                    "is_error": True,
                },
                {"type": "tool_result", "tool_use_id": "c", "content": [{"type": "text", "text": "two"}]},
                {"type": "text", "text": "And hurry."},
                {"type": "text", "text": "Now."},
            ],
        },
    ]


def test_blocks_of_nothing_are_not_sent() -> None:
    empty = AssistantMessage(parts=(Text(text=""), Text(text=" \n"), Reasoning(text="Hm.")))

    body = body_of(Request(instructions=" ", messages=(user("a"), empty, user(""), user("b"))))

    assert "system" not in body
    assert unmarked(body["messages"]) == [
        {"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "text", "text": "b"}]}
    ]


def test_anthropic_s_own_payloads_go_back_verbatim_and_nobody_else_s() -> None:
    foreign = Opaque(provider="openai", data='{"id": "rs_1"}')
    server = {"type": "server_tool_use", "id": "srvtoolu_1", "name": "web_search", "input": {}}
    cited = [{"type": "char_location", "cited_text": "c"}]
    parts = (
        SIGNED,
        Reasoning(text="", opaque=own(type="redacted_thinking", data="xyz")),
        Reasoning(text="Theirs.", opaque=foreign),
        Text(text="", opaque=own(**server)),
        Text(text="", opaque=foreign),
        Text(text="So.", opaque=own(citations=cited)),
        Text(text="Yes.", opaque=foreign),
        ToolCall(id="t", name="read", arguments="", opaque=own(caller={"type": "direct"})),
    )

    assert messages_of(user("?"), AssistantMessage(parts=parts))[1]["content"] == [
        {"type": "thinking", "thinking": "Hm.", "signature": "s"},
        {"type": "redacted_thinking", "data": "xyz"},
        server,
        {"type": "text", "text": "So.", "citations": cited},
        {"type": "text", "text": "Yes."},
        {"type": "tool_use", "id": "t", "name": "read", "input": {}, "caller": {"type": "direct"}},
    ]


def test_documents_are_sent_as_such() -> None:
    pdf = Media(media_type="application/pdf", data=b"%PDF", name="a.pdf")
    note = Media(media_type="text/markdown", data="ä".encode())

    assert messages_of(UserMessage(parts=(pdf, note)))[0]["content"] == [
        {
            "type": "document",
            "source": {"type": "base64", "media_type": "application/pdf", "data": "JVBERg=="},
            "title": "a.pdf",
        },
        {"type": "document", "source": {"type": "text", "media_type": "text/plain", "data": "ä"}},
    ]


@pytest.mark.parametrize(
    ("written", "sent"),
    [
        ('{"a": 1.50}', {"a": 1.5}),
        ("", {}),
        ("{oops", {"invalid_json": "{oops"}),
        ("[1]", {"invalid_json": "[1]"}),
        ('{"a": NaN}', {"invalid_json": '{"a": NaN}'}),
        ('{"a": 1e999}', {"invalid_json": '{"a": 1e999}'}),
        ("[" * 100_000, {"invalid_json": "[" * 100_000}),
    ],
)
def test_arguments_in_the_history_are_always_an_object(written: str, sent: dict[str, Any]) -> None:
    call = AssistantMessage(parts=(ToolCall(id="t", name="read", arguments=written),))

    assert messages_of(call)[0]["content"][0]["input"] == sent


def test_ids_of_other_servers_are_made_such_as_anthropic_takes_and_still_fit() -> None:
    ids = ("functions.read:0", "functions_read:0", "", "x" * 200)
    calls = AssistantMessage(parts=tuple(ToolCall(id=one, name="read", arguments="{}") for one in ids))
    results = UserMessage(parts=tuple(ToolResult(call_id=one, content=()) for one in ids))

    made, answered = messages_of(calls, results)

    sent = [block["id"] for block in made["content"]]
    assert sent == [block["tool_use_id"] for block in answered["content"]]
    assert len(set(sent)) == len(ids)
    assert sent[3] == ids[3]


@pytest.mark.parametrize(
    ("request_", "complaint"),
    [
        (
            Request(instructions="", messages=(UserMessage(parts=(Media(media_type="image/tiff", data=b""),)),)),
            "it is image/tiff, not image/png",
        ),
        (
            Request(instructions="", messages=(UserMessage(parts=(Media(media_type="application/zip", data=b""),)),)),
            "application/zip cannot be sent to",
        ),
        (
            Request(
                instructions="",
                messages=(UserMessage(parts=(Media(media_type="image/png", data=bytes(6 * 1024 * 1024)),)),),
            ),
            "takes at most 5242880",
        ),
        (
            Request(
                instructions="",
                messages=(UserMessage(parts=(Media(media_type="image/png", data=bytes(5 * 1024 * 1024)),) * 6),),
            ),
            "takes at most 33554432",
        ),
        (
            Request(instructions="", messages=(user("x"),), settings=Settings(max_output_tokens=128_001)),
            "writes at most 128000 tokens",
        ),
        (Request(instructions="", messages=(user("x"),), tools=(replace(READ, name="a b"),)), "The tool 'a b'"),
        (
            Request(instructions="", messages=(user("x"),), output=OutputSchema(name="any", schema={"type": "object"})),
            "of the form 'any': it has an object with free keys",
        ),
    ],
)
def test_what_the_model_does_not_take_is_refused_before_the_call(request_: Request, complaint: str) -> None:
    with pytest.raises(RequestRejectedError) as caught:
        body_of(request_)

    assert complaint in str(caught.value)
    assert caught.value.hint


def test_a_model_without_structured_output_says_so_before_the_call() -> None:
    with pytest.raises(RequestRejectedError, match="claude-3-haiku cannot promise an answer of the form 'count'"):
        body_of(Request(instructions="", messages=(user("x"),), output=OUTPUT), model="claude-3-haiku")


KNOBS = ("max_tokens", "thinking", "output_config", "temperature")
SUMMED = {"type": "adaptive", "display": "summarized"}
BOUND = SUMMED | {"block_binding": {"prefix_mismatch_behavior": "drop_block"}}


@pytest.mark.parametrize(
    ("model", "asked", "sent"),
    [
        ("claude-opus-4-7", Settings(), {"max_tokens": 128_000}),
        ("claude-opus-4-7", Settings(temperature=0.5, reasoning_effort="none"), {"max_tokens": 128_000}),
        (
            "claude-opus-4-7",
            Settings(max_output_tokens=9, reasoning_effort="xhigh"),
            {"max_tokens": 9, "thinking": SUMMED, "output_config": {"effort": "xhigh"}},
        ),
        (
            "claude-opus-4-6",
            Settings(temperature=0.5, reasoning_effort="xhigh"),
            {"max_tokens": 128_000, "thinking": SUMMED, "output_config": {"effort": "high"}},
        ),
        ("claude-sonnet-4-6", Settings(temperature=1.7), {"max_tokens": 64_000, "temperature": 1.0}),
        (
            "claude-sonnet-4-6",
            Settings(reasoning_effort="minimal"),
            {"max_tokens": 64_000, "thinking": SUMMED, "output_config": {"effort": "low"}},
        ),
        (
            "claude-haiku-4-5-20251001",
            Settings(temperature=0.5, reasoning_effort="medium"),
            {"max_tokens": 64_000, "thinking": {"type": "enabled", "budget_tokens": 10_000}},
        ),
        (
            "claude-haiku-4-5",
            Settings(temperature=0.5, max_output_tokens=1_200, reasoning_effort="high"),
            {"max_tokens": 1_200, "temperature": 0.5},
        ),
        ("claude-haiku-4-5", Settings(temperature=0.5), {"max_tokens": 64_000, "temperature": 0.5}),
        ("claude-opus-5", Settings(reasoning_effort="none"), {"max_tokens": 128_000, "thinking": {"type": "disabled"}}),
        (
            "claude-sonnet-5-5",
            Settings(reasoning_effort="none"),
            {"max_tokens": 128_000, "thinking": {"type": "between_tools"}},
        ),
        (
            "claude-opus-5-5",
            Settings(reasoning_effort="none"),
            {"max_tokens": 128_000, "thinking": BOUND, "output_config": {"effort": "low"}},
        ),
        ("claude-fable-5-1", Settings(temperature=0.5), {"max_tokens": 128_000, "thinking": BOUND}),
        ("qwen3", Settings(temperature=0.5, reasoning_effort="high"), {"max_tokens": 8_192, "temperature": 0.5}),
    ],
)
def test_settings_are_put_as_the_model_takes_them(model: str, asked: Settings, sent: dict[str, Any]) -> None:
    body = body_of(Request(instructions="", messages=(user("x"),), settings=asked), model=model)

    assert {key: body[key] for key in KNOBS if key in body} == sent


def test_every_claude_with_a_price_is_one_captain_knows() -> None:
    [listed] = [provider for provider in get_snapshot().providers if provider.id == "anthropic"]

    for model in listed.models:
        facts = profile_of(model.id, host="api.anthropic.com")
        assert not facts.note, model.id
        assert facts.context_tokens == (model.context_window or facts.context_tokens)
        assert facts.cache == "breakpoints"


def test_a_claude_that_came_since_gets_what_the_last_ones_take() -> None:
    facts = profile_of("claude-opus-9", host="api.anthropic.com")

    assert "claude-opus-9 is not a model Captain knows" in facts.note
    assert (facts.thinking, facts.temperature, facts.images) == ("adaptive", False, True)


def test_a_turn_that_began_without_thinking_goes_on_without() -> None:
    began = AssistantMessage(parts=(ToolCall(id="a", name="read", arguments="{}"),))
    thought = AssistantMessage(parts=(SIGNED, *began.parts))
    result = UserMessage(parts=(ToolResult(call_id="a", content=()),))
    ask = Settings(reasoning_effort="high")

    def thinks(*messages: Message) -> bool:
        return "thinking" in body_of(
            Request(instructions="", messages=messages, settings=ask), model="claude-haiku-4-5"
        )

    assert not thinks(user("x"), began, result)
    assert thinks(user("x"), thought, result, began, result)
    assert thinks(user("x"), began, result, AssistantMessage(parts=(Text(text="Done."),)), user("y"))


def test_structured_output_is_asked_for_beside_the_effort() -> None:
    request = Request(instructions="", messages=(user("x"),), output=OUTPUT, settings=Settings(reasoning_effort="low"))

    assert body_of(request)["output_config"] == {
        "effort": "low",
        "format": {"type": "json_schema", "schema": ANSWER},
    }


def turns(count: int, *, calls: int = 1) -> list[Message]:
    history: list[Message] = [user("Fix it.")]
    for turn in range(count):
        ids = [f"t{turn}_{call}" for call in range(calls)]
        made = (ToolCall(id=one, name="read", arguments=f'{{"turn": {turn}}}') for one in ids)
        history.append(AssistantMessage(parts=(SIGNED, Text(text="I look."), *made)))
        history.append(UserMessage(parts=tuple(ToolResult(call_id=one, content=(Text(text="x" * 40),)) for one in ids)))
    return history


def test_breakpoints_stand_behind_the_head_at_the_end_and_where_the_last_request_ended() -> None:
    body = body_of(Request(instructions="Be brief.", messages=tuple(turns(3)), tools=(READ,)))

    assert [id(block) for block in marks_of(body)] == [
        id(body["system"][-1]),
        id(body["messages"][-3]["content"][-1]),
        id(body["messages"][-1]["content"][-1]),
    ]


def test_without_instructions_the_last_tool_takes_the_breakpoint() -> None:
    body = body_of(Request(instructions="", messages=(user("x"),), tools=(replace(READ, name="list"), READ)))

    assert [tool["name"] for tool in body["tools"] if "cache_control" in tool] == ["read"]


def test_a_paused_turn_is_marked_on_the_last_block_that_takes_it() -> None:
    server = Text(text="", opaque=own(type="server_tool_use", id="srvtoolu_1", name="web_search", input={}))
    paused = AssistantMessage(parts=(Text(text="I search."), server, SIGNED))

    body = body_of(Request(instructions="", messages=(user("x"), paused)))

    assert [block["text"] for block in marks_of(body)] == ["x", "I search."]


@pytest.mark.parametrize("calls", [1, 30])
def test_every_request_finds_what_the_one_before_has_written(calls: int) -> None:
    written: set[str] = set()
    shares = []
    history = turns(12, calls=calls)
    for end in range(1, len(history) + 1, 2):
        body = body_of(Request(instructions="Be brief." * 50, messages=tuple(history[:end]), tools=(READ,)))
        seen, hit, prefix = "", 0, []
        for block in blocks_of(body):
            seen += json.dumps(unmarked(block), sort_keys=True)
            prefix.append(seen)
        marked = [at for at, block in enumerate(blocks_of(body)) if "cache_control" in block]
        for at in marked:
            found = (len(prefix[back]) for back in range(at, max(-1, at - 20), -1) if prefix[back] in written)
            hit = max(hit, next(found, 0))
        written.update(prefix[at] for at in marked)
        shares.append((hit, len(prefix[-1])))

    for (_, before), (hit, _) in pairwise(shares):
        assert hit == before


# Everything a request can hold, in small.

IDS = st.text(st.sampled_from("ab_-.:/ ä"), max_size=6)
TEXTS = st.text(max_size=8) | st.sampled_from(["", " ", "\n", "\udc80"])
OPAQUES = st.sampled_from(
    [None, Opaque(provider="openai", data='{"id": 1}'), Opaque(provider="anthropic@else", data="{}")]
)
CITED = own(
    citations=[
        {
            "type": "char_location",
            "cited_text": "c",
            "document_index": 0,
            "document_title": None,
            "start_char_index": 0,
            "end_char_index": 1,
        }
    ]
)
SERVER = own(type="server_tool_use", id="srvtoolu_1", name="web_search", input={})
MEDIA = st.builds(
    Media,
    media_type=st.sampled_from(["image/png", "image/webp", "application/pdf", "text/plain", "text/csv"]),
    data=st.binary(max_size=4),
    name=st.none() | st.text(max_size=4),
)
SAID = st.builds(Text, text=TEXTS, opaque=OPAQUES)
RESULTS = st.builds(
    ToolResult, call_id=IDS, content=st.lists(SAID | MEDIA, max_size=2).map(tuple), is_error=st.booleans()
)
THOUGHTS = st.builds(Reasoning, text=TEXTS, opaque=OPAQUES) | st.just(SIGNED)
CALLS = st.builds(
    ToolCall,
    id=IDS,
    name=st.text(max_size=3),
    arguments=st.text(max_size=5) | st.just('{"a": [1, null]}'),
    opaque=OPAQUES,
)
OWN_TEXTS = st.sampled_from([Text(text="", opaque=SERVER), Text(text="So.", opaque=CITED)])
USERS = st.builds(UserMessage, parts=st.lists(SAID | MEDIA | RESULTS, max_size=4).map(tuple))
ASSISTANTS = st.builds(AssistantMessage, parts=st.lists(SAID | OWN_TEXTS | THOUGHTS | CALLS, max_size=4).map(tuple))
TOOLS = st.builds(
    ToolSpec,
    name=st.from_regex(r"[a-zA-Z0-9_-]{1,8}", fullmatch=True),
    description=TEXTS,
    parameters=st.sampled_from([READ.parameters, {}, {"properties": {"a": {"type": "string"}}, "required": ["a"]}]),
)
SETTINGS = st.builds(
    Settings,
    max_output_tokens=st.none() | st.integers(1, 4_096),
    temperature=st.none() | st.floats(0, 2),
    reasoning_effort=st.sampled_from([None, "none", "minimal", "low", "medium", "high", "xhigh"]),
)
REQUESTS = st.builds(
    Request,
    instructions=TEXTS,
    messages=st.lists(USERS | ASSISTANTS, min_size=1, max_size=5).map(tuple),
    tools=st.lists(TOOLS, max_size=2).map(tuple),
    settings=SETTINGS,
    output=st.sampled_from([None, OUTPUT]),
)
# Of these the published schema does not know the settings that bind thoughts yet.
PUBLISHED = sorted(
    name for name, facts in FAMILIES.items() if facts.images and facts.schemas == "any" and not facts.binds_thinking
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(request=REQUESTS, model=st.sampled_from(PUBLISHED))
def test_whatever_is_sent_fits_the_published_schema(request: Request, model: str) -> None:
    jsonschema = pytest.importorskip("jsonschema", reason="jsonschema is in the dev extra")
    schema = json.loads((folder(SCHEMAS) / "anthropic-messages-request.schema.json").read_text())

    body = body_of(request, model=model)

    jsonschema.Draft202012Validator(schema).validate(body)
    marks = marks_of(body)
    assert len(marks) <= 4
    assert all(mark.get("type") not in ("thinking", "redacted_thinking") and mark.get("text") != "" for mark in marks)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(request=REQUESTS, more=st.tuples(ASSISTANTS, USERS))
def test_a_longer_conversation_extends_the_shorter_one(
    request: Request, more: tuple[AssistantMessage, UserMessage]
) -> None:
    said = AssistantMessage(parts=(Text(text="I see."), *more[0].parts))
    first = replace(request, messages=(*request.messages, user("Go on.")))
    second = replace(first, messages=(*first.messages, said, more[1]))

    before, after = (unmarked(body_of(one)) for one in (first, second))

    assert after["messages"][: len(before["messages"])] == before["messages"]
    assert {**after, "messages": None} == {**before, "messages": None}
