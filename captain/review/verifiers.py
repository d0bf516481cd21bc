"""Models that give second opinions, write reproductions, and tell whether two findings are the same."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, replace
from typing import Annotated, Any, TypeVar

from captain.agent import Agent, Crewmate, Limits
from captain.core import codec
from captain.core.cases import Vote
from captain.core.errors import BadResponseError
from captain.core.findings import Finding, Severity
from captain.core.messages import Text
from captain.review.asking import Question
from captain.review.prompts import prompt
from captain.review.telling import describe
from captain.sandbox import Box
from captain.tools import READING, WORKING, Tool, ToolOutput, tool

T = TypeVar("T")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Same:
    same: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class _Command:
    command: str


@tool(effect="read")
async def submit_opinion(
    holds: bool,
    reason: Annotated[str, "One sentence: what in the code decides it."],
    severity: Severity | None = None,
    extends_the_change: bool = False,
    contradicting_criteria: list[str] = [],  # noqa: B006
) -> ToolOutput:
    """Hands in the opinion and ends the work."""
    vote = Vote(
        voter="",
        accepts=holds,
        reason=reason,
        severity=severity,
        extends=extends_the_change,
        contradicts=tuple(contradicting_criteria),
    )
    return _handed_in(vote)


@tool(effect="read")
async def submit_judgement(same: bool) -> ToolOutput:
    """Hands in the judgement."""
    return _handed_in(_Same(same=same))


@tool(effect="read")
async def submit_reproduction(command: Annotated[str, "Empty if there is none."]) -> ToolOutput:
    """Hands in the command and ends the work."""
    return _handed_in(_Command(command=command))


def _handed_in(value: object) -> ToolOutput:
    return ToolOutput(content=(Text(text="Thank you."),), submission=codec.to_json(value))


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelVerifier:
    """A second opinion by a model. With `inspect`, which opens a box on a commit, it can read the files."""

    mate: Crewmate
    inspect: Callable[[str], AbstractAsyncContextManager[Box]] | None = None
    tools: tuple[Tool, ...] = READING
    limits: Limits = Limits(turns=20)

    @property
    def name(self) -> str:
        return self.mate.name

    async def verify(self, question: Question, /) -> Vote:
        agent = Agent(
            mate=replace(self.mate, task=question.proposal.task.id),
            instructions=prompt("verify" if question.kind == "real" else "gone"),
            tools=(submit_opinion, *(self.tools if self.inspect else ())),
            submits="submit_opinion",
            limits=self.limits,
        )
        opens = self.inspect(question.proposal.head) if self.inspect is not None else None
        vote = await _answer(agent, told(question), Vote, path=_path(question, self.name), opens=opens)
        return replace(vote, voter=self.name)


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelReproducer:
    """A model that writes a failing check, in a copy of its own that it may do anything in."""

    mate: Crewmate
    inspect: Callable[[str], AbstractAsyncContextManager[Box]]
    tools: tuple[Tool, ...] = WORKING
    limits: Limits = Limits(turns=30)

    async def reproduce(self, question: Question, /) -> str | None:
        agent = Agent(
            mate=replace(self.mate, task=question.proposal.task.id),
            instructions=prompt("reproduce"),
            tools=(submit_reproduction, *self.tools),
            submits="submit_reproduction",
            limits=self.limits,
        )
        path = _path(question, self.mate.name)
        opens = self.inspect(question.proposal.head)
        answer = await _answer(agent, told(question), _Command, path=path, opens=opens)
        return answer.command.strip() or None


@dataclass(slots=True, kw_only=True)
class ModelJudge:
    """SAME or DIFFERENT, by a model that sees the two findings and nothing else."""

    mate: Crewmate
    limits: Limits = Limits(turns=4)
    asked: int = 0

    async def same(self, one: Finding, other: Finding, /) -> bool:
        self.asked += 1
        agent = Agent(
            mate=self.mate,
            instructions=prompt("same"),
            tools=(submit_judgement,),
            submits="submit_judgement",
            limits=self.limits,
        )
        brief = "\n\n".join(f"## Finding {letter}\n{_claim(said)}" for letter, said in (("A", one), ("B", other)))
        answer = await _answer(agent, brief, _Same, path=f"same/{self.mate.name}/{self.asked}")
        return answer.same


async def _answer(
    agent: Agent,
    brief: str,
    kind: type[T],
    *,
    path: str,
    opens: AbstractAsyncContextManager[Box] | None = None,
) -> T:
    result: Any
    if opens is None:
        result = await agent.run(brief, path=path)
    else:
        async with opens as box:
            result = await agent.run(brief, box=box, path=path)
    if result.submission is None:
        raise BadResponseError(
            f"{agent.mate.name} ended ({result.reason or result.ending}) without an answer.",
            model=agent.mate.model.id,
            hint="Use another model for this role.",
        )
    return codec.from_json(kind, result.submission)


def told(question: Question) -> str:
    """A question as a voter is told it: the claim, and nothing of who made it or why."""
    parts = [describe(question.proposal), f"## The claim\n{_claim(question.finding)}"]
    if question.trial is not None:
        trial = question.trial
        came_to = {True: "failed", False: "passed", None: "gave no clear answer"}[trial.fails_on_head]
        before = {True: ", and passes without the change", False: ", and fails without the change too", None: ""}
        parts.append(
            f"## A check for it\n`{trial.check.command}` {came_to} when the library ran it"
            f"{before[trial.passes_on_base]}.\n{trial.output}"
        )
    return "\n\n".join(parts)


def _claim(finding: Finding) -> str:
    place = finding.path + (f", {finding.symbol}" if finding.symbol else "")
    return f"{place or 'the change as a whole'}\n{finding.claim}" + (
        f"\nat: {finding.anchor}" if finding.anchor else ""
    )


def _path(question: Question, name: str) -> str:
    return f"task/{question.proposal.task.id}/question/{question.id}/{name}"
