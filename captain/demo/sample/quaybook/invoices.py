"""Invoices, credit notes and the shares of boats with several owners."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date

from quaybook.money import Money
from quaybook.report import text_table
from quaybook.tariffs import Quote

VAT_PERCENT = 20


@dataclass(frozen=True)
class Line:
    """One line of an invoice, without VAT."""

    text: str
    amount: Money


@dataclass(frozen=True)
class Invoice:
    """A numbered list of lines; the amounts of a credit note are negative."""

    number: str
    issued: date
    lines: tuple[Line, ...]

    @property
    def net(self) -> Money:
        """The sum without VAT."""
        return Money.total(line.amount for line in self.lines)

    @property
    def vat(self) -> Money:
        """The VAT on the whole sum, rounded once."""
        return self.net.percent(VAT_PERCENT)

    @property
    def total(self) -> Money:
        """The sum to pay."""
        return self.net + self.vat


def invoice_for(quote: Quote, number: str, issued: date) -> Invoice:
    """Turn a quote into an invoice: a line per season and one for the discount."""
    lines = [Line(f"Nights ({i.season} season): {i.nights}", i.amount) for i in quote.items]
    if quote.discount_percent:
        lines.append(Line(f"Discount {quote.discount_percent}%", -quote.discount))
    return Invoice(number, issued, tuple(lines))


def credit_note(invoice: Invoice, number: str, issued: date) -> Invoice:
    """Return the mirror of an invoice, with every amount negated."""
    lines = tuple(replace(line, amount=-line.amount) for line in invoice.lines)
    return Invoice(number, issued, lines)


def owner_shares(invoice: Invoice, owners: Mapping[str, int]) -> dict[str, Money]:
    """Divide the total of an invoice between owners by the parts of the boat they own.

    The shares make up the total. Owners of equal parts pay the same, give or take a cent,
    and the shares of a credit note mirror those of its invoice.
    """
    if not owners:
        raise ValueError(f"invoice {invoice.number} has no owners")
    shares = invoice.total.allocate(list(owners.values()))
    return dict(zip(owners, shares))


def format_invoice(invoice: Invoice) -> str:
    """Write an invoice as plain text."""
    sums = (("Net", invoice.net), (f"VAT {VAT_PERCENT}%", invoice.vat), ("Total", invoice.total))
    rows = [(line.text, str(line.amount)) for line in invoice.lines]
    rows += [(text, str(amount)) for text, amount in sums]
    return text_table((f"Invoice {invoice.number}", str(invoice.issued)), rows, "lr")
