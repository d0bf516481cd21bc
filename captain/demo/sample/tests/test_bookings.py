import unittest

from quaybook.berths import BerthError, default_harbour
from quaybook.bookings import Booking, BookingBook, BookingError, ConflictError
from quaybook.dates import Stay


def booking(ref, stay, berth="A1", length=760):
    return Booking(ref, "Alma", length, berth, Stay.parse(stay))


class BookingsTest(unittest.TestCase):
    def setUp(self):
        self.book = BookingBook(default_harbour())
        self.book.add(booking("Q1", "2025-07-01/2025-07-04"))
        self.book.add(booking("Q2", "2025-07-10/2025-07-14"))

    def test_takes_a_boat_on_the_day_another_leaves(self):
        self.book.add(booking("Q3", "2025-07-04/2025-07-06"))
        self.book.add(booking("Q4", "2025-06-28/2025-07-01"))
        self.assertEqual([b.ref for b in self.book], ["Q4", "Q1", "Q3", "Q2"])

    def test_refuses_a_shared_night(self):
        with self.assertRaisesRegex(ConflictError, r"Q3 .* conflicts with Q1 \(Alma, A1, "):
            self.book.add(booking("Q3", "2025-07-03/2025-07-06"))

    def test_refuses_a_reference_twice_and_a_berth_too_short(self):
        with self.assertRaises(BookingError):
            self.book.add(booking("Q1", "2025-08-01/2025-08-04"))
        with self.assertRaisesRegex(BerthError, "900 cm do not fit berth A2"):
            self.book.add(booking("Q3", "2025-07-01/2025-07-04", berth="A2", length=900))

    def test_cancelling_frees_the_berth(self):
        stay = Stay.parse("2025-07-02/2025-07-03")
        self.assertEqual([b.ref for b in self.book.conflicts("A1", stay)], ["Q1"])
        self.assertEqual(self.book.cancel("Q1").ref, "Q1")
        self.assertEqual(self.book.conflicts("A1", stay), [])
        with self.assertRaisesRegex(BookingError, "'Q1'"):
            self.book.cancel("Q1")

    def test_moves_to_other_dates(self):
        moved = self.book.move("Q2", stay=Stay.parse("2025-07-20/2025-07-22"))
        self.assertEqual(moved.stay.nights, 2)
        self.assertEqual(self.book.get("Q2"), moved)

    def test_moves_to_another_berth(self):
        moved = self.book.move("Q2", berth="A2")
        self.assertEqual((moved.berth, moved.stay.nights), ("A2", 4))
        self.assertEqual([b.ref for b in self.book.at_berth("A1")], ["Q1"])

    def test_a_booking_is_not_in_its_own_way(self):
        moved = self.book.move("Q2", stay=Stay.parse("2025-07-11/2025-07-15"))
        self.assertEqual(str(moved.stay), "2025-07-11/2025-07-15")

    def test_a_refused_move_changes_nothing(self):
        with self.assertRaises(ConflictError):
            self.book.move("Q2", stay=Stay.parse("2025-07-02/2025-07-06"))
        self.assertEqual(str(self.book.get("Q2").stay), "2025-07-10/2025-07-14")
