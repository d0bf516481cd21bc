"""A request is read mechanically: what it asks for, what is only background, and which files it names."""

from __future__ import annotations

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from captain.core.tasks import Criterion, Plan, RequestItem, Scope, Task, Triage
from captain.orchestration.items import answer_problems, coverage_problems, item_problems, items_of
from captain.orchestration.request import PartKind, missing_files, parts_of, words_of

LIST = """\
Hi!

The exporter needs work. Please do the following:

- add a `--json` flag
  that also works with --all
* the cache is never cleared
1. write docs (e.g. in docs/a.md)

```
Traceback. It is long.
```

> quoted. words.

# A heading
Why does it take a minute? Thanks!
"""


def read(request: str) -> list[tuple[str, PartKind]]:
    return [(part.text, part.kind) for part in parts_of(request)]


@pytest.mark.parametrize(
    ("request_", "parts"),
    [
        ("Mend it", [("Mend it", "order")]),
        ("Please make `parse_date` accept week dates.", [("Please make `parse_date` accept week dates.", "order")]),
        ("Could you add a flag?", [("Could you add a flag?", "order")]),
        ("Should I add a flag?", [("Should I add a flag?", "question")]),
        ("I'd like you to rename it.", [("I'd like you to rename it.", "order")]),
        ("The parser should accept weeks.", [("The parser should accept weeks.", "order")]),
        ("A cent is lost. Dates drift.", [("A cent is lost.", "statement"), ("Dates drift.", "statement")]),
        ("Tell me how it works", [("Tell me how it works", "telling")]),
        ("Typos. (#17)", [("Typos.", "statement")]),
        ("Why? Fix it.", [("Why?", "question"), ("Fix it.", "order")]),
        (
            "Add a flag, rename `a` to `b`, and then update the docs.",
            [("Add a flag", "order"), ("rename `a` to `b`", "order"), ("update the docs.", "order")],
        ),
        ("Explain the bug and fix it", [("Explain the bug", "telling"), ("fix it", "order")]),
        ("Make salt, pepper and oil optional", [("Make salt, pepper and oil optional", "order")]),
        ("Use v1.25 and a.b.c in e.g. two places", [("Use v1.25 and a.b.c in e.g. two places", "order")]),
        ("Don't swallow errors\nCo-authored-by: A <a@b.c>", [("Don't swallow errors", "order")]),
        ("Thanks!", [("Thanks!", "statement")]),  # a request that is nothing else is one part
    ],
)
def test_a_request_is_split_into_what_it_asks_for(request_: str, parts: list[tuple[str, PartKind]]) -> None:
    assert read(request_) == parts


def test_bullets_are_parts_and_code_quotations_headings_and_politeness_are_none() -> None:
    assert read(LIST) == [
        ("The exporter needs work.", "statement"),
        ("add a `--json` flag that also works with --all", "order"),
        ("the cache is never cleared", "point"),
        ("write docs (e.g. in docs/a.md)", "order"),
        ("Why does it take a minute?", "question"),
    ]
    assert read("Do:\n- a\n- b") == [("a", "point"), ("b", "point")]


@given(request=st.text(max_size=200))
def test_the_words_of_the_parts_stand_in_the_request_where_they_say(request: str) -> None:
    words = words_of(request)
    parts = parts_of(request)
    assert [words[part.first : part.last + 1] for part in parts] == [words_of(part.text) for part in parts]
    assert bool(parts) == bool(words)
    assert all(one.last < other.first for one, other in pairwise(parts))


@given(request=st.text(max_size=200))
def test_the_parts_themselves_are_always_items_that_leave_nothing_out(request: str) -> None:
    assert item_problems(request, items_of(request)) == ()


FILES = ("quay/money.py", "docs/a.md", "Makefile", "src/app/main.ts")


@pytest.mark.parametrize(
    ("request_", "missing"),
    [
        ("Fix `gone.py`", ("gone.py",)),
        ("Fix src/gone.py and `quay/money.py`", ("src/gone.py",)),
        ("Fix `money.py` and app/main.ts and `quay/`", ()),
        ("Rename `os.path` and `Ship.sail`", ()),
        ("Add `docs/new.md`", ()),
        ("Save the totals to a new file docs/totals.csv", ()),
        ("See https://example.org/a/b.html and /etc/hosts.conf and ~/x.toml", ()),
        ("Why does 1/2.5 fail and and/or work?", ()),
        ("`../other/x.py` is wrong", ()),
        ("Read `a.py b.py`", ()),
        ("Use gopkg.in/yaml.v2 and $HOME/x.yaml", ()),
    ],
)
def test_files_that_are_named_and_are_not_there_are_found(request_: str, missing: tuple[str, ...]) -> None:
    assert missing_files(request_, FILES) == missing


def item(id_: str, text: str, *, context: bool = False, declined: str = "") -> RequestItem:
    return RequestItem(id=id_, text=text, context=context, declined=declined)


TWO = "Bookings clash for no reason today. Splitting an invoice loses a cent. Since Monday, by the way."
BACKGROUND = item("R3", "Since Monday, by the way", context=True)


