"""What a test file is made of, in whatever language: units with claims, skips and cases."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

_CALLED: Final = re.compile(r"([A-Za-z_]\w*)\s*[(!]")
_QUOTED: Final = re.compile(r"(?<=['\"])[^'\"\n]{4,}(?=['\"])")
_NAME: Final = re.compile(r"[A-Za-z_]\w*")
_NO_SUBJECT: Final = frozenset(
    [
        "self",
        "assert",
        "assertEqual",
        "assertTrue",
        "expect",
        "is",
        "in",
        "not",
        "and",
        "or",
        "len",
        "str",
        "int",
        "list",
        "dict",
        "set",
        "tuple",
        "True",
        "False",
        "None",
        "pytest",
        "raises",
        "approx",
        "isinstance",
        "sorted",
        "type",
        "repr",
        "t",
        "require",
        "Equal",
        "NoError",
        "true",
        "false",
        "null",
        "nil",
        "undefined",
        "toBe",
        "toEqual",
        "assert_eq",
        "be",
        "eq",
        "to",
        "should",
        "result",
        "res",
        "out",
        "output",
        "expected",
        "actual",
        "got",
        "want",
        "err",
        "error",
        "await",
    ]
)

NOTHING, ANYTHING, SOME, PART, NEAR, EXACT = range(6)
"""How much an assertion pins down: nothing, that there is something, a bound, a part, nearly all, the value."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Detail:
    """What a claim says. `subjects` are the texts of what is looked at; `trivial` is why it cannot fail."""

    strength: int
    text: str = ""
    """What is claimed, however it is written: layout, framework and order of sides do not matter."""
    subjects: frozenset[str] = frozenset()
    names: frozenset[str] = frozenset()
    tolerance: float = 0.0
    trivial: str = ""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Claim:
    """One assertion. `raw` is its text without whitespace; `dead` is why it is never reached or never heard.

    `many`: it stands in a loop, so it can take the place of several. What it says is worked out only for
    the few claims that differ between the two sides, since that is what costs time.
    """

    raw: str
    line: int
    quote: str
    detail: Callable[[], Detail]
    dead: str = ""
    many: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Skip:
    """`excused` where its condition names a platform, a version or a dependency."""

    text: str
    line: int
    excused: bool
    quote: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    line: int
    quote: str


@dataclass(slots=True, kw_only=True, eq=False)
class Unit:
    """A test, or anything else in a test file that holds claims or skips. `name` is "" for the file itself."""

    path: str
    name: str
    line: int
    source: str
    is_test: bool
    claims: list[Claim] = field(default_factory=list)
    skips: list[Skip] = field(default_factory=list)
    cases: dict[str, Case] = field(default_factory=dict)
    """Parametrisation, by the text of each case without whitespace."""

    @property
    def short_name(self) -> str:
        return self.name.rpartition(".")[2]

    @property
    def key(self) -> tuple[str, str]:
        return self.path, self.name

    def lines(self) -> frozenset[str]:
        """For telling whether two units are much the same."""
        stripped = (line.strip() for line in self.source.splitlines()[1:])
        return frozenset(line for line in stripped if len(line) > 3)


def called(source: str) -> frozenset[str]:
    return frozenset(_CALLED.findall(source))


def names(text: str) -> frozenset[str]:
    """The identifiers, and the longer texts in quotes, that tell what a claim is about."""
    every = frozenset(_NAME.findall(_QUOTED.sub("", text)))
    telling = (every - _NO_SUBJECT) | frozenset(_QUOTED.findall(text))
    return telling or every
