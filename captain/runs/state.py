"""The user's state folder: where records, reports and workspaces live, never inside a work tree.

<state>/<project>/journal.sqlite          one journal per project
<state>/<project>/journal.bodies/         what in it is larger than 64 KB
<state>/<project>/journal.holders/        a locked file per process that carries runs
<state>/<project>/runs/<run>/report.md    what a person reads afterwards
<state>/<project>/work/                   private copies
"""

from __future__ import annotations

import difflib
import hashlib
import json
import os
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Final

from captain.core.errors import JournalError, UsageError
from captain.core.events import Recorded, RunEnded, RunResumed
from captain.runs.entries import Entry, decode_event
from captain.runs.holds import Holder, holder, marks_beside
from captain.runs.intents import read_intent
from captain.runs.sqlite import Reader, explained, version_of

_JOURNAL: Final = "journal.sqlite"
_NAMED: Final = 5  # runs, in a hint
_NEAR: Final = 0.9  # ids of one day have half of their characters in common
_TELLING_CHARS: Final = 4  # an id ends in four letters that no other one of that second has
_ABOUT: Final = "project.json"


def default_state_dir() -> Path:
    """The platform's place for a user's state, such as `~/.local/state/captain`."""
    import platformdirs

    return platformdirs.user_state_path("captain", appauthor=False)


@dataclass(frozen=True, slots=True)
class Project:
    """Captain's folder for one repository, named by the repository's git directory."""

    folder: Path

    @classmethod
    def of(cls, state_dir: Path, common_dir: Path) -> Project:
        """All work trees of a repository share its `common_dir`, and so its project."""
        real = common_dir.resolve()
        name = real.parent.name if real.name == ".git" else real.name
        readable = re.sub(r"[^A-Za-z0-9._-]+", "-", name).strip("-.") or "repository"
        return cls(state_dir / f"{readable[:40]}-{hashlib.sha256(os.fsencode(real)).hexdigest()[:12]}")

    def create(self, common_dir: Path) -> None:
        """Makes the folder, private to the user, and notes which repository it belongs to."""
        try:
            private_folder(self.folder)
            about = json.dumps({"git_dir": str(common_dir.resolve())})
            with open(self.folder / _ABOUT, "w", encoding="utf-8", opener=_privately) as file:
                file.write(about)
            os.close(_privately(str(self.journal), os.O_RDWR | os.O_CREAT | os.O_CLOEXEC))  # SQLite keeps its mode
        except OSError as error:
            raise UsageError(
                f"The state folder {self.folder} cannot be written: {error.strerror}.",
                hint="Name another one with --state-dir (state_dir= in code).",
            ) from error

    @property
    def journal(self) -> Path:
        return self.folder / _JOURNAL

    @property
    def workspaces(self) -> Path:
        return self.folder / "work"

    @property
    def git_dir(self) -> Path | None:
        """Of the repository it belongs to, as far as that is noted."""
        try:
            noted = json.loads((self.folder / _ABOUT).read_text("utf-8"))["git_dir"]
        except (OSError, ValueError, LookupError, TypeError):
            return None
        return Path(noted) if isinstance(noted, str) else None

    def run_folder(self, run: str) -> Path:
        return self.folder / "runs" / run

    def make_run_folder(self, run: str) -> Path:
        folder = self.run_folder(run)
        private_folder(folder)
        return folder

    def holder(self, run: str) -> Holder | None:
        """The process that carries the run right now."""
        if not self.journal.exists():
            return None
        with Reader.open(self.journal) as reader, explained(self.journal, "read"):
            if version_of(reader.connection) < 2:  # the first format did not note it
                return None
            return holder(reader.connection, run, marks_beside(self.journal))

    def is_held(self, run: str) -> bool:
        return self.holder(run) is not None


