"""Git's ignore patterns turned around: what they match is what is meant.

pathspec translates one pattern; which of several decides is settled here, the way git does it.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Final

from captain.core.errors import UsageError
from captain.guards.names import folded

WILD: Final = frozenset("*?[")


@dataclass(frozen=True, slots=True)
class Pattern:
    """`affixes` are set where the two ends of a path's last part say all, which is faster than the expression."""

    text: str
    regex: re.Pattern[str]
    includes: bool
    directories_only: bool
    affixes: tuple[str, str] | None

    def hits(self, path: str, name: str, *, is_directory: bool) -> bool:
        """`name` is the last part of `path`."""
        if self.affixes is None:
            return self.regex.search(f"{path}/" if is_directory and self.directories_only else path) is not None
        start, end = self.affixes
        if self.directories_only and not is_directory:
            return False
        return name.endswith(end) and name.startswith(start) and len(name) >= len(start) + len(end)


@dataclass(frozen=True, slots=True)
class Patterns:
    """In order. Those that are a mere name are also found by it, as most of a long list are."""

    patterns: tuple[Pattern, ...]
    by_name: Mapping[str, tuple[int, ...]]
    others: tuple[int, ...]

    def match(self, path: str) -> bool:
        return self.rule(path) is not None

    def rule(self, path: str) -> str | None:
        """The pattern that takes `path` in, if it is taken in.

        As git decides: what a pattern says of a directory holds for all below it, whatever comes later.
        """
        if not self.patterns:
            return None
        path = _bytewise(path)
        start, slash = 0, path.find("/")
        while slash != -1:
            rule = self._decide(path[:slash], path[start:slash], is_directory=True)
            if rule is not None and rule.includes:
                return rule.text
            start, slash = slash + 1, path.find("/", slash + 1)
        rule = self._decide(path, path[start:], is_directory=False)
        return rule.text if rule is not None and rule.includes else None

    def _decide(self, path: str, name: str, *, is_directory: bool) -> Pattern | None:
        """The last pattern that matches `path` itself."""
        found = -1
        for number in self.by_name.get(name, ()):
            if is_directory or not self.patterns[number].directories_only:
                found = number
        for number in self.others:  # from the last on
            if number < found:
                break
            if self.patterns[number].hits(path, name, is_directory=is_directory):
                return self.patterns[number]
        return self.patterns[found] if found >= 0 else None


@cache
def compiled(texts: tuple[str, ...]) -> Patterns:
    """Raises `UsageError` for a pattern that git could not use."""
    from pathspec.patterns.gitignore.spec import GitIgnoreSpecPattern

    try:
        translated = [(text, GitIgnoreSpecPattern(_bytewise(text))) for text in texts]
    except ValueError as error:
        raise UsageError(
            f"The scope patterns {list(texts)} cannot be used: {error}.",
            hint="Write them as in a .gitignore file, for example 'src/' or 'tests/test_dates.py'.",
        ) from error
    patterns = [
        Pattern(text, _exact(pattern.regex), bool(pattern.include), text.endswith("/"), _affixes(_bytewise(text)))
        for text, pattern in translated
        if pattern.regex is not None  # blank lines and comments have none
    ]
    named: defaultdict[str, tuple[int, ...]] = defaultdict(tuple)
    others: list[int] = []
    for number, pattern in enumerate(patterns):
        if name := _plain_name(_bytewise(pattern.text)):
            named[name] += (number,)
        else:
            others.insert(0, number)
    return Patterns(tuple(patterns), dict(named), tuple(others))


@cache
def compiled_folded(texts: tuple[str, ...]) -> Patterns:
    """For paths spelled as `canonical` spells them."""
    return compiled(tuple(folded(text) for text in texts))


def literal(path: str) -> str:
    """The pattern that matches this one path at the root and nothing else."""
    escaped = "".join(f"\\{char}" if char in "*?[\\" else char for char in path)
    spaces = len(escaped) - len(escaped.rstrip(" "))
    return "/" + escaped.rstrip(" ") + "\\ " * spaces


def _bytewise(text: str) -> str:
    """One character for each byte of its UTF-8: for git, `?` is one byte of a name, whatever that spells.

    Bytes beyond ASCII become private characters, because pathspec strips what it takes for space.
    """
    if text.isascii():
        return text
    return text.encode("utf-8", "surrogateescape").decode("latin-1").translate(_PRIVATE)


_PRIVATE: Final = {byte: 0xE000 + byte for byte in range(0x80, 0x100)}


def _plain_name(text: str) -> str | None:
    """The name a pattern asks for at any depth, where it asks for nothing else."""
    name = text.removesuffix("/")
    if not name or name[0] in "!#" or name[-1].isspace() or any(char in "/\\" or char in WILD for char in name):
        return None
    return name


def _affixes(text: str) -> tuple[str, str] | None:
    """What stands on either side of the one `*` in a pattern for names at any depth."""
    start, star, end = text.removesuffix("/").partition("*")
    if not star or "/" in text.removesuffix("/") or (start + end and _plain_name(start + end) is None):
        return None
    return (start, end) if not start.startswith(("!", "#")) and not end.endswith(" ") else None


def _exact(regex: re.Pattern[str]) -> re.Pattern[str]:
    """Without the matches by parent directory.

    pathspec's expressions also match what lies below a directory (after their group `ps_d`), and its order
    of patterns then differs from git's; here the walk in `Patterns.rule` does that part. Their `.` has to
    match a line end too, which git allows in names: such a name would otherwise slip past `forbid`.
    """
    text = rf"(?:{regex.pattern})\Z" if "ps_d" in regex.groupindex else regex.pattern
    return re.compile(text, regex.flags | re.DOTALL)
