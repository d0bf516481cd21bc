"""The parts of the report about what a run leaves behind: findings, follow-ups, branches, kept work, notes."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from captain.core.actions import describe
from captain.core.cases import Case
from captain.reports import words
from captain.reports.marks import OUTPUT_LINES, code, fenced, plain, shell
from captain.reports.view import RunView

_DECIDED: Final = {"allow": "allowed", "ask": "asked", "deny": "denied"}


def findings(view: RunView) -> Iterator[str]:
    for task in view.tasks.values():
        if not task.open_cases:
            continue
        reason = (
            f"{words.verdict(task.loop.verdict)}: {plain(task.loop.reason)}" if task.loop else "the loop did not end"
        )
        yield f"{plain(task.id)}, {reason}"
        yield ""
        for case in task.open_cases:
            yield from _case(case)
        yield ""


def shortcuts(view: RunView) -> Iterator[str]:
    """What the guard only asked about, in the round that was kept; what blocks is among the findings."""
    for task in view.tasks.values():
        found = task.kept_round.rules if task.kept_round else None
        if found is None or not (found.questions or found.unread):
            continue
        yield f"{plain(task.id)}, round {found.round}: put to the reviewers, who decide whether it is justified"
        yield ""
        for question in found.questions:
            yield f"- {code(question.path)}: {plain(question.claim)}"
            if question.anchor.strip():
                yield f"  - At {code(question.anchor)}"
            yield f"  - {plain(question.evidence)}"
        if found.unread:
            yield "- Not looked at, as too large or no text: " + ", ".join(code(path) for path in found.unread)
        yield ""


def clashes(view: RunView) -> Iterator[str]:
    """What does not go with the rest, and what shows it."""
    for clash in view.clashes:
        others = " and ".join(map(plain, clash.others)) or "the base"
        if clash.task in view.tasks:
            fits = view.tasks[clash.task].state == "accepted"
        else:  # of a stack that another run has left
            fits = any(moved.task == clash.task for moved in view.restacked)
        became = "repaired" if fits else "left out"
        if clash.conflicts:
            paths = ", ".join(code(path) for path in clash.conflicts)
            yield f"- {plain(clash.task)} conflicts with {others} in {paths}; it was {became}."
        for result in clash.results:
            check = f"{code(result.check.name)} ({code(result.check.command)}, {words.exit_code(result.exit_code)})"
            yield f"- {plain(clash.task)} fails {check} together with {others}; it was {became}."
            if clash.ref:
                yield f"  - Their combination is kept under {code(clash.ref)}"
            if result.output.strip():
                yield ""
                yield from ("  " + line for line in fenced(result.output, last_lines=OUTPUT_LINES))


def restacked(view: RunView) -> Iterator[str]:
    """What was put onto something else, and how."""
    for moved in view.restacked:
        below = " and ".join(map(plain, moved.below)) or "the base"
        commits = f"{code(words.commit(moved.before))} became {code(words.commit(moved.after))}"
        yield f"- {plain(moved.task)} {words.restacked(moved.how)} {below}: {commits}"


def forecasts(view: RunView) -> Iterator[str]:
    for event in view.forecasts:
        paths = ", ".join(code(path) for path in event.paths)
        yield f"- {plain(event.tasks[0])} and {plain(event.tasks[1])} were about to collide in {paths}"


def _case(case: Case) -> Iterator[str]:
    finding = case.finding
    where = f" {code(finding.path)}" if finding.path else ""  # a failed check has no path
    yield f"- **{case.severity}**{where}: {plain(finding.claim)} ({plain(finding.category)})"
    if finding.anchor.strip():
        yield f"  - At {code(finding.anchor)}"
    if "\n" in finding.evidence.strip():
        yield "  - Evidence:"
        yield ""
        yield from ("    " + line for line in fenced(finding.evidence.strip("\n"), last_lines=OUTPUT_LINES))
        yield ""
    else:
        yield f"  - Evidence: {plain(finding.evidence) or 'none given'}"
    if case.reason:
        yield f"  - Left because: {plain(case.reason)}"
    if case.possible_duplicate_of:
        yield f"  - May be the same as {plain(case.possible_duplicate_of)}"
    for attempt in case.attempts:
        if attempt.ref:
            yield f"  - An attempt that was {attempt.outcome} is kept under {code(attempt.ref)}"


def follow_ups(view: RunView) -> Iterator[str]:
    for follow_up in view.follow_ups:
        source = f" (from {plain(follow_up.task)})" if follow_up.task else ""
        yield f"- **{plain(follow_up.title)}**{source}: {plain(follow_up.detail)}"
        if follow_up.paths:
            yield "  - Paths: " + ", ".join(code(path) for path in follow_up.paths)
        if follow_up.ref:
            yield f"  - Kept: {code(shell('git', '-C', view.repository, 'show', follow_up.ref))}"


def branches(view: RunView) -> Iterator[str]:
    for branch in view.branches.values():
        holds = f"task {plain(branch.task)}" if branch.task else "the integrated result"
        yield f"- {code(branch.branch)} at {code(words.commit(branch.commit))}: {holds}"


def kept(view: RunView) -> Iterator[str]:
    for kept in view.kept:
        source = f" ({plain(kept.task)})" if kept.task else ""
        yield f"- {code(kept.ref)} at {code(words.commit(kept.commit))}{source}: {plain(kept.reason)}"


def permissions(view: RunView) -> Iterator[str]:
    """Each kind of decision once, with how often it was made: a host that is allowed is used many times."""
    told: dict[tuple[str, ...], int] = {}
    for decided in view.permissions:
        decision = decided.decision
        key = (decision.effect, describe(decided.action), decided.asked_by, decision.reason)
        told[key] = told.get(key, 0) + 1
    for (effect, what, who, reason), times in told.items():
        often = f", {times} times" if times > 1 else ""
        yield f"- **{_DECIDED[effect]}** to {code(what)} for {plain(who)}{often}: {plain(reason)}"
    if view.asked:
        yield f"- A person was asked {words.count(view.asked, 'time')}."


def rules(view: RunView) -> Iterator[str]:
    for held in view.rules_held:
        yield f"- **{held.says}** ({held.rule}, {words.count(held.times, 'time')})"
        yield from (f"  - {plain(what)}" for what in held.stopped)


def refusals(view: RunView) -> Iterator[str]:
    """Those of records that do not say which rule each of them broke; the others stand with the rules."""
    for refused in view.refusals:
        if refused.rules:
            continue
        yield f"- {refused.what}, {words.count(len(refused.problems), 'problem')}:"
        yield from (f"  - {plain(problem)}" for problem in refused.problems)


def notices(view: RunView) -> Iterator[str]:
    for notice in view.notices:
        yield f"- {plain(notice)}"
