"""`captain runs`: the runs on record, listed, shown, forgotten, carried away and taken in."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer

from captain.cli import flags

app = typer.Typer(name="runs", help="List the runs on record; show, forget, export or import them.")

_Run = Annotated[str, typer.Argument(metavar="RUN", help="The id of a run, or its beginning.")]
_Everywhere = Annotated[bool, typer.Option("--all", help="Runs of all repositories.")]


@app.callback(invoke_without_command=True)
def runs(
    context: typer.Context,
    *,
    repo: flags.Repo = Path(),
    everywhere: _Everywhere = False,
    state_dir: flags.StateDir = None,
) -> None:
    """List the runs on record, newest first; or one of the commands below."""
    if context.invoked_subcommand is None:
        _list(repo, everywhere, state_dir)


@app.command("list")
def list_(*, repo: flags.Repo = Path(), everywhere: _Everywhere = False, state_dir: flags.StateDir = None) -> None:
    """List the runs on record, newest first."""
    _list(repo, everywhere, state_dir)


@app.command()
def show(run: _Run, *, state_dir: flags.StateDir = None) -> None:
    """Say what is on record of a run: its state, its steps, and what had begun and has no outcome."""
    from captain.cli import history
    from captain.reports.escape import one_line
    from captain.runs import default_state_dir, find_run

    found = find_run(state_dir or default_state_dir(), run)
    print(history.list_runs((found,), width=None)[0])
    facts = found.facts()
    print(f"entries: {facts.entries}, of these {facts.events} events; finished steps: {facts.finished}")
    if (holder := found.project.holder(found.id)) is not None:
        print(f"carried by {one_line(str(holder))}")
    for path, effect in facts.unfinished:
        print(f"unfinished: {one_line(path)} ({effect})")


@app.command()
def gc(
    *,
    repo: flags.Repo = Path(),
    everywhere: _Everywhere = False,
    older_than_days: Annotated[
        int, typer.Option("--older-than-days", metavar="N", min=0, help="Only runs that ended so long ago.")
    ] = 30,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would go, and remove nothing.")] = False,
    state_dir: flags.StateDir = None,
) -> None:
    """Forget runs that are over: their records. Their refs, reports and copies stay."""
    from captain.cli import history
    from captain.runs import default_state_dir, stored_runs
    from captain.runs.housekeeping import forget

    before = datetime.now(UTC) - timedelta(days=older_than_days)
    found = stored_runs(state_dir or default_state_dir(), None if everywhere else history.git_dir_of(repo))
    over = [run for run in found if (ended := run.ended_at) is not None and ended <= before and not run.alive]
    for project in dict.fromkeys(run.project for run in found):
        ids = [run.id for run in over if run.project == project]
        freed = forget(project.journal, ids, dry_run=dry_run)
        for run in ids:
            print(f"{'would forget' if dry_run else 'forgot'} {run}")
        print(
            f"{len(ids)} runs, {freed.entries} entries ({freed.entries_bytes} bytes), "
            f"{freed.files} files ({freed.files_bytes} bytes)"
        )


@app.command("export")
def export(
    run: _Run,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Where it goes; must not be there yet.")],
    *,
    state_dir: flags.StateDir = None,
) -> None:
    """Write the record of a run into one file."""
    from captain.runs import default_state_dir, find_run
    from captain.runs.transfer import export_run

    found = find_run(state_dir or default_state_dir(), run)
    print(f"{export_run(found.project.journal, found.id, file)} entries of run {found.id} written")


@app.command("import")
def import_(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="What captain runs export has written.")],
    *,
    repo: flags.Repo = Path(),
    state_dir: flags.StateDir = None,
) -> None:
    """Take the record of a run in, among those of a repository."""
    from captain.cli import history
    from captain.runs import Project, default_state_dir
    from captain.runs.transfer import import_run

    common_dir = history.git_dir_of(repo)
    project = Project.of(state_dir or default_state_dir(), common_dir)
    project.create(common_dir)
    print(f"run {import_run(project.journal, file)} taken in")


def _list(repo: Path, everywhere: bool, state_dir: Path | None) -> None:
    from captain.cli import history
    from captain.runs import default_state_dir, stored_runs

    found = stored_runs(state_dir or default_state_dir(), None if everywhere else history.git_dir_of(repo))
    for line in history.list_runs(found, width=history.terminal_width()):
        print(line)
    if not found:
        print(
            "No run is on record." if everywhere else "No run of this repository is on record; --all lists the others."
        )
