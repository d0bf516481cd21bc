from __future__ import annotations

import math
import random
from collections.abc import Callable
from statistics import NormalDist

import anyio
import pytest

from captain.core.errors import ModelError, RateLimitError, StreamInterruptedError, UsageError
from captain.core.messages import Finished, StreamEvent, TextDelta
from captain.models import CallRecord, Hedge, Hedged, complete
from captain.models.latency import RecentDurations
from tests.models.acting import ASK, Act, Acting, always, broken, busy, refused
from tests.models.leaping import LoopClock, leaping
from tests.models.wire import listen

KNOWN = 20
QUICK = Act(text="quick", wait_s=1)


def after_quick_ones(*acts: Act) -> Callable[[int], Act]:
    """So many quick calls that the 90th percentile is one second, then these."""
    return lambda call: QUICK if call < KNOWN else acts[call - KNOWN]


async def hedged(
    *acts: Act, may_hedge: Callable[[], bool] = lambda: True, records: list[CallRecord] | None = None
) -> tuple[Hedged, Acting]:
    inner = Acting(after_quick_ones(*acts))
    on_call = None if records is None else records.append
    model = Hedged(inner, may_hedge=may_hedge, on_call=on_call, clock=LoopClock())
    for _ in range(KNOWN):
        await complete(model, ASK)
    return model, inner


def test_a_slow_call_is_made_twice_and_the_first_event_wins() -> None:
    records: list[CallRecord] = []

    async def main() -> tuple[str, float, Acting]:
        model, inner = await hedged(Act(text="slow", wait_s=90), Act(text="second", wait_s=3), records=records)
        began_s = anyio.current_time()
        reply = await complete(model, ASK)
        return reply.message.text, anyio.current_time() - began_s, inner

    text, took_s, inner = leaping(main)

    assert (text, took_s) == ("second", 4)
    assert (inner.calls, inner.open, inner.left) == (KNOWN + 2, 0, 1)
    [record] = records
    assert (record.outcome, record.hedge, record.duration_s) == ("abandoned", True, 4)
    assert (record.usage, record.cost_usd) == (None, None)


def test_the_second_attempt_is_given_up_when_the_first_answers_before_it() -> None:
    records: list[CallRecord] = []

    async def main() -> tuple[str, Acting]:
        model, inner = await hedged(
            Act(text="first", wait_s=2, rest_s=50), Act(text="second", wait_s=9), records=records
        )
        return (await complete(model, ASK)).message.text, inner

    text, inner = leaping(main)

    assert text == "first"
    assert (inner.open, inner.left) == (0, 1)
    assert [(record.outcome, record.duration_s) for record in records] == [("abandoned", 1)]


@pytest.mark.parametrize(
    ("first", "second", "lost_calls"),
    [
        (Act(wait_s=90), Act(wait_s=3), 1),  # the first is given up
        (Act(wait_s=2, rest_s=50), Act(wait_s=9), 1),  # the second is
        (Act(wait_s=2, before=busy()), Act(wait_s=3), 0),  # the first was refused
        (Act(wait_s=2, before=broken()), Act(wait_s=3), 1),
        (Act(wait_s=90), Act(wait_s=3, before=refused()), 0),
        (Act(wait_s=0.5), Act(), 0),  # there is no second
    ],
)
def test_the_reply_tells_of_the_attempt_that_may_be_charged_for_as_well(
    first: Act, second: Act, lost_calls: int
) -> None:
    async def main() -> int:
        model, _ = await hedged(first, second)
        return (await complete(model, ASK)).lost_calls

    assert leaping(main) == lost_calls


def test_a_call_that_is_quick_enough_is_made_once() -> None:
    async def main() -> int:
        model, _ = await hedged(Act(wait_s=0.9, rest_s=100))
        await complete(model, ASK)
        return model.extra_calls

    assert leaping(main) == 0


def test_no_call_is_made_twice_before_enough_is_known() -> None:
    async def main() -> int:
        model = Hedged(Acting(always(Act(wait_s=90))), Hedge(min_calls=KNOWN), clock=LoopClock())
        for _ in range(KNOWN):
            await complete(model, ASK)
        return model.extra_calls

    assert leaping(main) == 0


def test_no_call_is_made_twice_while_calls_are_held_back() -> None:
    held_back = False

    async def main() -> tuple[int, int]:
        nonlocal held_back
        model, inner = await hedged(Act(wait_s=90), Act(wait_s=90), QUICK, may_hedge=lambda: not held_back)
        async with anyio.create_task_group() as group:
            group.start_soon(complete, model, ASK)
            await anyio.sleep(0.5)
            held_back = True
        await complete(model, ASK)
        return inner.calls, model.extra_calls

    assert leaping(main) == (KNOWN + 2, 0)


def test_all_events_of_the_second_attempt_arrive_in_order() -> None:
    heard: list[StreamEvent] = []

    async def main() -> None:
        model, _ = await hedged(Act(wait_s=90), Act(text="second", rest_s=5))
        await listen(model, ASK, heard)

    leaping(main)

    assert heard[0] == TextDelta(text="second")
    assert isinstance(heard[1], Finished)
    assert len(heard) == 2


def test_a_first_attempt_that_fails_leaves_the_answer_to_the_second() -> None:
    records: list[CallRecord] = []
    error = broken()

    async def main() -> str:
        model, _ = await hedged(Act(wait_s=2, before=error), Act(text="second", wait_s=5), records=records)
        return (await complete(model, ASK)).message.text

    assert leaping(main) == "second"
    assert [(record.outcome, record.error) for record in records] == [("failed", error)]


