"""The time limits of an answer, on a loop whose time leaps."""

from __future__ import annotations

from collections.abc import AsyncIterator

import anyio
import pytest

from captain.core.errors import ModelError, ModelTimeoutError
from captain.models.call_errors import Site
from captain.models.exchange import Limits, in_time
from tests.models.leaping import LoopClock, leaping

SITE = Site(model="m", url="https://example.com")


def unexpected(error: Exception) -> ModelError:
    raise AssertionError(error)


async def read(gaps_s: tuple[float, ...], *, pause_s: float = 0.0, idle_s: float = 10.0, whole_s: float = 1e6) -> float:
    """Reads chunks with these silences before them, with a pause after each; how long it took, or up to the error."""

    async def sent() -> AsyncIterator[bytes]:
        for gap_s in gaps_s:
            await anyio.sleep(gap_s)
            yield b"x"

    clock = LoopClock()
    limits = Limits(idle_s=idle_s, whole_s=whole_s)
    chunks = in_time(sent(), whole_s, site=SITE, limits=limits, clock=clock, failures=(), translate=unexpected)
    try:
        async for _ in chunks:
            await anyio.sleep(pause_s)
    except ModelTimeoutError as error:
        error.add_note(f"{clock.monotonic_s():g}")
        raise
    return clock.monotonic_s()


def test_many_short_silences_are_no_long_one() -> None:
    assert leaping(read, (9.0,) * 20) == pytest.approx(180)


@pytest.mark.parametrize("before", [0, 1, 2, 7])
def test_a_silence_ends_an_answer_when_its_own_time_is_over(before: int) -> None:
    with pytest.raises(ModelTimeoutError, match="for 10 seconds") as caught:
        leaping(read, (*(7.0,) * before, 11.0))

    assert caught.value.__notes__ == [f"{7 * before + 10}"]


def test_a_reader_that_takes_its_time_is_no_silence() -> None:
    async def slowly() -> float:
        return await read((9.0, 9.0, 9.0), pause_s=100.0)

    assert leaping(slowly) == pytest.approx(327)


def test_the_whole_time_ends_an_answer_that_goes_on() -> None:
    async def on_and_on() -> float:
        return await read((7.0,) * 10, whole_s=30.0)

    with pytest.raises(ModelTimeoutError, match="to the end within 30 seconds") as caught:
        leaping(on_and_on)

    assert caught.value.__notes__ == ["30"]


def test_a_caller_that_gives_up_is_not_held_back() -> None:
    async def given_up() -> float:
        with anyio.move_on_after(3):
            await read((1.0, 50.0))
        return anyio.current_time()

    assert leaping(given_up) == pytest.approx(3)
