"""Carries a `captain review`: from a crew, a target and flags to the loop's report."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from captain.core.errors import JournalError, UsageError

if TYPE_CHECKING:
    from captain.agent import AgentBuilder, Crewmate
    from captain.api import Crew
    from captain.cli.review_target import Target
    from captain.core.cases import Anchor
    from captain.core.events import Role
    from captain.core.loop_events import LoopEvent
    from captain.core.masking import Masker
    from captain.core.policy import Policy
    from captain.core.tasks import Task
    from captain.core.usage import Budget
    from captain.models import Model
    from captain.orchestration.memory import ProjectMemory
    from captain.reports.meter import Meter
    from captain.review import BuildFixer, LoopReport, ReviewPolicy
    from captain.runs import Journal, Ledger
    from captain.sandbox import Box, Sandbox
    from captain.workspace import Workspaces


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What was asked for. Without a crew only the checks look; with `fix`, what is found is mended."""

    target: Target
    task: Task
    crew: Crew | None
    budget: Budget | None
    policy: ReviewPolicy
    grants: Policy
    fix: bool
    time_s: float | None
    command_timeout_s: float
    allow_root: bool
    state_dir: Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Reviewed:
    """`places` say where cases are in the commit that is handed back; `changed` is a file of the change.

    `folder` holds report.md and report.json.
    """

    report: LoopReport
    meter: Meter
    places: dict[str, Anchor | None]
    notes: tuple[str, ...]
    changed: str | None
    elapsed_s: float
    folder: Path


async def carry(order: Order, hear: Callable[[LoopEvent], Awaitable[None]], note: Callable[[str], None]) -> Reviewed:
    """Reviews, and mends where that is asked for. `note` is told sentences as they become known."""
    from anyio import to_thread

    from captain.core import ids
    from captain.core.clock import SystemClock
    from captain.runs import Project
    from captain.sandbox import detect

    repository = order.target.repository
    state_dir = order.state_dir.resolve()
    if state_dir.is_relative_to(repository.root.resolve()):
        raise UsageError(
            f"The state folder {state_dir} is inside the work tree {repository.root}.",
            hint="Name a folder outside the repository.",
        )
    sandbox = await to_thread.run_sync(lambda: detect(allow_root=order.allow_root, folder=state_dir))
    project = Project.of(state_dir, repository.common_dir)
    project.create(repository.common_dir)
    clock = SystemClock()
    run = ids.new_run_id(clock.now())
    folder = project.make_run_folder(run)
    async with AsyncExitStack() as stack:
        work = await stack.enter_async_context(_at_work(order, run, project.workspaces, sandbox, note))
        started_s = clock.monotonic_s()
        report = await work.loop(hear)
        elapsed_s = clock.monotonic_s() - started_s
        return Reviewed(
            report=work.masker.value(report),
            meter=work.meter(),
            places=await _places(report, order),
            notes=work.notes,
            changed=await _changed(order),
            elapsed_s=elapsed_s,
            folder=folder,
        )


