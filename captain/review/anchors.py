"""Where in a file a finding is: the quoted code looked up, and the function or class around it."""

from __future__ import annotations

import ast
import hashlib
import re
from collections.abc import Callable, Sequence
from functools import lru_cache
from typing import Final

from captain.core.cases import Anchor

_CONTEXT_LINES: Final = 2
_QUOTE_CHARS: Final = 3  # less does not name a place
_DEFINES: Final = re.compile(
    r"^(?P<indent>\s*)(?:export\s+|default\s+|public\s+|private\s+|protected\s+|static\s+|async\s+|pub(?:\([^)]*\))?\s+)*"
    r"(?:def|class|function|func|fn|struct|impl|interface|trait|module|type|enum)\s+(?:\([^)]*\)\s*)?(?P<name>[A-Za-z_$][\w$]*)"
)


def locate(
    text: str, quote: str, *, hint: int | None = None, prefers: Callable[[int], bool] = lambda _: False
) -> tuple[int, int] | None:
    """First line and number of lines of quoted code in a file, whatever its white space; None if it is not there.

    Of several places those that `prefers` likes come first, then the one nearest to the line `hint`.
    """
    wanted = [flat for line in quote.strip("\n").splitlines() if (flat := _flat(_undiffed(line)))]
    if not wanted or sum(map(len, wanted)) < _QUOTE_CHARS:
        return None
    lines = [(number, flat) for number, line in enumerate(text.splitlines(), 1) if (flat := _flat(line))]
    places = _places(lines, wanted) or _places(lines, [part for part in wanted if part not in ("...", "…")][:1])
    if not places:
        return None
    return min(places, key=lambda place: (not prefers(place[0]), abs(place[0] - (hint or place[0]))))


def _places(lines: Sequence[tuple[int, str]], wanted: Sequence[str]) -> list[tuple[int, int]]:
    """Whole lines first; a single quoted line may also be a part of one."""
    if not wanted:
        return []
    size = len(wanted)
    whole = [
        (lines[start][0], lines[start + size - 1][0] - lines[start][0] + 1)
        for start in range(len(lines) - size + 1)
        if all(lines[start + place][1] == part for place, part in enumerate(wanted))
    ]
    if whole or size > 1:
        return whole
    return [(number, 1) for number, flat in lines if wanted[0] in flat]


def _undiffed(line: str) -> str:
    """Without the sign of a diff or the quotes around code, which models like to copy."""
    stripped = line.strip()
    if stripped.startswith("```"):
        return ""
    stripped = stripped.strip("`")
    return stripped[1:] if re.match(r"[+-]\s", stripped) else stripped


def _flat(line: str) -> str:
    return "".join(line.split())


def anchor_at(path: str, text: str, line: int, lines: int = 1) -> Anchor:
    flat = [_flat(one) for one in text.splitlines()]
    around = flat[max(0, line - 1 - _CONTEXT_LINES) : line + _CONTEXT_LINES]
    return Anchor(
        path=path,
        line=line,
        lines=lines,
        symbol=symbol_at(path, text, line),
        line_hash=_hash(flat[line - 1] if 0 < line <= len(flat) else ""),
        context_hash=_hash("\n".join(around)),
    )


def symbol_at(path: str, text: str, line: int) -> str | None:
    """The innermost definition around a line, as `Class.method`; None outside of any."""
    around = [(start, end, name) for start, end, name in _symbols(path, text) if start <= line <= end]
    return ".".join(name for _, _, name in sorted(around, key=lambda one: (one[0], -one[1]))) or None


@lru_cache(maxsize=256)
def _symbols(path: str, text: str) -> tuple[tuple[int, int, str], ...]:
    if path.endswith((".py", ".pyi")):
        try:
            return tuple(_python_symbols(ast.parse(text)))
        except (SyntaxError, ValueError, RecursionError, MemoryError):
            pass
    return tuple(_symbols_by_indent(text))


def _python_symbols(tree: ast.AST) -> list[tuple[int, int, str]]:
    defines = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
    return [
        (min([node.lineno, *(each.lineno for each in node.decorator_list)]), node.end_lineno or node.lineno, node.name)
        for node in ast.walk(tree)
        if isinstance(node, defines)
    ]


def _symbols_by_indent(text: str) -> list[tuple[int, int, str]]:
    """A definition reaches to the next line that is indented no deeper, closing brackets aside."""
    found: list[tuple[int, int, str]] = []
    open_: list[tuple[int, int, str]] = []
    last = 0
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        indent = len(line) - len(line.lstrip())
        while open_ and indent <= open_[-1][1] and not line.lstrip().startswith(("}", ")", "]", "end")):
            start, _, name = open_.pop()
            found.append((start, last, name))
        if (defined := _DEFINES.match(line)) is not None:
            open_.append((number, indent, defined["name"]))
        last = number
    return found + [(start, last, name) for start, _, name in open_]


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode("utf-8", "replace")).hexdigest()[:16]
