from __future__ import annotations

from pathlib import Path

import anyio
import pytest

from captain.core.errors import ScriptError, StreamInterruptedError, UsageError
from captain.core.messages import (
    AssistantMessage,
    Finished,
    Reply,
    Request,
    StreamEvent,
    Text,
    TextDelta,
    ToolCall,
    ToolCallDelta,
    ToolResult,
    UserMessage,
    user,
)
from captain.core.usage import Usage
from captain.models import Model, ScriptedModel, ScriptedReply, call, complete, load_script
from tests.models.wire import listen


def ask(text: str, *, instructions: str = "") -> Request:
    return Request(instructions=instructions, messages=(user(text),))


def answered(request: Request, reply: Reply, *results: str) -> Request:
    """The request that follows when every call was answered."""
    calls = reply.message.tool_calls
    answers = [
        ToolResult(call_id=made.id, content=(Text(text=result),)) for made, result in zip(calls, results, strict=True)
    ]
    grown = (*request.messages, reply.message, UserMessage(parts=tuple(answers)))
    return Request(instructions=request.instructions, messages=grown)


def test_it_is_a_model() -> None:
    assert isinstance(ScriptedModel([]), Model)


async def test_a_list_is_played_in_order_and_every_request_is_kept() -> None:
    model = ScriptedModel(["One.", "Two."], id="parrot")

    first = await complete(model, ask("a"))
    second = await complete(model, ask("b"))

    assert (first.message.text, second.message.text) == ("One.", "Two.")
    assert (first.stop, first.model) == ("end", "parrot")
    assert model.requests == [ask("a"), ask("b")]
    assert model.remaining == 0


async def test_text_and_calls_are_streamed_before_the_reply_is_finished() -> None:
    model = ScriptedModel([["I look.", call("read", path="ä.py"), call("list")]])

    async with model.stream(ask("Fix it")) as stream:
        events = [event async for event in stream]

    *deltas, last = events
    assert deltas == [
        TextDelta(text="I look."),
        ToolCallDelta(index=0, arguments='{"path": "ä.py"}', id="call_1", name="read"),
        ToolCallDelta(index=1, arguments="{}", id="call_2", name="list"),
    ]
    assert isinstance(last, Finished)
    assert last.reply.stop == "tool_calls"
    assert [made.id for made in last.reply.message.tool_calls] == ["call_1", "call_2"]


async def test_ids_of_calls_are_new_within_the_conversation() -> None:
    model = ScriptedModel([call("read"), call("read")])

    first = await complete(model, ask("x"))
    second = await complete(model, answered(ask("x"), first, "text"))

    assert [first.message.tool_calls[0].id, second.message.tool_calls[0].id] == ["call_1", "call_2"]


async def test_ids_stay_unique_when_older_calls_were_dropped_from_the_conversation() -> None:
    kept = AssistantMessage(parts=(ToolCall(id="call_2", name="read", arguments="{}"),))
    request = Request(instructions="", messages=(user("x"), kept))

    reply = await complete(ScriptedModel([[call("read"), call("read")]]), request)

    assert [made.id for made in reply.message.tool_calls] == ["call_3", "call_4"]


async def test_a_call_may_have_arguments_that_are_no_json() -> None:
    model = ScriptedModel([ToolCall(id="", name="read", arguments="{oops")])

    reply = await complete(model, ask("x"))

    assert reply.message.tool_calls == (ToolCall(id="call_1", name="read", arguments="{oops"),)


async def test_a_function_answers_by_the_request() -> None:
    model = ScriptedModel(lambda request: f"{len(request.messages)} message")

    assert (await complete(model, ask("x"))).message.text == "1 message"


async def test_agents_side_by_side_follow_their_own_scripts() -> None:
    count = 20
    model = ScriptedModel({f"<task {n}>": [f"{n}.1", f"{n}.2"] for n in range(count)})
    heard: dict[int, list[str]] = {n: [] for n in range(count)}

    async def talk(n: int) -> None:
        for _ in range(2):
            heard[n].append((await complete(model, ask(f"Do <task {n}> now"))).message.text)

    async with anyio.create_task_group() as group:
        for n in range(count):
            group.start_soon(talk, n)

    assert heard == {n: [f"{n}.1", f"{n}.2"] for n in range(count)}


async def test_a_key_may_stand_in_the_instructions_and_the_first_that_fits_wins() -> None:
    model = ScriptedModel({"You review": ["review"], "date": ["build"]})

    assert (await complete(model, ask("the date", instructions="You review code"))).message.text == "review"
    assert (await complete(model, ask("the date", instructions="You build"))).message.text == "build"


async def test_a_key_is_not_looked_for_in_later_messages() -> None:
    model = ScriptedModel({"date": ["x"]})
    request = Request(instructions="", messages=(user("first"), AssistantMessage(parts=()), user("date")))

    with pytest.raises(ScriptError, match="No key of the script of scripted occurs in what it was asked: 'first'"):
        await complete(model, request)


async def test_an_ended_script_says_whose_how_long_and_what_was_asked() -> None:
    model = ScriptedModel({"date": ["only"]}, id="parrot")
    await complete(model, ask("the date"))

    with pytest.raises(ScriptError) as caught:
        await complete(model, ask("the date again"))

    assert str(caught.value) == (
        "The script of parrot for 'date' has only 1 reply and was asked for one more: 'the date again'"
    )
    assert caught.value.model == "parrot"


