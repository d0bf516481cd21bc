import contextlib
import io
import tempfile
import unittest
from pathlib import Path

from quaybook.cli import main, parse_owners

CSV = """\
ref;boat;length;berth;arrival;departure;deposit
Q1;Alma;8,40;B1;2025-07-01;2025-07-04;50,00
Q2;Bris;7.2;A2;03.07.2025;10.07.2025;
Q3;Cito;19;A1;2025-07-01;2025-07-02;
"""


def run(*argv):
    out, err = io.StringIO(), io.StringIO()
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        status = main(argv)
    return status, out.getvalue(), err.getvalue()


class CommandTest(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.path = Path(folder.name, "bookings.csv")
        self.path.write_text(CSV, encoding="utf-8")

    def test_shows_the_total_and_the_shares(self):
        stay = "--stay=2025-07-01/2025-07-04"
        status, out, _ = run("quote", "--length=9.6", stay, "--owner=Ada=2", "--owner=Ben")
        self.assertEqual(status, 0)
        self.assertIn("  147.60\n", out)
        self.assertEqual([line.split() for line in out.splitlines()[-2:]],
                         [["Ada", "98.40"], ["Ben", "49.20"]])

    def test_reads_owners(self):
        self.assertEqual(parse_owners(["Ada", "Ben=2"]), {"Ada": 1, "Ben": 2})
        for texts in (["=3"], ["Ada=x"], ["Ada", "Ada=2"]):
            with self.assertRaises(ValueError):
                parse_owners(texts)

    def test_lists_the_bookings_of_a_file(self):
        status, out, err = run("import", str(self.path))
        self.assertEqual(status, 0)
        self.assertEqual(out.splitlines()[-1].split(), ["Deposits", "50.00"])
        self.assertIn("line 4: 1900 cm do not fit berth A1", err)

    def test_reports_the_occupancy(self):
        _, out, _ = run("report", str(self.path), "--year", "2025")
        self.assertEqual(len(out.splitlines()), 14)
        self.assertEqual(out.splitlines()[8].split(), ["2025-07", "10", "372", "2%"])

    def test_names_a_missing_file(self):
        status, _, err = run("report", "no-such-file.csv", "--year", "2025")
        self.assertEqual(status, 2)
        self.assertIn("no-such-file.csv", err)
