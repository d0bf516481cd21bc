from __future__ import annotations

import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from captain.core.errors import ModelError, RateLimitError, ScriptError, StreamInterruptedError, UsageError
from captain.core.messages import Request, StreamEvent, TextDelta
from captain.models import Profile, Retry, Retrying, ScriptedModel, Waiting, complete
from captain.testing import FakeClock
from tests.models.acting import ASK, Act, Acting, always, broken, busy, in_turn, refused
from tests.models.wire import listen


def retrying(model: Any, retry: Retry | None = None, waits: list[Waiting] | None = None) -> Retrying:
    told = None if waits is None else waits.append
    return Retrying(model, retry, on_wait=told, clock=FakeClock(), rng=random.Random(1))


async def test_a_call_that_fails_before_its_first_event_is_made_again() -> None:
    model = Acting(in_turn(Act(before=broken()), Act(before=busy()), Act(text="Hello")))
    waits: list[Waiting] = []

    reply = await complete(retrying(model, waits=waits), ASK)

    assert reply.message.text == "Hello"
    assert [(told.model, told.attempt, type(told.error)) for told in waits] == [
        ("acting", 1, StreamInterruptedError),
        ("acting", 2, RateLimitError),
    ]
    assert (model.most_open, model.open) == (1, 0)


async def test_an_answer_without_any_event_counts_as_a_failure() -> None:
    class Mute:
        id = "mute"
        profile = Profile(family="mute")
        calls = 0

        @asynccontextmanager
        async def stream(self, request: Request, /) -> AsyncIterator[AsyncIterator[StreamEvent]]:
            self.calls += 1

            async def nothing() -> AsyncIterator[StreamEvent]:
                return
                yield

            yield nothing()

        async def aclose(self) -> None:
            """Nothing is held open."""

    model = Mute()
    with pytest.raises(StreamInterruptedError, match=r"The answer of mute ended before it began\. The call was made 3"):
        await complete(retrying(model, Retry(attempts=3)), ASK)

    assert model.calls == 3


async def test_the_reply_tells_of_attempts_that_may_be_charged_for() -> None:
    model = Acting(in_turn(Act(before=broken()), Act(before=busy()), Act(before=broken()), Act(text="Hello")))
    assert (await complete(retrying(model), ASK)).lost_calls == 2


async def test_what_cannot_be_helped_is_tried_once() -> None:
    model = Acting(always(Act(before=refused())))

    with pytest.raises(ModelError) as caught:
        await complete(retrying(model), ASK)

    assert str(caught.value) == "m refuses."
    assert model.calls == 1


@pytest.mark.parametrize("error", [UsageError("no"), ScriptError("no", model="m"), ValueError("no")])
async def test_errors_that_are_not_the_models_pass_untouched(error: Exception) -> None:
    model = Acting(always(Act(before=error)))

    with pytest.raises(type(error)) as caught:
        await complete(retrying(model), ASK)

    assert caught.value is error
    assert model.calls == 1


async def test_attempts_that_are_used_up_are_said_and_not_worth_repeating() -> None:
    model = Acting(always(Act(before=broken())))
    clock = FakeClock()

    with pytest.raises(StreamInterruptedError) as caught:
        await complete(Retrying(model, Retry(attempts=4), clock=clock, rng=random.Random(1)), ASK, repeats=3)

    assert str(caught.value) == (
        f"The answer of m broke off. The call was made 4 times within {clock.monotonic_s():.0f} s."
    )
    assert (caught.value.hint, caught.value.model, caught.value.retryable) == ("Try again.", "m", False)
    assert isinstance(caught.value.__cause__, StreamInterruptedError)
    assert caught.value.__cause__.retryable
    assert model.calls == 4


async def test_no_attempt_starts_after_the_time_is_up() -> None:
    model = Acting(always(Act(before=busy(40))))
    clock = FakeClock()

    with pytest.raises(RateLimitError, match="made 3 times"):
        await complete(Retrying(model, Retry(total_s=100), clock=clock, rng=random.Random(1)), ASK)

    assert 80 <= clock.monotonic_s() <= 100


@settings(deadline=None)
@given(st.integers(0, 2**32), st.floats(0, 10), st.floats(0, 100))
def test_waits_are_random_below_a_limit_that_doubles(seed: int, first_s: float, longest_s: float) -> None:
    waits: list[Waiting] = []
    retry = Retry(attempts=12, first_wait_s=first_s, longest_wait_s=longest_s, total_s=1e9)
    model = Acting(always(Act(before=broken())))
    tried = Retrying(model, retry, on_wait=waits.append, clock=FakeClock(), rng=random.Random(seed))

    async def call() -> None:
        with pytest.raises(StreamInterruptedError):
            await complete(tried, ASK)

    anyio.run(call)

    assert len(waits) == 11
    assert all(0 <= told.wait_s <= min(first_s * 2 ** (told.attempt - 1), longest_s) for told in waits)


