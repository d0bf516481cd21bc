"""The library's face: `run`, `run_sync`, `start`, and `Captain` for hosts that carry many runs.

Nothing here is global: two runs in one process share nothing, not even on one repository.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path

import anyio

from captain.agent import Builder
from captain.core.clock import Clock, SystemClock
from captain.core.errors import JournalError, UsageError
from captain.core.events import Recorded, Role, RunStatus
from captain.core.questions import Question
from captain.core.usage import Budget
from captain.models import Model, Outfitter
from captain.orchestration import (
    Options,
    RestackOrder,
    Setting,
    Team,
    Voyage,
    carry,
    listening,
    open_voyage,
    resume_voyage,
)
from captain.reports import RunView, save
from captain.review import Reviewer
from captain.runs import default_state_dir, find_run
from captain.runs.inbox import How
from captain.sandbox import Sandbox

__all__ = ["Captain", "Crew", "Options", "Outcome", "Run", "run", "run_sync", "start"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Crew:
    """Which model plays which role: a name such as "openai-chat:MODEL@URL", or a `Model` of your own.

    `build` may also be a `Builder` and `review` may hold `Reviewer`s. What is left out is played by the
    captain's model. Models made from names retry what is transient, share one gate for each account, and are
    closed with the run; your own are used as they are and stay open.
    """

    captain: str | Model
    build: str | Model | Builder | None = None
    review: Sequence[str | Model | Reviewer] = ()
    advisor: str | Model | None = None

    def __post_init__(self) -> None:
        if isinstance(self.review, str):
            raise UsageError(
                f"Crew(review={self.review!r}) is one name where a list is wanted.",
                hint=f"Write review=[{self.review!r}].",
            )


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """How a run ended. `branch` is the integrated result; `folder` holds report.md and report.json."""

    run: str
    status: RunStatus
    summary: str
    hint: str
    branch: str | None
    view: RunView
    folder: Path

    @property
    def succeeded(self) -> bool:
        return self.status in ("succeeded", "answered", "planned")


class Run:
    """One run under way, inside `async with captain.start(...)`. Leaving the block early cancels it."""

    def __init__(self, voyage: Voyage, folder: Path) -> None:
        self._voyage = voyage
        self._folder = folder
        self._scope = anyio.CancelScope()
        self._over = anyio.Event()
        self._defect: BaseException | None = None

    @property
    def id(self) -> str:
        return self._voyage.run

    @property
    def folder(self) -> Path:
        """Where the report will be."""
        return self._folder

    def events(self) -> AsyncIterator[Recorded]:
        """Every event from the first to `RunEnded`, at the reader's own pace."""
        return self._voyage.journal.follow()

    @property
    def questions(self) -> tuple[Question, ...]:
        """Those that were asked and have no answer yet."""
        return self._voyage.questions.open

    async def answer(self, question: str, choice: str = "", text: str = "") -> None:
        """Answers a question by its id. Raises `UsageError` for one that is not open, and for what is no answer."""
        await self._voyage.questions.answer(question, choice, text, by="host")

    async def send(self, text: str, *, how: How = "steer", task: str | None = None) -> None:
        """Says something to the agents at work, or to those of a task.

        They hear it before their next model call ("steer"), when they would be done ("queue"), or at once, which cuts
        off what they are at ("interrupt"). Raises `UsageError`.
        """
        await self._voyage.steering.send(text, how=how, task=task)

    async def add(self, request: str) -> int:
        """Asks for something more; its number among the run's requests, of which the first is 1.

        It is triaged and planned like the first, while the tasks there are go on. What comes of it is stacked on them
        where they could meet. Raises `UsageError` for an empty request, and for a run that is at its end.
        """
        return await self._voyage.added.add(request)

    def cancel(self, task: str | None = None) -> None:
        """Stops every agent and command of the run, or of one task; what was done so far is kept.

        Raises `UsageError` for a task that is not at work.
        """
        if task is None:
            self._scope.cancel()
        else:
            self._voyage.stops.stop(task)

    async def result(self) -> Outcome:
        """Waits for the end. How it ended is data: only a defect of Captain's own is raised."""
        await self._over.wait()
        if self._defect is not None:
            raise self._defect
        view = RunView.of(self._voyage.journal.events)
        assert view.ended is not None
        return Outcome(
            run=self.id,
            status=view.ended.status,
            summary=view.ended.summary,
            hint=view.ended.hint,
            branch=view.result.branch if view.result else None,
            view=view,
            folder=self._folder,
        )

    async def _go(self) -> None:
        try:
            with self._scope:
                async with listening(self._voyage, self):
                    await carry(self._voyage)
        except Exception as error:  # noqa: BLE001 - handed to whoever asks for the result
            self._defect = error
        finally:
            self._voyage.journal.seal()
            self._save()
            self._over.set()

    def _save(self) -> None:
        try:
            save(RunView.of(self._voyage.journal.events), self._folder)
        except OSError as error:
            self._defect = self._defect or JournalError(
                f"The report of run {self.id} could not be saved in {self._folder}: {error.strerror}.",
                hint=f"The record is whole: make space, then read it with `captain report {self.id}`.",
            )