@pytest.mark.parametrize(
    ("items", "says"),
    [
        ((item("R1", "bookings clash for no reason"), item("R2", "SPLITTING  an invoice"), BACKGROUND), None),
        ((item("R1", "Bookings clash for no reason"), BACKGROUND), "no item mentions 'Splitting an invoice"),
        ((item("R1", "Boats sink"), item("R2", "Splitting an invoice"), BACKGROUND), "R1 is to quote the request"),
        ((item("R1", ""), item("R2", "Splitting an invoice"), BACKGROUND), "R1 is to quote the request"),
        (
            (item("R1", "Bookings clash for"), item("R1", "Splitting an invoice"), BACKGROUND),
            "'R1' of an item is used 2",
        ),
        ((item("R1", "Bookings … way", context=True),), "all items are context"),
        ((item("R1", "Bookings clash for … loses a cent"), BACKGROUND), None),
    ],
)
def test_items_quote_the_request_and_leave_no_part_of_it_out(items: tuple[RequestItem, ...], says: str | None) -> None:
    found = [broken.how for broken in item_problems(TWO, items)]
    assert found == [] if says is None else any(says in how for how in found), found


def test_what_is_asked_for_apart_is_not_one_item() -> None:
    asked = "- add a flag\n- clear the cache"
    (problem,) = item_problems(asked, (item("R1", "add a flag … clear the cache"),))
    assert problem.how == (
        "R1 takes together what is asked for apart: 'add a flag', 'clear the cache'; make an item of each"
    )
    assert item_problems("Add a flag and clear the cache", (item("R1", "Add a flag and clear the cache"),)) == ()


def test_a_quotation_is_of_what_it_fills_best() -> None:
    asked = "- Add a flag now\n- Add a flag now to the docs\n- Add a flag now"
    said_twice = items_of(asked)
    assert [each.text for each in said_twice] == ["Add a flag now", "Add a flag now to the docs"]
    assert item_problems(asked, said_twice) == ()
    (problem,) = item_problems(asked, said_twice[:1])
    assert problem.how.startswith("no item mentions 'Add a flag now to the docs'")


def test_dots_of_the_request_itself_are_no_gap() -> None:
    assert item_problems("Deprecate app=... for 1...2", (item("R1", "Deprecate app=... for 1...2"),)) == ()


def task(*covers: tuple[str, ...]) -> Task:
    criteria = tuple(
        Criterion(id=f"T1.{number}", text="It holds.", evidence="e", covers=each)
        for number, each in enumerate(covers, 1)
    )
    return Task(id="T1", title="t", kind="change", brief="b", scope=Scope(paths=("a",)), criteria=criteria, checks=())


ITEMS = (item("R1", "one"), item("R2", "two"), item("R3", "three", context=True), item("R4", "4", declined="too much"))


@pytest.mark.parametrize(
    ("plan", "says"),
    [
        (Plan(summary="", tasks=(task(("R1",), ("R2", "R1")),)), ()),
        (Plan(summary="", tasks=(task(("R1",)),), declined=(("R2", "No need."),)), ()),
        (Plan(summary="", tasks=(task(("R1",)),)), ("nothing covers R2",)),
        (Plan(summary="", tasks=(task(("R1",)),), declined=(("R2", " "),)), ("R2 is declined without a reason",)),
        (Plan(summary="", tasks=(task(("R1", "R2")),), declined=(("R9", "x"),)), ("'R9' is declined, and is no item",)),
        (Plan(summary="", tasks=(task(("R1", "R2"), ()),)), ("nothing asks for T1.2",)),
        (Plan(summary="", tasks=(task(("R1", "R2"), ("R3",)),)), ("T1.2 covers R3, which is only background",)),
        (Plan(summary="", tasks=(task(("R1", "R2"), ("R4",)),)), ("T1.2 covers R4, which is declined",)),
        (Plan(summary="", tasks=(task(("R1", "R2", "R7")),)), ("T1.1 covers 'R7', which is none of R1, R2",)),
        (
            Plan(summary="", tasks=(task(("R1",)),), declined=(("R1", "x"), ("R2", "x"))),
            ("T1.1 covers R1, which is decl",),
        ),
    ],
)
def test_every_item_is_served_or_declined_and_nothing_else_is_planned(plan: Plan, says: tuple[str, ...]) -> None:
    found = [broken.how for broken in coverage_problems(plan, ITEMS)]
    assert len(found) == len(says)
    assert all(how.startswith(start) for how, start in zip(found, says, strict=True)), found


@pytest.mark.parametrize(
    ("request_", "reply", "items", "says"),
    [
        ("Why is it slow?", "It sorts twice.", (), None),
        ("Explain the cache", "It keeps pages.", (), None),
        ("Fix the cache", "It keeps pages.", (), "'Fix the cache' asks for a change"),
        ("Fix the cache", "I would not.", (item("R1", "Fix the cache", declined="It is right."),), None),
        ("Why is sorting slow? What clears pages?", "Sorting is done twice; pages are never cleared.", (), None),
        ("Why is sorting slow? What clears pages?", "It is done twice.", (), "the reply says nothing on R1"),
    ],
)
def test_a_reply_settles_questions_and_no_orders(
    request_: str, reply: str, items: tuple[RequestItem, ...], says: str | None
) -> None:
    triage = Triage(kind="answer", reason="r", reply=reply, items=items)
    found = [broken.how for broken in answer_problems(request_, triage)]
    assert found == [] if says is None else found[0].startswith(says), found
