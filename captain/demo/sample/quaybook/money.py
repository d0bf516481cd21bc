"""Amounts of money in whole cents."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

_AMOUNT = re.compile(r"(-?)([0-9]{1,3}(?:,[0-9]{3})+|[0-9]+)(?:\.([0-9]{2}))?")


def _divide(cents: int, divisor: int) -> int:
    """Divide cents by a positive number; halves are rounded away from zero."""
    quotient = (2 * abs(cents) + divisor) // (2 * divisor)
    return -quotient if cents < 0 else quotient


@dataclass(frozen=True, order=True)
class Money:
    """An amount in cents; it may be negative."""

    cents: int = 0

    @classmethod
    def parse(cls, text: str) -> Money:
        """Read an amount as ``str(money)`` writes it: ``12``, ``12.50``, ``-1,250.00``."""
        match = _AMOUNT.fullmatch(text.strip())
        if match is None:
            raise ValueError(f"not an amount: {text!r}")
        sign, whole, fraction = match.groups()
        cents = int(whole.replace(",", "")) * 100 + int(fraction or "0")
        return cls(-cents if sign else cents)

    @classmethod
    def total(cls, amounts: Iterable[Money]) -> Money:
        """Add up any number of amounts; none make zero."""
        return cls(sum(amount.cents for amount in amounts))

    def __str__(self) -> str:
        sign = "-" if self.cents < 0 else ""
        whole, fraction = divmod(abs(self.cents), 100)
        return f"{sign}{whole:,}.{fraction:02d}"

    def __add__(self, other: Money) -> Money:
        return Money(self.cents + other.cents)

    def __sub__(self, other: Money) -> Money:
        return Money(self.cents - other.cents)

    def __neg__(self) -> Money:
        return Money(-self.cents)

    def __mul__(self, factor: int) -> Money:
        return Money(self.cents * factor)

    def percent(self, percent: int) -> Money:
        """Return so many percent of the amount, to the nearest cent."""
        return Money(_divide(self.cents * percent, 100))

    def allocate(self, weights: Sequence[int]) -> list[Money]:
        """Divide the amount up in proportion to the weights, in their order."""
        whole = sum(weights)
        if whole <= 0 or min(weights) < 0:
            raise ValueError(f"cannot divide by weights {list(weights)}")
        return [Money(_divide(self.cents * weight, whole)) for weight in weights]

    def split(self, parts: int) -> list[Money]:
        """Divide the amount up into equal parts."""
        return self.allocate([1] * parts)
