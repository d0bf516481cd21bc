"""Which functions, classes and names of a Python file a change touches."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

MODULE: Final = ""
"""Stands for statements of a module that define no name, such as a call; imports and docstrings do not count."""

_LONGEST_CHARS: Final = 1_000_000  # parsing more takes seconds


@dataclass(frozen=True, slots=True)
class Definitions:
    """What a file defines, by dotted name: for each the source of its statements, and the statements."""

    by_name: Mapping[str, Sequence[tuple[str, ast.stmt]]]

    @classmethod
    def of(cls, source: str) -> Definitions:
        """Raises `SyntaxError` or `ValueError` if it is no Python, or more than anybody writes."""
        if len(source) > _LONGEST_CHARS:
            raise ValueError("It is too long.")
        found: defaultdict[str, list[tuple[str, ast.stmt]]] = defaultdict(list)
        text = source.replace("\r\n", "\n").replace("\r", "\n")  # the line ends Python knows
        lines = text.split("\n")
        try:
            for name, first, last, statement in _walk(ast.parse(text).body, MODULE):
                found[name].append(("\n".join(lines[first - 1 : last]), statement))
        except (RecursionError, MemoryError) as error:  # nesting that the parser gives up on
            raise ValueError("It is nested too deeply.") from error
        return cls(dict(found))

    @property
    def names(self) -> frozenset[str]:
        return frozenset(name for name in self.by_name if name)

    def changed_in(self, other: Definitions) -> frozenset[str]:
        """The names that `other` defines in another way, or no more. Comments and layout do not count.

        What only `other` defines is not among them. Raises `ValueError` if a definition is nested too deeply.
        """
        try:
            return frozenset(
                name
                for name in {*self.by_name, MODULE}
                if not _same(self.by_name.get(name, ()), other.by_name.get(name, ()))
            )
        except RecursionError as error:
            raise ValueError("It is nested too deeply.") from error


def covers(symbols: Sequence[str], name: str) -> bool:
    """`Ship` covers `Ship.sail`, and `sail` covers it too."""
    return any(f".{symbol}." in f".{name}." for symbol in symbols)


def _same(before: Sequence[tuple[str, ast.stmt]], after: Sequence[tuple[str, ast.stmt]]) -> bool:
    """Where the text differs, the syntax decides; to compare only that would take ten times as long."""
    return len(before) == len(after) and all(
        text == other_text or ast.dump(node) == ast.dump(other)
        for (text, node), (other_text, other) in zip(before, after, strict=True)
    )


def _walk(body: Sequence[ast.stmt], within: str) -> Iterator[tuple[str, int, int, ast.stmt]]:
    for statement in body:
        first, last = statement.lineno, statement.end_lineno or statement.lineno
        match statement:
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                first = min([first, *(decorator.lineno for decorator in statement.decorator_list)])
                yield _joined(within, statement.name), first, last, statement
            case ast.ClassDef():
                name = _joined(within, statement.name)
                inside = statement.body
                head = ast.ClassDef(**{**dict(ast.iter_fields(statement)), "body": []})
                first = min([first, *(decorator.lineno for decorator in statement.decorator_list)])
                yield name, first, inside[0].lineno, head
                yield from _walk(inside, name)
            case ast.Import() | ast.ImportFrom() | ast.Expr(value=ast.Constant()):  # with docstrings
                continue
            case ast.Assign(targets=[ast.Name(id=target)]) | ast.AnnAssign(target=ast.Name(id=target)):
                yield _joined(within, target), first, last, statement
            case _:
                yield within, first, last, statement


def _joined(within: str, name: str) -> str:
    return f"{within}.{name}" if within else name
