"""Whatever a task meets on its way, the record shows only moves that a task may make, and an end."""

from __future__ import annotations

import subprocess
import tempfile
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

import anyio
import pytest
from hypothesis import event, given, settings
from hypothesis import strategies as st

import captain
from captain.core import events as ev
from captain.core.errors import (
    BadResponseError,
    ContextOverflowError,
    ModelError,
    RateLimitError,
    StreamInterruptedError,
)
from captain.core.messages import Request, StreamEvent
from captain.core.tasks import TaskState, next_states
from captain.models import Model, Profile, ScriptedModel
from captain.testing import git
from tests.voyages import (
    CALC,
    CALC_FIXED,
    TEXT_FIXED,
    calc_repository,
    critic,
    finding,
    fix_task,
    fix_triage,
    of,
    plan,
    review,
    sail,
    shout_task,
    write,
)

pytestmark = pytest.mark.slow


ERRORS: dict[str, ModelError] = {
    "refused": RateLimitError("Not now.", model="m"),
    "broken off": StreamInterruptedError("Gone.", model="m", retryable=True),
    "nonsense": BadResponseError("What?", model="m"),
    "too long": ContextOverflowError("Too long.", model="m"),
}


Storm: TypeAlias = Callable[[Path], None]


@dataclass
class Weather:
    """What happens at which model call of the run, counted over all models."""

    repo: Path
    errors: dict[int, ModelError]
    storms: dict[int, Storm]
    calls: int = 0

    def strike(self) -> None:
        self.calls += 1
        if storm := self.storms.get(self.calls):
            storm(self.repo)
        if self.calls in self.errors:
            raise self.errors[self.calls]


@dataclass
class Exposed:
    """A model in that weather."""

    model: Model
    weather: Weather
    secrets: tuple[str, ...] = field(default=())

    @property
    def id(self) -> str:
        return self.model.id

    @property
    def profile(self) -> Profile:
        return self.model.profile

    @asynccontextmanager
    async def stream(self, request: Request, /) -> AsyncIterator[AsyncIterator[StreamEvent]]:
        self.weather.strike()
        async with self.model.stream(request) as events:
            yield events

    async def aclose(self) -> None:
        await self.model.aclose()


def crew(weather: Weather) -> captain.Crew:
    """Two tasks, one on top of the other; the first is mended after its review."""
    build: dict[str, list[Any]] = {
        "Task T1:": [
            write("calc.py", CALC.replace("a - b", "abs(a) + b")),
            "Done.",
            *[write("calc.py", CALC_FIXED)] * 9,
        ],
        "Task T2:": [write("text.py", TEXT_FIXED), *["Done."] * 9],
    }
    reviews = critic(review(finding(claim="abs is wrong")), *[review()] * 9)
    plans = [fix_triage(), plan(fix_task(), shout_task("T2", depends_on=["T1"]))]
    return captain.Crew(
        captain=Exposed(ScriptedModel(plans, id="captain-model"), weather),
        build=Exposed(ScriptedModel(build, id="build-model"), weather),
        review=[Exposed(ScriptedModel(reviews, id="review-model"), weather)],
    )


def no_branches(repo: Path) -> None:
    """From now on git refuses every branch of the run: there is one where their folder would be."""
    for ref in git(repo, "for-each-ref", "--format=%(refname)", "refs/captain/*/base").split():
        run = ref.split("/")[2]
        subprocess.run(["git", "-C", repo, "branch", f"captain/{run}", "HEAD"], check=False, capture_output=True)


def no_snapshots(repo: Path) -> None:
    """The same for what is kept of a task."""
    for ref in git(repo, "for-each-ref", "--format=%(refname)", "refs/captain/*/base").split():
        name = ref.removesuffix("base") + "task"
        subprocess.run(["git", "-C", repo, "update-ref", name, "HEAD"], check=False, capture_output=True)


def states_of(events: list[ev.Event]) -> dict[str, list[TaskState]]:
    paths: dict[str, list[TaskState]] = {}
    for change in of(ev.TaskChanged, events):
        paths.setdefault(change.task, []).append(change.state)
    return paths


def endings(errors: dict[int, str], storms: dict[int, Storm], calls: int | None) -> tuple[str, set[TaskState]]:
    """How a run in this weather ended, and its tasks, after their ways were followed through the record."""
    with tempfile.TemporaryDirectory(prefix="captain-paths-") as folder:
        repo = calc_repository(Path(folder) / "repo")
        weather = Weather(repo, {call: ERRORS[name] for call, name in errors.items()}, storms)
        budget = None if calls is None else captain.Budget(model_calls=calls)

        async def go() -> tuple[captain.Outcome, list[ev.Event]]:
            return await sail(repo, Path(folder) / "state", crew(weather), budget=budget)

        outcome, events = anyio.run(go)
    assert isinstance(events[-1], ev.RunEnded)
    ways = states_of(events)
    for task, (first, *rest) in ways.items():
        now: TaskState = first
        for then in rest:
            assert then in next_states(now), (task, first, rest)
            now = then
        assert first == "planned", task
        assert now == "accepted" or not next_states(now), f"{task} was left {now}"
    return outcome.status, {way[-1] for way in ways.values()}


@pytest.mark.parametrize(
    ("errors", "storms", "calls", "status", "ends"),
    [
        ({}, {}, None, "succeeded", {"accepted"}),
        ({3: "refused"}, {}, None, "failed", {"failed", "parked"}),
        ({3: "broken off"}, {}, None, "succeeded", {"accepted"}),  # made again at once
        ({}, {4: no_branches}, None, "failed", {"failed", "parked"}),
        ({}, {}, 8, "budget", {"parked"}),
    ],
)
def test_a_task_ends_as_what_it_met(
    errors: dict[int, str], storms: dict[int, Storm], calls: int | None, status: str, ends: set[TaskState]
) -> None:
    assert endings(errors, storms, calls) == (status, ends)


@pytest.mark.slow
@settings(max_examples=40, deadline=None)
@given(
    errors=st.dictionaries(st.integers(1, 16), st.sampled_from(sorted(ERRORS)), max_size=3),
    storms=st.dictionaries(st.integers(2, 14), st.sampled_from([no_branches, no_snapshots]), max_size=1),
    calls=st.none() | st.integers(1, 16),
)
def test_every_way_of_a_task_is_a_legal_one(
    errors: dict[int, str], storms: dict[int, Storm], calls: int | None
) -> None:
    status, ends = endings(errors, storms, calls)
    event(f"{status}: {', '.join(sorted(ends)) or 'no task'}")
    if status == "succeeded":
        assert ends == {"accepted"}
