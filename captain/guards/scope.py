"""The scope guard: which changes a task was asked for, as plain functions of scope and diff.

Patterns are git's own ignore patterns turned around: what they match is what may change.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cache

from captain.core.diff import Change
from captain.core.errors import UsageError
from captain.core.tasks import Scope

_WILD = frozenset("*?[")


@dataclass(frozen=True, slots=True)
class ScopeGuard:
    """Decides over paths, relative to the repository's root with `/` between their parts."""

    scope: Scope

    def allows(self, path: str) -> bool:
        return bool(self.allowed_files((path,)))

    def outside(self, changes: Sequence[Change]) -> tuple[Change, ...]:
        """The changes this scope does not allow."""
        allowed = self.allowed_files(change.path for change in changes)
        return tuple(change for change in changes if change.path not in allowed)

    def allowed_files(self, files: Iterable[str]) -> frozenset[str]:
        allowed, forbidden = _compile(self.scope.paths), _compile(self.scope.forbid)
        return frozenset(path for path in files if allowed.match(path) and not forbidden.match(path))


def problems(scope: Scope) -> tuple[str, ...]:
    """What is wrong with a scope, as sentences; empty when it can be used."""
    found = []
    if not any(pattern.strip() and not pattern.startswith("!") for pattern in scope.paths):
        found.append("the scope names no path that may change")
    for pattern in (*scope.paths, *scope.forbid):
        if pattern.startswith("/..") or ".." in pattern.split("/"):
            found.append(f"the scope pattern {pattern!r} leads out of the repository")
        elif pattern.endswith("**/"):  # git means directories below only, which nobody intends
            found.append(f"the scope pattern {pattern!r} is ambiguous: write {pattern.removesuffix('**/') or '*'!r}")
        else:
            try:
                _compile((pattern,))
            except UsageError as error:
                found.append(str(error))
    return tuple(found)


def overlap(one: Scope, other: Scope, files: Sequence[str]) -> str | None:
    """A path or pattern that both scopes allow, or None when work in them cannot meet.

    Existing `files` are compared exactly. Files that do not exist yet are compared by pattern, and in
    doubt the answer is that the scopes overlap.
    """
    first, second = ScopeGuard(one), ScopeGuard(other)
    if shared := first.allowed_files(files) & second.allowed_files(files):
        return min(shared)
    for pattern in one.paths:
        for against in other.paths:
            if meeting := _meet(pattern, against, first, second):
                return meeting
    return None


def _meet(pattern: str, against: str, first: ScopeGuard, second: ScopeGuard) -> str | None:
    if pattern.startswith("!") or against.startswith("!"):
        return None
    one_file, other_file = _is_file(pattern), _is_file(against)
    if one_file and other_file:
        return pattern if _same_file(pattern, against) else None
    if one_file and "/" in pattern:
        path = pattern.lstrip("/")
        return pattern if first.allows(path) and second.allows(path) else None
    if other_file and "/" in against:
        path = against.lstrip("/")
        return against if first.allows(path) and second.allows(path) else None
    stem, other_stem = _stem(pattern), _stem(against)
    if not (stem.startswith(other_stem) or other_stem.startswith(stem)):
        return None
    tail, other_tail = _extension(pattern), _extension(against)
    return None if tail and other_tail and tail != other_tail else pattern


def _is_file(pattern: str) -> bool:
    """Names one file, either by its whole path or, without a slash, by its name at any depth."""
    name = pattern.rpartition("/")[2]
    return not _WILD & set(pattern) and "." in name


def _same_file(pattern: str, against: str) -> bool:
    if "/" in pattern and "/" in against:
        return pattern.lstrip("/") == against.lstrip("/")
    return pattern.rpartition("/")[2] == against.rpartition("/")[2]


def _stem(pattern: str) -> str:
    """The fixed start of every path the pattern can match, at directory grain."""
    if "/" not in pattern.rstrip("/"):
        return ""
    fixed = pattern.lstrip("/")
    for place, char in enumerate(fixed):
        if char in _WILD:
            return fixed[:place].rpartition("/")[0] + "/" if "/" in fixed[:place] else ""
    return fixed.rstrip("/") + "/"


def _extension(pattern: str) -> str:
    name = pattern.rsplit("/", 1)[-1]
    return name[1:] if name.startswith("*.") and not _WILD & set(name[1:]) else ""


@dataclass(frozen=True, slots=True)
class _Pattern:
    regex: re.Pattern[str]
    includes: bool
    directories_only: bool


@dataclass(frozen=True, slots=True)
class _Patterns:
    patterns: tuple[_Pattern, ...]

    def match(self, path: str) -> bool:
        """As git decides: what a pattern says of a directory holds for all below it, whatever comes later."""
        slash = path.find("/")
        while slash != -1:
            if self._decide(path[:slash], is_directory=True):
                return True
            slash = path.find("/", slash + 1)
        return self._decide(path, is_directory=False)

    def _decide(self, path: str, *, is_directory: bool) -> bool:
        """What the last pattern that matches `path` itself says."""
        for pattern in reversed(self.patterns):
            if pattern.regex.search(f"{path}/" if is_directory and pattern.directories_only else path):
                return pattern.includes
        return False


@cache
def _compile(patterns: tuple[str, ...]) -> _Patterns:
    from pathspec.patterns.gitignore.spec import GitIgnoreSpecPattern

    try:
        translated = [(GitIgnoreSpecPattern(text), text.endswith("/")) for text in patterns]
    except ValueError as error:
        raise UsageError(
            f"The scope patterns {list(patterns)} cannot be used: {error}.",
            hint="Write them as in a .gitignore file, for example 'src/' or 'tests/test_dates.py'.",
        ) from error
    return _Patterns(
        tuple(
            _Pattern(_exact(pattern.regex), bool(pattern.include), directories_only)
            for pattern, directories_only in translated
            if pattern.regex is not None  # blank lines and comments have none
        )
    )


def _exact(regex: re.Pattern[str]) -> re.Pattern[str]:
    """Without the matches by parent directory.

    pathspec's expressions also match what lies below a directory (after their group `ps_d`), and its order
    of patterns then differs from git's; here the walk in `_Patterns.match` does that part. Their `.` has to
    match a line end too, which git allows in names: such a name would otherwise slip past `forbid`.
    """
    text = rf"(?:{regex.pattern})\Z" if "ps_d" in regex.groupindex else regex.pattern
    return re.compile(text, regex.flags | re.DOTALL)
