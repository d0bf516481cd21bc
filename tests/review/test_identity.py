"""Whether a finding is known: lines through diffs, quotes in files, words, and the order of the keys."""

from __future__ import annotations

import difflib
import json
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from benchmarks.finding_identity import pairs
from captain.core.cases import Anchor
from captain.review.anchors import anchor_at, locate, symbol_at
from captain.review.identity import Known, identify, kind_of, same_path
from captain.review.linemap import TreeMap
from captain.review.trees import Trees
from captain.review.wording import similarity
from captain.testing import git, make_repository
from captain.workspace import Repository
from tests.models import conformance
from tests.review.cases import case, finding, trial

lines = st.lists(st.sampled_from(["a", "b", "return value", "    return value", "--- a", "+++ b", ""]), max_size=12)


def diff_of(old: list[str], new: list[str], path: str = "f.py") -> str:
    shape = difflib.unified_diff(old, new, f"a/{path}", f"b/{path}", lineterm="")
    return "\n".join([f"diff --git a/{path} b/{path}", *shape, ""])


@given(lines, lines)
def test_a_line_that_a_diff_keeps_is_where_it_says_and_has_the_same_text_but_for_white_space(
    old: list[str], new: list[str]
) -> None:
    there = TreeMap.from_diff(diff_of(old, new))
    for number, text in enumerate(old, 1):
        place = there.forward("f.py", number)
        if place is not None:
            assert "".join(new[place[1] - 1].split()) == "".join(text.split())
    for number in range(1, len(new) + 1):
        before = there.backward("f.py", number)
        assert (before is None) == there.is_new("f.py", number)
        if before is not None:
            assert old[before[1] - 1] == new[number - 1]
            assert there.forward(*before) == ("f.py", number)


def test_lines_are_followed_when_a_block_was_moved_or_indented() -> None:
    old = ["def one():", "    first = compute()", "    second = more()", "", "def two():", "    pass"]
    moved = [*old[4:], "", *old[:3]]
    there = TreeMap.from_diff(diff_of(old, moved))
    assert [there.forward("f.py", number) for number in (2, 3)] == [("f.py", 5), ("f.py", 6)]
    indented = ["if ready:", *("    " + line for line in old[:3]), *old[3:]]
    there = TreeMap.from_diff(diff_of(old, indented))
    assert [there.forward("f.py", number) for number in (1, 2, 3)] == [("f.py", 2), ("f.py", 3), ("f.py", 4)]


async def test_places_are_followed_and_attributed_through_real_commits_with_odd_names(tmp_path: Path) -> None:
    name = 'a "quoted"\tname ü.py'
    root = make_repository(tmp_path / "r", {name: "one\ntwo\nthree\n", "gone.py": "x = 1\n"})
    commits = [git(root, "rev-parse", "HEAD")]
    for text in ("zero\none\ntwo\nthree\n", "zero\none\n--- two\nthree\n++ four\n"):
        (root / name).write_text(text)
        git(root, "rm", "-q", "--ignore-unmatch", "gone.py")
        git(root, "add", "-A")
        git(root, "commit", "-qm", "change")
        commits.append(git(root, "rev-parse", "HEAD"))
    trees = Trees(await Repository.open(root))
    three = anchor_at(name, "one\ntwo\nthree\n", 3)
    carried = await trees.carried(three, commits[0], commits[2])
    assert carried is not None
    assert (carried.line, carried.line_hash) == (4, three.line_hash)
    assert await trees.carried(anchor_at(name, "one\ntwo\nthree\n", 2), commits[0], commits[2]) is None
    assert await trees.carried(Anchor(path="gone.py", line=1), commits[0], commits[2]) is None
    wrote = [await trees.written_by(Anchor(path=name, line=line), commits) for line in (1, 2, 3, 5)]
    assert wrote == [commits[1], None, commits[2], commits[2]]


CODE = """\
class Cart:
    def add(self, item):
        self.items.append(item)

    def total(self):
        for item in self.items:
            yield item.price


def main():
    return 1
"""


def test_a_symbol_is_the_innermost_definition() -> None:
    assert [symbol_at("c.py", CODE, line) for line in (1, 3, 7, 9, 11)] == [
        "Cart",
        "Cart.add",
        "Cart.total",
        None,
        "main",
    ]
    assert symbol_at("c.py", "def broken(:\n    x = 1\n", 2) == "broken"
    assert symbol_at("c.go", "func (c *Cart) Total() int {\n\treturn 1\n}\n", 2) == "Total"
    assert symbol_at("c.ts", "export class Cart {\n  total() {\n    return 1\n  }\n}\n", 3) == "Cart"


@pytest.mark.parametrize(
    ("quote", "place"),
    [
        ("self.items.append(item)", (3, 1)),
        ("    for item in   self.items:\n      yield item.price", (6, 2)),
        ("+        self.items.append(item)", (3, 1)),
        ("`items.append`", (3, 1)),
        ("def total(self):\n...\n    yield item.price", (5, 1)),
        ("no such code", None),
        ("", None),
        ("x", None),
    ],
)
def test_quoted_code_is_found_whatever_its_white_space(quote: str, place: tuple[int, int] | None) -> None:
    assert locate(CODE, quote) == place


