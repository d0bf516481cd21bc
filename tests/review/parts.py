"""Proposals and findings for tests of the review loop."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from captain.core.findings import Finding, Proposal, Severity
from captain.core.tasks import Check, CheckResult, Criterion, Scope, Task

TASK = Task(
    id="T1",
    title="Mend add",
    kind="change",
    brief="It subtracts.",
    scope=Scope(paths=("a.py",)),
    criteria=(
        Criterion(id="T1.1", text="It adds.", check="tests"),
        Criterion(id="T1.2", text="It is clear.", evidence="the docstring"),
    ),
    checks=(Check(name="tests", command="pytest -q"),),
)


def finding(severity: Severity = "major", **more: Any) -> Finding:
    fields: dict[str, Any] = {
        "category": "design",
        "path": "a.py",
        "anchor": "x",
        "claim": "It is wrong.",
        "evidence": "Look.",
    }
    return Finding(id="", severity=severity, **{**fields, **more})


def checked(exit_code: int | None, output: str = "") -> CheckResult:
    return CheckResult(check=TASK.checks[0], exit_code=exit_code, output=output, duration_s=0.1)


def proposal(number: int, head: str | None = None, checks: Sequence[CheckResult] = ()) -> Proposal:
    return Proposal(
        task=TASK, round=number, base="base", head=head or f"head-{number}", diff=f"+ {number}", checks=tuple(checks)
    )
