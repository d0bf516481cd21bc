"""The command line: ``quote``, ``import`` and ``report``."""

import argparse
import sys
from collections.abc import Iterable, Sequence
from pathlib import Path

from quaybook.berths import default_harbour, parse_length
from quaybook.bookings import BookingBook
from quaybook.dates import Stay
from quaybook.importer import import_bookings
from quaybook.invoices import format_invoice, invoice_for, owner_shares
from quaybook.money import Money
from quaybook.report import format_occupancy, occupancy, text_table
from quaybook.tariffs import quote_stay


def parse_owners(texts: Iterable[str]) -> dict[str, int]:
    """Read owners and the parts of the boat they own: ``Ada=2``, or ``Ada`` for one."""
    owners: dict[str, int] = {}
    for text in texts:
        name, _, parts = text.partition("=")
        if not name or name in owners or not (parts or "1").isdecimal():
            raise ValueError(f"not an owner, or named twice: {text!r}")
        owners[name] = int(parts or "1")
    return owners


def load_book(path: Path) -> BookingBook:
    """Read a bookings file; lines that cannot be used are named on standard error."""
    book = BookingBook(default_harbour())
    text = path.read_text(encoding="utf-8-sig")
    for problem in import_bookings(book, text.splitlines()):
        print(problem, file=sys.stderr)
    return book


def run_quote(args: argparse.Namespace) -> None:
    """Price a stay and show what each owner pays."""
    stay = Stay.parse(args.stay)
    quote = quote_stay(parse_length(args.length), stay)
    invoice = invoice_for(quote, "(quote)", stay.arrival)
    print(format_invoice(invoice))
    if args.owner:
        shares = owner_shares(invoice, parse_owners(args.owner))
        rows = [(name, str(share)) for name, share in shares.items()]
        print("\n" + text_table(("Owner", "Share"), rows, "lr"))


def run_import(args: argparse.Namespace) -> None:
    """List the bookings of a file and the deposits they bring."""
    book = load_book(args.file)
    rows = [(b.ref, b.boat, b.berth, str(b.stay), str(b.deposit)) for b in book]
    rows.append(("", "", "", "Deposits", str(Money.total(b.deposit for b in book))))
    print(text_table(("Ref", "Boat", "Berth", "Stay", "Deposit"), rows, "llllr"))


def run_report(args: argparse.Namespace) -> None:
    """Show the occupancy of each month of a year."""
    book = load_book(args.file)
    print(format_occupancy(occupancy(book, args.year, month) for month in range(1, 13)))


def build_parser() -> argparse.ArgumentParser:
    """Describe the commands and their options."""
    parser = argparse.ArgumentParser(prog="quaybook", description=__doc__)
    commands = parser.add_subparsers(required=True, metavar="COMMAND")

    quote = commands.add_parser("quote", help="price a stay")
    quote.add_argument("--length", required=True, help="length of the boat in metres")
    quote.add_argument("--stay", required=True, help="ARRIVAL/DEPARTURE as ISO dates")
    quote.add_argument("--owner", action="append", metavar="NAME=PARTS", help="repeatable")
    quote.set_defaults(run=run_quote)

    listing = commands.add_parser("import", help="check and list a bookings file")
    listing.add_argument("file", type=Path)
    listing.set_defaults(run=run_import)

    report = commands.add_parser("report", help="occupancy per month")
    report.add_argument("file", type=Path)
    report.add_argument("--year", type=int, required=True)
    report.set_defaults(run=run_report)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command and return its exit status."""
    args = build_parser().parse_args(argv)
    try:
        args.run(args)
    except (OSError, ValueError) as error:
        print(f"quaybook: {error}", file=sys.stderr)
        return 2
    return 0
