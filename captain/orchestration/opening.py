"""Opening a run, or taking one up again: the repository as it is, the record, the base commit, the project's notes."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

from anyio import to_thread

from captain.core import ids
from captain.core.clock import Clock
from captain.core.errors import UsageError
from captain.core.events import Kept, Noticed, ReviewStep, Role, RunEnded, RunOpened, RunResumed, RunStatus
from captain.core.loop_events import LoopEvent, LoopReopened, before_the_budget, standing
from captain.core.masking import Masker
from captain.core.usage import Budget
from captain.guards import PermissionDesk
from captain.orchestration.added import AddedRequests
from captain.orchestration.context import Options, Team, Voyage
from captain.orchestration.memory import ProjectMemory
from captain.orchestration.project_files import ignored_settings
from captain.orchestration.questions import QuestionApprover, QuestionDesk
from captain.orchestration.settings import OpenedFacts, RunSettings
from captain.orchestration.steering import Steering, Stops
from captain.runs import (
    Happened,
    Inbox,
    Ledger,
    Project,
    Repeat,
    RunJournal,
    SqliteStore,
    StoredRun,
    Unfinished,
    refuse,
    spans_of,
    spent_of,
    worked_s,
)
from captain.sandbox import Sandbox, detect, secret_variables
from captain.workspace import Repository, Salvaged, Workspaces, reclaim

_OVER: Final[frozenset[RunStatus]] = frozenset({"succeeded", "answered", "declined"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """What a run is opened with. Without a `sandbox`, it is the strongest of this machine.

    `budget` None is no limit, and for a run that is resumed the one it had. `names` are those the crew's models were
    made from, as far as they were.
    """

    team: Team
    budget: Budget | None
    sandbox: Sandbox | None
    state_dir: Path
    options: Options
    clock: Clock
    names: tuple[tuple[Role, str], ...] = ()


@asynccontextmanager
async def open_voyage(
    request: str,
    repo: Path,
    setting: Setting,
    *,
    origin: str = "",
    first: Callable[[RunJournal], Awaitable[object]] | None = None,
) -> AsyncIterator[tuple[Voyage, Path]]:
    """The voyage and the folder for its report. `first` goes on record before the run is open.

    Raises `UsageError` before anything has happened.
    """
    if not request.strip():
        raise UsageError("The request is empty.", hint="Say in a sentence or more what should be done.")
    repository = await Repository.open(repo)
    state_dir = setting.state_dir.resolve()
    if state_dir.is_relative_to(repository.root):
        raise UsageError(
            f"The state folder {state_dir} is inside the work tree {repository.root}.",
            hint="Name a folder outside the repository.",
        )
    sandbox = await _sandbox(setting)
    project = Project.of(state_dir, repository.common_dir)
    project.create(repository.common_dir)
    run = ids.new_run_id(setting.clock.now())
    base = repository.head
    if repository.dirty and setting.options.include_dirty:
        base = await repository.snapshot_work_tree(f"Uncommitted changes at the start of run {run}")
    async with _held(project, run, setting) as (journal, inbox):
        facts = await _facts(repository, base, setting, journal)
        if first is not None:
            await first(journal)
        opened = RunOpened(
            run=run,
            request=request,
            repository=str(repository.root),
            base=base,
            branch=repository.branch,
            crew=setting.team.names(),
            sandbox=sandbox.name,
            memory=tuple(file.path for file in facts.memory.files),
            origin=origin,
        )
        await journal.record(opened)
        async with _under_way(
            opened,
            facts,
            repository=repository,
            project=project,
            sandbox=sandbox,
            setting=setting,
            journal=journal,
            inbox=inbox,
        ) as voyage:
            yield voyage, project.make_run_folder(run)


@asynccontextmanager
async def resume_voyage(stored: StoredRun, repo: Path | None, setting: Setting) -> AsyncIterator[tuple[Voyage, Path]]:
    """As `open_voyage`, for a run that was interrupted or ended with something left to do.

    `repo` is where its repository is now, if it has moved. Raises `UsageError` and `RunHeldError` before anything has
    happened.
    """
    opened = _taken_up(stored)
    repository = await Repository.open(repo or Path(opened.repository))
    try:
        await repository.resolve(opened.base)
    except UsageError:
        raise UsageError(
            f"The commit {opened.base[:12]}, from which run {stored.id} starts, is not in {repository.root} any more.",
            hint="Bring it back (git fetch, or another clone with --repo); without it the run cannot go on.",
        ) from None
    sandbox = await _sandbox(setting)
    project = stored.project
    async with _held(project, stored.id, setting) as (journal, inbox):
        project.create(repository.common_dir)
        resumed = RunResumed(crew=setting.team.names(), sandbox=sandbox.name, repository=str(repository.root))
        await journal.record(resumed)
        facts = await _facts(repository, opened.base, setting, journal)
        async with _under_way(
            opened,
            facts,
            repository=repository,
            project=project,
            sandbox=sandbox,
            setting=setting,
            journal=journal,
            inbox=inbox,
        ) as voyage:
            await _reopen_loops(voyage)
            yield voyage, project.make_run_folder(stored.id)


def _taken_up(stored: StoredRun) -> RunOpened:
    """How the run was opened, if there is anything left of it to do."""
    events = [recorded.event for recorded in stored.events()]
    opened = next((event for event in events if isinstance(event, RunOpened)), None)
    if opened is None:
        raise UsageError(
            f"Run {stored.id} was interrupted before it had begun; there is nothing to go on with.",
            hint="Start it again with captain run.",
        )
    last = next((event for event in reversed(events) if isinstance(event, RunEnded | RunResumed)), None)
    if isinstance(last, RunEnded) and is_over(last.status):
        raise UsageError(
            f"Run {stored.id} is over: it {'was ' if last.status != 'succeeded' else ''}{last.status}.",
            hint=f"captain report {stored.id} shows what came of it; captain run starts another.",
        )
    return opened


def is_over(status: RunStatus) -> bool:
    """Whether nothing is left of a run that ended like that."""
    return status in _OVER


async def _sandbox(setting: Setting) -> Sandbox:
    if setting.sandbox is not None:
        return setting.sandbox
    # tried where the copies will be, as not every file system can layer
    find = partial(detect, allow_root=setting.options.allow_root, folder=setting.state_dir.resolve())
    return await to_thread.run_sync(find)


@asynccontextmanager
async def _held(project: Project, run: str, setting: Setting) -> AsyncIterator[tuple[RunJournal, Inbox]]:
    store = await SqliteStore.open(project.journal, run)
    try:
        named = secret_variables() | secret_variables(setting.options.policy.env)
        masker = Masker([*setting.team.secrets(), *setting.options.secrets], named=named)
        yield await RunJournal.open(store, setting.clock, masker, settle=_settle), store
    finally:
        await store.aclose()


async def _facts(repository: Repository, base: str, setting: Setting, journal: RunJournal) -> OpenedFacts:
    async def look() -> OpenedFacts:
        files = await repository.files(base)
        return OpenedFacts(
            settings=RunSettings.of(setting.names, setting.budget or Budget(), setting.options),
            memory=await ProjectMemory.read(repository, base, files),
            notes=(*await ignored_settings(repository, base, files), *_notes(repository, setting)),
        )

    return await journal.step("open", look, inputs={"base": base}, gives=OpenedFacts, effect="read")


@asynccontextmanager
async def _under_way(
    opened: RunOpened,
    facts: OpenedFacts,
    *,
    repository: Repository,
    project: Project,
    sandbox: Sandbox,
    setting: Setting,
    journal: RunJournal,
    inbox: Inbox,
) -> AsyncIterator[Voyage]:
    options = facts.settings.held(setting.options)
    recorded = journal.events
    repository = repository.dating(recorded[0].at)  # a commit that is made again is the same commit
    spent = spent_of(one.event for one in recorded)
    used_s = worked_s(spans_of(recorded, begins=(RunOpened, RunResumed)))
    questions = QuestionDesk(opened.run, journal, unanswered=options.unanswered, on_question=options.on_question)
    voyage = Voyage(
        run=opened.run,
        request=opened.request,
        base=opened.base,
        repository=repository,
        workspaces=Workspaces(repository, project.workspaces, opened.run, sandbox, policy=options.policy),
        team=setting.team,
        journal=journal,
        ledger=Ledger(setting.budget or facts.settings.budget, setting.clock, spend=spent, used_s=used_s),
        clock=setting.clock,
        memory=facts.memory,
        options=options,
        files=await repository.files(opened.base),
        questions=questions,
        inbox=inbox,
        steering=Steering(journal),
        stops=Stops(journal),
        added=AddedRequests(journal),
        desk=PermissionDesk(
            policy=options.policy,
            clock=setting.clock,
            tell=journal.record,
            approver=options.approver or (QuestionApprover(questions) if questions.can_ask else None),
            rules=options.rules,
            hooks=options.hooks,
        ),
        state_dir=project.folder.parent,
    )
    try:
        await voyage.set_ref(ids.base_ref(opened.run), opened.base, path="open/base")
        for note in facts.notes:
            await voyage.tell(Noticed(text=note))
        for salvaged in await reclaim(project.workspaces, repository, sandbox, held=opened.run):
            await voyage.tell(_of_salvaged(salvaged))
        yield voyage
    finally:
        await voyage.workspaces.close()


async def _settle(left: Unfinished) -> Repeat | Happened:
    """A workspace stands as it was before the step, and Captain's own refs may be set twice; the world may not."""
    return await refuse(left) if left.intent.effect == "external" else Repeat()


