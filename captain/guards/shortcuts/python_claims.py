"""What a Python assertion pins down, read from its tree."""

from __future__ import annotations

import ast
import re
from dataclasses import replace
from typing import Final

from captain.guards.shortcuts.units import ANYTHING, EXACT, NEAR, NOTHING, PART, SOME, Detail, names

_WRAPPERS: Final = frozenset(
    [
        "len",
        "sorted",
        "set",
        "frozenset",
        "list",
        "tuple",
        "dict",
        "str",
        "repr",
        "type",
        "bool",
        "int",
        "float",
        "round",
        "sum",
        "min",
        "max",
        "any",
        "all",
        "isinstance",
        "hasattr",
        "callable",
        "abs",
        "next",
        "iter",
    ]
)
_BROAD: Final = frozenset({"Exception", "BaseException", "object"})
_CALL_STRENGTH: Final = {
    "assertTrue": ANYTHING,
    "assertIsNotNone": ANYTHING,
    "assert_called": ANYTHING,
    "assertNotEqual": SOME,
    "assertNotEquals": SOME,
    "assertIsNot": SOME,
    "assertNotIn": SOME,
    "assertIsInstance": SOME,
    "assertNotIsInstance": SOME,
    "assertGreater": SOME,
    "assertGreaterEqual": SOME,
    "assertLess": SOME,
    "assertLessEqual": SOME,
    "assertIn": PART,
    "assertRegex": PART,
    "assertRegexpMatches": PART,
    "assertNotRegex": SOME,
    "assertHasAttr": ANYTHING,
    "assert_any_call": PART,
    "assert_called_once": PART,
    "assert_has_calls": NEAR,
    "assertAlmostEqual": NEAR,
    "assertCountEqual": NEAR,
    "assertItemsEqual": NEAR,
    "assert_allclose": NEAR,
    "assert_almost_equal": NEAR,
    "assert_approx_equal": NEAR,
}
_RAISES: Final = re.compile(r"^(raises|warns|assertRaises(Regex(p)?)?|assertWarns(Regex)?|deprecated_call)$")
_EQUALITIES: Final = frozenset(
    [
        "assertEqual",
        "assertEquals",
        "assert_equal",
        "assertDictEqual",
        "assertListEqual",
        "assertTupleEqual",
        "assertSetEqual",
        "assertSequenceEqual",
        "assertMultiLineEqual",
    ]
)
_UNARY: Final = {
    "assertTrue": "{}",
    "assert_": "{}",
    "assertFalse": "not {}",
    "assertIsNone": "{} is None",
    "assertIsNotNone": "{} is not None",
}
_BINARY: Final = {
    "assertIs": "is",
    "assertIsNot": "is not",
    "assertIn": "in",
    "assertNotIn": "not in",
    "assertNotEqual": "!=",
    "assertGreater": ">",
    "assertGreaterEqual": ">=",
    "assertLess": "<",
    "assertLessEqual": "<=",
}
_PREDICATE: Final = re.compile(
    r"^_*(is|has|can|should|are|was|were|supports|contains|exists|allows|matches|equals)(_|[a-z]*$)"
)
_PLACES: Final = {"places": 7, "decimal": 6}


def name_of(node: ast.expr) -> str:
    """The last name of what is called or read: `c` of `a.b.c`."""
    if isinstance(node, ast.Await):
        return name_of(node.value)
    if isinstance(node, ast.Call):
        return name_of(node.func)
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""


def is_raises(node: ast.expr) -> bool:
    return isinstance(node, ast.Call) and bool(_RAISES.match(name_of(node)))


def is_claim_call(node: ast.expr) -> bool:
    name = name_of(node) if isinstance(node, ast.Call) else ""
    return name.startswith("assert") or (name == "fail" and isinstance(node, ast.Call))


def detail(node: ast.expr) -> Detail:
    """For the test of an `assert`, or for a call that asserts."""
    try:
        return replace(_detail(node), text=_claimed(node))
    except RecursionError:  # an expression nested deeper than this can be looked at
        return Detail(strength=EXACT)


def _detail(node: ast.expr) -> Detail:
    asserting = isinstance(node, ast.Call) and (is_claim_call(node) or is_raises(node))
    return _of_call(node) if isinstance(node, ast.Call) and asserting else _of(node)


def _claimed(node: ast.expr) -> str:
    """`assertEqual(a, b)`, `b == a` and `a == b` alike."""
    if isinstance(node, ast.Compare) and len(node.ops) == 1 and isinstance(node.ops[0], ast.Eq):
        return " == ".join(sorted((_text(node.left), _text(node.comparators[0]))))
    if not isinstance(node, ast.Call):
        return _text(node)
    if is_raises(node):
        return f"raises {', '.join(_text(arg) for arg in (*node.args, *(word.value for word in node.keywords)))}"
    return _claimed_by_method(name_of(node), [_text(arg) for arg in node.args]) or _text(node)


