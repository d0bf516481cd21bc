"""What is asked for while a run goes on, as the plain lines and the tree tell it."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from captain.cli.plain import plain_lines
from captain.cli.tree import DONE, LEFT, WORKING, rows
from captain.core import events as ev
from captain.core.events import Recorded
from captain.core.tasks import Plan, RequestItem, Triage
from captain.reports import RunView
from captain.reports.markdown import to_markdown
from tests.orchestration.test_placing import task

AT = datetime(2026, 1, 1, tzinfo=UTC)
OPENED = ev.RunOpened(
    run="r", request="Mend it", repository="/repo", base="b" * 40, branch="main", crew=(("captain", "m"),), sandbox="s"
)
ADDED = ev.RequestAdded(number=2, request="Let it shout\x1b[31m")
TRIAGED = ev.Triaged(
    triage=Triage(
        kind="change", reason="new", items=(RequestItem(id="R1", text="shout"), RequestItem(id="R2", text="sing"))
    ),
    request=2,
)
PLANNED = ev.PlanAdopted(plan=Plan(summary="one function", tasks=(task("T2", ("/a.py",), ("T1",)),)), request=2)
ANSWERED = ev.RequestEnded(request=3, status="answered", summary="It is four.")
UNCLEAR = ev.RequestEnded(request=4, status="needs_human", summary="How loud?", hint="Answer it.")


def shown(*events: ev.Event) -> tuple[RunView, list[str]]:
    view, lines = RunView(), list[str]()
    for seq, event in enumerate(events, 1):
        recorded = Recorded(seq=seq, at=AT + timedelta(seconds=seq), event=event)
        view.apply(recorded)
        lines += plain_lines(recorded, view)
    return view, lines


def test_it_is_told_in_plain_lines_which_request_is_meant() -> None:
    _, lines = shown(OPENED, ADDED, TRIAGED, PLANNED, ANSWERED, UNCLEAR)
    assert [line.split("s  ", 1)[1] for line in lines[3:]] == [
        "request 2 came in: Let it shout\\x1b[31m",
        "request 2: triage change: new",
        "R1  wanted: shout",
        "R2  wanted: sing",
        "request 2: plan of 1 task: one function",
        "T2  planned (after T1): T2",
        "request 3 answered: It is four.",
        "request 4 needs human: How loud?",
    ]


def test_the_tree_has_a_row_for_each() -> None:
    added = ev.RequestAdded(number=5, request="And sing")
    view, _ = shown(OPENED, ADDED, TRIAGED, PLANNED, ANSWERED, UNCLEAR, added)
    found = {row.text: row.look for row in rows(view, AT) if row.text.startswith("request")}
    assert list(found.values()) == [DONE, DONE, LEFT, WORKING]
    assert [text.split(":")[0] for text in found] == [
        "request 2, 1 task",
        "request 3, answered",
        "request 4, needs human",
        "request 5, not taken up yet",
    ]


def test_the_report_says_what_became_of_each() -> None:
    report = to_markdown(shown(OPENED, ADDED, TRIAGED, PLANNED, ANSWERED, UNCLEAR)[0])
    section = report.split("## Asked for meanwhile\n\n")[1].split("\n## ")[0]
    assert section.startswith("### Request 2: 1 task\n\n> Let it shout")
    assert "- Tasks: T2 (on T1)\n- **not covered** R1: shout\n- **not covered** R2: sing" in section
    assert "### Request 4: needs human\n" in section
    assert section.rstrip().endswith("- Outcome: How loud?\n- Next: Answer it.")


def test_what_was_open_is_open_again_when_the_run_is_resumed() -> None:
    view, _ = shown(OPENED, ADDED, ev.RequestEnded(request=2, status="needs_human", summary="How loud?"))
    view.apply(Recorded(seq=9, at=AT, event=ev.RunResumed(crew=(("captain", "m"),), sandbox="s")))
    assert view.added[0].ended is None
