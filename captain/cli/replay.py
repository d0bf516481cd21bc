"""`captain replay`: a run once more from its record alone, held against what is on record."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from captain.cli import flags
from captain.cli.exits import FAILED

if TYPE_CHECKING:
    from pathlib import Path

    from captain.core.events import Recorded
    from captain.runs import StoredRun


def replay(
    run: Annotated[str, typer.Argument(metavar="RUN", help="The id of a run, or its beginning; see captain runs.")],
    *,
    state_dir: flags.StateDir = None,
    as_json: flags.AsJson = False,
    quiet: flags.Quiet = False,
) -> int:
    """Carry a finished run once more from its record alone, and say whether the same comes of it.

    No model is asked, no command is run and nothing is written; the repository need not be there. The exit code is 0
    if every event and both reports are the same byte for byte.
    """
    import anyio

    from captain.cli import setup
    from captain.orchestration import replay as replayed
    from captain.reports import RunView
    from captain.runs import default_state_dir, find_run

    stored = find_run(state_dir or default_state_dir(), run)
    produced = anyio.run(replayed, stored)
    screen = setup.choose_screen(as_json=as_json, live=None if as_json else False, quiet=quiet)
    view = RunView()
    for recorded in produced:
        view.apply(recorded)
        screen.show(recorded, view)
    missing = _missing(produced, stored) + _other_reports(view, stored.folder)
    _say(stored, len(produced), missing, as_json=as_json)
    return FAILED if missing else 0


def _missing(produced: tuple[Recorded, ...], stored: StoredRun) -> list[str]:
    from captain.orchestration import differing

    return [f"event {one.seq} ({one.event.kind})" for one in differing(produced, stored.events())]


def _other_reports(view: object, folder: Path) -> list[str]:
    from captain.reports import RunView, to_json, to_markdown
    from captain.reports.files import JSON, MARKDOWN

    assert isinstance(view, RunView)
    made = {MARKDOWN: to_markdown(view), JSON: to_json(view)}
    return [name for name, text in made.items() if _saved(folder / name) not in (None, text.encode())]


def _saved(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None


def _say(stored: StoredRun, events: int, missing: list[str], *, as_json: bool) -> None:
    from captain.reports import words
    from captain.reports.jsonable import dumps

    if as_json:
        print(dumps({"replay": {"run": stored.id, "events": events, "differs": missing}}))
    elif missing:
        print(f"run {stored.id}, replayed, differs from its record: {', '.join(missing[:10])}")
    else:
        print(
            f"run {stored.id}, replayed from its record alone: {words.count(events, 'event')} and its reports the same"
        )
