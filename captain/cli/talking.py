"""`captain answer`, `send`, `add` and `cancel`: what is said to a run from another terminal."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from captain.cli import flags
from captain.core.errors import UsageError

if TYPE_CHECKING:
    from captain.core.questions import Question
    from captain.reports import RunView
    from captain.runs import StoredRun
    from captain.runs.inbox import How

_Run = Annotated[str, typer.Argument(metavar="RUN", help="The id of a run, or its beginning; see captain runs.")]
_Task = Annotated[str | None, typer.Option("--task", metavar="ID", help="Only of this task.", show_default=False)]


def answer(
    run: _Run,
    question: Annotated[
        str | None, typer.Argument(metavar="QUESTION", help="Its id, such as Q1. Left out: list what is open.")
    ] = None,
    choice: Annotated[str, typer.Argument(metavar="CHOICE", help="One of the question's choices.")] = "",
    *,
    text: Annotated[str, typer.Option("--text", metavar="TEXT", help="An answer in words, or why.")] = "",
    state_dir: flags.StateDir = None,
) -> None:
    """Answer a question of a run, whether a process carries it right now or not."""
    from captain.core.questions import find_question
    from captain.runs import AnswerMessage, post, posted

    stored, view = _found(run, state_dir)
    open_ = view.open_questions
    if question is None:
        _list(stored, open_)
        return
    _refuse_answered(view, question)
    asked = find_question(open_, question, stored.id)
    if any(
        isinstance(lying.message, AnswerMessage) and lying.message.question == asked.id
        for lying in posted(stored.project.journal, stored.id)
    ):
        raise UsageError(
            f"{asked.id} is answered already; the answer waits for the process that carries the run.",
            hint=f"captain resume {stored.id} goes on with it." if not stored.alive else "It hears of it in a second.",
        )
    asked.refuse_other(choice, text)
    post(stored.project.journal, stored.id, AnswerMessage(question=asked.id, choice=choice, text=text))
    _say_taken(stored, f"{asked.id} is answered")


def send(
    run: _Run,
    text: Annotated[str, typer.Argument(metavar="TEXT", help="What the agents are to know.")],
    *,
    queue: Annotated[bool, typer.Option("--queue", help="Once an agent would be done.")] = False,
    steer: Annotated[bool, typer.Option("--steer", help="Before its next model call. The default.")] = False,
    interrupt: Annotated[bool, typer.Option("--interrupt", help="At once: what is under way is cut off.")] = False,
    task: _Task = None,
    state_dir: flags.StateDir = None,
) -> None:
    """Say something to the agents at work in a run."""
    from captain.runs import SteerMessage, post

    if sum((queue, steer, interrupt)) > 1:
        raise UsageError("--queue, --steer and --interrupt exclude each other.", hint="Give one of them.")
    if not text.strip():
        raise UsageError("The message is empty.", hint="Say what the agents are to know.")
    how: How = "queue" if queue else "interrupt" if interrupt else "steer"
    stored, view = _found(run, state_dir)
    _refuse_over(stored, view)
    _refuse_no_task(view, task)
    post(stored.project.journal, stored.id, SteerMessage(text=text, how=how, task=task))
    _say_taken(stored, "the message is on its way")


def add(
    run: _Run,
    request: Annotated[str, typer.Argument(metavar="REQUEST", help="What should be done besides.")],
    *,
    state_dir: flags.StateDir = None,
) -> None:
    """Ask for something more while a run goes on: it is triaged and planned like the first, and stacked on that."""
    from captain.orchestration.opening import is_over
    from captain.runs import AddMessage, post

    if not request.strip():
        raise UsageError("The request is empty.", hint="Say in a sentence or more what should be done besides.")
    stored, view = _found(run, state_dir)
    if view.ended is not None and is_over(view.ended.status) and not stored.alive:
        raise UsageError(
            f"Run {stored.id} is over ({view.ended.status}), and nothing can be added to it.",
            hint=f"Start another one: captain run {shlex.quote(' '.join(request.split()))}",
        )
    post(stored.project.journal, stored.id, AddMessage(request=request))
    _say_taken(stored, "the request is on its way")


def cancel(run: _Run, *, task: _Task = None, state_dir: flags.StateDir = None) -> None:
    """Stop a run that another process carries, or one task of it; what was done is kept."""
    from captain.runs import CancelMessage, post

    stored, view = _found(run, state_dir)
    _refuse_over(stored, view)
    _refuse_no_task(view, task)
    if not stored.alive:
        raise UsageError(
            f"No process carries run {stored.id}, so there is nothing to stop.",
            hint=f"captain resume {stored.id} goes on with it, captain runs gc forgets it in time.",
        )
    post(stored.project.journal, stored.id, CancelMessage(task=task))
    _say_taken(stored, f"{task or 'the run'} is being stopped")


def _found(run: str, state_dir: Path | None) -> tuple[StoredRun, RunView]:
    from captain.reports import RunView
    from captain.runs import default_state_dir, find_run

    stored = find_run(state_dir or default_state_dir(), run)
    return stored, RunView.of(stored.events())


def _list(stored: StoredRun, questions: tuple[Question, ...]) -> None:
    from captain.reports import words
    from captain.reports.escape import one_line

    for asked in questions:
        print(f"{one_line(asked.id)}: {one_line(asked.text)}")
        for choice in asked.choices:
            print(f"  {one_line(choice.name)}: {one_line(choice.text)}")
        print(f"  {one_line(words.how_to_answer(stored.id, asked))}")
    if not questions:
        print(f"Run {stored.id} has no open question.")


def _refuse_answered(view: RunView, question: str) -> None:
    from captain.reports import words

    asked = view.questions.get(question.strip().upper())
    if asked is not None and asked.answer is not None:
        raise UsageError(
            f"{asked.question.id} is answered already ({words.answered(asked.answer)}).",
            hint=f"captain answer {view.run} lists what is open.",
        )


def _refuse_over(stored: StoredRun, view: RunView) -> None:
    if view.ended is not None and not stored.alive:
        raise UsageError(
            f"Run {stored.id} is over ({view.ended.status}).", hint=f"captain report {stored.id} shows what came of it."
        )


def _refuse_no_task(view: RunView, task: str | None) -> None:
    if task is not None and task not in view.tasks:
        names = ", ".join(view.tasks)
        raise UsageError(
            f"Run {view.run} has no task {task!r}.", hint=f"It has {names}." if names else "It has no plan yet."
        )


def _say_taken(stored: StoredRun, what: str) -> None:
    if stored.alive:
        print(f"run {stored.id}: {what}; the process that carries it hears of it within a second")
    else:
        print(f"run {stored.id}: {what}; captain resume {stored.id} goes on with it")
