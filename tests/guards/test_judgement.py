"""The whole judgement of a diff: places, protections, kinds, limits."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from captain.core.diff import Change, LineCount
from captain.core.hunks import Hunk
from captain.core.tasks import Scope
from captain.guards import KINDS, ScopeGuard, problems
from captain.guards.symbols import Definitions
from tests.guards.changes import add, delete, edit


def decided(scope: Scope, change: Change, lines: LineCount | None = None) -> str:
    return ScopeGuard(scope).rule(change, lines).decision


def attack() -> dict[str, list[dict[str, str | bool]]]:
    default = Path(__file__).parents[2].parent / "shared" / "attacks.json"
    path = Path(os.environ.get("CAPTAIN_ATTACKS") or default)
    if not path.is_file():
        pytest.skip("the list of attacks is not here (CAPTAIN_ATTACKS names its place)")
    test = next(a["test"] for a in json.loads(path.read_text("utf-8"))["attacks"] if a["id"] == "A42")
    assert isinstance(test, dict)
    return test


@pytest.mark.parametrize("make", [add, edit])
@pytest.mark.parametrize("own_list", [True, False])
def test_every_smuggled_change_of_the_attack_list_is_told_from_the_legal_ones(make: object, *, own_list: bool) -> None:
    test = attack()
    protect = tuple(map(str, test["protected"])) if own_list else ()
    guard = ScopeGuard(Scope(paths=tuple(map(str, test["scope"])), protect=protect))
    changes = [(add if make is add else edit)(str(c["path"]), str(c["mode"])) for c in test["changes"]]

    rulings = guard.judge(changes).rulings

    assert len(rulings) == 16
    assert [(r.path, r.decision == "inside") for r in rulings] == [(c["path"], c["allow"]) for c in test["changes"]]


SMUGGLED = {
    **dict.fromkeys(["src/ok.py", "src/new/deep.py", "src/e\u0301.py"], True),
    **dict.fromkeys(["setup.py", "src/../setup.py", ".github/workflows/x.yml", "src/.gitattributes"], False),
    **dict.fromkeys(["tests/test_a.py", "SRC/x.py", "src/conftest.py", "agents.md"], False),
    **dict.fromkeys(["src/a\u202e.py", "src/con.py.", "src/.gitmodules", "src/.mcp.json", "src/Agents.MD "], False),
}


def test_by_default_a_broad_scope_lets_nothing_through_that_decides_over_others() -> None:
    rulings = ScopeGuard(Scope(paths=("src/**",))).judge([add(path) for path in SMUGGLED]).rulings
    assert {ruling.path: ruling.decision == "inside" for ruling in rulings} == SMUGGLED


SRC = Scope(paths=("/src/",))


@pytest.mark.parametrize(
    ("change", "decision"),
    [
        (edit("src/a.py"), "inside"),
        (add("src/a.py"), "inside"),
        (delete("src/a.py"), "inside"),
        (edit("src/run.sh", "100755", was="100755"), "inside"),
        (edit("src/run.sh", "100755"), "kind"),
        (edit("src/run.sh", "100644", was="100755"), "kind"),
        (add("src/run.sh", "100755"), "kind"),
        (delete("src/run.sh", "100755"), "inside"),
        (add("src/link", "120000"), "kind"),
        (edit("src/link", "120000", was="120000"), "kind"),
        (edit("src/link", "100644", was="120000"), "kind"),
        (edit("src/link", "120000"), "kind"),
        (delete("src/link", "120000"), "inside"),
        (add("src/module", "160000"), "kind"),
        (delete("src/module", "160000"), "kind"),
        (add("src/odd", "100600"), "kind"),
        (edit("lib/a.py"), "outside"),
        (delete("lib/a.py"), "outside"),
        (add("src/../a.py"), "outside"),
        (add("src//a.py"), "outside"),
        (add("/src/a.py"), "outside"),
    ],
)
def test_the_decision_follows_place_and_kind(change: Change, decision: str) -> None:
    assert decided(SRC, change) == decision


@pytest.mark.parametrize(
    ("kind", "change", "lines"),
    [
        ("add", add("src/a"), None),
        ("edit", edit("src/a"), None),
        ("delete", delete("src/a"), None),
        ("executable", edit("src/a", "100755"), None),
        ("symlink", edit("src/a", "120000"), None),
        ("submodule", edit("src/a", "160000"), None),
        ("binary", edit("src/a"), LineCount(added=0, removed=0, binary=True)),
        ("odd_name", edit("src/a."), None),
    ],
)
def test_each_kind_of_change_needs_its_own_grant(kind: str, change: Change, lines: LineCount | None) -> None:
    all_but_one = Scope(paths=("/src/",), kinds=tuple(k for k in KINDS if k != kind))
    ruling = ScopeGuard(all_but_one).rule(change, lines)

    assert (ruling.decision, ruling.rule) == ("kind", kind)
    assert decided(Scope(paths=("/src/",), kinds=KINDS), change, lines) == "inside"


@pytest.mark.parametrize(
    ("name", "why"),
    [
        ("a\u202e.py", "cannot be seen (U+202E)"),
        ("a\u200b.py", "cannot be seen (U+200B)"),
        ("a\u3164.py", "cannot be seen (U+3164)"),
        ("a\u00a0.py", "cannot be seen (U+00A0)"),
        ("a\n.py", "cannot be seen (U+000A)"),
        ("a\x1b[2K.py", "cannot be seen (U+001B)"),
        ("con.py.", "ends with a dot or a space"),
        ("con.py ", "ends with a dot or a space"),
        ("x /a.py", "ends with a dot or a space"),
        ("a\\..\\b.py", "has a backslash"),
        ("latin-\udce9.py", "is not UTF-8"),
    ],
)
def test_a_deceptive_name_is_refused_unless_the_scope_spells_it_out_and_may_always_be_removed(
    name: str, why: str
) -> None:
    ruling = ScopeGuard(SRC).rule(add(f"src/{name}"))

    assert ruling.decision == "kind"
    assert why in ruling.reason
    assert ruling.reason.isprintable()
    assert decided(SRC, delete(f"src/{name}")) == "inside"


def test_a_name_that_is_odd_but_named_in_full_is_fine() -> None:
    assert decided(Scope(paths=("src/a..txt", "src/b.")), edit("src/b.")) == "inside"


@pytest.mark.parametrize("name", ["é.py", "e\u0301.py", "日本語.md", "a b.txt", "🙂.md", "a..b", ".hidden"])
def test_a_name_in_any_language_is_fine(name: str) -> None:
    assert decided(SRC, add(f"src/{name}")) == "inside"


@pytest.mark.parametrize("path", ["src/Vendor/a.py", "src/vendor./a.py", "src/VENDOR/a.py", "src/vendor\u200d/a.py"])
def test_another_spelling_of_a_forbidden_place_is_forbidden_too(path: str) -> None:
    assert not ScopeGuard(Scope(paths=("/src/",), forbid=("src/vendor/",))).allows(path)


def test_a_rename_into_the_scope_is_still_a_deletion_outside() -> None:
    judged = ScopeGuard(SRC).judge([delete("lib/a.py"), add("src/a.py")])

    assert [(r.path, r.decision) for r in judged.refused] == [("lib/a.py", "outside")]
    assert judged.refused[0].reason == "lib/a.py is matched by no pattern in paths."
    assert not judged.passed


def test_a_diff_over_budget_is_a_finding_and_nothing_is_refused() -> None:
    scope = Scope(paths=("/src/",), max_files=2, max_lines=10)
    changes = [edit("src/a.py"), edit("src/b.py"), edit("src/c.py")]
    lines = {"src/a.py": LineCount(added=2, removed=1), "src/b.py": LineCount(added=8, removed=0)}

    judged = ScopeGuard(scope).judge(changes, lines=lines)

    assert judged.refused == ()
    assert [(f.severity, f.category, f.claim) for f in judged.findings] == [
        ("major", "scope", "3 files are changed, and the scope allows 2."),
        ("major", "scope", "11 lines are changed, and the scope allows 10."),
    ]
    assert judged.findings[1].evidence == "Changed: src/b.py, src/a.py, src/c.py."


def test_what_is_refused_does_not_count_against_the_budget() -> None:
    scope = Scope(paths=("/src/",), max_files=1, max_lines=5)
    lines = {"src/a.py": LineCount(added=5, removed=0), "lib/b.py": LineCount(added=500, removed=0)}

    assert ScopeGuard(scope).judge([edit("src/a.py"), edit("lib/b.py")], lines=lines).findings == ()


OLD = """\
import os

