import unittest
from datetime import date

from quaybook.dates import Stay, parse_date, season_of


class DatesTest(unittest.TestCase):
    def test_reads_iso_and_day_first_dates(self):
        for text in ("2025-07-03", "3.7.2025", "03.07.2025", "03/07/2025", " 3/7/2025 "):
            self.assertEqual(parse_date(text), date(2025, 7, 3), text)
        self.assertEqual(parse_date("29.02.2024"), date(2024, 2, 29))

    def test_refuses_anything_else(self):
        for text in ("", "soon", "2025-13-01", "07/13/2025", "29.02.2025", "3.7.25"):
            with self.assertRaises(ValueError, msg=text):
                parse_date(text)

    def test_seasons_begin_and_end_with_their_months(self):
        for month, day, season in [(3, 31, "low"), (4, 1, "shoulder"), (6, 1, "high"),
                                   (8, 31, "high"), (10, 31, "shoulder"), (11, 1, "low")]:
            self.assertEqual(season_of(date(2025, month, day)), season)


class StayTest(unittest.TestCase):
    def test_counts_nights_without_the_day_of_departure(self):
        self.assertEqual(Stay.parse("2025-07-01/2025-07-04").nights, 3)
        with self.assertRaisesRegex(ValueError, "after arrival"):
            Stay.parse("2025-07-04/2025-07-04")
        with self.assertRaisesRegex(ValueError, "not a stay"):
            Stay.parse("2025-07-04")

    def test_months_follow_each_other(self):
        self.assertEqual(Stay.month(2024, 2).nights, 29)
        self.assertEqual(str(Stay.month(2025, 12)), "2025-12-01/2026-01-01")

    def test_overlaps_when_a_night_is_shared(self):
        stay = Stay.parse("2025-07-01/2025-07-04")
        self.assertTrue(stay.overlaps(Stay.parse("2025-07-03/2025-07-05")))
        self.assertTrue(stay.overlaps(Stay.parse("2025-06-01/2025-08-01")))
        self.assertFalse(stay.overlaps(Stay.parse("2025-07-04/2025-07-05")))
        self.assertFalse(stay.overlaps(Stay.parse("2025-06-28/2025-07-01")))

    def test_counts_shared_nights(self):
        july = Stay.month(2025, 7)
        self.assertEqual(Stay.parse("2025-06-29/2025-07-03").nights_within(july), 2)
        self.assertEqual(Stay.parse("2025-07-30/2025-08-03").nights_within(july), 2)
        self.assertEqual(Stay.parse("2025-08-01/2025-08-03").nights_within(july), 0)

    def test_counts_nights_by_season(self):
        stay = Stay.parse("2025-05-30/2025-06-02")
        self.assertEqual(stay.nights_by_season(), {"shoulder": 2, "high": 1})