async def _reopen_loops(voyage: Voyage) -> None:
    """Review loops that ended for want of budget go on from where it was used up."""
    logs: dict[str, list[LoopEvent]] = {}
    for recorded in voyage.journal.events:
        if isinstance(step := recorded.event, ReviewStep):
            logs.setdefault(step.task, []).append(step.step)
    for task, log in logs.items():
        if (kept := before_the_budget(standing(log))) is not None:
            await voyage.tell(ReviewStep(task=task, step=LoopReopened(kept=kept)))


def _of_salvaged(salvaged: Salvaged) -> Kept | Noticed:
    if salvaged.ref and salvaged.commit:
        reason = f"work of run {salvaged.run} ({salvaged.name}), whose process ended before it could finish"
        return Kept(ref=salvaged.ref, commit=salvaged.commit, reason=reason)
    return Noticed(
        text=f"An abandoned copy of run {salvaged.run} stays in {salvaged.copy}: "
        f"it cannot be saved ({salvaged.problem})."
    )


def _notes(repository: Repository, setting: Setting) -> list[str]:
    """What a person should know before the run starts, in whole sentences."""
    notes = list(repository.notes)
    if repository.dirty and setting.options.include_dirty:
        notes.append("Uncommitted changes are part of the base: --include-dirty took a snapshot of them.")
    elif repository.dirty:
        notes.append(
            "The work tree has uncommitted changes. They are not part of the base; --include-dirty takes them in."
        )
    notes += setting.team.assumed()
    if repository.branch is None:
        notes.append("HEAD is detached; the run starts from the commit it points at.")
    if setting.budget is not None and setting.budget.cost_usd is not None and (unpriced := setting.team.unpriced()):
        notes.append(
            f"The cost limit cannot count calls whose price is not known ({', '.join(unpriced)}); "
            "a limit on tokens holds for every model."
        )
    return notes
