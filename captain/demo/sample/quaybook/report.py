"""Occupancy per month, and plain text tables."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from quaybook.bookings import BookingBook
from quaybook.dates import Stay


@dataclass(frozen=True)
class Occupancy:
    """The nights booked in a month, of all the nights the berths offer."""

    year: int
    month: int
    booked: int
    offered: int

    @property
    def percent(self) -> int:
        """The occupancy in whole percent, rounded down."""
        return self.booked * 100 // self.offered if self.offered else 0


def occupancy(book: BookingBook, year: int, month: int) -> Occupancy:
    """Count the booked nights of one month."""
    period = Stay.month(year, month)
    booked = sum(booking.stay.nights_within(period) for booking in book)
    return Occupancy(year, month, booked, period.nights * len(book.harbour.berths))


def text_table(header: Sequence[str], rows: Sequence[Sequence[str]], align: str) -> str:
    """Lay out a table; ``align`` has an ``l`` or an ``r`` for each column."""
    widths = [max(map(len, column)) for column in zip(header, *rows, strict=True)]

    def layout(row: Sequence[str]) -> str:
        cells = [
            cell.rjust(width) if side == "r" else cell.ljust(width)
            for cell, width, side in zip(row, widths, align, strict=True)
        ]
        return "  ".join(cells).rstrip()

    rule = "  ".join("-" * width for width in widths)
    return "\n".join([layout(header), rule, *map(layout, rows)])


def format_occupancy(months: Iterable[Occupancy]) -> str:
    """Write months and their occupancy as a table."""
    rows = [
        (f"{m.year}-{m.month:02d}", str(m.booked), str(m.offered), f"{m.percent}%")
        for m in months
    ]
    return text_table(("Month", "Booked", "Offered", "Share"), rows, "lrrr")
