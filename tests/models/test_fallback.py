from __future__ import annotations

import json
from dataclasses import replace
from decimal import Decimal

import httpx2
import pytest

from captain.core.errors import (
    AuthenticationError,
    ContextOverflowError,
    ModelError,
    ModelsExhaustedError,
    RequestRejectedError,
    ScriptError,
    StreamInterruptedError,
    UsageError,
)
from captain.core.messages import (
    AssistantMessage,
    Opaque,
    Reasoning,
    Request,
    Text,
    ToolCall,
    ToolResult,
    UserMessage,
    user,
)
from captain.models import CallRecord, Fallback, Metered, Profile, Switched, complete, reply_cost_usd
from captain.testing import FakeClock
from tests.models.acting import ASK, Act, Acting, always, broken, busy, in_turn
from tests.models.wire import chunk, served, sse

OTHER = replace(ASK, messages=(user("Something else."),))


def too_long() -> ContextOverflowError:
    return ContextOverflowError("Too long.", model="m", hint="Shorten it.")


def acting(id_: str, *acts: Act, profile: Profile | None = None) -> Acting:
    return Acting(in_turn(*acts), id=id_, profile=profile)


async def text(model: Fallback, request: Request = ASK) -> str:
    return (await complete(model, request)).message.text


@pytest.mark.parametrize(
    "error",
    [
        busy(),
        broken(),
        AuthenticationError("No such key.", model="m"),
        RequestRejectedError("No such model.", model="m"),
        too_long(),
    ],
)
async def test_a_model_that_fails_hands_over_to_the_next(error: ModelError) -> None:
    switches: list[Switched] = []
    first, second = acting("a", Act(before=error)), acting("b", Act(text="from b"))

    assert await text(Fallback([first, second], on_switch=switches.append)) == "from b"

    assert switches == [Switched(model="b", after="a", error=error)]
    assert (first.open, second.open) == (0, 0)


async def test_the_reply_tells_of_calls_to_other_models_that_may_be_charged_for() -> None:
    models = [acting("a", Act(before=broken())), acting("b", Act(before=busy())), acting("c", Act(text="from c"))]
    assert (await complete(Fallback(models), ASK)).lost_calls == 1


async def test_a_conversation_stays_where_it_was_answered() -> None:
    clock = FakeClock()
    first, second = acting("a", Act(before=busy()), Act(text="from a")), acting("b", Act(text="from b"))
    model = Fallback([first, second], clock=clock)

    assert await text(model) == "from b"
    clock.advance(3_600)
    longer = replace(ASK, messages=(*ASK.messages, AssistantMessage(parts=(Text(text="from b"),)), user("And?")))

    assert await text(model, longer) == "from b"
    assert await text(model, OTHER) == "from a"


async def test_conversations_with_a_name_are_told_apart_by_it() -> None:
    clock = FakeClock()
    first, second = acting("a", Act(before=busy()), Act(text="from a")), acting("b", Act(text="from b"))
    model = Fallback([first, second], clock=clock)

    assert await text(model, replace(ASK, conversation="one")) == "from b"
    clock.advance(3_600)

    assert await text(model, replace(OTHER, conversation="one")) == "from b"
    assert await text(model, replace(ASK, conversation="two")) == "from a"


async def test_new_conversations_spare_a_model_that_has_just_failed() -> None:
    clock = FakeClock()
    first, second = acting("a", Act(before=busy()), Act(text="from a")), acting("b", Act(text="from b"))
    model = Fallback([first, second], rest_s=60, clock=clock)

    await text(model)
    clock.advance(59)
    assert await text(model, OTHER) == "from b"
    clock.advance(2)
    assert await text(model, replace(OTHER, instructions="New.")) == "from a"


async def test_a_model_that_rests_is_called_when_all_others_fail() -> None:
    model = Fallback([acting("a", Act(before=busy()), Act(text="from a")), acting("b", Act(), Act(before=busy()))])

    await text(model)

    assert await text(model, OTHER) == "from a"


async def test_a_refused_request_is_no_reason_to_rest() -> None:
    refused = RequestRejectedError("No.", model="m")
    model = Fallback([acting("a", Act(before=refused), Act(text="from a")), acting("b", Act())])

    await text(model)

    assert await text(model, OTHER) == "from a"


async def test_a_call_made_wrongly_goes_to_no_other_model() -> None:
    second = acting("b", Act())

    with pytest.raises(UsageError, match="wrong"):
        await text(Fallback([acting("a", Act(before=UsageError("wrong"))), second]))

    assert second.calls == 0


async def test_what_a_later_model_cannot_take_is_one_of_the_failures() -> None:
    third = acting("c", Act(text="from c"))
    model = Fallback([acting("a", Act(before=busy())), acting("b", Act(before=UsageError("no images"))), third])

    assert await text(model) == "from c"


async def test_a_script_that_is_wrong_is_not_hidden_by_the_next_model() -> None:
    with pytest.raises(ScriptError):
        await text(Fallback([acting("a", Act(before=ScriptError("ended", model="a"))), acting("b", Act())]))


async def test_a_conversation_that_is_too_long_goes_to_models_that_may_take_more() -> None:
    middle = Profile(family="f", context_tokens=200_000)
    first = acting("a", Act(before=too_long()), profile=middle)
    same, smaller = acting("b", Act(), profile=middle), acting("c", Act(), profile=replace(middle, context_tokens=9))
    larger = acting("d", Act(text="from d"), profile=replace(middle, context_tokens=1_000_000))

    assert await text(Fallback([first, same, smaller, larger])) == "from d"

    assert (same.calls, smaller.calls) == (0, 0)


