"""The numbers a review loop is run with, each with where it comes from.

"Simulated" means a model of reviewers and fixers, not this code: worlds calibrated on public reports of loops
that did not end (`field`, compounding, hard, strong, almost clean), 2,500 runs a cell. W/W0 is the weight of
defects handed back over the weight that was there; harm is the share of runs that end heavier than they began.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final, TypeVar

from captain.core.cases import Evidence, Rung
from captain.core.errors import UsageError
from captain.core.findings import SEVERITY_WEIGHT, Severity

T = TypeVar("T")

P_REAL: Final[dict[Evidence, float]] = {"opinion": 0.75, "located": 0.75, "reproduced": 0.97, "toggled": 0.97}
"""How likely a case is to be real once it was admitted on such evidence.

Assumed, from rates of filtering agents: votes keep 80 % of true and 25 % of false alarms; 3 % of reproductions
enforce something wrong.
"""

P_FIXED: Final = 0.75
"""How likely one attempt is to remove the defect (assumed; field loops fit 0.66 to 0.88)."""

MEAN_WEIGHT: Final = 2.5
"""Of a defect, with 10 % critical, 35 % major and 55 % minor ones (assumed mix; 9, 3 and 1 give 2.5)."""


def _nth(values: tuple[T, ...], round_: int) -> T:
    return values[min(round_, len(values)) - 1]


def _require(name: str, value: float, *, at_least: int) -> None:
    if value < at_least:
        raise UsageError(f"ReviewPolicy({name}={value}) is less than {at_least}.", hint=f"Use {at_least} or more.")


@dataclass(frozen=True, slots=True, kw_only=True)
class ReviewPolicy:
    """How a loop reviews, what it edits for, and when it ends. The default is `balanced`."""

    reviewers: tuple[int, ...] = (3, 1)
    """Independent looks per round, the last number repeats. Simulated: 1, 2, 3 in round one give W/W0 .73, .66, .61;
    later ensembles cost more for less."""

    max_rounds: int = 6
    """Full reviews. Simulated: 2, 3, 4, 5, 6 end by themselves in .61, .85, .94, .98, .99 of runs. With 5, one loop in
    150 that was through ended for want of a last look; a sixth costs no other loop anything."""

    floors: tuple[Severity, ...] = ("minor", "major")
    """The least severity that is mended, per round. Simulated without it: a third more tokens, harm times 1.7."""

    ev_factor: float | None = 1.5
    """An edit must be worth this many times the harm it is expected to do unseen. Simulated: 1 has no effect, 2.5
    is a floor at major."""

    ladder: tuple[Rung, ...] = ("first", "fresh", "advisor")
    """The attempts at one case. Simulated: one attempt asks a person .73 times a run, three .07 times; the fresh
    context is the gain, the stronger model a detail."""

    clean_rounds: int = 1
    """Reviews in a row that admit nothing, before a loop has converged. A second one buys .05 of W/W0 for 37 %."""

    max_findings: int = 12
    """Findings taken from one review, and new cases looked into in one round. Simulated: 3 or fewer hurt, more than 8
    change nothing."""

    delta_review: bool = True
    """Whether every fix is reviewed by itself. Simulated without it: harm .04 to .06, .09 to .14, .15 to .22."""

    detected_share: float = 0.4
    """Rho: of the defects that fixes bring, the share that the gate sees (assumed; a delta review finds .45)."""

    prior_by_products: float = 0.12
    """By-products seen per attempt before there is experience (assumed), weighing as much as `prior_attempts`."""

    prior_attempts: float = 3.0

    depth: int = 1
    """How far by-products of by-products are mended. Simulated: 0 and 4 are equal."""

    diverging_ratio: float = 0.5
    """Findings caused per accepted fix above which the loop is doing harm (assumed)."""

    diverging_fixes: int = 6
    """Accepted fixes before that ratio says anything. Simulated with this engine where fixes compound, 2,000 runs:
    after 4 it ends .008 of runs, after 6 .002, and as many end worse than they began (.080, .078)."""

    max_reopened: int = 2
    """How often one case may come back before that is an oscillation."""

    max_stalled: int = 2
    """Rounds in a row that mended nothing although something was open."""

    max_declined: int = 2
    """How often a fixer may leave the files as they are before the case is deferred."""

    max_lanes: int = 4
    """Lanes of fixes on disjoint files at once. Simulated: lanes halve the time, 28 against 56 minutes."""

    adaptive: bool = True
    """Whether the loop changes these numbers by its own rate of by-products, see `adapted`."""

    calm_rate: float = 0.05
    calm_fixes: int = 8
    """Below `calm_rate` by-products per accepted fix over `calm_fixes` fixes: more reviews, fewer gates. Simulated:
    gates do not pay where a fix brings .05 defects or fewer."""

    rough_rate: float = 0.3
    """Above it, nothing but critical and major findings is mended."""

    def __post_init__(self) -> None:
        for name in ("max_rounds", "clean_rounds", "max_findings", "max_lanes", "max_reopened", "max_stalled"):
            _require(name, getattr(self, name), at_least=1)
        for name in ("reviewers", "floors", "ladder"):
            _require(f"len({name})", len(getattr(self, name)), at_least=1)
        for number in self.reviewers:
            _require("reviewers", number, at_least=1)
        _require("depth", self.depth, at_least=0)
        if not 0 < self.detected_share <= 1:
            raise UsageError(f"ReviewPolicy(detected_share={self.detected_share}) is no share.", hint="Use 0.4.")
        if any(rung in ("own_task", "person") for rung in self.ladder):
            raise UsageError(
                "ReviewPolicy(ladder=...) lists attempts only: first, fresh and advisor.",
                hint="A task of its own and a person come by themselves when the attempts are used up.",
            )

    def reviewers_in(self, round_: int) -> int:
        return _nth(self.reviewers, round_)

    def floor_in(self, round_: int) -> int:
        """The least weight that is mended in a round."""
        return SEVERITY_WEIGHT[_nth(self.floors, round_)]


BALANCED: Final = ReviewPolicy()
"""Simulated: ends by itself in .98 (field), .98 (compounding), .95 (hard) of runs; W/W0 .61, .68, .77; harm .04,
.09, .15; at 1.2 times the price of five plain rounds, which give .83, 1.53, 2.49 and harm .29, .67, .92."""

ECONOMY: Final = ReviewPolicy(reviewers=(1,), floors=("major",), ev_factor=None)
"""For small changes and bots. Simulated: W/W0 .74, .78, .82, harm .02, .06, .09, at the price of three plain rounds."""

THOROUGH: Final = ReviewPolicy(reviewers=(2,), clean_rounds=2, max_rounds=6, ev_factor=None)
"""For releases and security. Simulated: W/W0 .46, .57, .74, harm .05, .12, .23, at twice the price; it ends by itself
in .54, .49, .35 of runs only, as two clean rounds are hard to get."""

POLICIES: Final[dict[str, ReviewPolicy]] = {"economy": ECONOMY, "balanced": BALANCED, "thorough": THOROUGH}


def policy_named(name: str) -> ReviewPolicy:
    """Raises `UsageError`."""
    if name not in POLICIES:
        raise UsageError(f"{name!r} is no review policy.", hint=f"Use one of {', '.join(POLICIES)}.")
    return POLICIES[name]


@dataclass(frozen=True, slots=True, kw_only=True)
class Tally:
    """What the fixes have done: attempts whose delta was reviewed, verified by-products of those, fixes that passed.

    `caused` counts the findings that accepted fixes brought, whether the gate saw them or a later review did.
    """

    gated: int = 0
    by_products: int = 0
    accepted: int = 0
    caused: int = 0

    def seen_rate(self, policy: ReviewPolicy) -> float:
        """The estimate of by-products seen per attempt: a Gamma prior with the weight of a few attempts."""
        prior = policy.prior_attempts
        return (prior * policy.prior_by_products + self.by_products) / (prior + self.gated)

    def unseen_rate(self, policy: ReviewPolicy) -> float:
        """By-products per attempt that the gate does not see: the harm of an edit that looks fine."""
        return self.seen_rate(policy) * (1 - policy.detected_share) / policy.detected_share

    @property
    def seen_per_fix(self) -> float:
        """By-products seen per accepted fix, those of undone attempts too: what would come without a gate."""
        return self.by_products / self.accepted if self.accepted else 0.0

    @property
    def caused_per_fix(self) -> float:
        """Findings that a fix brought in spite of the gate."""
        return self.caused / self.accepted if self.accepted else 0.0


def worth_an_edit(weight: int, evidence: Evidence, tally: Tally, policy: ReviewPolicy) -> bool:
    """Whether mending is expected to remove more than it breaks: w * P(real) * p >= factor * unseen * mean weight."""
    if policy.ev_factor is None:
        return True
    gain = weight * P_REAL[evidence] * P_FIXED
    return gain >= policy.ev_factor * tally.unseen_rate(policy) * MEAN_WEIGHT


def adapted(policy: ReviewPolicy, tally: Tally) -> ReviewPolicy:
    """The policy for the next round, by what this loop's own fixes have brought so far."""
    if not policy.adaptive or tally.accepted < policy.calm_fixes:
        return policy
    if tally.seen_per_fix < policy.calm_rate:
        return replace(policy, delta_review=False, reviewers=(*policy.reviewers[:-1], policy.reviewers[-1] + 1))
    if tally.seen_per_fix > policy.rough_rate:
        return replace(policy, reviewers=(1,), floors=("major",))
    return policy
