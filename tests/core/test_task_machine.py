"""The state machine of a task, by its own table: whatever states it has, every way is legal, and every way ends."""

from __future__ import annotations

from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from captain.core.errors import CaptainError
from captain.core.tasks import TaskState, next_state, next_states

STATES: tuple[TaskState, ...] = get_args(TaskState)
ENDS = [state for state in STATES if not next_states(state)]


def reachable(start: TaskState) -> set[TaskState]:
    seen: set[TaskState] = set()
    ahead = [start]
    while ahead:
        state = ahead.pop()
        if state not in seen:
            seen.add(state)
            ahead += next_states(state)
    return seen


@given(wanted=st.lists(st.sampled_from(STATES), max_size=30))
def test_a_task_moves_by_the_table_or_stays_where_it_is(wanted: list[TaskState]) -> None:
    now: TaskState = "planned"
    for then in wanted:
        if then in next_states(now):
            assert next_state(now, then) == then
            now = then
        else:
            with pytest.raises(CaptainError, match=f"from '{now}' to '{then}'"):
                next_state(now, then)


def test_every_state_is_reached_from_the_first_one() -> None:
    assert reachable("planned") == set(STATES)


@pytest.mark.parametrize("state", STATES)
def test_every_state_reaches_an_end(state: TaskState) -> None:
    assert reachable(state) & set(ENDS)


@pytest.mark.parametrize("state", STATES)
def test_no_state_leads_to_itself_at_once(state: TaskState) -> None:
    assert state not in next_states(state)


def test_failed_and_cancelled_are_for_good_and_what_was_accepted_is_never_built_again() -> None:
    assert {"failed", "cancelled"} <= set(ENDS)
    assert not reachable("accepted") & {"planned", "building", "checking", "reviewing"}


@pytest.mark.parametrize("state", [state for state in STATES if reachable(state) & {"building"}])
def test_work_that_is_not_ended_can_always_be_broken_off(state: TaskState) -> None:
    assert next_states(state) >= {"failed", "cancelled"}
