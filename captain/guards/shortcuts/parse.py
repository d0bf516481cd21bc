"""Python source to trees, parsing only what differs between the two sides.

Statements at the left margin that stand on both sides are blanked out first, which keeps line numbers
as they are. Parsing is nearly all the time a look at a diff takes, so this is what makes it quick.
"""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from typing import Final

_MARGIN: Final = re.compile(r"^(?=[A-Za-z_@])", re.MULTILINE)
_CONTINUES: Final = re.compile(r"(else|elif|except|finally)\b")
_TOO_LARGE_CHARS: Final = 2_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """One side of a file: the tree of its changed statements, and its lines."""

    tree: ast.Module
    lines: list[str]

    def text(self, node: ast.AST) -> str:
        """The source of a node, from the decorators on where there are any."""
        first, last = first_line(node), getattr(node, "end_lineno", 0)
        if first == last:
            return self._part(first, getattr(node, "col_offset", 0), getattr(node, "end_col_offset", None))
        head = self._part(first, getattr(node, "col_offset", 0), None)
        tail = self._part(last, 0, getattr(node, "end_col_offset", None))
        return "\n".join([head, *self.lines[first : last - 1], tail])

    def _part(self, line: int, start: int, end: int | None) -> str:
        text = self.lines[line - 1] if line <= len(self.lines) else ""
        if text.isascii():
            return text[start:end]
        return text.encode("utf-8", "replace")[start:end].decode("utf-8", "replace")  # columns count bytes


def statements(body: Iterable[ast.stmt]) -> Iterator[ast.stmt | ast.ExceptHandler]:
    """All statements at any depth. Much quicker than `ast.walk`, which also goes through every expression."""
    waiting: list[ast.stmt | ast.ExceptHandler] = list(body)
    while waiting:
        node = waiting.pop()
        yield node
        for name in ("body", "orelse", "finalbody", "handlers"):
            waiting.extend(getattr(node, name, ()))
        for case in getattr(node, "cases", ()):
            waiting.extend(case.body)


def first_line(node: ast.AST) -> int:
    decorators = getattr(node, "decorator_list", None)
    line: int = getattr(node, "lineno", 1)
    return min(line, decorators[0].lineno) if decorators else line


def parse_pair(old: str | None, new: str | None) -> tuple[Source, Source] | None:
    """Both sides, or None if one does not parse. A side that does not exist is empty."""
    before, after = _changed(old or "", new or "")
    sides = _tree(before), _tree(after)
    if sides[0] is None or sides[1] is None:  # what was cut apart belonged together, or it is no Python
        before, after = old or "", new or ""
        sides = _tree(before), _tree(after)
    if sides[0] is None or sides[1] is None:
        return None
    # `splitlines` would also split at form feeds, where Python's own line count does not
    return Source(tree=sides[0], lines=_lines(before)), Source(tree=sides[1], lines=_lines(after))


def _lines(text: str) -> list[str]:
    return text.replace("\r\n", "\n").replace("\r", "\n").split("\n")


def _tree(text: str) -> ast.Module | None:
    if len(text) > _TOO_LARGE_CHARS:
        return None
    try:
        return ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


def _changed(old: str, new: str) -> tuple[str, str]:
    before, after = _statements(old), _statements(new)
    shared = Counter(before) & Counter(after)
    return _blanked(before, shared.copy()), _blanked(after, shared)


def _blanked(statements: list[str], shared: Counter[str]) -> str:
    kept = []
    for statement in statements:
        if shared[statement] > 0:
            shared[statement] -= 1
            kept.append("\n" * statement.count("\n"))
        else:
            kept.append(statement)
    return "".join(kept)


def _statements(text: str) -> list[str]:
    """Cut at the margin; what is decorated, continued or inside a long string stays in one piece."""
    starts = [0, *(match.start() for match in _MARGIN.finditer(text) if match.start()), len(text)]
    pieces: list[list[str]] = []
    open_ = False
    double = single = 0
    for start, end in pairwise(starts):
        part = text[start:end]
        if pieces and (open_ or _CONTINUES.match(part)):
            pieces[-1].append(part)
        else:
            pieces.append([part])
            double = single = 0
        double += part.count('"""')
        single += part.count("'''")
        open_ = part.startswith("@") or double % 2 == 1 or single % 2 == 1
    return ["".join(parts) for parts in pieces]
