from __future__ import annotations

from decimal import Decimal

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from captain.core.errors import StreamInterruptedError, UsageError
from captain.core.usage import Usage
from captain.models import CallRecord, Metered, Percentiles, Profile, ScriptedModel, ScriptedReply, complete
from captain.models.latency import RecentDurations
from captain.testing import FakeClock
from tests.models.acting import ASK, Act, Acting, always, broken, in_turn, refused
from tests.models.leaping import LoopClock, leaping

PRICED = Profile(family="f", pricing=("openai", "gpt-4.1"))


def test_a_finished_call_is_recorded_with_its_times_tokens_and_cost() -> None:
    calls: list[CallRecord] = []

    async def main() -> None:
        model = Metered(Acting(always(Act(wait_s=2, rest_s=3)), profile=PRICED), calls.append, clock=LoopClock())
        await complete(model, ASK)

    leaping(main)

    assert calls == [
        CallRecord(
            model="acting",
            outcome="finished",
            duration_s=5,
            first_event_s=2,
            usage=Usage(input_tokens=100, output_tokens=10),
            cost_usd=Decimal("0.00028"),
            request_id="req_7",
        )
    ]


@pytest.mark.parametrize("first_event_s", [None, 1.0])
def test_a_failed_call_is_recorded_with_its_error(first_event_s: float | None) -> None:
    calls: list[CallRecord] = []
    error = refused()
    act = Act(wait_s=1, after=error) if first_event_s else Act(wait_s=1, before=error)

    async def main() -> None:
        await complete(Metered(Acting(always(act)), calls.append, clock=LoopClock()), ASK)

    with pytest.raises(type(error)):
        leaping(main)

    assert calls == [
        CallRecord(
            model="acting",
            outcome="failed",
            duration_s=1,
            first_event_s=first_event_s,
            request_id="req_1",
            error=error,
        )
    ]


async def test_a_call_left_before_its_end_is_recorded_as_abandoned() -> None:
    calls: list[CallRecord] = []
    model = Metered(Acting(always(Act())), calls.append, clock=FakeClock())

    async with model.stream(ASK) as events:
        await anext(events)

    assert [(call.outcome, call.usage, call.cost_usd) for call in calls] == [("abandoned", None, None)]


async def test_an_error_of_the_reader_is_not_a_failure_of_the_call() -> None:
    calls: list[CallRecord] = []
    model = Metered(Acting(always(Act())), calls.append)

    async def read() -> None:
        async with model.stream(ASK) as events:
            async for _ in events:
                pass
            raise broken()

    with pytest.raises(StreamInterruptedError):
        await read()

    assert [call.outcome for call in calls] == ["finished"]


async def test_a_cancelled_call_is_recorded_as_abandoned() -> None:
    calls: list[CallRecord] = []
    model = Metered(Acting(always(Act(wait_s=3_600))), calls.append)

    async with anyio.create_task_group() as group:
        group.start_soon(complete, model, ASK)
        await anyio.wait_all_tasks_blocked()
        group.cancel_scope.cancel()

    assert [call.outcome for call in calls] == ["abandoned"]


async def test_what_was_refused_before_the_call_is_no_call() -> None:
    calls: list[CallRecord] = []

    model = Metered(Acting(always(Act(before=UsageError("wrong")))), calls.append)
    with pytest.raises(UsageError):
        await complete(model, ASK)

    assert calls == []


async def test_usage_that_was_not_counted_is_not_known() -> None:
    calls: list[CallRecord] = []
    reply = ScriptedReply(text="Hi", usage=Usage())

    await complete(Metered(ScriptedModel([reply], profile=PRICED), calls.append), ASK)

    assert (calls[0].usage, calls[0].cost_usd) == (None, None)


def test_latency_is_that_of_the_last_finished_calls() -> None:
    times_s = [900.0, *map(float, range(1, 101))]
    acts = [Act(wait_s=wait_s, rest_s=1) for wait_s in times_s]

    async def main() -> Metered:
        model = Metered(Acting(in_turn(*acts, Act(before=refused()))), clock=LoopClock(), window=100)
        for _ in times_s:
            await complete(model, ASK)
        with pytest.raises(type(refused())):
            await complete(model, ASK)
        return model

    latency = leaping(main).latency

    assert latency.first_event == Percentiles(count=100, p50_s=50, p90_s=90, p95_s=95, p99_s=99)
    assert latency.duration == Percentiles(count=100, p50_s=51, p90_s=91, p95_s=96, p99_s=100)


def test_of_nothing_there_are_no_percentiles() -> None:
    assert RecentDurations().percentiles() == Percentiles()


@given(st.lists(st.floats(0, 1e6), min_size=1, max_size=50), st.floats(0.01, 1))
def test_a_quantile_is_the_smallest_duration_that_enough_of_them_do_not_exceed(
    times_s: list[float], share: float
) -> None:
    recent = RecentDurations()
    for time_s in times_s:
        recent.add(time_s)

    found = recent.quantile(share)

    assert found in times_s
    assert sum(time_s <= found for time_s in times_s) >= share * len(times_s) - 1e-9
    assert sum(time_s < found for time_s in times_s) < share * len(times_s)
