"""The review loop: review, verify, mend one thing at a time, undo what does not hold, end by rule.

    report = await ReviewLoop(reviewers=(...,), fixer=...).run(repo=".", base="main", head="my-branch")

It works in private copies and hands back a commit and a report; no branch of the user's is moved.
"""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path

import anyio
from anyio.abc import TaskGroup

from captain.core import ids
from captain.core.clock import Clock, SystemClock
from captain.core.errors import UsageError
from captain.core.loop_events import BudgetReached, FixStarted, LoopEvent, LoopStarted
from captain.core.tasks import Check, CheckResult, Task
from captain.core.together import first_of
from captain.guards import ScopeGuard, ShortcutGuard
from captain.review.admission import Means
from captain.review.asking import Judge, Reproducer, Reviewer, Verifier
from captain.review.bench import Bench, Labels, Outcome, Standing
from captain.review.carrying import Carrier, checked
from captain.review.engine import Action, Engine, Mend, Prove
from captain.review.fixing import Fixer
from captain.review.intake import Intake
from captain.review.policy import BALANCED, ReviewPolicy
from captain.review.report import LoopReport, report_of
from captain.review.rules import ANYWHERE, Rules
from captain.review.site import Site
from captain.review.trees import Trees
from captain.runs import Journal
from captain.sandbox import Sandbox
from captain.workspace import Repository, Workspaces


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewLoop:
    """Reviewers, a fixer, checks and a policy; everything else has a default.

    Without a fixer it reviews, verifies what is found, and ends: nothing is written into the repository, no ref either.

    Without `verifiers`, the reviewers that can give second opinions do; with none of either, only what was seen to
    fail is mended. The scope of the task holds for every fix, where there is a task; `shortcut_guard` holds for the
    change and for every fix, and None leaves it out. `tell` hears of every event as it happens. With a `journal`, a
    command whose outcome is on record is not run again by a loop that goes on. `time_s` bounds the whole loop: no new
    fix or review begins after it.
    """

    reviewers: Sequence[Reviewer]
    fixer: Fixer | None = None
    checks: Sequence[Check] = ()
    policy: ReviewPolicy = BALANCED
    verifiers: Sequence[Verifier] = ()
    reproducer: Reproducer | None = None
    judge: Judge | None = None
    shortcut_guard: ShortcutGuard | None = field(default_factory=ShortcutGuard)
    sandbox: Sandbox = field(default_factory=Sandbox.none)
    clock: Clock = field(default_factory=SystemClock)
    tell: Callable[[LoopEvent], Awaitable[None]] | None = None
    journal: Journal | None = None
    command_timeout_s: float = 600.0
    review_timeout_s: float = 600.0
    fix_timeout_s: float = 3600.0
    time_s: float | None = None

    def __post_init__(self) -> None:
        if not self.reviewers and not self.checks:
            raise UsageError(
                "A review loop without reviewers and without checks has nothing to go by.",
                hint="Give reviewers=(...,), checks=(Check(name=..., command=...),), or both.",
            )
        names = [check.name for check in self.checks]
        if doubled := {name for name in names if names.count(name) > 1}:
            raise UsageError(f"Two checks are called {min(doubled)!r}.", hint="Give every check a name of its own.")

    async def run(
        self,
        repo: Repository | Path | str,
        base: str,
        head: str,
        *,
        task: Task | None = None,
        ask: str = "",
        run: str | None = None,
        workspaces: Workspaces | None = None,
        log: Sequence[LoopEvent] = (),
    ) -> LoopReport:
        """Reviews what `head` adds to `base` and mends it. Raises `UsageError` before anything has happened.

        `task` is what the change is for; without one, `ask` says it in words. `log` is that of a loop over the same
        commits that was cut off: it goes on from there, under the same `run`.
        """
        repository = repo if isinstance(repo, Repository) else await Repository.open(Path(repo))
        base, head = await _commits(repository, base, head)
        name = run or ids.new_run_id(self.clock.now())
        async with self._places(repository, name, workspaces) as places:
            site = self._site(repository, places, name, base=base, task=task or _task(ask), log=log)
            if log:
                site.engine.resume(log)
            else:
                await site.tell(await self._started(site, base, head))
            await self._carry(site)
            state = site.engine.state
            final = await self._checked(site, state.handed_back or head)
        if self.fixer is None:
            return report_of(state, (*log, *site.log), "", final)
        ref = ids.review_ref(name, site.task.id)
        now = (await repository.refs(ref)).get(ref)
        await repository.set_ref(ref, state.handed_back or head, now)
        return report_of(state, (*log, *site.log), ref, final)

    async def _checked(self, site: Site, commit: str) -> tuple[CheckResult, ...]:
        """How the checks stand on what is handed back: nothing is believed of a commit they were not run on."""
        seen = site.outcomes.get(commit)
        outcomes = seen or await site.standing(commit)
        if seen is None and outcomes:
            await site.tell(checked(site.engine.state.round, commit, outcomes))
        return tuple(outcome.result for outcome in outcomes)

    @asynccontextmanager
    async def _places(
        self, repository: Repository, run: str, workspaces: Workspaces | None
    ) -> AsyncIterator[Workspaces]:
        if workspaces is not None:
            yield workspaces
            return
        with tempfile.TemporaryDirectory(prefix="captain-review-") as folder:
            yield Workspaces(repository, Path(folder), run, self.sandbox, clock=self.clock)

    def _site(
        self, repository: Repository, places: Workspaces, run: str, *, base: str, task: Task, log: Sequence[LoopEvent]
    ) -> Site:
        verifiers = self.verifiers or [each for each in self.reviewers if isinstance(each, Verifier)]
        means = Means(voters=bool(verifiers), reproducer=self.reproducer is not None, fixer=self.fixer is not None)
        events: list[LoopEvent] = []
        label = Labels(prefix=task.id, offset=len(log))
        return Site(
            run=run,
            repository=repository,
            workspaces=places,
            bench=Bench(
                workspaces=places,
                label=label,
                journal=self.journal,
                path=f"task/{task.id}/bench",
                timeout_s=self.command_timeout_s,
            ),
            trees=Trees(repository),
            engine=Engine(self.policy, means=means, listen=events.append),
            log=events,
            label=label,
            task=task,
            base=base,
            reviewers=self.reviewers,
            verifiers=verifiers,
            fixer=self.fixer,
            checks={check.name: check for check in self.checks},
            in_scope=ScopeGuard(task.scope).allows,
            rules=Rules(repository=repository, task=task, shortcut_guard=self.shortcut_guard),
            reproducer=self.reproducer,
            judge=self.judge,
            review_timeout_s=self.review_timeout_s,
            fix_timeout_s=self.fix_timeout_s,
            heard=self.tell,
            before=log,
        )

    async def _started(self, site: Site, base: str, head: str) -> LoopStarted:
        """Runs the checks. One that fails is held against the change only if it passes without, or is demanded."""
        outcomes = await site.standing(head)
        failing = [outcome.result.check for outcome in outcomes if outcome.standing == "fails"]
        demanded = {criterion.check for criterion in site.task.criteria if criterion.check is not None}
        doubtful = [check for check in failing if check.name not in demanded]
        before = await site.bench.standing(doubtful, base)
        return LoopStarted(
            base=base,
            start=head,
            start_tree=await site.repository.tree(head),
            ratchet=_named(outcomes, "passes"),
            baseline=_named(before, "fails"),
            flaky=(*_named(outcomes, "flaky"), *_named(before, "flaky")),
            criteria=tuple(criterion.id for criterion in site.task.criteria if criterion.check is None),
        )

    async def _carry(self, site: Site) -> None:
        """Everything that is due, side by side, until nothing is. The first error ends all and is raised plain."""
        names = (f"F{number}" for number in count(1) if f"F{number}" not in site.cases)
        intake = Intake(
            trees=site.trees,
            cases=lambda: tuple(site.cases.values()),
            names=lambda: next(names),
            in_scope=site.in_scope,
            judge=site.judge,
        )
        carrier = Carrier(site=site, intake=intake)
        until_s = None if self.time_s is None else self.clock.monotonic_s() + self.time_s
        failure: BaseException | None = None
        try:
            async with anyio.create_task_group() as group:
                await _conduct(site, carrier, group, lambda: self._late(until_s))
        except BaseExceptionGroup as failed:
            failure = first_of(failed)
        if failure is not None:
            raise failure

    def _late(self, until_s: float | None) -> str | None:
        if until_s is None or self.clock.monotonic_s() < until_s:
            return None
        return f"its {self.time_s:g} s are used up"


