"""Text from models, tools and repositories, made safe to print: what would act on a terminal is shown instead.

Everything that moves a cursor, reorders or hides text becomes a visible escape: control characters as
`\\x1b`, invisible and direction-changing ones as `<U+202E>`. Applying it twice changes nothing.
"""

from __future__ import annotations

import re
import unicodedata
from typing import Final

# Characters that show as nothing although Unicode files them under no control category.
_BLANK: Final = re.compile(
    "[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\uffa0\ufe00-\ufe0d\U000e0000-\U000e0fff]"
)
_SELECTORS: Final = ("\ufe0e", "\ufe0f")
_HIDDEN: Final = frozenset({"Cc", "Cf", "Cs", "Co", "Zl", "Zp"})
_NOT_PLAIN: Final = re.compile("[^ -~\n\t]")


def visible(text: str) -> str:
    """`text` with its line breaks and tabs, and everything else that does not plainly show spelled out."""
    return _NOT_PLAIN.sub(_spell, text.replace("\r\n", "\n"))


def one_line(text: str, limit: int | None = None) -> str:
    """`visible` on a single line, cut to `limit` characters with an ellipsis."""
    line = " ".join(re.split(r"[ \t\n]+", visible(text))).strip()
    return line if limit is None or len(line) <= limit else line[: max(limit - 1, 0)].rstrip() + "…"


def _spell(match: re.Match[str]) -> str:
    character = match[0]
    category = unicodedata.category(character)
    if category == "Cc":
        return f"\\x{ord(character):02x}"
    if category in _HIDDEN or _BLANK.match(character) or _is_stacked(match):
        return f"<U+{ord(character):04X}>"
    return character


def _is_stacked(match: re.Match[str]) -> bool:
    """One variation selector after a symbol is an ordinary emoji; a row of them can carry a hidden message."""
    before = match.string[match.start() - 1 : match.start()]
    return match[0] in _SELECTORS and (not before or "\ufe00" <= before <= "\ufe0f")
