"""`find_shortcuts`: a change in, its shortcuts out; a pure function that raises nothing, whatever it is given."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Final

from captain.guards.shortcuts.lines import Lines, line_shortcuts
from captain.guards.shortcuts.parse import Source, parse_pair
from captain.guards.shortcuts.paths import is_product, is_test, language
from captain.guards.shortcuts.python_code import compare_code, defined
from captain.guards.shortcuts.python_units import python_units
from captain.guards.shortcuts.settings import recording_shortcuts, setting_shortcuts
from captain.guards.shortcuts.tests_compared import TestFiles, compare_tests
from captain.guards.shortcuts.text_units import has_tests, text_units
from captain.guards.shortcuts.units import Unit
from captain.guards.shortcuts.values import FileChange, Shortcut

_DEFINITIONS: Final = re.compile(
    r"\b(?:func(?:tion)?|def|fn|class|struct|interface|trait|enum)\s+(?:\([^)]*\)\s*)?(\w+)"
)
_LITERAL: Final = re.compile(r"'[^'\n]*'|\"[^\"\n]*\"|-?\b\d+(?:\.\d+)?\b")


def find_shortcuts(files: Iterable[FileChange]) -> tuple[Shortcut, ...]:
    """Every shortcut in a change, ordered by path, line and rule. A file that is the same on both sides has none."""
    changes = [change for change in files if change.old != change.new]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # parsing warns of odd escapes in code that is not ours
        found = _Search(changes).run()
    return tuple(sorted(dict.fromkeys(found), key=lambda one: (one.path, one.line, one.rule, one.quote)))


@dataclass(slots=True)
class _Search:
    changes: list[FileChange]
    sources: dict[str, tuple[Source, Source]] = field(default_factory=dict)

    def run(self) -> list[Shortcut]:
        for change in self.changes:
            if language(change.path) == "python" and (pair := parse_pair(change.old, change.new)):
                self.sources[change.path] = pair
        lines = [Lines.of(change) for change in self.changes]
        found = [*line_shortcuts(lines), *recording_shortcuts(self.changes)]
        for one in lines:
            found.extend(setting_shortcuts(one))
        found.extend(self._tests())
        found.extend(self._code())
        return found

    def _tests(self) -> Iterator[Shortcut]:
        files = TestFiles()
        for change in self.changes:
            kind = language(change.path)
            if not has_tests(kind) or not (is_test(change.path) or kind == "rust"):
                continue
            before, after = self._units(change, kind)
            files.old.extend(before)
            files.new.extend(after)
            files.texts[change.path] = change.new or ""
        if files.old or files.new:
            files.find_gone = self._gone
            files.deleted_files = frozenset(change.path for change in self.changes if change.new is None)
            yield from compare_tests(files)

    def _units(self, change: FileChange, kind: str) -> tuple[list[Unit], list[Unit]]:
        if (pair := self.sources.get(change.path)) is not None:
            try:
                return python_units(change.path, pair[0]), python_units(change.path, pair[1])
            except RecursionError:
                pass
        return text_units(change.path, kind, change.old or ""), text_units(change.path, kind, change.new or "")

    def _gone(self) -> frozenset[str]:
        """Names that product code defined before and that nothing in the change defines now."""
        before: set[str] = set()
        after: set[str] = set()
        for change in self.changes:
            if not is_product(change.path):
                continue
            if (pair := self.sources.get(change.path)) is not None:
                before |= defined(pair[0].tree)
                after |= defined(pair[1].tree)
            else:
                before |= set(_DEFINITIONS.findall(change.old or ""))
                after |= set(_DEFINITIONS.findall(change.new or ""))
            if change.new is None:
                before.add(change.path.rpartition("/")[2].partition(".")[0])
        return frozenset(name for name in before - after if not name.startswith("__") and len(name) > 2)

    def _code(self) -> Iterator[Shortcut]:
        tests = [change.new for change in self.changes if change.new and is_test(change.path)]
        literals: frozenset[str] | None = None
        for change in self.changes:
            if (pair := self.sources.get(change.path)) is None or change.new is None:
                continue
            if literals is None:
                literals = frozenset(text for test in tests for text in _LITERAL.findall(test.replace('"', "'")))
            try:
                yield from compare_code(change.path, *pair, product=is_product(change.path), literals=literals)
            except RecursionError:
                continue