def test_a_first_attempt_that_fails_early_is_not_waited_on() -> None:
    async def main() -> tuple[float, int]:
        model, inner = await hedged(Act(wait_s=0.5, before=broken()))
        began_s = anyio.current_time()
        with pytest.raises(StreamInterruptedError):
            await complete(model, ASK)
        return anyio.current_time() - began_s, inner.calls

    assert leaping(main) == (0.5, KNOWN + 1)


def test_a_second_attempt_that_fails_changes_nothing() -> None:
    records: list[CallRecord] = []
    error = busy()

    async def main() -> str:
        model, _ = await hedged(Act(text="first", wait_s=9), Act(wait_s=1, before=error), records=records)
        return (await complete(model, ASK)).message.text

    assert leaping(main) == "first"
    assert [(record.outcome, record.error, record.hedge) for record in records] == [("failed", error, True)]


def test_when_both_fail_the_error_is_that_of_the_first() -> None:
    error = refused()

    async def main() -> None:
        model, _ = await hedged(Act(wait_s=2, before=error), Act(wait_s=5, before=busy()))
        await complete(model, ASK)

    with pytest.raises(ModelError) as caught:
        leaping(main)

    assert caught.value is error


def test_a_second_attempt_that_breaks_off_after_it_won_is_an_error() -> None:
    error = broken()
    heard: list[StreamEvent] = []

    async def main() -> None:
        model, _ = await hedged(Act(wait_s=90), Act(text="second", after=error))
        await listen(model, ASK, heard)

    with pytest.raises(StreamInterruptedError) as caught:
        leaping(main)

    assert caught.value is error
    assert heard == [TextDelta(text="second")]


@pytest.mark.parametrize("first", [Act(), Act(wait_s=90)])
def test_an_error_of_the_reader_ends_both_and_goes_on_as_it_is(first: Act) -> None:
    error = RateLimitError("elsewhere", model="x")

    async def main() -> Acting:
        model, inner = await hedged(first, Act(wait_s=3, rest_s=9))

        async def read() -> None:
            async with model.stream(ASK) as events:
                await anext(events)
                raise error

        with pytest.raises(RateLimitError) as caught:
            await read()
        assert caught.value is error
        return inner

    assert leaping(main).open == 0


@pytest.mark.parametrize("after_s", [0.5, 2.0, 6.0])
def test_a_cancelled_call_ends_both(after_s: float) -> None:
    async def main() -> Acting:
        model, inner = await hedged(Act(wait_s=90), Act(wait_s=3, rest_s=60))
        with anyio.move_on_after(after_s) as scope:
            await complete(model, ASK)
        assert scope.cancelled_caught
        return inner

    assert leaping(main).open == 0


def test_a_call_made_wrongly_is_made_once_and_says_so() -> None:
    async def main() -> int:
        model, inner = await hedged(Act(before=UsageError("wrong")))
        with pytest.raises(UsageError, match="wrong"):
            await complete(model, ASK)
        return inner.calls

    assert leaping(main) == KNOWN + 1


def test_a_model_that_turns_slow_for_good_does_not_double_its_calls() -> None:
    async def main() -> tuple[int, int]:
        model = Hedged(Acting(lambda call: Act(wait_s=1.0 + call)), Hedge(share=0.05), clock=LoopClock())
        for _ in range(400):
            await complete(model, ASK)
        return model.extra_calls, model.calls

    extra, calls = leaping(main)

    assert 0 < extra <= 0.05 * calls


ND = NormalDist()
Z95, Z99 = ND.inv_cdf(0.95), ND.inv_cdf(0.99)
MU, BODY, TAIL = math.log(4), math.log(46.5 / 4) / Z95, math.log(85.2 / 46.5) / (Z99 - Z95)


def latency_s(rng: random.Random) -> float:
    """Log-normal through p50 4 s, p95 46.5 s and p99 85.2 s."""
    z = rng.gauss(0, 1)
    return math.exp(MU + BODY * min(z, Z95) + TAIL * max(z - Z95, 0))


def test_hedging_cuts_the_tail_for_a_tenth_more_calls() -> None:
    calls = 4_000

    async def times(hedge: Hedge | None) -> tuple[RecentDurations, int]:
        # Both sides are dealt the same latencies; second attempts draw their own.
        deck, own = random.Random(1), random.Random(2)
        attempts: list[random.Random] = []
        inner = Acting(lambda _: Act(wait_s=latency_s(attempts.pop() if attempts else own)))
        model = inner if hedge is None else Hedged(inner, hedge, clock=LoopClock())
        took = RecentDurations(calls)
        for _ in range(calls):
            attempts = [deck]
            began_s = anyio.current_time()
            async with model.stream(ASK) as events:
                await anext(events)
            took.add(anyio.current_time() - began_s)
        return took, inner.calls - calls

    plain, _ = leaping(times, None)
    raced, extra = leaping(times, Hedge())

    assert extra <= 0.10 * calls
    assert raced.quantile(0.95) < 0.70 * plain.quantile(0.95)
    assert raced.quantile(0.99) < 0.60 * plain.quantile(0.99)


@pytest.mark.parametrize(
    "wrong", [{"share": 0}, {"share": 1.5}, {"quantile": 0}, {"min_calls": 0}, {"min_calls": 30, "window": 20}]
)
def test_numbers_that_make_no_sense_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(UsageError):
        Hedge(**wrong)  # type: ignore[arg-type]
