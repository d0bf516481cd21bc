"""Whole requests as hypothesis makes them: every part, every setting, in any order a conversation allows."""

from __future__ import annotations

from hypothesis import strategies as st

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
)

TEXTS = st.text(max_size=12)
_NAMES = st.sampled_from(["read", "list_files", "run-it"])
_IDS = st.text(alphabet="abcdef0123456789_", min_size=1, max_size=90)
_FOREIGN = st.none() | st.builds(Opaque, provider=st.just("elsewhere"), data=st.just('{"signature": "s"}'))
_ARGUMENTS = st.sampled_from(['{"path": "a"}', "", "{oops", "[1]", '{"text": "ä\\ud800"}'])
SCHEMAS = st.sampled_from(
    [
        {"type": "object", "properties": {}, "additionalProperties": False, "required": []},
        {"type": "object", "properties": {"path": {"type": "string"}}, "required": ["path"]},
        {
            "type": "object",
            "properties": {"at": {"anyOf": [{"type": "integer", "minimum": 1}, {"type": "null"}]}},
            "required": ["at"],
            "additionalProperties": False,
        },
    ]
)
_EFFORTS = st.sampled_from(["none", "minimal", "low", "medium", "high", "xhigh"])


def media(*kinds: str) -> st.SearchStrategy[Media]:
    return st.builds(Media, media_type=st.sampled_from(kinds), data=st.binary(max_size=8), name=st.none() | TEXTS)


def requests(shown: st.SearchStrategy[Media], own: st.SearchStrategy[AssistantMessage]) -> st.SearchStrategy[Request]:
    """`shown` are the media a model takes, `own` its own answers of before."""
    text = st.builds(Text, text=TEXTS, opaque=st.none())
    result = st.builds(
        ToolResult, call_id=_IDS, content=st.lists(text | shown, max_size=3).map(tuple), is_error=st.booleans()
    )
    asked = st.builds(UserMessage, parts=st.lists(text | shown | result, min_size=1, max_size=4).map(tuple))
    said = st.builds(Text, text=TEXTS, opaque=_FOREIGN)
    call = st.builds(ToolCall, id=_IDS, name=_NAMES, arguments=_ARGUMENTS, opaque=_FOREIGN)
    thought = st.builds(Reasoning, text=TEXTS, opaque=_FOREIGN)
    foreign = st.builds(AssistantMessage, parts=st.lists(said | call | thought, max_size=4).map(tuple))
    messages: st.SearchStrategy[Message] = asked | foreign | own
    opening = st.builds(UserMessage, parts=st.tuples(text))
    return st.builds(
        Request,
        instructions=TEXTS,
        messages=st.builds(lambda first, rest: (first, *rest), opening, st.lists(messages, max_size=5)),
        tools=st.lists(
            st.builds(ToolSpec, name=_NAMES, description=TEXTS, parameters=SCHEMAS),
            max_size=2,
            unique_by=lambda t: t.name,
        ).map(tuple),
        settings=st.builds(
            Settings,
            max_output_tokens=st.none() | st.integers(min_value=1, max_value=10_000),
            temperature=st.none() | st.floats(min_value=0, max_value=2),
            reasoning_effort=st.none() | _EFFORTS,
        ),
        output=st.none() | st.builds(OutputSchema, name=TEXTS, schema=SCHEMAS),
        conversation=TEXTS,
    )
