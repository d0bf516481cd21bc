"""Recorded conversations in which one call continues another, rebuilt from the history and the answer."""

from __future__ import annotations

import json
from collections import defaultdict
from dataclasses import replace
from itertools import pairwise
from typing import Any

import pytest

from captain.core.messages import Message
from captain.models import Profile
from captain.models.chat_request import dialect_of, encode
from tests.models.conformance import validator
from tests.models.test_recorded_traffic import (
    is_answer,
    is_expressible,
    lines,
    message_of,
    plain,
    read,
    request_of,
    serving,
)
from tests.models.wire import drained, served


def answer_of(line: dict[str, Any]) -> dict[str, Any]:
    reading = read(line)
    calls = [(call["id"], call["name"], call["arguments"]) for call in reading.calls.values()]
    return {"role": "assistant", "text": reading.text + reading.refusal, "calls": calls, "answers": None}


def continues(before: dict[str, Any], after: dict[str, Any]) -> bool:
    known = [*(plain(message) for message in before["request"]["messages"]), answer_of(before)]
    return [plain(message) for message in after["request"]["messages"]][: len(known)] == known


def turns() -> list[Any]:
    by_path = defaultdict(list)
    for parameters in lines(lambda line: is_expressible(line) and is_answer(line), "openai-chat", "compatible"):
        if parameters.id != "absent":
            [line] = parameters.values
            by_path[line["source"]["path"]].append(line)
    found = [
        pytest.param(before, after, id=f"{before['id']}-{after['id']}")
        for story in by_path.values()
        for before, after in pairwise(story)
        if continues(before, after)
    ]
    reason = "the conformance material is not here (CAPTAIN_CONFORMANCE names its place)"
    return found or [pytest.param({}, {}, id="absent", marks=pytest.mark.skip(reason=reason))]


@pytest.mark.parametrize(("before", "after"), turns())
async def test_the_next_request_is_rebuilt_from_the_history_and_the_answer(
    before: dict[str, Any], after: dict[str, Any]
) -> None:
    schema = validator("openai-chat-request")
    async with served(lambda _request: serving(before), base_url="http://localhost/v1") as model:
        _, reply = await drained(model)
    asked, sent = request_of(before["request"]), after["request"]
    assert asked is not None
    news = [message_of(message) for message in sent["messages"][len(before["request"]["messages"]) + 1 :]]
    messages: tuple[Message, ...] = (*asked.messages, reply.message, *(message for message in news if message))

    body = json.loads(
        encode(
            replace(asked, messages=messages),
            model=sent["model"],
            name="m",
            profile=Profile(family="any", images=True),
            dialect=dialect_of("localhost"),
        )
    )

    schema.validate(body)
    assert [plain(message) for message in body["messages"]] == [plain(message) for message in sent["messages"]]
