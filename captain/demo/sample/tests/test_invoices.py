import unittest
from datetime import date

from quaybook.dates import Stay
from quaybook.invoices import Invoice, Line, credit_note, format_invoice, invoice_for, owner_shares
from quaybook.money import Money
from quaybook.tariffs import quote_stay

ISSUED = date(2025, 7, 8)


def invoice(net_cents):
    return Invoice("R1", ISSUED, (Line("Berth", Money(net_cents)),))


class InvoiceTest(unittest.TestCase):
    def setUp(self):
        quote = quote_stay(700, Stay.parse("2025-07-01/2025-07-08"))
        self.invoice = invoice_for(quote, "R1", ISSUED)

    def test_has_a_line_for_the_discount(self):
        texts = [line.text for line in self.invoice.lines]
        self.assertEqual(texts, ["Nights (high season): 7", "Discount 10%"])

    def test_adds_vat_to_the_sum(self):
        self.assertEqual(self.invoice.net, Money(20160))
        self.assertEqual(self.invoice.vat, Money(4032))
        self.assertEqual(self.invoice.total, Money(24192))
        self.assertTrue(format_invoice(self.invoice).endswith("  241.92"))

    def test_a_credit_note_takes_the_invoice_back(self):
        note = credit_note(self.invoice, "R2", ISSUED)
        self.assertEqual(note.total + self.invoice.total, Money(0))


class OwnerSharesTest(unittest.TestCase):
    def test_follow_the_parts_owned(self):
        shares = owner_shares(invoice(10000), {"Ada": 2, "Ben": 1})
        self.assertEqual(shares, {"Ada": Money(8000), "Ben": Money(4000)})
        with self.assertRaisesRegex(ValueError, "R1"):
            owner_shares(invoice(10000), {})

    def test_equal_owners_differ_by_a_cent_at_most(self):
        for count in range(2, 8):
            shares = owner_shares(invoice(8335), dict.fromkeys("ABCDEFG"[:count], 1))
            cents = [share.cents for share in shares.values()]
            self.assertLessEqual(max(cents) - min(cents), 1, f"{count} owners pay {cents}")

    def test_an_owner_without_parts_pays_nothing(self):
        shares = owner_shares(invoice(8333), {"Ada": 1, "Ben": 1, "Cleo": 1, "Dan": 0})
        self.assertEqual(shares["Dan"], Money(0))

    def test_a_credit_note_gives_each_owner_their_share_back(self):
        owners = {"Ada": 3, "Ben": 2, "Cleo": 2}
        charged = owner_shares(invoice(12345), owners)
        refunded = owner_shares(credit_note(invoice(12345), "R2", ISSUED), owners)
        self.assertEqual(refunded, {name: -share for name, share in charged.items()})
