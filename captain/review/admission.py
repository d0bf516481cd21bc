"""Whether a case may be mended: what evidence it still needs, or how it is ruled. Plain functions.

A reviewer may say anything; nothing edits code without evidence. Four fifths of the harm that a review loop can
avoid is edits that are never made.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final, Literal, TypeAlias

from captain.core.cases import Case, CaseStatus
from captain.core.findings import SEVERITY_WEIGHT, Finding
from captain.review.policy import ReviewPolicy, Tally, worth_an_edit
from captain.review.wording import similarity

Proof: TypeAlias = Literal["trial", "vote", "reproduction"]
"""Run the suggested check; ask for a second opinion; have somebody write a check that fails."""

_SAME_WORDS: Final = 0.6


@dataclass(frozen=True, slots=True, kw_only=True)
class Ruling:
    """What becomes of a case, and why. `admitted` says that it is taken for real, mended or not."""

    status: CaseStatus
    reason: str
    admitted: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Means:
    """What can be asked for in this loop: whether somebody votes, writes reproductions, mends."""

    voters: bool = True
    reproducer: bool = False
    fixer: bool = True


def admit(
    case: Case,
    round_: int,
    policy: ReviewPolicy,
    tally: Tally,
    means: Means = Means(),
    *,
    quick: bool = False,
) -> Ruling | Proof:
    """How a proposed case is ruled, or what is to be found out first. Called again with what was found out.

    With `quick`, as for by-products inside the fix gate, one vote is enough. A suggested check is tried before
    anybody is asked: it costs seconds and no tokens, and the voter sees what it printed.
    """
    if (ruling := _out_of_question(case)) is not None:
        return ruling
    if case.trusted:
        return _floors(case, round_, policy, tally, means)
    if case.finding.suggested_check is not None and case.trial is None:
        return "trial"
    return (
        _unproved(case, round_, policy, means)
        or (_by_votes(case, means, quick=quick) if means.voters else None)
        or _floors(case, round_, policy, tally, means)
    )


def _out_of_question(case: Case) -> Ruling | None:
    if not case.anchored:
        return Ruling(status="rejected", reason="the code it quotes is not in the file it names")
    if not case.in_scope:
        return Ruling(status="out_of_scope", reason=f"{case.finding.path} is outside the scope")
    return None


def _unproved(case: Case, round_: int, policy: ReviewPolicy, means: Means) -> Ruling | None:
    """What is not worth a second opinion, or cannot get one."""
    reproduced = case.reproduction is not None
    if not case.about_change and not (reproduced and case.trial is not None and case.trial.passes_on_base):
        return Ruling(status="out_of_scope", reason="it is neither about the change nor shown to come from it")
    if reproduced:
        return None
    if case.weight < policy.floor_in(round_):
        return Ruling(status="recorded", reason=f"{case.severity} and unproved in round {round_}: not looked into")
    if not means.voters:
        return Ruling(status="recorded", reason="no check that fails shows it, and nobody was there to confirm it")
    return None


def _by_votes(case: Case, means: Means, *, quick: bool) -> Ruling | Proof | None:
    """None when the votes are in and for it."""
    stands = (case.severity == "critical" or len(case.raised_by) > 1) and not quick
    ayes = sum(vote.accepts for vote in case.votes)
    noes = len(case.votes) - ayes
    if noes > (1 if stands else 0):  # what is critical, or was found twice, is not dropped on one voice
        against = [vote for vote in case.votes if not vote.accepts]
        return Ruling(status="rejected", reason=against[-1].reason or "a second opinion did not share it")
    alone_suffices = quick or case.severity == "minor" or case.reproduction is not None
    needed = 1 if alone_suffices and not noes else 2
    if ayes == 1 and not alone_suffices and case.trial is None and means.reproducer:
        return "reproduction"
    if ayes < needed:
        return "vote"
    if any(vote.contradicts for vote in case.votes if vote.accepts):
        return Ruling(status="deferred", reason="criteria contradict one another", admitted=True)
    if any(vote.extends for vote in case.votes if vote.accepts):
        return Ruling(status="deferred", reason="its remedy would extend the change", admitted=True)
    return None


def _floors(case: Case, round_: int, policy: ReviewPolicy, tally: Tally, means: Means) -> Ruling:
    """What is real, and not worth an edit. Where nobody edits, there is nothing to weigh."""
    if not means.fixer:
        return Ruling(status="open", reason="", admitted=True)
    if case.depth > policy.depth:
        return Ruling(status="recorded", reason="a by-product of a by-product", admitted=True)
    if case.weight < policy.floor_in(round_):
        return Ruling(status="recorded", reason=f"{case.severity}, below the floor of round {round_}", admitted=True)
    if round_ > 1 and case.severity == "minor" and case.reproduction is None:
        return Ruling(status="recorded", reason="minor and not reproduced, after round 1", admitted=True)
    if not worth_an_edit(case.weight, case.evidence, tally, policy):
        return Ruling(status="recorded", reason="an edit is expected to do more harm than it mends", admitted=True)
    return Ruling(status="open", reason="", admitted=True)


def heard(case: Case, finding: Finding, reviewer: str) -> Literal["note", "propose", "appeal"]:
    """What is done when a known case is raised again: nothing, look into it anew, or grant its one appeal.

    A rejected finding is not argued again without something new; a fixed one whose reproduction is in the ratchet
    has not come back just because somebody says so.
    """
    match case.status:
        case "rejected":
            return "appeal" if case.appeals == 0 and brings_something_new(case, finding, reviewer) else "note"
        case "fixed":
            same_check = finding.suggested_check in (None, _command(case))
            return "note" if case.reproduction is not None and same_check else "propose"
        case "recorded" if not case.trusted:
            heavier = SEVERITY_WEIGHT[finding.severity] > case.weight
            return "propose" if heavier or (finding.suggested_check is not None and case.trial is None) else "note"
        case _:
            return "note"


def brings_something_new(case: Case, finding: Finding, reviewer: str) -> bool:
    """A check that was not tried, another reviewer, or other evidence: what may reopen a rejected case."""
    if finding.suggested_check is not None and finding.suggested_check != _command(case):
        return True
    if reviewer not in case.raised_by:
        return True
    return similarity(case.finding.evidence, finding.evidence) < _SAME_WORDS


def _command(case: Case) -> str | None:
    return case.trial.check.command if case.trial is not None else None


def heaviest(findings: tuple[Finding, ...], limit: int) -> tuple[tuple[Finding, ...], tuple[Finding, ...]]:
    """The findings of one review that are taken, and those beyond the limit; what weighs most comes first."""
    ordered = tuple(sorted(findings, key=lambda finding: -SEVERITY_WEIGHT[finding.severity]))
    return ordered[:limit], ordered[limit:]
