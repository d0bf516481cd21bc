"""Git's ignore patterns turned around: what they match is what is meant.

pathspec translates one pattern; which of several decides is settled here, the way git does it.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from typing import Final

from captain.core.errors import UsageError

WILD: Final = frozenset("*?[")


@dataclass(frozen=True, slots=True)
class Pattern:
    """`name` is set where comparing the last part of a path says all; that is some ten times faster."""

    text: str
    regex: re.Pattern[str]
    includes: bool
    directories_only: bool
    name: str | None

    def hits(self, path: str, *, is_directory: bool) -> bool:
        if self.name is not None:
            return (is_directory or not self.directories_only) and path.rpartition("/")[2] == self.name
        return self.regex.search(f"{path}/" if is_directory and self.directories_only else path) is not None


@dataclass(frozen=True, slots=True)
class Patterns:
    patterns: tuple[Pattern, ...]

    def match(self, path: str) -> bool:
        return self.rule(path) is not None

    def rule(self, path: str) -> str | None:
        """The pattern that takes `path` in, if it is taken in.

        As git decides: what a pattern says of a directory holds for all below it, whatever comes later.
        """
        if not self.patterns:
            return None
        slash = path.find("/")
        while slash != -1:
            rule = self._decide(path[:slash], is_directory=True)
            if rule is not None and rule.includes:
                return rule.text
            slash = path.find("/", slash + 1)
        rule = self._decide(path, is_directory=False)
        return rule.text if rule is not None and rule.includes else None

    def _decide(self, path: str, *, is_directory: bool) -> Pattern | None:
        """The last pattern that matches `path` itself."""
        for pattern in reversed(self.patterns):
            if pattern.hits(path, is_directory=is_directory):
                return pattern
        return None


@cache
def compiled(patterns: tuple[str, ...]) -> Patterns:
    """Raises `UsageError` for a pattern that git could not use."""
    from pathspec.patterns.gitignore.spec import GitIgnoreSpecPattern

    try:
        translated = [(text, GitIgnoreSpecPattern(text)) for text in patterns]
    except ValueError as error:
        raise UsageError(
            f"The scope patterns {list(patterns)} cannot be used: {error}.",
            hint="Write them as in a .gitignore file, for example 'src/' or 'tests/test_dates.py'.",
        ) from error
    return Patterns(
        tuple(
            Pattern(text, _exact(pattern.regex), bool(pattern.include), text.endswith("/"), _plain_name(text))
            for text, pattern in translated
            if pattern.regex is not None  # blank lines and comments have none
        )
    )


def literal(path: str) -> str:
    """The pattern that matches this one path at the root and nothing else."""
    escaped = "".join(f"\\{char}" if char in "*?[\\" else char for char in path)
    spaces = len(escaped) - len(escaped.rstrip(" "))
    return "/" + escaped.rstrip(" ") + "\\ " * spaces


def _plain_name(text: str) -> str | None:
    name = text.removesuffix("/")
    if not name or name[0] in "!#" or name[-1].isspace() or any(char in "/\\" or char in WILD for char in name):
        return None
    return name


def _exact(regex: re.Pattern[str]) -> re.Pattern[str]:
    """Without the matches by parent directory.

    pathspec's expressions also match what lies below a directory (after their group `ps_d`), and its order
    of patterns then differs from git's; here the walk in `Patterns.rule` does that part. Their `.` has to
    match a line end too, which git allows in names: such a name would otherwise slip past `forbid`.
    """
    text = rf"(?:{regex.pattern})\Z" if "ps_d" in regex.groupindex else regex.pattern
    return re.compile(text, regex.flags | re.DOTALL)