@asynccontextmanager
async def _at_work(
    order: Order, run: str, folder: Path, sandbox: Sandbox, note: Callable[[str], None]
) -> AsyncIterator[_Work]:
    from captain.core.clock import SystemClock
    from captain.core.masking import Masker
    from captain.core.usage import Budget, Usage
    from captain.models import Model, Outfitter, cost_usd, secrets_of
    from captain.orchestration.memory import ProjectMemory
    from captain.runs import Ledger, MemoryStore, RunJournal
    from captain.sandbox import secret_variables
    from captain.workspace import Workspaces, reclaim

    repository, clock = order.target.repository, SystemClock()
    notes = [*order.target.notes, *repository.notes]
    if sandbox.name == "none":
        notes.append("unsandboxed: commands are not confined.")
    async with AsyncExitStack() as stack:
        outfitter = Outfitter()
        stack.push_async_callback(outfitter.aclose)

        def signed_on(player: object) -> Model | None:
            if isinstance(player, str):
                return outfitter.model(player)
            return player if isinstance(player, Model) else None

        crew = order.crew
        reviewing = [model for player in (crew.review if crew else ()) if (model := signed_on(player)) is not None]
        build, advisor = (signed_on(crew.build), signed_on(crew.advisor)) if crew and order.fix else (None, None)
        models = [model for model in (*reviewing, build, advisor) if model is not None]
        if order.budget is not None and order.budget.cost_usd is not None:
            unpriced = dict.fromkeys(
                model.id for model in models if cost_usd(model.profile, Usage(input_tokens=1)) is None
            )
            if unpriced:
                notes.append(
                    f"The cost limit cannot count calls whose price is not known ({', '.join(unpriced)}); "
                    "a limit on tokens holds for every model."
                )
        notes += dict.fromkeys(f"{model.id}: {model.profile.note}" for model in models if model.profile.note)
        masker = Masker([secret for model in models for secret in secrets_of(model)], named=secret_variables())
        if order.fix:  # the only thing here that writes into the repository besides the loop
            for left in await reclaim(folder, repository, sandbox):
                if left.ref:
                    notes.append(f"Work of run {left.run}, whose process ended early, is kept under {left.ref}.")
        workspaces = Workspaces(repository, folder, run, sandbox, policy=order.grants)
        stack.push_async_callback(workspaces.close)
        for sentence in notes:
            note(sentence)
        yield _Work(
            order=order,
            run=run,
            workspaces=workspaces,
            sandbox=sandbox,
            journal=await RunJournal.open(MemoryStore(), clock, masker),
            ledger=Ledger(order.budget or Budget(), clock),
            reviewing=tuple(reviewing),
            build=build,
            advisor=advisor,
            memory=await ProjectMemory.read(
                repository, order.target.base, await repository.files(order.target.base)
            ),  # of the base: the change under review does not instruct who mends it
            notes=tuple(notes),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Work:
    order: Order
    run: str
    workspaces: Workspaces
    sandbox: Sandbox
    journal: Journal
    ledger: Ledger
    reviewing: tuple[Model, ...]
    build: Model | None
    advisor: Model | None
    memory: ProjectMemory
    notes: tuple[str, ...]

    @property
    def masker(self) -> Masker:
        return self.journal.masker

    def meter(self) -> Meter:
        from captain.core.events import ModelCalled
        from captain.reports.meter import Meter

        meter = Meter()
        for recorded in self.journal.events:
            if isinstance(recorded.event, ModelCalled):
                meter.add(recorded.event)
        return meter

    async def loop(self, hear: Callable[[LoopEvent], Awaitable[None]]) -> LoopReport:
        from captain.review import ModelJudge, ModelReproducer, ModelReviewer, ReviewLoop
        from captain.review.bench import Labels

        order, label = self.order, Labels(prefix="look")

        @asynccontextmanager
        async def inspect(commit: str) -> AsyncIterator[Box]:
            """A copy of the reviewer's own, of which nothing comes back."""
            async with self.workspaces.open(label("box"), commit, scratch=True) as workspace:
                yield workspace.box

        first = self.reviewing[0] if self.reviewing else None
        names = ["review"] if len(self.reviewing) == 1 else [f"review-{n}" for n in range(1, len(self.reviewing) + 1)]
        loop = ReviewLoop(
            reviewers=[
                ModelReviewer(mate=self._mate(model, "review", name), inspect=inspect)
                for name, model in zip(names, self.reviewing, strict=True)
            ],
            fixer=self._fixer(),
            checks=order.task.checks,
            policy=order.policy,
            judge=ModelJudge(mate=self._mate(first, "review", "judge")) if first else None,
            reproducer=ModelReproducer(mate=self._mate(first, "review", "reproducer"), inspect=inspect)
            if first and self.build is not None
            else None,  # it works with a shell, which a review alone gives to nobody
            sandbox=self.sandbox,
            tell=hear,
            command_timeout_s=order.command_timeout_s,
            time_s=order.time_s,
        )
        target = order.target
        return await loop.run(
            target.repository, target.base, target.head, task=order.task, run=self.run, workspaces=self.workspaces
        )

    def _mate(self, model: Model, role: Role, name: str) -> Crewmate:
        from captain.agent import Crewmate

        return Crewmate(model=model, name=name, role=role, journal=self.journal, ledger=self.ledger, masker=self.masker)

    def _fixer(self) -> BuildFixer | None:
        from captain.review import BuildFixer

        if self.build is None:
            return None
        advisor = self._builder(self.advisor) if self.advisor is not None else None
        return BuildFixer(builder=self._builder(self.build), advisor=advisor)

    def _builder(self, model: Model) -> AgentBuilder:
        from captain.agent import AgentBuilder
        from captain.tools import working

        return AgentBuilder(
            crewmate=lambda task: self._mate(model, "build", f"build-{task.id}"),
            notes=lambda task: self.memory.nearest(task.scope.paths),
            tools=working(model.profile.edit_dialect),
            command_timeout_s=self.order.command_timeout_s,
        )


async def _places(report: LoopReport, order: Order) -> dict[str, Anchor | None]:
    """Where each case is in the commit that is handed back; where it was, if it was mended."""
    from captain.review.trees import Trees

    trees = Trees(order.target.repository)
    places: dict[str, Anchor | None] = {}
    for case in report.cases:
        places[case.id] = case.anchor
        if case.anchors and case.status != "fixed" and case.anchors[-1][0] != report.commit:
            tree, anchor = case.anchors[-1]
            places[case.id] = await trees.carried(anchor, tree, report.commit)
    return places


async def _changed(order: Order) -> str | None:
    """The first file of the change that is still there; of one that only deletes, any that is."""
    target = order.target
    there = await target.repository.files(target.head)
    changed = {change.path for change in await target.repository.changes(target.base, target.head)}
    return next((path for path in there if path in changed), next(iter(there), None))


def save(done: Reviewed, markdown: str, as_json: str) -> None:
    """Raises `JournalError`."""
    from captain.reports.files import JSON, MARKDOWN, write

    try:
        write(done.folder / MARKDOWN, markdown)
        write(done.folder / JSON, as_json)
    except OSError as error:
        raise JournalError(
            f"The report could not be saved in {done.folder}: {error.strerror}.",
            hint="Make space, or name another --state-dir.",
        ) from error
