"""Follow-ups: what a run noticed and left alone, listed, and made the request of another run."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from captain.cli import flags
from captain.core.errors import UsageError

if TYPE_CHECKING:
    from captain.core.tasks import FollowUp
    from captain.runs import StoredRun


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """A request made of a follow-up, and where that is from."""

    request: str
    said: str


def followups(
    run: Annotated[str, typer.Argument(metavar="RUN", help="The id of a run, or its beginning; see captain runs.")],
    *,
    as_json: Annotated[bool, typer.Option("--json", help="As JSON.")] = False,
    state_dir: flags.StateDir = None,
) -> None:
    """List what a run noticed and left alone; captain run --from-followup RUN:N takes one up."""
    from captain.reports.escape import one_line
    from captain.reports.jsonable import dumps

    stored, notes = _noted(run, state_dir)
    if as_json:
        found = [{"number": number, **asdict(note)} for number, note in enumerate(notes, 1)]
        print(json.dumps(json.loads(dumps({"schema": 1, "run": stored.id, "follow_ups": found})), indent=2))
        return
    for number, note in enumerate(notes, 1):
        print(f"{number}: {one_line(note.title)}")
        print(f"   {one_line(note.detail, 400)}")
        if note.paths:
            print(f"   paths: {one_line(', '.join(note.paths), 400)}")
        if note.ref:
            print(f"   kept: {one_line(note.ref)}")
        print(f"   captain run --from-followup {stored.id}:{number}")
    if not notes:
        print(f"Run {stored.id} left no follow-up.")


def taken_up(name: str, repo: Path, state_dir: Path | None) -> Origin:
    """The request that `RUN:N` stands for. Raises `UsageError`, in particular if its paths are gone."""
    import anyio

    run, _, number = name.partition(":")
    stored, notes = _noted(run, state_dir)
    if not notes:
        raise UsageError(f"Run {stored.id} left no follow-up.", hint="captain runs lists the others.")
    place = _place(stored, number, len(notes))
    note = notes[place - 1]
    gone = anyio.run(_gone, note, repo)
    if note.paths and len(gone) == len(note.paths) and note.ref is None:  # what a ref keeps need not be on the branch
        raise UsageError(
            f"Nothing of follow-up {place} of run {stored.id} is in the repository any more: {', '.join(gone)}.",
            hint=f"captain followups {stored.id} shows it; say in a request of your own what is still wanted.",
        )
    return Origin(request=_request(note, stored.id, gone), said=f"follow-up {place} of run {stored.id}")


def _noted(run: str, state_dir: Path | None) -> tuple[StoredRun, list[FollowUp]]:
    from captain.reports import RunView
    from captain.runs import default_state_dir, find_run

    stored = find_run(state_dir or default_state_dir(), run)
    return stored, RunView.of(stored.events()).follow_ups


def _place(stored: StoredRun, number: str, count: int) -> int:
    if not number and count == 1:
        return 1
    if number.isdigit() and 1 <= int(number) <= count:
        return int(number)
    said = f"has no follow-up {number!r}" if number else f"left {count} follow-ups"
    some = f"Name one of them: --from-followup {stored.id}:1 to {stored.id}:{count}."
    raise UsageError(
        f"Run {stored.id} {said}.", hint=some if count > 1 else f"It has one: --from-followup {stored.id}:1."
    )


async def _gone(note: FollowUp, repo: Path) -> list[str]:
    from captain.workspace import Repository

    repository = await Repository.open(repo)
    files = await repository.files(repository.head)
    there = {*files, *(str(above) for file in files for above in Path(file).parents)}
    return [path for path in note.paths if path.strip("/") not in there]


def _request(note: FollowUp, run: str, gone: list[str]) -> str:
    """What is asked are Captain's own words; an agent's words, the title too, are quoted data."""
    lines = [f"Resolve what run {run} noticed and left alone, and nothing else; it is quoted here.", ""]
    lines += [f"> {line}" for line in (*note.title.splitlines(), "", *note.detail.splitlines())]
    still = [path for path in note.paths if path not in gone]
    lines += [">", "> It is about " + ", ".join(still)] if still else []
    lines += ["> These are not on the branch: " + ", ".join(gone)] if gone else []
    lines += [f"> What was put back then is kept under {note.ref}"] if note.ref else []
    return "\n".join(lines)
