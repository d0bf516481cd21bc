"""What keys look like: shapes by which one is found that nobody has told us of.

Every shape begins with fixed letters, so that a text is searched for those at the speed of `str.find` and
looked at closely only where they stand. What a shape takes for a value has to look random as well: git
ids, hashes, UUIDs and names of variables are no keys, and a file full of `[secret]` is of no use to anyone.
"""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Final

LONGEST_CHARS: Final = 2_200
"""More than any shape takes in, but for private keys, which say themselves where they end."""

PRIVATE_KEY: Final = "-----BEGIN "

# A key begins where a word begins; in JSON text that can be right behind an escaped line break.
_START: Final = r"(?:(?<![A-Za-z0-9_])|(?<=\\[nrt]))"
_HEX: Final = re.compile(r"[0-9a-fA-F]{4,}(?:-?[0-9a-fA-F]{4,})*")
_PIECES: Final = re.compile(r"[^A-Za-z0-9]+")
_SWITCHES: Final = re.compile(r"(?<=[A-Za-z])(?=[0-9])|(?<=[0-9])(?=[A-Za-z])")
_CASES: Final = re.compile(r"(?<=[a-z])(?=[A-Z0-9])|(?<=[A-Z0-9])(?=[a-z])")
_NO_VALUE: Final = re.compile(r"(?i)(?:sha\d*|md5|hash|digest|checksum|fingerprint|public|uuid|_id)")
_KIND_OF_KEY: Final = re.compile(
    r"(?i)(?:api|access|secret|private|auth|client|encryption|signing|master|service|account|app|license)[_-]?$"
)


@dataclass(frozen=True, slots=True)
class _Shape:
    """`pattern` is tried where one of `hints` stands, in lower case if `folded`; its group `secret` is the key."""

    hints: tuple[str, ...]
    pattern: re.Pattern[str]
    accept: Callable[[re.Match[str]], bool] = lambda _: True
    folded: bool = False


def is_random(value: str) -> bool:
    """Whether a text looks drawn by lot: not a word, a name, or several of them."""
    if any(len(piece) >= 12 and len(_SWITCHES.findall(piece)) >= 3 for piece in _PIECES.split(value)):
        return True
    mixed = any(c.isdigit() for c in value) and any(c.isupper() for c in value) and any(c.islower() for c in value)
    return len(value) >= 20 and mixed and len(_CASES.findall(value)) * 4 >= len(value) and _entropy(value) >= 4.0


def spans(text: str) -> Iterator[tuple[int, int]]:
    """Where keys stand in a text, in no order; places may overlap."""
    folded: str | None = None
    for shape in _SHAPES:
        if shape.folded and folded is None:
            folded = _fold(text)
        where = folded if shape.folded and folded is not None else text
        for hint in shape.hints:
            at = where.find(hint)
            while at >= 0:
                after = at + len(hint)
                found = shape.pattern.match(text, at)
                if found is not None and shape.accept(found):
                    yield found.span("secret")
                    after = max(after, found.end("secret"))
                at = where.find(hint, after)


def _fold(text: str) -> str:
    """Lower case with every character in its place (one in a thousand scripts gets longer when lowered)."""
    lowered = text.lower()
    return lowered if len(lowered) == len(text) else "".join(c.lower() if c.isascii() else c for c in text)


def _entropy(value: str) -> float:
    """Bits a character."""
    return -sum(count / len(value) * math.log2(count / len(value)) for count in Counter(value).values())


def _random(found: re.Match[str]) -> bool:
    return is_random(found["secret"])


def _has_digits(found: re.Match[str]) -> bool:
    return sum(c.isdigit() for c in str(found["secret"])) >= 2


def _sent(found: re.Match[str]) -> bool:
    """What a header says, which is a real value more often than not."""
    value = str(found["secret"])
    return any(c.isdigit() for c in value) or (len(value) >= 16 and value != value.lower() != value.upper())


def _assigned(found: re.Match[str]) -> bool:
    value, name = str(found["secret"]), str(found["name"])
    before = re.search(r"[A-Za-z0-9_-]*$", found.string[max(0, found.start() - 40) : found.start()])
    head = before[0] if before else ""
    whole = head + name
    if _NO_VALUE.search(whole) or found.string[found.end() : found.end() + 1] in ("(", "["):
        return False
    loud = whole == whole.upper()
    if name[:3].lower() == "key" and not (_KIND_OF_KEY.search(head) or (loud and head.endswith("_"))):
        return False
    if _HEX.fullmatch(value):
        return loud and len(value) >= 16 and _has_digits(found)
    return is_random(value)


