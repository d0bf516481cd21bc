"""`captain runs`: the runs on record, listed, shown, forgotten, carried away and taken in."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer

from captain.cli import exits, flags
from captain.cli.boundary import complain

app = typer.Typer(name="runs", help="List the runs on record; show, forget, export or import them.")

_Run = Annotated[str, typer.Argument(metavar="RUN", help="The id of a run, or its beginning.")]
_Json = Annotated[bool, typer.Option("--json", help="One JSON object.")]
_Everywhere = Annotated[bool, typer.Option("--all", help="Runs of all repositories.")]


@app.callback(invoke_without_command=True)
def runs(
    context: typer.Context,
    *,
    repo: flags.Repo = Path(),
    everywhere: _Everywhere = False,
    as_json: _Json = False,
    state_dir: flags.StateDir = None,
) -> None:
    """List the runs on record, newest first; or one of the commands below."""
    if context.invoked_subcommand is None:
        _list(repo, everywhere, state_dir, as_json=as_json)


@app.command("list")
def list_(
    *,
    repo: flags.Repo = Path(),
    everywhere: _Everywhere = False,
    as_json: _Json = False,
    state_dir: flags.StateDir = None,
) -> None:
    """List the runs on record, newest first."""
    _list(repo, everywhere, state_dir, as_json=as_json)


@app.command()
def show(run: _Run, *, as_json: _Json = False, state_dir: flags.StateDir = None) -> None:
    """Say what is on record of a run: its state, spend and steps, what it has left, and who carries it."""
    from captain.cli import run_page
    from captain.reports.jsonable import dumps
    from captain.runs import default_state_dir, find_run

    page = run_page.read(find_run((state_dir or default_state_dir()).absolute(), run))
    if as_json:
        print(dumps(page))
        return
    for line in run_page.lines(page):
        print(line)


@app.command()
def gc(
    named: Annotated[
        list[str] | None,
        typer.Argument(metavar="[RUN]...", help="Only these; of a young one, only what something else reaches goes."),
    ] = None,
    *,
    repo: flags.Repo = Path(),
    everywhere: _Everywhere = False,
    older_than_days: Annotated[
        int, typer.Option("--older-than-days", metavar="N", min=0, help="Only runs that ended so long ago.")
    ] = 30,
    keep: Annotated[
        int, typer.Option("--keep", metavar="N", min=0, help="Leave the N newest runs of each repository.")
    ] = 0,
    interrupted: Annotated[
        bool, typer.Option("--interrupted", help="Runs that were interrupted too; they cannot be resumed any more.")
    ] = False,
    branches: Annotated[
        bool, typer.Option("--branches", help="Their branches too, if something that stays reaches them.")
    ] = False,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would go, and remove nothing.")] = False,
    as_json: _Json = False,
    allow_root: flags.AllowRoot = False,
    state_dir: flags.StateDir = None,
) -> None:
    """Remove what runs that are over have left: copies, refs, reports, and their records. Branches stay."""
    from captain.cli import history, tidy
    from captain.runs import Project, default_state_dir, find_run, stored_projects
    from captain.workspace.clearing import Rules

    place = (state_dir or default_state_dir()).absolute()
    runs = [find_run(place, name) for name in named or ()]
    if everywhere or runs:
        projects = tuple(dict.fromkeys(run.project for run in runs)) or stored_projects(place)
    else:
        projects = (Project.of(place, history.git_dir_of(repo)),)
    rules = Rules(
        before=datetime.now(UTC) - timedelta(days=older_than_days),
        keep=keep,
        named=frozenset(run.id for run in runs),
        interrupted=interrupted,
        branches=branches,
        gone=everywhere,
    )
    tidy.clear_all(projects, rules, dry_run=dry_run, as_json=as_json, allow_root=allow_root)


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
    from captain.runs import Project, StoredRun, default_state_dir, readable_runs
    from captain.runs.transfer import import_run

    place = state_dir or default_state_dir()
    common_dir = history.git_dir_of(repo)
    project = Project.of(place, common_dir)
    project.create(common_dir)
    others = [known for known in readable_runs(place)[0] if known.project != project]
    run = import_run(project.journal, file, elsewhere={known.id: known.project.folder for known in others})
    print(f"run {run} taken in")
    if notice := history.lacking_base(StoredRun(run, project), common_dir):
        print(notice)


def _list(repo: Path, everywhere: bool, state_dir: Path | None, *, as_json: bool) -> None:
    from captain.cli import history
    from captain.reports.jsonable import dumps
    from captain.runs import default_state_dir, readable_runs, stored_runs

    place = state_dir or default_state_dir()
    found, unread = readable_runs(place) if everywhere else (stored_runs(place, history.git_dir_of(repo)), ())
    for error in unread:
        complain(str(error), error.hint)
    if as_json:
        print(dumps({"schema": 1, "runs": [history.facts(run) for run in found]}))
    else:
        for line in history.list_runs(found, width=history.terminal_width()):
            print(line)
    if not found and not as_json and not unread:
        print(
            "No run is on record." if everywhere else "No run of this repository is on record; --all lists the others."
        )
    if unread:
        raise typer.Exit(exits.FAILED)
