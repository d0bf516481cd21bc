"""A person at a real terminal is shown the plan and its cost, and says yes, no, something else, or edits it."""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from decimal import Decimal
from pathlib import Path

import anyio
import pytest

from captain.cli.approve_plan import TerminalPlanApprover, plan_approver
from captain.core.errors import UsageError
from captain.core.estimates import Estimate, RoleEstimate
from captain.core.usage import Usage
from captain.orchestration import Accept, Approval, Edited, PlanOffer, Reject, Reply
from tests.cli.test_planfile import PLAN, task
from tests.reports.test_escape import ATTACKS, hides_something

ESTIMATE = Estimate(
    roles=(
        RoleEstimate(
            role="build",
            model="m",
            low=Usage(input_tokens=1000),
            high=Usage(input_tokens=9000),
            low_usd=Decimal("0.50"),
            high_usd=Decimal(2),
        ),
    ),
    basis=("build: assumed.",),
)
OFFER = PlanOffer(plan=PLAN, estimate=ESTIMATE)


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
        if text.endswith("> ") and self.typed:
            os.write(self.ours, self.typed.pop(0).encode())

    def flush(self) -> None:
        return None

    def approver(self, edit: Callable[[Path], None] | None = None) -> TerminalPlanApprover:
        return TerminalPlanApprover(self.held.append, keyboard=self.theirs, out=self, edit=edit)  # type: ignore[arg-type]

    @property
    def shown(self) -> str:
        return "".join(self.said)


@pytest.fixture
def terminal() -> Iterator[Terminal]:
    ours, theirs = os.openpty()
    yield Terminal(ours, theirs)
    os.close(ours)
    os.close(theirs)


async def asked(approver: TerminalPlanApprover, offer: PlanOffer = OFFER) -> Approval:
    with anyio.fail_after(30):
        return await approver(offer)


@pytest.mark.parametrize(
    ("typed", "approval"),
    [
        (["y\n"], Accept()),
        (["YES\n"], Accept()),
        (["n\n", "too much\n"], Reject(reason="too much")),
        (["no\n", "\n"], Reject()),
        (["\x04"], Reject()),
        (["\n", "yo\n", "Do T2 first.\n"], Reply(text="Do T2 first.")),
    ],
)
async def test_a_plan_is_accepted_rejected_or_replied_to(
    terminal: Terminal, typed: list[str], approval: Approval
) -> None:
    terminal.typed = typed
    assert await asked(terminal.approver()) == approval
    assert terminal.held == [True, False]


async def test_a_range_that_is_none_is_said_as_one_number(terminal: Terminal) -> None:
    terminal.typed = ["y\n"]
    (build,) = ESTIMATE.roles
    point = replace(ESTIMATE, roles=(replace(build, high=build.low, high_usd=build.low_usd),))
    await asked(terminal.approver(), PlanOffer(plan=PLAN, estimate=point))
    assert "About 1.0k tokens, $0.50." in terminal.shown
    assert " to " not in terminal.shown.partition("About 1.0k")[2].partition("How this")[0]


async def test_everything_that_would_be_carried_out_is_shown_with_its_cost(terminal: Terminal) -> None:
    terminal.typed = ["y\n"]
    await asked(terminal.approver())
    for said in ("The plan: Two tasks", "### T1: Mend add", "`/calc.py`, `tests/`", "T1.2: It reads", "`make test`"):
        assert said in terminal.shown
    assert "Between 1.0k and 9.0k tokens, $0.50 to $2.00." in terminal.shown
    assert "Not done: R3, Not now." in terminal.shown


@pytest.mark.parametrize("attack", ATTACKS)
async def test_nothing_in_a_plan_acts_on_the_terminal(terminal: Terminal, attack: str) -> None:
    terminal.typed = ["y\n"]
    hostile = PlanOffer(plan=type(PLAN)(summary=attack, tasks=(task(title=attack, brief=attack),)), estimate=ESTIMATE)
    await asked(terminal.approver(), hostile)
    assert not hides_something(terminal.shown.replace("\n", " "))


async def test_an_edit_is_read_back_and_a_slip_can_be_mended_in_what_was_written(terminal: Terminal) -> None:
    seen: list[str] = []

    def edit(path: Path) -> None:
        seen.append(path.read_text())
        old, new = ('kind = "fix"', 'kind = "fxi"') if len(seen) == 1 else ('kind = "fxi"', 'kind = "change"')
        path.write_text(seen[-1].replace(old, new, 1))

    terminal.typed = ["e\n", "e\n"]
    approval = await asked(terminal.approver(edit))
    assert isinstance(approval, Edited)
    assert approval.plan.tasks[0].kind == "change"
    assert "task 1 kind: input should be 'fix', 'change' or 'investigate'" in terminal.shown
    assert "y: as it was before your edit" in terminal.shown.rpartition("What you wrote is kept.")[2]
    assert 'kind = "fxi"' in seen[1]  # what was written is where the next edit begins


async def test_an_edit_that_broke_a_rule_begins_with_what_was_written(terminal: Terminal) -> None:
    def edit(path: Path) -> None:
        path.write_text(path.read_text().replace("Mend add", "Mend add, at last", 1))

    approver = terminal.approver(edit)
    terminal.typed = ["e\n"]
    first = await asked(approver)
    assert isinstance(first, Edited)
    refused = PlanOffer(plan=first.plan, estimate=ESTIMATE, problems=("T1 has no criterion",))
    terminal.typed = ["y\n", "e\n"]  # what breaks a rule cannot be accepted
    second = await asked(approver, refused)
    assert isinstance(second, Edited)
    assert second.plan.tasks[0].title == "Mend add, at last, at last"
    assert "T1 has no criterion" in terminal.shown


async def test_a_plan_that_is_left_as_it_was_is_asked_about_again(terminal: Terminal) -> None:
    terminal.typed = ["e\n", "y\n"]
    assert await asked(terminal.approver(lambda _: None)) == Accept()
    assert "The plan was left as it is." in terminal.shown


async def test_the_persons_own_editor_is_started_with_its_arguments(
    terminal: Terminal, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    editor = tmp_path / "my editor.py"
    editor.write_text(
        "import pathlib, sys\n"
        "path = pathlib.Path(sys.argv[2])\n"
        "path.write_text(path.read_text().replace(*sys.argv[1].split(':')))\n"
    )
    monkeypatch.setenv("VISUAL", f"{shlex.quote(sys.executable)} '{editor}' 'Mend add:Add'")
    terminal.typed = ["e\n"]
    approval = await asked(terminal.approver())
    assert isinstance(approval, Edited)
    assert [each.title for each in approval.plan.tasks] == ["Add", "Add"]


async def test_an_editor_that_cannot_be_started_loses_nothing(
    terminal: Terminal, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("VISUAL", "no-such-editor --wait")
    terminal.typed = ["e\n", "y\n"]
    assert await asked(terminal.approver()) == Accept()
    assert "The editor no-such-editor --wait cannot be started" in capsys.readouterr().err


def test_nobody_is_asked_unasked_and_where_nobody_can_be_that_is_said() -> None:
    assert plan_approver(lambda _: None, wanted=False, no_input=True) is None
    with pytest.raises(UsageError, match="forbid to ask"):
        plan_approver(lambda _: None, wanted=True, no_input=True)
    with pytest.raises(UsageError, match="needs a terminal"):
        plan_approver(lambda _: None, wanted=True, no_input=False)
