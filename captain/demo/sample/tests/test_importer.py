import unittest

from quaybook.berths import default_harbour
from quaybook.bookings import BookingBook
from quaybook.importer import import_bookings, parse_amount, parse_row
from quaybook.money import Money

HEADER = "ref;boat;length;berth;arrival;departure;deposit"


class ImporterTest(unittest.TestCase):
    def test_takes_a_decimal_point_or_comma(self):
        for text in ("85.50", "85,50", "85,5", " 85.50 ", "EUR 85.50", "85,50 €"):
            self.assertEqual(parse_amount(text), Money(8550), text)

    def test_takes_whole_amounts(self):
        self.assertEqual(parse_amount("85"), Money(8500))
        self.assertEqual(parse_amount("1250"), Money(125000))
        self.assertEqual(parse_amount("  "), Money(0))

    def test_refuses_anything_else(self):
        for text in ("abc", "-5", "1.2345", "12,,50", "85.50 USD"):
            with self.assertRaises(ValueError, msg=text):
                parse_amount(text)

    def test_a_row_becomes_a_booking(self):
        values = "Q1; Alma ;8,40;b1;2025-07-01;04.07.2025;50,00".split(";")
        booking = parse_row(dict(zip(HEADER.split(";"), values)))
        self.assertEqual((booking.boat, booking.length, booking.berth), ("Alma", 840, "B1"))
        self.assertEqual(str(booking.stay), "2025-07-01/2025-07-04")
        self.assertEqual(booking.deposit, Money(5000))

    def test_names_a_missing_field(self):
        with self.assertRaisesRegex(ValueError, "arrival is missing"):
            parse_row({"ref": "Q1", "boat": "Alma", "length": "8", "berth": "B1", "arrival": None})

    def test_takes_semicolons_and_commas(self):
        row = ["Q1", "Alma", "8.40", "B1", "2025-07-01", "2025-07-04", "50.00"]
        for mark in ";,":
            book = BookingBook(default_harbour())
            lines = [HEADER.replace(";", mark), mark.join(row)]
            self.assertEqual(import_bookings(book, lines), [])
            self.assertEqual(book.get("Q1").deposit, Money(5000))

    def test_leaves_out_lines_with_problems(self):
        lines = [
            HEADER,
            "Q1;Alma;8,40;B1;2025-07-01;2025-07-04;50,00",
            "Q2;Bris;8,40;B1;2025-07-03;2025-07-06;",
            "Q3;Cito;8,40;B2;soon;2025-07-06;",
            "Q4;Dora;8,40;B2;2025-07-01;2025-07-06",
        ]
        book = BookingBook(default_harbour())
        problems = import_bookings(book, lines)
        self.assertEqual([booking.ref for booking in book], ["Q1", "Q4"])
        self.assertEqual(len(problems), 2)
        self.assertRegex(problems[0], "^line 3: Q2 .* conflicts with Q1 ")
        self.assertEqual(problems[1], "line 4: not a date: 'soon'")

    def test_needs_all_columns(self):
        for lines in (["Ref,Boat,Length,Arrival,Departure"], []):
            with self.assertRaisesRegex(ValueError, "berth.*, deposit"):
                import_bookings(BookingBook(default_harbour()), lines)
