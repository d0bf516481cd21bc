"""Rules of a scope that undo one another or can never matter, found before anybody works by them."""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Sequence
from typing import Final

from captain.core.tasks import Scope
from captain.guards.names import folded
from captain.guards.patterns import WILD, compiled, compiled_folded
from captain.guards.protected import PROTECTED, specimens

_CLOSE: Final = 0.8
_CANDIDATES: Final = 5_000  # comparing names is slow


def undone(scope: Scope) -> tuple[str, ...]:
    """The patterns in `paths` that `forbid` covers as a whole."""
    forbidden = compiled(tuple(scope.forbid))
    return tuple(
        pattern
        for pattern, places in specimens(tuple(scope.paths))
        if scope.forbid and (pattern in scope.forbid or all(forbidden.match(place) for place in places))
    )


def idle(scope: Scope, files: Sequence[str]) -> tuple[str, ...]:
    """Sentences about patterns that have no effect in a repository of these files. They may be meant nevertheless."""
    covered = undone(scope)
    found = [f"paths: {pattern!r} can never match, since forbid covers it." for pattern in covered]
    for key, patterns in (("paths", scope.paths), ("forbid", scope.forbid)):
        if patterns and patterns[0].startswith("!"):
            found.append(f"{key}: {patterns[0]!r} has no effect: it comes first, and takes from what comes before it.")
    found += [
        f"protect: {pattern!r} has no effect: nothing of that name is protected."
        for pattern in scope.protect
        if pattern.startswith("!") and not _is_protected(pattern[1:], scope)
    ]
    unmatched = [p for p, _ in specimens(tuple(scope.paths)) if p not in covered]
    return (*found, *_matching_nothing([p for p in unmatched if not _matches_any(p, files)], scope, files))


def _is_protected(pattern: str, scope: Scope) -> bool:
    own = compiled_folded(tuple(other for other in scope.protect if not other.startswith("!")))
    listed = [compiled_folded(protection.patterns) for protection in PROTECTED]
    return any(
        patterns.match(folded(place))
        for _, places in specimens((pattern,))
        for place in places
        for patterns in (own, *listed)
    )


def _matches_any(pattern: str, files: Sequence[str]) -> bool:
    patterns = compiled((pattern,))
    return any(patterns.match(path) for path in files)


def _matching_nothing(patterns: Sequence[str], scope: Scope, files: Sequence[str]) -> Iterator[str]:
    if not patterns:
        return
    known = frozenset(files)
    folders = {path[:place] for path in files for place, char in enumerate(path) if char == "/"}
    by_spelling = {folded(path): path for path in (*files, *folders)}
    for pattern in patterns:
        name = pattern.strip("/")
        above = next((up for up in _parents(name) if up in known), None)
        near = by_spelling.get(folded(name)) if not WILD & set(name) else None
        if near is None and not WILD & set(name) and len(known) <= _CANDIDATES:
            close = difflib.get_close_matches(name, [*known, *folders], n=1, cutoff=_CLOSE)
            near = close[0] if close and not _is_sibling(name, close[0], folders) else None
        if above is not None:
            yield f"paths: {pattern!r} can never match: {above} is a file."
        elif "add" not in scope.kinds:
            yield f"paths: {pattern!r} matches no file, and the scope does not grant new ones."
        elif near is not None:
            yield f"paths: {pattern!r} matches no file yet. Did you mean {near + '/' * (near in folders)!r}?"


def _parents(name: str) -> Iterator[str]:
    for place, char in enumerate(name):
        if char == "/":
            yield name[:place]


def _is_sibling(name: str, near: str, folders: set[str]) -> bool:
    """A new file beside one with a similar name is as likely as a slip."""
    folder = name.rpartition("/")[0]
    return bool(folder) and folder in folders and near.rpartition("/")[0] == folder
