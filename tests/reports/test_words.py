"""Numbers in words."""

from __future__ import annotations

from decimal import Decimal

import pytest

from captain.core.usage import Spend, Usage
from captain.reports import words
from tests.reports.sample import finding


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0.0s"),
        (12.34, "12.3s"),
        (59.94, "59.9s"),
        (59.96, "1m 00s"),
        (72, "1m 12s"),
        (3599.6, "1h 00m"),
        (7500, "2h 05m"),
    ],
)
def test_durations_read_naturally_at_every_size(seconds: float, text: str) -> None:
    assert words.duration(seconds) == text


def test_cost_is_never_less_than_what_is_known() -> None:
    priced = Spend().add(Usage(), Decimal("0.0375"))

    assert words.cost(priced) == "$0.0375"
    assert words.cost(priced.add(Usage(), None)) == "at least $0.0375, 1 call unpriced"
    assert words.cost(Spend().add(Usage(), None).add(Usage(), None)) == "unpriced"
    assert words.cost(Spend().add(Usage(), Decimal("1234.5"))) == "$1,234.50"
    assert words.cost(Spend()) == "$0.00"


def test_tokens_say_how_much_of_the_input_came_from_a_cache() -> None:
    usage = Usage(input_tokens=16_000, output_tokens=800, cached_tokens=12_000)

    assert words.tokens(usage) == "16,800 tokens (75 % of input cached)"
    assert words.tokens(Usage(input_tokens=1)) == "1 token"


@pytest.mark.parametrize(
    ("total", "text"),
    [(999, "999 tokens"), (18_204, "18.2k tokens"), (999_960, "1.0M tokens"), (2_340_000, "2.3M tokens")],
)
def test_short_token_counts_fit_a_header(total: int, text: str) -> None:
    assert words.short_tokens(Usage(input_tokens=total)) == text


def test_severities_come_worst_first() -> None:
    found = [finding("1", "minor"), finding("2", "critical"), finding("3", "minor")]

    assert words.severities(found) == "1 critical, 2 minor"
    assert words.severities([]) == ""


def test_nouns_follow_their_number() -> None:
    assert [words.count(1, "branch"), words.count(2, "branch"), words.count(0, "task"), words.count(2500, "call")] == [
        "1 branch",
        "2 branches",
        "0 tasks",
        "2,500 calls",
    ]
