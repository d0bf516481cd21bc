"""Which hunks of a diff serve what a task asks for: a reason to ask, never one to refuse.

Measured on tangles of real commits, no deterministic rule is good enough to block; see docs/scope.md.
"""

from __future__ import annotations

import keyword
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from captain.core.hunks import Hunk
from captain.core.tasks import Location, Task
from captain.guards.patterns import WILD

NAME_CHARS: Final = 7
"""Shorter names are shared by unrelated changes too. At 9 letters 7 of 100 asked-for hunks more are doubted."""
NEAR_CHARS: Final = 4
"""Enough inside a file the task is about."""

_NAME: Final = re.compile(r"[^\W\d]\w*")
_WORD: Final = re.compile(r"[A-Z]?[a-z]+|[A-Z]+(?![a-z])|\d+")
_PATH: Final = re.compile(r"[\w./-]+")
_DEFINES: Final = re.compile(r"^\s*(?:async\s+)?(?:def|class|func|fn|function|struct|type|interface)\s+([^\W\d]\w*)")
_ASSIGNS: Final = re.compile(r"^([A-Z_][A-Z0-9_]+|[^\W\d]\w*)\s*(?::[^=]+)?=[^=]")
_TESTS: Final = re.compile(r"(?:^test_|_test$|^tests?_|\.test$|\.spec$|Tests?$)")
_COMMON: Final = frozenset(keyword.kwlist) | frozenset(
    _NAME.findall(
        "self this none true false null import from return value values result test tests testing assert object "
        "string default example function functions class classes method methods parameter parameters argument "
        "arguments exception exceptions documentation isinstance attribute attributes deprecated description "
        "following parametrize changelog versionadded versionchanged typing unittest assertEqual assertRaises"
    )
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Relevance:
    """`serves` with the link that was found, or not, with what was looked for in vain."""

    hunk: Hunk
    serves: bool
    reason: str


@dataclass(slots=True)
class _Seeds:
    """What the task names: files, symbols, and words."""

    paths: frozenset[str]
    symbols: frozenset[str]
    words: frozenset[str]
    symbol_paths: frozenset[str]
    stems: frozenset[str] = field(init=False)

    def __post_init__(self) -> None:
        self.stems = frozenset(_stem(path) for path in self.paths)

    def names_file(self, path: str) -> bool:
        return path in self.paths or any(path.endswith(f"/{named}") for named in self.paths)


def relevance(hunks: Sequence[Hunk], task: Task, *, locations: Sequence[Location] = ()) -> tuple[Relevance, ...]:
    """One answer per hunk, in order. `locations` are those of the diagnosis the task rests on."""
    seeds = _seeds(task, locations)
    facts = [_Facts.of(hunk) for hunk in hunks]
    reasons: dict[int, str] = {}
    for number, (hunk, fact) in enumerate(zip(hunks, facts, strict=True)):
        if reason := _direct(hunk, fact, seeds):
            reasons[number] = reason
    _linked(hunks, facts, reasons)
    return tuple(
        Relevance(
            hunk=hunk,
            serves=number in reasons,
            reason=reasons.get(number, "It shares no name with the task, and nothing with a hunk that serves it."),
        )
        for number, hunk in enumerate(hunks)
    )


@dataclass(frozen=True, slots=True)
class _Facts:
    within: frozenset[str]
    defines: frozenset[str]
    names: frozenset[str]
    words: frozenset[str]

    @classmethod
    def of(cls, hunk: Hunk) -> _Facts:
        changed = (*hunk.removed, *hunk.added)
        names = frozenset(name for line in changed for name in _NAME.findall(line)) - _COMMON
        defined = frozenset(name for line in changed for name in _defined(line))
        within = frozenset(name for line in (hunk.context, *hunk.around) for name in _DEFINES.findall(line))
        return cls(within | defined, defined, names, _words(names))


def _defined(line: str) -> Iterator[str]:
    yield from _DEFINES.findall(line)
    yield from _ASSIGNS.findall(line)


def _seeds(task: Task, locations: Sequence[Location]) -> _Seeds:
    criteria = [text for c in task.criteria for text in (c.text, c.evidence or "")]
    texts = [task.title, task.brief, *criteria, *(check.command for check in task.checks)]
    places = {location.path for location in locations}
    named = [location.symbol for location in locations if location.symbol] + list(task.scope.symbols)
    symbols = {part for symbol in named for part in symbol.split(".")}
    mentioned = {path.strip("./") for text in texts for path in _PATH.findall(text)}
    literal = {path.strip("/") for path in task.scope.paths if not WILD & set(path) and not path.startswith(("!", "#"))}
    names = {name for text in texts for name in _NAME.findall(text)} | symbols
    return _Seeds(
        paths=frozenset(path for path in places | mentioned | literal if "." in path.rpartition("/")[2]),
        symbols=frozenset(symbols | {name for name in names if _is_code(name)}),
        words=_words(names - _COMMON) | frozenset(names - _COMMON),
        symbol_paths=frozenset(location.path for location in locations if location.symbol),
    )


def _direct(hunk: Hunk, fact: _Facts, seeds: _Seeds) -> str | None:
    if hit := fact.within & seeds.symbols:
        return f"It is in {min(hit)}, which the task names."
    named = seeds.names_file(hunk.path)
    if named and hunk.path not in seeds.symbol_paths:
        return f"The task names {hunk.path}."
    if not named and _stem(hunk.path) in seeds.stems and _is_test(hunk.path):
        return f"It is a test of {_stem(hunk.path)}, which the task names."
    least = NEAR_CHARS if named else NAME_CHARS
    shared = {name for name in (fact.names | fact.words) & (seeds.words | seeds.symbols) if len(name) >= least}
    return f"It has {max(shared, key=len)!r} in common with the task." if shared else None


def _linked(hunks: Sequence[Hunk], facts: Sequence[_Facts], reasons: dict[int, str]) -> None:
    """Whatever defines what a serving hunk uses, or uses what it defines, serves too."""
    using: defaultdict[str, list[int]] = defaultdict(list)
    defining: defaultdict[str, list[int]] = defaultdict(list)
    for number, fact in enumerate(facts):
        for name in sorted(fact.names):
            using[name].append(number)
        for name in sorted(fact.defines):
            defining[name].append(number)
    most = max(3, len(hunks) // 4)  # a name that is everywhere links nothing
    links = {name for name in defining if len(using[name]) <= most and len(name) >= NEAR_CHARS and name not in _COMMON}
    fresh = list(reasons)
    while fresh:
        fact = facts[fresh.pop()]
        found = [(name, number) for name in fact.names & links for number in defining[name]]
        found += [(name, number) for name in fact.defines & links for number in using[name]]
        for name, number in sorted(found):
            if number not in reasons:
                reasons[number] = f"It defines or uses {name!r}, as a hunk that serves does."
                fresh.append(number)


def _words(names: Iterable[str]) -> frozenset[str]:
    return frozenset(word.lower() for name in names for word in _WORD.findall(name)) - _COMMON


def _is_code(name: str) -> bool:
    """Looks like an identifier rather than a word."""
    return "_" in name.strip("_") or (name != name.lower() and name[1:] != name[1:].lower() and not name.isupper())


def _stem(path: str) -> str:
    return _TESTS.sub("", path.rpartition("/")[2].rpartition(".")[0])


def _is_test(path: str) -> bool:
    name = path.rpartition("/")[2].rpartition(".")[0]
    return bool(_TESTS.search(name)) or "/test" in f"/{path}"
