"""What was asked for, item by item, with what came of it; and the rules that held where something went against them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from captain.core.events import DriftPutBack, Refused
from captain.core.house_rules import HOUSE_RULES, HouseRule
from captain.core.tasks import Plan, RequestItem, Triage
from captain.reports.tasks import Evidence


@dataclass(frozen=True, slots=True, kw_only=True)
class ItemView:
    """`evidence` is that of the criteria which serve the item; `declined` why it is not done."""

    item: RequestItem
    evidence: tuple[Evidence, ...] = ()
    declined: str = ""

    @property
    def state(self) -> Literal["background", "declined", "done", "not done", "not covered"]:
        if self.item.context:
            return "background"
        if self.declined:
            return "declined"
        if not self.evidence:
            return "not covered"
        return "done" if all(one.proof in ("proved", "cited") for one in self.evidence) else "not done"


def items_of(triage: Triage | None, plan: Plan | None, evidence: Sequence[Evidence]) -> tuple[ItemView, ...]:
    """None before there is a triage, and of runs from which no work follows."""
    if triage is None or not triage.leads_to_work:
        return ()
    declined = dict(plan.declined) if plan is not None else {}
    return tuple(
        ItemView(
            item=item,
            evidence=tuple(one for one in evidence if item.id in one.criterion.covers),
            declined=declined.get(item.id, item.declined),
        )
        for item in triage.items
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Held:
    """A rule, and what ran up against it, in the order in which it happened."""

    rule: HouseRule
    times: int
    stopped: tuple[str, ...]

    @property
    def says(self) -> str:
        return HOUSE_RULES[self.rule]


def rules_held(refusals: Iterable[Refused], drift: Iterable[DriftPutBack]) -> tuple[Held, ...]:
    """One for each rule, in the order of the list of rules."""
    stopped: dict[HouseRule, list[str]] = {}
    for refused in refusals:
        for rule, problem in zip(refused.rules, refused.problems, strict=False):
            stopped.setdefault(rule, []).append(f"{refused.what} refused: {problem}")
    for put_back in drift:
        stopped.setdefault("scope held", []).append(f"{put_back.task}: put back {', '.join(put_back.paths)}")
    return tuple(
        Held(rule=rule, times=len(stopped[rule]), stopped=tuple(dict.fromkeys(stopped[rule])))
        for rule in HOUSE_RULES
        if rule in stopped
    )
