"""Everything that can happen in a run, as a closed union of short values.

The journal stores these, and the live view, the report and any host product are readings of them.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from decimal import Decimal
from typing import Final, Literal, TypeAlias, get_args

from captain.core.actions import Action, Decision, PermissionRequest
from captain.core.cases import Case
from captain.core.estimates import Estimate
from captain.core.findings import Verdict
from captain.core.house_rules import HouseRule
from captain.core.loop_events import LoopEvent
from captain.core.questions import AnsweredBy, Question
from captain.core.tasks import CheckResult, FollowUp, Plan, Task, TaskState, Triage
from captain.core.usage import Spend, Usage

Role: TypeAlias = Literal["captain", "build", "review", "advisor"]
AdviceTrigger: TypeAlias = Literal["stuck", "failing", "asked"]
RunStatus: TypeAlias = Literal[
    "succeeded", "answered", "planned", "declined", "needs_human", "failed", "budget", "cancelled"
]


@dataclass(frozen=True, slots=True, kw_only=True)
class RunOpened:
    """`base` is a commit id; `branch` the user's branch, None for a detached head. `origin` says what led to it."""

    run: str
    request: str
    repository: str
    base: str
    branch: str | None
    crew: tuple[tuple[Role, str], ...]
    sandbox: str
    memory: tuple[str, ...] = ()
    origin: str = ""
    kind: Literal["run_opened"] = "run_opened"


@dataclass(frozen=True, slots=True, kw_only=True)
class RunResumed:
    """Another process goes on with the run, or the same one later; `crew` is who carries it from here.

    `repository` is where that is now; empty in records of versions that did not note it.
    How the run and its tasks had ended before is taken back: what was not accepted is at work again.
    """

    crew: tuple[tuple[Role, str], ...]
    sandbox: str
    repository: str = ""
    kind: Literal["run_resumed"] = "run_resumed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Noticed:
    """Something a person should know, in one sentence."""

    text: str
    kind: Literal["noticed"] = "noticed"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReproductionRan:
    """`seen_to_fail` is what the library saw on `commit`, whatever an agent says; `refuted` is why it was not.

    It `failed` in so many of its `runs`, each on a fresh copy; exit code and output are of the first that failed,
    or of the last. `cause` is the diagnosis that it stands for.
    """

    diagnosis: str
    command: str
    commit: str
    exit_code: int | None
    seen_to_fail: bool
    output: str
    cause: str = ""
    runs: int = 1
    failed: int = 1
    refuted: str = ""
    kind: Literal["reproduction_ran"] = "reproduction_ran"


@dataclass(frozen=True, slots=True, kw_only=True)
class Refused:
    """A proposal that did not meet the rules: its problems, and the rule each of them breaks.

    An `edit` is a person's. `call` names the step in which it was handed in: the same words may be refused again.
    `request` as in `Triaged`.
    """

    what: Literal["triage", "plan", "edit"]
    problems: tuple[str, ...]
    rules: tuple[HouseRule, ...] = ()
    call: str = ""
    request: int = 1
    kind: Literal["refused"] = "refused"


@dataclass(frozen=True, slots=True, kw_only=True)
class SearchPlanned:
    """Nobody knows the cause yet: these tasks look for it, each in its area, and change nothing."""

    tasks: tuple[Task, ...]
    reason: str
    kind: Literal["search_planned"] = "search_planned"


@dataclass(frozen=True, slots=True, kw_only=True)
class Investigated:
    """What one who was sent to look reports: words, which prove nothing. `problem` says why there is no more."""

    task: str
    report: str
    problem: str = ""
    kind: Literal["investigated"] = "investigated"


@dataclass(frozen=True, slots=True, kw_only=True)
class Triaged:
    """`request` says of which: 1 is the run's own, and what was added later has the number of `RequestAdded`."""

    triage: Triage
    request: int = 1
    kind: Literal["triaged"] = "triaged"


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanAdopted:
    """`request` as in `Triaged`; the plan for one that was added has only the tasks that come with it."""

    plan: Plan
    request: int = 1
    kind: Literal["plan_adopted"] = "plan_adopted"


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanEstimated:
    """What carrying out the plan is going to cost; `crew` names another crew than the run's own."""

    estimate: Estimate
    crew: str = ""
    kind: Literal["plan_estimated"] = "plan_estimated"


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanDecided:
    """What a person said to the plan they were shown; `words` are theirs."""

    decision: Literal["accepted", "edited", "rejected", "replied"]
    words: str = ""
    kind: Literal["plan_decided"] = "plan_decided"


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskAdded:
    """A task that is in no plan, as something came up that has to be done for one that is."""

    task: Task
    reason: str
    kind: Literal["task_added"] = "task_added"


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskChanged:
    task: str
    state: TaskState
    reason: str = ""
    kind: Literal["task_changed"] = "task_changed"


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentStarted:
    agent: str
    role: Role
    model: str
    task: str | None = None
    kind: Literal["agent_started"] = "agent_started"


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentEnded:
    """`ending` is why its turns ended; `summary` its own last words, which prove nothing."""

    agent: str
    ending: Literal["done", "turn_limit", "limit", "stuck", "silent", "failed"]
    turns: int
    summary: str = ""
    kind: Literal["agent_ended"] = "agent_ended"


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelCalled:
    """One paid call. `cost_usd` is None where the price is not known.

    `estimated` says that nobody knows what it used, and `usage` is what was expected: the call broke off, was given
    up, or its server does not count. `turn` is False where it was no agent's turn.
    """

    agent: str
    role: Role
    model: str
    usage: Usage
    cost_usd: Decimal | None
    first_event_s: float
    duration_s: float
    turn: bool = True
    estimated: bool = False
    kind: Literal["model_called"] = "model_called"

    def added_to(self, spend: Spend) -> Spend:
        return spend.add(self.usage, self.cost_usd, turns=int(self.turn), estimated=self.estimated)