class Captain:
    """Carries requests with one crew and one way of working. It keeps nothing between runs.

    `state_dir` is where records, reports and workspaces live; None is the user's own state folder.
    Without a `sandbox` it is the strongest of this machine, and a machine that has none is refused: see
    `captain.sandbox.detect`. `Sandbox.none()` is no isolation, and every report says so.
    """

    def __init__(
        self,
        crew: Crew,
        *,
        budget: Budget | None = None,
        sandbox: Sandbox | None = None,
        state_dir: Path | str | None = None,
        options: Options | None = None,
        clock: Clock | None = None,
    ) -> None:
        self.crew = crew
        self.budget = budget
        self.sandbox = sandbox
        self.state_dir = Path(state_dir) if state_dir is not None else default_state_dir()
        self.options = options or Options()
        self.clock = clock or SystemClock()

    @asynccontextmanager
    async def start(self, request: str, *, repo: Path | str = ".", origin: str = "") -> AsyncIterator[Run]:
        """Starts a run and hands it over while it goes on. `origin` is told in its report: what led to the request.

        Raises `UsageError` before anything has happened, for a repository or a crew that cannot be used.
        """
        async with self._sailing(lambda setting: open_voyage(request, Path(repo), setting, origin=origin)) as run:
            yield run

    @asynccontextmanager
    async def resume(self, run: str, *, repo: Path | str | None = None) -> AsyncIterator[Run]:
        """Takes up a run that was interrupted, or ended with something left to do, where it is.

        `run` is its id or the beginning of it. The crew and the budget may be others than before; without a budget
        the run keeps the one it had, and what was spent counts. `repo` is where its repository is now, if it has
        moved. Raises `UsageError` and `RunHeldError` before anything has happened.
        """
        stored = find_run(self.state_dir, run)
        where = None if repo is None else Path(repo)
        async with self._sailing(lambda setting: resume_voyage(stored, where, setting)) as resumed:
            yield resumed

    @asynccontextmanager
    async def restack(self, order: RestackOrder, *, repo: Path | str = ".") -> AsyncIterator[Run]:
        """Puts the stack of a run that is over onto what it should stand on, as a run of its own.

        What is in conflict becomes a small task for the crew, once, and then a question. Raises `UsageError` before
        anything has happened.
        """
        request, origin = f"Put the stack of run {order.run} onto {order.onto}", f"run {order.run}"
        voyages = partial(open_voyage, request, Path(repo), origin=origin, first=order.note)
        async with self._sailing(lambda setting: voyages(setting=setting)) as run:
            yield run

    def resume_sync(self, run: str, *, repo: Path | str | None = None) -> Outcome:
        """`resume` to the end, for callers without an event loop."""

        async def go_on() -> Outcome:
            async with self.resume(run, repo=repo) as resumed:
                return await resumed.result()

        return anyio.run(go_on)

    @asynccontextmanager
    async def _sailing(
        self, voyages: Callable[[Setting], AbstractAsyncContextManager[tuple[Voyage, Path]]]
    ) -> AsyncIterator[Run]:
        async with AsyncExitStack() as stack:
            setting = Setting(
                team=sign_on(self.crew, stack),
                budget=self.budget,
                sandbox=self.sandbox,
                state_dir=self.state_dir,
                options=self.options,
                clock=self.clock,
                names=_names(self.crew),
            )
            voyage, folder = await stack.enter_async_context(voyages(setting))
            run = Run(voyage, folder)
            error: Exception | None = None
            async with anyio.create_task_group() as group:
                group.start_soon(run._go)  # noqa: SLF001 - the run's own motor, no business of its users
                try:
                    yield run
                except Exception as hosts_own:  # noqa: BLE001 - raised again below, out of the group that would wrap it
                    error = hosts_own
                finally:
                    run.cancel()
            if error is not None:
                raise error

    async def run(self, request: str, *, repo: Path | str = ".") -> Outcome:
        """One request from start to end."""
        async with self.start(request, repo=repo) as run:
            return await run.result()

    def run_sync(self, request: str, *, repo: Path | str = ".") -> Outcome:
        """`run` for callers without an event loop."""
        return anyio.run(lambda: self.run(request, repo=repo))