def _password(found: re.Match[str]) -> bool:
    """Not a place for one: `{password}`, `$PASSWORD`, `%s`, `<password>`, `***`, or the word itself."""
    return not re.fullmatch(r"(?i)[{$%<*\[(].*|[x.]+|pass(?:w|wd|word)?|pwd?|secret", found["secret"])


def _shape(
    hints: str | tuple[str, ...],
    pattern: str,
    accept: Callable[[re.Match[str]], bool] = lambda _: True,
    *,
    folded: bool = False,
) -> _Shape:
    return _Shape(
        (hints,) if isinstance(hints, str) else hints,
        re.compile(pattern, re.IGNORECASE if folded else 0),
        accept,
        folded,
    )


_SHAPES: Final = (
    _shape("sk-", _START + r"(?P<secret>sk-(?:[a-z0-9]{2,10}-){0,2}[A-Za-z0-9_-]{16,400})", _random),
    _shape(("sk_", "rk_"), _START + r"(?P<secret>[sr]k_(?:live|test)_[A-Za-z0-9]{16,200})"),
    _shape(
        ("ghp_", "gho_", "ghu_", "ghs_", "ghr_"), _START + r"(?P<secret>gh[pousr]_[A-Za-z0-9]{20,255})", _has_digits
    ),
    _shape("github_pat_", _START + r"(?P<secret>github_pat_[A-Za-z0-9_]{20,255})", _has_digits),
    _shape("glpat-", _START + r"(?P<secret>glpat-[A-Za-z0-9_-]{16,255})", _has_digits),
    _shape("hf_", _START + r"(?P<secret>hf_[A-Za-z0-9]{30,64})", _random),
    _shape("npm_", _START + r"(?P<secret>npm_[A-Za-z0-9]{36})(?![A-Za-z0-9])", _has_digits),
    _shape("pypi-", _START + r"(?P<secret>pypi-AgE[A-Za-z0-9_-]{32,1000})"),
    _shape("xox", _START + r"(?P<secret>xox[abeoprs]-[A-Za-z0-9-]{10,400})", _has_digits),
    _shape(("AKIA", "ASIA"), _START + r"(?P<secret>A[KS]IA[0-9A-Z]{16})(?![0-9A-Za-z])"),
    _shape("AIza", _START + r"(?P<secret>AIza[0-9A-Za-z_-]{35})(?![0-9A-Za-z_-])"),
    _shape("eyJ", _START + r"(?P<secret>eyJ[\w-]{8,1000}\.eyJ[\w-]{8,2000}(?:\.[\w-]{0,1000})?)"),
    _shape(
        PRIVATE_KEY,
        r"(?P<secret>-----BEGIN (?:[A-Z0-9]{1,12} ){0,3}PRIVATE KEY(?: BLOCK)?-----"
        r"(?:[A-Za-z0-9+/=\s:,\\-]{16,16000}?-----END (?:[A-Z0-9]{1,12} ){0,3}PRIVATE KEY(?: BLOCK)?-----"
        # cut off, or a text in pieces as source code has it
        r"|(?:(?:\\[nr]|[\s\"'+,\\])+[A-Za-z0-9+/=]{24,}){1,400}))",
    ),
    _shape("://", r"://[^\s/@:\"'<>`]{0,64}:(?P<secret>[^\s/@\"'<>`]{6,256})@", _password),
    _shape("://", r"://(?P<secret>[A-Za-z0-9_-]{16,256})@", _random),
    _shape(
        "authorization",
        r"authorization[\"']?\]?\s{0,3}[:=]\s{0,3}[\"']?(?:(?:bearer|basic|token|digest|apikey)\s+)?"
        r"(?P<secret>[A-Za-z0-9._~+/=-]{8,2000})",
        _sent,
        folded=True,
    ),
    _shape("bearer ", r"bearer (?P<secret>[A-Za-z0-9._~+/=-]{16,2000})", _has_digits, folded=True),
    _shape(
        ("key", "token", "secret", "passw", "pwd", "passphrase", "credential"),
        r"(?P<name>(?:key|token|secret|passw(?:or)?d|pwd|passphrase|credential)[A-Za-z0-9_-]{0,24})"
        r"\\?[\"']?\]?\s{0,3}(?::=|=>|[:=])\s{0,3}\\?[\"']?(?P<secret>[A-Za-z0-9+/_=.~!@#$%^&*?|-]{12,512})",
        _assigned,
        folded=True,
    ),
)
