"""Nothing that a model or a repository writes acts on a terminal."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from captain.reports.escape import one_line, visible

ATTACKS = [
    "\x1b[2J\x1b[H",
    "\x1b]52;c;Y3VybA==\x07",
    "\x1b]8;;http://evil.invalid\x07click\x1b]8;;\x07",
    "\x1b]0;title\x07",
    "\x1bP+q544e\x1b\\",
    "\x9b31m",
    "rm -rf x\rls      ",
    "ls\b\b\brm",
    "\u202etxt.exe",
    "\u2066a\u2069",
    "a\u200bb",
    "\U000e0041\U000e0042",
    "\x1b[8mhidden\x1b[0m",
    "\x1b[1;1Happroved",
    "\ufeffx",
    "a\x85b",
    "a\u2028b",
    "\ud800",
    "a\u3164b",
    "x\ufe00\ufe01\ufe02",
]


def hides_something(text: str) -> bool:
    return any(
        (unicodedata.category(character) in ("Cc", "Cf", "Cs", "Co", "Zl", "Zp") and character not in "\n\t")
        or "\U000e0000" <= character <= "\U000e0fff"
        for character in text
    )


@pytest.mark.parametrize("attack", ATTACKS)
def test_what_would_act_on_a_terminal_is_spelled_out(attack: str) -> None:
    assert not hides_something(visible(attack))
    assert visible(attack) != attack


@given(st.text(st.characters()))
def test_no_text_whatever_hides_something_and_all_of_it_can_be_written(text: str) -> None:
    shown = visible(text)

    assert not hides_something(shown)
    shown.encode("utf-8")


@given(st.text(st.characters()))
def test_making_text_visible_twice_changes_nothing(text: str) -> None:
    assert visible(visible(text)) == visible(text)


@given(st.text(st.characters()), st.integers(1, 40))
def test_one_line_is_one_line_and_no_longer_than_asked_for(text: str, limit: int) -> None:
    line = one_line(text, limit)

    assert len(line) <= limit
    assert not hides_something(line)
    assert "\n" not in line
    assert "\t" not in line


def test_ordinary_text_stays_as_it_is() -> None:
    text = "def f():\n\treturn 'Grüße, 日本語, ✓, ⚠\ufe0f, naïve'\n"

    assert visible(text) == text


def test_control_characters_and_direction_marks_keep_their_names() -> None:
    assert visible("a\x1bb\u202ec\x7f") == "a\\x1bb<U+202E>c\\x7f"


def test_a_windows_line_end_is_a_line_end_but_a_lone_return_is_shown() -> None:
    assert visible("a\r\nb\rc") == "a\nb\\x0dc"
