from __future__ import annotations

import anyio
import pytest

from captain.core.errors import ModelsExhaustedError, RateLimitError
from captain.models import (
    CallRecord,
    Hedge,
    Model,
    RateGate,
    Retry,
    ScriptedModel,
    Switched,
    Waiting,
    complete,
    outfit,
)
from captain.testing import FakeClock
from tests.models.acting import ASK, Act, Acting, always, broken, busy, in_turn, refused
from tests.models.leaping import LoopClock, leaping


def test_wrappers_stand_in_the_one_order() -> None:
    one, two = ScriptedModel([], id="a"), ScriptedModel([], id="b")

    assert repr(outfit(one)) == "Metered(Retrying(Limited(ScriptedModel(id='a'))))"
    assert repr(outfit([one, two], hedge=Hedge())) == (
        "Metered(Fallback([Retrying(Hedged(Limited(ScriptedModel(id='a')))), "
        "Retrying(Hedged(Limited(ScriptedModel(id='b'))))]))"
    )


async def test_it_is_a_model_like_the_first_and_closes_all() -> None:
    one, two = Acting(always(Act()), id="a"), Acting(always(Act()), id="b")
    model = outfit([one, two])

    assert isinstance(model, Model)
    assert (model.id, model.profile) == ("a", one.profile)
    await model.aclose()
    assert (one.closed, two.closed) == (True, True)


async def test_a_call_is_one_record_however_often_it_was_tried() -> None:
    calls: list[CallRecord] = []
    waits: list[Waiting] = []
    model = outfit(
        Acting(in_turn(Act(before=broken()), Act(before=broken()), Act())),
        on_call=calls.append,
        on_wait=waits.append,
        clock=FakeClock(),
    )

    await complete(model, ASK)

    assert [call.outcome for call in calls] == ["finished"]
    assert len(waits) == 2


async def test_the_next_model_is_called_when_attempts_are_used_up() -> None:
    switches: list[Switched] = []
    first, second = Acting(always(Act(before=broken())), id="a"), Acting(always(Act(text="from b")), id="b")
    model = outfit([first, second], retry=Retry(attempts=3), on_switch=switches.append, clock=FakeClock())

    reply = await complete(model, ASK)

    assert (reply.message.text, reply.answered_by) == ("from b", "b")
    assert first.calls == 3
    assert [switch.model for switch in switches] == ["b"]
    assert "The call was made 3 times within" in str(switches[0].error)


async def test_when_all_is_used_up_the_error_names_all_and_is_final() -> None:
    models = [Acting(always(Act(before=error)), id=id_) for id_, error in (("a", broken()), ("b", refused()))]

    with pytest.raises(ModelsExhaustedError) as caught:
        await complete(outfit(models, retry=Retry(attempts=2), clock=FakeClock()), ASK, repeats=5)

    assert [model for model, _ in caught.value.failures] == ["a", "b"]
    assert not caught.value.retryable
    assert models[0].calls == 2


def test_models_of_one_account_share_its_gate() -> None:
    async def main() -> float:
        gate = RateGate(clock=LoopClock(), settle_s=0)
        one = outfit(Acting(always(Act(before=busy(50)))), gate=gate, retry=Retry(attempts=1), clock=LoopClock())
        other = outfit(Acting(always(Act())), gate=gate, clock=LoopClock())
        with pytest.raises(RateLimitError):
            await complete(one, ASK)
        await complete(other, ASK)
        return anyio.current_time()

    assert leaping(main) == 50


def test_gates_of_several_accounts_are_given_by_the_ids_of_their_models() -> None:
    async def main() -> tuple[int, int, float]:
        gates = {name: RateGate(clock=LoopClock()) for name in "ab"}
        models = [Acting(in_turn(Act(before=busy(900)), Act()), id=name) for name in "ab"]
        model = outfit(models[:1], gate=gates, clock=LoopClock())
        with pytest.raises(RateLimitError):
            await complete(model, ASK)
        await complete(outfit(models, gate={"b": gates["b"]}, clock=LoopClock()), ASK)
        return gates["a"].rejected_calls, gates["b"].rejected_calls, anyio.current_time()

    assert leaping(main) == (1, 0, 0)


def test_a_gate_of_its_own_waits_no_longer_than_a_retry() -> None:
    async def main() -> float:
        model = outfit(Acting(in_turn(Act(before=busy(90)), Act())), retry=Retry(longest_asked_s=60), clock=LoopClock())
        with pytest.raises(RateLimitError, match="It asks to wait 90 seconds, more than the 60"):
            await complete(model, ASK)
        with pytest.raises(RateLimitError, match=r"no calls for another 9\d seconds\. It asks"):
            await complete(model, ASK)
        return anyio.current_time()

    assert leaping(main) == 0


def test_a_hedge_is_recorded_beside_its_call_and_held_back_with_the_gate() -> None:
    calls: list[CallRecord] = []

    async def main() -> None:
        known, quick, slow = [Act(wait_s=1)] * 10, [Act(wait_s=0.5)] * 10, Act(wait_s=60)
        inner = Acting(in_turn(*known, slow, Act(wait_s=1), *quick, Act(before=busy(1)), slow))
        gate = RateGate(clock=LoopClock())
        hedge = Hedge(min_calls=10)
        model = outfit(inner, gate=gate, hedge=hedge, on_call=calls.append, clock=LoopClock())
        for _ in range(22):
            await complete(model, ASK)

    leaping(main)

    abandoned = [(number, call.duration_s) for number, call in enumerate(calls) if call.hedge]
    assert abandoned == [(10, 2)]
    assert calls[-1].duration_s > 60
