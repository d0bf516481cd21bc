import unittest

from quaybook.money import Money


class MoneyTest(unittest.TestCase):
    def test_reads_whole_and_fractional_amounts(self):
        self.assertEqual(Money.parse("12"), Money(1200))
        self.assertEqual(Money.parse("12.50"), Money(1250))
        self.assertEqual(Money.parse(" -0.05 "), Money(-5))
        self.assertEqual(Money.parse("-1,234,567.89"), Money(-123456789))

    def test_refuses_anything_else(self):
        for text in ("", "abc", "1.5", "1,25", "12,34.00", "--1", "1.234"):
            with self.assertRaises(ValueError, msg=text):
                Money.parse(text)

    def test_reads_back_what_it_writes(self):
        for cents in (0, 5, -5, 99, 100, 123456, -98765432):
            self.assertEqual(Money.parse(str(Money(cents))), Money(cents))

    def test_adds_subtracts_multiplies(self):
        self.assertEqual(Money(150) + Money(275), Money(425))
        self.assertEqual(Money(150) - Money(275), -Money(125))
        self.assertEqual(Money(150) * 3, Money(450))
        self.assertEqual(Money.total([Money(1), Money(2)]), Money(3))

    def test_percent_rounds_halves_away_from_zero(self):
        self.assertEqual(Money(5).percent(10), Money(1))
        self.assertEqual(Money(-5).percent(10), Money(-1))

    def test_allocates_by_weight(self):
        self.assertEqual(Money(10000).allocate([60, 40]), [Money(6000), Money(4000)])
        self.assertEqual(Money(1001).allocate([3, 1]), [Money(751), Money(250)])

    def test_splits_into_equal_parts(self):
        self.assertEqual(Money(9000).split(3), [Money(3000)] * 3)
        self.assertEqual(Money(-9000).split(3), [Money(-3000)] * 3)
        self.assertEqual(Money(0).split(4), [Money(0)] * 4)

    def test_refuses_impossible_weights(self):
        for weights in ([], [0, 0], [2, -1]):
            with self.assertRaises(ValueError):
                Money(100).allocate(weights)
        with self.assertRaises(ValueError):
            Money(100).split(0)
