"""What a stay costs: a price per night by length and season, less one discount."""

from bisect import bisect_left
from dataclasses import dataclass

from quaybook.dates import Stay
from quaybook.money import Money

WEEK_NIGHTS = 7
WEEK_PERCENT = 10

# Cents per night, for boats of up to each of these lengths.
LENGTHS = (800, 1000, 1200, 1500, 2000)
PRICES = {
    "low": (1800, 2300, 2900, 3900, 5400),
    "shoulder": (2400, 3100, 3900, 5200, 7200),
    "high": (3200, 4100, 5200, 6900, 9800),
}


@dataclass(frozen=True)
class Item:
    """Some nights of one season at one price."""

    season: str
    nights: int
    price: Money

    @property
    def amount(self) -> Money:
        """The price of all nights."""
        return self.price * self.nights


@dataclass(frozen=True)
class Quote:
    """The items of a stay and the discount on them; all without VAT."""

    items: tuple[Item, ...]
    discount_percent: int = 0

    @property
    def gross(self) -> Money:
        """The price before the discount."""
        return Money.total(item.amount for item in self.items)

    @property
    def discount(self) -> Money:
        """What the discount takes off."""
        return self.gross.percent(self.discount_percent)


def price_per_night(length: int, season: str) -> Money:
    """Return the price of one night for a boat of a length in centimetres."""
    if not 0 < length <= LENGTHS[-1]:
        raise ValueError(f"no price for a boat of {length} cm")
    return Money(PRICES[season][bisect_left(LENGTHS, length)])


def quote_stay(length: int, stay: Stay) -> Quote:
    """Price a stay of a boat; a week or more is cheaper."""
    items = tuple(
        Item(season, nights, price_per_night(length, season))
        for season, nights in stay.nights_by_season().items()
    )
    return Quote(items, WEEK_PERCENT if stay.nights >= WEEK_NIGHTS else 0)