@dataclass(frozen=True, slots=True, kw_only=True)
class Compacted:
    """A conversation was made shorter: results cut to their heads, or its older part told as a summary."""

    agent: str
    stage: Literal["clipped", "summarised"]
    tokens_before: int
    tokens_after: int
    kind: Literal["compacted"] = "compacted"


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolCalled:
    agent: str
    tool: str
    summary: str
    is_error: bool
    duration_s: float
    kind: Literal["tool_called"] = "tool_called"


@dataclass(frozen=True, slots=True, kw_only=True)
class SnapshotTaken:
    """A workspace's state was imported and is kept under `ref`. `files` counts paths changed since `base`."""

    task: str
    base: str
    commit: str
    ref: str
    files: int
    kind: Literal["snapshot_taken"] = "snapshot_taken"


@dataclass(frozen=True, slots=True, kw_only=True)
class DriftPutBack:
    """Changes outside the scope were undone; `ref` still has them."""

    task: str
    paths: tuple[str, ...]
    ref: str
    kind: Literal["drift_put_back"] = "drift_put_back"


@dataclass(frozen=True, slots=True, kw_only=True)
class FollowUpNoted:
    follow_up: FollowUp
    kind: Literal["follow_up_noted"] = "follow_up_noted"


@dataclass(frozen=True, slots=True, kw_only=True)
class ChecksRan:
    """Exit codes the library recorded itself, of the checks on the integrated result."""

    commit: str
    results: tuple[CheckResult, ...]
    kind: Literal["checks_ran"] = "checks_ran"


@dataclass(frozen=True, slots=True, kw_only=True)
class TasksClashed:
    """Accepted work that does not go together. `task` comes last of these, and is repaired or left out.

    Either it conflicts with `others` in the paths `conflicts`; or their combination, kept under `ref`, fails the
    checks of `results`, and no part of it does.
    """

    task: str
    others: tuple[str, ...]
    conflicts: tuple[str, ...] = ()
    results: tuple[CheckResult, ...] = ()
    ref: str = ""
    kind: Literal["tasks_clashed"] = "tasks_clashed"


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskRestacked:
    """Accepted work of a task was put onto something else: `before` and `after` are commits of it.

    `below` are the tasks it stands on now, if any. `how` is `followed` where it fitted as it was, else who made it fit.
    """

    task: str
    below: tuple[str, ...]
    before: str
    after: str
    how: Literal["followed", "small task", "by hand"]
    kind: Literal["task_restacked"] = "task_restacked"


@dataclass(frozen=True, slots=True, kw_only=True)
class CollisionForecast:
    """Tasks at work whose changes so far would be in conflict in `paths`. Told once for each pair and set of paths."""

    tasks: tuple[str, str]
    paths: tuple[str, ...]
    kind: Literal["collision_forecast"] = "collision_forecast"


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewStep:
    """Something happened in a task's review loop. The steps of a task, in order, are the log of its loop."""

    task: str
    step: LoopEvent
    kind: Literal["review_step"] = "review_step"


@dataclass(frozen=True, slots=True, kw_only=True)
class LoopEnded:
    """A task's review loop is over; `commit` is handed back, of the least known weight, `start` is where it began.

    `residuals` are known to be wrong with that commit; `unproved` was said and could not be confirmed.
    """

    task: str
    verdict: Verdict
    reason: str
    rounds: int
    start: str
    commit: str
    start_weight: int
    weight: int
    residuals: tuple[Case, ...]
    unproved: tuple[Case, ...] = ()
    kind: Literal["loop_ended"] = "loop_ended"


@dataclass(frozen=True, slots=True, kw_only=True)
class BranchSet:
    branch: str
    commit: str
    task: str | None = None
    kind: Literal["branch_set"] = "branch_set"


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    """Work that is on no branch but can be reached by `ref`."""

    ref: str
    commit: str
    reason: str
    task: str | None = None
    kind: Literal["kept"] = "kept"


