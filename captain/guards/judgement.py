"""What the scope guard says of a diff."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

from captain.core.diff import Change
from captain.core.findings import Finding

Standing: TypeAlias = Literal["inside", "outside", "protected", "kind"]

Sources: TypeAlias = Mapping[str, tuple[str | None, str | None]]
"""By path, a file's text before and after; None where there is none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ruling:
    """The decision over one change, with its reason as a sentence.

    `rule` is what decided: the pattern that takes the path in, the protection, or the kind that is not granted.
    """

    change: Change
    decision: Standing
    reason: str
    rule: str | None = None

    @property
    def path(self) -> str:
        return self.change.path


@dataclass(frozen=True, slots=True, kw_only=True)
class Judgement:
    """One ruling per change, findings about the changes that are inside, and what only a person can weigh."""

    rulings: tuple[Ruling, ...]
    findings: tuple[Finding, ...] = ()
    warnings: tuple[str, ...] = ()

    @property
    def refused(self) -> tuple[Ruling, ...]:
        return tuple(ruling for ruling in self.rulings if ruling.decision != "inside")

    @property
    def passed(self) -> bool:
        """Nothing is refused and nothing found; warnings do not count."""
        return not self.refused and not self.findings
