"""Clears away what runs that are over have left: copies, refs, reports, and last of all their records.

In that order, so that a process killed in between leaves a run that is still on record, and the next one goes on with
it. A run whose copy cannot be saved, or whose refs somebody else has moved meanwhile, stays whole.
"""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

import anyio
from anyio import to_thread

from captain.core import ids
from captain.core.errors import CaptainError, GitError, JournalError, UsageError
from captain.core.events import RunEnded
from captain.runs import Project, StoredRun
from captain.runs.housekeeping import Freed, Grip, forget, gripped
from captain.runs.sqlite import Reader
from captain.sandbox import Sandbox
from captain.workspace.leftovers import Leftover, leftovers
from captain.workspace.reclaiming import reclaim
from captain.workspace.repository import Repository
from captain.workspace.run_refs import RepositoryRefs, RunRef

_REPORT: Final = "report.json"
_GONE: Final = ".removed-"
_NOTHING: Final = Freed(runs=(), entries=0, entries_bytes=0, files=0, files_bytes=0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """Which runs may go: over since `before`, and not among the `keep` newest of their project.

    Those `named` may be younger, and then lose only what something else reaches. Runs that were interrupted go with
    `interrupted` alone. With `gone`, so do records whose repository is not there any more.
    """

    before: datetime
    keep: int = 0
    named: frozenset[str] = frozenset()
    interrupted: bool = False
    branches: bool = False
    gone: bool = False


@dataclass(slots=True, kw_only=True)
class Clearance:
    """Of one run: what it has left, and what goes. `stays` says why it is not (all) removed; then its record stays.

    `status` is how it ended, None if it was interrupted. `at` is when it was over, or last heard of.
    """

    run: str
    status: str | None
    at: datetime
    old: bool
    on_record: bool
    report: bool
    going: tuple[RunRef, ...] = ()
    branches_kept: tuple[RunRef, ...] = ()
    copies: tuple[Leftover, ...] = ()
    salvaged: tuple[str, ...] = ()
    stays: str = ""


@dataclass(slots=True, kw_only=True)
class Cleared:
    """Of one project. `problem` says why its repository could not be looked at."""

    project: Project
    git_dir: Path | None
    runs: list[Clearance] = field(default_factory=list)
    freed: Freed = _NOTHING
    problem: str = ""

    @property
    def done(self) -> tuple[Clearance, ...]:
        return tuple(one for one in self.runs if not one.stays)


async def clear(
    project: Project, rules: Rules, *, dry_run: bool, sandbox: Callable[[], Sandbox] | None = None
) -> Cleared:
    """Removes what `rules` let go of one project's runs, or with `dry_run` only says what that would be.

    `sandbox` is asked for a box only if a copy has to be saved; without it such copies stay. Raises `JournalError`.
    """
    cleared = Cleared(project=project, git_dir=project.git_dir)
    cleared.runs = await to_thread.run_sync(_candidates, project, rules)
    refs = await _look_at_refs(cleared, rules)
    for one in cleared.runs:
        if not one.stays and not one.old:
            _refuse_loss(one)
    if dry_run:
        ids_ = [one.run for one in cleared.done if one.on_record]
        if ids_:
            cleared.freed = await to_thread.run_sync(lambda: forget(project.journal, ids_, dry_run=True))
        return cleared
    await to_thread.run_sync(_sweep, project)
    on_record = [one.run for one in cleared.runs if not one.stays and one.on_record]
    grip_of = gripped(project.journal, on_record) if on_record else contextlib.nullcontext(Grip())
    with grip_of as grip:
        for one in cleared.runs:
            if (by := grip.refused.get(one.run)) is not None:
                one.stays = f"it is carried by {by}"
        await _clear_copies(cleared, sandbox)
        for one in cleared.done:
            await _clear_one(one, project, refs)
        ids_ = [one.run for one in cleared.done if one.on_record]
        if ids_:
            cleared.freed = await to_thread.run_sync(lambda: forget(project.journal, ids_, grip=grip))
    return cleared


def _candidates(project: Project, rules: Rules) -> list[Clearance]:
    """Newest first. Runs that are too young, or to be kept, are not among them unless they are named."""
    copies: dict[str, list[Leftover]] = {}
    for copy in leftovers(project.workspaces):
        copies.setdefault(copy.path.parent.name, []).append(copy)
    found = []
    for rank, one in enumerate(_known(project)):
        if rules.named and one.run not in rules.named:
            continue
        one.copies = tuple(copies.get(one.run, ()))
        one.old = one.at <= rules.before
        if not rules.named and (rank < rules.keep or not one.old):
            continue
        one.stays = one.stays or _why_it_stays(project, one, rules)
        found.append(one)
    return found


def _known(project: Project) -> list[Clearance]:
    """Runs on record, and those that have left only a report, as `captain review` does."""
    found: dict[str, Clearance] = {}
    if project.journal.exists():
        with Reader.open(project.journal) as reader:
            found = {run: _recorded(StoredRun(run, project)) for run in reader.runs()}
    with suppress(FileNotFoundError, NotADirectoryError):
        for folder in (project.folder / "runs").iterdir():
            if folder.name not in found and (began := ids.began_at(folder.name)) and not folder.is_symlink():
                found[folder.name] = _reported(folder, began)
    return sorted(found.values(), key=lambda one: one.run, reverse=True)


def _recorded(run: StoredRun) -> Clearance:
    began = ids.began_at(run.id)
    one = Clearance(
        run=run.id,
        status=None,
        at=began or datetime.max.replace(tzinfo=UTC),
        old=False,
        on_record=True,
        report=run.folder.is_dir() and not run.folder.is_symlink(),
    )
    try:
        events = run.events()
    except JournalError as error:
        one.stays = f"its record cannot be read: {error}"
        return one
    for recorded in events:
        one.at = recorded.at
        one.status = recorded.event.status if isinstance(recorded.event, RunEnded) else None
    if began is None:
        one.stays = "its id is not one that Captain gives, so what belongs to it cannot be told"
    return one


def _reported(folder: Path, began: datetime) -> Clearance:
    try:
        at: datetime | None = datetime.fromtimestamp((folder / _REPORT).stat().st_mtime, UTC)
    except OSError:
        at = None
    status = "reported" if at else None
    return Clearance(run=folder.name, status=status, at=at or began, old=False, on_record=False, report=True)


def _why_it_stays(project: Project, one: Clearance, rules: Rules) -> str:
    if (by := project.holder(one.run)) is not None:
        return f"it is carried by {by}"
    if any(copy.alive for copy in one.copies):
        return "a process uses a copy of it"
    if one.status is None and not rules.interrupted:
        return "it was interrupted, and can be resumed; --interrupted removes such runs too"
    return ""


async def _look_at_refs(cleared: Cleared, rules: Rules) -> RepositoryRefs | None:
    wanted = [one for one in cleared.runs if not one.stays]
    git_dir = cleared.git_dir
    if git_dir is None:
        cleared.problem = "It is not noted which repository this was."
    elif not git_dir.is_dir():
        cleared.problem = f"The repository {git_dir} is no longer there."
    else:
        try:
            refs = await RepositoryRefs.read(git_dir)
            going, kept = await refs.parted({one.run for one in wanted}, branches=rules.branches)
        except GitError as error:
            cleared.problem = str(error)
            for one in wanted:
                one.stays = "its refs cannot be looked at"
            return None
        for one in wanted:
            one.going, one.branches_kept = going.get(one.run, ()), kept.get(one.run, ())
        return refs
    if not rules.gone:
        for one in wanted:
            one.stays = "its repository is gone; --all removes what is left of such runs here"
    return None


def _refuse_loss(one: Clearance) -> None:
    """Of a run that is young, only what something else reaches goes."""
    lost = tuple(ref for ref in one.going if not ref.elsewhere)
    if lost or any(not copy.alive and copy.kind != "base" for copy in one.copies):
        what = ", ".join(ref.name for ref in lost[:3]) or "a copy"
        one.stays = f"it is younger than the limit, and what {what} holds is nowhere else"


async def _clear_copies(cleared: Cleared, sandbox: Callable[[], Sandbox] | None) -> None:
    """Through the same gate as at the next run: what is unsaved is kept under a ref, and the run stays with it."""
    wanted = {one.run: one for one in cleared.done if one.copies}
    if not wanted:
        return
    folder = cleared.project.workspaces
    try:
        if cleared.git_dir is None or cleared.problem or sandbox is None:
            raise UsageError(cleared.problem or "nothing is there to save it with.")
        root = cleared.git_dir.parent if cleared.git_dir.name == ".git" else cleared.git_dir
        repository = await Repository.open(root)
        box = await to_thread.run_sync(sandbox)
        for salvaged in await reclaim(folder, repository, box, runs=wanted):
            one = wanted[salvaged.run]
            if salvaged.ref:
                one.salvaged = (*one.salvaged, salvaged.ref)
                one.stays = f"its copy held unsaved work, which is kept now under {', '.join(one.salvaged)}"
            else:
                one.stays = f"its copy in {salvaged.copy} cannot be saved: {salvaged.problem}"
    except CaptainError as error:
        for one in wanted.values():
            one.stays = one.stays or f"its copies cannot be taken back: {error}"
    left = await to_thread.run_sync(leftovers, folder)
    for copy in left:
        if (holder := wanted.get(copy.path.parent.name)) is not None and not holder.stays:
            holder.stays = f"a copy of it stays in {copy.path}"


async def _clear_one(one: Clearance, project: Project, refs: RepositoryRefs | None) -> None:
    with anyio.CancelScope(shield=True):
        try:
            if refs is not None:
                await refs.remove(one.going)
            if one.report:
                await to_thread.run_sync(_remove_folder, project.run_folder(one.run))
        except GitError as error:
            one.stays = f"its refs were not removed: {error} {error.hint}".strip()
        except OSError as error:
            one.stays = f"its report was not removed: {error.strerror}"


def _remove_folder(folder: Path) -> None:
    """Out of sight in one step; what a killed process leaves of it is swept away by the next."""
    with suppress(FileNotFoundError):
        gone = folder.with_name(f"{_GONE}{folder.name}")
        folder.rename(gone)
        shutil.rmtree(gone)


def _sweep(project: Project) -> None:
    with suppress(FileNotFoundError, NotADirectoryError):
        for folder in (project.folder / "runs").iterdir():
            if folder.name.startswith(_GONE) and ids.began_at(folder.name.removeprefix(_GONE)):
                shutil.rmtree(folder, ignore_errors=True)
