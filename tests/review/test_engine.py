"""The loop ends whatever reviewers, voters and fixers do, and never hands back what is known to be worse."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from captain.core import codec
from captain.core.cases import best, known_weight
from captain.core.loop_events import LOOP_EVENT_TYPES, GateDecided, LoopConcluded, LoopEvent, LoopResumed, ReviewStarted
from captain.review.admission import Means
from captain.review.engine import Engine
from captain.review.ledger import apply, fold
from captain.review.policy import BALANCED, ECONOMY, THOROUGH, ReviewPolicy
from tests.review.adversary import SEVERITIES, Adversary

CHANCES = (
    "silence same unanchored trusted check vote reproduced decline green gone drop back extends spent".split()  # noqa: SIM905
)
adversaries = st.builds(
    Adversary,
    seed=st.integers(0, 2**32),
    chances=st.fixed_dictionaries({name: st.sampled_from([0.0, 0.1, 0.5, 0.9, 1.0]) for name in CHANCES}).map(
        lambda chances: {**chances, "spent": chances["spent"] / 20, "back": chances["back"] / 10}
    ),
    policy=st.sampled_from([BALANCED, ECONOMY, THOROUGH, ReviewPolicy(max_rounds=9, floors=("minor",), depth=4)]),
    findings=st.integers(0, 14),
    means=st.builds(Means, voters=st.booleans(), reproducer=st.booleans()),
)


def most_attempts(policy: ReviewPolicy) -> int:
    """The bound of the proof: every round, every case looked into, every attempt, and what those may bring.

    `trusted` findings are not counted by `max_findings`; the adversary makes at most 14 for each of 3 reviewers.
    """
    roots = policy.max_rounds * (policy.max_findings + 3 * 14)
    return roots * (len(policy.ladder) + 1) * (1 + 8)


@settings(max_examples=300, deadline=None)
@given(adversaries)
def test_the_loop_ends_for_any_reviewer_and_any_fixer_and_hands_back_nothing_known_to_be_worse(
    world: Adversary,
) -> None:
    engine = world.run()
    state = engine.state
    assert state.conclusion is not None
    assert state.round <= world.policy.max_rounds
    assert world.attempts <= most_attempts(world.policy)
    cases = tuple(state.cases.values())
    handed_back = best(state.candidates, cases)
    assert handed_back.commit == state.handed_back
    assert known_weight(cases, handed_back) <= known_weight(cases, state.start)
    assert engine.due() == ()


@settings(max_examples=100, deadline=None)
@given(adversaries, st.integers(0, 10_000))
def test_a_loop_cut_off_after_any_event_comes_to_the_same_state_from_its_log(world: Adversary, place: int) -> None:
    engine = world.run()
    assert fold(world.log) == engine.state
    cut = world.log[: place % (len(world.log) + 1)]
    stored = [(type(event), codec.to_json(event)) for event in cut]
    again: list[LoopEvent] = [codec.from_json(kind, text) for kind, text in stored]
    assert fold(again) == fold(cut)
    resumed = Engine(world.policy, means=world.means)
    resumed.resume(again)
    assert resumed.state == fold([*cut, LoopResumed()])
    assert not any(lane.busy for lane in resumed.state.lanes)
    going_on = Adversary(seed=place, chances=world.chances, policy=world.policy, means=world.means)
    if cut:
        going_on.engine = resumed
        going_on.commits = 1_000
        assert going_on.run().state.conclusion is not None


@settings(max_examples=150, deadline=None)
@given(adversaries)
def test_every_accepted_fix_lowers_the_known_weight_and_no_case_gets_more_attempts_than_it_may(
    world: Adversary,
) -> None:
    world.run()
    state = fold([])
    for event in world.log:
        if isinstance(event, GateDecided) and event.accepted:
            before, mended = state, [state.cases[name] for name in event.cases if state.cases[name].waits]
            state = apply(state, event)
            removed = sum(case.weight for case in mended)
            brought = sum(state.cases[name].weight for name in event.by_products)
            assert brought < removed
            assert max((state.cases[name].weight for name in event.by_products), default=0) < max(
                case.weight for case in mended
            )
            assert len(state.candidates) - len(before.candidates) in (0, 1)
        else:
            state = apply(state, event)
    for case in state.cases.values():
        bonds = sum(case.id in bond.cases for bond in state.bonds)
        assert len(case.attempts) <= len(world.policy.ladder) + bonds


def test_every_verdict_comes_up_among_senseless_worlds() -> None:
    verdicts: Counter[str] = Counter()
    calm = {"silence": 0.0, "unanchored": 0.0, "trusted": 0.0, "check": 0.0, "decline": 0.0, "drop": 0.0}
    for seed in range(40):
        for chances, findings, severities in (
            ({**calm, "vote": 0.0}, 2, SEVERITIES),
            ({**calm, "vote": 0.4, "gone": 1.0, "green": 1.0, "same": 0.0}, 3, SEVERITIES),
            ({**calm, "vote": 0.6, "same": 0.9, "gone": 0.9, "green": 1.0}, 4, SEVERITIES),
            ({**calm, "vote": 1.0, "gone": 0.0}, 1, SEVERITIES[1:2]),
            ({**calm, "vote": 1.0, "gone": 1.0, "green": 1.0, "back": 0.5}, 4, SEVERITIES),
            ({**calm, "vote": 1.0, "spent": 0.2}, 4, SEVERITIES),
        ):
            world = Adversary(seed, chances, ReviewPolicy(ev_factor=None), findings, severities=severities)
            conclusion = world.run().state.conclusion
            assert conclusion is not None
            verdicts[conclusion.verdict] += 1
    assert set(verdicts) == {
        "converged",
        "converged_with_residuals",
        "oscillating",
        "stalled",
        "diverging",
        "budget",
        "needs_human",
    }


def test_the_first_round_is_looked_at_by_three_and_later_ones_by_one() -> None:
    world = Adversary(
        seed=1, chances={"silence": 0.0, "vote": 1.0, "gone": 1.0, "green": 1.0, "spent": 0.0}, findings=2
    )
    world.run()
    looks = [event.reviewers for event in world.log if isinstance(event, ReviewStarted)]
    assert looks[0] == 3
    assert set(looks[1:]) <= {1}


def test_the_log_ends_with_the_conclusion_and_every_event_is_known_by_its_kind() -> None:
    world = Adversary(seed=3)
    world.run()
    assert isinstance(world.log[-1], LoopConcluded)
    assert all(LOOP_EVENT_TYPES[event.kind] is type(event) for event in world.log)


@pytest.mark.slow
@settings(max_examples=5000, deadline=None)
@given(adversaries)
def test_the_loop_ends_in_thousands_of_worlds(world: Adversary) -> None:
    state = world.run().state
    assert state.conclusion is not None
    assert known_weight(state.cases.values(), best(state.candidates, state.cases.values())) <= known_weight(
        state.cases.values(), state.start
    )
