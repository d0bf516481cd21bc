"""A Python test file as units: its tests, their assertions and whether those can be reached, skips, cases."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Final

from captain.guards.shortcuts.parse import Source, first_line
from captain.guards.shortcuts.paths import is_collected
from captain.guards.shortcuts.python_claims import detail, is_claim_call, is_raises, name_of
from captain.guards.shortcuts.units import Case, Claim, Skip, Unit

_EXCUSE: Final = re.compile(
    r"platform|version|os\.name|sys\.|\bPY\d|\bPY_|windows|win32|linux|darwin|macos|pypy|cpython|find_spec|import|"
    r"\bhas_|\bHAS_|HAVE_|have_|_available|AVAILABLE|is None|installed|which\(|environ|getenv|docker|network|ssl|"
    r"implementation|GIL|\bno_|\bNO_|requires|supports|root|geteuid|locale|gpu|cuda|IS_|is_|not\s+\w+$|\bwin\b",
    re.IGNORECASE,
)
_SKIPS: Final = frozenset(
    {"skip", "skipIf", "skipUnless", "skipif", "xfail", "expectedFailure", "skipTest", "SkipTest"}
)
_MAYBE_SKIP: Final = re.compile(r"skip|xfail|expectedFailure|__test__|collect_ignore", re.IGNORECASE)
_LOOPS: Final = ast.For | ast.AsyncFor | ast.While
_ENDS: Final = ast.Return | ast.Raise | ast.Continue | ast.Break
_CATCHES_FAILURES: Final = frozenset({"Exception", "BaseException", "AssertionError"})


def python_units(path: str, source: Source) -> list[Unit]:
    whole = Unit(path=path, name="", line=1, source="", is_test=False)
    found = [whole]
    _Reader(path, source, found, is_collected(path)).body(source.tree.body, "", whole)
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class _Here:
    """Where in a test a statement stands: why it proves nothing, whether in a loop, and under which conditions."""

    unit: Unit
    dead: str = ""
    many: bool = False
    guard: str = ""

    def lost(self, why: str) -> _Here:
        return replace(self, dead=self.dead or why)


@dataclass(frozen=True, slots=True)
class _Reader:
    path: str
    source: Source
    found: list[Unit]
    collected: bool

    def body(self, statements: Sequence[ast.stmt], prefix: str, around: Unit) -> None:
        """Statements of a file or a class."""
        for node in statements:
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                self._function(node, prefix)
            elif isinstance(node, ast.ClassDef):
                unit = self._unit(node, prefix, is_test=False, with_source=False)
                self._decorators(node, unit)
                self.body(node.body, f"{unit.name}.", unit)
                if not any(one.is_test and one.name.startswith(f"{unit.name}.") for one in self.found):
                    unit.skips = [one for one in unit.skips if not one.text.startswith("__test__")]
            elif isinstance(node, ast.If | ast.Try | ast.With):
                if not (isinstance(node, ast.If) and _is_never(node.test)):
                    for inner in _bodies(node):
                        self.body(inner, prefix, around)
            else:
                self._loose(node, around)

    def _function(self, node: ast.FunctionDef | ast.AsyncFunctionDef, prefix: str) -> None:
        unit = self._unit(node, prefix, is_test=self.collected and _is_test_name(node.name), with_source=True)
        self._decorators(node, unit)
        unit.claims.extend(self._claims(node.body, _Here(unit=unit)))

    def _unit(
        self,
        node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef,
        prefix: str,
        *,
        is_test: bool,
        with_source: bool,
    ) -> Unit:
        first = first_line(node)
        text = "\n".join(self.source.lines[first - 1 : node.end_lineno]) if with_source else ""
        unit = Unit(path=self.path, name=f"{prefix}{node.name}", line=node.lineno, source=text, is_test=is_test)
        self.found.append(unit)
        return unit

    def _loose(self, node: ast.stmt, unit: Unit) -> None:
        """`pytestmark = pytest.mark.skip`, `__test__ = False`, `collect_ignore = [...]`, a skip at import."""
        text = self.source.text(node)
        if not _MAYBE_SKIP.search(text):
            return
        if isinstance(node, ast.Assign):
            target = name_of(node.targets[0])
            if target == "pytestmark":
                self._marks(node.value, unit)
            elif (target.startswith("collect_ignore") and not _is_empty(node.value)) or (
                target == "__test__" and _is_never(node.value)
            ):
                unit.skips.append(Skip(text=_squeeze(text), line=node.lineno, excused=False, quote=text))
        elif isinstance(node, ast.Expr | ast.Raise):
            unit.skips.extend(self._skip(node, ""))

    def _decorators(self, node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef, unit: Unit) -> None:
        for decorator in node.decorator_list:
            if isinstance(decorator, ast.Call) and name_of(decorator) in {"parametrize", "expand", "data"}:
                self._cases(decorator, unit)
            self._marks(decorator, unit)

    def _cases(self, call: ast.Call, unit: Unit) -> None:
        for value in (*call.args, *(word.value for word in call.keywords if word.arg == "argvalues")):
            if isinstance(value, ast.List | ast.Tuple | ast.Set):
                for case in value.elts:
                    text = self.source.text(case)
                    unit.cases.setdefault(_squeeze(text), Case(line=case.lineno, quote=text))

    def _marks(self, node: ast.expr, unit: Unit) -> None:
        text = self.source.text(node)
        if not _MAYBE_SKIP.search(text):
            return
        for inner in ast.walk(node):
            if isinstance(inner, ast.Attribute | ast.Name) and name_of(inner) in _SKIPS:
                call = next((one for one in ast.walk(node) if isinstance(one, ast.Call) and one.func is inner), None)
                unit.skips.append(self._mark(inner, call))

    def _mark(self, node: ast.expr, call: ast.Call | None) -> Skip:
        text = self.source.text(call or node)
        conditions = (
            [*call.args[:1], *(word.value for word in call.keywords if word.arg == "condition")] if call else []
        )
        conditional = name_of(node) in {"skipif", "skipIf", "skipUnless", "xfail"}
        excused = conditional and any(
            not isinstance(one, ast.Constant) and _EXCUSE.search(self.source.text(one)) for one in conditions
        )
        return Skip(text=_squeeze(text), line=node.lineno, excused=bool(excused), quote=text)

    def _skip(self, node: ast.stmt, guard: str) -> Iterator[Skip]:
        """A call or a raise that skips; `guard` is the condition around it."""
        value = node.value if isinstance(node, ast.Expr) else node.exc if isinstance(node, ast.Raise) else None
        if value is None:
            return
        name, text = name_of(value), self.source.text(value)
        is_call = isinstance(value, ast.Call)
        if name in {"skipTest", "SkipTest"} or (name in {"skip", "xfail"} and is_call):
            excused = bool(_EXCUSE.search(guard))
        elif name == "importorskip":
            excused = True
        else:
            return
        yield Skip(text=_squeeze(text), line=node.lineno, excused=excused, quote=text)

    def _claims(self, body: Sequence[ast.stmt], here: _Here) -> Iterator[Claim]:
        for node in body:
            if isinstance(node, ast.Assert):
                for part in _conjuncts(node.test):
                    yield self._claim(part, node, here)
            elif isinstance(node, ast.Expr) and (is_claim_call(node.value) or is_raises(node.value)):
                yield self._claim(node.value, node, here)
            elif isinstance(node, ast.Expr):
                if not here.dead and self._skips_all(node, here):
                    here = here.lost("It stands after an unconditional skip.")
            elif isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
                yield from self._claims(node.body, here)
            elif isinstance(node, _ENDS):
                if isinstance(node, ast.Raise):
                    here.unit.skips += self._skip(node, here.guard)
                here = here.lost("It stands after the end of its block and is never reached.")
            else:
                yield from self._inside(node, here)

    def _skips_all(self, node: ast.Expr, here: _Here) -> bool:
        """Notes a skip; whether nothing after it is run, on any machine."""
        skips = list(self._skip(node, here.guard))
        here.unit.skips += skips
        return bool(skips) and not here.guard and not skips[0].excused

    def _inside(self, node: ast.stmt, here: _Here) -> Iterator[Claim]:
        if isinstance(node, ast.If):
            yield from self._branches(node, here)
        elif isinstance(node, ast.Try):
            yield from self._tried(node, here)
        elif isinstance(node, ast.With | ast.AsyncWith):
            for item in node.items:
                if is_raises(item.context_expr) or is_claim_call(item.context_expr):
                    yield self._claim(item.context_expr, node, here)
                elif name_of(item.context_expr) == "suppress" and _broad_arguments(item.context_expr):
                    here = here.lost("Its failure is suppressed.")
                elif name_of(item.context_expr) == "subTest":
                    here = replace(here, many=True)
            yield from self._claims(node.body, here)
        else:
            if isinstance(node, ast.While) and _is_never(node.test):
                here = here.lost("It stands in a loop that never runs.")
            for inner in _bodies(node):
                yield from self._claims(inner, replace(here, many=here.many or isinstance(node, _LOOPS)))

    def _branches(self, node: ast.If, here: _Here) -> Iterator[Claim]:
        never = _is_never(node.test)
        here = replace(here, guard=f"{here.guard} {self.source.text(node.test)}")
        yield from self._claims(node.body, here.lost("It stands in a branch that is never taken.") if never else here)
        yield from self._claims(node.orelse, here)

    def _tried(self, node: ast.Try, here: _Here) -> Iterator[Claim]:
        swallowed = any(_swallows(handler) for handler in node.handlers)
        yield from self._claims(node.body, here.lost("Its failure is caught and dropped.") if swallowed else here)
        for handler in node.handlers:
            guard = f"{here.guard} except {self.source.text(handler.type) if handler.type else ''}"
            yield from self._claims(handler.body, replace(here, guard=guard))
        yield from self._claims(node.orelse, here)
        yield from self._claims(node.finalbody, here)

    def _claim(self, node: ast.expr, statement: ast.stmt, here: _Here) -> Claim:
        return Claim(
            raw=_squeeze(self.source.text(node)),
            line=node.lineno,
            quote=self.source.text(statement),
            detail=partial(detail, node),
            dead=here.dead,
            many=here.many or (isinstance(node, ast.Call) and name_of(node) == "all"),
        )


def _is_test_name(name: str) -> bool:
    return name.startswith("test") and name != "test"


def _bodies(node: ast.stmt) -> Iterator[list[ast.stmt]]:
    for name in ("body", "orelse", "finalbody"):
        inner = getattr(node, name, None)
        if isinstance(inner, list):
            yield inner
    for branch in (*getattr(node, "handlers", ()), *getattr(node, "cases", ())):
        yield branch.body


def _conjuncts(node: ast.expr) -> list[ast.expr]:
    return node.values if isinstance(node, ast.BoolOp) and isinstance(node.op, ast.And) else [node]


def _is_never(node: ast.expr) -> bool:
    return isinstance(node, ast.Constant) and not node.value


def _swallows(handler: ast.ExceptHandler) -> bool:
    """Catches failed assertions and neither raises nor asserts anything itself."""
    types = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
    if not any(one is None or name_of(one) in _CATCHES_FAILURES for one in types):
        return False
    for node in handler.body:
        for inner in ast.walk(node):
            if isinstance(inner, ast.Raise | ast.Assert) or (isinstance(inner, ast.expr) and is_claim_call(inner)):
                return False
            if isinstance(inner, ast.Call) and name_of(inner) in {"exit", "_exit", "append", "add", "put", "set"}:
                return False  # the failure is passed on by other means
    return True


def _broad_arguments(call: ast.expr) -> bool:
    return isinstance(call, ast.Call) and any(name_of(arg) in _CATCHES_FAILURES for arg in call.args)


def _is_empty(node: ast.expr) -> bool:
    return isinstance(node, ast.List | ast.Tuple) and not node.elts


def _squeeze(text: str) -> str:
    return "".join(text.split())
