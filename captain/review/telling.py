"""A proposal in words, for whoever is to judge it."""

from __future__ import annotations

from typing import Final

from captain.core.findings import Finding, Proposal
from captain.tools import clip

_DIFF_LIMIT_CHARS: Final = 120_000


def describe(proposal: Proposal) -> str:
    """A proposal as a reviewer is told it: nothing of how it came about."""
    task = proposal.task
    criteria = "\n".join(
        f"- {criterion.id}: {criterion.text} "
        + (f"(check `{criterion.check}`)" if criterion.check else f"(cite evidence: {criterion.evidence})")
        for criterion in task.criteria
    )
    checks = "\n\n".join(
        f"### {result.check.name}: {'passed' if result.passed else 'FAILED'}\n`{result.check.command}` "
        + ("was stopped at its time limit" if result.exit_code is None else f"ended with exit code {result.exit_code}")
        + (f"\n{result.output}" if not result.passed else "")
        for result in proposal.checks
    )
    parts = [
        f"# Task {task.id}: {task.title}\n\n{task.brief}",
        f"## Criteria\n{criteria}",
        f"## Checks, as the library ran them\n{checks or 'none'}",
        f"## The change\n{clip(proposal.diff, _DIFF_LIMIT_CHARS) or '(nothing was changed)'}",
    ]
    if proposal.doubts:
        doubts = "\n".join(f"- {doubt}" for doubt in proposal.doubts)
        parts.append(
            "## Does the task need these?\nA rule found no link between them and the task. It is often wrong, so "
            f"decide for yourself; what no criterion needs is a finding.\n{doubts}"
        )
    for title, asked in (
        ("Found by rule (it stands; do not repeat it)", proposal.findings),
        ("Asked by rule (object unless the task or the change justifies it)", proposal.questions),
    ):
        if asked:
            parts.append(f"## {title}\n" + "\n".join(_stated(finding) for finding in asked))
    return "\n\n".join(parts)


def _stated(finding: Finding) -> str:
    return f"- {finding.path}: {finding.claim}\n  at: `{finding.anchor}`\n  {finding.evidence}"
