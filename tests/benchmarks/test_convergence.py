"""The worlds of the convergence benchmark are what they are said to be, and the loop does in them what is published."""

from __future__ import annotations

from pathlib import Path

import pytest

from benchmarks.review_world.driving import run_captain
from benchmarks.review_world.plain import PLAIN, run_plain
from benchmarks.review_world.real import HABITS, run_habit, run_real
from benchmarks.review_world.scores import Summary, share, summed_up
from benchmarks.review_world.worlds import WORLDS
from captain.review import BALANCED, ECONOMY, ReviewPolicy


def captain_in(world: str, seeds: int, policy: ReviewPolicy = BALANCED) -> Summary:
    return summed_up([run_captain(WORLDS[world], seed, policy) for seed in range(seeds)])


def plain_in(world: str, seeds: int, name: str = "until silent") -> Summary:
    return summed_up([run_plain(WORLDS[world], seed, PLAIN[name]) for seed in range(seeds)])


def test_a_seed_gives_the_same_loop_each_time() -> None:
    for world in ("seed", "opposed", "endless"):
        assert run_captain(WORLDS[world], 7, BALANCED) == run_captain(WORLDS[world], 7, BALANCED)
        assert run_plain(WORLDS[world], 7, PLAIN["max-3"]) == run_plain(WORLDS[world], 7, PLAIN["max-3"])


@pytest.mark.parametrize("world", WORLDS)
def test_every_contender_starts_from_the_same_program(world: str) -> None:
    starts = {run_plain(WORLDS[world], 3, plain).start for plain in PLAIN.values()}
    assert starts == {run_captain(WORLDS[world], 3, BALANCED).start}


@pytest.mark.parametrize("world", WORLDS)
def test_the_loop_ends_by_rule_whatever_the_world(world: str) -> None:
    summary = captain_in(world, 5)
    assert summary.rounds.high <= BALANCED.max_rounds
    assert sum(summary.verdicts.values()) == 5


def test_where_fixes_break_things_the_naive_loop_compounds_and_ours_does_not() -> None:
    naive, ours = plain_in("seed", 40), captain_in("seed", 40)
    assert naive.left.value > 3
    assert naive.worse.value > 0.6
    assert ours.left.value < 1
    assert ours.worse.value < 0.2
    assert ours.tokens_k.value < naive.tokens_k.value / 4


def test_where_fixes_are_good_the_naive_loop_is_the_better_buy() -> None:
    assert plain_in("strong", 40).left.value < captain_in("strong", 40).left.value


def test_an_interval_holds_its_value_and_stays_within_0_and_1() -> None:
    for hits in (0, 1, 10):
        figure = share(hits, 10)
        assert 0 <= figure.low <= figure.value <= figure.high <= 1


@pytest.mark.slow
def test_on_a_real_repository_nothing_heavier_is_handed_back(tmp_path: Path) -> None:
    ours = run_real(BALANCED, tmp_path / "ours", 0)
    naive = run_habit(HABITS["max-3"], tmp_path / "naive", 0)
    assert ours.start == naive.start
    assert ours.end <= ours.start


@pytest.mark.slow
def test_the_published_figures_come_up_again() -> None:
    naive, ours, thrifty = plain_in("seed", 1000), captain_in("seed", 1000), captain_in("seed", 1000, ECONOMY)
    assert ours.converged.value >= 0.97
    assert ours.worse.value <= 0.10
    assert ours.left.value <= 0.75
    assert ours.tokens_k.value <= 0.25 * naive.tokens_k.value
    assert 0.25 <= naive.converged.value <= 0.40
    three = plain_in("seed", 1000, "max-3")
    assert thrifty.left.value <= three.left.value
    assert thrifty.tokens_k.value <= 1.3 * three.tokens_k.value
