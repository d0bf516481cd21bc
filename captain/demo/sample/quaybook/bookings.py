"""The booking book: who lies where, and when."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from quaybook.berths import Harbour
from quaybook.dates import Stay
from quaybook.money import Money


@dataclass(frozen=True)
class Booking:
    """One boat at one berth for one stay; its length is in centimetres."""

    ref: str
    boat: str
    length: int
    berth: str
    stay: Stay
    deposit: Money = Money(0)

    def __str__(self) -> str:
        return f"{self.ref} ({self.boat}, {self.berth}, {self.stay})"


class BookingError(ValueError):
    """A booking that does not exist, or exists already."""


class ConflictError(BookingError):
    """Two bookings want the same berth at the same time."""


class BookingBook:
    """The bookings of a harbour; no two of them share a berth and a night."""

    def __init__(self, harbour: Harbour) -> None:
        self.harbour = harbour
        self._bookings: dict[str, Booking] = {}

    def __iter__(self) -> Iterator[Booking]:
        """Yield the bookings in order of their stays."""
        return iter(sorted(self._bookings.values(), key=lambda b: (b.stay, b.berth)))

    def get(self, ref: str) -> Booking:
        """Return a booking by its reference."""
        try:
            return self._bookings[ref]
        except KeyError:
            raise BookingError(f"no such booking: {ref!r}") from None

    def at_berth(self, berth: str) -> list[Booking]:
        """Return the bookings of one berth in order of their stays."""
        return [booking for booking in self if booking.berth == berth]

    def conflicts(self, berth: str, stay: Stay) -> list[Booking]:
        """Return the bookings that keep a berth from being free for a stay."""
        return [b for b in self.at_berth(berth) if b.stay.overlaps(stay)]

    def add(self, booking: Booking) -> Booking:
        """Enter a new booking."""
        if booking.ref in self._bookings:
            raise BookingError(f"booking {booking.ref} exists already")
        self.harbour.check(booking.berth, booking.length)
        for taken in self.conflicts(booking.berth, booking.stay):
            raise ConflictError(f"{booking} conflicts with {taken}")
        self._bookings[booking.ref] = booking
        return booking

    def move(self, ref: str, stay: Stay | None = None, berth: str | None = None) -> Booking:
        """Give a booking another stay, another berth or both; it keeps its reference."""
        old = self.get(ref)
        new = replace(old, stay=stay or old.stay, berth=berth or old.berth)
        self.harbour.check(new.berth, new.length)
        for taken in self.at_berth(new.berth):
            before = new.stay.departure < taken.stay.arrival
            after = taken.stay.departure < new.stay.arrival
            if taken.ref != ref and not (before or after):
                raise ConflictError(f"{new} conflicts with {taken}")
        self._bookings[ref] = new
        return new

    def cancel(self, ref: str) -> Booking:
        """Strike a booking out and return it."""
        booking = self.get(ref)
        del self._bookings[ref]
        return booking
