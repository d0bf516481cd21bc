"""How far one agent may go, whatever the run's budget still holds."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from captain.core.errors import UsageError
from captain.core.usage import Spend, Usage


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Checked before every model call; `None` is no limit.

    `working_s` counts seconds in model calls and tools, not those spent waiting for a turn to call.
    """

    turns: int = 200
    tokens: int | None = None
    cost_usd: str | Decimal | None = None
    working_s: float | None = None

    def __post_init__(self) -> None:
        for name in ("turns", "tokens", "cost_usd", "working_s"):
            value = getattr(self, name)
            if value is not None and not Decimal(value) > 0:
                raise UsageError(f"Limits({name}={value!r}) is not above zero.", hint="Leave it out for no limit.")

    def reached(self, spent: Spend, worked_s: float, wanted: Usage, wanted_usd: Decimal | None) -> str | None:
        """Why the next call is not made, in words."""
        if self.tokens is not None and spent.usage.total_tokens + wanted.total_tokens > self.tokens:
            return f"its {self.tokens} tokens do not allow another call"
        if self.cost_usd is not None and spent.cost_usd + (wanted_usd or 0) > Decimal(self.cost_usd):
            return f"its {self.cost_usd} US dollars do not allow another call"
        if self.working_s is not None and worked_s >= self.working_s:
            return f"it has worked for its {self.working_s:g} seconds"
        return None
