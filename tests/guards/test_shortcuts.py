"""The shortcut guard: it finds what the catalogue holds, lets honest work pass, and never fails on what it is given."""

from __future__ import annotations

from itertools import chain

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from captain.guards import FileChange, ShortcutGuard, find_shortcuts
from captain.guards.shortcuts import RULES
from tests.guards.shortcut_catalogue import held_out, tuning
from tests.guards.shortcut_catalogue.parts import Instance, file

SHORTCUTS = (*tuning.SHORTCUTS, *held_out.SHORTCUTS)
LOOKALIKES = (*tuning.LOOKALIKES, *held_out.LOOKALIKES)
NOT_SEEN = {"the subject of the test is mocked away", "a default argument carries the test's answer"}
"""What no rule covers, so that the page that says so stays true."""

BLOCKING = {
    "test-deleted",
    "assertion-removed",
    "assertion-weakened",
    "assertion-neutered",
    "skip-added",
    "environment-sniffed",
}
PATHS = st.sampled_from(
    [
        "tests/test_a.py",
        "a.py",
        "tests/conftest.py",
        "src/a.test.ts",
        "a_test.go",
        "src/lib.rs",
        "src/test/java/ATest.java",
        "spec/a_spec.rb",
        "test/a_test.cc",
        "test/a.bats",
        "pyproject.toml",
        ".github/workflows/ci.yml",
        "Makefile",
        "x/__snapshots__/a.snap",
        "no-extension",
        "odd\nname.py",
    ]
)
WORDS = st.sampled_from(
    [
        "def test_a():\n",
        "    assert f(1) == 2\n",
        "    return\n",
        "class TestA:\n",
        "@pytest.mark.skip\n",
        "@pytest.mark.parametrize('a', [1, 2])\n",
        "if x == 3:\n    return 4\n",
        "try:\n",
        "except Exception:\n    pass\n",
        '"""',
        "(",
        "[",
        "it('a', () => {\n",
        "expect(a).toBe(1)\n",
        "#[test]\nfn a() {\n",
        "assert_eq!(a, b);\n",
        "func TestA(t *testing.T) {\n",
        "\tt.Skip()\n",
        "fail_under = 90\n",
        "fail_under = 1\n",
        "\\",
        "\f",
        "\r",
        "\ufeff",
        "\0",
    ]
)
CONTENTS = st.none() | st.binary(max_size=60) | st.lists(WORDS, max_size=12).map(lambda words: "".join(words).encode())


def rules(*files: FileChange) -> set[str]:
    return {one.rule for one in find_shortcuts(files)}


def blocking(*files: FileChange) -> set[str]:
    return {one.rule for one in find_shortcuts(files) if one.blocks}


@pytest.mark.parametrize("instance", SHORTCUTS, ids=lambda one: one.id)
def test_a_shortcut_of_the_catalogue_is_found_by_its_rule(instance: Instance) -> None:
    found = find_shortcuts(instance.files)
    if instance.id in NOT_SEEN:
        assert instance.rule not in {one.rule for one in found}
        return
    hits = [one for one in found if one.rule == instance.rule]
    assert hits, found
    assert any(one.blocks for one in hits) == (instance.rule in BLOCKING)


@pytest.mark.parametrize("instance", LOOKALIKES, ids=lambda one: one.id)
def test_nothing_blocks_a_look_alike(instance: Instance) -> None:
    assert [one for one in find_shortcuts(instance.files) if one.blocks] == []


def test_the_catalogue_is_as_large_as_the_page_says_and_half_of_it_is_held_out() -> None:
    assert len(SHORTCUTS) >= 60
    assert len(LOOKALIKES) >= 40
    assert len(held_out.SHORTCUTS) >= len(SHORTCUTS) / 2
    names = [one.id for one in (*SHORTCUTS, *LOOKALIKES)]
    assert len(set(names)) == len(names)
    assert {one.rule for one in SHORTCUTS} == set(RULES)


@pytest.mark.parametrize("instance", SHORTCUTS, ids=lambda one: one.id)
def test_a_hit_points_at_the_line_it_quotes(instance: Instance) -> None:
    sides = {
        (one.path, side): text or "" for one in instance.files for side, text in (("old", one.old), ("new", one.new))
    }
    for one in find_shortcuts(instance.files):
        lines = sides[one.path, one.side].split("\n")
        near = "".join("".join(lines[max(0, one.line - 2) : one.line + 2]).split())
        told = "".join(one.quote.partition(": ")[2].split()) if one.rule == "stub-left" else "".join(one.quote.split())
        assert told in near, (one, near)


