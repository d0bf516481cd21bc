"""Whether review loops end, what they leave, and what they cost: Captain's beside the policies that others use.

    python benchmarks/convergence.py [--world seed] [--seeds 500] [--real] [--json]

Without `--real` everything is simulated: programs, reviewers and fixers are dice with set flaws. What is decided about
them is decided by `captain.review` itself. With `--real` the loop runs on real git repositories with real tests.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, Final

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.review_world.driving import run_captain
from benchmarks.review_world.plain import PLAIN, run_plain
from benchmarks.review_world.scores import Figure, Outcome, Summary, summed_up
from benchmarks.review_world.targets import targets
from benchmarks.review_world.worlds import CALIBRATED, WORLDS, World
from captain.review import POLICIES

Run = Callable[[World, int], Outcome]
NAIVE: Final = "until silent"


def contenders() -> Iterator[tuple[str, Run]]:
    for name, policy in POLICIES.items():
        yield f"captain {name}", partial(run_captain, policy=policy)
    for name, plain in PLAIN.items():
        yield name, partial(run_plain, policy=plain)


def simulated(worlds: Sequence[World], seeds: int) -> dict[str, dict[str, Summary]]:
    """By world and contender; each contender gets the same programs."""
    return {
        world.name: {name: summed_up([run(world, seed) for seed in range(seeds)]) for name, run in contenders()}
        for world in worlds
    }


def table(summaries: dict[str, Summary]) -> Iterator[str]:
    """With half the width of the 95 % interval in brackets."""
    naive = summaries[NAIVE].tokens_k.value
    width = max(map(len, summaries))
    yield f"{'':{width}}  converged     left/start    ended worse   rounds  calls  tokens k   of naive"
    for name, one in summaries.items():
        shares = "  ".join(f"{_with(figure):12}" for figure in (one.converged, one.left, one.worse))
        numbers = f"{one.rounds.value:6.1f}  {one.calls.value:5.0f}  {one.tokens_k.value:8,.0f}"
        yield f"{name:{width}}  {shares}  {numbers}  {one.tokens_k.value / naive:7.0%}"


def _with(figure: Figure) -> str:
    return f"{figure.value:.2f} (±{(figure.high - figure.low) / 2:.2f})"


def held_to(found: dict[str, dict[str, Summary]]) -> Iterator[str]:
    """What the loop is held to in these worlds, met or missed."""
    for target in targets(found):
        said = ("met" if target.met else "MISSED") + (", within chance" if target.close else "")
        yield f"{target.says:52} {_with(target.figure):>14} {'<=' if target.at_most else '>='} {target.bound:g}: {said}"


def as_json(found: dict[str, dict[str, Summary]], form: str, seeds: int) -> dict[str, Any]:
    return {
        "benchmark": "convergence",
        "form": form,
        "seeds": seeds,
        "worlds": {
            world: {name: one.as_json() for name, one in summaries.items()} for world, summaries in found.items()
        },
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--world", default="calibrated", help=f"all, calibrated, or one of {', '.join(WORLDS)}")
    parser.add_argument("--seeds", type=int, default=None, help="programs per world (default 500; 12 with --real)")
    parser.add_argument("--real", action="store_true", help="on real repositories with real tests")
    parser.add_argument("--json", action="store_true", dest="as_json")
    asked = parser.parse_args()
    names = {"all": tuple(WORLDS), "calibrated": CALIBRATED}.get(asked.world, (asked.world,))
    if unknown := [name for name in names if name not in WORLDS]:
        parser.error(f"there is no world {unknown[0]!r}; use all, calibrated, or one of {', '.join(WORLDS)}")
    begun = time.perf_counter()
    if asked.real:
        from benchmarks.review_world.real import on_real_repositories

        seeds = asked.seeds or 12
        found = {"real": on_real_repositories(seeds)}
    else:
        seeds = asked.seeds or 500
        found = simulated([WORLDS[name] for name in names], seeds)
    form = "real" if asked.real else "simulated"
    if asked.as_json:
        print(json.dumps(as_json(found, form, seeds), indent=2))
        return
    for world, summaries in found.items():
        print(f"{world} ({form}, {seeds} programs)")
        print("\n".join(f"  {line}" for line in table(summaries)))
    print("\n".join(held_to(found)))
    print(f"took {time.perf_counter() - begun:.0f} s")


if __name__ == "__main__":
    main()
