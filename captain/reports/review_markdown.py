"""A review loop as Markdown for a person: the verdict, what is left, how it went, who did what, what it cost."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from captain.core.cases import Anchor, Case
from captain.reports import words
from captain.reports.credits import finders, menders, tokens_per_kept_fix
from captain.reports.marks import code, plain
from captain.reports.meter import Meter
from captain.reports.review_json import series
from captain.reports.rounds import rounds_of
from captain.review.report import LoopReport

_BAR: Final = 40
"""The longest bar of the picture, in characters."""

Lines = Iterator[str]
Places = Mapping[str, Anchor | None]


def review_to_markdown(
    report: LoopReport,
    *,
    meter: Meter | None = None,
    notes: Sequence[str] = (),
    places: Places | None = None,
) -> str:
    """Deterministic: the same report gives the same text. Whatever models and repositories said is escaped."""
    at = places if places is not None else {case.id: case.anchor for case in report.cases}
    mended = [case for case in report.cases if case.status == "fixed" and case.admitted]
    rejected = [case for case in report.cases if case.status == "rejected"]
    sections: tuple[tuple[str, Lines], ...] = (
        ("", _head(report, notes)),
        ("Left in what is handed back" if report.ref else "Verified findings", _cases(report.residuals, at)),
        ("Not looked into, or not confirmed", _cases(report.unproved, at)),
        ("Mended", _cases(mended, at)),
        ("Rejected", _cases(rejected, at)),
        ("For tasks of their own", (f"- {plain(note.title)}" for note in report.follow_ups)),
        ("Rounds", _rounds(report)),
        ("Who found what", _finders(report)),
        ("Attempts", _menders(report)),
        ("Cost", _cost(report, meter)),
    )
    lines: list[str] = []
    for title, body in sections:
        text = list(body)
        if text and title:
            lines += [f"## {title}", ""]
        lines += [*text, ""] if text else []
    return "\n".join(lines).rstrip("\n") + "\n"


def _head(report: LoopReport, notes: Sequence[str]) -> Lines:
    before, after = report.weight(report.start), report.weight(report.commit)
    yield f"# Review: {words.verdict(report.verdict)}"
    yield ""
    yield f"**Outcome:** {plain(report.conclusion.reason)}"
    yield ""
    yield f"- Reviewed: {code(words.commit(report.start))}, compared with {code(words.commit(report.base))}"
    if report.commit != report.start:
        yield f"- Handed back: {code(words.commit(report.commit))}, under {code(report.ref)}"
        yield f"- Known weight: {before} at the start, {after} handed back"
    elif report.ref:
        yield f"- Handed back: the commit that came in, of known weight {after}"
    else:
        yield f"- Known weight: {before}"
    yield from (f"- {plain(note)}" for note in notes)
    yield from (f"- Failed before the change, and not held against it: {code(name)}" for name in report.baseline)
    yield from (f"- Both fails and passes: {code(name)}" for name in report.flaky)
    yield from (f"- Problem: {plain(problem)}" for problem in report.problems)


def _cases(cases: Sequence[Case], places: Places) -> Lines:
    for case in cases:
        yield f"- {case.id} **{case.severity}**, {plain(case.finding.category)}, {_where(case, places)}"
        yield f"  - {plain(case.finding.claim)}"
        if case.finding.evidence.strip() and case.status not in ("fixed", "rejected"):
            yield f"  - {plain(case.finding.evidence)}"
        if case.reproduction is not None:
            tense = "failed because of it" if case.status == "fixed" else "fails because of it"
            yield f"  - {tense}: {code(case.reproduction.command)}"
        if case.reason:
            yield f"  - {case.status.replace('_', ' ')}: {plain(case.reason)}"
        elif case.fixed_by is not None:
            yield f"  - fixed by {code(words.commit(case.fixed_by))}, {_rung(case)}"
        if case.possible_duplicate_of is not None:
            yield f"  - may be the same as {case.possible_duplicate_of}"


def _where(case: Case, places: Places) -> str:
    place = places.get(case.id)
    if place is None:
        return code(case.finding.path) if case.finding.path else "the change as a whole"
    symbol = f" in {code(place.symbol)}" if place.symbol else ""
    return f"{code(f'{place.path}:{place.line}')}{symbol}"


def _rung(case: Case) -> str:
    names = {"first": "the first attempt", "fresh": "an attempt in a fresh context", "advisor": "the advisor's attempt"}
    kept = next((attempt.rung for attempt in reversed(case.attempts) if attempt.outcome == "accepted"), "first")
    return names.get(kept, kept)


def _rounds(report: LoopReport) -> Lines:
    rounds = rounds_of(report.log)
    if not rounds:
        return
    yield "| round | found | verified | fixed | introduced | reopened | undone | declined | checks failing | weight |"
    yield "|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|"
    for one in rounds:
        yield (
            f"| {one.number} | {one.found} | {one.verified} | {one.fixed} | {one.introduced} | {one.reopened} "
            f"| {one.undone} | {one.declined} | {len(one.failing)} of {one.checks} | {one.weight} |"
        )
    weights = series(report, rounds)["weight_in_hindsight"]
    if len(set(weights)) > 1:
        yield ""
        yield "Known weight, in hindsight, of what each round left:"
        yield ""
        yield "```text"
        yield from picture(weights)
        yield "```"


def picture(weights: Sequence[int]) -> Lines:
    """A bar for each weight, the first that of the start."""
    most = max((*weights, 1))
    width = len(str(most))
    for number, weight in enumerate(weights):
        name = f"round {number}" if number else "start"
        bar = "#" * -(-weight * min(most, _BAR) // most)  # rounded up: what is there is seen
        yield f"{name:<9}{weight:>{width}} {bar}".rstrip()


def _finders(report: LoopReport) -> Lines:
    found = finders(report.cases)
    if not found:
        return
    yield "| | raised | verified | of these alone | rejected |"
    yield "|---|---:|---:|---:|---:|"
    for one in found:
        yield f"| {plain(one.name)} | {one.raised} | {one.verified} | {one.alone} | {one.rejected} |"


def _menders(report: LoopReport) -> Lines:
    made = menders(report.log)
    if not made:
        return
    yield "| attempt | made | kept | undone | declined |"
    yield "|---|---:|---:|---:|---:|"
    for one in made:
        yield f"| {one.rung} | {one.attempts} | {one.kept} | {one.undone} | {one.declined} |"


def _cost(report: LoopReport, meter: Meter | None) -> Lines:
    if meter is None or not meter.total.model_calls:
        return
    yield f"- Model calls: {meter.total.model_calls:,}"
    yield f"- Tokens: {words.tokens(meter.total.usage)}"
    yield f"- Cost: {words.cost(meter.total)}"
    if (each := tokens_per_kept_fix(meter.total, menders(report.log))) is not None:
        yield f"- Tokens per kept fix, reviews included: {each:,}"
    if len(meter.by_role) > 1:
        yield from (f"- Tokens of role {role}: {words.tokens(one.usage)}" for role, one in meter.by_role.items())
