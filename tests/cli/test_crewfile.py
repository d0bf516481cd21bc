"""Crew files, and how flags win over them."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

import pytest

from captain.cli.crewfile import CrewFile, read_crew_file
from captain.cli.setup import budget_of, combine, crew_of
from captain.cli.values import parse_duration, parse_usd
from captain.core.errors import UsageError
from captain.core.usage import Budget

WHOLE = """
[crew]
captain = "openai:a"
build = "openai:b"
review = ["openai:c", "openai:d"]
advisor = "openai:e"

[budget]
usd = 2.30
tokens = 2_000_000
time = "1h30m"
calls = 40
turns = 30
"""


def written(tmp_path: Path, text: str | bytes) -> Path:
    path = tmp_path / "crew.toml"
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    return path


def test_a_whole_crew_file_is_read_and_money_exactly(tmp_path: Path) -> None:
    assert read_crew_file(written(tmp_path, WHOLE)) == CrewFile(
        captain="openai:a",
        build="openai:b",
        review=("openai:c", "openai:d"),
        advisor="openai:e",
        usd=Decimal("2.30"),
        tokens=2_000_000,
        time_s=5400.0,
        calls=40,
        turns=30,
    )


def test_one_reviewer_needs_no_list(tmp_path: Path) -> None:
    assert read_crew_file(written(tmp_path, '[crew]\nreview = "openai:c"')).review == ("openai:c",)


def test_flags_win_over_the_file_key_by_key(tmp_path: Path) -> None:
    chosen = combine(written(tmp_path, WHOLE), CrewFile(captain="x", review=("y",), tokens=5))

    assert (chosen.captain, chosen.build, chosen.review) == ("x", "openai:b", ("y",))
    assert budget_of(chosen) == Budget(cost_usd=Decimal("2.30"), tokens=5, time_s=5400.0, model_calls=40, turns=30)


def test_a_run_without_any_limit_has_no_budget() -> None:
    assert budget_of(CrewFile(captain="x")) is None


def test_a_crew_is_made_of_what_was_chosen() -> None:
    crew = crew_of(CrewFile(captain="x", review=("y", "z")))

    assert (crew.captain, crew.build, tuple(crew.review), crew.advisor) == ("x", None, ("y", "z"), None)


@pytest.mark.parametrize(
    ("text", "message", "hint"),
    [
        (
            '[crew]\nreviews = ["a"]',
            "{}: [crew] has a key 'reviews' that Captain does not know.",
            "Did you mean 'review'? Known here: captain, build, review, advisor.",
        ),
        (
            "[limits]\nusd = 1",
            "{}: the file has a key 'limits' that Captain does not know.",
            "Known here: crew, budget.",
        ),
        (
            "[crew]\ncaptain = 5",
            "{}: [crew] captain is not the name of a model.",
            'Write a name in quotes, such as "openai:gpt-5.5".',
        ),
        (
            "[crew]\nreview = []",
            "{}: [crew] review is not the name of a model.",
            'Write a name in quotes, such as "openai:gpt-5.5".',
        ),
        ("crew = 5", "{}: crew is not a table.", "Write [crew] and its keys below it."),
        (
            "[budget]\nusd = -1",
            "{}: [budget] usd is not an amount in US dollars: -1.",
            "Write a number such as 2.50.",
        ),
        (
            "[budget]\nusd = nan",
            "{}: [budget] usd is not an amount in US dollars: NaN.",
            "Write a number such as 2.50.",
        ),
        (
            "[budget]\ntokens = 1.5",
            "{}: [budget] tokens is not a whole number above 0: 1.5.",
            "Leave it out, or write 1 or more.",
        ),
        (
            "[budget]\ncalls = true",
            "{}: [budget] calls is not a whole number above 0: True.",
            "Leave it out, or write 1 or more.",
        ),
        (
            '[budget]\ntime = "soon"',
            "{}: [budget] time is not a length of time: soon.",
            "Write seconds, or numbers with units: 90, 90s, 5m, 1h30m.",
        ),
    ],
)
def test_a_mistake_is_named_with_its_file_and_key(tmp_path: Path, text: str, message: str, hint: str) -> None:
    path = written(tmp_path, text)

    with pytest.raises(UsageError) as caught:
        read_crew_file(path)

    assert (str(caught.value), caught.value.hint) == (message.format(path), hint)


def test_a_file_that_is_not_there_or_not_toml_is_named(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match=r"gone\.toml cannot be read: No such file or directory"):
        read_crew_file(tmp_path / "gone.toml")
    with pytest.raises(UsageError, match=r"crew\.toml is not valid TOML: Expected"):
        read_crew_file(written(tmp_path, "[crew"))
    with pytest.raises(UsageError, match=r"crew\.toml is not valid TOML"):
        read_crew_file(written(tmp_path, b"\xff\xfe"))


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("90", 90.0), ("90s", 90.0), ("5m", 300.0), ("1h30m", 5400.0), ("1.5h", 5400.0), ("1h 5s", 3605.0)],
)
def test_lengths_of_time_are_written_as_people_write_them(text: str, seconds: float) -> None:
    assert parse_duration(text, "--budget-time") == seconds


@pytest.mark.parametrize("text", ["", "0", "0m", "-5", "m5", "5 minutes", "1e3", "inf"])
def test_what_is_no_length_of_time_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="--budget-time is not a length of time"):
        parse_duration(text, "--budget-time")


@pytest.mark.parametrize("text", ["", "0", "-1", "inf", "NaN", "$5", "1,50"])
def test_what_is_no_amount_of_money_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="--budget-usd is not an amount in US dollars"):
        parse_usd(text, "--budget-usd")
