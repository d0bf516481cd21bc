"""A model as reviewer: it sees the task, the diff and the checks, and hands in structured findings."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, replace
from typing import Annotated, ClassVar

from captain.agent import Agent, Crewmate, Limits
from captain.core import codec
from captain.core.cases import Vote
from captain.core.errors import BadResponseError
from captain.core.findings import Finding, Proposal, Review, Severity
from captain.core.messages import Text
from captain.review.asking import Question
from captain.review.prompts import prompt
from captain.review.telling import describe
from captain.review.verifiers import ModelVerifier
from captain.sandbox import Box
from captain.tools import READING, Tool, ToolOutput, said, tool


@dataclass(frozen=True, slots=True, kw_only=True)
class Objection:
    """A finding as a model hands it in."""

    __pydantic_config__: ClassVar = {"use_attribute_docstrings": True}

    severity: Severity
    category: str
    """One word, such as correctness, tests, security, design, docs."""
    path: str
    anchor: str
    """The code it is about, quoted word for word."""
    claim: str
    """What is wrong, in one sentence."""
    evidence: str
    """What shows it: a failing input, a check's output, a line that contradicts the task."""
    symbol: str | None = None
    """The function, method or class it is in, such as `Class.method`."""
    suggested_check: str | None = None
    """A shell command that fails while the defect is there and passes once it is gone, run from the top folder."""
    criterion: str | None = None
    """The id of the criterion that is not met, if it is about one."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Citation:
    """What shows that a criterion is met."""

    __pydantic_config__: ClassVar = {"use_attribute_docstrings": True}

    criterion: str
    """The criterion's id."""
    shown_by: str
    """What in the change shows that it is met."""


@tool(effect="read")
async def submit_review(
    summary: Annotated[str, "One sentence."],
    findings: list[Objection],
    evidence: list[Citation] = [],  # noqa: B006
) -> ToolOutput:
    """Hands in the review and ends it. An empty list of findings is a good answer."""
    blank = [
        f"finding {number} has an empty {name}"
        for number, finding in enumerate(findings, 1)
        for name in ("claim", "evidence")
        if not getattr(finding, name).strip()
    ]
    if blank:
        return said("Every finding needs a claim and evidence: " + "; ".join(blank) + ".", is_error=True)
    handed_in = Review(
        reviewer="",
        summary=summary,
        findings=tuple(
            Finding(
                id="",
                severity=finding.severity,
                category=finding.category,
                path=finding.path,
                anchor=finding.anchor,
                claim=finding.claim,
                evidence=finding.evidence,
                symbol=finding.symbol,
                suggested_check=finding.suggested_check,
                serves=finding.criterion,
            )
            for finding in findings
        ),
        evidence=tuple((citation.criterion, citation.shown_by) for citation in evidence),
    )
    return ToolOutput(content=(Text(text="Thank you."),), submission=codec.to_json(handed_in))


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelReviewer:
    """Reviews with a model. With `inspect`, which opens a box on a commit, it can also read the files."""

    mate: Crewmate
    inspect: Callable[[str], AbstractAsyncContextManager[Box]] | None = None
    tools: tuple[Tool, ...] = READING
    limits: Limits = Limits(turns=40)

    @property
    def name(self) -> str:
        return self.mate.name

    def again(self, label: str) -> ModelReviewer:
        """The same model for another look, with a name, and so a place in the journal, of its own."""
        return replace(self, mate=replace(self.mate, name=f"{self.name}-{label}"))

    async def verify(self, question: Question, /) -> Vote:
        """A second opinion by the same model, in a context of its own."""
        return await ModelVerifier(mate=self.mate, inspect=self.inspect, tools=self.tools).verify(question)

    async def review(self, proposal: Proposal, /) -> Review:
        if self.inspect is None:
            return await self._review(proposal, None)
        async with self.inspect(proposal.head) as box:
            return await self._review(proposal, box)

    async def _review(self, proposal: Proposal, box: Box | None) -> Review:
        agent = Agent(
            mate=replace(self.mate, task=proposal.task.id),
            instructions=prompt("review"),
            tools=(submit_review, *self.tools) if box else (submit_review,),
            submits="submit_review",
            limits=self.limits,
        )
        path = f"task/{proposal.task.id}/round/{proposal.round}/review/{self.name}"
        result = await agent.run(describe(proposal), box=box, path=path)
        if result.submission is None:
            raise BadResponseError(
                f"The reviewer {self.name} ended ({result.reason or result.ending}) without handing in a review.",
                model=self.mate.model.id,
                hint="Use another model for this role.",
            )
        return replace(codec.from_json(Review, result.submission), reviewer=self.name)
