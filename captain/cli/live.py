"""A run as a tree that keeps itself up to date on a terminal."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Final

from captain.cli.closing import closing_lines
from captain.cli.tree import render
from captain.core.events import Recorded
from captain.reports.escape import one_line
from captain.reports.markdown import to_markdown
from captain.reports.view import RunView

if TYPE_CHECKING:
    from rich.console import Console

    from captain.api import Outcome

REFRESH_S: Final = 0.125
"""Eight times a second; a terminal over a slow line does not keep up with more."""


class LiveScreen:
    """Draws from `tick` only, in the thread of the event loop, which is the one that changes the view."""

    refresh_s: float | None = REFRESH_S

    def __init__(self, console: Console) -> None:
        from rich.live import Live

        self._console = console
        self._view = RunView()
        self._held = False
        self._ascii_only = not (console.encoding or "").lower().startswith("utf")
        self._live = Live(console=console, auto_refresh=False, transient=True, redirect_stdout=False)

    def show(self, recorded: Recorded, view: RunView) -> None:
        self._view = view

    def tick(self) -> None:
        if self._view.opened is not None and not self._held:
            self._live.start()
            tree = render(self._view, datetime.now(UTC), height=self._console.height - 1, ascii_only=self._ascii_only)
            self._live.update(tree, refresh=True)

    def say(self, text: str) -> None:
        self._console.print(one_line(text), markup=False, highlight=False)

    def hold(self, held: bool, /) -> None:
        self._held = held
        if held:
            self._live.stop()

    def close(self) -> None:
        self._live.stop()

    def finish(self, outcome: Outcome) -> None:
        """The whole tree once more, for good, and the report."""
        from rich.markdown import Markdown

        view = outcome.view
        self._console.print(render(view, view.ended_at or datetime.now(UTC), ascii_only=self._ascii_only))
        self._console.print()
        self._console.print(Markdown(to_markdown(view), hyperlinks=False))
        self._console.print()
        for line in closing_lines(outcome):
            self._console.print(line, markup=False, highlight=False, soft_wrap=True)
