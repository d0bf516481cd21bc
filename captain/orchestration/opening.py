"""Opening a run: the repository as it is, its record, its base commit and the project's own notes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from anyio import to_thread

from captain.core import ids
from captain.core.clock import Clock
from captain.core.errors import UsageError
from captain.core.events import Kept, Noticed, RunOpened
from captain.core.masking import Masker
from captain.core.usage import Budget
from captain.guards import PermissionDesk
from captain.orchestration.context import Options, Team, Voyage
from captain.orchestration.memory import ProjectMemory
from captain.orchestration.project_files import ignored_settings
from captain.runs import Ledger, Project, RunJournal, SqliteStore
from captain.sandbox import Sandbox, detect, secret_variables
from captain.workspace import Repository, Salvaged, Workspaces, reclaim


@dataclass(frozen=True, slots=True, kw_only=True)
class Setting:
    """What a run is opened with. Without a `sandbox`, it is the strongest of this machine."""

    team: Team
    budget: Budget
    sandbox: Sandbox | None
    state_dir: Path
    options: Options
    clock: Clock


@asynccontextmanager
async def open_voyage(request: str, repo: Path, setting: Setting) -> AsyncIterator[tuple[Voyage, Path]]:
    """The voyage and the folder for its report. Raises `UsageError` before anything has happened."""
    if not request.strip():
        raise UsageError("The request is empty.", hint="Say in a sentence or more what should be done.")
    repository = await Repository.open(repo)
    state_dir = setting.state_dir.resolve()
    if state_dir.is_relative_to(repository.root):
        raise UsageError(
            f"The state folder {state_dir} is inside the work tree {repository.root}.",
            hint="Name a folder outside the repository.",
        )
    # tried where the copies will be, as not every file system can layer
    find = partial(detect, allow_root=setting.options.allow_root, folder=state_dir)
    sandbox = await to_thread.run_sync(find) if setting.sandbox is None else setting.sandbox
    project = Project.of(state_dir, repository.common_dir)
    project.create(repository.common_dir)
    run = ids.new_run_id(setting.clock.now())
    folder = project.make_run_folder(run)
    store = await SqliteStore.open(project.journal, run)
    try:
        voyage = await _open(
            request, run, repository=repository, project=project, store=store, sandbox=sandbox, setting=setting
        )
        try:
            yield voyage, folder
        finally:
            await voyage.workspaces.close()
    finally:
        await store.aclose()


async def _open(
    request: str,
    run: str,
    *,
    repository: Repository,
    project: Project,
    store: SqliteStore,
    sandbox: Sandbox,
    setting: Setting,
) -> Voyage:
    options = setting.options
    dirty = repository.dirty
    base = repository.head
    if dirty and options.include_dirty:
        base = await repository.snapshot_work_tree(f"Uncommitted changes at the start of run {run}")
    files = await repository.files(base)
    memory = await ProjectMemory.read(repository, base, files)
    named = secret_variables() | secret_variables(options.policy.env)
    masker = Masker([*setting.team.secrets(), *options.secrets], named=named)
    journal = await RunJournal.open(store, setting.clock, masker)
    voyage = Voyage(
        run=run,
        request=request,
        base=base,
        repository=repository,
        workspaces=Workspaces(repository, project.workspaces, run, sandbox, policy=options.policy),
        team=setting.team,
        journal=journal,
        ledger=Ledger(setting.budget, setting.clock),
        clock=setting.clock,
        memory=memory,
        options=options,
        files=files,
        desk=PermissionDesk(
            policy=options.policy,
            clock=setting.clock,
            tell=journal.record,
            approver=options.approver,
            rules=options.rules,
            hooks=options.hooks,
        ),
    )
    await voyage.set_ref(ids.base_ref(run), base, path="open/base")
    await voyage.tell(
        RunOpened(
            run=run,
            request=request,
            repository=str(repository.root),
            base=base,
            branch=repository.branch,
            crew=setting.team.names(),
            sandbox=sandbox.name,
            memory=tuple(file.path for file in memory.files),
        )
    )
    for note in await ignored_settings(repository, base, files):
        await voyage.tell(Noticed(text=note))
    for note in _notes(voyage, dirty=dirty, budget=setting.budget):
        await voyage.tell(Noticed(text=note))
    for salvaged in await reclaim(project.workspaces, repository, sandbox):
        await voyage.tell(_of_salvaged(salvaged))
    return voyage


def _of_salvaged(salvaged: Salvaged) -> Kept | Noticed:
    if salvaged.ref and salvaged.commit:
        reason = f"work of run {salvaged.run} ({salvaged.name}), whose process ended before it could finish"
        return Kept(ref=salvaged.ref, commit=salvaged.commit, reason=reason)
    return Noticed(
        text=f"An abandoned copy of run {salvaged.run} stays in {salvaged.copy}: "
        f"it cannot be saved ({salvaged.problem})."
    )


def _notes(voyage: Voyage, *, dirty: bool, budget: Budget) -> list[str]:
    """What a person should know before the run starts, in whole sentences."""
    notes = list(voyage.repository.notes)
    if dirty and voyage.options.include_dirty:
        notes.append("Uncommitted changes are part of the base: --include-dirty took a snapshot of them.")
    elif dirty:
        notes.append(
            "The work tree has uncommitted changes. They are not part of the base; --include-dirty takes them in."
        )
    notes += voyage.team.assumed()
    if voyage.repository.branch is None:
        notes.append("HEAD is detached; the run starts from the commit it points at.")
    if budget.cost_usd is not None and (unpriced := voyage.team.unpriced()):
        notes.append(
            f"The cost limit cannot count calls whose price is not known ({', '.join(unpriced)}); "
            "a limit on tokens holds for every model."
        )
    return notes