def _privately(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def private_folder(folder: Path) -> None:
    """Makes a folder that nobody else may look into, and those above it that are missing; closes it if it is open.

    Raises `OSError`.
    """
    for missing in reversed([above for above in (folder, *folder.parents) if not above.exists()]):
        missing.mkdir(mode=0o700, exist_ok=True)
    folder.mkdir(mode=0o700, exist_ok=True)
    found = folder.stat()
    if found.st_mode & 0o077 and found.st_uid == os.geteuid():
        folder.chmod(0o700)


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFacts:
    """Of one record, in numbers. `unfinished` are paths of steps with the kind of their effect."""

    entries: int
    events: int
    finished: int
    unfinished: tuple[tuple[str, str], ...]


@dataclass(frozen=True, slots=True)
class StoredRun:
    """A run as its journal has it, going on or over."""

    id: str
    project: Project

    @property
    def folder(self) -> Path:
        return self.project.run_folder(self.id)

    @property
    def alive(self) -> bool:
        """A process carries this run right now."""
        return self.project.is_held(self.id)

    def entries(self) -> tuple[Entry, ...]:
        """All that is on record, bodies included."""
        with Reader.open(self.project.journal) as reader:
            return tuple(reader.entries(self.id))

    def events(self) -> tuple[Recorded, ...]:
        with Reader.open(self.project.journal) as reader:
            return tuple(decode_event(entry) for entry in reader.entries(self.id, events_only=True))

    def result(self, path: str) -> str | None:
        """What the step of that path gave, as JSON; None if it is not finished."""
        with Reader.open(self.project.journal) as reader:
            finished = (one for one in reader.entries(self.id, results=False) if one.kind == "finished")
            entry = next((one for one in finished if one.key == path), None)
            return None if entry is None else reader.body(self.id, entry.seq)

    @property
    def ended_at(self) -> datetime | None:
        """When it was over; None if it is not, was interrupted, or was taken up again."""
        last = next((one for one in reversed(self.events()) if isinstance(one.event, RunEnded | RunResumed)), None)
        return last.at if last is not None and isinstance(last.event, RunEnded) else None

    def facts(self) -> RunFacts:
        with Reader.open(self.project.journal) as reader:
            entries = tuple(reader.entries(self.id, results=False))
        begun: dict[str, str] = {}
        for entry in entries:
            if entry.kind == "started":
                begun[entry.key] = read_intent(entry.seq, entry.body).effect
            elif entry.kind != "event":
                begun.pop(entry.key, None)
        return RunFacts(
            entries=len(entries),
            events=sum(entry.kind == "event" for entry in entries),
            finished=sum(entry.kind == "finished" for entry in entries),
            unfinished=tuple(begun.items()),
        )


def stored_projects(state_dir: Path) -> tuple[Project, ...]:
    """Every repository that has had a run."""
    return tuple(Project(path.parent) for path in sorted(state_dir.glob(f"*/{_ABOUT}")))


def stored_runs(state_dir: Path, common_dir: Path | None = None) -> tuple[StoredRun, ...]:
    """Every run on record, newest first; of one repository if its git directory is given."""
    if common_dir is not None:
        folders = [Project.of(state_dir, common_dir).folder]
    else:
        folders = sorted(path.parent for path in state_dir.glob(f"*/{_JOURNAL}"))
    runs = [run for folder in folders for run in _runs_in(Project(folder))]
    return tuple(sorted(runs, key=lambda run: run.id, reverse=True))


def readable_runs(state_dir: Path) -> tuple[tuple[StoredRun, ...], tuple[JournalError, ...]]:
    """Every run on record, newest first, and what keeps others from being read: one repository's record each."""
    runs: list[StoredRun] = []
    unread: list[JournalError] = []
    for folder in sorted(path.parent for path in state_dir.glob(f"*/{_JOURNAL}")):
        try:
            runs += _runs_in(Project(folder))
        except JournalError as error:
            unread.append(error)
    return tuple(sorted(runs, key=lambda run: run.id, reverse=True)), tuple(unread)


def find_run(state_dir: Path, name: str) -> StoredRun:
    """The run whose id starts with `name`; a record that cannot be read hides only the runs that are in it."""
    runs, unread = readable_runs(state_dir)
    matches = [run for run in runs if run.id.startswith(name)] if name else []
    if len(matches) == 1:
        return matches[0]
    if len({run.id for run in matches}) == 1:
        folders = " and ".join(str(run.project.folder) for run in matches)
        raise UsageError(
            f"Run {matches[0].id} is on record {len(matches)} times, in {folders}.",
            hint="Move one of these folders to a state folder of its own, and name that with --state-dir.",
        )
    if matches:
        raise UsageError(
            f"{name!r} is the start of {len(matches)} runs.",
            hint="Give more of the id: " + ", ".join(run.id for run in matches[:_NAMED]) + ".",
        )
    if unread:
        raise unread[0]  # it may be in there
    said = f"No run on record has an id that starts with {name!r}." if name else "No run on record has an empty id."
    raise UsageError(said, hint=_others(state_dir, name, [run.id for run in runs]))


def _others(state_dir: Path, name: str, known: Sequence[str]) -> str:
    """Which run may have been meant, and which there are."""
    if not known:
        return f"There is no run on record in {state_dir}."
    within = [run for run in known if len(name) >= _TELLING_CHARS and name in run]
    near = (within or difflib.get_close_matches(name, known, n=1, cutoff=_NEAR))[:1]
    latest = f"The latest runs: {', '.join(known[:_NAMED])}."
    return f"Did you mean {near[0]}? {latest}" if near else latest


def _runs_in(project: Project) -> list[StoredRun]:
    if not project.journal.exists():
        return []
    with Reader.open(project.journal) as reader:
        return [StoredRun(run, project) for run in reader.runs()]
