"""A person at a real terminal is shown everything that would be granted, and nothing but a clear yes is one."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from dataclasses import dataclass, field

import anyio
import pytest

from captain.cli.approve import TerminalApprover, approver_at_hand
from captain.core.actions import Answer, OpenHost, PermissionRequest, RunCommand
from captain.core.policy import Policy
from tests.reports.test_escape import ATTACKS, hides_something

HOST = PermissionRequest(
    action=OpenHost(host="docs.example.org"), asked_by="build-T1", why="the docs", policy=Policy().digest()
)


@dataclass
class Terminal:
    """A pseudo-terminal whose other end types; each question is answered by the next of `typed`."""

    ours: int
    theirs: int
    typed: list[str] = field(default_factory=list)
    held: list[bool] = field(default_factory=list)
    said: list[str] = field(default_factory=list)

    def write(self, text: str) -> None:
        self.said.append(text)
        if text.startswith("Allow it?") and self.typed:
            os.write(self.ours, self.typed.pop(0).encode())

    def flush(self) -> None:
        return None

    async def ask(self, request: PermissionRequest) -> Answer:
        approver = TerminalApprover(self.held.append, keyboard=self.theirs, out=self)  # type: ignore[arg-type]
        with anyio.fail_after(10):
            return await approver.ask(request)


@pytest.fixture
def terminal() -> Iterator[Terminal]:
    ours, theirs = os.openpty()
    yield Terminal(ours, theirs)
    os.close(ours)
    os.close(theirs)


@pytest.mark.parametrize(
    ("typed", "answer"),
    [
        (["y\n"], Answer(allow=True)),
        (["YES\n"], Answer(allow=True)),
        (["r\n"], Answer(allow=True, for_run=True)),
        (["n\n"], Answer(allow=False)),
        (["\x04"], Answer(allow=False)),
        (["\n", "perhaps\n", "no\n"], Answer(allow=False)),
        (["yep\n", "y\n"], Answer(allow=True)),
    ],
)
async def test_nothing_but_a_clear_yes_is_one(terminal: Terminal, typed: list[str], answer: Answer) -> None:
    terminal.typed = typed

    assert await terminal.ask(HOST) == answer
    assert terminal.held == [True, False]


async def test_a_yes_that_was_typed_before_the_question_is_no_answer(terminal: Terminal) -> None:
    os.write(terminal.ours, b"y\n")
    terminal.typed = ["n\n"]

    assert await terminal.ask(HOST) == Answer(allow=False)


async def test_everything_a_grant_is_bound_to_is_shown_and_none_of_it_acts_on_the_terminal(terminal: Terminal) -> None:
    attack = " | ".join(ATTACKS)
    command = RunCommand(
        argv=("rm", attack, "a  b"), folder=f"/x/{attack}", environment=(("PATH", attack),), boxed=False
    )
    request = PermissionRequest(action=command, asked_by=attack, why=attack, policy="p" * 64)
    terminal.typed = ["r\n", "y\n"]  # a command is granted once, never for the run

    answer = await terminal.ask(request)

    shown = "".join(terminal.said)
    assert answer == Answer(allow=True)
    assert not hides_something(shown)
    assert "'a  b'" in shown
    assert request.digest() in shown
    assert "all rights of whoever started Captain" in shown


def test_nobody_is_asked_where_nobody_can_answer(monkeypatch: pytest.MonkeyPatch) -> None:
    class Terminalish(io.StringIO):
        def isatty(self) -> bool:
            return True

        def fileno(self) -> int:
            return 0

    held: list[bool] = []
    monkeypatch.setattr("sys.stdin", io.StringIO())
    assert approver_at_hand(held.append, no_input=False) is None
    monkeypatch.setattr("sys.stdin", Terminalish())
    monkeypatch.setattr("sys.stderr", io.StringIO())
    assert approver_at_hand(held.append, no_input=False) is None
    monkeypatch.setattr("sys.stderr", Terminalish())
    assert approver_at_hand(held.append, no_input=True) is None
    assert approver_at_hand(held.append, no_input=False) is not None
