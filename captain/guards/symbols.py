"""Which functions, classes and names of a Python file a change touches."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import Final, TypeAlias

MODULE: Final = ""
"""Stands for statements of a module that define no name, such as a call; imports and docstrings do not count."""

_Units: TypeAlias = dict[str, tuple[str, ...]]


def changed_symbols(old: str, new: str) -> frozenset[str]:
    """Dotted names whose definition in `old` is another in `new`, or gone. Comments and layout do not count.

    What only `new` defines is not among them. Raises `SyntaxError` or `ValueError` if either is no Python.
    """
    before, after = _units(old), _units(new)
    return frozenset(name for name in {*before, MODULE} if before.get(name, ()) != after.get(name, ()))


def defined_symbols(source: str) -> frozenset[str]:
    """Raises `SyntaxError` or `ValueError`."""
    return frozenset(name for name in _units(source) if name)


def covers(symbols: Sequence[str], name: str) -> bool:
    """`Ship` covers `Ship.sail`, and `sail` covers it too."""
    return any(f".{symbol}." in f".{name}." for symbol in symbols)


def _units(source: str) -> _Units:
    found: defaultdict[str, list[str]] = defaultdict(list)
    try:
        for name, text in _walk(ast.parse(source).body, MODULE):
            found[name].append(text)
    except (RecursionError, MemoryError) as error:  # nesting that the parser gives up on
        raise ValueError("It is nested too deeply.") from error
    return {name: tuple(texts) for name, texts in found.items()}


def _walk(body: Sequence[ast.stmt], within: str) -> Iterator[tuple[str, str]]:
    for statement in body:
        match statement:
            case ast.FunctionDef() | ast.AsyncFunctionDef():
                yield _joined(within, statement.name), ast.dump(statement)
            case ast.ClassDef():
                name = _joined(within, statement.name)
                head = ast.ClassDef(**{**dict(ast.iter_fields(statement)), "body": []})
                yield name, ast.dump(head)
                yield from _walk(statement.body, name)
            case ast.Import() | ast.ImportFrom() | ast.Expr(value=ast.Constant()):  # with docstrings
                continue
            case ast.Assign(targets=[ast.Name(id=target)]) | ast.AnnAssign(target=ast.Name(id=target)):
                yield _joined(within, target), ast.dump(statement)
            case _:
                yield within, ast.dump(statement)


def _joined(within: str, name: str) -> str:
    return f"{within}.{name}" if within else name
