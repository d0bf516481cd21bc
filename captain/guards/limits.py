"""Limits on what changes inside a scope: how much, and which symbols. Breaking one is a finding."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from captain.core.diff import Change, LineCount
from captain.core.findings import Finding
from captain.core.hunks import Hunk
from captain.core.tasks import Scope
from captain.guards.judgement import Sources
from captain.guards.names import shown
from captain.guards.symbols import MODULE, Definitions, covers

_LISTED: Final = 5


def budget_findings(scope: Scope, inside: Sequence[Change], lines: Mapping[str, LineCount]) -> tuple[Finding, ...]:
    found = []
    if scope.max_files is not None and len(inside) > scope.max_files:
        found.append(_over_budget(f"{len(inside)} files are changed, and the scope allows {scope.max_files}.", inside))
    total = sum(lines[change.path].total for change in inside if change.path in lines)
    if scope.max_lines is not None and total > scope.max_lines:
        largest = sorted(inside, key=lambda change: -lines[change.path].total if change.path in lines else 0)
        found.append(_over_budget(f"{total} lines are changed, and the scope allows {scope.max_lines}.", largest))
    return tuple(found)


def symbol_findings(scope: Scope, sources: Sources) -> tuple[tuple[Finding, ...], tuple[str, ...]]:
    """Findings and warnings about Python files that define one of the scope's symbols, before or after."""
    if not scope.symbols:
        return (), ()
    found: list[Finding] = []
    warnings: list[str] = []
    last_parts = [symbol.rpartition(".")[2] for symbol in scope.symbols]
    for path, (old, new) in sources.items():
        if not path.endswith((".py", ".pyi")) or old is None or new is None:
            continue
        if not any(part in old or part in new for part in last_parts):  # most files, and parsing takes its time
            continue
        try:
            before, after = Definitions.of(old), Definitions.of(new)
            changed = before.changed_in(after)
        except (SyntaxError, ValueError):
            warnings.append(f"{shown(path)} cannot be read as Python, so nobody knows which of its symbols changed.")
            continue
        if any(covers(scope.symbols, name) for name in before.names | after.names):
            beyond = (name for name in changed if not covers(scope.symbols, name))
            found += [_beyond(path, name) for name in sorted(beyond)]
    return tuple(found), tuple(warnings)


def symbol_warnings(scope: Scope, hunks: Sequence[Hunk]) -> tuple[str, ...]:
    """About files that are not Python: there, git's guess at the function is all there is."""
    if not scope.symbols:
        return ()
    names = re.compile(r"\b(?:" + "|".join(re.escape(symbol.rpartition(".")[2]) for symbol in scope.symbols) + r")\b")
    return tuple(_elsewhere([hunk for hunk in hunks if not hunk.path.endswith((".py", ".pyi"))], names))


def _elsewhere(hunks: Sequence[Hunk], names: re.Pattern[str]) -> Iterator[str]:
    near = {hunk.path for hunk in hunks if _mentions(hunk, names)}
    for hunk in hunks:
        if hunk.path in near and hunk.context and not _mentions(hunk, names):
            yield (
                f"{shown(hunk.path)}, line {hunk.new_start}: seems to change {shown(hunk.context.strip())!r}, "
                "which is none of the scope's symbols."
            )


def _mentions(hunk: Hunk, names: re.Pattern[str]) -> bool:
    return any(names.search(line) for line in (hunk.context, *hunk.removed, *hunk.added, *hunk.around))


def _over_budget(claim: str, changes: Sequence[Change]) -> Finding:
    shown_paths = ", ".join(shown(change.path) for change in changes[:_LISTED])
    more = f" and {len(changes) - _LISTED} more" if len(changes) > _LISTED else ""
    return _finding("", "", claim, f"Changed: {shown_paths}{more}.")


def _beyond(path: str, name: str) -> Finding:
    what = "Code at module level" if name == MODULE else name
    claim = f"{what} is changed, which is none of the symbols the scope names."
    return _finding(path, name.rpartition(".")[2], claim, "Its definition differs from the one before the task.")


def _finding(path: str, anchor: str, claim: str, evidence: str) -> Finding:
    return Finding(id="", severity="major", category="scope", path=path, anchor=anchor, claim=claim, evidence=evidence)
