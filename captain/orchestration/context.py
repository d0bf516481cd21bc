"""What every step of a run works with."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from itertools import count
from pathlib import Path
from types import NoneType
from typing import Final, Literal, TypeVar

from captain.agent import Builder, Crewmate, Limits
from captain.core.clock import Clock
from captain.core.errors import UsageError
from captain.core.events import CollisionForecast, Event, FollowUpNoted, Role
from captain.core.masking import Masker
from captain.core.policy import Policy
from captain.core.questions import Choice
from captain.core.tasks import Check, CheckResult, FollowUp
from captain.core.usage import Usage
from captain.guards import Approver, Hook, PermissionDesk, Rule
from captain.models import Model, cost_usd, secrets_of
from captain.orchestration.added import FIRST, AddedRequests, Standing
from captain.orchestration.approval import PlanApprover
from captain.orchestration.lookout import Collision, Lookout
from captain.orchestration.memory import ProjectMemory
from captain.orchestration.questions import OnQuestion, QuestionDesk, Unanswered
from captain.orchestration.steering import Steering, Stops
from captain.review import BALANCED, Reviewer, ReviewPolicy
from captain.runs import Effect, Inbox, Journal, Ledger, Unfinished
from captain.sandbox import Box, ExecResult
from captain.tools import Tool, clip
from captain.workspace import MergeResult, Repository, Workspaces

T = TypeVar("T")

INVESTIGATION: Final = Limits(turns=40, tokens=1_000_000, working_s=900)
"""How far the Captain itself looks; tokens are counted with what is repeated from cache."""

_OUTPUT_LIMIT_CHARS = 6_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """How a run goes about its work. Times are seconds; `extra_tools` are given to every Build agent.

    `review` are the numbers of every task's review loop.

    `investigation` is how far the Captain itself looks before its triage; the default allows some forty looks, a
    quarter of an hour of work. `stop_after_plan` ends the run with the plan; `approve_plan` is asked about it, or with
    "ask" a question of the run is.
    `other_crews` are named, and only reckoned with: what the plan would cost with them.

    `allow_root`: a host that is root may work too; its commands run as another user, or without root's rights.

    `policy` is what boxes and tools are granted, `rules` and `hooks` decide about what crosses that, and the
    `approver` is asked about the rest; without one it is a question of the run where those can be answered while it
    goes on, and else denied.

    `on_question` answers the run's questions, or gives None; `unanswered` is what becomes of those that are left.
    `secrets` are values to be masked besides the models' keys and the secrets of the host's environment.
    """

    max_parallel: int = 4
    review: ReviewPolicy = BALANCED
    investigation: Limits = INVESTIGATION
    stop_after_plan: bool = False
    approve_plan: PlanApprover | Literal["ask"] | None = None
    other_crews: tuple[tuple[str, Team], ...] = ()
    max_turns: int = 200
    command_timeout_s: float = 600.0
    include_dirty: bool = False
    allow_root: bool = False
    extra_tools: tuple[Tool, ...] = ()
    policy: Policy = field(default_factory=Policy)
    rules: tuple[Rule, ...] = ()
    hooks: tuple[Hook, ...] = ()
    approver: Approver | None = None
    unanswered: Unanswered = "park"
    on_question: OnQuestion | None = None
    secrets: tuple[str, ...] = field(default=(), repr=False)

    def __post_init__(self) -> None:
        for name in ("max_parallel", "max_turns", "command_timeout_s"):
            if not getattr(self, name) > 0:
                raise UsageError(f"Options({name}={getattr(self, name)}) is not positive.", hint="Use 1 or more.")


@dataclass(frozen=True, slots=True, kw_only=True)
class Team:
    """Who plays which role, as objects: a crew whose names have been resolved."""

    captain: Model
    build: Model | Builder
    review: tuple[Model | Reviewer, ...]
    advisor: Model | None = None

    def names(self) -> tuple[tuple[Role, str], ...]:
        """Role and model id, or the name of the class where the host brought an object of its own."""
        roles: list[tuple[Role, object]] = [("captain", self.captain), ("build", self.build)]
        roles += [("review", reviewer) for reviewer in self.review]
        roles += [("advisor", self.advisor)] if self.advisor else []
        return tuple((role, name_of(player)) for role, player in roles)

    def unpriced(self) -> tuple[str, ...]:
        """The ids of the models whose price is not known."""
        return tuple(
            dict.fromkeys(
                model.id for model in self._models() if cost_usd(model.profile, Usage(input_tokens=1)) is None
            )
        )

    def assumed(self) -> tuple[str, ...]:
        """What is only assumed of models that are not known, in whole sentences."""
        return tuple(dict.fromkeys(f"{model.id}: {note}" for model in self._models() if (note := model.profile.note)))

    def secrets(self) -> tuple[str, ...]:
        """The keys that the models are called with."""
        return tuple(secret for model in self._models() for secret in secrets_of(model))

    def _models(self) -> list[Model]:
        players = (self.captain, self.build, *self.review, self.advisor)
        return [player for player in players if isinstance(player, Model)]


def name_of(player: object) -> str:
    for attribute in ("id", "name"):
        if isinstance(name := getattr(player, attribute, None), str):
            return name
    return type(player).__name__


@dataclass(frozen=True, slots=True, kw_only=True)
class Voyage:
    """One run under way. `base` is the commit everything starts from.

    For a request that was added, `number` is its own, `base` what was there when it was taken up, `at_request` what it
    is placed among, and the names of its steps begin with `part`.
    """

    run: str
    request: str
    base: str
    repository: Repository
    workspaces: Workspaces
    team: Team
    journal: Journal
    ledger: Ledger
    clock: Clock
    memory: ProjectMemory
    options: Options
    files: tuple[str, ...]
    desk: PermissionDesk
    state_dir: Path
    questions: QuestionDesk
    inbox: Inbox
    steering: Steering
    stops: Stops
    added: AddedRequests
    number: int = FIRST
    part: str = ""
    lookout: Lookout = field(default_factory=Lookout)
    at_request: Standing | None = None
    _numbers: Iterator[int] = field(default_factory=partial(count, 1))

    def with_request(self, number: int, request: str, standing: Standing, files: tuple[str, ...]) -> Voyage:
        """The same run, for the triage and the plan of a request that was added."""
        return replace(
            self,
            request=request,
            base=standing.commit,
            files=files,
            number=number,
            part=f"request/{number}/",
            at_request=standing,
        )

    @property
    def standing(self) -> Standing:
        """The tasks there are already, on which those of the request may have to stand."""
        return self.at_request or Standing(base=self.base, commit=self.base)

    @property
    def asked(self) -> str:
        """The request as the Captain sees it and can quote it: without secrets."""
        return self.journal.masker.mask(self.request)

    async def tell(self, event: Event) -> None:
        await self.journal.record(event)

    async def note(self, follow_ups: Iterable[FollowUp]) -> None:
        for follow_up in follow_ups:
            await self.tell(FollowUpNoted(follow_up=follow_up))

    async def look_out(self, task: str, head: str) -> None:
        """Tells whom a task at `head` would be in conflict with."""

        async def look() -> list[Collision]:
            return list(await self.lookout.saw(self.repository, task, head))

        self.lookout.note(task, head)  # in a run that is taken up again, the step gives what it gave
        path = f"task/{task}/lookout/{head[:12]}"
        for found in await self.step(path, look, inputs={"head": head}, gives=list[Collision], effect="read"):
            await self.tell(CollisionForecast(tasks=found.tasks, paths=found.paths))

    def mate(self, model: Model, role: Role, name: str) -> Crewmate:
        return Crewmate(
            model=model,
            name=name,
            role=role,
            clock=self.clock,
            journal=self.journal,
            ledger=self.ledger,
            happened=self.happened,
            masker=self.journal.masker,
        )

    async def happened(self, left: Unfinished) -> bool:
        """Whether an effect outside of this machine happened, as somebody says who has looked."""
        answer = await self.questions.ask(
            f"external/{left.path}",
            "external",
            f"Did this happen? It had begun at {left.began_at:%Y-%m-%d %H:%M:%S} UTC, and the process was lost.",
            choices=(Choice(name="repeat", text="it did not: do it"), Choice(name="happened", text="it did: go on")),
            details="\n".join(f"{given.name}: {given.shown}" for given in left.intent.inputs),
        )
        return answer.choice == "happened"

    def shown(self, result: ExecResult, box: Box) -> str:
        """A command's output as it is kept and told to agents."""
        return shown(result, box, self.journal.masker)

    async def step(
        self, path: str, work: Callable[[], Awaitable[T]], *, inputs: object, gives: type[T], effect: Effect = "write"
    ) -> T:
        """`Journal.step`: every effect of a run goes through here."""
        return await self.journal.step(f"{self.part}{path}", work, inputs=inputs, gives=gives, effect=effect)

    def knows(self, path: str) -> bool:
        """Whether the step is finished."""
        return self.journal.knows(f"{self.part}{path}")

    async def set_ref(self, ref: str, commit: str, *, path: str) -> None:
        """Makes a ref of the run's own that does not exist yet."""

        async def make() -> None:
            await self.repository.set_ref(ref, commit, None)

        await self.step(path, make, inputs={"ref": ref, "commit": commit}, gives=NoneType)

    async def merge(self, ours: str, theirs: str, message: str, *, path: str) -> MergeResult:
        async def merge() -> MergeResult:
            return await self.repository.merge(ours, theirs, message)

        # it only adds objects: no ref moves
        return await self.step(path, merge, inputs={"ours": ours, "theirs": theirs}, gives=MergeResult, effect="read")

    @asynccontextmanager
    async def fresh_box(self, name: str, commit: str) -> AsyncIterator[Box]:
        """A box on a copy nobody has worked in: the only place where something can be proved."""
        async with self.workspaces.open(name, commit, scratch=True) as workspace:
            yield workspace.box

    @asynccontextmanager
    async def reading_box(self, name: str, commit: str) -> AsyncIterator[Box]:
        """A fresh box for one who only looks; several of the same name may be open at once."""
        async with self.fresh_box(f"{name}-{next(self._numbers)}", commit) as box:
            yield box

    async def run_checks(self, checks: tuple[Check, ...], commit: str, *, path: str) -> tuple[CheckResult, ...]:
        """Runs checks on a fresh copy of `commit`, one after another; what they print is data."""

        async def run() -> list[CheckResult]:
            async with self.fresh_box(path.replace("/", "-"), commit) as box:
                return [await self._run_check(check, box) for check in checks]

        if not checks:
            return ()
        inputs = {"commit": commit, "checks": list(checks)}
        # on a copy of its own, which is gone afterwards: nothing is left to reset before it is repeated
        return tuple(await self.step(path, run, inputs=inputs, gives=list[CheckResult], effect="read"))

    async def _run_check(self, check: Check, box: Box) -> CheckResult:
        result = await box.run_shell(check.command, timeout_s=self.options.command_timeout_s)
        return CheckResult(
            check=check,
            exit_code=result.exit_code,
            output=self.shown(result, box),
            duration_s=round(result.duration_s, 3),
        )


def shown(result: ExecResult, box: Box, masker: Masker) -> str:
    """A command's output, masked and then clipped; paths are given from the copy's root, which is gone afterwards."""
    return clip(masker.mask(result.text.replace(f"{box.root}/", "").strip()), _OUTPUT_LIMIT_CHARS)
