"""What a person may say to a plan before it is carried out, and the seam by which they are asked."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Literal, TypeAlias

from captain.core.errors import NeedsPersonError
from captain.core.estimates import Estimate
from captain.core.tasks import Plan, RequestItem


@dataclass(frozen=True, slots=True, kw_only=True)
class PlanOffer:
    """A plan to be decided on. `problems` say why a person's edit of it could not be taken, which is then `plan`."""

    plan: Plan
    estimate: Estimate
    items: tuple[RequestItem, ...] = ()
    problems: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Accept:
    kind: Literal["accept"] = "accept"


@dataclass(frozen=True, slots=True, kw_only=True)
class Edited:
    """The plan as the person wants it; it is held to the same rules as the Captain's."""

    plan: Plan
    kind: Literal["edited"] = "edited"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reject:
    reason: str = ""
    kind: Literal["reject"] = "reject"


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """Words for the Captain, who answers or amends the plan."""

    text: str
    kind: Literal["reply"] = "reply"


Approval: TypeAlias = Accept | Edited | Reject | Reply
PlanApprover: TypeAlias = Callable[[PlanOffer], Awaitable[Approval]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """An approval as a step gives it, so that a resumed run does not ask again."""

    approval: Approval


async def nobody(_offer: PlanOffer) -> Approval:
    """For a run whose plan is to be approved, where nobody is there to do it."""
    raise NeedsPersonError(
        "The plan waits for somebody to approve it, and there is nobody to ask.",
        hint="Resume the run at a terminal, or with Options.approve_plan.",
    )
