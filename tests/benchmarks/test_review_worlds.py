"""The worlds of the convergence benchmark mean what they say, and loops in them end as they are said to."""

from __future__ import annotations

import pytest

from benchmarks import convergence
from benchmarks.review_world.driving import Driver, run_captain
from benchmarks.review_world.plain import PLAIN, run_plain
from benchmarks.review_world.program import Program
from benchmarks.review_world.scores import Outcome, Summary, ratio, share, summed_up
from benchmarks.review_world.targets import targets
from benchmarks.review_world.worlds import CALIBRATED, WORLDS, World
from captain.core.loop_events import LoopConcluded, LoopEvent, LoopStarted
from captain.review.engine import Engine
from captain.review.ledger import fold
from captain.review.policy import BALANCED, ECONOMY, POLICIES

NAIVE = PLAIN["until silent"]


def naive(world: str, seeds: int) -> Summary:
    return summed_up([run_plain(WORLDS[world], seed, NAIVE) for seed in range(seeds)])


def balanced(world: str, seeds: int) -> list[Outcome]:
    return [run_captain(WORLDS[world], seed, BALANCED) for seed in range(seeds)]


def test_a_seed_decides_everything() -> None:
    for seed in range(5):
        assert run_captain(WORLDS["seed"], seed, BALANCED) == run_captain(WORLDS["seed"], seed, BALANCED)
        assert run_plain(WORLDS["hard"], seed, NAIVE) == run_plain(WORLDS["hard"], seed, NAIVE)
    assert run_captain(WORLDS["seed"], 1, BALANCED) != run_captain(WORLDS["seed"], 2, BALANCED)


def test_every_policy_is_handed_the_same_program() -> None:
    for seed in range(20):
        starts = {run_plain(WORLDS["seed"], seed, policy).start for policy in PLAIN.values()}
        starts |= {run_captain(WORLDS["seed"], seed, policy).start for policy in POLICIES.values()}
        assert len(starts) == 1


@pytest.mark.parametrize(
    ("world", "brought", "caused"), [("field", (0.25, 0.40), (0.25, 0.40)), ("seed", (0.5, 0.75), (0.55, 0.72))]
)
def test_fixes_bring_and_cause_what_the_reports_say(
    world: str, brought: tuple[float, float], caused: tuple[float, float]
) -> None:
    found = naive(world, 200)
    assert brought[0] < found.brought_per_edit.value < brought[1]
    assert caused[0] < found.caused_share.value < caused[1]


def test_a_world_in_which_fixes_bring_more_than_they_mend_defeats_the_loop_without_rules() -> None:
    assert WORLDS["field"].reproduction_number < WORLDS["seed"].reproduction_number < 1
    assert WORLDS["hard"].reproduction_number > 1
    assert naive("hard", 60).converged.value < 0.2
    assert naive("seed", 60).left.value > 3


@pytest.mark.parametrize("world", WORLDS)
@pytest.mark.parametrize("policy", POLICIES)
def test_the_loop_ends_in_every_world_and_hands_back_nothing_known_to_be_worse(world: str, policy: str) -> None:
    for seed in range(8):
        outcome = run_captain(WORLDS[world], seed, POLICIES[policy])  # asserts the known weight itself
        assert outcome.rounds <= POLICIES[policy].max_rounds


def test_a_reviewer_that_never_stops_ends_no_plain_loop_and_ends_this_one() -> None:
    assert naive("endless", 20).converged.value == 0
    outcomes = balanced("endless", 100)
    assert sum(outcome.converged for outcome in outcomes) > 80


def test_two_reviewers_with_opposite_wishes_never_let_a_plain_loop_end() -> None:
    assert naive("opposed", 30).converged.value < 0.1
    assert sum(outcome.verdict != "budget" for outcome in balanced("opposed", 100)) > 85


def test_a_fixer_that_declines_is_not_asked_for_ever() -> None:
    for outcome in balanced("declining", 50):
        assert outcome.calls < 200


def test_repeated_text_is_seen_only_where_nothing_is_reworded() -> None:
    stuck = PLAIN["repeated text"]
    assert all(run_plain(WORLDS["seed"], seed, stuck).verdict != "stuck" for seed in range(60))
    parrot = World(name="parrot", rewords=0.0, again=1.0, mends=0.05, bogus=2.0, sees=0.9)
    assert any(run_plain(parrot, seed, stuck).verdict == "stuck" for seed in range(60))


def test_calm_fixes_buy_reviews_in_place_of_gates() -> None:
    adapted = {"calm": 0, "hard": 0}
    for world in adapted:
        for seed in range(40):
            driver = Driver(WORLDS[world], seed, BALANCED)
            driver.run()
            adapted[world] += not driver.engine.current.delta_review
    assert adapted["calm"] > 10
    assert adapted["hard"] == 0


def test_what_is_undone_leaves_the_program_as_it_was() -> None:
    for seed in range(50):
        program = Program(WORLDS["hard"], seed)
        before = program.weight
        changes = []
        for _ in range(3):
            changes.append(program.edit(program.look(), lambda defect: defect.mends))
            program.apply(changes[-1])
        program.undo(reversed(changes))
        assert program.weight == before


def test_the_log_of_a_simulated_loop_is_one_of_the_engines_own() -> None:
    log: list[LoopEvent] = []
    driver = Driver(WORLDS["seed"], 3, ECONOMY)
    driver.engine = Engine(
        ECONOMY, LoopStarted(base="b", start="start", start_tree="t"), driver.engine.means, log.append
    )
    outcome = driver.run()
    assert isinstance(log[-1], LoopConcluded)
    assert log[-1].conclusion.verdict == outcome.verdict
    assert fold(log) == driver.engine.state


def test_an_interval_holds_the_value_and_shrinks_with_runs() -> None:
    few, many = share(3, 10), share(300, 1000)
    assert few.low < 0.3 < few.high
    assert many.high - many.low < (few.high - few.low) / 5
    assert share(0, 20).low == 0
    assert 0 < share(0, 20).high < 0.2
    assert ratio([1, 2, 3], [2, 4, 6]).low == pytest.approx(0.5)


def test_what_a_world_is_held_to_is_said_with_met_or_missed() -> None:
    found = convergence.simulated([WORLDS["seed"], WORLDS["strong"]], 12)
    said = list(convergence.held_to(found))
    assert said[0].startswith("seed: balanced converges")
    assert all(": met" in line or ": MISSED" in line for line in said)
    assert sum("strong" in line for line in said) == 1


@pytest.mark.slow
def test_the_directions_hold_in_every_calibrated_world() -> None:
    table = convergence.simulated([WORLDS[name] for name in CALIBRATED], 200)
    for target in targets(table):
        assert target.met or target.close, target
    for name in ("field", "seed", "hard"):
        found = table[name]
        for plain in ("until silent", "max-3", "max-5, last round wins", "stall count", "repeated text"):
            assert found["captain balanced"].left.high < found[plain].left.low, (name, plain)
            assert found["captain balanced"].worse.high < found[plain].worse.low, (name, plain)
            assert found["captain balanced"].converged.low > found[plain].converged.high, (name, plain)
