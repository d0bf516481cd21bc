"""Several awaits at once fail as one, and stop as one."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from functools import partial

import anyio.lowlevel
import pytest

from captain.core.errors import BudgetExceededError, ToolError
from captain.core.together import together


async def one() -> int:
    await anyio.lowlevel.checkpoint()
    return 1


async def test_results_stand_in_the_order_of_the_jobs_not_of_their_ends() -> None:
    gate = anyio.Event()

    async def late() -> int:
        await gate.wait()
        return 1

    async def early() -> int:
        gate.set()
        return 2

    assert await together([late, early]) == (1, 2)


async def test_no_jobs_give_no_results() -> None:
    assert await together(list[Callable[[], Awaitable[int]]]()) == ()


async def test_jobs_run_at_the_same_time() -> None:
    arrived, all_here = [], anyio.Event()

    async def meet(number: int) -> int:
        arrived.append(number)
        if len(arrived) == 3:
            all_here.set()
        await all_here.wait()
        return number

    with anyio.fail_after(30):
        assert await together([partial(meet, number) for number in range(3)]) == (0, 1, 2)


async def test_the_first_failure_cancels_the_others_and_is_raised_plain() -> None:
    waiting, cancelled = anyio.Event(), []

    async def wait() -> int:
        try:
            waiting.set()
            await anyio.sleep_forever()
        except anyio.get_cancelled_exc_class():
            cancelled.append(True)
            raise
        return 0

    error = ToolError("no luck")

    async def fail() -> int:
        await waiting.wait()
        raise error

    with pytest.raises(ToolError) as caught:
        await together([wait, fail])
    assert caught.value is error
    assert cancelled == [True]


async def test_a_failure_keeps_its_own_cause_and_context() -> None:
    async def fail() -> int:
        raise BudgetExceededError("too much", limit="tokens") from ValueError("why")

    with pytest.raises(BudgetExceededError) as caught:
        await together([fail, one])
    assert isinstance(caught.value.__cause__, ValueError)


async def test_a_failure_inside_is_plain_through_two_levels() -> None:
    async def fail() -> int:
        raise KeyError("deep")

    async def inner() -> int:
        return sum(await together([fail, one]))

    with pytest.raises(KeyError, match="deep"):
        await together([inner, one])


async def test_a_failure_while_the_others_stop_does_not_hide_the_first() -> None:
    waiting = anyio.Event()

    async def stops_badly() -> int:
        try:
            waiting.set()
            await anyio.sleep_forever()
        finally:
            raise OSError("while stopping")

    async def fail() -> int:
        await waiting.wait()
        raise ToolError("first")

    with pytest.raises((ToolError, OSError)) as caught:
        await together([stops_badly, fail])
    assert str(caught.value) == "first"


async def test_cancellation_from_outside_passes_through() -> None:
    started, after = anyio.Event(), []

    async def wait() -> int:
        started.set()
        await anyio.sleep_forever()
        return 0

    async def work() -> None:
        await together([wait, wait])
        after.append("not reached")

    async with anyio.create_task_group() as group:
        group.start_soon(work)
        await started.wait()
        group.cancel_scope.cancel()
    assert group.cancel_scope.cancelled_caught
    assert after == []
