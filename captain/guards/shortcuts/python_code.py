"""Python functions of both sides set against each other: constants for answers, stubs, swallowed exceptions."""

from __future__ import annotations

import ast
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from captain.guards.shortcuts.parse import Source, first_line, statements
from captain.guards.shortcuts.python_claims import name_of
from captain.guards.shortcuts.rules import hit
from captain.guards.shortcuts.values import Shortcut

_BROAD: Final = frozenset({"Exception", "BaseException"})
_SPECIAL: Final = re.compile(r"\b(el)?if\b.*(==|\bin\b)")
_MAYBE_DROPS: Final = re.compile(r"except\s*:|except\b.*Exception\b|suppress\(")
_MAPPING: Final = 3
"""From so many literal branches on, a function is a table written out."""

Function = ast.FunctionDef | ast.AsyncFunctionDef


@dataclass(frozen=True, slots=True)
class _Found:
    """A function with its qualified name, and whether its class says that bodies come later."""

    name: str
    node: Function
    abstract: bool


def functions(tree: ast.Module) -> dict[str, _Found]:
    return {one.name: one for one in _functions(tree.body, "", abstract=False)}


def _functions(body: Sequence[ast.stmt], prefix: str, *, abstract: bool) -> Iterator[_Found]:
    for node in body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            marked = any("abstract" in name_of(one) or name_of(one) == "overload" for one in node.decorator_list)
            yield _Found(f"{prefix}{node.name}", node, abstract or marked)
            yield from _functions(node.body, f"{prefix}{node.name}.", abstract=abstract)
        elif isinstance(node, ast.ClassDef):
            later = any(name_of(base) in {"Protocol", "ABC", "Interface", "ABCMeta"} for base in node.bases)
            later = later or any(name_of(word.value) == "ABCMeta" for word in node.keywords)
            yield from _functions(node.body, f"{prefix}{node.name}.", abstract=abstract or later)
        elif isinstance(node, ast.If | ast.Try | ast.With):
            for name in ("body", "orelse", "finalbody"):
                yield from _functions(getattr(node, name, []), prefix, abstract=abstract)
            for handler in getattr(node, "handlers", []):
                yield from _functions(handler.body, prefix, abstract=abstract)


def defined(tree: ast.Module) -> frozenset[str]:
    """Names of functions, classes and module variables, and of parameters with a `=` behind them."""
    names = set()
    for node in statements(tree.body):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            names.add(node.name)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            # a parameter counts where it is given by name
            names.update(f"{one.arg}=" for one in (*node.args.args, *node.args.kwonlyargs))
    for node in tree.body:
        for target in node.targets if isinstance(node, ast.Assign) else ():
            if isinstance(target, ast.Name):
                names.add(target.id)
    return frozenset(names)


def compare_code(path: str, old: Source, new: Source, *, product: bool, literals: frozenset[str]) -> Iterator[Shortcut]:
    """`literals` are the constants that the tests of the change contain."""
    before, after = functions(old.tree), functions(new.tree)
    yield from _swallowed(path, old, new)
    for name, one in after.items():
        was = before.get(name)
        if was is not None and _lines(old, was.node) == _lines(new, one.node):
            continue
        if one.node.name == "__eq__" and _constant(one.node) == "True":
            yield hit(
                "assertion-neutered", path, one.node.lineno, _lines(new, one.node), symbol=name,
                detail="Everything is equal to this object.", asks_only=not product,
            )  # fmt: skip
        elif product:
            yield from _emptied(path, new, one, was)
            yield from _special_cases(path, new, one, was, literals)


def _lines(source: Source, node: Function) -> str:
    return "\n".join(source.lines[first_line(node) - 1 : node.end_lineno])


def _body(node: Function) -> list[ast.stmt]:
    """Without the docstring."""
    body = node.body
    first = body[0]
    told = isinstance(first, ast.Expr) and isinstance(first.value, ast.Constant) and isinstance(first.value.value, str)
    return body[1:] if told else body


def _constant(node: Function) -> str | None:
    """What the function always returns, if that is a literal and all it does."""
    body = _body(node)
    if len(body) != 1 or not isinstance(body[0], ast.Return) or body[0].value is None:
        return None
    return ast.unparse(body[0].value) if _is_literal(body[0].value) else None


def _is_literal(node: ast.expr) -> bool:
    try:
        ast.literal_eval(node)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return False
    return True


def _is_stub(node: Function) -> bool:
    body = _body(node)
    if not body:
        return True
    if len(body) > 1:
        return False
    only = body[0]
    if isinstance(only, ast.Pass):
        return True
    if isinstance(only, ast.Raise) and only.exc is not None:
        return name_of(only.exc) == "NotImplementedError"
    if isinstance(only, ast.Return):
        return only.value is None or (isinstance(only.value, ast.Constant) and only.value.value is None)
    return isinstance(only, ast.Expr) and isinstance(only.value, ast.Constant) and only.value.value is ...


