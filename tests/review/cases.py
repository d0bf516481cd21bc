"""Cases for tests, with as little said about them as each test needs."""

from __future__ import annotations

from typing import Any

from captain.core.cases import Attempt, Case, Trial, Vote
from captain.core.findings import Finding, Severity
from captain.core.tasks import Check

AYE, NO = Vote(voter="v", accepts=True), Vote(voter="v", accepts=False, reason="it is guarded above")
FAILED = Attempt(rung="first", round=1, outcome="undone", clause="gone")
DECLINED = Attempt(rung="first", round=1, outcome="declined", reason="it holds")


def finding(severity: Severity = "major", **more: Any) -> Finding:
    fields: dict[str, Any] = {
        "category": "logic",
        "path": "a.py",
        "anchor": "x = 1",
        "claim": "Wrong.",
        "evidence": "f(0)",
    }
    return Finding(id="", severity=severity, **{**fields, **more})


def case(severity: Severity = "major", *, id: str = "F1", finding_: Finding | None = None, **more: Any) -> Case:  # noqa: A002
    return Case(id=id, finding=finding_ or finding(severity), severity=severity, **more)


def trial(*, fails: bool | None = True, base: bool | None = None, command: str = "./repro") -> Trial:
    return Trial(check=Check(name="repro", command=command), fails_on_head=fails, passes_on_base=base)
