"""The question desk: asks whoever can answer, remembers what was said, and does not ask the same thing twice.

An answer can come from the host's own code, from a person at the terminal, from another process, or from a policy; and
it can come while nobody carries the run: the run that is taken up again finds it.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Literal, TypeAlias

import anyio

from captain.core.actions import Answer, OpenHost, PermissionRequest, describe, details
from captain.core.errors import CaptainError, UsageError
from captain.core.events import QuestionAnswered, QuestionAsked, Recorded
from captain.core.questions import Answered, AnsweredBy, Choice, Question, QuestionKind, find_question
from captain.core.together import first_of
from captain.runs import Journal

Unanswered: TypeAlias = Literal["wait", "park", "recommended"]
"""What becomes of a question that nobody at hand answers: the run waits for an answer from somewhere; what asked is
parked, and the question stays open; the recommended choice is taken, where there is one."""

OnQuestion: TypeAlias = Callable[[Question], Awaitable[Answered | None]]
"""A host's own way to answer; None leaves the question open."""


class UnansweredError(CaptainError):
    """Nobody has answered yet: what asked cannot go on."""

    def __init__(self, question: Question, run: str) -> None:
        choice = "|".join(choice.name for choice in question.choices) or '--text "…"'
        super().__init__(
            question.text,
            hint=f"Answer it with: captain answer {run} {question.id} {choice}; then captain resume {run} goes on.",
        )
        self.question = question


def open_questions(events: Sequence[Recorded]) -> tuple[Question, ...]:
    """Those that were asked and have no answer yet, in order."""
    asked: dict[str, Question] = {}
    for recorded in events:
        if isinstance(event := recorded.event, QuestionAsked):
            asked.setdefault(event.question.id, event.question)
        elif isinstance(event, QuestionAnswered):
            asked.pop(event.question, None)
    return tuple(asked.values())


class QuestionDesk:
    """One for each run."""

    def __init__(
        self, run: str, journal: Journal, *, unanswered: Unanswered = "park", on_question: OnQuestion | None = None
    ) -> None:
        self._run = run
        self._journal = journal
        self._unanswered = unanswered
        self._on_question = on_question
        self._news: dict[str, anyio.Event] = {}
        self._numbering = anyio.Lock()

    @property
    def can_ask(self) -> bool:
        """Whether an answer may come while the run goes on."""
        return self._on_question is not None or self._unanswered == "wait"

    @property
    def open(self) -> tuple[Question, ...]:
        return open_questions(self._journal.events)

    async def ask(
        self,
        key: str,
        kind: QuestionKind,
        text: str,
        *,
        choices: Sequence[Choice] = (),
        task: str | None = None,
        details: str = "",
        free_text: bool = False,
        recommended: str | None = None,
    ) -> Answered:
        """What is said to it, at once where that is on record. Raises `UnansweredError`."""
        async with self._numbering:  # until it is on record, so that no other question gets its id
            asked = self._asked()
            question = Question(
                id=asked[key].id if key in asked else f"Q{len(asked) + 1}",
                key=key,
                kind=kind,
                text=text,
                choices=tuple(choices),
                task=task,
                details=details,
                free_text=free_text,
                recommended=recommended,
            )
            await self._journal.record(QuestionAsked(question=question))
        answer = self._answer_to(question)
        if answer is None:
            await self._have_answered(question)
            answer = self._answer_to(question)
        if answer is None:
            raise UnansweredError(question, self._run)
        return Answered(choice=answer.choice, text=answer.text, by=answer.by)

    async def answer(self, question: str, choice: str = "", text: str = "", *, by: AnsweredBy = "host") -> None:
        """Raises `UsageError` for a question that is not open, and for what is no answer to it."""
        found = find_question(self.open, question, self._run)
        found.refuse_other(choice, text)
        await self._journal.record(QuestionAnswered(question=found.id, choice=choice, text=text.strip(), by=by))
        if (news := self._news.get(found.id)) is not None:
            news.set()

    async def _have_answered(self, question: Question) -> None:
        """Until an answer is on record, or nobody is left who could give one."""
        if self._unanswered == "recommended" and question.recommended is not None:
            await self.answer(question.id, question.recommended, by="policy")
            return
        news = self._news[question.id] = anyio.Event()
        failure: BaseException | None = None
        try:
            async with anyio.create_task_group() as group:
                if self._on_question is not None:
                    group.start_soon(self._put_to_host, self._on_question, question, news)
                elif self._unanswered != "wait":
                    news.set()
                await news.wait()
                group.cancel_scope.cancel()
        except BaseExceptionGroup as failed:
            failure = first_of(failed)
        finally:
            del self._news[question.id]
        if failure is not None:
            raise failure  # the host's own, as it raised it

    async def _put_to_host(self, put: OnQuestion, question: Question, news: anyio.Event) -> None:
        given = await put(question)
        if given is not None:
            try:
                await self.answer(question.id, given.choice, given.text, by=given.by)
            except UsageError:
                given = None  # it was answered meanwhile, or that is no answer
        if given is None and self._unanswered != "wait":
            news.set()

    def answered_below(self, prefix: str) -> int:
        """How many questions whose key begins like that have an answer."""
        ids = {question.id for key, question in self._asked().items() if key.startswith(prefix)}
        return len(ids - {question.id for question in self.open})

    def _asked(self) -> dict[str, Question]:
        events = (recorded.event for recorded in self._journal.events)
        return {event.question.key: event.question for event in events if isinstance(event, QuestionAsked)}

    def _answer_to(self, question: Question) -> QuestionAnswered | None:
        events = (recorded.event for recorded in self._journal.events)
        answers = [one for one in events if isinstance(one, QuestionAnswered) and one.question == question.id]
        return answers[0] if answers else None


class QuestionApprover:
    """Puts what the permission desk has to ask a person as a question of the run.

    A leave is for what is asked now: an answer that is on record already was for something that has been done, or
    may have been, and is never taken for another time.
    """

    def __init__(self, desk: QuestionDesk) -> None:
        self._desk = desk

    async def ask(self, request: PermissionRequest, /) -> Answer:
        place = f"permission/{request.digest()[:16]}/"
        choices = [Choice(name="once", text="allow it this time")]
        if isinstance(request.action, OpenHost):
            choices.append(Choice(name="run", text="allow it until the run ends"))
        choices.append(Choice(name="no", text="do not allow it"))
        try:
            answer = await self._desk.ask(
                f"{place}{self._desk.answered_below(place) + 1}",
                "permission",
                f"{request.asked_by} asks for leave to {describe(request.action)}.",
                choices=choices,
                details="\n".join(f"{name}: {text}" for name, text in details(request)),
                recommended="no",
            )
        except UnansweredError:
            return Answer(allow=False, reason="nobody has answered")
        return Answer(allow=answer.choice in ("once", "run"), for_run=answer.choice == "run", reason=answer.text)
