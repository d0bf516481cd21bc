"""Who looks at a change or is asked for a second opinion: the protocols, and the questions they get."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, Protocol, runtime_checkable

from captain.core.cases import Trial, Vote
from captain.core.findings import Finding, Proposal, Review


class Reviewer(Protocol):
    """Anything that looks at a proposal and says what is wrong with it."""

    @property
    def name(self) -> str: ...

    async def review(self, proposal: Proposal, /) -> Review: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """Does the claim hold on the proposal's head (`real`), or is what it says gone there (`gone`)?

    `id` is unique in its loop. The finding comes without its reviewer's evidence, and nothing is said of who
    raised it or of what a fixer says: a second opinion is worth something only if it is one. `trial` is what the
    library saw when it ran the suggested check.
    """

    id: str
    kind: Literal["real", "gone"]
    proposal: Proposal
    finding: Finding
    trial: Trial | None = None


@runtime_checkable
class Verifier(Protocol):
    """Gives a second opinion in a context of its own. `Vote.accepts` is the answer to the question."""

    @property
    def name(self) -> str: ...

    async def verify(self, question: Question, /) -> Vote: ...


class Reproducer(Protocol):
    """Writes a shell command that fails because of the defect, or gives None. The library runs it itself."""

    async def reproduce(self, question: Question, /) -> str | None: ...


class Judge(Protocol):
    """Says whether two findings are about the same defect."""

    async def same(self, one: Finding, other: Finding, /) -> bool: ...
