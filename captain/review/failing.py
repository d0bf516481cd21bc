"""Failed checks as findings."""

from __future__ import annotations

from captain.core.findings import Finding
from captain.core.tasks import CheckResult


def finding_of(result: CheckResult) -> Finding:
    """Of a check that failed, with its output as evidence."""
    ending = (
        "was stopped at its time limit." if result.exit_code is None else f"fails with exit code {result.exit_code}."
    )
    return Finding(
        id="",
        severity="critical",
        category="check",
        path="",
        anchor=result.check.command,
        claim=f"The check {result.check.name!r} {ending}",
        evidence=result.output,
    )