@dataclass(frozen=True, slots=True, kw_only=True)
class PermissionAsked:
    """A person was shown this; `digest` is what a grant would be bound to, `reason` why it has to be asked."""

    request: PermissionRequest
    digest: str
    reason: str
    kind: Literal["permission_asked"] = "permission_asked"


@dataclass(frozen=True, slots=True, kw_only=True)
class PermissionDecided:
    """What became of an action that crosses the border of a box, by a rule or by a person."""

    action: Action
    asked_by: str
    decision: Decision
    kind: Literal["permission_decided"] = "permission_decided"


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestAdded:
    """Somebody asks for something more while the run goes on. Numbers count from 2; the run's own request is 1."""

    number: int
    request: str
    kind: Literal["request_added"] = "request_added"


@dataclass(frozen=True, slots=True, kw_only=True)
class RequestEnded:
    """A request that leads to no tasks, and why: answered, declined, or not to be decided now."""

    request: int
    status: RunStatus
    summary: str
    hint: str = ""
    kind: Literal["request_ended"] = "request_ended"


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageSent:
    """Somebody has something to say to the agents at work, or to those of a task."""

    text: str
    how: Literal["queue", "steer", "interrupt"]
    task: str | None = None
    kind: Literal["message_sent"] = "message_sent"


@dataclass(frozen=True, slots=True, kw_only=True)
class MessageDelivered:
    """An agent was told it before the turn of that number; `path` is where its work stands in the record."""

    agent: str
    path: str
    turn: int
    text: str
    how: Literal["queue", "steer", "interrupt"]
    task: str | None = None
    kind: Literal["message_delivered"] = "message_delivered"


@dataclass(frozen=True, slots=True, kw_only=True)
class QuestionAsked:
    """A person is asked; until there is an answer, what asked waits or is parked."""

    question: Question
    kind: Literal["question_asked"] = "question_asked"


@dataclass(frozen=True, slots=True, kw_only=True)
class QuestionAnswered:
    """`question` is its id."""

    question: str
    choice: str
    text: str
    by: AnsweredBy
    kind: Literal["question_answered"] = "question_answered"


@dataclass(frozen=True, slots=True, kw_only=True)
class CaptainAsked:
    """A Build asked what its brief leaves open. Where nobody knew, `answer` is empty, and the Build decides."""

    task: str
    question: str
    answer: str
    by: Literal["captain", "person", "host", "policy", "nobody"]
    kind: Literal["captain_asked"] = "captain_asked"


@dataclass(frozen=True, slots=True, kw_only=True)
class Advised:
    """The crew's advisor said something to an agent: it went in circles, a command failed twice, or it asked."""

    agent: str
    task: str | None
    trigger: AdviceTrigger
    advice: str
    kind: Literal["advised"] = "advised"


@dataclass(frozen=True, slots=True, kw_only=True)
class RunEnded:
    status: RunStatus
    summary: str
    hint: str = ""
    kind: Literal["run_ended"] = "run_ended"


Event: TypeAlias = (
    RunOpened
    | RunResumed
    | Noticed
    | ReproductionRan
    | Refused
    | Triaged
    | SearchPlanned
    | Investigated
    | PlanAdopted
    | PlanEstimated
    | PlanDecided
    | TaskAdded
    | TaskChanged
    | AgentStarted
    | AgentEnded
    | ModelCalled
    | Compacted
    | ToolCalled
    | SnapshotTaken
    | DriftPutBack
    | FollowUpNoted
    | ChecksRan
    | TasksClashed
    | TaskRestacked
    | CollisionForecast
    | ReviewStep
    | LoopEnded
    | BranchSet
    | Kept
    | PermissionAsked
    | PermissionDecided
    | RequestAdded
    | RequestEnded
    | MessageSent
    | MessageDelivered
    | QuestionAsked
    | QuestionAnswered
    | CaptainAsked
    | Advised
    | RunEnded
)

_TAKEN_BACK: Final[frozenset[TaskState]] = frozenset({"parked", "failed", "cancelled"})


def is_from_outside(event: Event) -> bool:
    """Whether it is what somebody said or decided, which is news each time, in whatever words."""
    return isinstance(event, RequestAdded | MessageSent | QuestionAnswered | PermissionDecided)


def is_taken_back(event: Event) -> bool:
    """Whether the event says how something ended that a resumed run begins again."""
    return isinstance(event, RunEnded | RequestEnded) or (isinstance(event, TaskChanged) and event.state in _TAKEN_BACK)


EVENT_TYPES: dict[str, type[Event]] = {cls.__dataclass_fields__["kind"].default: cls for cls in get_args(Event)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Recorded:
    """An event with its place in the run: `seq` counts from 1 without gaps, `at` is UTC."""

    seq: int
    at: datetime
    event: Event
