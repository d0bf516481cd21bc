"""Whether work in two scopes could meet, before either has begun."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from captain.core.tasks import Scope
from captain.guards.patterns import WILD
from captain.guards.scope import ScopeGuard


def overlap(one: Scope, other: Scope, files: Sequence[str]) -> str | None:
    """A path or pattern that both scopes allow, or None when work in them cannot meet.

    Existing `files` are compared exactly. Files that do not exist yet are compared by pattern, and in
    doubt the answer is that the scopes overlap.
    """
    return Reach.of(one, files).meets(Reach.of(other, files))


@dataclass(frozen=True, slots=True)
class Reach:
    """A scope with the existing files it allows: found once, however many scopes it is compared with."""

    guard: ScopeGuard
    files: frozenset[str]

    @classmethod
    def of(cls, scope: Scope, files: Sequence[str]) -> Reach:
        guard = ScopeGuard(scope)
        return cls(guard, guard.allowed_files(files))

    def meets(self, other: Reach) -> str | None:
        """As `overlap` says it."""
        if not self.files.isdisjoint(other.files):
            return min(self.files & other.files)
        for pattern in self.guard.scope.paths:
            for against in other.guard.scope.paths:
                if meeting := _meet(pattern, against, self.guard, other.guard):
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
    return not WILD & set(pattern) and "." in name


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
        if char in WILD:
            return fixed[:place].rpartition("/")[0] + "/" if "/" in fixed[:place] else ""
    return fixed.rstrip("/") + "/"


def _extension(pattern: str) -> str:
    name = pattern.rsplit("/", 1)[-1]
    return name[1:] if name.startswith("*.") and not WILD & set(name[1:]) else ""