def _emptied(path: str, new: Source, one: _Found, was: _Found | None) -> Iterator[Shortcut]:
    if one.abstract:
        return
    worked = was is not None and not _is_stub(was.node) and _constant(was.node) is None
    text = _lines(new, one.node)
    if _is_stub(one.node):
        unfinished = isinstance(_body(one.node)[-1], ast.Raise) if _body(one.node) else False
        todo = "TODO" in text or "FIXME" in text
        if worked or (was is None and (todo or (unfinished and "." not in one.name))):
            quote = new.text(one.node.body[-1])
            yield hit("stub-left", path, one.node.lineno, f"def {one.node.name}: {quote}", symbol=one.name)
    elif worked and (value := _constant(one.node)) is not None:
        yield hit("result-hard-coded", path, one.node.body[-1].lineno, f"return {value}", symbol=one.name)


def _special_cases(
    path: str, new: Source, one: _Found, was: _Found | None, literals: frozenset[str]
) -> Iterator[Shortcut]:
    if not _SPECIAL.search(_lines(new, one.node)):
        return
    known = {ast.unparse(test) for test, _ in _literal_branches(was.node)} if was is not None else set()
    branches = [(test, value) for test, value in _literal_branches(one.node) if ast.unparse(test) not in known]
    for test, value in branches:
        told = any(text in literals for text in (_compared(test), ast.unparse(value)) if text and len(text) > 1)
        both = _compared(test) in literals and ast.unparse(value) in literals
        if both or (was is not None and len(branches) < _MAPPING) or (told and len(branches) < _MAPPING):
            yield hit(
                "result-hard-coded", path, test.lineno, new.lines[test.lineno - 1], symbol=one.name,
                detail="A test of this change has the same values." if both else "",
            )  # fmt: skip


def _literal_branches(node: Function) -> Iterator[tuple[ast.expr, ast.expr]]:
    """`if x == <literal>: return <literal>`, as a statement, an expression, or a lookup in a written-out table."""
    for inner in statements(node.body):
        if isinstance(inner, ast.If) and len(inner.body) == 1 and isinstance(inner.body[0], ast.Return):
            value = inner.body[0].value
            if value is not None and _is_special(inner.test) and _says_something(value):
                yield inner.test, value
            elif isinstance(value, ast.Subscript) and isinstance(value.value, ast.Dict) and _is_literal(value.value):
                yield inner.test, value.value
        elif isinstance(inner, ast.Return) and isinstance(choice := inner.value, ast.IfExp):
            yield from [(choice.test, choice.body)] if _is_special(choice.test) and _says_something(choice.body) else []


def _is_special(test: ast.expr) -> bool:
    if isinstance(test, ast.BoolOp) and isinstance(test.op, ast.And):
        return all(_is_special(value) for value in test.values)
    if not isinstance(test, ast.Compare) or len(test.ops) != 1:
        return False
    other = test.comparators[0]
    if not isinstance(test.ops[0], ast.Eq) or not _is_literal(other):
        return False
    return ast.unparse(other) not in {"0", "1", "''", "None", "True", "False", "[]", "()", "{}", "-1"}


def _says_something(value: ast.expr) -> bool:
    return _is_literal(value) and ast.unparse(value) not in {"None", "True", "False", "[]", "()", "{}", "''", "0"}


def _compared(test: ast.expr) -> str:
    return ast.unparse(test.comparators[0]) if isinstance(test, ast.Compare) else ""


def _swallowed(path: str, old: Source, new: Source) -> Iterator[Shortcut]:
    known = Counter(text for _, text in _dropping(old))
    for handler, text in _dropping(new):
        if known[text] > 0:
            known[text] -= 1
        else:
            yield hit("exception-swallowed", path, handler.lineno, text)


def _dropping(source: Source) -> Iterator[tuple[ast.ExceptHandler | ast.stmt, str]]:
    if not any(_MAYBE_DROPS.search(line) for line in source.lines if "xcept" in line or "suppress" in line):
        return
    for node in statements(source.tree.body):
        if isinstance(node, ast.ExceptHandler):
            types = node.type.elts if isinstance(node.type, ast.Tuple) else [node.type]
            if any(one is None or name_of(one) in _BROAD for one in types) and _drops(node.body):
                yield node, source.text(node)
        elif isinstance(node, ast.With | ast.AsyncWith):
            for call in (item.context_expr for item in node.items):
                suppresses = isinstance(call, ast.Call) and name_of(call) == "suppress"
                if suppresses and any(name_of(arg) in _BROAD for arg in getattr(call, "args", ())):
                    yield node, source.text(call)


def _drops(body: Sequence[ast.stmt]) -> bool:
    for node in body:
        if isinstance(node, ast.Pass | ast.Continue | ast.Break):
            continue
        if isinstance(node, ast.Return) and (node.value is None or _is_literal(node.value)):
            continue
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            continue
        if isinstance(node, ast.Assign) and _is_literal(node.value):
            continue
        return False
    return True
