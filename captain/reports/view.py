"""`RunView`: a run as a fold over its events, which every report and every live view reads."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import singledispatchmethod
from typing import Final

from captain.core import events as ev
from captain.core.actions import describe
from captain.core.estimates import Estimate
from captain.core.events import Event, Recorded, Role, RunStatus
from captain.core.questions import Question
from captain.core.tasks import CheckResult, Diagnosis, FollowUp, Plan, Triage
from captain.core.usage import Spend
from captain.reports.asked import Held, ItemView, items_of, rules_held
from captain.reports.meter import Latency, Meter
from captain.reports.parts import AgentView, QuestionView, Reproduction, RequestView
from captain.reports.tasks import Evidence, TaskView

_FIRST: Final = 1
_NO_SANDBOX: Final = frozenset({"unsandboxed", "none"})


@dataclass(slots=True)
class RunView:
    """What is known of a run so far. Feed it with `apply`, in order; everything else only reads."""

    opened: ev.RunOpened | None = None
    ended: ev.RunEnded | None = None
    resumed: list[ev.RunResumed] = field(default_factory=list)
    started_at: datetime | None = None
    last_at: datetime | None = None
    requests: dict[int, RequestView] = field(default_factory=lambda: {_FIRST: RequestView(_FIRST)})
    tasks: dict[str, TaskView] = field(default_factory=dict)
    agents: dict[str, AgentView] = field(default_factory=dict)
    follow_ups: list[FollowUp] = field(default_factory=list)
    notices: list[str] = field(default_factory=list)
    refusals: list[ev.Refused] = field(default_factory=list)
    branches: dict[str, ev.BranchSet] = field(default_factory=dict)
    kept: list[ev.Kept] = field(default_factory=list)
    result_checks: ev.ChecksRan | None = None
    clashes: list[ev.TasksClashed] = field(default_factory=list)
    restacked: list[ev.TaskRestacked] = field(default_factory=list)
    forecasts: list[ev.CollisionForecast] = field(default_factory=list)
    permissions: list[ev.PermissionDecided] = field(default_factory=list)
    messages: list[ev.MessageSent] = field(default_factory=list)
    heard: list[ev.MessageDelivered] = field(default_factory=list)
    questions: dict[str, QuestionView] = field(default_factory=dict)
    consulted: list[ev.CaptainAsked] = field(default_factory=list)
    advice: list[ev.Advised] = field(default_factory=list)
    asked: int = 0
    away: timedelta = timedelta()
    meter: Meter = field(default_factory=Meter)
    search: ev.SearchPlanned | None = None
    investigated: dict[str, ev.Investigated] = field(default_factory=dict)
    estimate: Estimate | None = None
    other_estimates: dict[str, Estimate] = field(default_factory=dict)
    decided: list[ev.PlanDecided] = field(default_factory=list)
    _reproduced: dict[str, ev.ReproductionRan] = field(default_factory=dict)

    @classmethod
    def of(cls, events: Iterable[Recorded]) -> RunView:
        view = cls()
        for recorded in events:
            view.apply(recorded)
        return view

    def apply(self, recorded: Recorded) -> None:
        if self.started_at is None:
            self.started_at = recorded.at
        if isinstance(recorded.event, ev.RunResumed) and self.last_at is not None:
            self.away += recorded.at - self.last_at
        self.last_at = recorded.at
        self._on(recorded.event)

    @property
    def run(self) -> str:
        return self.opened.run if self.opened else ""

    @property
    def request(self) -> str:
        """What the run was started with."""
        return self.requests[_FIRST].text

    @property
    def triage(self) -> Triage | None:
        """Of the request the run was started with."""
        return self.requests[_FIRST].triage

    @property
    def plan(self) -> Plan | None:
        """For the request the run was started with."""
        return self.requests[_FIRST].plan

    @property
    def added(self) -> tuple[RequestView, ...]:
        """What was asked for besides, while the run went on."""
        return tuple(asked for number, asked in self.requests.items() if number != _FIRST)

    @property
    def repository(self) -> str:
        """Where it is, or was when the run was last taken up."""
        moved = next((one.repository for one in reversed(self.resumed) if one.repository), "")
        return moved or (self.opened.repository if self.opened else "")

    @property
    def base(self) -> str:
        return self.opened.base if self.opened else ""

    @property
    def branch(self) -> str | None:
        """The user's branch that the run started from."""
        return self.opened.branch if self.opened else None

    @property
    def crew(self) -> tuple[tuple[Role, str], ...]:
        """Who carries it, or carried it last."""
        if self.resumed:
            return self.resumed[-1].crew
        return self.opened.crew if self.opened else ()

    @property
    def sandbox(self) -> str:
        return self.opened.sandbox if self.opened else ""

    @property
    def unsandboxed(self) -> bool:
        """Whether commands were not confined, in one process of the run at least."""
        return any(name in _NO_SANDBOX for name in (self.sandbox, *(one.sandbox for one in self.resumed)))

    @property
    def open_questions(self) -> tuple[Question, ...]:
        """Those nobody has answered yet."""
        return tuple(asked.question for asked in self.questions.values() if asked.answer is None)

    @property
    def status(self) -> RunStatus | None:
        """None while the run goes on, and for one that was interrupted."""
        return self.ended.status if self.ended else None

    @property
    def ended_at(self) -> datetime | None:
        return self.last_at if self.ended else None

    @property
    def spend(self) -> Spend:
        return self.meter.total

    @property
    def latencies(self) -> tuple[Latency, ...]:
        return self.meter.latencies()

    @property
    def result(self) -> ev.BranchSet | None:
        """The branch that holds the integrated result."""
        return next((branch for branch in self.branches.values() if branch.task is None), None)

    @property
    def evidence(self) -> tuple[Evidence, ...]:
        """One entry for every criterion of every task, in the order of the plan."""
        integrated = self._on_the_result()
        return tuple(
            entry
            for task in self.tasks.values()
            for entry in task.evidence(integrated if task.state == "accepted" else {})
        )

    @property
    def reproductions(self) -> tuple[Reproduction, ...]:
        """One for every diagnosis of the triage, also where none was possible."""
        return tuple(
            Reproduction(diagnosis=one, before=self._reproduced.get(one.id), after=self._after(one))
            for asked in self.requests.values()
            for one in (asked.triage.diagnoses if asked.triage else ())
        )

    @property
    def unseen(self) -> tuple[str, ...]:
        """Diagnoses whose reproduction was run last without being seen to fail."""
        return tuple(name for name, ran in self._reproduced.items() if not ran.seen_to_fail)

    @property
    def items(self) -> tuple[ItemView, ...]:
        """The request the run was started with, item by item, with what serves each."""
        return self.items_in(self.requests[_FIRST])

    def items_in(self, asked: RequestView) -> tuple[ItemView, ...]:
        """One of the run's requests, item by item, with what serves each."""
        return items_of(asked.triage, asked.plan, [one for one in self.evidence if self._request_of(one.task) is asked])

    @property
    def rules_held(self) -> tuple[Held, ...]:
        """The rules that something ran up against in this run, each with what was stopped."""
        drift = [put_back for task in self.tasks.values() for put_back in task.drift]
        return rules_held(self.refusals, drift)

    def elapsed_s(self, now: datetime | None = None) -> float:
        """Seconds from the first event to the end, or to `now` (the last event, if not given) while it goes on.

        The time in which nobody carried the run does not count.
        """
        until = self.ended_at or now or self.last_at
        return max(0.0, (until - self.started_at - self.away).total_seconds()) if until and self.started_at else 0.0

    def activity(self, task: TaskView) -> str:
        """What the agent that works on a task did last, or what it waits for."""
        if task.state == "waiting" and task.waits_for:
            return f"waits for an answer to {', '.join(task.waits_for)}"
        agent = self.agents.get(task.agent or "")
        return agent.activity if agent is not None and agent.ended is None else ""

    def foreseen(self, task: str) -> dict[str, tuple[str, ...]]:
        """The tasks that one would be in conflict with, as last foreseen, and in which paths."""
        found = [event for event in self.forecasts if task in event.tasks]
        return {other: event.paths for event in found for other in event.tasks if other != task}

    def _on_the_result(self) -> dict[str, tuple[CheckResult, str]]:
        ran = self.result_checks
        return {result.check.command: (result, ran.commit) for result in ran.results} if ran else {}

    def _after(self, diagnosis: Diagnosis) -> tuple[tuple[str, CheckResult], ...]:
        """Later runs of a diagnosis' reproduction: on what its accepted tasks kept, and on the result."""
        found = [
            (task.id, result)
            for task in self.tasks.values()
            if task.state == "accepted" and task.task is not None and task.task.diagnosis == diagnosis.id
            for result in task.checks
            if result.check.command == diagnosis.proof
        ]
        if (on_result := self._on_the_result().get(diagnosis.proof or "")) is not None:
            found.append(("the integrated result", on_result[0]))
        return tuple(found)

    def _request_of(self, task: str) -> RequestView | None:
        """By whose plan it is; a task that was made out of another has a name that begins like that one's."""
        owners = {name: asked for asked in self.requests.values() for name in asked.tasks}
        made_of = max((name for name in owners if task.startswith(f"{name}-")), key=len, default="")
        return owners.get(task) or owners.get(made_of)

    def _asked(self, number: int) -> RequestView:
        return self.requests.setdefault(number, RequestView(number))

    def _task(self, name: str) -> TaskView:
        return self.tasks.setdefault(name, TaskView(name))

    @singledispatchmethod
    def _on(self, event: Event) -> None:
        raise TypeError(f"{type(event).__name__} is not an event of a run")

    @_on.register
    def _(self, event: ev.RunOpened) -> None:
        self.opened = event
        self.requests[_FIRST].text = event.request

    @_on.register
    def _(self, event: ev.RunEnded) -> None:
        self.ended = event

    @_on.register
    def _(self, event: ev.RunResumed) -> None:
        self.ended = None
        self.resumed.append(event)
        for asked in self.requests.values():
            asked.ended = None
        for task in self.tasks.values():
            task.resume()

    @_on.register
    def _(self, event: ev.Noticed) -> None:
        self.notices.append(event.text)

    @_on.register
    def _(self, event: ev.ReproductionRan) -> None:
        self._reproduced[event.diagnosis] = event

    @_on.register
    def _(self, event: ev.Refused) -> None:
        self.refusals.append(event)

    @_on.register
    def _(self, event: ev.Triaged) -> None:
        self._asked(event.request).triage = event.triage

    @_on.register
    def _(self, event: ev.PlanAdopted) -> None:
        self._asked(event.request).plan = event.plan
        for task in event.plan.tasks:
            self._task(task.id).task = task

    @_on.register
    def _(self, event: ev.SearchPlanned) -> None:
        self.search = event

    @_on.register
    def _(self, event: ev.Investigated) -> None:
        self.investigated[event.task] = event

    @_on.register
    def _(self, event: ev.PlanEstimated) -> None:
        if event.crew:
            self.other_estimates[event.crew] = event.estimate
        else:
            self.estimate = event.estimate

    @_on.register
    def _(self, event: ev.PlanDecided) -> None:
        self.decided.append(event)

    @_on.register
    def _(self, event: ev.TaskAdded) -> None:
        self._task(event.task.id).task = event.task

    @_on.register
    def _(self, event: ev.TaskChanged) -> None:
        task = self._task(event.task)
        task.change(event.state, event.reason)
        if event.state == "building":
            task.started_at = task.started_at or self.last_at
        task.settled_at = self.last_at if task.settled else None

    @_on.register
    def _(self, event: ev.AgentStarted) -> None:
        self.agents[event.agent] = AgentView(event.agent, event.role, event.model, event.task)
        if event.task is not None:
            self._task(event.task).agent = event.agent

    @_on.register
    def _(self, event: ev.AgentEnded) -> None:
        if (agent := self.agents.get(event.agent)) is not None:
            agent.ended = event

    @_on.register
    def _(self, event: ev.ModelCalled) -> None:
        self.meter.add(event)
        if (agent := self.agents.get(event.agent)) is not None:
            agent.model_calls += 1
            agent.activity = f"model call {agent.model_calls} took {event.duration_s:.1f}s"

    @_on.register
    def _(self, event: ev.ToolCalled) -> None:
        if (agent := self.agents.get(event.agent)) is not None:
            agent.tool_calls += 1
            named = event.summary if event.summary.startswith(event.tool) else f"{event.tool} {event.summary}".strip()
            agent.activity = f"{named} (error)" if event.is_error else named

    @_on.register
    def _(self, event: ev.Compacted) -> None:
        if (agent := self.agents.get(event.agent)) is not None:
            agent.compactions += 1
            agent.activity = f"made its conversation shorter ({event.stage})"

    @_on.register
    def _(self, event: ev.SnapshotTaken) -> None:
        self._task(event.task).snapshot = event

    @_on.register
    def _(self, event: ev.DriftPutBack) -> None:
        self._task(event.task).drift.append(event)

    @_on.register
    def _(self, event: ev.FollowUpNoted) -> None:
        self.follow_ups.append(event.follow_up)

    @_on.register
    def _(self, event: ev.ChecksRan) -> None:
        self.result_checks = event

    @_on.register
    def _(self, event: ev.TasksClashed) -> None:
        self.clashes.append(event)

    @_on.register
    def _(self, event: ev.TaskRestacked) -> None:
        self.restacked.append(event)

    @_on.register
    def _(self, event: ev.CollisionForecast) -> None:
        self.forecasts.append(event)

    @_on.register
    def _(self, event: ev.ReviewStep) -> None:
        self._task(event.task).step(event.step)

    @_on.register
    def _(self, event: ev.LoopEnded) -> None:
        self._task(event.task).loop = event

    @_on.register
    def _(self, event: ev.BranchSet) -> None:
        self.branches[event.branch] = event
        if event.task is not None:
            self._task(event.task).branch = event

    @_on.register
    def _(self, event: ev.Kept) -> None:
        self.kept.append(event)

    @_on.register
    def _(self, event: ev.PermissionAsked) -> None:
        self.asked += 1
        if (agent := self.agents.get(event.request.asked_by)) is not None:
            agent.activity = f"waits for leave to {describe(event.request.action)}"

    @_on.register
    def _(self, event: ev.RequestAdded) -> None:
        self._asked(event.number).text = event.request

    @_on.register
    def _(self, event: ev.RequestEnded) -> None:
        self._asked(event.request).ended = event

    @_on.register
    def _(self, event: ev.MessageSent) -> None:
        self.messages.append(event)

    @_on.register
    def _(self, event: ev.MessageDelivered) -> None:
        self.heard.append(event)
        if (agent := self.agents.get(event.agent)) is not None:
            agent.activity = "was told something by the user"

    @_on.register
    def _(self, event: ev.QuestionAsked) -> None:
        question = event.question
        if question.id not in self.questions and question.task is not None:
            self._task(question.task).waits_for.append(question.id)
        self.questions.setdefault(question.id, QuestionView(question))

    @_on.register
    def _(self, event: ev.QuestionAnswered) -> None:
        if (asked := self.questions.get(event.question)) is not None:
            asked.answer = event
            if asked.question.task is not None:
                waits_for = self._task(asked.question.task).waits_for
                waits_for[:] = [question for question in waits_for if question != event.question]

    @_on.register
    def _(self, event: ev.CaptainAsked) -> None:
        self.consulted.append(event)

    @_on.register
    def _(self, event: ev.Advised) -> None:
        self.advice.append(event)

    @_on.register
    def _(self, event: ev.PermissionDecided) -> None:
        self.permissions.append(event)
