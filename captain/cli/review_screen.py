"""What `captain review` says while it works, and at its end."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from captain.cli.screens import whisper
from captain.cli.step_lines import step_lines
from captain.core.loop_events import LoopEvent, LoopStarted
from captain.reports import words
from captain.reports.escape import one_line
from captain.reports.files import MARKDOWN
from captain.reports.marks import shell
from captain.reports.rounds import RoundReader

if TYPE_CHECKING:
    from captain.cli.review_work import Reviewed


@dataclass(slots=True)
class Progress:
    """Short lines on standard output, one of them for every round; `silent` where that is for the result alone."""

    silent: bool
    reader: RoundReader = field(default_factory=RoundReader)

    async def hear(self, event: LoopEvent) -> None:
        figures = self.reader.hear(event)
        if self.silent:
            return
        if isinstance(event, LoopStarted):
            print(f"reviewing {words.commit(event.start)}, compared with {words.commit(event.base)}", flush=True)
        for line in step_lines(event, self.reader.state):
            print(line, flush=True)
        if figures is not None:
            print(one_line(figures.told()), flush=True)

    def note(self, sentence: str) -> None:
        if not self.silent:
            print(f"notice: {one_line(sentence)}", flush=True)


def closing_lines(done: Reviewed, repository: str, branch: str | None) -> list[str]:
    """The verdict, what is left, where the result is, and how to look at it and to take it over."""
    report = done.report
    lines = [f"{words.verdict(report.verdict)}: {one_line(report.conclusion.reason)}"]
    if report.commit != report.start:
        where = branch or report.ref
        lines.append(f"result: {one_line(where)}")
        lines.append(f"  {shell('git', '-C', repository, 'diff', f'{words.commit(report.start)}..{where}')}")
        lines.append(f"  {shell('git', '-C', repository, 'merge', '--ff-only', where)}")
    elif branch is not None:
        lines.append(f"no branch was made: {one_line(branch)} would have nothing that HEAD has not")
    if report.residuals:
        severities = words.severities([case.finding for case in report.residuals])
        lines.append(f"left: {words.count(len(report.residuals), 'verified finding')} ({severities})")
    lines.append(f"spent: {_spent(done)}")
    lines.append(f"report: {one_line(str(done.folder / MARKDOWN))}")
    return lines


def _spent(done: Reviewed) -> str:
    time, spend = words.duration(done.elapsed_s), done.meter.total
    if not spend.model_calls:
        return f"{time}, no model call"
    calls = words.count(spend.model_calls, "model call")
    return f"{time}, {calls}, {words.tokens(spend.usage)}, {words.cost(spend)}"


def show_markdown(text: str, *, plain: bool) -> None:
    """Rendered on a terminal, as it is everywhere else."""
    if not plain and sys.stdout.isatty():
        from rich.console import Console
        from rich.markdown import Markdown

        Console().print(Markdown(text, hyperlinks=False))
    else:
        print(text)


def stopping() -> None:
    whisper("Stopping: what is finished is kept. Press Ctrl-C again to leave at once.")
