"""A plan is adopted only when every rule holds, and a refusal says what to do."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from captain.core.tasks import Check, Diagnosis, Location, Plan, Scope, Task, Triage
from captain.orchestration.placing import ancestors
from captain.orchestration.plan import ProposedCriterion, ProposedTask, as_plan, plan_problems

FILES = ("README.md", "src/a.py", "src/b.py", "tests/test_a.py", "lib/src/old.py", "docs/README.md", "docs/index.md")
CHANGE = Triage(kind="change", reason="r")
FIX = Triage(
    kind="fix",
    reason="r",
    diagnoses=(
        Diagnosis(id="D1", cause="It subtracts.", locations=(Location(path="src/a.py"),), reproduction="python -c 1"),
        Diagnosis(id="D2", cause="It waits.", locations=(Location(path="src/b.py"),), no_reproduction="a race"),
    ),
)
TESTS = Check(name="tests", command="pytest -q")


def task(id_: str = "T1", *paths: str, **more: Any) -> ProposedTask:
    """A task that breaks no rule; `more` replaces any field."""
    fields: dict[str, Any] = {
        "title": f"Title of {id_}",
        "kind": "change",
        "brief": "Do it.",
        "paths": paths or (f"src/{id_.lower()}.py",),
        "criteria": (ProposedCriterion(text="It works.", check="tests"),),
        "checks": (TESTS,),
    }
    return ProposedTask(id=id_, **{**fields, **more})


def plan(*tasks: ProposedTask, triage: Triage = CHANGE) -> Plan:
    return as_plan("A plan.", tasks, triage, FILES)


def problems(*tasks: ProposedTask, triage: Triage = CHANGE) -> tuple[str, ...]:
    return told(plan(*tasks, triage=triage), triage)


def told(made: Plan, triage: Triage = CHANGE) -> tuple[str, ...]:
    return tuple(broken.how for broken in plan_problems(made, triage, FILES))


def fixes(**more: Any) -> tuple[ProposedTask, ProposedTask]:
    """One task for each diagnosis; `more` replaces fields of the first."""
    return (
        task("T1", "src/a.py", **{"kind": "fix", "diagnosis": "D1", **more}),
        task("T2", "src/b.py", kind="fix", diagnosis="D2"),
    )


def test_a_plan_that_keeps_the_rules_has_no_problems() -> None:
    assert problems(task("T1"), task("T2"), task("T3", depends_on=("T1", "T2"))) == ()
    assert problems(*fixes(), triage=FIX) == ()


def criterion(**more: Any) -> tuple[ProposedCriterion, ...]:
    return (ProposedCriterion(text="It works.", **more),)


@pytest.mark.parametrize(
    ("tasks", "says"),
    [
        ((), "the plan has no task"),
        ((task("T1"), task("T1"), task("T1")), "the id 'T1' is used 3 times"),
        ((task("T1", depends_on=("T9",)),), "T1 depends on 'T9', which is no task"),
        ((task("T1", depends_on=("T1",)),), "in a circle: T1 → T1"),
        ((task("T1", depends_on=("T2",)), task("T2", depends_on=("T1",))), "in a circle: "),
        ((task("T1", brief=" \n"),), "T1 has no brief"),
        ((task("T1", kind="investigate"),), "T1 delegates an investigation"),
        ((task("T1", criteria=()),), "T1 has no criterion"),
        ((task("T1", criteria=criterion()),), "T1.1 cannot be proved"),
        ((task("T1", criteria=criterion(check="", evidence="")),), "T1.1 cannot be proved"),
        ((task("T1", criteria=criterion(check="lint")),), "T1.1 names the check 'lint', which T1 does not have"),
        ((task("T1", checks=(TESTS, TESTS)),), "T1 has 2 checks named 'tests'"),
        ((task("T1", checks=(Check(name="tests", command=" "),)),), "the check 'tests' of T1 has no command"),
        ((task("T1", paths=()),), "T1: the scope names no path that may change"),
        ((task("T1", "!src/a.py"),), "T1: the scope names no path that may change"),
        ((task("T1", "../other/"),), "T1: the scope pattern '../other/' leads out of the repository"),
        ((task("T1", forbid=("..",)),), "leads out of the repository"),
        ((task("T1", "src/**/"),), "write 'src/'"),
        ((task("T1", diagnosis="D9"),), "T1 rests on the diagnosis 'D9', which was not handed in"),
        ((task("T1", kind="fix"),), "T1 is a fix without a diagnosis"),
        ((task("T1", "src/a.py"), task("T2", "src/a.py")), "T1 and T2 could both change 'src/a.py'"),
        ((task("T1", "src/"), task("T2", "src/b.py")), "T1 and T2 could both change 'src/b.py'"),
        ((task("T1", "src/new/"), task("T2", "src/new/x.py")), "T1 and T2 could both change"),
        ((task("T1", "*.md"), task("T2", "docs/")), "T1 and T2 could both change 'docs/README.md'"),
    ],
)
def test_a_plan_that_breaks_a_rule_is_told_which(tasks: tuple[ProposedTask, ...], says: str) -> None:
    found = problems(*tasks)
    assert any(says in problem for problem in found), found


@pytest.mark.parametrize("id_", ["", " ", "T 1", "T/1", "../T", "T.1", "Ä1", "T1\n", "T1~", "@{"])
def test_an_id_that_does_not_fit_in_a_ref_is_refused(id_: str) -> None:
    assert any("has to consist of letters" in problem for problem in problems(task(id_, "src/a.py")))


def test_all_problems_are_told_at_once() -> None:
    found = problems(task("T1", brief="", criteria=()), task("T 2", kind="investigate"))
    assert len(found) == 4


def test_every_diagnosis_has_to_be_worked_on() -> None:
    (first, _) = fixes()
    assert problems(first, triage=FIX) == ("no task rests on the diagnosis D2",)


def test_a_fix_that_reaches_no_file_is_refused_and_one_that_reaches_another_file_is_not() -> None:
    found = problems(*fixes(paths=("nowhere/*.py",)), triage=FIX)
    assert found == (
        "T1 may change nowhere/*.py, which no file matches, and the cause of D1 is in src/a.py: name what is to change",
    )
    assert problems(*fixes(paths=("docs/index.md",)), triage=FIX) == ()


def test_a_diagnosis_of_another_run_does_not_make_a_fix() -> None:
    found = problems(*fixes(diagnosis="D7"), triage=FIX)
    assert found == ("T1 rests on the diagnosis 'D7', which was not handed in",)


def test_stacked_tasks_may_overlap_also_over_several_steps() -> None:
    stacked = (task("T1", "src/"), task("T2", "docs/", depends_on=("T1",)), task("T3", "src/", depends_on=("T2",)))
    assert problems(*stacked) == ()
    siblings = (task("T1", "src/"), task("T2", "docs/", depends_on=("T1",)), task("T3", "docs/", depends_on=("T1",)))
    assert problems(*siblings) == (
        "T2 and T3 could both change 'docs/README.md' at the same time: "
        "make their scopes disjoint, or let one depend on the other",
    )


@pytest.mark.parametrize(
    ("pattern", "means"),
    [
        ("src/", "/src/"),  # not lib/src/
        ("README.md", "/README.md"),  # not docs/README.md
        ("NEWS.md", "/NEWS.md"),  # to be made, at the root
        ("old.py", "old.py"),  # there is none at the root
        ("new/", "new/"),
        ("/src/", "/src/"),
        ("src/a.py", "src/a.py"),
        ("*.md", "*.md"),
        ("!src/", "!src/"),
        ("[ab]/", "[ab]/"),
        ("src/**", "src/**"),
    ],
)
def test_a_name_at_the_root_means_the_one_at_the_root(pattern: str, means: str) -> None:
    (made,) = plan(task("T1", pattern)).tasks
    assert made.scope.paths == (means,)


def test_what_is_forbidden_is_not_narrowed() -> None:
    (made,) = plan(task("T1", "lib/", forbid=("src/",))).tasks
    assert made.scope.forbid == ("src/",)


def test_folders_of_the_same_name_at_different_depths_do_not_meet_once_anchored() -> None:
    assert problems(task("T1", "src/"), task("T2", "lib/src/")) == ()


def test_the_reproduction_of_a_fix_becomes_its_check_and_its_criterion() -> None:
    first, second = plan(*fixes(), triage=FIX).tasks
    assert first.checks == (TESTS, Check(name="reproduction-D1", command="python -c 1"))
    assert (first.criteria[-1].id, first.criteria[-1].check) == ("T1.2", "reproduction-D1")
    assert first.brief == "Do it.\n\nRoot cause (D1): It subtracts."
    assert second.checks == (TESTS,)
    assert "Root cause (D2): It waits." in second.brief


def test_a_fix_needs_no_other_proof_than_its_reproduction() -> None:
    assert problems(*fixes(criteria=(), checks=()), triage=FIX) == ()


def test_a_check_of_the_plan_cannot_take_the_place_of_the_reproduction() -> None:
    fake = Check(name="reproduction-D1", command="true")
    assert "T1 has 2 checks named 'reproduction-D1'" in problems(*fixes(checks=(TESTS, fake)), triage=FIX)


def test_the_limits_of_a_proposal_become_those_of_its_scope() -> None:
    limits: dict[str, Any] = {"protect": ("src/core/", "!AGENTS.md"), "symbols": ("f",), "kinds": ("edit", "binary")}
    (made,) = plan(task("T1", "src/a.py", max_files=3, max_lines=0, **limits)).tasks
    assert made.scope == Scope(
        paths=("src/a.py",), protect=("src/core/",), symbols=("f",), max_files=3, kinds=("edit", "binary")
    )
    assert plan(task("T1", kinds=())).tasks[0].scope.kinds == ("add", "edit", "delete")


def test_a_scope_that_allows_nothing_is_refused() -> None:
    assert problems(task("T1", "src/a.py", forbid=("src/",))) == (
        "T1: the scope forbids all that it allows: forbid covers every pattern in paths",
    )
    assert problems(task("T1", kinds=("binary",)))[0].startswith("T1: the scope grants neither 'add' nor")


def test_criteria_are_numbered_within_their_task() -> None:
    both = (ProposedCriterion(text="a", check="tests"), ProposedCriterion(text="b", evidence="the docs"))
    (made,) = plan(task("T7", criteria=both)).tasks
    assert [(each.id, each.check, each.evidence) for each in made.criteria] == [
        ("T7.1", "tests", None),
        ("T7.2", None, "the docs"),
    ]


NAMES = [f"T{number}" for number in range(6)]


@settings(deadline=None)
@given(edges=st.sets(st.tuples(st.sampled_from(NAMES), st.sampled_from(NAMES)), max_size=12))
def test_a_circle_is_always_seen_and_nothing_else_is_taken_for_one(edges: set[tuple[str, str]]) -> None:
    parents = {name: tuple(sorted(to for start, to in edges if start == name)) for name in NAMES}
    found = problems(*(task(name, depends_on=parents[name]) for name in NAMES))
    reach = {name: set(parents[name]) for name in NAMES}
    for _ in NAMES:
        for name in NAMES:
            reach[name] |= {further for near in reach[name] for further in reach[near]}
    circular = any(name in reach[name] for name in NAMES)
    assert any("in a circle" in problem for problem in found) is circular
    if not circular:
        assert found == ()
        made = plan(*(task(name, depends_on=parents[name]) for name in NAMES))
        assert {name: set(above) for name, above in ancestors(made.tasks).items()} == reach


def test_a_task_that_is_already_a_value_is_judged_by_the_same_rules() -> None:
    (made,) = plan(task("T1")).tasks
    broken: Task = replace(made, kind="fix")
    assert told(Plan(summary="s", tasks=(broken,))) == ("T1 is a fix without a diagnosis; name the one it rests on",)
