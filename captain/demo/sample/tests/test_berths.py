import unittest

from quaybook.berths import BerthError, Harbour, default_harbour, parse_length


class BerthsTest(unittest.TestCase):
    def test_reads_metres_as_centimetres(self):
        for text, length in [("9", 900), ("9.6", 960), ("9,60 m", 960), ("12.05m", 1205)]:
            self.assertEqual(parse_length(text), length)
        for text in ("", "long", "9.605", "-9", "9 ft"):
            with self.assertRaises(ValueError, msg=text):
                parse_length(text)

    def test_a_boat_may_fill_its_berth(self):
        harbour = Harbour({"A1": 800})
        harbour.check("A1", 800)
        with self.assertRaisesRegex(BerthError, "801 cm do not fit berth A1"):
            harbour.check("A1", 801)
        with self.assertRaisesRegex(BerthError, "'Z9'"):
            harbour.check("Z9", 800)

    def test_the_harbour_has_three_pontoons(self):
        berths = default_harbour().berths
        self.assertEqual((len(berths), berths["A6"], berths["B4"], berths["C2"]),
                         (12, 800, 1200, 2000))
