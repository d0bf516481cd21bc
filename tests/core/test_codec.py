"""Everything that is journaled comes back as it was, whatever text it holds."""

from __future__ import annotations

import subprocess
import sys
from typing import Any, get_args

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from captain.core import codec
from captain.core.events import EVENT_TYPES, DriftPutBack, Event, Recorded
from captain.core.findings import Review
from captain.core.messages import AssistantMessage, Media, Message, Reply, Request, StreamEvent, Text, UserMessage
from captain.core.tasks import Check, Plan, Triage
from captain.tools import ToolOutput
from tests.core.values import values

OTHERS = (Recorded, Request, Reply, Review, Plan, Triage, ToolOutput)
STORED = (
    *get_args(Event),
    *get_args(Message),
    *get_args(StreamEvent),
    Recorded,
    Request,
    Reply,
    Review,
    Plan,
    Triage,
    ToolOutput,
)


@pytest.mark.parametrize("kind", STORED, ids=lambda kind: kind.__name__)
@settings(max_examples=12, deadline=None)
@given(data=st.data())
def test_every_value_that_is_stored_comes_back_equal(kind: type, data: st.DataObject) -> None:
    value = data.draw(values(kind))
    text = codec.to_json(value)
    assert codec.from_json(kind, text) == value
    assert codec.from_json(kind, text.encode()) == value


@settings(max_examples=100, deadline=None)
@given(value=values(Event))
def test_an_event_is_found_again_by_its_kind(value: Any) -> None:
    assert EVENT_TYPES[value.kind] is type(value)
    union: Any = Event
    assert codec.from_json(union, codec.to_json(value)) == value


def test_every_kind_of_event_has_its_own_name() -> None:
    assert set(EVENT_TYPES.values()) == set(get_args(Event))


@given(data=st.binary())
def test_bytes_are_kept_with_and_without_lone_surrogates_beside_them(data: bytes) -> None:
    for name in ("plain", "latin-\udce9"):
        message = UserMessage(parts=(Media(media_type="image/png", data=data, name=name),))
        assert codec.from_json(UserMessage, codec.to_json(message)) == message


def test_a_path_that_is_no_utf8_is_written_as_an_escape_and_read_back() -> None:
    event = DriftPutBack(task="T1", paths=(b"caf\xe9".decode("utf-8", "surrogateescape"),), ref="refs/x")
    assert r"caf\udce9" in codec.to_json(event)
    assert codec.from_json(DriftPutBack, codec.to_json(event)) == event


def test_half_an_emoji_in_an_answer_can_be_stored() -> None:
    message = AssistantMessage(parts=(Text(text="broken \ud83d"),))
    assert codec.from_json(AssistantMessage, codec.to_json(message)) == message


def test_text_that_only_looks_like_an_escape_is_left_alone() -> None:
    message = AssistantMessage(parts=(Text(text=r"the regex \ud83d and \\udcff"),))
    assert codec.from_json(AssistantMessage, codec.to_json(message)) == message


@pytest.mark.parametrize("text", ["", "{", '{"task": 1}', r'{"\udcff": 1}', r'{"task": "\udcff"', r'"\ud'])
def test_what_is_no_such_value_is_a_value_error(text: str) -> None:
    with pytest.raises(ValueError, match=r"."):
        codec.from_json(DriftPutBack, text)


def test_what_cannot_be_written_is_a_value_error() -> None:
    with pytest.raises(ValueError, match="object"):
        codec.to_json(object())


def test_a_list_is_written_by_the_kind_it_is_said_to_be() -> None:
    checks = [Check(name="a", command="true")]
    kind: Any = list[Check]
    assert codec.from_json(kind, codec.to_json(checks, kind)) == checks


@settings(max_examples=50, deadline=None)
@given(first=values(Request), second=values(Request))
def test_equal_values_have_equal_digests_and_others_have_others(first: Any, second: Any) -> None:
    again = codec.from_json(Request, codec.to_json(first))
    assert codec.digest(again) == codec.digest(first)
    assert (codec.digest(first) == codec.digest(second)) == (codec.to_json(first) == codec.to_json(second))


def test_the_order_of_keys_does_not_change_a_digest() -> None:
    assert codec.digest({"a": 1, "b": [2]}) == codec.digest({"b": [2], "a": 1})
    assert codec.digest({"a": 1, "b": [2, 3]}) != codec.digest({"a": 1, "b": [3, 2]})


def test_a_digest_is_the_same_in_another_process() -> None:
    program = "from captain.core import codec; print(codec.digest(('x', {'b': 1, 'a': ['\\udcff']}, None)))"
    printed = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True).stdout
    assert printed.strip() == codec.digest(("x", {"a": ["\udcff"], "b": 1}, None))


def test_a_digest_once_written_to_a_journal_stays_valid() -> None:
    assert codec.digest(("x", [1, 2])) == "c959e2527457492d8eb0a7728d3285804aef6bbca88bb2149b0650946ce2ab0e"


def test_a_validation_error_is_explained_by_place_and_problem() -> None:
    with pytest.raises(ValueError, match="validation error") as caught:
        codec.from_json(Check, '{"name": 1}')
    assert codec.explain(caught.value).splitlines() == [
        "name: Input should be a valid string",
        "command: Field required",
    ]
    assert codec.explain(ValueError("plain")) == "plain"
