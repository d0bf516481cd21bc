"""The scope guard: which changes a task was asked for, as plain functions of scope and diff.

Patterns are git's own ignore patterns turned around: what they match is what may change.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, get_args

from captain.core.diff import GITLINK, SYMLINK, Change, LineCount
from captain.core.errors import UsageError
from captain.core.hunks import Hunk
from captain.core.tasks import ChangeKind, Scope
from captain.guards.contradictions import undone
from captain.guards.judgement import Judgement, Ruling, Sources, Standing
from captain.guards.limits import budget_findings, symbol_findings, symbol_warnings
from captain.guards.names import canonical, leads_out, oddity, shown
from captain.guards.patterns import compiled, compiled_folded
from captain.guards.protected import granted_exactly, protection_of

KINDS: Final[tuple[ChangeKind, ...]] = get_args(ChangeKind)

_FILE_MODES: Final = frozenset({"100644", "100755"})


@dataclass(frozen=True, slots=True)
class ScopeGuard:
    """Decides over paths, relative to the repository's root with `/` between their parts.

    `allows`, `allowed_files` and `outside` go by `paths` and `forbid` alone, `judge` by all that a scope says.
    """

    scope: Scope

    def allows(self, path: str) -> bool:
        return self._outside(path) is None

    def outside(self, changes: Sequence[Change]) -> tuple[Change, ...]:
        """The changes to paths this scope does not allow."""
        return tuple(change for change in changes if not self.allows(change.path))

    def allowed_files(self, files: Iterable[str]) -> frozenset[str]:
        return frozenset(path for path in files if self.allows(path))

    def rule(self, change: Change, lines: LineCount | None = None) -> Ruling:
        """The decision over one change; the first reason against it is the one that is given."""
        path, name = change.path, shown(change.path)
        if reason := self._outside(path):
            return _ruling(change, "outside", reason)
        if protection := protection_of(self.scope, path, is_new=change.added):
            reason = f"{name} is {protection.what}, and no pattern in paths names it."
            return _ruling(change, "protected", reason, protection.name)
        for kind, what in _kinds(change, lines):
            if kind is None or not self._grants(kind, path):
                return _ruling(change, "kind", f"{name} {what}.", kind)
        taken_in = compiled(self.scope.paths).rule(path)
        return _ruling(change, "inside", f"{name} is taken in by the pattern {taken_in!r}.", taken_in)

    def judge(
        self,
        changes: Sequence[Change],
        *,
        lines: Mapping[str, LineCount] | None = None,
        sources: Sources | None = None,
        hunks: Sequence[Hunk] = (),
    ) -> Judgement:
        """All that is to be said of a diff. More can be said the more is given.

        `lines` are needed to see binary files and to hold `max_lines`; `sources`, the text of changed Python files
        before and after, to hold `symbols` in them; `hunks` to warn about symbols in other files.
        """
        counted = lines or {}
        rulings = tuple(self.rule(change, counted.get(change.path)) for change in changes)
        inside = tuple(ruling.change for ruling in rulings if ruling.decision == "inside")
        paths = frozenset(change.path for change in inside)
        found, unsure = symbol_findings(self.scope, {p: both for p, both in (sources or {}).items() if p in paths})
        warned = symbol_warnings(self.scope, [hunk for hunk in hunks if hunk.path in paths])
        missing = () if lines is not None or self.scope.max_lines is None else ("The changed lines were not counted.",)
        return Judgement(
            rulings=rulings,
            findings=(*budget_findings(self.scope, inside, counted), *found),
            warnings=(*missing, *unsure, *warned),
        )

    def _outside(self, path: str) -> str | None:
        """Why `path` is none that may change, as a sentence."""
        if leads_out(path):
            return f"{shown(path)} is no path that stays inside the repository."
        paths, forbidden = compiled(self.scope.paths), compiled(self.scope.forbid)
        if not paths.match(path):
            return f"{shown(path)} is matched by no pattern in paths."
        rule = forbidden.rule(path)
        if rule is None and self.scope.forbid:
            rule = compiled_folded(self.scope.forbid).rule(canonical(path))
        return None if rule is None else f"{shown(path)} is matched by the pattern {rule!r} in forbid."

    def _grants(self, kind: ChangeKind, path: str) -> bool:
        if kind == "odd_name" and granted_exactly(self.scope, path):
            return True
        return kind in self.scope.kinds


def _ruling(change: Change, decision: Standing, reason: str, rule: str | None = None) -> Ruling:
    return Ruling(change=change, decision=decision, reason=reason, rule=rule)


def _kinds(change: Change, lines: LineCount | None) -> Iterable[tuple[ChangeKind | None, str]]:
    """The kinds a change is of, with what is said of its path; None for one that no scope can grant."""
    modes = (change.old_mode, change.new_mode)
    if GITLINK in modes:
        yield "submodule", "is a link to another repository, and the scope does not grant the kind 'submodule'"
    if change.new_mode == SYMLINK or (change.old_mode == SYMLINK and not change.deleted):
        yield "symlink", "is a symbolic link or was one, and the scope does not grant the kind 'symlink'"
    if change.deleted:
        yield "delete", "is deleted, and the scope does not grant the kind 'delete'"
        return
    if change.new_mode not in _FILE_MODES | {SYMLINK, GITLINK}:
        yield None, f"has the mode {change.new_mode}, which no file of a repository has"
    if "100755" in modes and change.old_mode != change.new_mode:
        verb = "is executable now" if change.new_mode == "100755" else "is no longer executable"
        yield "executable", f"{verb}, and the scope does not grant the kind 'executable'"
    if odd := oddity(change.path):
        yield "odd_name", f"is not taken: its name {odd}"
    if lines is not None and lines.binary:
        yield "binary", "is not text, and the scope does not grant the kind 'binary'"
    if change.added:
        yield "add", "is new, and the scope does not grant the kind 'add'"
    else:
        yield "edit", "is changed, and the scope does not grant the kind 'edit'"


def problems(scope: Scope) -> tuple[str, ...]:
    """What is wrong with a scope, as sentences; empty when it can be used."""
    found = []
    if not any(pattern.strip() and not pattern.startswith("!") for pattern in scope.paths):
        found.append("the scope names no path that may change")
    found += [problem for pattern in (*scope.paths, *scope.forbid, *scope.protect) for problem in _of_pattern(pattern)]
    named = [pattern for pattern in scope.paths if pattern.strip() and not pattern.startswith(("!", "#"))]
    if not found and named and len(undone(scope)) == len(named):
        found.append("the scope forbids all that it allows: forbid covers every pattern in paths")
    found += [f"the scope's symbol {name!r} is no dotted name" for name in scope.symbols if not _is_symbol(name)]
    for name, limit in (("max_files", scope.max_files), ("max_lines", scope.max_lines)):
        if limit is not None and limit < 1:
            found.append(f"the scope's {name} is {limit}, which allows no change; leave it out, or say 1 or more")
    if not {"add", "edit", "delete"} & set(scope.kinds):
        found.append("the scope grants neither 'add' nor 'edit' nor 'delete', so nothing may change")
    return tuple(found)


def _of_pattern(pattern: str) -> Iterable[str]:
    if pattern.startswith("/..") or ".." in pattern.split("/"):
        yield f"the scope pattern {pattern!r} leads out of the repository"
    elif any(ord(char) < 32 for char in pattern):
        yield f"the scope pattern {pattern!r} has a control character; write `?` for it"
    elif pattern.endswith("**/"):  # git means directories below only, which nobody intends
        yield f"the scope pattern {pattern!r} is ambiguous: write {pattern.removesuffix('**/') or '*'!r}"
    else:
        try:
            compiled((pattern,))
        except UsageError as error:
            yield str(error)


def _is_symbol(name: str) -> bool:
    return all(part.isidentifier() for part in name.split("."))
