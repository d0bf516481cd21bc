"""The policies that other loops use: review everything, mend everything at once, and a rule for when to stop."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from benchmarks.review_world.program import Change, Program, Report
from benchmarks.review_world.scores import Outcome, outcome
from benchmarks.review_world.worlds import PRICES, World
from captain.core.findings import SEVERITY_WEIGHT

LONGEST: Final = 30
"""Rounds after which people stop any loop."""


@dataclass(slots=True)
class History:
    """What a stopping rule may look at."""

    program: Program
    reports: list[list[Report]] = field(default_factory=list)
    stalls: int = 0
    fresh_context: bool = False


Stop = Callable[[History], str | None]
"""A verdict, or None to go on. Asked after a review that found something."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plain:
    name: str
    max_rounds: int = LONGEST
    stop: Stop = lambda _: None
    floor: int = 1
    """The least claimed weight that is mended, and that keeps the loop going."""
    best_round: bool = False
    """Hand back the round whose findings, of all that were ever reported, weigh least; otherwise the last one wins."""


def run_plain(world: World, seed: int, policy: Plain) -> Outcome:
    program = Program(world, seed)
    history = History(program)
    made: list[Change] = []
    tries: dict[int, int] = {}
    told: set[int] = set()
    verdict = "budget"
    while len(history.reports) < policy.max_rounds:
        reports = program.look()
        history.reports.append(reports)
        heavy = [report for report in reports if SEVERITY_WEIGHT[report.severity] >= policy.floor]
        told |= {report.defect.number for report in reports if report not in heavy and report.defect is not None}
        if not heavy:
            verdict = "converged"
            break
        if (stopped := policy.stop(history)) is not None:
            verdict = stopped
            break
        made.append(_mend(program, heavy, tries, fresh=history.fresh_context))
    if policy.best_round:
        program.undo(reversed(made[_best(history, made) :]))
    later = [report for reports in history.reports[1:] for report in reports]
    return outcome(
        program,
        verdict,
        len(history.reports),
        told,
        converged=verdict == "converged",
        found=tuple(map(len, history.reports)),
        later=len(later),
        caused=sum(report.defect is not None and report.defect.since is not None for report in later),
    )


def _mend(program: Program, reports: list[Report], tries: dict[int, int], *, fresh: bool) -> Change:
    """All findings in one edit, in the context of the edits before; the tests run, what they show is repaired."""
    program.pay(PRICES.fix + PRICES.fix_finding * len(reports))
    taken = [report for report in reports if not program.declines(report)]
    tired = 1.0 if fresh else program.world.tires
    change = program.edit(taken, lambda defect: defect.mends * tired ** tries.get(defect.number, 0))
    for report in taken:
        if report.defect is not None:
            tries[report.defect.number] = tries.get(report.defect.number, 0) + 1
    program.apply(change)
    program.settle(change, edits=len(taken))
    return change


def _best(history: History, made: list[Change]) -> int:
    """How many changes to keep: with hindsight over all that was ever reported, of equals the latest."""
    reported = {report.defect for reports in history.reports for report in reports if report.defect is not None}
    present = {defect for defect in reported if defect.since is None}
    weights = [sum(defect.weight for defect in present)]
    for change in made:
        present = (present - set(change.removes)) | (reported & set(change.brings))
        weights.append(sum(defect.weight for defect in present))
    return max(place for place, weight in enumerate(weights) if weight == min(weights))


def repeats_itself(history: History) -> str | None:
    """Half of the text of a round was in the round before, three times in a row."""
    if len(history.reports) < 3:
        return None
    texts = [{report.words for report in reports} for reports in history.reports[-3:]]
    same = [len(new & old) >= len(new) / 2 for old, new in zip(texts, texts[1:], strict=False)]
    return "stuck" if all(same) else None


def judge_sees_no_progress(history: History) -> str | None:
    """A model is asked for its opinion; after three times "no" more than "yes" the context is thrown away."""
    program = history.program
    program.pay(PRICES.judge)
    fewer = len(history.reports) < 2 or len(history.reports[-1]) < len(history.reports[-2])
    progress = program.happens(0.9 if fewer else 0.55)
    history.stalls = max(0, history.stalls - 1) if progress else history.stalls + 1
    history.fresh_context = history.stalls >= 3
    if history.fresh_context:
        history.stalls = 0
        program.pay(PRICES.replan, calls=2)
    return None


def count_does_not_drop(history: History) -> str | None:
    """Three rounds in a row without fewer critical and major findings than the least before."""
    counts = [sum(report.severity != "minor" for report in reports) for reports in history.reports]
    if len(counts) < 4:
        return None
    return "stalled" if min(counts[-3:]) >= min(counts[:-3]) else None


PLAIN: Final[dict[str, Plain]] = {
    policy.name: policy
    for policy in (
        Plain(name="until silent"),
        Plain(name="max-3", max_rounds=3),
        Plain(name="max-5, last round wins", max_rounds=5),
        Plain(name="max-5, best round", max_rounds=5, best_round=True),
        Plain(name="stall count", stop=judge_sees_no_progress),
        Plain(name="repeated text", stop=repeats_itself),
        Plain(name="count trend", stop=count_does_not_drop),
        Plain(name="until nothing major", floor=3),
    )
}
