"""Shows a person the plan and what it is going to cost, and takes yes, no, an edit in their editor, or words."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import tempfile
import termios
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Final, Literal, TextIO

import anyio
from anyio import to_thread

from captain.cli.planfile import read_plan, write_plan
from captain.core.errors import UsageError
from captain.core.events import PlanAdopted
from captain.core.tasks import Plan
from captain.orchestration import Accept, Approval, Edited, PlanOffer, Reject, Reply
from captain.reports.asking import estimate_lines, plan_lines
from captain.reports.escape import one_line, visible

if TYPE_CHECKING:
    from captain.runs import StoredRun

_MOST_BYTES: Final = 8_192
_QUESTION: Final = "Carry it out? y: yes, e: edit it, n: no, or say what should be different > "
_UNREAD: Final = (
    "Carry it out? y: as it was before your edit, e: edit it again, n: no, or say what should be different > "
)
_AGAIN: Final = "Edit it again? e: edit it, n: no, or say what should be different > "
_LEAST_WORD_CHARS: Final = 4  # shorter words are slips of a finger, not a reply to the Captain


class TerminalPlanApprover:
    """`hold` stops the screen from drawing meanwhile; `edit` has a file edited and returns when the editor is left."""

    def __init__(
        self,
        hold: Callable[[bool], None],
        *,
        keyboard: int = 0,
        out: TextIO | None = None,
        edit: Callable[[Path], None] | None = None,
    ) -> None:
        self._hold = hold
        self._keyboard = keyboard
        self._out = out
        self._edit = edit or _editor
        self._draft: str | None = None  # what the person wrote last, also where it could not be taken

    async def __call__(self, offer: PlanOffer) -> Approval:
        self._hold(True)
        try:
            return await self._ask(offer)
        finally:
            self._hold(False)

    async def _ask(self, offer: PlanOffer) -> Approval:
        if offer.problems:
            self._complain(offer.problems)
        else:
            self._draft = None
            self._show(offer)
        termios.tcflush(self._keyboard, termios.TCIFLUSH)  # what was typed before the question is no answer to it
        while True:
            self._say(_AGAIN if offer.problems else _QUESTION if self._draft is None else _UNREAD)
            typed = await self._line()
            word = "" if typed is None else typed.lower()
            if typed is None or word in ("n", "no"):
                return Reject(reason="" if typed is None else await self._why())
            if word in ("y", "yes") and not offer.problems:
                return Accept()
            if word in ("e", "edit"):
                if (edited := await self._edited(offer)) is not None:
                    return Edited(plan=edited)
            elif len(typed) >= _LEAST_WORD_CHARS:
                return Reply(text=typed)

    async def _why(self) -> str:
        self._say("Why not? (one line, or nothing) > ")
        return await self._line() or ""

    async def _edited(self, offer: PlanOffer) -> Plan | None:
        """The plan as the person left it; None if they left it as it was, or it cannot be read."""
        given = write_plan(offer.plan, offer.items, offer.problems)
        before = self._draft if self._draft is not None else given
        after = await to_thread.run_sync(partial(_edit_text, before, self._edit))
        if not after.strip() or (after == before and not offer.problems and self._draft is None):
            self._say("The plan was left as it is.\n")
            return None
        self._draft = after
        try:
            return read_plan(after)
        except UsageError as error:
            self._complain([str(error), error.hint])
            return None

    def _show(self, offer: PlanOffer) -> None:
        self._say(f"\nThe plan: {one_line(offer.plan.summary)}\n\n")
        self._say("\n".join(map(visible, plan_lines(offer.plan))) + "\n")
        for item, reason in offer.plan.declined:
            self._say(f"\nNot done: {one_line(item)}, {one_line(reason)}\n")
        self._say("\n" + "\n".join(map(visible, estimate_lines(offer.estimate))) + "\n\n")

    def _complain(self, problems: Sequence[str]) -> None:
        self._say("\nThe edited plan cannot be taken:\n")
        for problem in filter(None, problems):
            self._say(f"  {one_line(problem)}\n")
        self._say("What you wrote is kept.\n")

    async def _line(self) -> str | None:
        """A line as it was typed; None at the end of input."""
        await anyio.wait_readable(self._keyboard)
        typed = os.read(self._keyboard, _MOST_BYTES)
        return typed.decode("utf-8", "replace").strip() if typed else None

    def _say(self, text: str) -> None:
        out = self._out or sys.stderr
        out.write(text)
        out.flush()


def _edit_text(text: str, edit: Callable[[Path], None]) -> str:
    """`text` as it is once the editor is left."""
    handle, name = tempfile.mkstemp(prefix="captain-plan-", suffix=".toml")
    path = Path(name)
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
        edit(path)
        return path.read_text("utf-8", errors="replace")
    finally:
        path.unlink(missing_ok=True)


def _editor(path: Path) -> None:
    """The person's own editor. One that cannot be started leaves the file as it is."""
    command = os.environ.get("VISUAL") or os.environ.get("EDITOR") or "vi"
    try:
        subprocess.run([*shlex.split(command), str(path)], check=False)
    except (OSError, ValueError) as error:
        print(f"The editor {one_line(command)} cannot be started: {one_line(str(error))}.", file=sys.stderr)


def adopted(stored: StoredRun) -> bool:
    """Whether a run has a plan already, and nobody need be asked any more."""
    return any(isinstance(recorded.event, PlanAdopted) for recorded in stored.events())


def approver_or_question(
    hold: Callable[[bool], None], *, wanted: bool, no_input: bool
) -> TerminalPlanApprover | Literal["ask"] | None:
    """As `plan_approver`; where nobody can be asked at the terminal, it is a question of the run."""
    at_hand = not no_input and sys.stdin.isatty() and sys.stderr.isatty()
    return plan_approver(hold, wanted=wanted, no_input=no_input) if at_hand else "ask" if wanted else None


def plan_approver(hold: Callable[[bool], None], *, wanted: bool, no_input: bool) -> TerminalPlanApprover | None:
    """None where nobody wants to be asked. Raises `UsageError` where nobody can be."""
    if not wanted:
        return None
    if no_input:
        raise UsageError("--approve-plan asks, and --no-input and --json forbid to ask.", hint="Leave one of them out.")
    if not sys.stdin.isatty() or not sys.stderr.isatty():
        raise UsageError(
            "--approve-plan needs a terminal to ask at.",
            hint="Without one, `captain plan` stops after the plan, and nothing is carried out.",
        )
    return TerminalPlanApprover(hold, keyboard=sys.stdin.fileno())
