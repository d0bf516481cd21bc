"""The steps of a review loop as plain lines: what was found, confirmed, mended and undone."""

from __future__ import annotations

from collections.abc import Iterator
from functools import singledispatch
from typing import Final

from captain.core import loop_events as steps
from captain.core.loop_events import LoopEvent
from captain.core.tasks import CheckResult
from captain.reports import words
from captain.reports.escape import one_line
from captain.review.state import LoopState

TEXT_LIMIT: Final = 100
"""Characters of somebody's free text on one line."""


@singledispatch
def step_lines(_step: LoopEvent, _state: LoopState) -> Iterator[str]:
    """Of a step and the state after it; nothing for steps that say nothing new."""
    yield from ()


@step_lines.register
def _(step: steps.CommitChecked, _state: LoopState) -> Iterator[str]:
    if step.results:
        yield f"round {step.round}: {checks(step.results)}"


@step_lines.register
def _(step: steps.RulesApplied, _state: LoopState) -> Iterator[str]:
    for finding in step.findings:
        yield f"round {step.round}: {one_line(finding.category)} in {clip(finding.path)}: {clip(finding.claim)}"
    if step.questions:
        asked = words.count(len(step.questions), "possible shortcut")
        yield f"round {step.round}: {asked} put to the reviewers"
    if step.unread:
        yield f"round {step.round}: not looked at for shortcuts: {clip(', '.join(step.unread))}"


@step_lines.register
def _(step: steps.ReviewEnded, _state: LoopState) -> Iterator[str]:
    if step.problem:
        yield f"round {step.round}: no review by {one_line(step.reviewer)}: {clip(step.problem)}"


@step_lines.register
def _(step: steps.ReviewsEnded, state: LoopState) -> Iterator[str]:
    raised = [state.cases[name] for name in state.docket]
    if raised:
        yield f"round {step.round}: {words.count(state.answered, 'review')} found {words.severities(raised)}"


@step_lines.register
def _(step: steps.Ruled, state: LoopState) -> Iterator[str]:
    case = state.cases[step.case]
    if case.undone:
        return
    what = "confirmed" if step.status in ("open", "reopened") else words.verdict(step.status)
    yield f"{one_line(case.id)} {what}, {case.severity}: {clip(case.finding.claim)}{because(step.reason)}"


@step_lines.register
def _(step: steps.FixStarted, _state: LoopState) -> Iterator[str]:
    yield f"mending {one_line(', '.join(step.cases))} ({words.verdict(step.rung)} attempt)"


@step_lines.register
def _(step: steps.FixAttempted, _state: LoopState) -> Iterator[str]:
    if step.commit is None:
        yield f"{one_line(', '.join(step.cases))}: the fixer left the files as they were{because(step.said)}"


@step_lines.register
def _(step: steps.FoundGone, _state: LoopState) -> Iterator[str]:
    yield f"{one_line(step.case)} gone with an earlier fix{because(step.reason)}"


@step_lines.register
def _(step: steps.GateDecided, _state: LoopState) -> Iterator[str]:
    cases = one_line(", ".join(step.cases))
    if step.accepted:
        brought = f", bringing {one_line(', '.join(step.by_products))}" if step.by_products else ""
        yield f"{cases} mended{brought}"
    else:
        yield f"{cases} undone{because(step.reason)}"


@step_lines.register
def _(step: steps.LanesJoined, _state: LoopState) -> Iterator[str]:
    if step.dropped:
        yield f"round {step.round}: {words.count(len(step.dropped), 'fix')} undone{because(step.reason)}"


@step_lines.register
def _(step: steps.CheckTurnedFlaky, _state: LoopState) -> Iterator[str]:
    yield f"the check {one_line(step.check)} fails and passes on the same files: it is not counted any more"


def checks(results: tuple[CheckResult, ...]) -> str:
    """What came of checks, in a few words."""
    failed = [result for result in results if not result.passed]
    if not failed:
        return f"{words.count(len(results), 'check')} passed"
    names = "; ".join(f"{one_line(result.check.name)}, {words.exit_code(result.exit_code)}" for result in failed)
    return f"checks {len(failed)} of {len(results)} failed ({clip(names)})"


def because(reason: str) -> str:
    return f": {clip(reason)}" if reason.strip() else ""


def clip(text: str) -> str:
    return one_line(text, TEXT_LIMIT)
