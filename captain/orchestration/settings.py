"""How a run was opened, kept as a step of its record, so that whoever resumes it need not say it again."""

from __future__ import annotations

from dataclasses import dataclass, replace

from captain.agent import Limits
from captain.core import codec
from captain.core.events import Role
from captain.core.usage import Budget
from captain.orchestration.context import INVESTIGATION, Options
from captain.orchestration.memory import ProjectMemory
from captain.review import ReviewPolicy
from captain.runs import StoredRun


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSettings:
    """`crew` holds the names that its models were made from; a name is empty where the host brought an object.

    When a run is resumed, models, budget and parallelism may be others. What its record rests on stays: the review
    policy, the time limit of commands, the turns of an agent and how far the Captain itself looks. `approve_plan` says
    whether somebody is to be asked about the plan.
    """

    crew: tuple[tuple[Role, str], ...]
    budget: Budget
    review: ReviewPolicy
    max_parallel: int
    max_turns: int
    command_timeout_s: float
    allow_root: bool
    hosts: tuple[str, ...]
    investigation: Limits = INVESTIGATION
    approve_plan: bool = False

    @classmethod
    def of(cls, crew: tuple[tuple[Role, str], ...], budget: Budget, options: Options) -> RunSettings:
        return cls(
            crew=crew,
            budget=budget,
            review=options.review,
            max_parallel=options.max_parallel,
            max_turns=options.max_turns,
            command_timeout_s=options.command_timeout_s,
            allow_root=options.allow_root,
            hosts=options.policy.network.allowed,
            investigation=options.investigation,
            approve_plan=options.approve_plan is not None,
        )

    def held(self, options: Options) -> Options:
        """`options` with what stays as it was."""
        return replace(
            options,
            review=self.review,
            max_turns=self.max_turns,
            command_timeout_s=self.command_timeout_s,
            investigation=self.investigation,
            approve_plan=options.approve_plan or ("ask" if self.approve_plan else None),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class OpenedFacts:
    """What was found when the run was opened; `notes` are what a person should know, in whole sentences."""

    settings: RunSettings
    memory: ProjectMemory
    notes: tuple[str, ...]


def settings_of(stored: StoredRun) -> RunSettings | None:
    """How a run on record was opened; None if that was never written."""
    opened = stored.result("open")
    return None if opened is None else codec.from_json(OpenedFacts, opened).settings
