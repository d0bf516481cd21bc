"""Task states change along legal ways only, and every way ends."""

from __future__ import annotations

from itertools import product
from typing import get_args

import pytest

from captain.core import ids
from captain.core.clock import SystemClock
from captain.core.errors import CaptainError
from captain.core.tasks import Check, CheckResult, TaskState, Triage, TriageKind, next_state

STATES: tuple[TaskState, ...] = get_args(TaskState)
LEGAL: dict[TaskState, set[TaskState]] = {
    "planned": {"building", "parked", "failed", "cancelled"},
    "building": {"checking", "waiting", "parked", "failed", "cancelled"},
    "checking": {"reviewing", "building", "waiting", "parked", "failed", "cancelled"},
    "reviewing": {"building", "waiting", "accepted", "parked", "failed", "cancelled"},
    "waiting": {"building", "checking", "reviewing", "parked", "failed", "cancelled"},
    "accepted": {"parked"},
    "parked": set(),
    "failed": set(),
    "cancelled": set(),
}


@pytest.mark.parametrize(("now", "then"), list(product(STATES, STATES)))
def test_a_task_goes_only_where_its_state_allows(now: TaskState, then: TaskState) -> None:
    if then in LEGAL[now]:
        assert next_state(now, then) == then
    else:
        with pytest.raises(CaptainError, match=f"from '{now}' to '{then}'"):
            next_state(now, then)


@pytest.mark.parametrize("state", [state for state in STATES if LEGAL[state] and state != "accepted"])
def test_work_under_way_can_always_be_broken_off(state: TaskState) -> None:
    assert {"parked", "failed", "cancelled"} <= LEGAL[state]


@pytest.mark.parametrize("kind", get_args(TriageKind))
def test_only_a_fix_and_a_change_lead_to_work(kind: TriageKind) -> None:
    assert Triage(kind=kind, reason="r").leads_to_work is (kind in {"fix", "change"})


@pytest.mark.parametrize(("code", "passed"), [(0, True), (1, False), (-9, False), (127, False), (None, False)])
def test_a_check_passes_with_exit_code_0_and_nothing_else(code: int | None, passed: bool) -> None:
    assert CheckResult(check=Check(name="c", command="c"), exit_code=code, output="", duration_s=0).passed is passed


def test_a_run_id_sorts_by_time_and_fits_in_a_ref() -> None:
    clock = SystemClock()
    first, second = ids.new_run_id(clock.now().replace(year=2025)), ids.new_run_id(clock.now().replace(year=2026))
    assert first < second
    assert set(first) <= set("0123456789-abcdefghijklmnopqrstuvwxyz")
    assert ids.task_branch(first, "T1") == f"captain/{first}/task/T1"
