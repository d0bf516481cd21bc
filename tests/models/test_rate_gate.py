from __future__ import annotations

import random
from collections.abc import Callable
from contextlib import AsyncExitStack
from itertools import pairwise

import anyio
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from captain.core.errors import ModelError, RateLimitError, UsageError
from captain.models import Limited, RateGate, Retry, Retrying, complete
from tests.models.acting import ASK, Act, Acting, always, busy, in_turn, refused
from tests.models.leaping import LoopClock, leaping


def gate_of(**more: float) -> RateGate:
    return RateGate(clock=LoopClock(), rng=random.Random(1), **more)  # type: ignore[arg-type]


async def passing_s(gate: RateGate, calls: int) -> list[float]:
    """When each of so many calls passes that come at once."""
    passed: list[float] = []

    async def call() -> None:
        async with gate.admission("m"):
            passed.append(anyio.current_time())

    async with anyio.create_task_group() as group:
        for _ in range(calls):
            group.start_soon(call)
    return passed


async def meet_a_limit(gate: RateGate, *, calls: int = 50, retry_after_s: float | None = 20) -> None:
    """So many calls pass at once, and all of them are rejected."""
    async with AsyncExitStack() as stack:
        admissions = [await stack.enter_async_context(gate.admission("m")) for _ in range(calls)]
        for admission in admissions:
            gate.rejected(admission, retry_after_s=retry_after_s)


def test_an_open_gate_lets_everything_pass() -> None:
    async def main() -> list[float]:
        gate = gate_of()
        assert gate.is_open
        return await passing_s(gate, 1_000)

    assert leaping(main) == [0.0] * 1_000


def test_after_a_pause_one_goes_first_and_the_others_one_by_one() -> None:
    async def main() -> list[float]:
        gate = gate_of(settle_s=2)
        await meet_a_limit(gate, calls=50, retry_after_s=20)
        assert not gate.is_open
        assert gate.rejected_calls == 50
        return await passing_s(gate, 10)

    first_s, *others_s = leaping(main)
    gaps_s = [later - earlier for earlier, later in pairwise([first_s, *others_s])]

    assert 20 <= first_s <= 22
    assert gaps_s[0] >= 2
    # 50 calls in the 10 seconds measured, halved: 2.5 calls a second, give or take half a gap
    assert all(0.15 < gap_s < 0.65 for gap_s in gaps_s[1:])
    assert len(set(gaps_s)) == len(gaps_s)


def test_the_rate_grows_back_evenly_and_then_the_gate_is_open() -> None:
    async def main() -> tuple[list[float], bool]:
        gate = gate_of(recovery_s=60, settle_s=0)
        await meet_a_limit(gate, calls=50, retry_after_s=0)
        passed_s = await passing_s(gate, 1_200)
        return passed_s, gate.is_open

    passed_s, is_open = leaping(main)
    in_ten_seconds = [sum(at <= passed < at + 10 for passed in passed_s) for at in range(0, 180, 10)]

    assert in_ten_seconds[0] == pytest.approx(27, abs=5)
    assert in_ten_seconds[6] == pytest.approx(52, abs=8)
    assert in_ten_seconds[12] == pytest.approx(77, abs=10)
    assert is_open


def test_a_burst_of_rejections_counts_once() -> None:
    async def last_s(rejected: int) -> float:
        gate = gate_of(settle_s=0)
        async with AsyncExitStack() as stack:
            admissions = [await stack.enter_async_context(gate.admission("m")) for _ in range(50)]
            for admission in admissions[:rejected]:
                gate.rejected(admission, retry_after_s=5)
        return (await passing_s(gate, 20))[-1]

    assert leaping(last_s, 1) == leaping(last_s, 50)


def test_a_later_rejection_may_lengthen_the_pause_but_never_shortens_it() -> None:
    async def main() -> float:
        gate = gate_of(settle_s=0)
        async with AsyncExitStack() as stack:
            admissions = [await stack.enter_async_context(gate.admission("m")) for _ in range(3)]
            for admission, asked_s in zip(admissions, [10, 30, 5], strict=True):
                gate.rejected(admission, retry_after_s=asked_s)
        [passed_s] = await passing_s(gate, 1)
        return passed_s

    assert leaping(main) == 30


def test_pauses_double_while_the_provider_says_nothing_and_rejects_everything() -> None:
    async def main() -> list[float]:
        gate = gate_of(settle_s=0, concurrency=1)
        passed: list[float] = []
        for _ in range(9):
            async with gate.admission("m") as admission:
                passed.append(anyio.current_time())
                gate.rejected(admission, retry_after_s=None)
        return passed

    passed = leaping(main)

    assert [later - earlier for earlier, later in pairwise(passed)] == [1, 2, 4, 8, 16, 32, 60, 60]


def test_a_pause_in_a_row_does_not_lower_the_rate_again() -> None:
    async def main() -> list[float]:
        gate = gate_of(settle_s=0)
        await meet_a_limit(gate, calls=50)
        for _ in range(5):
            async with gate.admission("m") as admission:
                gate.rejected(admission, retry_after_s=1)
        return await passing_s(gate, 10)

    passed_s = leaping(main)

    assert passed_s[-1] - passed_s[0] < 6


def test_a_pause_that_is_too_long_is_not_waited_for() -> None:
    async def main() -> float:
        gate = gate_of(longest_pause_s=60)
        await meet_a_limit(gate, calls=1, retry_after_s=3_600)
        with pytest.raises(
            RateLimitError, match=r"The account behind m takes no calls for another 3,6\d\d sec"
        ) as told:
            await passing_s_of_one(gate)
        assert told.value.retryable
        assert told.value.retry_after_s is not None
        return told.value.retry_after_s

    assert 3_600 <= leaping(main) <= 3_601


