"""What a run asks of a person, and what is said to it."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from captain.core.errors import UsageError

QuestionKind: TypeAlias = Literal["permission", "plan", "clarify", "escalation", "conflict", "external"]
AnsweredBy: TypeAlias = Literal["person", "host", "policy"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    """`name` is what one answers with, `text` what it means."""

    name: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """`key` names the place in the run where it is asked; asked there again, it is the same question.

    With `free_text`, words are an answer too. `recommended` is the choice that is taken where nobody is asked and the
    run is to go on by itself.
    """

    id: str
    key: str
    kind: QuestionKind
    text: str
    choices: tuple[Choice, ...] = ()
    task: str | None = None
    details: str = ""
    free_text: bool = False
    recommended: str | None = None

    def refuse_other(self, choice: str, text: str) -> None:
        """Raises `UsageError` for what is no answer to it."""
        names = [known.name for known in self.choices]
        if choice and choice not in names:
            near = difflib.get_close_matches(choice, names, n=1)
            raise UsageError(
                f"{choice!r} is no answer to {self.id}.",
                hint=f"Did you mean {near[0]!r}? {self.ways()}" if near else self.ways(),
            )
        if not choice and not (self.free_text and text.strip()):
            raise UsageError(f"{self.id} is not answered by that.", hint=self.ways())

    def ways(self) -> str:
        """How it can be answered, in a sentence."""
        ways = [f"one of {', '.join(choice.name for choice in self.choices)}"] if self.choices else []
        ways += ["words of your own (--text)"] if self.free_text else []
        return f"Answer with {' or '.join(ways)}."


@dataclass(frozen=True, slots=True, kw_only=True)
class Answered:
    """What was said to a question; `choice` is empty where it was said in words alone."""

    choice: str = ""
    text: str = ""
    by: AnsweredBy = "person"


def find_question(questions: Iterable[Question], name: str, run: str) -> Question:
    """The question of that id. Raises `UsageError`, which names those there are."""
    known = {question.id.lower(): question for question in questions}
    if (found := known.get(name.strip().lower())) is not None:
        return found
    raise UsageError(
        f"Run {run} has no open question {name!r}.",
        hint=f"Open are {_listed(list(known.values()))}." if known else "It has no open question at all.",
    )


def _listed(questions: Sequence[Question]) -> str:
    return ", ".join(question.id for question in questions)