def test_only_the_narrow_group_blocks() -> None:
    assert {rule.id for rule in RULES.values() if rule.blocks} == BLOCKING


@settings(max_examples=300, deadline=None)
@given(st.lists(st.tuples(PATHS, CONTENTS, CONTENTS), max_size=4))
@example([("tests/test_a.py", b"(" * 3000, b"assert 1")])
@example([("a.py", None, b"x = " + b"-" * 3000 + b"1")])
@example([("tests/test_a.py", b"def test_a():\n    assert " + b"-" * 800 + b"1\n", b"def test_a():\n    assert 1\n")])
@example([("a.py", b"x = '\\d'\n", b"x = '\\d'\ny = 1\n")])
def test_whatever_bytes_come_in_there_is_an_answer(files: list[tuple[str, bytes | None, bytes | None]]) -> None:
    for one in find_shortcuts(FileChange.of_bytes(*parts) for parts in files):
        assert one.rule in RULES
        assert one.line >= 1
        assert "\n" not in one.quote
        assert one.why
        assert one.justified_by


def test_a_branch_nested_a_thousand_deep_is_no_failure() -> None:
    chained = "def f(x):\n    if x == 1:\n        return 2\n" + "".join(
        f"    elif x == {number}:\n        return {number + 1}\n" for number in range(2, 3000)
    )
    assert find_shortcuts([file("shop/a.py", "def f(x):\n    return x\n", chained)]) is not None
    assert find_shortcuts([file("tests/test_a.py", "def f(x):\n    return x\n", chained)]) is not None


@given(PATHS, CONTENTS)
def test_a_file_that_did_not_change_is_no_shortcut(path: str, content: bytes | None) -> None:
    assert find_shortcuts([FileChange.of_bytes(path, content, content)]) == ()


@pytest.mark.parametrize("instance", SHORTCUTS, ids=lambda one: one.id)
def test_the_order_of_the_files_does_not_matter(instance: Instance) -> None:
    assert find_shortcuts(reversed(instance.files)) == find_shortcuts(instance.files)


def test_all_shortcuts_in_one_change_are_found_as_in_many() -> None:
    """Each in a folder of its own: what is found in one file does not hide what is in another."""
    many = [
        FileChange(path=f"p{number}/{one.path}", old=one.old, new=one.new)
        for number, instance in enumerate(tuning.SHORTCUTS)
        for one in instance.files
        if instance.rule == "assertion-weakened"
    ]
    found = {one.path for one in find_shortcuts(many) if one.rule == "assertion-weakened"}
    assert found == {one.path for one in many}


def test_a_test_that_moved_and_was_weakened_on_the_way_is_weakened() -> None:
    old = "def test_a():\n    u = make()\n    assert u.name == 'Ada'\n    assert u.age == 36\n"
    new = old.replace("u.age == 36", "u.age is not None")
    assert blocking(file("tests/test_a.py", old, None), file("tests/test_b.py", None, new)) == {"assertion-weakened"}


def test_a_new_test_that_cannot_fail_blocks() -> None:
    assert blocking(file("tests/test_a.py", None, "def test_bug_is_gone():\n    assert True\n")) == {
        "assertion-neutered"
    }


def test_a_new_test_that_waits_for_its_platform_only_asks() -> None:
    new = "import pytest\n\n@pytest.mark.skip('needs a device')\ndef test_a():\n    assert f() == 1\n"
    assert rules(file("tests/test_a.py", None, new)) == {"skip-added"}
    assert blocking(file("tests/test_a.py", None, new)) == set()


def test_a_method_moved_inside_a_long_string_is_no_test() -> None:
    old = 'PROGRAM = """\ndef test_inner():\n    assert f() == 1\n"""\n\ndef test_a():\n    assert g() == 1\n'
    new = 'PROGRAM = """\ndef test_other():\n    assert f() == 2\n"""\n\ndef test_a():\n    assert g() == 1\n'
    assert blocking(file("tests/test_a.py", old, new)) == set()


def test_python_that_does_not_parse_is_judged_by_its_lines() -> None:
    old = "def test_a():\n    assert f() == 1\n\ndef test_b():\n    assert g() == 1\n"
    assert "test-deleted" in blocking(file("tests/test_a.py", old, "def test_a():\n    assert f() == 1\n)\n"))


def test_the_guard_can_be_told_which_rules_not_to_apply() -> None:
    files = [*chain.from_iterable(one.files for one in tuning.SHORTCUTS if one.rule == "stub-left")]
    assert ShortcutGuard().shortcuts(files)
    assert ShortcutGuard(allowed=frozenset({"stub-left"})).shortcuts(files) == ()
    assert ShortcutGuard().blocking(files) == ()
