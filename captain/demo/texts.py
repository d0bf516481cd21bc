"""The texts the scripted crew works with: reproductions, edits and tests of the sample project."""

from __future__ import annotations

from typing import Final

WRONG_MOVE_REPRODUCTION: Final = (
    'python3 -c "from quaybook.berths import default_harbour; '
    "from quaybook.bookings import Booking, BookingBook; from quaybook.dates import Stay; "
    "book = BookingBook(default_harbour()); "
    "book.add(Booking('Q1', 'Alma', 760, 'A1', Stay.parse('2025-07-01/2025-07-04'))); "
    "book.add(Booking('Q2', 'Bris', 760, 'A1', Stay.parse('2025-07-04/2025-07-06')))\""
)

MOVE_REPRODUCTION: Final = (
    'python3 -c "from quaybook.berths import default_harbour; '
    "from quaybook.bookings import Booking, BookingBook; from quaybook.dates import Stay; "
    "book = BookingBook(default_harbour()); "
    "book.add(Booking('Q1', 'Alma', 760, 'A1', Stay.parse('2025-07-01/2025-07-04'))); "
    "book.add(Booking('Q2', 'Bris', 760, 'A1', Stay.parse('2025-07-10/2025-07-12'))); "
    "moved = book.move('Q2', stay=Stay.parse('2025-07-04/2025-07-06')); "
    "assert str(moved.stay) == '2025-07-04/2025-07-06'\""
)

SPLIT_REPRODUCTION: Final = (
    "python3 -c \"from quaybook.money import Money; shares = Money.parse('100.00').split(3); "
    "assert Money.total(shares) == Money.parse('100.00'), ' + '.join(map(str, shares)) "
    "+ ' = ' + str(Money.total(shares))\""
)

AMOUNT_REPRODUCTION: Final = (
    "python3 -c \"from quaybook.importer import parse_amount; amount = parse_amount('1,250.00'); "
    'assert amount.cents == 125000, str(amount)"'
)

MOVE_OLD: Final = """\
            before = new.stay.departure < taken.stay.arrival
            after = taken.stay.departure < new.stay.arrival
            if taken.ref != ref and not (before or after):
"""

MOVE_NEW: Final = """\
            if taken.ref != ref and taken.stay.overlaps(new.stay):
"""

MOVE_TEST_AT: Final = """\
    def test_a_booking_is_not_in_its_own_way(self):
"""

MOVE_TEST: Final = """\
    def test_moves_next_to_another_booking(self):
        moved = self.book.move("Q2", stay=Stay.parse("2025-07-04/2025-07-06"))
        self.assertEqual(str(moved.stay), "2025-07-04/2025-07-06")
        moved = self.book.move("Q1", stay=Stay.parse("2025-07-02/2025-07-04"))
        self.assertEqual(str(moved.stay), "2025-07-02/2025-07-04")

    def test_a_booking_is_not_in_its_own_way(self):
"""

SPLIT_OLD: Final = """\
        return [Money(_divide(self.cents * weight, whole)) for weight in weights]
"""

SPLIT_TEMPTING: Final = """\
        shares = [Money(_divide(self.cents * weight, whole)) for weight in weights]
        shares[-1] += self - Money.total(shares)
        return shares
"""

SPLIT_NEW: Final = """\
        sign = -1 if self.cents < 0 else 1
        parts = [divmod(abs(self.cents) * weight, whole) for weight in weights]
        cents = [part for part, _ in parts]
        left = abs(self.cents) - sum(cents)
        by_fraction = sorted(range(len(parts)), key=lambda i: parts[i][1], reverse=True)
        for index in by_fraction[:left]:
            cents[index] += 1
        return [Money(sign * part) for part in cents]
"""

SPLIT_TEST_AT: Final = """\
    def test_refuses_impossible_weights(self):
"""

SPLIT_TEST: Final = """\
    def test_the_parts_make_up_the_whole(self):
        for cents, parts in [(10000, 3), (-10000, 3), (20000, 3), (5, 4)]:
            self.assertEqual(Money.total(Money(cents).split(parts)), Money(cents))

    def test_refuses_impossible_weights(self):
"""

AMOUNT_OLD: Final = """\
    euros, _, cents = cleaned.replace(",", ".").partition(".")
    return Money(int(euros) * 100 + int(cents[:2].ljust(2, "0")))
"""

AMOUNT_NEW: Final = """\
    euros, mark, cents = cleaned.replace(",", ".").rpartition(".")
    if not mark or len(cents) > 2:
        euros, cents = euros + cents, ""
    return Money(int(euros.replace(".", "")) * 100 + int(cents.ljust(2, "0")))
"""

AMOUNT_TEST_AT: Final = """\
    def test_refuses_anything_else(self):
"""

AMOUNT_TEST: Final = """\
    def test_takes_grouped_thousands(self):
        for text in ("1,250.00", "1.250,00", "1,250", "1.250 EUR"):
            self.assertEqual(parse_amount(text), Money(125000), text)
        self.assertEqual(parse_amount("1,234,567.8"), Money(123456780))

    def test_refuses_anything_else(self):
"""

REPORT_OLD: Final = """\
    rule = "  ".join("-" * width for width in widths)
    return "\\n".join([layout(header), rule, *map(layout, rows)])
"""

REPORT_NEW: Final = """\
    rule = layout(["-" * width for width in widths])
    return "\\n".join([layout(header), rule, *(layout(row) for row in rows)])
"""
