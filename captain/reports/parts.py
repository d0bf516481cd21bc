"""A request of a run, an agent, a question, and a bug with its reproduction, as the events tell them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from captain.core.events import AgentEnded, QuestionAnswered, ReproductionRan, RequestEnded, Role
from captain.core.questions import Question
from captain.core.tasks import CheckResult, Diagnosis, Plan, Triage


@dataclass(slots=True)
class AgentView:
    """`activity` is the last thing it is known to have done, in words."""

    id: str
    role: Role
    model: str
    task: str | None = None
    activity: str = ""
    model_calls: int = 0
    tool_calls: int = 0
    compactions: int = 0
    ended: AgentEnded | None = None


@dataclass(slots=True)
class RequestView:
    """What was asked for: the first with the run, the others while it went on. `ended` is that of one without tasks."""

    number: int
    text: str = ""
    triage: Triage | None = None
    plan: Plan | None = None
    ended: RequestEnded | None = None

    @property
    def tasks(self) -> tuple[str, ...]:
        """The ids of the tasks that were planned for it."""
        return tuple(task.id for task in self.plan.tasks) if self.plan is not None else ()


@dataclass(slots=True)
class QuestionView:
    """A question, and what was said to it."""

    question: Question
    answer: QuestionAnswered | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Reproduction:
    """A bug shown on the base commit, and shown to be gone. `after` is empty until a fix was checked."""

    diagnosis: Diagnosis
    before: ReproductionRan | None
    after: tuple[tuple[str, CheckResult], ...]

    @property
    def state(self) -> Literal["not run", "not seen to fail", "seen to fail", "fixed", "still failing"]:
        if self.before is None:
            return "not run"
        if not self.before.seen_to_fail:
            return "not seen to fail"
        if not self.after:
            return "seen to fail"
        return "fixed" if all(result.passed for _, result in self.after) else "still failing"
