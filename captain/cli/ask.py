"""Asks the person at the terminal what a run wants to know, and takes a choice or words."""

from __future__ import annotations

import os
import sys
import termios
from collections.abc import Callable
from typing import TYPE_CHECKING, Final, TextIO

import anyio

from captain.core.errors import UsageError
from captain.core.questions import Answered, Question
from captain.reports.escape import one_line

if TYPE_CHECKING:
    from captain.orchestration.questions import OnQuestion, Unanswered

_MOST_BYTES: Final = 8_192


class TerminalAsker:
    """One question after another. An empty line leaves a question open: `captain answer` can answer it later.

    `hold` stops the screen from drawing meanwhile; `keyboard` is the descriptor that answers come from.
    """

    def __init__(self, hold: Callable[[bool], None], *, keyboard: int = 0, out: TextIO | None = None) -> None:
        self._hold = hold
        self._keyboard = keyboard
        self._out = out
        self._turn = anyio.Lock()

    async def __call__(self, question: Question) -> Answered | None:
        async with self._turn:
            self._hold(True)
            try:
                return await self._ask(question)
            finally:
                self._hold(False)

    async def _ask(self, question: Question) -> Answered | None:
        self._say(f"\n{one_line(question.id)}: {one_line(question.text)}\n")
        for line in question.details.splitlines():
            self._say(f"  {one_line(line)}\n")
        for choice in question.choices:
            self._say(f"  {one_line(choice.name)}: {one_line(choice.text)}\n")
        if question.free_text:
            self._say("  or say it in your own words\n")
        termios.tcflush(self._keyboard, termios.TCIFLUSH)  # what was typed before the question is no answer to it
        while True:
            self._say("Answer (empty: later) > ")
            typed = await self._line()
            if not typed:
                return None
            answered = _understood(question, typed)
            try:
                question.refuse_other(answered.choice, answered.text)
            except UsageError as error:
                self._say(f"{one_line(error.hint)}\n")
            else:
                return answered

    async def _line(self) -> str | None:
        """A line as it was typed; None at the end of input."""
        await anyio.wait_readable(self._keyboard)
        typed = os.read(self._keyboard, _MOST_BYTES)
        return typed.decode("utf-8", "replace").strip() if typed else None

    def _say(self, text: str) -> None:
        out = self._out or sys.stderr
        out.write(text)
        out.flush()


def _understood(question: Question, typed: str) -> Answered:
    """A choice by its name or the start of it that no other has; anything else is words, where those will do."""
    names = [choice.name for choice in question.choices]
    meant = [name for name in names if name == typed.lower()] or [
        name for name in names if name.startswith(typed.lower())
    ]
    if len(meant) == 1:
        return Answered(choice=meant[0])
    return Answered(text=typed) if question.free_text else Answered(choice=typed)


def asker_at_hand(hold: Callable[[bool], None], *, yes: bool, no_input: bool) -> tuple[OnQuestion | None, Unanswered]:
    """Who answers, and what becomes of questions that nobody does. Raises `UsageError` where the flags disagree."""
    if yes:
        return None, "recommended"
    if no_input or not sys.stdin.isatty() or not sys.stderr.isatty():
        return None, "park"
    return TerminalAsker(hold, keyboard=sys.stdin.fileno()), "park"
