"""A plan's cost is a range with its basis: measured where there is a past, else assumed, never zero for unknown."""

from __future__ import annotations

from decimal import Decimal
from pathlib import Path

from captain.core.estimates import Estimate, RoleEstimate
from captain.core.events import Event, ModelCalled, RunEnded, TaskChanged
from captain.core.tasks import Plan, Scope, Task
from captain.core.usage import Usage
from captain.models import Profile, ScriptedModel
from captain.orchestration import Team
from captain.orchestration.estimate import BUILD_CALLS, CALL_TOKENS, Figure, estimated, past_figures
from captain.review import ReviewPolicy
from captain.workspace import Workspace
from tests.reports.sample import called, opened, record
from tests.voyages import calc_repository, fix_crew, sail

PRICED = Profile(family="priced", pricing=("openai", "gpt-4o"))
ONE = ReviewPolicy(reviewers=(1,), max_rounds=1)


def model(name: str, profile: Profile = PRICED) -> ScriptedModel:
    return ScriptedModel([], id=name, profile=profile)


def team(build: ScriptedModel | None = None) -> Team:
    return Team(captain=model("c"), build=build or model("b"), review=(model("r"),))


def plan(*paths: str) -> Plan:
    tasks = [
        Task(id=f"T{n}", title="t", kind="change", brief="b", scope=Scope(paths=(path,)), criteria=(), checks=())
        for n, path in enumerate(paths, 1)
    ]
    return Plan(summary="s", tasks=tuple(tasks))


def role(found: Estimate, name: str) -> RoleEstimate:
    return next(one for one in found.roles if one.role == name)


def test_without_a_past_the_range_is_assumed_from_tasks_scopes_and_rounds() -> None:
    found = estimated(plan("a.py"), team(), ONE, sizes={"a.py": 0, "b.py": 80_000})
    build = role(found, "build")
    assert build.low.input_tokens == BUILD_CALLS[0] * CALL_TOKENS[0]
    assert build.high.input_tokens == BUILD_CALLS[1] * CALL_TOKENS[1]
    assert "assumed, as no past run says: 1 task with about 0 tokens of files" in " ".join(found.basis)
    larger = estimated(plan("b.py"), team(), ONE, sizes={"a.py": 0, "b.py": 80_000})
    assert larger.tokens[0] > found.tokens[0]
    assert larger.tokens[1] > found.tokens[1]
    two = estimated(plan("a.py", "a.py"), team(), ONE, sizes={"a.py": 0})
    assert two.tokens == (2 * found.tokens[0], 2 * found.tokens[1])
    rounds = estimated(plan("a.py"), team(), ReviewPolicy(reviewers=(1,), max_rounds=5), sizes={})
    assert (rounds.tokens[0], rounds.tokens[1] > found.tokens[1]) == (found.tokens[0], True)


def test_money_follows_from_the_prices_and_the_range_has_two_ends() -> None:
    found = estimated(plan("a.py"), team(), ONE, sizes={"a.py": 4_000})
    low, high = found.cost_usd
    assert Decimal(0) < low < high
    assert found.unpriced == ()


def test_a_price_that_is_not_known_is_said_and_is_not_zero() -> None:
    unknown = Profile(family="unknown")
    found = estimated(plan("a.py"), team(model("mystery", unknown)), ONE, sizes={})
    assert role(found, "build").high_usd is None
    assert found.unpriced == ("mystery",)
    assert "The price of mystery is not known: what it costs is not in the sum." in found.basis


def test_a_builder_of_the_hosts_own_is_counted_and_has_no_price() -> None:
    class Sed:
        name = "sed"

        async def build(self, task: Task, workspace: Workspace, /, *, fix: object = None) -> object:
            raise NotImplementedError

    found = estimated(plan("a.py"), Team(captain=model("c"), build=Sed(), review=(model("r"),)), ONE, sizes={})  # type: ignore[arg-type]
    assert (role(found, "build").model, found.unpriced) == ("sed", ("sed",))


def past(tokens: int, *, tasks: int = 1, model_: str = "b") -> tuple[Event, ...]:
    return (
        opened(),
        called("captain", "captain"),
        *(TaskChanged(task=f"T{n}", state="building") for n in range(tasks)),
        ModelCalled(
            agent="build-T0",
            role="build",
            model=model_,
            usage=Usage(input_tokens=tokens, output_tokens=0),
            cost_usd=None,
            first_event_s=0.1,
            duration_s=0.2,
        ),
        RunEnded(status="succeeded", summary="Done."),
    )


def test_past_runs_give_figures_per_task_and_the_captains_own_work_is_none() -> None:
    (figure,) = past_figures([record(*past(900, tasks=3))])
    assert (figure.role, figure.model, figure.per_task.input_tokens) == ("build", "openai-chat:gpt-5.5-mini", 300)
    assert past_figures([record(opened(), called("captain", "captain"))]) == ()


def test_measured_figures_take_the_place_of_assumptions_and_say_so() -> None:
    figures = [
        Figure(role="build", model=name, per_task=Usage(input_tokens=tokens))
        for name, tokens in [("b", 1_000), ("b", 3_000), ("other", 9_000)]
    ]
    found = estimated(plan("a.py", "b.py"), team(), ONE, sizes={}, past=figures)
    assert (role(found, "build").low.input_tokens, role(found, "build").high.input_tokens) == (2_000, 6_000)
    assert found.basis[0] == "build (b): measured per task in 2 past runs of this project, times 2 tasks."
    assert "review: assumed" in " ".join(found.basis)
    by_others = estimated(plan("a.py"), team(model("new")), ONE, sizes={}, past=figures[:1])
    assert (role(by_others, "build").low.input_tokens, role(by_others, "build").high.input_tokens) == (500, 2_000)
    assert "in 1 past run of this project by other models, half and double of it" in by_others.basis[0]


async def test_a_later_run_is_estimated_from_an_earlier_one_of_the_project(tmp_path: Path) -> None:
    repo, state = calc_repository(tmp_path / "repo"), tmp_path / "state"
    await sail(repo, state, fix_crew())
    outcome, _ = await sail(repo, state, fix_crew(), stop_after_plan=True)
    assert outcome.view.estimate is not None
    basis = " ".join(outcome.view.estimate.basis)
    assert "build (build-model): measured per task in 1 past run of this project" in basis
    assert "review (review-model): measured per task in 1 past run of this project" in basis
    first = outcome.view.estimate.tokens
    assert 0 < first[0] < first[1]
