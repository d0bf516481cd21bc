"""Long work: conversations that outgrow their model, limits of one agent, and waiting that is not being stuck."""

from __future__ import annotations

from decimal import Decimal
from itertools import pairwise

import pytest

from captain.agent import Agent, Crewmate, Limits, Transcript
from captain.core import codec
from captain.core.errors import ContextOverflowError
from captain.core.events import Compacted, Event, ModelCalled
from captain.core.messages import Request, ToolResult, UserMessage
from captain.core.usage import Usage
from captain.models import Profile, ScriptedModel, ScriptedReply, call
from captain.runs import MemoryStore, RunJournal, spent_of
from captain.testing import FakeClock
from captain.tools import tool

CALLS = 174
WORD = "lorem ipsum "


@tool(effect="read")
async def look(number: int) -> str:
    """A page of text."""
    return f"page {number}: " + WORD * 440  # 5 KB, the middle of the reference session's 2 to 8 KB


def pages(request: Request, last: int = CALLS) -> ScriptedReply:
    """Asks for one page after the other; tells a summary when it is asked for one."""
    text = codec.to_json(request.messages[-1])
    if "The conversation is getting too long" in text:
        return ScriptedReply(text="## Goal\nRead all pages.")
    read = sum(len(message.tool_calls) for message in request.messages if message.role == "assistant")
    done = max([read, *(number(request, word) for word in ("page ",))])
    return ScriptedReply(text="All read.") if done >= last else ScriptedReply(calls=(call("look", number=done + 1),))


def number(request: Request, word: str) -> int:
    """The last page that is shown in the conversation."""
    shown = [
        int(content.text.removeprefix(word).split(":")[0])
        for message in request.messages
        if isinstance(message, UserMessage)
        for part in message.parts
        if isinstance(part, ToolResult)
        for content in part.content
        if content.kind == "text"
    ]
    return max(shown, default=0)


def tokens(request: Request) -> int:
    return len(codec.to_json(request)) // 4


async def session(model: ScriptedModel, **more: object) -> tuple[Agent, RunJournal]:
    journal = RunJournal(MemoryStore(), FakeClock())
    mate = Crewmate(model=model, journal=journal)
    return Agent(mate=mate, instructions="Read.", tools=(look,), **more), journal  # type: ignore[arg-type]


def of(journal: RunJournal) -> list[Event]:
    return [recorded.event for recorded in journal.events]


async def test_a_session_of_174_calls_and_230_000_tokens_is_one_growing_conversation() -> None:
    model = ScriptedModel(pages, profile=Profile(family="test", context_tokens=1_000_000))
    agent, journal = await session(model)
    result = await agent.run("Read all pages.")
    assert (result.ending, result.turns) == ("done", CALLS + 1)
    assert tokens(model.requests[-1]) > 230_000
    assert not [event for event in of(journal) if isinstance(event, Compacted)]
    for before, after in pairwise(model.requests):
        assert after.messages[: len(before.messages)] == before.messages
        assert (after.instructions, after.tools) == (before.instructions, before.tools)


async def test_the_same_session_fits_a_small_context_by_compaction() -> None:
    model = ScriptedModel(pages, profile=Profile(family="test", context_tokens=100_000))
    agent, journal = await session(model)
    result = await agent.run("Read all pages.")
    assert (result.ending, result.text) == ("done", "All read.")
    assert max(map(tokens, model.requests)) < 100_000
    compacted = [event for event in of(journal) if isinstance(event, Compacted)]
    assert compacted[0].stage == "clipped"
    assert all(event.tokens_after < event.tokens_before for event in compacted)
    opening = model.requests[0].messages[0].parts
    assert all(request.messages[0].parts[: len(opening)] == opening for request in model.requests)


