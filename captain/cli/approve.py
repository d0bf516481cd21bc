"""Asks the person at the terminal: shows what a grant would be bound to, with everything visible, and takes y or n.

Only where a person can be: with `--no-input`, or where standard input or standard error is no terminal,
nobody is asked, and what would be asked is denied.
"""

from __future__ import annotations

import os
import sys
import termios
from collections.abc import Callable
from typing import Final, TextIO

import anyio

from captain.core.actions import Answer, OpenHost, PermissionRequest, details
from captain.reports.escape import visible

_MOST_BYTES: Final = 1024
_SHOWN_CHARS: Final = 2_000
_YES: Final = ("y", "yes")
_RUN: Final = ("r", "run")
_NO: Final = ("n", "no")


class TerminalApprover:
    """`hold` stops the screen from drawing over the question; `keyboard` is the descriptor answers come from."""

    def __init__(self, hold: Callable[[bool], None], *, keyboard: int = 0, out: TextIO | None = None) -> None:
        self._hold = hold
        self._keyboard = keyboard
        self._out = out

    async def ask(self, request: PermissionRequest, /) -> Answer:
        whole_run = isinstance(request.action, OpenHost)
        question = "Allow it? y: once, r: until the run ends, n: no > " if whole_run else "Allow it? y: once, n: no > "
        self._hold(True)
        try:
            self._say("\nAn agent asks for permission.\n")
            for name, text in details(request):
                self._say(f"  {name}: {_whole(text)}\n")
            termios.tcflush(self._keyboard, termios.TCIFLUSH)  # what was typed before the question is no answer to it
            while True:
                self._say(question)
                word = await self._word()
                if word in _YES:
                    return Answer(allow=True)
                if word in _RUN and whole_run:
                    return Answer(allow=True, for_run=True)
                if word is None or word in _NO:
                    return Answer(allow=False)
        finally:
            self._hold(False)

    async def _word(self) -> str | None:
        """A line as it was typed; None at the end of input."""
        await anyio.wait_readable(self._keyboard)
        typed = os.read(self._keyboard, _MOST_BYTES)
        return typed.decode("utf-8", "replace").strip().lower() if typed else None

    def _say(self, text: str) -> None:
        out = self._out or sys.stderr
        out.write(text)
        out.flush()


def _whole(text: str) -> str:
    """On one line, but with every space in it: what is granted differs by them."""
    shown = visible(text).replace("\n", "\\n").replace("\t", "\\t")
    more = len(shown) - _SHOWN_CHARS
    return shown if more <= 0 else f"{shown[:_SHOWN_CHARS]} … and {more:,} characters more"


def approver_at_hand(hold: Callable[[bool], None], *, no_input: bool) -> TerminalApprover | None:
    """None where nobody can be asked."""
    if no_input or not sys.stdin.isatty() or not sys.stderr.isatty():
        return None
    return TerminalApprover(hold, keyboard=sys.stdin.fileno())
