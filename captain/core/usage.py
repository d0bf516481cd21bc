"""What model calls use, what that costs, and how much a run may spend."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal, InvalidOperation

from captain.core.errors import UsageError


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """Tokens of one call or of many.

    Buckets are inclusive: `cached_tokens` (read from a cache) and `cache_write_tokens` are part of
    `input_tokens`, `reasoning_tokens` of `output_tokens`.
    """

    input_tokens: int = 0
    output_tokens: int = 0
    cached_tokens: int = 0
    reasoning_tokens: int = 0
    cache_write_tokens: int = 0

    @property
    def total_tokens(self) -> int:
        return self.input_tokens + self.output_tokens

    def __add__(self, other: Usage) -> Usage:
        return Usage(
            input_tokens=self.input_tokens + other.input_tokens,
            output_tokens=self.output_tokens + other.output_tokens,
            cached_tokens=self.cached_tokens + other.cached_tokens,
            reasoning_tokens=self.reasoning_tokens + other.reasoning_tokens,
            cache_write_tokens=self.cache_write_tokens + other.cache_write_tokens,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Spend:
    """What was spent so far. `unpriced_calls` counts calls whose price is not known: never zero cost.

    `estimated_calls` are those that nobody says the use of, and that count with what they were expected to use.
    `turns` are the calls in which an agent took a turn; the others shorten a conversation, or broke off.
    """

    usage: Usage = Usage()
    cost_usd: Decimal = Decimal(0)
    model_calls: int = 0
    unpriced_calls: int = 0
    estimated_calls: int = 0
    turns: int = 0

    def add(self, usage: Usage, cost_usd: Decimal | None, *, turns: int = 0, estimated: bool = False) -> Spend:
        """With one more call."""
        return self + Spend(
            usage=usage,
            cost_usd=cost_usd or Decimal(0),
            model_calls=1,
            unpriced_calls=int(cost_usd is None),
            estimated_calls=int(estimated),
            turns=turns,
        )

    def __add__(self, other: Spend) -> Spend:
        return Spend(
            usage=self.usage + other.usage,
            cost_usd=self.cost_usd + other.cost_usd,
            model_calls=self.model_calls + other.model_calls,
            unpriced_calls=self.unpriced_calls + other.unpriced_calls,
            estimated_calls=self.estimated_calls + other.estimated_calls,
            turns=self.turns + other.turns,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """Limits for a whole run, all of its agents together; `None` is no limit.

    `cost_usd` takes a string or a `Decimal` ("2.50"), since a float could not say it exactly. `time_s` is working
    time; `turns` are those of all agents together.
    """

    cost_usd: str | Decimal | None = None
    tokens: int | None = None
    time_s: float | None = None
    model_calls: int | None = None
    turns: int | None = None

    def __post_init__(self) -> None:
        if isinstance(self.cost_usd, float):
            raise UsageError(
                f"Budget(cost_usd={self.cost_usd!r}) is a float, which cannot say an amount of money exactly.",
                hint=f'Write it as a string: Budget(cost_usd="{self.cost_usd}").',
            )
        try:
            cost = None if self.cost_usd is None else Decimal(self.cost_usd)
        except (InvalidOperation, TypeError):
            raise UsageError(
                f"Budget(cost_usd={self.cost_usd!r}) is not an amount in US dollars.",
                hint='Write a plain number such as "2.50".',
            ) from None
        limits = {
            "cost_usd": cost,
            "tokens": self.tokens,
            "time_s": self.time_s,
            "model_calls": self.model_calls,
            "turns": self.turns,
        }
        for name, limit in limits.items():
            if limit is not None and not (Decimal(limit).is_finite() and limit > 0):
                raise UsageError(
                    f"Budget({name}={limit}) is not a positive, finite number.",
                    hint=f"Leave {name} out for no limit.",
                )
