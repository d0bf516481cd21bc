"""The tree on a terminal, at more than one width."""

from __future__ import annotations

import io
from datetime import timedelta
from pathlib import Path

import pytest
from rich.console import Console

from captain.cli.live import LiveScreen
from captain.cli.tree import Row, fitted, render
from captain.core.events import BranchSet, CollisionForecast, Recorded, TaskChanged
from captain.reports import RunView
from tests.cli.fakes import outcome_of
from tests.reports.sample import START, first_round, hostile_run, opening, record, second_round, whole_run
from tests.reports.snapshot import assert_matches
from tests.reports.test_escape import hides_something

SNAPSHOTS = Path(__file__).parent / "snapshots"
NOW = START + timedelta(seconds=150)

EARLY = record(*opening()[:5])
AT_WORK = record(*opening(), *first_round(), *second_round()[:2])


def drawn(events: tuple[Recorded, ...], *, width: int, height: int | None = None) -> str:
    console = Console(file=io.StringIO(), width=width, record=True, force_terminal=True)
    console.print(render(RunView.of(events), NOW, height=height))
    return console.export_text()


@pytest.mark.parametrize("width", [80, 50])
@pytest.mark.parametrize(("name", "events"), [("early", EARLY), ("at_work", AT_WORK), ("finished", whole_run())])
def test_the_tree_of_a_run(name: str, events: tuple[Recorded, ...], width: int) -> None:
    assert_matches(drawn(events, width=width), SNAPSHOTS / f"{name}_{width}.txt")


@pytest.mark.parametrize("width", [20, 40, 80, 200])
def test_lines_are_cut_and_never_wrapped(width: int) -> None:
    lines = drawn(whole_run(), width=width).splitlines()

    assert len(lines) == len(drawn(whole_run(), width=400).splitlines())
    assert all(len(line) <= width for line in lines)


def test_hostile_text_is_neither_markup_nor_control() -> None:
    text = drawn(hostile_run(), width=300)

    assert not hides_something(text)
    assert "[bold red]" in text


def test_a_run_without_a_sandbox_says_so_in_the_header() -> None:
    assert "unsandboxed" in drawn(hostile_run(), width=50).splitlines()[1]


def test_a_collision_stands_below_both_tasks_until_there_is_a_result() -> None:
    foreseen = CollisionForecast(tasks=("T1", "T2"), paths=("a.py", "b.py"))
    at_work = (*opening(), TaskChanged(task="T2", state="building"), foreseen)
    text = drawn(record(*at_work), width=120)
    assert "about to collide with T2 in a.py, b.py" in text
    assert "about to collide with T1 in a.py, b.py" in text
    done = record(*at_work, BranchSet(branch="captain/x/result", commit="c" * 40))
    assert "about to collide" not in drawn(done, width=120)


class TestHeight:
    ROWS = (
        Row("done", "triage", ("D1",)),
        Row("done", "T1", ("why",), settled=True),
        Row("broken", "T2", ("why",), settled=True),
        Row("working", "T3", ("doing",)),
    )

    def test_what_fits_is_shown_in_full(self) -> None:
        assert fitted(list(self.ROWS), 8) == list(self.ROWS)

    def test_settled_tasks_lose_their_second_line_first(self) -> None:
        assert [len(row.below) for row in fitted(list(self.ROWS), 6)] == [1, 0, 0, 1]

    def test_then_they_become_one_line_and_what_is_at_work_stays(self) -> None:
        assert [row.text for row in fitted(list(self.ROWS), 5)] == ["2 settled tasks not shown", "triage", "T3"]


def test_a_terminal_without_unicode_gets_plain_symbols() -> None:
    console = Console(file=io.TextIOWrapper(io.BytesIO(), "ascii", errors="strict"), width=80, force_terminal=True)

    console.print(render(RunView.of(AT_WORK), NOW, ascii_only=True), end="")

    console.file.flush()


class TestLive:
    def screen(self, out: io.StringIO) -> LiveScreen:
        return LiveScreen(Console(file=out, width=80, height=30, force_terminal=True, color_system=None))

    def test_the_screen_is_left_with_the_final_tree_and_the_report(self) -> None:
        out, view = io.StringIO(), RunView()
        screen = self.screen(out)

        for recorded in whole_run():
            view.apply(recorded)
            screen.show(recorded, view)
            screen.tick()
        screen.close()
        end_of_live = out.tell()
        screen.finish(outcome_of(whole_run()))

        last = out.getvalue()[end_of_live:]
        assert "\x1b" not in last
        assert last.startswith("Captain: Make `parse_date` accept ISO week dates\n")
        assert "Findings left" in last
        assert last.rstrip().endswith("report: /state/runs/one/report.md")

    def test_closing_twice_gives_the_cursor_back_once(self) -> None:
        out = io.StringIO()
        screen = self.screen(out)
        screen.show(EARLY[0], RunView.of(EARLY))
        screen.tick()

        screen.close()
        screen.close()

        assert out.getvalue().count("\x1b[?25h") == 1

    def test_nothing_is_drawn_before_the_run_is_known(self) -> None:
        out = io.StringIO()
        screen = self.screen(out)

        screen.tick()
        screen.close()

        assert "Captain" not in out.getvalue()

    def test_hostile_text_sends_nothing_of_its_own_to_the_terminal(self) -> None:
        out = io.StringIO()
        screen = self.screen(out)
        screen.close()
        start = out.tell()

        screen.finish(outcome_of(hostile_run()))

        assert "\x1b" not in out.getvalue()[start:]
        assert not hides_something(out.getvalue()[start:])
