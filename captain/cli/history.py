"""Runs of the past: their list, and their reports made anew from the record."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from captain.reports import words
from captain.reports.escape import one_line
from captain.reports.jsonable import to_json
from captain.reports.markdown import to_markdown
from captain.reports.view import RunView

if TYPE_CHECKING:
    from captain.runs import StoredRun


def list_runs(runs: tuple[StoredRun, ...], *, width: int | None) -> list[str]:
    """One line per run in aligned columns, cut to `width` where one is given."""
    table = [_row(run) for run in runs]
    widths = [max(len(row[column]) for row in table) for column in range(3)] if table else []
    lines = []
    for row in table:
        fixed = "  ".join(cell.ljust(size) for cell, size in zip(row, widths, strict=False))
        lines.append(one_cut(f"{fixed}  {row[3]}", width))
    return lines


def one_cut(line: str, width: int | None) -> str:
    return line if width is None or len(line) <= width else line[: width - 1] + "…"


def terminal_width() -> int | None:
    """None when standard output is no terminal: what is read by a program is not cut."""
    return shutil.get_terminal_size().columns if sys.stdout.isatty() else None


def _row(run: StoredRun) -> tuple[str, str, str, str]:
    view = RunView.of(run.events())
    when = f"{view.started_at:%Y-%m-%d %H:%M} UTC" if view.started_at else ""
    branch = f"  [{one_line(view.result.branch)}]" if view.result else ""
    return one_line(run.id), _state(run, view), when, one_line(view.request, 200) + branch


def _state(run: StoredRun, view: RunView) -> str:
    if view.status is not None:
        return words.verdict(view.status)
    return "going on" if run.alive else "interrupted"


def facts(run: StoredRun) -> dict[str, object]:
    """Of one run for other programs, with stable names."""
    view = RunView.of(run.events())
    return {
        "run": run.id,
        "state": view.status or _state(run, view).replace(" ", "_"),
        "request": view.request,
        "repository": view.repository,
        "started_at": view.started_at,
        "ended_at": view.ended_at,
        "result_branch": view.result.branch if view.result else None,
    }


def lacking_base(run: StoredRun, git_dir: Path) -> str:
    """A notice, if the commit that the run started from is not in the repository."""
    import anyio

    from captain.workspace.git import Git

    base = RunView.of(run.events()).base
    if not base:
        return ""
    args = ("cat-file", "-e", "--end-of-options", f"{base}^{{commit}}")
    if anyio.run(lambda: Git(git_dir=git_dir).attempt(*args)).exit_code == 0:
        return ""
    return f"notice: the commit it started from, {one_line(base)}, is not in this repository; it can be read, no more"


def print_report(view: RunView, *, as_json: bool) -> None:
    """Rendered on a terminal, as it is everywhere else."""
    if as_json:
        print(to_json(view), end="")
    elif sys.stdout.isatty():
        from rich.console import Console
        from rich.markdown import Markdown

        Console().print(Markdown(to_markdown(view), hyperlinks=False))
    else:
        print(to_markdown(view), end="")


def git_dir_of(path: Path) -> Path:
    """The git directory that all work trees of the repository `path` is in share. Raises `UsageError`."""
    import anyio

    from captain.workspace import Repository

    return anyio.run(Repository.open, path).common_dir