async def _conduct(site: Site, carrier: Carrier, group: TaskGroup, late: Callable[[], str | None]) -> None:
    under_way: dict[Action, anyio.CancelScope] = {}
    news = anyio.Event()

    async def carry(action: Action, scope: anyio.CancelScope) -> None:
        with scope:
            await carrier.carry_out(action)
        del under_way[action]
        news.set()

    while True:
        if site.engine.state.spent is None and (reason := late()) is not None:
            await site.tell(BudgetReached(reason=reason))
        due = site.engine.due()
        await site.flush()
        for action, scope in under_way.items():
            if action not in due and isinstance(action, Prove):
                scope.cancel()
        if not due and not under_way:
            return
        news = anyio.Event()
        for action in due:
            if action not in under_way:
                under_way[action] = anyio.CancelScope()
                if isinstance(action, Mend):
                    await site.tell(
                        FixStarted(cases=action.cases, rung=action.rung, round=action.round, lane=action.lane)
                    )
                group.start_soon(carry, action, under_way[action])
        await news.wait()


async def _commits(repository: Repository, base: str, head: str) -> tuple[str, str]:
    base, head = await repository.resolve(base), await repository.resolve(head)
    if not await repository.is_ancestor(base, head):
        raise UsageError(
            f"{head[:12]} does not start from {base[:12]}, so there is no change between them to review.",
            hint="Name as the base a commit that the head was made on top of, such as their merge base.",
        )
    if await repository.tree(base) == await repository.tree(head):
        raise UsageError(
            f"There is nothing to review: {head[:12]} has the same files as {base[:12]}.",
            hint="Commit the change first, or name another base.",
        )
    return base, head


def _task(ask: str) -> Task:
    return Task(
        id="review",
        title="Review of a change",
        kind="change",
        brief=ask or "Nothing is said about what the change is for; the change itself and the code around it show it.",
        scope=ANYWHERE,
        criteria=(),
        checks=(),
    )


def _named(outcomes: Sequence[Outcome], standing: Standing) -> tuple[str, ...]:
    return tuple(outcome.result.check.name for outcome in outcomes if outcome.standing == standing)
