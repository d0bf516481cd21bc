"""Names of files: how file systems confuse them, and how they deceive those who read them."""

from __future__ import annotations

import re
import unicodedata
from typing import Final

_IGNORED_BY_HFS: Final = re.compile("[\u200c-\u200f\u202a-\u202e\u206a-\u206f\ufeff]")
_UNSEEN: Final = frozenset({"Cc", "Cf", "Zl", "Zp"})
_BLANK: Final = re.compile(
    "[\u00a0\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2000-\u200a\u202f\u205f\u2800\u3000\u3164"
    "\uffa0\ufe00-\ufe0d\U000e0000-\U000e0fff]"
)


def canonical(path: str) -> str:
    """One spelling for all that some file system takes for the same path.

    Letter case and composed letters (macOS, Windows), invisible characters (HFS+), dots and spaces at the end of
    a part, and what follows a colon (NTFS).
    """
    if path.isascii() and not _ENDS.search(path):
        return path.lower()
    return "/".join(_part(part) for part in path.split("/"))


_ENDS: Final = re.compile(r":|[ .](?=/|\Z)")


def _part(part: str) -> str:
    seen = _IGNORED_BY_HFS.sub("", part)
    return folded(seen.partition(":")[0].rstrip(" .") or seen)


def folded(text: str) -> str:
    """Unicode's canonical caseless form."""
    return unicodedata.normalize("NFC", unicodedata.normalize("NFD", text).casefold())


def leads_out(path: str) -> bool:
    """Git itself refuses most such names; a diff from elsewhere may still have them."""
    return any(part in ("", ".", "..") for part in path.split("/"))


def oddity(path: str) -> str | None:
    """What is deceptive about a name, to be read after "its name"."""
    if "\\" in path:
        return "has a backslash, which separates folders on Windows"
    if any(part.endswith((".", " ")) for part in path.split("/")):
        return "has a part that ends with a dot or a space, which Windows drops"
    if path.isascii() and path.isprintable():
        return None
    if any("\ud800" <= char <= "\udfff" for char in path):
        return "is not UTF-8"
    for char in path:
        if _BLANK.match(char) or unicodedata.category(char) in _UNSEEN:
            return f"has a character that cannot be seen (U+{ord(char):04X})"
    return None


def shown(path: str) -> str:
    """Fit for a sentence: what cannot be printed is escaped."""
    return path if path.isprintable() else ascii(path)
