"""The gate every fix passes or is undone: what has to be known about a change, and what follows from it.

Plain functions of facts. Who gathers the facts asks `next_evidence` what is needed next, cheapest first, so that
a change that fails early costs no reviewer anything.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from captain.core.cases import Clause

Wanted: TypeAlias = Literal["scope", "ratchet", "gone", "harm"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Gone:
    """Whether one case is gone.

    With a reproduction: it failed before the change, passes after it, and fails again with only the product's
    hunks taken back (None: the change has no product hunks). Without one: what a verifier said, blind to the
    fixer's own words.
    """

    case: str
    failed_before: bool | None = None
    passes_after: bool | None = None
    fails_when_reverted: bool | None = None
    said_gone: bool | None = None
    reason: str = ""

    @property
    def toggled(self) -> bool:
        return bool(self.failed_before and self.passes_after and self.fails_when_reverted)

    @property
    def holds(self) -> bool:
        if self.said_gone is not None:
            return self.said_gone
        return bool(self.failed_before and self.passes_after) and self.fails_when_reverted is not False


@dataclass(frozen=True, slots=True, kw_only=True)
class GateFacts:
    """What is known of a change. None is "not looked at yet", an empty tuple "nothing was found".

    `weights` are those of the cases it mends, `broken` the checks that passed before and fail now, `by_products`
    the weights of verified findings that the change brought.
    """

    weights: tuple[int, ...]
    outside: tuple[str, ...] | None = None
    shortcuts: tuple[str, ...] | None = None
    broken: tuple[str, ...] | None = None
    gone: tuple[Gone, ...] | None = None
    by_products: tuple[int, ...] | None = None
    delta_review: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class GateResult:
    """`clause` is what the change failed, None if it passed; `reason` a sentence for the next attempt."""

    accepted: bool
    clause: Clause | None = None
    reason: str = ""


def next_evidence(facts: GateFacts) -> Wanted | None:
    """What is to be looked at next, None when the gate can decide."""
    if not _fails_early(facts):
        if facts.outside is None or facts.shortcuts is None:
            return "scope"
        if facts.broken is None:
            return "ratchet"
        if facts.gone is None:
            return "gone"
        if facts.by_products is None and facts.delta_review:
            return "harm"
    return None


def accept(facts: GateFacts) -> GateResult:
    """The acceptance rule: nothing that passed fails, the case is gone, no harm as heavy, within scope and honest.

    An accepted change therefore lowers the known weight: it removes all of `weights` and brings less than that.
    What was not looked at counts as failed.
    """
    if (missing := next_evidence(facts)) is not None:
        return _fails(missing, "was not looked at")
    return (
        _scope(facts)
        or _ratchet(facts)
        or _gone(facts)
        or _harm(facts)
        or GateResult(accepted=True, reason="nothing broke, it is gone, and nothing as heavy came with it")
    )


def _fails_early(facts: GateFacts) -> bool:
    return any(check(facts) is not None for check in (_scope, _ratchet, _gone, _harm))


def _scope(facts: GateFacts) -> GateResult | None:
    problems = (*(facts.outside or ()), *(facts.shortcuts or ()))
    return _fails("scope", "; ".join(problems)) if problems else None


def _ratchet(facts: GateFacts) -> GateResult | None:
    if not facts.broken:
        return None
    return _fails("ratchet", f"passed before the change and fails after it: {', '.join(facts.broken)}")


def _gone(facts: GateFacts) -> GateResult | None:
    left = [gone for gone in facts.gone or () if not gone.holds]
    return _fails("gone", "; ".join(_why_left(gone) for gone in left)) if left else None


def _harm(facts: GateFacts) -> GateResult | None:
    brought = facts.by_products or ()
    if not brought or (max(brought) < max(facts.weights) and sum(brought) < sum(facts.weights)):
        return None
    return _fails("harm", f"brought verified findings of weight {sum(brought)} for {sum(facts.weights)} mended")


def _why_left(gone: Gone) -> str:
    if gone.said_gone is False:
        return f"{gone.case} is not gone: {gone.reason or 'a verifier still sees it'}"
    if not gone.failed_before:
        return f"{gone.case} could not be seen to fail before the change"
    if not gone.passes_after:
        return f"the reproduction of {gone.case} still fails"
    return f"the reproduction of {gone.case} passes because of the tests that were changed, not of the product"


def _fails(clause: Clause, reason: str) -> GateResult:
    return GateResult(accepted=False, clause=clause, reason=reason)
