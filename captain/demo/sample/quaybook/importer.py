"""Bookings from CSV files, as the harbour office and its agents export them."""

import csv
import re
from collections.abc import Iterable, Mapping

from quaybook.berths import parse_length
from quaybook.bookings import Booking, BookingBook
from quaybook.dates import Stay, parse_date
from quaybook.money import Money

COLUMNS = ("ref", "boat", "length", "berth", "arrival", "departure", "deposit")
_AMOUNT = re.compile(r"(?:[0-9]{1,3}(?:[.,][0-9]{3})+|[0-9]+)(?:[.,][0-9]{1,2})?")


def parse_amount(text: str) -> Money:
    """Read an amount with a decimal point or a decimal comma.

    Thousands may be grouped, a currency may stand on either side; an empty field is zero.
    """
    cleaned = text.replace("EUR", "").replace("€", "").strip()
    if not cleaned:
        return Money(0)
    if not _AMOUNT.fullmatch(cleaned):
        raise ValueError(f"not an amount: {text!r}")
    euros, _, cents = cleaned.replace(",", ".").partition(".")
    return Money(int(euros) * 100 + int(cents[:2].ljust(2, "0")))


def parse_row(row: Mapping[str, str | None]) -> Booking:
    """Turn a row into a booking."""
    fields = {name: (row.get(name) or "").strip() for name in COLUMNS}
    for name in COLUMNS[:-1]:
        if not fields[name]:
            raise ValueError(f"{name} is missing")
    return Booking(
        ref=fields["ref"],
        boat=fields["boat"],
        length=parse_length(fields["length"]),
        berth=fields["berth"].upper(),
        stay=Stay(parse_date(fields["arrival"]), parse_date(fields["departure"])),
        deposit=parse_amount(fields["deposit"]),
    )


def _reader(lines: Iterable[str]) -> csv.DictReader:
    """Open a CSV text whose header tells the separator and names all columns."""
    rows = list(lines)
    reader = csv.DictReader(rows, delimiter=";" if ";" in "".join(rows[:1]) else ",")
    reader.fieldnames = [name.strip().lower() for name in reader.fieldnames or ()]
    missing = [name for name in COLUMNS if name not in reader.fieldnames]
    if missing:
        raise ValueError(f"missing columns: {', '.join(missing)}")
    return reader


def import_bookings(book: BookingBook, lines: Iterable[str]) -> list[str]:
    """Enter the bookings of a CSV text into a book; return which lines were left out and why."""
    reader = _reader(lines)
    problems = []
    for row in reader:
        try:
            book.add(parse_row(row))
        except ValueError as error:
            problems.append(f"line {reader.line_num}: {error}")
    return problems
