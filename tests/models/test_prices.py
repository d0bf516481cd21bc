from __future__ import annotations

import json
from decimal import Decimal

from genai_prices.data_snapshot import get_snapshot

from captain.core.usage import Usage
from captain.models import Profile, cost_usd
from captain.models.profiles import _PRICED, profile_of
from tests.models.conformance import folder

GPT_5_4 = Profile(family="x", pricing=("openai", "gpt-5.4"))


def test_cached_tokens_are_part_of_the_input_and_cheaper() -> None:
    usage = Usage(input_tokens=10_000, cached_tokens=8_000, output_tokens=500)

    assert cost_usd(GPT_5_4, usage) == Decimal("0.0145")


def test_reasoning_is_part_of_the_output() -> None:
    plain = Usage(input_tokens=1_000, output_tokens=100)
    thinking = Usage(input_tokens=1_000, output_tokens=100, reasoning_tokens=90)

    assert cost_usd(GPT_5_4, plain) == cost_usd(GPT_5_4, thinking) == Decimal("0.004")


def test_what_is_not_known_has_no_price_rather_than_none_to_pay() -> None:
    usage = Usage(input_tokens=1_000, output_tokens=100)

    assert cost_usd(Profile(family="x"), usage) is None
    assert cost_usd(Profile(family="x", pricing=("openai", "no-such-model")), usage) is None
    assert cost_usd(Profile(family="x", pricing=("nobody", "gpt-5.4")), usage) is None


def test_a_call_whose_server_counted_nothing_has_no_price() -> None:
    assert cost_usd(GPT_5_4, Usage()) is None


def test_every_host_with_prices_is_one_the_price_list_knows() -> None:
    known = {provider.id for provider in get_snapshot().providers}

    assert set(_PRICED.values()) <= known


def test_worked_examples_agree() -> None:
    listed = json.loads((folder("") / "prices.json").read_text())["models"]
    compared = 0
    for model, facts in listed.items():
        for example in facts["worked_examples"]:
            counted = example["usage"]
            usage = Usage(
                input_tokens=counted["input_tokens"],
                cached_tokens=counted.get("cache_read_tokens", 0),
                cache_write_tokens=counted.get("cache_write_tokens", 0),
                output_tokens=counted["output_tokens"],
            )
            assert cost_usd(Profile(family="x", pricing=(facts["provider"], model)), usage) == Decimal(example["total"])
            compared += 1
        assert profile_of(model, host=f"api.{facts['provider']}.com").context_tokens == facts["context_window"]
    assert compared
