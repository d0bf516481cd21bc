"""What a call costs, by the price list of `genai-prices`."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

from captain.core.messages import Reply
from captain.core.usage import Usage
from captain.models.base import Profile


def cost_usd(profile: Profile, usage: Usage) -> Decimal | None:
    """US dollars; None where the price or the usage is not known, which is not the same as free.

    Buckets of the list are inclusive as ours are: cached tokens count into the input and reasoning into
    the output, and are priced apart where the model has a price for them.
    """
    if profile.pricing is None or usage.total_tokens == 0:  # no call uses nothing: its server did not count
        return None
    import genai_prices

    provider, model = profile.pricing
    counted = genai_prices.Usage(
        input_tokens=usage.input_tokens,
        cache_read_tokens=(cached := min(usage.cached_tokens, usage.input_tokens)),
        cache_write_tokens=min(usage.cache_write_tokens, usage.input_tokens - cached),
        output_tokens=usage.output_tokens,
        output_reasoning_tokens=min(usage.reasoning_tokens, usage.output_tokens),
    )
    try:
        return genai_prices.calc_price(counted, model, provider_id=provider).total_price
    except LookupError:
        return None


def reply_cost_usd(profile: Profile, reply: Reply) -> Decimal | None:
    """What a reply cost, at the price of the model that gave it; `profile` is of the model that was asked."""
    return cost_usd(replace(profile, pricing=reply.priced_as) if reply.answered_by else profile, reply.usage)
