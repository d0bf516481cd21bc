"""Tests of both sides set against each other: what is gone, what became looser, what no longer runs.

What has only moved, within a file or to another one, is looked for first, over the whole change.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Final

from captain.guards.shortcuts.paths import is_collected
from captain.guards.shortcuts.rules import hit
from captain.guards.shortcuts.units import EXACT, NEAR, SOME, Claim, Detail, Skip, Unit, called
from captain.guards.shortcuts.values import Shortcut

ALIKE: Final = 0.5
"""From here on a new test counts as an old one under another name, by its lines or by the words of its name.

Taking two for the same is the safe side: their assertions are then set against each other.
"""

_COMPARISONS: Final = 20_000
_HELPER: Final = re.compile(
    r"^_*(assert|check|verify|expect|validate|ensure|compare|confirm|must|run_|do_)", re.IGNORECASE
)
_NOT: Final = re.compile(r"\bnot\s+|\.not\b|!(?==)|\s(is|==)\s(True|False)$|^(True|False)\s==\s")
_WORD: Final = re.compile(r"[A-Z]?[a-z]+|[A-Z]+|\d+")
_NAMED: Final = re.compile(r"[A-Za-z_]\w*(?:\s*=(?!=))?")
_LITERALS: Final = re.compile(r"'[^']*'|\"[^\"]*\"|\b\d[\w.]*|\b(True|False|None|true|false|nil|null)\b")


@dataclass(slots=True, kw_only=True)
class TestFiles:
    """All units of the test files of a change, and what the change does elsewhere.

    `find_gone` gives the names that product code defined before and does not define any more, as `defined`
    writes them; it is asked only when something is missing. `texts` are the new contents of the files.
    """

    __test__ = False

    old: list[Unit] = field(default_factory=list)
    new: list[Unit] = field(default_factory=list)
    find_gone: Callable[[], frozenset[str]] = frozenset
    deleted_files: frozenset[str] = frozenset()
    texts: dict[str, str] = field(default_factory=dict)
    _gone: frozenset[str] | None = None

    @property
    def gone(self) -> frozenset[str]:
        if self._gone is None:
            self._gone = self.find_gone()
        return self._gone


def compare_tests(files: TestFiles) -> Iterator[Shortcut]:
    pairs, deleted, added = _paired(files)
    fresh = _fresh_claims(pairs, added)
    yield from _deleted(deleted, added, pairs, files)
    for before, after in pairs:
        yield from _Pair(before, after, fresh, files).shortcuts()
    for unit in added:
        yield from _new_unit(unit)


def _paired(files: TestFiles) -> tuple[list[tuple[Unit, Unit]], list[Unit], list[Unit]]:
    """Pairs of units that are the same one, old tests without a partner, new units without one."""
    after = {unit.key: unit for unit in files.new}
    pairs = [(unit, after[unit.key]) for unit in files.old if unit.key in after and (unit.name or unit.path)]
    paired = {unit.key for unit, _ in pairs}
    left = [unit for unit in files.old if unit.key not in paired]
    free = [unit for unit in files.new if unit.key not in paired]
    for unit, other in _moved(left, free):
        pairs.append((unit, other))
        left.remove(unit)
        free.remove(other)
    return pairs, left, free


def _moved(left: Sequence[Unit], free: Sequence[Unit]) -> Iterator[tuple[Unit, Unit]]:
    """The same name in another place first, then the same body, then what is most alike."""
    rest, candidates = list(left), list(free)
    by_name: dict[tuple[str, bool], list[Unit]] = {}
    for other in candidates:
        by_name.setdefault((other.short_name, other.is_test), []).append(other)
    for unit in list(rest):
        same = [one for one in by_name.get((unit.short_name, unit.is_test), ()) if _still_collected(unit, one)]
        if unit.short_name and same:
            other = max(same, key=lambda one: _likeness(unit, one)) if len(same) > 1 else same[0]
            by_name[unit.short_name, unit.is_test].remove(other)
            rest.remove(unit)
            candidates.remove(other)
            yield unit, other
    if len(rest) * len(candidates) > _COMPARISONS:
        return
    scored = [
        (score, place, unit, other)
        for place, unit in enumerate(rest)
        for other in candidates
        if unit.is_test == other.is_test
        and _still_collected(unit, other)
        and (score := _likeness(unit, other)) >= ALIKE
    ]
    used: set[int] = set()
    for _, _, unit, other in sorted(scored, key=lambda one: (-one[0], one[1])):
        if id(unit) not in used and id(other) not in used:
            used |= {id(unit), id(other)}
            yield unit, other


def _still_collected(unit: Unit, other: Unit) -> bool:
    return not unit.is_test or unit.path == other.path or not is_collected(unit.path) or is_collected(other.path)


def _likeness(one: Unit, other: Unit) -> float:
    lines = _shared(one.lines(), other.lines())
    return max(lines, 0.9 * _shared(_words(one.short_name), _words(other.short_name))) if one.is_test else lines


def _shared(one: frozenset[str], other: frozenset[str]) -> float:
    return len(one & other) / len(one | other) if one or other else 0.0


def _words(name: str) -> frozenset[str]:
    return frozenset(word.lower() for word in _WORD.findall(name)) - {"test", "tests", "when", "then"}


def _fresh_claims(pairs: Iterable[tuple[Unit, Unit]], added: Iterable[Unit]) -> Counter[str]:
    """Claims that stand where they did not stand before: what was removed elsewhere may have moved there."""
    fresh: Counter[str] = Counter()
    for before, after in pairs:
        fresh += Counter(one.raw for one in after.claims if not one.dead) - Counter(one.raw for one in before.claims)
        fresh += Counter(list(after.cases)) - Counter(list(before.cases))
    for unit in added:
        fresh.update(one.raw for one in unit.claims if not one.dead)
        fresh.update(list(unit.cases))
    return fresh


def _deleted(
    deleted: Sequence[Unit], added: Sequence[Unit], pairs: Sequence[tuple[Unit, Unit]], files: TestFiles
) -> Iterator[Shortcut]:
    grown = [after for before, after in pairs if len(after.cases) > len(before.cases)]
    rewritten = [unit for unit in (*added, *grown) if unit.is_test and (unit.cases or any(c.many for c in unit.claims))]
    by_path: dict[str, list[Unit]] = {}
    for unit in deleted:
        if unit.is_test and not any(_covers(other, unit) for other in rewritten):
            by_path.setdefault(unit.path, []).append(unit)
    for path, units in by_path.items():
        whole = path in files.deleted_files and len(units) > 1
        for unit in units[:1] if whole else units:
            obsolete = all(_about_gone(one, files.gone) for one in units) if whole else _about_gone(unit, files.gone)
            words = f"The file is gone with {len(units)} tests." if whole else ""
            if obsolete:
                words = f"{words} What it names is gone from the code as well.".strip()
            quote = next(iter(unit.source.splitlines()), unit.name)
            quote = next((line for line in unit.source.splitlines() if unit.short_name in line), quote)
            yield hit(
                "test-deleted",
                path,
                unit.line,
                quote,
                side="old",
                symbol="" if whole else unit.name,
                detail=words,
                asks_only=obsolete,
            )


def _covers(rewritten: Unit, unit: Unit) -> bool:
    """A test over several cases that calls what a deleted one called."""
    before, after = called(unit.source) - {unit.short_name}, called(rewritten.source)
    return bool(before & after) and len(before & after) >= 0.5 * len(before)


def _about_gone(unit: Unit, gone: frozenset[str]) -> bool:
    return _mentions(unit.source.replace(unit.short_name, "", 1), gone)


def _new_unit(unit: Unit) -> Iterator[Shortcut]:
    """A test that is new: it takes nothing away, so a skip only asks; but one that can only pass is no test."""
    if not unit.is_test:
        yield from (_skipped(unit, one, asks_only=True) for one in unit.skips)
        return
    yield from (_skipped(unit, one, asks_only=True) for one in unit.skips)
    hollow = [(one, why) for one in unit.claims if (why := one.dead or one.detail().trivial)]
    for claim, why in hollow:
        alone = len(hollow) == len(unit.claims)
        yield hit(
            "assertion-neutered", unit.path, claim.line, claim.quote, symbol=unit.name, detail=why, asks_only=not alone
        )


def _skipped(unit: Unit, skip: Skip, *, asks_only: bool = False) -> Shortcut:
    return hit("skip-added", unit.path, skip.line, skip.quote, symbol=unit.name, asks_only=asks_only or skip.excused)


@dataclass(frozen=True, slots=True)
class _Pair:
    """One unit on both sides."""

    before: Unit
    after: Unit
    fresh: Counter[str]
    files: TestFiles

    def shortcuts(self) -> Iterator[Shortcut]:
        yield from self._skips()
        if self.before.name and self.before.source == self.after.source:
            return
        removed = self._only(self.before.claims, self.after.claims)
        added = self._only(self.after.claims, self.before.claims)
        yield from self._neutered(added)
        live = [one for one in added if not one.dead and not one.detail().trivial]
        yield from self._cases()
        if removed:
            yield from self._changed(removed, live, added)

    def _only(self, claims: Sequence[Claim], others: Sequence[Claim]) -> list[Claim]:
        shared = Counter((one.raw, bool(one.dead)) for one in others)
        left = []
        for one in claims:
            if shared[one.raw, bool(one.dead)] > 0:
                shared[one.raw, bool(one.dead)] -= 1
            else:
                left.append(one)
        return left

    def _skips(self) -> Iterator[Shortcut]:
        before, after = self.before.skips, self.after.skips
        known = Counter(one.text for one in before)
        new = [one for one in after if not known[one.text] or known.subtract([one.text])]
        hard_before = sum(not one.excused for one in before)
        hard_after = sum(not one.excused for one in after)
        if len(after) <= len(before) and hard_after <= hard_before:
            return  # another reason for the same skip
        for one in new:
            yield _skipped(self.after, one, asks_only=hard_after <= hard_before)

    def _neutered(self, added: Sequence[Claim]) -> Iterator[Shortcut]:
        for claim in added:
            why = claim.dead or claim.detail().trivial
            if why:
                yield hit(
                    "assertion-neutered",
                    self.after.path,
                    claim.line,
                    claim.quote,
                    symbol=self.after.name,
                    detail=why,
                )

    def _cases(self) -> Iterator[Shortcut]:
        gone = [case for case in self.before.cases if case not in self.after.cases]
        surplus = len(self.before.cases) - len(self.after.cases)
        new = [case for case in self.after.cases if case not in self.before.cases]
        if self.before.cases and not self.after.cases and any(one.many for one in self.after.claims):
            return  # the cases became a loop
        moved = [case for case in gone if self.fresh[case] > 0]
        lost = [case for case in gone if case not in moved]
        for case in lost[: max(0, surplus)] if new else lost:
            yield hit(
                "assertion-removed",
                self.before.path,
                self.before.cases[case].line,
                self.before.cases[case].quote,
                side="old",
                symbol=self.before.name,
                detail="This case is no longer tested.",
                asks_only=_mentions(case, self.files.gone),
            )
        masked = Counter(_LITERALS.sub("_", case) for case in lost)
        for case in new if surplus <= 0 else ():
            if masked[_LITERALS.sub("_", case)] > 0:
                masked[_LITERALS.sub("_", case)] -= 1
                yield hit(
                    "expected-changed",
                    self.after.path,
                    self.after.cases[case].line,
                    self.after.cases[case].quote,
                    symbol=self.after.name,
                )

    def _changed(self, removed: list[Claim], live: list[Claim], added: Sequence[Claim]) -> Iterator[Shortcut]:
        helped = self._calls_a_helper()
        parametrised = bool(self.after.cases) and len(self.after.cases) > len(self.before.cases)
        hollow_lines = {one.raw for one in added if one.dead}
        left: list[Claim] = []
        for old in removed:
            if old.dead or old.detail().trivial or old.raw in hollow_lines:
                continue  # it proved nothing before, or was told already
            if self.fresh[old.raw] > 0:
                self.fresh[old.raw] -= 1
            else:
                left.append(old)
        left, live = _without_shared(left, live)
        partners = _partners(left, live)
        for old in left:
            new = partners.get(id(old))
            if new is not None:
                yield from self._exchanged(old, new)
            elif not helped and not (parametrised and (live or self.after.claims)):
                yield self._removed(old, unrelated=len(live) >= len(left))

    def _removed(self, old: Claim, *, unrelated: bool) -> Shortcut:
        obsolete = _mentions(old.quote, self.files.gone)
        words = "What it names is gone from the code as well." if obsolete else ""
        if unrelated and not obsolete:
            words = "Other assertions stand in its place, about something else."
        return hit(
            "assertion-removed",
            self.before.path,
            old.line,
            old.quote,
            side="old",
            symbol=self.before.name,
            detail=words,
            asks_only=obsolete or unrelated or not self.before.name,  # outside of any test it may be a helper's
        )

    def _exchanged(self, old: Claim, new: Claim) -> Iterator[Shortcut]:
        was, now = old.detail(), new.detail()
        wider = was.tolerance and now.tolerance >= 10 * was.tolerance
        if (now.strength < was.strength and was.strength > SOME - 1 and not _opposite(was, now)) or wider:
            slight = now.strength == NEAR and was.strength == EXACT and now.tolerance <= 0.01 and not wider
            yield hit(
                "assertion-weakened",
                self.after.path,
                new.line,
                new.quote,
                symbol=self.after.name,
                detail=f"It was: {old.quote.strip().splitlines()[0][:120]}.",
                asks_only=slight or _mentions(old.quote, self.files.gone),
            )
        elif _opposite(was, now) or (was.strength == now.strength >= NEAR and was.subjects & now.subjects):
            yield hit(
                "expected-changed",
                self.after.path,
                new.line,
                new.quote,
                symbol=self.after.name,
                detail=f"It was: {old.quote.strip().splitlines()[0][:120]}.",
            )

    def _calls_a_helper(self) -> bool:
        """The test calls something new that asserts on its behalf."""
        newly = called(self.after.source) - called(self.before.source)
        asserting = {unit.short_name for unit in self.files.new if unit.claims and not unit.is_test}
        text = self.files.texts.get(self.after.path, "")
        return any(_HELPER.match(name) or name in asserting or _asserts(name, text) for name in newly)


def _asserts(name: str, text: str) -> bool:
    found = re.search(
        rf"^([ \t]*)(?:async )?(?:def|func|function|fn) {re.escape(name)}\b.*\n((?:\1[ \t]+.*\n|\s*\n)*)",
        text,
        re.MULTILINE,
    )
    return bool(found and re.search(r"\bassert|\braises\(|expect\(|\b[tb]\.(Error|Fatal|Fail)|\brequire\.", found[2]))


def _opposite(was: Detail, now: Detail) -> bool:
    """`x is None` and `x is not None`, `x == True` and `x`: neither is looser, in all but the letter."""
    return was.text != now.text and _NOT.sub("", was.text) == _NOT.sub("", now.text)


def _mentions(text: str, gone: frozenset[str]) -> bool:
    return bool(gone) and bool(gone & frozenset(_NAMED.findall(text)))


def _partners(removed: Sequence[Claim], live: Sequence[Claim]) -> dict[int, Claim]:
    """For each removed claim the new one that takes its place: about the same thing, and the strongest of those.

    An exact claim about the same thing, or one in a loop, can take the place of several.
    """
    found: dict[int, Claim] = {}
    used: set[int] = set()
    for related in (_same_subject, _within, _shared_names):
        for old in removed:
            if id(old) in found:
                continue
            was = old.detail()
            fitting = [one for one in live if id(one) not in used and related(was, one.detail())]
            if related is not _shared_names:
                fitting += [
                    one
                    for one in live
                    if id(one) in used and one.detail().strength == EXACT and related(was, one.detail())
                ]
            if not fitting:
                continue
            best = max(fitting, key=lambda one: (min(one.detail().strength, was.strength), _alike(old, one)))
            found[id(old)] = best
            if not best.many:
                used.add(id(best))
    return found


def _without_shared(removed: Sequence[Claim], live: Sequence[Claim]) -> tuple[list[Claim], list[Claim]]:
    """Without claims that say the same in other words."""
    before = Counter(one.detail().text for one in removed)
    after = Counter(one.detail().text for one in live)
    shared = before & after
    return _rest(removed, shared.copy()), _rest(live, shared)


def _rest(claims: Sequence[Claim], shared: Counter[str]) -> list[Claim]:
    left = []
    for one in claims:
        text = one.detail().text
        if shared[text] > 0:
            shared[text] -= 1
        else:
            left.append(one)
    return left


def _alike(old: Claim, new: Claim) -> int:
    return sum(1 for one, other in zip(old.raw, new.raw, strict=False) if one == other)


def _same_subject(was: Detail, now: Detail) -> bool:
    return bool(was.subjects & now.subjects)


def _within(was: Detail, now: Detail) -> bool:
    """`response.status` is about `response`."""
    return any(a in b or b in a for a in was.subjects for b in now.subjects)


def _shared_names(was: Detail, now: Detail) -> bool:
    return bool(was.names & now.names)