def test_of_two_places_the_changed_one_is_meant_and_then_the_one_nearest_to_the_hint() -> None:
    text = "x = 1\ny = 2\nx = 1\nz = 3\nx = 1\n"
    assert locate(text, "x = 1", hint=4, prefers=lambda line: line == 1) == (1, 1)
    assert locate(text, "x = 1", hint=5) == (5, 1)


TOLD = {"category": "correctness", "claim": "The total skips the last item.", "evidence": "total([1, 2]) is 1"}


def known(here: Anchor | None = None, **more: Any) -> Known:
    anchors = (("tree", here),) if here is not None else ()
    one = case(id="F1", finding_=finding(**{**TOLD, **more}), trial=more_trial(more), anchors=anchors)
    return Known(case=one, here=here)


def more_trial(more: dict[str, Any]) -> Any:
    return trial(command=more["suggested_check"]) if "suggested_check" in more else None


HERE, THERE = Anchor(path="a.py", line=5, lines=2, symbol="total"), Anchor(path="a.py", line=9, symbol="other")
SAME: dict[str, Any] = {
    "category": "logic",
    "claim": "Iteration stops early: the last item is not in the total.",
    "evidence": "sum",
}
OTHER: dict[str, Any] = {"category": "logic", "claim": "A missing price raises KeyError.", "evidence": "{}"}


@pytest.mark.parametrize(
    ("said", "anchor", "one", "by"),
    [
        (
            {**OTHER, "suggested_check": "pytest  -q a.py"},
            None,
            known(suggested_check="pytest -q a.py"),
            "reproduction",
        ),
        ({**OTHER, "suggested_check": "pytest", "path": "b.py"}, None, known(suggested_check="pytest"), "new"),
        (SAME, Anchor(path="a.py", line=6), known(HERE), "anchor"),
        (OTHER, HERE, known(HERE), "new"),
        ({**SAME, "category": "security"}, Anchor(path="a.py", line=6), known(HERE), "new"),
        ({**SAME, "category": ""}, Anchor(path="a.py", line=6), known(HERE, category=""), "new"),
        (SAME, None, known(), "anchor"),
        ({**SAME, "anchor": "y = 2"}, None, known(), "new"),
        ({**TOLD, "anchor": ""}, None, known(anchor=""), "anchor"),
        ({**SAME, "anchor": ""}, None, known(anchor=""), "new"),
        ({"claim": "The total skips the last item, see total([1, 2])."}, THERE, known(HERE), "new"),
        (
            {"claim": "The total skips the last item: total([1, 2])."},
            Anchor(path="a.py", line=40, symbol="total"),
            known(HERE),
            "symbol",
        ),
    ],
)
def test_the_keys_in_their_order(said: dict[str, Any], anchor: Anchor | None, one: Known, by: str) -> None:
    match = identify(finding(**said), anchor, [one])
    assert (match.by, match.case) == (by, None if by == "new" else "F1")


def test_who_may_be_the_same_is_asked_about_and_who_cannot_is_not() -> None:
    assert identify(finding(**SAME), None, [known(anchor="y")]).ask == ("F1",)
    assert identify(finding(**OTHER), None, [known()]).ask == ()
    vague = finding(category="logic", claim="The total misses the last.", evidence="add three")
    assert identify(vague, None, [known(HERE)]).ask == ("F1",)
    assert identify(vague, THERE, [known(HERE)]).ask == ()


def test_kinds_have_synonyms_and_paths_may_lack_their_front() -> None:
    assert kind_of(finding(category="Correctness")) == kind_of(finding(category="bug")) == "logic"
    assert same_path("src/app/a.py", "app/a.py")
    assert not same_path("src/data.py", "a.py")
    assert not same_path("a.py", "")


def test_names_survive_rewording_and_weigh_more_than_common_words() -> None:
    one = "parse_date returns None for ISO week dates"
    assert similarity(one, "ISO week dates make parse_date return nothing") > 0.4
    assert similarity(one, "the value returns an error for some dates") < 0.3
    assert similarity("", one) == 0.0


def test_of_labelled_pairs_at_most_one_in_twenty_that_differ_is_merged() -> None:
    table: Counter[tuple[str, str]] = pairs(conformance.folder("review"))
    different = {said: table["different", said] for said in ("same", "ask", "new")}
    assert different["same"] <= 0.05 * sum(different.values())
    assert table["same", "same"] + table["same", "ask"] > 0.8 * sum(table["same", said] for said in different)


def test_one_wording_of_a_real_finding_finds_another_among_those_of_its_change() -> None:
    """Without any place to go by, the right one is most often among the three that would be asked about."""
    told = [json.loads(line) for line in (conformance.folder("review") / "reworded.jsonl").read_text().splitlines()]
    right = asked = 0
    for change in {said["pull_request"] for said in told}:
        of_change = [said for said in told if said["pull_request"] == change]
        cases = [
            Known(case=case(id=str(number), finding_=finding(claim=said["finding"], evidence="", anchor="")))
            for number, said in enumerate(of_change)
        ]
        for number, said in enumerate(of_change):
            for variant in said["variants"][:3]:
                match = identify(finding(claim=variant["text"], evidence="", anchor=""), None, cases)
                assert match.case in (None, str(number))
                asked += 1
                right += str(number) in (match.case, *match.ask)
    assert right / asked > 0.8