def start(
    request: str,
    *,
    crew: Crew,
    repo: Path | str = ".",
    budget: Budget | None = None,
    sandbox: Sandbox | None = None,
    state_dir: Path | str | None = None,
    options: Options | None = None,
) -> AbstractAsyncContextManager[Run]:
    """`async with captain.start(...) as run:`, a run to watch, cancel and wait for."""
    captain = Captain(crew, budget=budget, sandbox=sandbox, state_dir=state_dir, options=options)
    return captain.start(request, repo=repo)


async def run(
    request: str,
    *,
    crew: Crew,
    repo: Path | str = ".",
    budget: Budget | None = None,
    sandbox: Sandbox | None = None,
    state_dir: Path | str | None = None,
    options: Options | None = None,
) -> Outcome:
    """Carries one request in one repository from its words to reviewed branches."""
    captain = Captain(crew, budget=budget, sandbox=sandbox, state_dir=state_dir, options=options)
    return await captain.run(request, repo=repo)


def run_sync(
    request: str,
    *,
    crew: Crew,
    repo: Path | str = ".",
    budget: Budget | None = None,
    sandbox: Sandbox | None = None,
    state_dir: Path | str | None = None,
    options: Options | None = None,
) -> Outcome:
    """`run` for callers without an event loop."""
    captain = Captain(crew, budget=budget, sandbox=sandbox, state_dir=state_dir, options=options)
    return captain.run_sync(request, repo=repo)


def _names(crew: Crew) -> tuple[tuple[Role, str], ...]:
    """Role and the name its model is made from, empty for an object of the host's own."""
    players: list[tuple[Role, object]] = [("captain", crew.captain)]
    players += [("build", crew.build)] if crew.build is not None else []
    players += [("review", player) for player in crew.review]
    players += [("advisor", crew.advisor)] if crew.advisor is not None else []
    return tuple((role, player if isinstance(player, str) else "") for role, player in players)


def sign_on(crew: Crew, stack: AsyncExitStack) -> Team:
    """The crew as objects; models made here are closed with the stack."""
    outfitter = Outfitter()
    stack.push_async_callback(outfitter.aclose)
    captain = outfitter.model(crew.captain) if isinstance(crew.captain, str) else crew.captain
    build = crew.build if crew.build is not None else captain
    return Team(
        captain=captain,
        build=outfitter.model(build) if isinstance(build, str) else build,
        review=tuple(outfitter.model(player) if isinstance(player, str) else player for player in crew.review)
        or (captain,),
        advisor=outfitter.model(crew.advisor) if isinstance(crew.advisor, str) else crew.advisor,
    )
