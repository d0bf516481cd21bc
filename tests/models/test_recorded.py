from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import anyio
import pytest

from captain.core.errors import ScriptError, UsageError
from captain.core.messages import (
    AssistantMessage,
    Finished,
    Media,
    Opaque,
    Reasoning,
    ReasoningDelta,
    Reply,
    Request,
    Settings,
    StreamEvent,
    Text,
    TextDelta,
    ToolCall,
    ToolCallDelta,
    ToolSpec,
    UserMessage,
    user,
)
from captain.core.usage import Usage
from captain.models import Model, Profile, Recording, Replaying, ScriptedModel, call, complete

ASK = Request(instructions="Be brief.", messages=(user("Hello?"),))


class Saying:
    """Says one whole reply, whatever it holds."""

    id = "saying"
    profile = Profile(family="saying")

    def __init__(self, reply: Reply) -> None:
        self._reply = reply

    @asynccontextmanager
    async def stream(self, request: Request, /) -> AsyncIterator[AsyncIterator[StreamEvent]]:
        async def events() -> AsyncIterator[StreamEvent]:
            yield Finished(reply=self._reply)

        yield events()

    async def aclose(self) -> None:
        pass


async def record(folder: Path, *replies: str, request: Request = ASK) -> None:
    model = Recording(ScriptedModel(list(replies), id="parrot"), folder)
    for _ in replies:
        await complete(model, request)


async def test_a_recording_answers_as_the_model_did(tmp_path: Path) -> None:
    inner = ScriptedModel([["I look.", call("read", path="a.py")]], id="parrot")
    recording = Recording(inner, tmp_path)
    spoken = await complete(recording, ASK)

    replaying = Replaying(tmp_path, id="parrot")
    async with replaying.stream(ASK) as stream:
        events = [event async for event in stream]

    assert events == [
        TextDelta(text="I look."),
        ToolCallDelta(index=0, arguments='{"path": "a.py"}', id="call_1", name="read"),
        Finished(reply=spoken),
    ]
    assert isinstance(recording, Model)
    assert isinstance(replaying, Model)
    assert (recording.id, recording.profile) == (inner.id, inner.profile)


async def test_a_request_made_several_times_is_replayed_in_order(tmp_path: Path) -> None:
    await record(tmp_path, "One.", "Two.")

    model = Replaying(tmp_path, id="parrot")
    heard = [(await complete(model, ASK)).message.text for _ in range(2)]

    assert heard == ["One.", "Two."]
    assert len(list(tmp_path.iterdir())) == 1
    with pytest.raises(ScriptError, match=r"recorded 2 times in .*, and is made again"):
        await complete(model, ASK)


async def test_everything_a_reply_can_hold_survives(tmp_path: Path) -> None:
    reply = Reply(
        message=AssistantMessage(
            parts=(
                Reasoning(text="Hm.", opaque=Opaque(provider="p", data="{}")),
                Text(text="\u2028 ok"),
                ToolCall(id="c", name="read", arguments="{oops"),
            )
        ),
        stop="length",
        usage=Usage(input_tokens=3, output_tokens=2, cached_tokens=1, reasoning_tokens=1),
        model="m",
        request_id="req",
        first_event_s=0.25,
        duration_s=0.5,
    )

    # A picture in the request: its bytes are part of what the recording is found by.
    picture = Media(media_type="image/png", data=b"\xff\x00")
    request = Request(instructions="", messages=(UserMessage(parts=(picture,)),))
    await complete(Recording(Saying(reply), tmp_path), request)

    async with Replaying(tmp_path, id="saying").stream(request) as stream:
        events = [event async for event in stream]

    assert events[0] == ReasoningDelta(text="Hm.")
    assert events[-1] == Finished(reply=reply)


async def test_a_folder_is_added_to(tmp_path: Path) -> None:
    await record(tmp_path, "One.")
    await record(tmp_path, "Two.")

    model = Replaying(tmp_path, id="parrot")

    assert [(await complete(model, ASK)).message.text for _ in range(2)] == ["One.", "Two."]


