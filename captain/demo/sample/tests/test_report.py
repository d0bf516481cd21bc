import unittest

from quaybook.berths import Harbour
from quaybook.bookings import Booking, BookingBook
from quaybook.dates import Stay
from quaybook.report import format_occupancy, occupancy, text_table


class ReportTest(unittest.TestCase):
    def setUp(self):
        self.book = BookingBook(Harbour({"A1": 800, "A2": 800}))
        self.book.add(Booking("Q1", "Alma", 700, "A1", Stay.parse("2025-06-21/2025-07-11")))
        self.book.add(Booking("Q2", "Bris", 700, "A2", Stay.parse("2025-06-01/2025-06-06")))

    def test_counts_the_nights_of_the_month_only(self):
        june, july = occupancy(self.book, 2025, 6), occupancy(self.book, 2025, 7)
        self.assertEqual((june.booked, june.offered, june.percent), (15, 60, 25))
        self.assertEqual((july.booked, july.offered, july.percent), (10, 62, 16))

    def test_is_written_as_a_table(self):
        text = format_occupancy([occupancy(self.book, 2025, 6)])
        self.assertEqual(text.splitlines()[-1].split(), ["2025-06", "15", "60", "25%"])

    def test_a_table_aligns_its_columns(self):
        text = text_table(("Name", "Sum"), [("Ada", "5"), ("Benedikt", "1,250")], "lr")
        self.assertEqual(
            text.splitlines(),
            ["Name        Sum", "--------  -----", "Ada           5", "Benedikt  1,250"],
        )
        with self.assertRaises(ValueError):
            text_table(("Name", "Sum"), [("Ada",)], "lr")
