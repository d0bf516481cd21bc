import unittest

from quaybook.dates import Stay
from quaybook.money import Money
from quaybook.tariffs import price_per_night, quote_stay


class TariffTest(unittest.TestCase):
    def test_bands_include_their_longest_boat(self):
        self.assertEqual(price_per_night(800, "low"), Money(1800))
        self.assertEqual(price_per_night(801, "low"), Money(2300))

    def test_refuses_boats_without_a_price(self):
        for length in (0, -5, 2001):
            with self.assertRaises(ValueError):
                price_per_night(length, "low")

    def test_prices_each_season_apart(self):
        quote = quote_stay(960, Stay.parse("2025-05-30/2025-06-02"))
        self.assertEqual([item.amount for item in quote.items], [Money(6200), Money(4100)])
        self.assertEqual(quote.discount, Money(0))

    def test_a_week_is_cheaper(self):
        quote = quote_stay(700, Stay.parse("2025-07-01/2025-07-08"))
        self.assertEqual((quote.gross, quote.discount), (Money(22400), Money(2240)))
        six_nights = quote_stay(700, Stay.parse("2025-07-01/2025-07-07"))
        self.assertEqual(six_nights.discount, Money(0))