async def test_what_a_turn_expects_is_looked_for_in_the_last_message_and_its_tool_results() -> None:
    model = ScriptedModel([call("read"), ScriptedReply(text="Done.", expects=("two", "lines"))])
    first = await complete(model, ask("x"))

    reply = await complete(model, answered(ask("x"), first, "two\nlines"))

    assert reply.message.text == "Done."


async def test_an_expectation_that_is_not_met_shows_both_sides() -> None:
    model = ScriptedModel([ScriptedReply(text="Done.", expects="exit code 0")])

    with pytest.raises(ScriptError) as caught:
        await complete(model, ask("exit code 1"))

    assert str(caught.value) == "Reply 1 of scripted expects 'exit code 0', but was asked: 'exit code 1'"


async def test_an_expectation_may_be_a_test_of_the_whole_request() -> None:
    def has_tools(request: Request) -> bool:
        return bool(request.tools)

    model = ScriptedModel([ScriptedReply(text="Done.", expects=has_tools)])

    with pytest.raises(ScriptError, match="expects has_tools"):
        await complete(model, ask("x"))


async def test_an_error_comes_after_what_was_streamed_before_it() -> None:
    broken = StreamInterruptedError("The answer broke off.", model="scripted", retryable=True)
    model = ScriptedModel([ScriptedReply(text="I beg", error=broken), "Better."])
    heard: list[StreamEvent] = []

    with pytest.raises(StreamInterruptedError):
        await listen(model, ask("x"), heard)

    assert heard == [TextDelta(text="I beg")]
    assert (await complete(model, ask("x"))).message.text == "Better."


async def test_usage_is_a_quarter_of_the_bytes_unless_the_script_says_otherwise() -> None:
    told = Usage(input_tokens=1000, output_tokens=10, cached_tokens=900)
    model = ScriptedModel(["12345678", ScriptedReply(text="x", usage=told, stop="length")])

    estimated = await complete(model, ask("1234", instructions="1234"))
    given = await complete(model, ask("x"))

    assert estimated.usage == Usage(input_tokens=2, output_tokens=2)
    assert (given.usage, given.stop) == (told, "length")


@pytest.mark.parametrize("replies", ["one text", {"key": "one text"}])
def test_a_text_in_place_of_a_list_is_refused(replies: object) -> None:
    with pytest.raises(UsageError, match="is one text, not a list of replies"):
        ScriptedModel(replies)  # type: ignore[arg-type]


async def test_a_file_with_a_list_is_a_script(tmp_path: Path) -> None:
    path = tmp_path / "script.json"
    path.write_text(
        '[{"text": "I look.", "calls": [{"name": "read", "arguments": {"path": "a.py"}}], "expects": "Fix"},'
        ' {"calls": [{"name": "read", "arguments": "{oops"}, {"name": "list"}], "expects": ["a", "b"]}, "Done."]'
    )
    model = load_script(path)

    first = await complete(model, ask("Fix a.py"))
    second = await complete(model, ask("a and b"))

    assert first.message.parts == (
        Text(text="I look."),
        ToolCall(id="call_1", name="read", arguments='{"path": "a.py"}'),
    )
    assert [made.arguments for made in second.message.tool_calls] == ["{oops", "{}"]
    assert model.id == f"scripted:{path}"
    with pytest.raises(ScriptError, match="expects"):
        await complete(load_script(path), ask("Something else"))


async def test_a_file_with_an_object_has_a_script_per_needle(tmp_path: Path) -> None:
    path = tmp_path / "script.json"
    path.write_text('{"captain": ["plan"], "build": ["work"]}')

    model = load_script(path, id="demo")

    assert (await complete(model, ask("x", instructions="You build."))).message.text == "work"
    assert model.id == "demo"


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("[", "is no JSON"),
        ("3", "is no list of replies"),
        ('{"build": "work"}', "'build' is no list of replies"),
        ("[3]", "reply 1 is neither a text nor an object"),
        ('["x", {"txt": "y"}]', "reply 2 has the key 'txt', which is none of calls, expects, text"),
        ('[{"text": 3}]', "reply 1, text is no text"),
        ('[{"calls": {}}]', "reply 1, calls is no list"),
        ('[{"calls": ["read"]}]', "reply 1, call 1 is no object"),
        ('[{"calls": [{"arguments": {}}]}]', "reply 1, call 1, name is no text"),
        ('[{"calls": [{"name": "read", "arguments": 3}]}]', "call 1, arguments is neither an object nor a text"),
        ('{"build": [{"expects": [3]}]}', "'build', reply 1, expects is neither a text nor a list of texts"),
    ],
)
def test_a_malformed_file_is_refused_with_its_name_and_the_place(tmp_path: Path, text: str, complaint: str) -> None:
    path = tmp_path / "script.json"
    path.write_text(text)

    with pytest.raises(UsageError) as caught:
        load_script(path)

    assert str(path) in str(caught.value)
    assert complaint in str(caught.value)
    assert caught.value.hint


def test_a_file_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"none\.json cannot be read: No such file or directory"):
        load_script(tmp_path / "none.json")