async def test_requests_extend_each_other_but_for_compactions() -> None:
    model = ScriptedModel(pages, profile=Profile(family="test", context_tokens=60_000))
    agent, journal = await session(model)
    await agent.run("Read all pages.")
    breaks = sum(
        after.messages[: len(before.messages)] != before.messages for before, after in pairwise(model.requests)
    )
    compactions = sum(isinstance(event, Compacted) for event in of(journal))
    assert 0 < breaks <= 2 * compactions


async def test_calls_stay_with_their_results_after_every_compaction() -> None:
    model = ScriptedModel(pages, profile=Profile(family="test", context_tokens=30_000))
    agent, _ = await session(model)
    await agent.run("Read all pages.")
    for request in model.requests:
        open_calls: set[str] = set()
        for message in request.messages:
            if message.role == "assistant":
                open_calls = {one.id for one in message.tool_calls}
            else:
                answered = {part.call_id for part in message.parts if isinstance(part, ToolResult)}
                assert answered == open_calls
                open_calls = set()


async def test_a_model_that_overflows_in_mid_task_gets_a_shorter_conversation() -> None:
    overflow = ContextOverflowError("Too long.", model="scripted")

    def reply(request: Request) -> ScriptedReply:
        return ScriptedReply(error=overflow) if tokens(request) > 20_000 else pages(request, last=40)

    model = ScriptedModel(reply)  # its profile knows no context size
    agent, journal = await session(model)
    result = await agent.run("Read the pages.")
    assert result.ending == "done"
    shorter = [event for event in of(journal) if isinstance(event, Compacted)]
    assert all(event.tokens_after <= event.tokens_before / 2 for event in shorter)
    assert {event.stage for event in shorter} >= {"clipped"}


async def test_a_conversation_that_cannot_be_made_to_fit_is_an_error() -> None:
    model = ScriptedModel(lambda _: ScriptedReply(error=ContextOverflowError("Too long.", model="scripted")))
    agent, _ = await session(model)
    with pytest.raises(ContextOverflowError):
        await agent.run("Read.")


async def test_results_too_large_for_a_small_context_are_cut_until_they_fit() -> None:
    @tool(effect="read")
    async def huge(number: int) -> str:
        """A very long page."""
        return f"{number} " + WORD * 3_200

    replies = [ScriptedReply(calls=(call("huge", number=n),)) for n in range(12)]
    model = ScriptedModel([*replies, "Done."], profile=Profile(family="test", context_tokens=32_000))
    journal = RunJournal(MemoryStore(), FakeClock())
    agent = Agent(mate=Crewmate(model=model, journal=journal), instructions="Read.", tools=(huge,))
    assert (await agent.run("Read.")).ending == "done"
    assert max(map(tokens, model.requests)) < 32_000


async def test_a_model_that_calls_a_tool_instead_of_summing_up_is_asked_without_its_tools() -> None:
    def reply(request: Request) -> ScriptedReply:
        if "The conversation is getting too long" in codec.to_json(request.messages[-1]):
            return ScriptedReply(calls=(call("look", number=1),)) if request.tools else ScriptedReply(text="Sum.")
        return pages(request, last=120)

    model = ScriptedModel(reply, profile=Profile(family="test", context_tokens=20_000))
    agent, journal = await session(model)
    assert (await agent.run("Read the pages.")).ending == "done"
    assert "summarised" in {event.stage for event in of(journal) if isinstance(event, Compacted)}


async def test_calls_that_shorten_a_conversation_are_paid_for_and_are_no_turns() -> None:
    model = ScriptedModel(lambda request: pages(request, last=120), profile=Profile(family="t", context_tokens=20_000))
    agent, journal = await session(model)
    result = await agent.run("Read the pages.")
    aside = [event for event in of(journal) if isinstance(event, ModelCalled) and not event.turn]
    spend = agent.mate.ledger.spend
    assert len(aside) > 0
    assert (spend.turns, spend.model_calls) == (result.turns, len(model.requests))
    assert spend.model_calls == spend.turns + len(aside)
    assert spend == spent_of(of(journal))


