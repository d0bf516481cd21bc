"""What is mended together, in which order, side by side or not, and by which rung."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from captain.core.cases import Case
from captain.core.findings import Severity
from captain.review.planning import Cluster, clusters, lanes, next_rung
from captain.review.policy import BALANCED, ReviewPolicy, Tally
from tests.review.cases import DECLINED, FAILED, case, finding, trial


def at(path: str, name: str, severity: Severity = "major", **more: Any) -> Case:
    return case(severity, id=name, finding_=finding(severity, path=path), status="open", **more)


def planned(*cases: Case, tally: Tally = Tally(), bound: tuple[frozenset[str], ...] = ()) -> list[tuple[str, ...]]:
    return [cluster.cases for cluster in clusters(cases, BALANCED, tally, bound)]


def test_every_case_is_a_commit_of_its_own_and_the_heaviest_comes_first() -> None:
    found = planned(at("a.py", "A", "minor"), at("a.py", "B", "critical"), at("b.py", "C"), at("b.py", "D"))
    assert found == [("B",), ("C",), ("D",), ("A",)]


def test_what_one_failing_check_shows_is_mended_at_once_until_that_fails() -> None:
    one, two = at("a.py", "A", trial=trial()), at("b.py", "B", trial=trial())
    assert planned(one, two) == [("A", "B")]
    assert planned(replace(one, attempts=(FAILED,)), replace(two, attempts=(FAILED,))) == [("A",), ("B",)]


def test_minor_findings_of_a_file_go_together_only_while_fixes_are_calm() -> None:
    minors = (at("a.py", "A", "minor"), at("a.py", "B", "minor"), at("b.py", "C", "minor"))
    assert len(planned(*minors)) == 3
    assert planned(*minors, tally=Tally(gated=10, accepted=10)) == [("A", "B"), ("C",)]
    assert len(planned(*minors, tally=Tally(gated=10, accepted=10, by_products=1))) == 3


def test_cases_that_broke_each_other_are_bound_also_if_one_of_them_is_fixed_now() -> None:
    open_, fixed = at("a.py", "A"), replace(at("b.py", "B"), status="fixed")
    (cluster,) = clusters((open_, fixed), BALANCED, Tally(), (frozenset({"A", "B"}),))
    assert cluster == Cluster(cases=("A", "B"), bound=True)


def test_only_what_waits_is_planned() -> None:
    assert planned(replace(at("a.py", "A"), status="recorded"), replace(at("a.py", "B"), status="reopened")) == [("B",)]


def side_by_side(*cases: Case, policy: ReviewPolicy = BALANCED) -> list[list[tuple[str, ...]]]:
    made = lanes(clusters(cases, policy, Tally()), {one.id: one for one in cases}, policy)
    return [[cluster.cases for cluster in lane] for lane in made]


def test_disjoint_files_go_side_by_side_and_one_file_one_after_the_other_by_weight() -> None:
    found = side_by_side(at("a.py", "A", "minor"), at("b.py", "B"), at("a.py", "C", "critical"))
    assert found == [[("C",), ("A",)], [("B",)]]


def test_a_cluster_over_two_files_joins_their_lanes() -> None:
    found = side_by_side(
        at("a.py", "A"), at("b.py", "B"), at("a.py", "C", trial=trial()), at("b.py", "D", trial=trial())
    )
    assert found == [[("A",), ("B",), ("C", "D")]]


def test_a_case_about_the_change_as_a_whole_leaves_one_lane() -> None:
    assert len(side_by_side(at("a.py", "A"), at("", "B"), at("c.py", "C"))) == 1


def test_there_are_no_more_lanes_than_allowed_and_none_is_lost() -> None:
    cases = [at(f"{name}.py", name) for name in "ABCDEF"]
    found = side_by_side(*cases, policy=ReviewPolicy(max_lanes=2))
    assert len(found) == 2
    assert sorted(name for lane in found for (name,) in lane) == list("ABCDEF")


@pytest.mark.parametrize(
    ("severity", "attempts", "rung"),
    [
        ("major", (), "first"),
        ("major", (FAILED,), "fresh"),
        ("major", (FAILED, FAILED), "advisor"),
        ("minor", (FAILED, FAILED), "fresh"),
        ("major", (FAILED,) * 3, "own_task"),
        ("critical", (FAILED,) * 3, "person"),
        ("major", (DECLINED, DECLINED), "own_task"),
        ("critical", (DECLINED, FAILED), "advisor"),
    ],
)
def test_the_ladder(severity: Severity, attempts: tuple[Any, ...], rung: str) -> None:
    assert next_rung(case(severity, attempts=attempts), BALANCED) == rung