def _claimed_by_method(name: str, args: list[str]) -> str:
    """What an assertion method of unittest says, as an expression; empty for others."""
    if name in _UNARY and args:
        return _UNARY[name].format(args[0])
    if len(args) < 2:
        return ""
    if name in _EQUALITIES:
        return " == ".join(sorted(args[:2]))
    return f"{args[0]} {_BINARY[name]} {args[1]}" if name in _BINARY else ""


def _of(node: ast.expr) -> Detail:
    if isinstance(node, ast.Constant) and not node.value:
        return Detail(strength=PART)  # `assert False` marks a place that must not be reached
    if isinstance(node, ast.Constant):
        return Detail(strength=NOTHING, trivial="It asserts a constant.")
    if isinstance(node, ast.Tuple | ast.List | ast.JoinedStr | ast.Lambda) and _filled(node):
        return Detail(strength=NOTHING, trivial="It asserts something that is always true, such as a tuple.")
    if isinstance(node, ast.BoolOp):
        return _of_bool(node)
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.Not):
        inner = _of(node.operand)
        strength = SOME if isinstance(node.operand, ast.Compare | ast.BoolOp) else inner.strength
        return Detail(strength=strength, subjects=inner.subjects, names=inner.names)
    return _of_compare(node) if isinstance(node, ast.Compare) else _of_truth(node)


def _filled(node: ast.expr) -> bool:
    return not isinstance(node, ast.Tuple | ast.List) or bool(node.elts)


def _of_bool(node: ast.BoolOp) -> Detail:
    parts = [_of(value) for value in node.values]
    subjects = frozenset().union(*(part.subjects for part in parts))
    named = frozenset().union(*(part.names for part in parts))
    if isinstance(node.op, ast.And):
        return Detail(strength=max(part.strength for part in parts), subjects=subjects, names=named)
    trivial = next((part.trivial for part in parts if part.trivial), "")
    if trivial:
        return Detail(strength=NOTHING, subjects=subjects, names=named, trivial="One side of its `or` is always true.")
    strength = max(ANYTHING, min(PART, *(part.strength - 1 for part in parts)))
    return Detail(strength=strength, subjects=subjects, names=named)


def _of_compare(node: ast.Compare) -> Detail:
    left, right, op = node.left, node.comparators[-1], node.ops[0]
    sides = [left, *node.comparators]
    subjects = frozenset(text for side in sides for text in _subjects(side))
    named = names(" ".join(_text(side) for side in sides))
    if len(node.ops) > 1 and not all(isinstance(one, ast.Eq) for one in node.ops):
        return Detail(strength=PART, subjects=subjects, names=named)
    if isinstance(op, ast.Eq | ast.Is | ast.LtE | ast.GtE | ast.In) and _text(left) == _text(right):
        return Detail(strength=NOTHING, subjects=subjects, names=named, trivial="It compares a value with itself.")
    if all(isinstance(side, ast.Constant) for side in sides):
        return Detail(strength=NOTHING, trivial="It compares constants only.")
    tolerance = max(_tolerance(left), _tolerance(right))
    return Detail(strength=_strength(op, left, right, tolerance), subjects=subjects, names=named, tolerance=tolerance)


def _strength(op: ast.cmpop, left: ast.expr, right: ast.expr, tolerance: float) -> int:
    constant = next((side.value for side in (right, left) if isinstance(side, ast.Constant)), ...)
    if isinstance(op, ast.Eq | ast.Is):
        if constant is True or constant is False:
            return _as_truth(right if isinstance(left, ast.Constant) else left)
        return NEAR if tolerance else _equal_to(left, right, constant)
    if isinstance(op, ast.IsNot) and constant is None:
        return ANYTHING
    return PART if isinstance(op, ast.In) else SOME


def _as_truth(node: ast.expr) -> int:
    """For `x == True`: exact for a flag, but no more than what is inside for `bool(x)` and `(x > 1)`."""
    if isinstance(node, ast.Call) and name_of(node) == "bool":
        return ANYTHING
    return _of(node).strength if isinstance(node, ast.Compare | ast.BoolOp | ast.UnaryOp) else EXACT


def _equal_to(left: ast.expr, right: ast.expr, constant: object) -> int:
    wrapped = {name_of(side) for side in (left, right) if isinstance(side, ast.Call)}
    if wrapped & {"len", "type"}:
        return SOME if constant == 0 else PART
    return NEAR if wrapped & {"set", "sorted"} else EXACT


