"""A plan as a file: what is written is read back as it was, and what cannot be read is said with its line and key."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from captain.cli.planfile import read_plan, write_plan
from captain.core.errors import UsageError
from captain.core.tasks import Check, Criterion, Plan, RequestItem, Scope, Task

ODD = 'a "b" \\ \'c\' """ é 船\x7f\x00\ttab'


def task(**more: object) -> Task:
    fields: dict[str, object] = {
        "id": "T1",
        "title": "Mend add",
        "kind": "fix",
        "brief": "Make it add.\n\nRoot cause (D1): it subtracts.\n",
        "scope": Scope(paths=("/calc.py", "tests/"), forbid=("tests/old/",), symbols=("add",), max_lines=20),
        "criteria": (
            Criterion(id="T1.1", text="It adds.", check="tests", covers=("R1",)),
            Criterion(id="T1.2", text="It reads.", evidence="the docstring", covers=("R1", "R2")),
        ),
        "checks": (Check(name="tests", command="make test"),),
        "diagnosis": "D1",
    }
    return Task(**{**fields, **more})  # type: ignore[arg-type]


PLAN = Plan(
    summary="Two tasks",
    tasks=(task(), task(id="T2", kind="change", diagnosis=None, depends_on=("T1",), brief="b")),
    declined=(("R3", "Not now."),),
)


def test_a_plan_comes_back_as_it_was_written() -> None:
    assert read_plan(write_plan(PLAN)) == PLAN


@given(text=st.text(alphabet=st.characters(codec="utf-8"), max_size=80))
def test_any_text_comes_back_as_it_was(text: str) -> None:
    made = Plan(
        summary=text,
        tasks=(task(title=text, brief=text, checks=(Check(name=text, command=text),)),),
        declined=((text, text),),
    )
    assert read_plan(write_plan(made, (RequestItem(id="R1", text=text),), (text,))) == made


def test_the_comments_say_what_is_what_and_what_was_wrong() -> None:
    written = write_plan(PLAN, (RequestItem(id="R1", text="Mend\nadd"),), ("T1 has no\ncriterion",))
    lines = written.splitlines()
    assert lines[:2] == ["# Not taken:", "#   T1 has no criterion"]
    assert "#   R1  Mend add" in lines
    assert read_plan(written) == PLAN


def line_of(written: str, start: str) -> int:
    return next(number for number, line in enumerate(written.splitlines(), 1) if line.startswith(start))


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ('title = "Mend add"', 'titel = "Mend add"', "task has a key 'titel' that no plan has; did you mean 'title'?"),
        ('kind = "fix"', 'kind = "repair"', "task 1 kind: input should be 'fix', 'change' or 'investigate'"),
        ("max_lines = 20", 'max_lines = "few"', "task 1 scope max_lines: input should be a valid integer"),
        ('title = "Mend add"\n', "", "task 1 title: field required"),
        ('covers = ["R1"]', 'covers = "R1"', "task 1 criterion 1 covers: input should be a valid array"),
        ("[[task.check]]", "[task.check]", "check is not a list of tables; write [[task.check]] above each"),
        ('covers = ["R1", "R2"]', "covers = 2", "task 1 criterion 2 covers: input should be a valid array"),
        (
            'evidence = "the docstring"',
            'evidenec = "e"',
            "criterion has a key 'evidenec' that no plan has",
        ),
        ('summary = "Two tasks"', "", "summary: input should be a valid string"),
    ],
)
def test_what_does_not_fit_is_said_with_its_line_and_key(old: str, new: str, says: str) -> None:
    written = write_plan(PLAN).replace(old, new, 1)
    if old == "[[task.check]]":
        written = written.replace("[[task.check]]", "[task.check]")
    with pytest.raises(UsageError) as caught:
        read_plan(written)
    assert says in str(caught.value)
    if new and "check" not in new:
        assert f"line {line_of(written, new)}" in str(caught.value)
    assert caught.value.hint


def test_a_slip_in_the_toml_is_said_with_the_line_as_it_stands() -> None:
    written = write_plan(PLAN).replace('kind = "fix"', 'kind = "fix', 1)
    with pytest.raises(UsageError, match=f"not valid TOML: .*line {line_of(written, 'kind')}") as caught:
        read_plan(written)
    assert caught.value.hint == 'That line is: kind = "fix'
