"""Which screen a run gets."""

from __future__ import annotations

import re
import sys

import pytest

from captain.cli.history import print_report
from captain.cli.live import LiveScreen
from captain.cli.plain import PlainScreen
from captain.cli.screens import JsonScreen, Screen
from captain.cli.setup import choose_screen
from captain.reports import RunView
from tests.reports.sample import hostile_run
from tests.reports.test_escape import hides_something


def be_a_terminal(monkeypatch: pytest.MonkeyPatch, kind: str = "xterm") -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True)
    monkeypatch.setenv("TERM", kind)
    monkeypatch.setenv("NO_COLOR", "1")


@pytest.mark.parametrize(
    ("as_json", "live", "quiet", "kind"),
    [
        (False, None, False, LiveScreen),
        (False, False, False, PlainScreen),
        (False, None, True, PlainScreen),
        (True, None, False, JsonScreen),
    ],
)
@pytest.mark.usefixtures("capsys")
def test_on_a_terminal_a_run_is_a_tree_unless_asked_otherwise(
    as_json: bool, live: bool | None, quiet: bool, kind: type[Screen], monkeypatch: pytest.MonkeyPatch
) -> None:
    be_a_terminal(monkeypatch)

    assert type(choose_screen(as_json=as_json, live=live, quiet=quiet)) is kind


@pytest.mark.usefixtures("capsys")
def test_a_dumb_terminal_gets_plain_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    be_a_terminal(monkeypatch, "dumb")

    assert type(choose_screen(as_json=False, live=None, quiet=False)) is PlainScreen


@pytest.mark.parametrize(("live", "kind"), [(None, PlainScreen), (True, LiveScreen)])
@pytest.mark.usefixtures("capsys")
def test_a_pipe_gets_plain_lines_unless_a_tree_is_asked_for(live: bool | None, kind: type[Screen]) -> None:
    assert type(choose_screen(as_json=False, live=live, quiet=False)) is kind


def test_a_report_on_a_terminal_is_rendered_and_acts_on_nothing(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    be_a_terminal(monkeypatch)

    print_report(RunView.of(hostile_run()), as_json=False)

    out = re.sub("\x1b\\[[0-9;]*m", "", capsys.readouterr().out)  # rich's own bold and italic
    assert "What was done" in out
    assert "## " not in out
    assert not hides_something(out)