@settings(deadline=None)
@given(st.floats(0, 300), st.integers(0, 2**32))
def test_a_provider_that_asks_for_time_gets_at_least_that(asked_s: float, seed: int) -> None:
    waits: list[Waiting] = []
    model = Acting(in_turn(Act(before=busy(asked_s)), Act()))

    async def call() -> None:
        await complete(Retrying(model, on_wait=waits.append, clock=FakeClock(), rng=random.Random(seed)), ASK)

    anyio.run(call)

    assert asked_s <= waits[0].wait_s <= asked_s + 1


async def test_a_provider_that_asks_for_too_much_time_is_not_waited_for() -> None:
    model = Acting(always(Act(before=busy(86_400))))
    clock = FakeClock()

    with pytest.raises(RateLimitError) as caught:
        await complete(Retrying(model, clock=clock), ASK)

    assert str(caught.value) == (
        "m takes no more calls. It asks to wait 86,400 seconds, more than the 300 that are allowed."
    )
    assert caught.value.hint == "Try again after that time, or use another model or account."
    assert (caught.value.retry_after_s, caught.value.retryable) == (86_400, False)
    assert (clock.monotonic_s(), model.calls) == (0, 1)


async def test_nothing_is_retried_once_an_event_was_passed_on() -> None:
    model = Acting(always(Act(after=broken())))
    heard: list[StreamEvent] = []

    with pytest.raises(StreamInterruptedError) as caught:
        await listen(retrying(model), ASK, heard)

    assert heard == [TextDelta(text="Hi")]
    assert caught.value.retryable
    assert model.calls == 1


async def test_a_turn_whose_answer_broke_off_can_be_repeated() -> None:
    model = Acting(in_turn(Act(after=broken()), Act(before=busy()), Act(after=broken()), Act(text="whole")))

    reply = await complete(retrying(model), ASK, repeats=2)

    assert reply.message.text == "whole"
    assert model.calls == 4


async def test_a_turn_is_not_repeated_for_ever() -> None:
    model = Acting(always(Act(after=broken())))

    with pytest.raises(StreamInterruptedError):
        await complete(retrying(model), ASK, repeats=2)

    assert model.calls == 3


@pytest.mark.parametrize("act", [Act(before=busy()), Act(wait_s=3_600)])
async def test_a_cancelled_call_is_not_made_again(act: Act) -> None:
    model = Acting(always(act))
    waiting = anyio.Event()

    class Endless(FakeClock):
        async def sleep(self, seconds: float, /) -> None:
            waiting.set()
            await anyio.sleep_forever()

    async def call() -> None:
        await complete(Retrying(model, clock=Endless()), ASK)

    async with anyio.create_task_group() as group:
        group.start_soon(call)
        if act.before:
            await waiting.wait()
        else:
            await anyio.wait_all_tasks_blocked()
        group.cancel_scope.cancel()

    assert (model.calls, model.open) == (1, 0)


async def test_an_error_of_the_reader_closes_the_call_and_goes_on_as_it_is() -> None:
    model = Acting(always(Act()))
    error = broken()

    with pytest.raises(StreamInterruptedError) as caught:
        async with retrying(model).stream(ASK):
            raise error

    assert caught.value is error
    assert (model.calls, model.open) == (1, 0)


async def test_calls_at_the_same_time_do_not_mix() -> None:
    model = Acting(lambda call: Act(before=busy()) if call < 20 else Act(text=str(call)))
    tried = retrying(model, Retry(attempts=40))

    async with anyio.create_task_group() as group:
        for _ in range(20):
            group.start_soon(complete, tried, ASK)

    assert model.calls == 40


async def test_it_is_the_model_to_all_appearances() -> None:
    model = Acting(always(Act()))
    tried = Retrying(model)

    assert (tried.id, tried.profile) == (model.id, model.profile)
    assert repr(Retrying(ScriptedModel([]))) == "Retrying(ScriptedModel(id='scripted'))"
    await tried.aclose()
    assert model.closed


@pytest.mark.parametrize(
    ("wrong", "said"),
    [({"attempts": 0}, "attempts=0"), ({"total_s": -1}, "total_s=-1"), ({"first_wait_s": float("nan")}, "nan")],
)
def test_limits_that_make_no_sense_are_refused(wrong: dict[str, Any], said: str) -> None:
    with pytest.raises(UsageError, match=said):
        Retry(**wrong)