async def test_going_back_and_forth_between_two_calls_is_being_stuck() -> None:
    model = ScriptedModel([call("look", number=n % 2) for n in range(30)])
    agent, _ = await session(model)
    assert (await agent.run("Read.")).ending == "stuck"


async def test_a_cut_result_can_be_recalled_whole() -> None:
    model = ScriptedModel(pages, profile=Profile(family="test", context_tokens=60_000))
    agent, _ = await session(model)
    first = await agent.run("Read all pages.")
    id_, whole = first.transcript.clipped[0]
    script = ScriptedModel([call("recall", id=id_), call("recall", id="none"), "Thanks."])
    agent, _ = await session(script)
    result = await agent.run("Look again.", history=first.transcript)
    assert result.ending == "done"
    assert whole[:2_000] in codec.to_json(script.requests[1].messages[-1])
    assert "No result with the id" in codec.to_json(script.requests[2].messages[-1])


async def test_a_command_of_ten_minutes_is_neither_stuck_nor_cut_off() -> None:
    clock = FakeClock()

    @tool(effect="execute")
    async def wait() -> str:
        """Waits for a build that is not ready yet."""
        clock.advance(600)
        return "still running"

    model = ScriptedModel([*[call("wait")] * 12, "Ready."])
    agent = Agent(mate=Crewmate(model=model, clock=clock), instructions="Wait.", tools=(wait,))
    result = await agent.run("Wait for the build.")
    assert (result.ending, result.turns) == ("done", 13)


async def test_the_same_failure_in_other_words_is_being_stuck() -> None:
    words = [call("look", number=f"number {chr(97 + n)}{n}") for n in range(20)]
    model = ScriptedModel(words)
    agent, _ = await session(model)
    result = await agent.run("Read.")
    assert result.ending == "stuck"
    assert result.turns == 12


@pytest.mark.parametrize(
    ("limits", "calls", "why"),
    [
        (Limits(turns=3), 3, "its 3 turns"),
        (Limits(tokens=9_000), 2, "its 9000 tokens"),
        (Limits(working_s=150.0), 2, "worked for its 150 seconds"),
    ],
)
async def test_an_agents_own_limits_are_checked_before_a_call(limits: Limits, calls: int, why: str) -> None:
    clock = FakeClock()

    @tool(effect="execute")
    async def work(number: int) -> str:
        """Takes 100 seconds."""
        clock.advance(100)
        return str(number)

    used = Usage(input_tokens=2_000, output_tokens=1_000)
    replies = [ScriptedReply(calls=(call("work", number=n),), usage=used) for n in range(10)]
    model = ScriptedModel(replies)
    agent = Agent(mate=Crewmate(model=model, clock=clock), instructions="Go.", tools=(work,), limits=limits)
    result = await agent.run("Go.")
    assert result.ending in ("limit", "turn_limit")
    assert why in result.reason
    assert len(model.requests) == calls


async def test_money_is_a_limit_where_the_price_is_known() -> None:
    priced = Profile(family="test", pricing=("openai", "gpt-4o"))
    used = Usage(input_tokens=100_000, output_tokens=10_000)
    replies = [ScriptedReply(calls=(call("look", number=n),), usage=used) for n in range(10)]
    model = ScriptedModel(replies, profile=priced)
    agent, _ = await session(model, limits=Limits(cost_usd=Decimal("0.8")))
    result = await agent.run("Read.")
    assert result.ending == "limit"
    assert len(model.requests) == 2


async def test_a_paused_answer_is_asked_for_again() -> None:
    model = ScriptedModel([ScriptedReply(text="searching", stop="pause"), "Found it."])
    agent, _ = await session(model)
    result = await agent.run("Search.")
    assert (result.ending, result.text, result.turns) == ("done", "Found it.", 2)


def test_a_transcript_survives_the_codec() -> None:
    transcript = Transcript(messages=(UserMessage(parts=()),), clipped=(("c1", "text"),))
    assert codec.from_json(Transcript, codec.to_json(transcript)) == transcript