async def test_a_conversation_too_long_for_all_is_said_as_that() -> None:
    error = too_long()
    model = Fallback([acting("a", Act(before=error)), acting("b", Act(before=too_long()))])

    with pytest.raises(ContextOverflowError) as caught:
        await text(model)

    assert caught.value is error


async def test_one_error_names_every_model_with_its_reason() -> None:
    errors = [busy(30), AuthenticationError("Wrong key.", model="b"), busy(10)]
    model = Fallback([acting(id_, Act(before=error)) for id_, error in zip("abc", errors, strict=True)])

    with pytest.raises(ModelsExhaustedError) as caught:
        await text(model)

    said = "None of 3 models answered. a: m takes no more calls. b: Wrong key. c: m takes no more calls."
    assert str(caught.value) == said
    assert caught.value.failures == tuple(zip("abc", errors, strict=True))
    assert (caught.value.retryable, caught.value.retry_after_s) == (True, 10)


async def test_a_request_that_all_refuse_is_to_be_changed() -> None:
    model = Fallback([acting(id_, Act(before=RequestRejectedError("No.", model=id_))) for id_ in "ab"])

    with pytest.raises(ModelsExhaustedError) as caught:
        await text(model)

    assert caught.value.hint == "All of them refuse this request: change it."
    assert not caught.value.retryable


async def test_an_answer_that_breaks_off_is_not_continued_by_another_model() -> None:
    second = acting("b", Act())

    with pytest.raises(StreamInterruptedError):
        await text(Fallback([acting("a", Act(after=broken())), second]))

    assert second.calls == 0


async def test_a_conversation_moves_on_after_two_half_answers() -> None:
    first, second = acting("a", Act(after=broken())), acting("b", Act(text="from b"))
    model = Fallback([first, second])

    reply = await complete(model, ASK, repeats=2)

    assert reply.message.text == "from b"
    assert first.calls == 2


async def test_half_answers_that_are_not_in_a_row_do_not_add_up() -> None:
    first = acting("a", Act(after=broken()), Act(), Act(after=broken()), Act())
    second = acting("b", Act())
    model = Fallback([first, second])

    for _ in range(2):
        await complete(model, ASK, repeats=1)

    assert (first.calls, second.calls) == (4, 0)


async def test_a_reply_says_who_gave_it_and_at_which_price() -> None:
    calls: list[CallRecord] = []
    cheap, dear = ("openai", "gpt-4.1-nano"), ("openai", "gpt-4.1")
    first = acting("a", Act(), Act(before=busy()), profile=Profile(family="f", pricing=cheap))
    second = acting("b", Act(), profile=Profile(family="f", pricing=dear))
    model = Metered(Fallback([first, second]), calls.append)

    own, others = await complete(model, ASK), await complete(model, OTHER)

    assert (own.answered_by, own.priced_as) == ("", None)
    assert (others.answered_by, others.priced_as) == ("b", dear)
    assert [(call.model, call.cost_usd) for call in calls] == [("a", Decimal("0.000014")), ("b", Decimal("0.00028"))]
    assert reply_cost_usd(model.profile, others) == Decimal("0.00028")


async def test_a_model_without_a_price_is_not_charged_at_the_price_of_another() -> None:
    first = acting("a", Act(before=busy()), profile=Profile(family="f", pricing=("openai", "gpt-4.1")))
    model = Fallback([first, acting("b", Act())])

    reply = await complete(model, ASK)

    assert reply_cost_usd(model.profile, reply) is None


async def test_the_payloads_of_one_provider_do_not_go_to_another() -> None:
    mine = Opaque(provider="anthropic", data=json.dumps({"signature": "c2VjcmV0"}))
    call = ToolCall(id="toolu_1", name="read", arguments="{}", opaque=mine)
    parts = (Reasoning(text="hm", opaque=mine), Text(text="", opaque=mine), Text(text="So.", opaque=mine), call)
    result = ToolResult(call_id="toolu_1", content=(Text(text="done"),))
    history = (*ASK.messages, AssistantMessage(parts=parts), UserMessage(parts=(result,)))
    sent: list[bytes] = []

    def answer(request: httpx2.Request) -> httpx2.Response:
        sent.append(request.content)
        return httpx2.Response(200, content=sse(chunk({"content": "from b"}), chunk(finish="stop")))

    async with served(answer) as other:
        first = acting("anthropic:a", Act(before=busy()))
        assert await text(Fallback([first, other]), replace(ASK, messages=history)) == "from b"

    said = json.loads(sent[0])["messages"][2]
    assert b"c2VjcmV0" not in sent[0]
    assert (said["content"], said["tool_calls"][0]["id"]) == ("So.", "toolu_1")


async def test_all_models_are_closed_also_when_one_cannot_be() -> None:
    class Stuck(Acting):
        async def aclose(self) -> None:
            raise OSError("stuck")

    first, last = acting("a", Act()), acting("c", Act())
    with pytest.raises(OSError, match="stuck"):
        await Fallback([first, Stuck(always(Act())), last]).aclose()

    assert (first.closed, last.closed) == (True, True)


def test_no_models_at_all_are_refused() -> None:
    with pytest.raises(UsageError, match="no models"):
        Fallback([])
