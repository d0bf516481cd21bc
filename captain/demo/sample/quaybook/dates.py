"""Stays, nights and seasons.

A stay is half open: it includes the day of arrival and excludes the day of departure.
"""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import dataclass
from datetime import date, timedelta

_DAY_FIRST = re.compile(r"([0-9]{1,2})[./]([0-9]{1,2})[./]([0-9]{4})")


def season_of(day: date) -> str:
    """Return the season of the night that begins on a day: low, shoulder or high."""
    if 6 <= day.month <= 8:
        return "high"
    return "shoulder" if day.month in (4, 5, 9, 10) else "low"


def parse_date(text: str) -> date:
    """Read ``2025-07-03``, ``3.7.2025`` or ``03/07/2025`` (the day comes first)."""
    cleaned = text.strip()
    match = _DAY_FIRST.fullmatch(cleaned)
    try:
        if match:
            day, month, year = (int(part) for part in match.groups())
            return date(year, month, day)
        return date.fromisoformat(cleaned)
    except ValueError:
        raise ValueError(f"not a date: {text!r}") from None


@dataclass(frozen=True, order=True)
class Stay:
    """The nights from an arrival up to, and without, the day of departure."""

    arrival: date
    departure: date

    def __post_init__(self) -> None:
        if self.departure <= self.arrival:
            raise ValueError(f"departure must be after arrival: {self}")

    def __str__(self) -> str:
        return f"{self.arrival}/{self.departure}"

    @classmethod
    def parse(cls, text: str) -> Stay:
        """Read a stay such as ``2025-07-01/2025-07-04``."""
        arrival, slash, departure = text.partition("/")
        if not slash:
            raise ValueError(f"not a stay: {text!r}")
        return cls(date.fromisoformat(arrival.strip()), date.fromisoformat(departure.strip()))

    @classmethod
    def month(cls, year: int, month: int) -> Stay:
        """Return all nights of a calendar month."""
        return cls(date(year, month, 1), date(year + month // 12, month % 12 + 1, 1))

    @property
    def nights(self) -> int:
        """The number of nights."""
        return (self.departure - self.arrival).days

    def overlaps(self, other: Stay) -> bool:
        """Tell whether the two stays share a night."""
        return self.arrival < other.departure and other.arrival < self.departure

    def nights_within(self, other: Stay) -> int:
        """Count the nights the two stays share."""
        first = max(self.arrival, other.arrival)
        last = min(self.departure, other.departure)
        return max(0, (last - first).days)

    def nights_by_season(self) -> dict[str, int]:
        """Count the nights of each season the stay touches, in order of time."""
        days = (self.arrival + timedelta(days=offset) for offset in range(self.nights))
        return dict(Counter(season_of(day) for day in days))