LIMIT = 3

class Ship:
    flag = 1

    def sail(self):
        return 1

    def dock(self):
        return 2
"""


@pytest.mark.parametrize(
    ("edits", "named"),
    [
        ({"return 1": "return 10"}, []),
        ({"return 2": "return 20"}, ["Ship.dock is changed, which is none of the symbols the scope names."]),
        ({"flag = 1": "flag = 2"}, ["Ship.flag is changed, which is none of the symbols the scope names."]),
        ({"LIMIT = 3": "LIMIT = 4"}, ["LIMIT is changed, which is none of the symbols the scope names."]),
        (
            {"LIMIT = 3": "LIMIT = 3\nprint()"},
            ["Code at module level is changed, which is none of the symbols the scope names."],
        ),
        ({"import os": "import re", "LIMIT = 3": "LIMIT = 3  # of ships"}, []),
        ({"return 1": "return _new()\n\n    def _new(self):\n        return 3"}, []),
        (
            {"    def dock(self):\n        return 2\n": ""},
            ["Ship.dock is changed, which is none of the symbols the scope names."],
        ),
    ],
)
def test_symbols_narrow_a_python_file_to_the_definitions_named(edits: dict[str, str], named: list[str]) -> None:
    new = OLD
    for old_text, new_text in edits.items():
        new = new.replace(old_text, new_text)
    scope = Scope(paths=("/src/",), symbols=("Ship.sail",))

    judged = ScopeGuard(scope).judge([edit("src/ship.py")], sources={"src/ship.py": (OLD, new)})

    assert [finding.claim for finding in judged.findings] == named


@pytest.mark.parametrize(
    ("old", "new", "changed"),
    [
        ("class A(\n    B): x = 1\n", "class A(\n    C): x = 1\n", True),
        ("@one\nclass A:\n    pass\n", "@two\nclass A:\n    pass\n", True),
        ("@one\ndef A():\n    pass\n", "@two\ndef A():\n    pass\n", True),
        ("A = 1; B = 2\n", "A = 1; B = 3\n", False),
        ("A = 1\rB = 2\r", "A = 1\rB = 3\r", False),
        ("A = 1\rB = 2\r", "A = 2\rB = 2\r", True),
        ("def A():\n    return 1  # one\n", "def A():\n\n    return (1)\n", False),
        ("if x:\n    A = 1\n", "if x:\n    A = 2\n", False),
        ("A = 1\nA = 2\n", "A = 1\n", True),
    ],
)
def test_a_definition_changed_if_its_syntax_did(old: str, new: str, *, changed: bool) -> None:
    assert ("A" in Definitions.of(old).changed_in(Definitions.of(new))) is changed


def test_source_that_is_nested_too_deeply_is_no_reason_to_stop() -> None:
    with pytest.raises((SyntaxError, ValueError)):
        Definitions.of("(" * 100_000 + ")" * 100_000)


def test_symbols_leave_files_alone_that_define_none_of_them() -> None:
    scope = Scope(paths=("/src/",), symbols=("Ship",))
    sources = {"src/other.py": ("a = 1\n", "a = 2\n"), "src/ship.py": (OLD, OLD.replace("1", "9"))}

    assert ScopeGuard(scope).judge([edit(path) for path in sources], sources=sources).findings == ()


@pytest.mark.parametrize(
    "new",
    [
        "Ship = (",
        "Ship = " + "+".join(["a"] * 20_000),
        "Ship = " + "-" * 5_000 + "1",
        "Ship = 1\n" + "#" * 1_000_001,
        "Ship = '\0'",
    ],
    ids=["broken", "long", "deep", "huge", "nul"],
)
def test_a_file_that_cannot_be_parsed_is_a_warning(new: str) -> None:
    scope = Scope(paths=("/src/",), symbols=("Ship",))

    judged = ScopeGuard(scope).judge([edit("src/ship.py")], sources={"src/ship.py": (OLD, new)})

    assert judged.warnings == ("src/ship.py cannot be read as Python, so nobody knows which of its symbols changed.",)


def test_in_other_languages_a_hunk_elsewhere_is_only_a_warning() -> None:
    def hunk(context: str, start: int) -> Hunk:
        return Hunk(
            path="src/a.go", old_start=start, new_start=start, context=context, removed=("x",), added=("y",), around=()
        )

    scope = Scope(paths=("/src/",), symbols=("Sail",))
    judged = ScopeGuard(scope).judge(
        [edit("src/a.go")], hunks=[hunk("func Sail() {", 3), hunk("func Dock() {", 30), hunk("", 60)]
    )

    assert judged.findings == ()
    assert judged.warnings == (
        "src/a.go, line 30: seems to change 'func Dock() {', which is none of the scope's symbols.",
    )


def test_limits_and_kinds_that_allow_nothing_are_problems() -> None:
    found = problems(Scope(paths=("a",), max_files=0, max_lines=-1, symbols=("a b",), kinds=("binary",)))
    assert [problem.partition(",")[0] for problem in found] == [
        "the scope's symbol 'a b' is no dotted name",
        "the scope's max_files is 0",
        "the scope's max_lines is -1",
        "the scope grants neither 'add' nor 'edit' nor 'delete'",
    ]