async def test_calls_recorded_side_by_side_are_all_kept(tmp_path: Path) -> None:
    model = Recording(ScriptedModel([str(n) for n in range(30)], id="parrot"), tmp_path)
    async with anyio.create_task_group() as group:
        for _ in range(30):
            group.start_soon(complete, model, ASK)

    replaying = Replaying(tmp_path, id="parrot")
    heard = {(await complete(replaying, ASK)).message.text for _ in range(30)}

    assert heard == {str(n) for n in range(30)}
    assert [path.suffix for path in tmp_path.iterdir()] == [".json"]


async def test_an_answer_that_was_left_is_not_recorded(tmp_path: Path) -> None:
    model = Recording(ScriptedModel(["Hello."]), tmp_path)

    async with model.stream(ASK) as stream:
        async for _ in stream:
            break

    assert list(tmp_path.iterdir()) == []


GROWN = replace(ASK, messages=(*ASK.messages, AssistantMessage(parts=(Text(text="Yes?"),)), user("More.")))


@pytest.mark.parametrize(
    ("request_made", "difference"),
    [
        (replace(ASK, instructions="Be long."), "its instructions differ."),
        (replace(ASK, settings=Settings(temperature=1.0)), "its settings differ."),
        (
            replace(ASK, instructions="", tools=(ToolSpec(name="t", description="", parameters={}),)),
            "its instructions and tools differ.",
        ),
        (replace(ASK, messages=(user("Hi?"),)), "message 1 of 1 differs from every recorded one."),
        (GROWN, "the conversation goes on after message 1, where the recording ends."),
    ],
)
async def test_a_request_that_was_never_recorded_says_what_differs(
    tmp_path: Path, request_made: Request, difference: str
) -> None:
    await record(tmp_path, "One.")

    with pytest.raises(ScriptError) as caught:
        await complete(Replaying(tmp_path, id="parrot"), request_made)

    assert str(tmp_path) in str(caught.value)
    assert str(caught.value).endswith(difference)


async def test_a_request_shorter_than_the_recorded_one_says_so(tmp_path: Path) -> None:
    await record(tmp_path, "One.", request=GROWN)

    with pytest.raises(ScriptError, match="it ends after message 1, where the recorded conversation goes on"):
        await complete(Replaying(tmp_path, id="parrot"), ASK)


async def test_a_recording_of_another_model_says_so(tmp_path: Path) -> None:
    await record(tmp_path, "One.")

    with pytest.raises(ScriptError, match="it has recordings of parrot only"):
        await complete(Replaying(tmp_path, id="crow"), ASK)


async def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    await record(tmp_path, "One.")
    [path] = tmp_path.iterdir()
    path.write_text("{}")

    with pytest.raises(UsageError, match=f"{path.name} cannot be read"):
        await complete(Replaying(tmp_path, id="parrot"), ASK)


def test_a_folder_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="none is no folder with recordings"):
        Replaying(tmp_path / "none", id="parrot")


async def test_the_name_of_a_conversation_is_not_part_of_what_was_asked(tmp_path: Path) -> None:
    await record(tmp_path, "Hello.", request=replace(ASK, conversation="one"))

    reply = await complete(Replaying(tmp_path, id="parrot"), replace(ASK, conversation="two"))

    assert reply.message.text == "Hello."


async def test_a_replayed_model_has_the_profile_of_the_recorded_one(tmp_path: Path) -> None:
    profile = Profile(family="gpt-5", pricing=("openai", "gpt-5"), edit_dialect="patch", efforts=("low", "high"))
    await complete(Recording(ScriptedModel(["Hello."], id="parrot", profile=profile), tmp_path), ASK)

    assert Replaying(tmp_path, id="parrot").profile == profile
    assert Replaying(tmp_path, id="parrot", profile=Profile(family="mine")).profile == Profile(family="mine")


async def test_a_vendors_own_part_is_replayed_with_the_reply_and_not_as_an_empty_delta(tmp_path: Path) -> None:
    search = Text(text="", opaque=Opaque(provider="anthropic", data='{"type": "server_tool_use"}'))
    reply = Reply(
        message=AssistantMessage(parts=(Reasoning(text=""), search, Text(text="Found."))),
        stop="end",
        usage=Usage(),
        model="m",
    )
    await complete(Recording(Saying(reply), tmp_path), ASK)

    async with Replaying(tmp_path, id="saying").stream(ASK) as events:
        assert [event async for event in events] == [TextDelta(text="Found."), Finished(reply=reply)]
