"""What carrying out a plan is going to cost: a range, and how it was formed."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from captain.core.usage import Usage


@dataclass(frozen=True, slots=True, kw_only=True)
class RoleEstimate:
    """One model in one role. The dollars are None where the price is not known, which is not the same as free."""

    role: str
    model: str
    low: Usage
    high: Usage
    low_usd: Decimal | None
    high_usd: Decimal | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """`basis` are sentences: what the range rests on, and what it leaves out."""

    roles: tuple[RoleEstimate, ...]
    basis: tuple[str, ...]

    @property
    def tokens(self) -> tuple[int, int]:
        """In and out together."""
        return sum(one.low.total_tokens for one in self.roles), sum(one.high.total_tokens for one in self.roles)

    @property
    def cost_usd(self) -> tuple[Decimal, Decimal]:
        """Of those whose price is known; `unpriced` names the others."""
        return (
            sum((one.low_usd or Decimal(0) for one in self.roles), Decimal(0)),
            sum((one.high_usd or Decimal(0) for one in self.roles), Decimal(0)),
        )

    @property
    def unpriced(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(one.model for one in self.roles if one.high_usd is None))
