"""The agent loop, turn by turn, with a model that follows a script."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import aclosing, asynccontextmanager
from typing import Any

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from captain.agent import Agent, Limits
from captain.agent.loop import AgentResult
from captain.core.errors import (
    BadResponseError,
    BudgetExceededError,
    RateLimitError,
    SandboxError,
    ScriptError,
    StreamInterruptedError,
)
from captain.core.events import AgentEnded, AgentStarted, ModelCalled, ToolCalled
from captain.core.messages import Request, StreamEvent, ToolCall, ToolResult
from captain.core.usage import Budget, Spend, Usage
from captain.models import ScriptedModel, ScriptedReply, call
from captain.models.around import with_lost
from captain.runs import MemoryStore, RunJournal
from captain.runs.ledger import spent_of
from captain.testing import FakeClock
from captain.tools import Tool, follow_up, tool
from tests.agent.tools import act, events, fail, hand_in, look, mate, pairs, results, words

TOOLS: tuple[Tool, ...] = (look, act, fail)


def agent(model: ScriptedModel, *tools: Tool, **more: Any) -> Agent:
    return Agent(mate=mate(model), instructions="Work.", tools=tools or TOOLS, **more)


async def run(script: list[Any], *tools: Tool, **more: Any) -> tuple[AgentResult, ScriptedModel]:
    model = ScriptedModel(script)
    return await agent(model, *tools, **more).run("Do it."), model


async def test_an_answer_without_a_call_ends_the_work() -> None:
    result, model = await run(["All done."])
    assert (result.ending, result.text, result.turns, result.submission) == ("done", "All done.", 1, None)
    assert [message.role for message in result.messages] == ["user", "assistant"]
    assert model.requests[0].instructions == "Work."
    assert [spec.name for spec in model.requests[0].tools] == ["look", "act", "fail", "recall"]


async def test_the_result_of_a_call_is_the_next_thing_the_model_sees() -> None:
    result, model = await run([call("look", at="a"), ScriptedReply(text="ok", expects="saw a")])
    assert (result.ending, result.turns) == ("done", 2)
    assert results(model.requests[1].messages[-1]) == [("saw a", False)]


async def test_reads_run_together_and_effects_one_by_one_in_the_order_of_the_calls() -> None:
    log: list[str] = []
    both_here = anyio.Event()

    @tool(effect="read")
    async def meet(name: str) -> str:
        log.append(name)
        if len(log) == 2:
            both_here.set()
        await both_here.wait()  # one alone would wait for ever
        return name

    @tool(effect="write")
    async def change(name: str) -> str:
        log.append(f"{name} begins")
        await anyio.lowlevel.checkpoint()
        log.append(f"{name} ends")
        return name

    calls = [call("meet", name="a"), call("meet", name="b"), *(call("change", name=name) for name in "xy")]
    with anyio.fail_after(20):
        _, model = await run([calls, "done"], meet, change)
    assert sorted(log[:2]) == ["a", "b"]
    assert log[2:] == ["x begins", "x ends", "y begins", "y ends"]
    assert results(model.requests[1].messages[-1]) == [(name, False) for name in "abxy"]


async def test_a_read_after_an_effect_sees_what_the_effect_did() -> None:
    log: list[str] = []

    @tool(effect="write")
    async def put(text: str) -> str:
        await anyio.lowlevel.checkpoint()
        log.append(text)
        return "put"

    @tool(effect="read")
    async def get() -> str:
        return ",".join(log) or "nothing"

    _, model = await run(
        [[call("get"), call("put", text="a"), call("get"), call("put", text="b"), call("get")], "done"], put, get
    )
    assert [text for text, _ in results(model.requests[1].messages[-1])] == ["nothing", "put", "a", "put", "a,b"]


async def test_results_stand_in_the_order_of_the_calls_and_name_them() -> None:
    first_waits = anyio.Event()

    @tool(effect="read")
    async def slow() -> str:
        await first_waits.wait()
        return "slow"

    @tool(effect="read")
    async def fast() -> str:
        first_waits.set()
        return "fast"

    result, model = await run([[call("slow"), call("fast")], "done"], slow, fast)
    asked, answer = result.messages[1], model.requests[1].messages[-1]
    assert [text for text, _ in results(answer)] == ["slow", "fast"]
    assert [part.id for part in asked.parts if isinstance(part, ToolCall)] == [
        part.call_id for part in answer.parts if isinstance(part, ToolResult)
    ]


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (ToolCall(id="", name="look", arguments="{not json"), "The arguments of look are not valid JSON"),
        (ToolCall(id="", name="look", arguments='{"at": "cut of'), "not valid JSON"),
        (ToolCall(id="", name="look", arguments="[" * 100_000), "not valid JSON"),
        (ToolCall(id="", name="look", arguments="9" * 5000), "not valid JSON"),
        (ToolCall(id="", name="look", arguments='["a"]'), "have to be a JSON object"),
        (ToolCall(id="", name="look", arguments=""), "at: Field required"),
        (call("look"), "at: Field required"),
        (call("look", at="a", depth=1), "depth: Extra inputs are not permitted"),
        (call("unheard_of", x=1), "There is no tool 'unheard_of'. The tools are: look, act, fail, recall."),
        (call("fail", why="no luck today"), "no luck today"),
        (ToolCall(id="", name="fail", arguments=r'{"why": "half \ud83d"}'), "half"),
    ],
)
async def test_a_call_that_goes_wrong_is_told_to_the_model_which_goes_on(wrong: ToolCall, says: str) -> None:
    result, model = await run([wrong, "I see."])
    ((text, is_error),) = results(model.requests[1].messages[-1])
    assert is_error
    assert says in text
    assert result.ending == "done"


async def test_one_call_that_fails_does_not_keep_the_others_from_being_answered() -> None:
    _, model = await run([[call("look", at="a"), call("nope"), call("fail", why="x"), call("act", on="b")], "done"])
    assert [is_error for _, is_error in results(model.requests[1].messages[-1])] == [False, True, True, False]


async def test_an_error_that_is_not_the_models_business_ends_the_agent() -> None:
    @tool(effect="execute")
    async def broken() -> str:
        raise SandboxError("The box is gone.")

    model = ScriptedModel([call("broken"), "never"])
    worker = agent(model, broken)
    with pytest.raises(SandboxError, match="gone"):
        await worker.run("Do it.")
    assert model.remaining == 1
    assert events(worker.mate)[-1] == AgentEnded(agent="agent", ending="failed", turns=1, summary="The box is gone.")


async def test_a_tool_that_needs_a_workspace_is_answered_where_there_is_none() -> None:
    from captain.tools import read

    _, model = await run([call("read", path="a"), "I see."], read)
    assert results(model.requests[1].messages[-1]) == [("This tool needs a workspace, and this agent has none.", True)]


async def test_a_huge_result_is_clipped() -> None:
    @tool(effect="read")
    async def much() -> str:
        return "x" * 200_000

    _, model = await run([call("much"), "done"], much)
    ((text, _),) = results(model.requests[1].messages[-1])
    assert len(text) < 41_000
    assert "characters left out" in text


async def test_a_submission_ends_the_work_with_what_was_handed_in() -> None:
    result, model = await run([call("look", at="a"), call("hand_in", answer="42")], look, hand_in, submits="hand_in")
    assert (result.ending, result.submission, result.turns) == ("done", '"42"', 2)
    assert results(result.messages[-1]) == [("Thank you.", False)]
    assert model.remaining == 0


async def test_the_calls_beside_a_submission_are_made_too() -> None:
    result, _ = await run([[call("hand_in", answer="1"), call("look", at="a")]], look, hand_in, submits="hand_in")
    assert result.submission == '"1"'
    assert len(results(result.messages[-1])) == 2


async def test_words_instead_of_a_submission_are_nudged_twice_then_taken_for_silence() -> None:
    result, model = await run(["I think", "Well", "Hm"], look, hand_in, submits="hand_in")
    assert (result.ending, result.turns, result.submission) == ("silent", 3, None)
    assert "call `hand_in`" in words(model.requests[1].messages[-1])
    assert "call `hand_in`" in words(model.requests[2].messages[-1])


async def test_a_nudge_can_bring_the_submission() -> None:
    result, _ = await run(["I think", call("hand_in", answer="1")], hand_in, submits="hand_in")
    assert (result.ending, result.submission) == ("done", '"1"')


async def test_empty_answers_are_nudged_twice_then_taken_for_silence() -> None:
    result, model = await run([ScriptedReply(), " \n", ""])
    assert (result.ending, result.turns) == ("silent", 3)
    assert "You answered nothing" in words(model.requests[1].messages[-1])


async def test_an_answer_cut_off_at_its_length_limit_is_not_taken_for_the_end() -> None:
    cut = ScriptedReply(text="First I will", stop="length")
    result, model = await run([cut, call("act", on="it"), "Done it."])
    assert (result.ending, result.text) == ("done", "Done it.")
    nudge = words(model.requests[1].messages[-1])
    assert "cut off at its length limit" in nudge
    assert "nothing" not in nudge


async def test_a_call_cut_off_at_the_length_limit_is_answered_as_an_error() -> None:
    cut = ScriptedReply(calls=(ToolCall(id="", name="act", arguments='{"on": "ha'),), stop="length")
    result, model = await run([cut, "Done."])
    assert results(model.requests[1].messages[-1])[0][1]
    assert result.ending == "done"


async def test_the_turn_limit_ends_the_work_with_everything_so_far() -> None:
    result, model = await run([call("act", on=str(number)) for number in range(9)], limits=Limits(turns=3))
    assert (result.ending, result.turns, model.remaining) == ("turn_limit", 3, 6)
    assert results(result.messages[-1]) == [("did 2", False)]


async def test_follow_ups_are_collected_over_all_turns() -> None:
    notes = [call("follow_up", title=title, detail="d") for title in "ab"]
    result, _ = await run([notes[0], [notes[1]], "done"], follow_up)
    assert [note.title for note in result.follow_ups] == ["a", "b"]


async def test_the_same_call_with_the_same_outcome_is_nudged_then_stopped() -> None:
    result, model = await run([call("look", at="a")] * 20)
    assert (result.ending, result.turns) == ("stuck", 8)
    advice = [place for place, request in enumerate(model.requests) if "same outcome" in words(request.messages[-1])]
    assert advice == [4]


async def test_after_a_nudge_the_agent_can_go_another_way() -> None:
    result, _ = await run([*[call("look", at="a")] * 4, call("look", at="b"), call("act", on="c"), "done"])
    assert result.ending == "done"


@pytest.mark.parametrize("beside", [(), (call("act", on="wait"),)], ids=["alone", "beside the same other call"])
async def test_waiting_for_a_command_whose_output_changes_is_not_being_stuck(beside: tuple[ToolCall, ...]) -> None:
    ticks = iter(range(100))

    @tool(effect="execute")
    async def progress() -> str:
        return f"{next(ticks)} % done"

    result, _ = await run([*[[*beside, call("progress")]] * 30, "done"], progress, act)
    assert (result.ending, result.turns) == ("done", 31)


async def test_the_same_calls_every_turn_in_another_order_are_being_stuck() -> None:
    one, other = call("look", at="a"), call("look", at="b")
    result, _ = await run([[one, other], [other, one]] * 10)
    assert result.ending == "stuck"


async def test_a_script_that_runs_out_fails_the_agent_and_is_on_record() -> None:
    worker = agent(ScriptedModel([call("look", at="a")]))
    with pytest.raises(ScriptError, match="only 1 reply"):
        await worker.run("Do it.")
    first, *_, last = events(worker.mate)
    assert first == AgentStarted(agent="agent", role="build", model="scripted")
    assert isinstance(last, AgentEnded)
    assert last.ending == "failed"


async def test_every_paid_call_and_every_tool_call_is_an_event() -> None:
    worker = agent(
        ScriptedModel(
            [
                ScriptedReply(calls=(call("look", at="a"),), usage=Usage(input_tokens=10, output_tokens=2)),
                ScriptedReply(calls=(call("fail", why="x"),), usage=Usage(input_tokens=20, output_tokens=3)),
                "All\n done.",
            ]
        )
    )
    await worker.run("Do it.")
    kinds = [event.kind for event in events(worker.mate)]
    assert kinds == [
        "agent_started",
        *("model_called", "tool_called"),
        *("model_called", "tool_called"),
        "model_called",
        "agent_ended",
    ]
    calls = [event for event in events(worker.mate) if isinstance(event, ModelCalled)]
    assert [event.usage.total_tokens for event in calls[:2]] == [12, 23]
    tools = [event for event in events(worker.mate) if isinstance(event, ToolCalled)]
    assert [(event.tool, event.is_error) for event in tools] == [("look", False), ("fail", True)]
    assert events(worker.mate)[-1] == AgentEnded(agent="agent", ending="done", turns=3, summary="All done.")


@pytest.mark.parametrize(
    ("asked", "summary"),
    [
        (call("x", command="pytest\n  -q"), "pytest -q"),
        (call("x", path="a.py", content="long"), "a.py"),
        (call("x", arguments=["log", "-5"]), "log -5"),
        (call("x", pattern="p" * 500), "p" * 120),
        (call("x", other=1), ""),
        (ToolCall(id="", name="x", arguments="{"), ""),
        (ToolCall(id="", name="x", arguments="[1]"), ""),
        (ToolCall(id="", name="x", arguments="[" * 100_000), ""),
        (ToolCall(id="", name="x", arguments=r'{"path": "half \ud83d"}'), "half \ud83d"),
    ],
)
async def test_a_tool_call_is_summed_up_by_the_argument_that_says_most(asked: ToolCall, summary: str) -> None:
    worker = agent(ScriptedModel([asked, "done"]))
    await worker.run("Do it.")
    (event,) = [event for event in events(worker.mate) if isinstance(event, ToolCalled)]
    assert event.summary == summary


@pytest.mark.parametrize("budget", [Budget(tokens=100), Budget(model_calls=1)])
async def test_a_model_is_never_asked_beyond_the_budget(budget: Budget) -> None:
    model = ScriptedModel([call("look", at="a"), "never"])
    worker = Agent(mate=mate(model, budget=budget), instructions="Work.", tools=TOOLS)
    with pytest.raises(BudgetExceededError):
        await worker.run("Do it.")
    assert len(model.requests) == (0 if budget.tokens else 1)
    assert events(worker.mate)[-1].kind == "agent_ended"


async def test_what_was_used_is_settled_and_a_refused_call_costs_nothing() -> None:
    refused = ScriptedReply(error=RateLimitError("Not now.", model="scripted"))
    worker = agent(ScriptedModel([ScriptedReply(calls=(call("look", at="a"),), usage=Usage(input_tokens=7)), refused]))
    with pytest.raises(RateLimitError):
        await worker.run("Do it.")
    assert worker.mate.ledger.spend == Spend(usage=Usage(input_tokens=7), model_calls=1, unpriced_calls=1, turns=1)
    assert worker.mate.ledger.reserved == Spend()


async def test_a_call_that_broke_off_counts_with_what_was_expected_of_it() -> None:
    broken = ScriptedReply(text="half", error=BadResponseError("Broken.", model="scripted"))
    worker = agent(ScriptedModel([broken]))
    with pytest.raises(BadResponseError):
        await worker.run("Do it.")
    (lost,) = [event for event in events(worker.mate) if isinstance(event, ModelCalled)]
    assert (lost.estimated, lost.turn, lost.usage.output_tokens) == (True, False, 2_000)
    assert lost.usage.input_tokens > 0
    assert worker.mate.ledger.spend == spent_of(events(worker.mate)) == lost.added_to(Spend())


async def test_a_call_that_is_made_again_is_reserved_again() -> None:
    broken = ScriptedReply(text="half", error=StreamInterruptedError("Gone.", model="scripted", retryable=True))
    model = ScriptedModel([broken, "never"])
    worker = Agent(mate=mate(model, budget=Budget(model_calls=1)), instructions="Work.", tools=TOOLS)
    with pytest.raises(BudgetExceededError):
        await worker.run("Do it.")
    assert len(model.requests) == 1


async def test_a_call_that_nobody_waited_for_counts_too() -> None:
    class Silent(ScriptedModel):
        @asynccontextmanager
        async def stream(self, request: Request, /) -> AsyncIterator[AsyncIterator[StreamEvent]]:
            async with super().stream(request) as streamed:
                asked.set()
                await anyio.Event().wait()
                yield streamed

    asked = anyio.Event()
    worker = agent(Silent(["never"]))
    async with anyio.create_task_group() as group:
        group.start_soon(worker.run, "Do it.")
        await asked.wait()
        group.cancel_scope.cancel()
    assert (worker.mate.ledger.spend.estimated_calls, worker.mate.ledger.spend.turns) == (1, 0)
    assert worker.mate.ledger.spend == spent_of(events(worker.mate))


async def test_a_server_that_does_not_count_is_counted_by_estimate() -> None:
    worker = agent(ScriptedModel([ScriptedReply(text="Done.", usage=Usage())]))
    await worker.run("Do it.")
    spend = worker.mate.ledger.spend
    assert (spend.estimated_calls, spend.turns, spend.usage.output_tokens) == (1, 1, 2_000)


async def test_attempts_that_lost_against_the_one_that_answered_are_spent_as_well() -> None:
    class Raced(ScriptedModel):
        @asynccontextmanager
        async def stream(self, request: Request, /) -> AsyncIterator[AsyncIterator[StreamEvent]]:
            async with super().stream(request) as streamed, aclosing(with_lost(streamed, lambda: 2)) as told:
                yield told

    worker = agent(Raced([ScriptedReply(text="Done.", usage=Usage(input_tokens=7))]))
    await worker.run("Do it.")
    spend = worker.mate.ledger.spend
    assert (spend.model_calls, spend.estimated_calls, spend.turns) == (3, 2, 1)
    assert spend.usage == Usage(input_tokens=21)
    assert spend == spent_of(events(worker.mate))


@settings(max_examples=25, deadline=None)
@given(
    turns=st.lists(
        st.one_of(
            st.just(""),
            st.lists(
                st.sampled_from([call("look", at="a"), call("look", at="\udcff"), call("act", on="b"), call("nope")]),
                min_size=1,
                max_size=3,
            ),
        ),
        max_size=8,
    )
)
async def test_each_request_extends_the_one_before_it(turns: list[Any]) -> None:
    model = ScriptedModel([*turns, "done", "done", "done"])
    first = await agent(model).run("Do it.")
    asked = len(model.requests)
    second = await agent(ScriptedModel([call("look", at="c"), "done"])).run("Go on.", history=first.transcript)
    for one, other in pairs(model):
        assert other.messages[: len(one.messages)] == one.messages
        assert (other.instructions, other.tools, other.settings) == (one.instructions, one.tools, one.settings)
    assert first.messages[: len(model.requests[asked - 1].messages)] == model.requests[asked - 1].messages
    assert second.messages[: len(first.messages)] == first.messages


async def test_a_second_run_goes_on_from_the_first_one() -> None:
    model = ScriptedModel(["One.", ScriptedReply(text="Two.", expects="And now?")])
    worker = agent(model)
    first = await worker.run("Begin.", path="one")
    await worker.run("And now?", path="two", history=first.transcript)
    assert [words(message) for message in model.requests[1].messages] == ["Begin.", "One.", "And now?"]


SCRIPT: list[Any] = [
    [call("look", at="latin-\udce9"), call("act", on="b")],
    call("fail", why="no"),
    call("follow_up", title="t", detail="d"),
    "",
    "Done.",
]


async def test_the_same_agent_on_the_same_journal_asks_nothing_again_and_gives_an_equal_result() -> None:
    store, done = MemoryStore(), []

    @tool(effect="write")
    async def once(on: str) -> str:
        done.append(on)
        return f"did {on}"

    async def go(model: ScriptedModel) -> AgentResult:
        journal = await RunJournal.open(store, FakeClock())
        tools = (look, once, fail, follow_up)
        return await Agent(mate=mate(model, journal=journal), instructions="Work.", tools=tools).run("Do it.")

    first = await go(ScriptedModel([[call("look", at="a"), call("once", on="b")], *SCRIPT]))
    silent = ScriptedModel([])
    assert await go(silent) == first
    assert silent.requests == []
    assert done == ["b"]


async def test_a_run_broken_off_goes_on_where_it_was_without_paying_again() -> None:
    store = MemoryStore()
    for replies, asked in (([SCRIPT[0], SCRIPT[1]], 3), (SCRIPT[2:], 3)):
        model = ScriptedModel(replies)
        journal = await RunJournal.open(store, FakeClock())
        worker = Agent(mate=mate(model, journal=journal), instructions="Work.", tools=(*TOOLS, follow_up))
        if replies[-1] == "Done.":
            assert (await worker.run("Do it.")).ending == "done"
        else:
            with pytest.raises(ScriptError):
                await worker.run("Do it.")
        assert len(model.requests) == asked


async def test_a_run_that_waited_long_goes_the_same_way_when_it_is_resumed() -> None:
    store = MemoryStore()
    clock = FakeClock()

    @tool(effect="execute")
    async def wait() -> str:
        clock.advance(60)
        return "still nothing"

    async def go(model: ScriptedModel) -> AgentResult:
        worker = mate(model, clock=clock, journal=await RunJournal.open(store, clock))
        return await Agent(mate=worker, instructions="Work.", tools=(wait,)).run("Do it.")

    first = await go(ScriptedModel([*[call("wait")] * 12, "Done."]))
    assert (first.ending, first.turns) == ("done", 13)
    assert await go(ScriptedModel([])) == first


async def test_another_brief_on_the_same_journal_is_refused() -> None:
    from captain.core.errors import JournalError

    store = MemoryStore()
    journal = await RunJournal.open(store, FakeClock())
    await Agent(mate=mate(ScriptedModel(["One."]), journal=journal), instructions="Work.").run("Do it.")
    with pytest.raises(JournalError, match="other inputs"):
        await Agent(mate=mate(ScriptedModel(["x"]), journal=journal), instructions="Work.").run("Do something else.")


async def test_a_cancellation_right_after_a_paid_reply_loses_neither_the_reply_nor_its_cost() -> None:
    store = MemoryStore()
    with anyio.CancelScope() as scope:

        class Cancelling(ScriptedModel):
            def stream(self, request: Any, /) -> Any:
                events = super().stream(request)
                return _then(events, scope.cancel)

        journal = await RunJournal.open(store, FakeClock())
        worker = mate(Cancelling(["paid"]), journal=journal)
        await Agent(mate=worker, instructions="Work.").run("Do it.")
    assert scope.cancelled_caught
    assert [entry.kind for entry in await store.load()] == ["event", "started", "event", "finished"]
    again = mate(ScriptedModel([]), journal=await RunJournal.open(store, FakeClock()))
    assert (await Agent(mate=again, instructions="Work.").run("Do it.")).text == "paid"


def _then(manager: Any, at_the_end: Any) -> Any:
    from contextlib import asynccontextmanager

    @asynccontextmanager
    async def wrapped() -> Any:
        async with manager as events:
            yield events
        at_the_end()

    return wrapped()