async def passing_s_of_one(gate: RateGate) -> None:
    async with gate.admission("m"):
        pass


def test_those_who_wait_learn_that_the_pause_has_become_too_long() -> None:
    async def main() -> list[type[BaseException]]:
        gate = gate_of(longest_pause_s=60)
        raised: list[type[BaseException]] = []

        async def waiting() -> None:
            try:
                await passing_s_of_one(gate)
            except RateLimitError as error:
                raised.append(type(error))

        async with anyio.create_task_group() as group, gate.admission("m") as first, gate.admission("m") as second:
            gate.rejected(first, retry_after_s=10)
            for _ in range(3):
                group.start_soon(waiting)
            await anyio.sleep(5)
            gate.rejected(second, retry_after_s=3_600)
        return raised

    assert leaping(main) == [RateLimitError] * 3


def test_no_more_calls_are_under_way_than_allowed() -> None:
    async def main() -> tuple[int, float]:
        model = Acting(always(Act(wait_s=1, rest_s=1)))
        limited = Limited(model, gate_of(concurrency=4))
        async with anyio.create_task_group() as group:
            for _ in range(20):
                group.start_soon(complete, limited, ASK)
        return model.most_open, anyio.current_time()

    assert leaping(main) == (4, 10.0)


def test_a_cancelled_wait_gives_its_turn_to_the_next() -> None:
    async def main() -> list[float]:
        gate = gate_of(concurrency=2, settle_s=0)
        await meet_a_limit(gate, calls=1, retry_after_s=10)
        with anyio.move_on_after(5):
            await passing_s(gate, 5)
        return await passing_s(gate, 1)

    assert leaping(main) == [10.0]


@pytest.mark.parametrize("during", [lambda error: Act(before=error), lambda error: Act(after=error)])
def test_a_rejection_closes_the_gate_for_the_siblings(during: Callable[[ModelError], Act]) -> None:
    async def main() -> float:
        gate = gate_of(settle_s=0)
        with pytest.raises(RateLimitError):
            await complete(Limited(Acting(always(during(busy(30)))), gate), ASK)
        await complete(Limited(Acting(always(Act())), gate), ASK)
        return anyio.current_time()

    assert leaping(main) == 30


@pytest.mark.parametrize("error", [refused(), RateLimitError("No credit left.", model="m", retry_after_s=60)])
def test_other_failures_leave_it_open(error: ModelError) -> None:
    async def main() -> bool:
        gate = gate_of()
        with pytest.raises(type(error)):
            await complete(Limited(Acting(always(Act(before=error))), gate), ASK)
        return gate.is_open

    assert leaping(main)


def test_an_error_of_the_reader_does_not_close_it() -> None:
    async def main() -> bool:
        gate = gate_of()
        with pytest.raises(RateLimitError):
            async with Limited(Acting(always(Act())), gate).stream(ASK):
                raise busy(30)
        return gate.is_open

    assert leaping(main)


class Bucket:
    """A provider that lets `rate_per_s` calls pass, `burst` at once, and tells the others when to come back."""

    def __init__(self, *, rate_per_s: float, burst: int, says: bool) -> None:
        self.rejected = 0
        self._rate_per_s, self._burst, self._says = rate_per_s, burst, says
        self._tokens, self._filled_s = float(burst), 0.0

    def act(self, _: int) -> Act:
        now_s = anyio.current_time()
        self._tokens = min(self._burst, self._tokens + (now_s - self._filled_s) * self._rate_per_s)
        self._filled_s = now_s
        if self._tokens >= 1:
            self._tokens -= 1
            return Act(wait_s=4, rest_s=4)
        self.rejected += 1
        return Act(wait_s=0.3, before=busy((1 - self._tokens) / self._rate_per_s if self._says else None))


@settings(deadline=None, max_examples=30)
@given(st.floats(1, 20), st.integers(1, 20), st.booleans(), st.integers(0, 2**32))
def test_fifty_siblings_all_finish_and_few_calls_are_rejected(
    rate_per_s: float, burst: int, says: bool, seed: int
) -> None:
    async def main() -> int:
        bucket = Bucket(rate_per_s=rate_per_s, burst=burst, says=says)
        gate = RateGate(clock=LoopClock(), rng=random.Random(seed))
        model = Retrying(Limited(Acting(bucket.act), gate), clock=LoopClock(), rng=random.Random(seed))
        async with anyio.create_task_group() as group:
            for _ in range(50):
                group.start_soon(complete, model, ASK)
        assert gate.rejected_calls == bucket.rejected
        return bucket.rejected

    # 50 find out together, which nothing can help; later hardly any call is rejected.
    assert leaping(main) <= 50 - burst + 15


def test_callers_without_a_gate_are_rejected_far_more_often() -> None:
    async def rejections(gated: bool) -> int:
        bucket = Bucket(rate_per_s=1, burst=5, says=True)
        inner = Acting(bucket.act)
        gate = RateGate(clock=LoopClock(), rng=random.Random(1))
        retry = Retry(attempts=1_000, total_s=1e6)
        model = Retrying(Limited(inner, gate) if gated else inner, retry, clock=LoopClock(), rng=random.Random(1))
        async with anyio.create_task_group() as group:
            for _ in range(50):
                group.start_soon(complete, model, ASK)
        return bucket.rejected

    assert leaping(rejections, True) * 3 < leaping(rejections, False)


def test_a_gate_that_lets_nothing_pass_is_refused() -> None:
    with pytest.raises(UsageError, match="concurrency=0"):
        RateGate(concurrency=0)


async def test_an_ordinary_call_is_not_changed() -> None:
    model = Limited(Acting(in_turn(Act(text="Hello"))), RateGate())

    assert (await complete(model, ASK)).message.text == "Hello"