def _of_truth(node: ast.expr) -> Detail:
    text, name = _text(node), name_of(node)
    subjects, named = frozenset(_subjects(node)), names(text)
    if isinstance(node, ast.Call):
        if name in {"isclose", "allclose"}:
            return Detail(strength=NEAR, subjects=subjects, names=named, tolerance=_tolerance(node))
        if name in {"startswith", "endswith", "match", "search", "fullmatch", "issubset", "issuperset", "all"}:
            return Detail(strength=PART, subjects=subjects, names=named)
        if name in {"isinstance", "issubclass", "any"}:
            return Detail(strength=SOME, subjects=subjects, names=named)
    strength = EXACT if _PREDICATE.match(name) else ANYTHING
    return Detail(strength=strength, subjects=subjects, names=named)


def _of_call(node: ast.Call) -> Detail:
    name, named = name_of(node), names(_text(node))
    if is_raises(node):
        return _of_raises(node, named)
    if name == "fail":
        return Detail(strength=PART, names=named)
    args = [arg for arg in node.args if not isinstance(arg, ast.Starred)]
    if args and name in {"assertTrue", "assert_"}:
        return _of(args[0])
    if args and name == "assertFalse":
        refuted = isinstance(args[0], ast.Constant) and not args[0].value
        inner = _of(ast.UnaryOp(op=ast.Not(), operand=args[0]))
        return replace(inner, trivial="It asserts a constant." if refuted else "")
    return _of_method(node, name, args, named)


def _of_method(node: ast.Call, name: str, args: list[ast.expr], named: frozenset[str]) -> Detail:
    """`assertEqual` and its like, `assert_allclose`, `mock.assert_called_once_with`."""
    subjects = {text for arg in (args[:2] if isinstance(node.func, ast.Attribute) else args) for text in _subjects(arg)}
    if name.startswith("assert_") and isinstance(node.func, ast.Attribute):
        subjects.add(_text(node.func.value))  # a mock
    strength = _CALL_STRENGTH.get(name, EXACT)
    trivial = ""
    if len(args) > 1 and strength >= NEAR and _text(args[0]) == _text(args[1]):
        strength, trivial = NOTHING, "It compares a value with itself."
    elif len(args) > 1 and name in {"assertEqual", "assertEquals", "assertIs"}:
        strength = _strength(ast.Eq(), args[0], args[1], 0.0)
    return Detail(
        strength=strength, subjects=frozenset(subjects), names=named, tolerance=_tolerance(node), trivial=trivial
    )


def _of_raises(node: ast.Call, named: frozenset[str]) -> Detail:
    matched = len(node.args) > 1 and name_of(node).endswith(("Regex", "Regexp"))
    matched = matched or any(word.arg in {"match", "expected_regex", "check"} for word in node.keywords)
    wanted = node.args[0] if node.args else None
    options = wanted.elts if isinstance(wanted, ast.Tuple) else [wanted] if wanted is not None else []
    if any(name_of(option) in _BROAD for option in options):
        strength = PART if matched else ANYTHING
    else:
        strength = EXACT if matched else NEAR if len(options) < 2 else PART
    return Detail(strength=strength, subjects=frozenset({"(raises)"}), names=named)


def _subjects(node: ast.expr) -> list[str]:
    """The texts of what is looked at, without its wrapper too: `len(x)` is about `x`."""
    if isinstance(node, ast.Await | ast.Starred):
        return _subjects(node.value)
    if isinstance(node, ast.Constant | ast.Lambda | ast.JoinedStr):
        return []
    if isinstance(node, ast.List | ast.Tuple | ast.Set | ast.Dict):
        return [] if not names(_text(node)) else [_text(node)]
    found = [_text(node)]
    if isinstance(node, ast.Call):
        if name_of(node) == "approx":
            return _subjects(node.args[0]) if node.args else []
        if name_of(node) in _WRAPPERS or name_of(node) in {"isclose", "allclose", "match", "search", "fullmatch"}:
            found += [text for arg in node.args for text in _subjects(arg)]
        elif isinstance(node.func, ast.Attribute) and name_of(node) in {"startswith", "endswith", "issubset"}:
            found += _subjects(node.func.value)
    return found


def _tolerance(node: ast.expr) -> float:
    """How far off a value may be, as stated; 1e-6 where only the default holds, 0 for an exact comparison."""
    if not isinstance(node, ast.Call):
        return 0.0
    name = name_of(node)
    if name not in {"approx", "isclose", "allclose"} and _CALL_STRENGTH.get(name) != NEAR:
        return 0.0
    widest = 1e-6
    for word in node.keywords:
        value = word.value.value if isinstance(word.value, ast.Constant) else None
        if not isinstance(value, int | float):
            continue
        if word.arg in {"abs", "rel", "rtol", "atol", "abs_tol", "rel_tol", "delta", "tolerance", "rel_tolerance"}:
            widest = max(widest, float(value))
        elif word.arg in _PLACES and abs(value) < 300:
            widest = max(widest, 10.0**-value)
    return widest


def _text(node: ast.AST) -> str:
    return ast.unparse(node)
