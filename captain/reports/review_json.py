"""A review loop as JSON for other programs: the verdict, every case, and the numbers of its rounds as series."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import Any, Final

from captain.core.cases import Anchor, Case, known_weight
from captain.core.usage import Spend
from captain.reports.credits import finders, menders, tokens_per_kept_fix
from captain.reports.jsonable import dumps, spend_to_dict
from captain.reports.meter import Meter
from captain.reports.rounds import RoundFigures, rounds_of
from captain.review.report import LoopReport

SCHEMA: Final = 1
"""Raised when a field changes its meaning or goes away; new fields do not raise it."""

_SERIES: Final = ("found", "verified", "rejected", "fixed", "introduced", "reopened", "undone", "declined")


def review_to_json(
    report: LoopReport,
    *,
    meter: Meter | None = None,
    notes: Sequence[str] = (),
    places: Mapping[str, Anchor | None] | None = None,
) -> str:
    """ASCII only; ends with a line break."""
    return dumps(review_to_dict(report, meter=meter, notes=notes, places=places), indent=2) + "\n"


def review_to_dict(
    report: LoopReport,
    *,
    meter: Meter | None = None,
    notes: Sequence[str] = (),
    places: Mapping[str, Anchor | None] | None = None,
) -> dict[str, Any]:
    """What `review_to_json` writes. `places` are where cases are in the commit that is handed back."""
    rounds, made = rounds_of(report.log), menders(report.log)
    left = {case.id for case in report.residuals}
    spend = meter.total if meter is not None else Spend()
    return {
        "schema": SCHEMA,
        "verdict": report.verdict,
        "reason": report.conclusion.reason,
        "figures": dict(report.conclusion.figures),
        "acceptable": report.acceptable,
        "base": report.base,
        "start": report.start,
        "commit": report.commit,
        "ref": report.ref or None,
        "weight": {"start": report.weight(report.start), "handed_back": report.weight(report.commit)},
        "rounds": [_round(figures) for figures in rounds],
        "series": series(report, rounds),
        "finders": [dataclasses.asdict(finder) for finder in finders(report.cases)],
        "menders": [dataclasses.asdict(mender) for mender in made],
        "cases": [_case(case, left, places) for case in report.cases],
        "follow_ups": report.follow_ups,
        "baseline": report.baseline,
        "flaky": report.flaky,
        "problems": report.problems,
        "notes": list(notes),
        "spend": {
            "total": spend_to_dict(spend),
            "by_role": {role: spend_to_dict(one) for role, one in meter.by_role.items()} if meter else {},
            "by_model": {model: spend_to_dict(one) for model, one in meter.by_model.items()} if meter else {},
            "tokens_per_kept_fix": tokens_per_kept_fix(spend, made),
        },
    }


def series(report: LoopReport, rounds: Sequence[RoundFigures]) -> dict[str, list[int]]:
    """One number per round for each figure. The two of weight begin with the state the loop was handed.

    `weight` is what was known at the time, `weight_in_hindsight` what is known of the same states at the end.
    """
    start = report.weight(report.start)
    made: dict[str, list[int]] = {name: [getattr(figures, name) for figures in rounds] for name in _SERIES}
    made["failing"] = [len(figures.failing) for figures in rounds]
    made["weight"] = [rounds[0].weight_before if rounds else start, *(figures.weight for figures in rounds)]
    made["weight_in_hindsight"] = [start, *(known_weight(report.cases, figures.head) for figures in rounds)]
    return made


def _round(figures: RoundFigures) -> dict[str, Any]:
    plain = {field.name: getattr(figures, field.name) for field in dataclasses.fields(figures) if field.name != "head"}
    return {**plain, "commit": figures.head.commit, "told": figures.told()}


def _case(case: Case, left: set[str], places: Mapping[str, Anchor | None] | None) -> dict[str, Any]:
    finding = case.finding
    place = case.anchor if places is None else places.get(case.id)
    return {
        "id": case.id,
        "status": case.status,
        "reason": case.reason,
        "severity": case.severity,
        "category": finding.category,
        "path": finding.path,
        "line": place.line if place is not None else None,
        "symbol": place.symbol if place is not None else finding.symbol,
        "quote": finding.anchor,
        "claim": finding.claim,
        "why": finding.evidence,
        "verified": case.admitted,
        "evidence": case.evidence,
        "in_the_result": case.id in left,
        "shown_by": case.reproduction.command if case.reproduction is not None else None,
        "raised_by": case.raised_by,
        "raised_in": case.raised_in,
        "introduced_by": case.introduced_by,
        "fixed_by": case.fixed_by,
        "times_reopened": case.times_reopened,
        "attempts": case.attempts,
        "votes": case.votes,
        "possible_duplicate_of": case.possible_duplicate_of,
    }
