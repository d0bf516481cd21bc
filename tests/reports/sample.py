"""A whole run as a list of events made by hand, for the tests of reports and of the command line."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Final

from captain.core import events as ev
from captain.core.events import Event, Recorded, Role
from captain.core.findings import Finding, Severity
from captain.core.tasks import (
    Check,
    CheckResult,
    Criterion,
    Diagnosis,
    FollowUp,
    Location,
    Plan,
    Scope,
    Task,
    Triage,
)
from captain.core.usage import Usage

RUN: Final = "20261121-160512-k3f9"
BASE: Final = "a" * 40
START: Final = datetime(2026, 11, 21, 16, 5, 12, tzinfo=UTC)

SUITE: Final = Check(name="suite", command="python -m pytest -q")
REPRODUCTION: Final = "python -m pytest -q tests/test_dates.py::test_week"

FIX: Final = Task(
    id="T1",
    title="Accept ISO week dates",
    kind="fix",
    brief="Make parse_date accept 2026-W47-6.",
    scope=Scope(paths=("quaybook/dates.py", "tests/test_dates.py")),
    criteria=(
        Criterion(id="C1", text="2026-W47-6 is parsed", check="reproduction"),
        Criterion(id="C2", text="the docstring names the format", evidence="the docstring of parse_date"),
    ),
    checks=(Check(name="reproduction", command=REPRODUCTION), SUITE),
    diagnosis="D1",
)
CHANGE: Final = Task(
    id="T2",
    title="Show the week in reports",
    kind="change",
    brief="Add a week column.",
    scope=Scope(paths=("quaybook/report.py",)),
    criteria=(Criterion(id="C1", text="reports have a week column", check="suite"),),
    checks=(SUITE,),
    depends_on=("T1",),
)


def record(*events: Event, step_s: float = 2.5) -> tuple[Recorded, ...]:
    """Events at equal distances in time."""
    return tuple(
        Recorded(seq=number, at=START + timedelta(seconds=step_s * (number - 1)), event=event)
        for number, event in enumerate(events, start=1)
    )


def opened(
    *, request: str = "Make `parse_date` accept ISO week dates", sandbox: str = "bwrap", repository: str = "/src/quay"
) -> ev.RunOpened:
    return ev.RunOpened(
        run=RUN,
        request=request,
        repository=repository,
        base=BASE,
        branch="main",
        crew=(
            ("captain", "openai-chat:gpt-5.5"),
            ("build", "openai-chat:gpt-5.5-mini"),
            ("review", "openai-chat:gpt-5.5"),
        ),
        sandbox=sandbox,
        memory=("AGENTS.md",),
    )


def diagnosis() -> Diagnosis:
    return Diagnosis(
        id="D1",
        cause="parse_date splits on '-' and takes the second part for a month.",
        locations=(Location(path="quaybook/dates.py", symbol="parse_date"),),
        reproduction=REPRODUCTION,
    )


def result(check: Check, exit_code: int | None = 0, output: str = "") -> CheckResult:
    return CheckResult(check=check, exit_code=exit_code, output=output, duration_s=1.25)


def finding(identity: str, severity: Severity = "major", claim: str = "Week 53 is accepted in every year.") -> Finding:
    return Finding(
        id=identity,
        severity=severity,
        category="correctness",
        path="quaybook/dates.py",
        anchor="if week > 53:",
        claim=claim,
        evidence="parse_date('2025-W53-1') returns a date although 2025 has 52 weeks.",
    )


def called(agent: str, role: Role, *, cost: str | None = "0.0125", duration_s: float = 3.4) -> ev.ModelCalled:
    return ev.ModelCalled(
        agent=agent,
        role=role,
        model=f"openai-chat:{role}-model",
        usage=Usage(input_tokens=4000, output_tokens=200, cached_tokens=3000, reasoning_tokens=50),
        cost_usd=None if cost is None else Decimal(cost),
        first_event_s=0.8,
        duration_s=duration_s,
    )


def opening() -> tuple[Event, ...]:
    """Up to the adopted plan."""
    return (
        opened(),
        ev.Noticed(text="3 uncommitted files of yours are not part of this run."),
        ev.AgentStarted(agent="captain/triage", role="captain", model="openai-chat:captain-model"),
        called("captain/triage", "captain"),
        ev.ToolCalled(
            agent="captain/triage", tool="read", summary="quaybook/dates.py", is_error=False, duration_s=0.01
        ),
        ev.ReproductionRan(
            diagnosis="D1",
            command=REPRODUCTION,
            commit=BASE,
            exit_code=1,
            seen_to_fail=True,
            output="E   ValueError: month must be in 1..12\n1 failed in 0.02s\n",
        ),
        ev.Triaged(triage=Triage(kind="fix", reason="parse_date rejects week dates.", diagnoses=(diagnosis(),))),
        ev.AgentEnded(agent="captain/triage", ending="done", turns=4),
        ev.Refused(what="plan", problems=("T2 has no check and names no evidence.", "T1 and T2 overlap.")),
        ev.PlanAdopted(plan=Plan(summary="Fix the parser, then show the week.", tasks=(FIX, CHANGE))),
        ev.TaskChanged(task="T1", state="planned"),
        ev.TaskChanged(task="T2", state="planned"),
    )


def first_round() -> tuple[Event, ...]:
    """The first round of T1, which a failing check ends."""
    return (
        ev.TaskChanged(task="T1", state="building", reason="round 1"),
        ev.AgentStarted(agent="T1/build", role="build", model="openai-chat:build-model", task="T1"),
        called("T1/build", "build", duration_s=1.5),
        ev.ToolCalled(agent="T1/build", tool="shell", summary="python -m pytest -q", is_error=True, duration_s=2.0),
        ev.SnapshotTaken(task="T1", round=1, base=BASE, commit="b" * 40, ref=f"refs/captain/{RUN}/task/T1/1", files=3),
        ev.DriftPutBack(task="T1", round=1, paths=("setup.cfg",), ref=f"refs/captain/{RUN}/drift/T1/1"),
        ev.FollowUpNoted(
            follow_up=FollowUp(
                title="setup.cfg pins an old pytest",
                detail="Changed by the way and put back.",
                paths=("setup.cfg",),
                task="T1",
                ref=f"refs/captain/{RUN}/drift/T1/1",
            )
        ),
        ev.ShortcutsFound(
            task="T1",
            round=1,
            findings=(finding("test-deleted", "major", "Test deleted (line 4 before the change, in test_week)."),),
        ),
        ev.TaskChanged(task="T1", state="checking"),
        ev.ChecksRan(
            task="T1",
            round=1,
            commit="b" * 40,
            results=(result(FIX.checks[0]), result(SUITE, 1, "1 failed, 40 passed")),
        ),
    )


def second_round() -> tuple[Event, ...]:
    """The second round of T1, reviewed with one finding."""
    return (
        ev.TaskChanged(task="T1", state="building", reason="round 2"),
        called("T1/build", "build", cost=None),
        ev.SnapshotTaken(task="T1", round=2, base=BASE, commit="c" * 40, ref=f"refs/captain/{RUN}/task/T1/2", files=2),
        ev.ShortcutsFound(
            task="T1",
            round=2,
            findings=(),
            questions=(finding("expected-changed", "minor", "Expected value changed (line 9, in test_week)."),),
            unread=("tests/data/weeks.bin",),
        ),
        ev.TaskChanged(task="T1", state="checking"),
        ev.ChecksRan(task="T1", round=2, commit="c" * 40, results=(result(FIX.checks[0]), result(SUITE))),
        ev.TaskChanged(task="T1", state="reviewing"),
        called("T1/review", "review"),
        ev.Reviewed(
            task="T1",
            round=2,
            reviewer="openai-chat:review-model",
            findings=(finding("F1", "minor"),),
            evidence=(("C2", 'dates.py line 12: "ISO week dates"'),),
        ),
    )


def ending() -> tuple[Event, ...]:
    """T1 accepted with a residual, T2 given up, the result integrated."""
    return (
        ev.LoopEnded(
            task="T1",
            verdict="converged_with_residuals",
            reason="Nothing above minor is open.",
            rounds=2,
            kept_round=2,
            commit="c" * 40,
            residuals=(finding("F1", "minor"),),
        ),
        ev.TaskChanged(task="T1", state="accepted"),
        ev.BranchSet(branch=f"captain/{RUN}/task/T1", commit="c" * 40, task="T1"),
        ev.TaskChanged(task="T2", state="building", reason="round 1"),
        ev.AgentStarted(agent="T2/build", role="build", model="openai-chat:build-model", task="T2"),
        ev.AgentEnded(agent="T2/build", ending="stuck", turns=9, summary="I could not find the template."),
        ev.Kept(
            ref=f"refs/captain/{RUN}/salvaged/T2", commit="d" * 40, reason="The agent stopped half-way.", task="T2"
        ),
        ev.TaskChanged(task="T2", state="failed", reason="The agent made no progress for 6 turns."),
        ev.ChecksRan(task=None, round=0, commit="e" * 40, results=(result(FIX.checks[0]), result(SUITE))),
        ev.BranchSet(branch=f"captain/{RUN}/result", commit="e" * 40),
        ev.RunEnded(
            status="failed",
            summary="1 of 2 tasks was accepted.",
            hint="Look at what T2 left, then ask for it again in words of its own.",
        ),
    )


def whole_run() -> tuple[Recorded, ...]:
    return record(*opening(), *first_round(), *second_round(), *ending())


HOSTILE: Final = (
    "\x1b[2J\x1b]52;c;Y3VybA==\x07`rm` [bold red]*x*[/] <b>\u202etxt.exe\u200b\rok\x9b31m\nsecond | line ``` "
)


def hostile_run() -> tuple[Recorded, ...]:
    """Every text a model or a repository can choose is `HOSTILE`."""
    task = Task(
        id="T1",
        title=HOSTILE,
        kind="change",
        brief=HOSTILE,
        scope=Scope(paths=(HOSTILE,)),
        criteria=(Criterion(id="C1", text=HOSTILE, check=HOSTILE), Criterion(id="C2", text=HOSTILE, evidence=HOSTILE)),
        checks=(Check(name=HOSTILE, command=HOSTILE),),
    )
    bug = Diagnosis(
        id=HOSTILE, cause=HOSTILE, locations=(Location(path=HOSTILE, symbol=HOSTILE),), reproduction=HOSTILE
    )
    objection = Finding(
        id="F1", severity="major", category=HOSTILE, path=HOSTILE, anchor=HOSTILE, claim=HOSTILE, evidence=HOSTILE
    )
    checked = result(task.checks[0], 1, HOSTILE)
    return record(
        opened(request=HOSTILE, repository=HOSTILE, sandbox="unsandboxed"),
        ev.Noticed(text=HOSTILE),
        ev.AgentStarted(agent="a", role="build", model=HOSTILE, task="T1"),
        ev.ToolCalled(agent="a", tool=HOSTILE, summary=HOSTILE, is_error=True, duration_s=1.0),
        ev.ReproductionRan(
            diagnosis=HOSTILE, command=HOSTILE, commit=BASE, exit_code=1, seen_to_fail=True, output=HOSTILE
        ),
        ev.Refused(what="plan", problems=(HOSTILE,)),
        ev.Triaged(triage=Triage(kind="fix", reason=HOSTILE, reply=HOSTILE, diagnoses=(bug,))),
        ev.PlanAdopted(plan=Plan(summary=HOSTILE, tasks=(task,))),
        ev.TaskChanged(task="T1", state="building", reason=HOSTILE),
        ev.DriftPutBack(task="T1", round=1, paths=(HOSTILE,), ref=HOSTILE),
        ev.ShortcutsFound(task="T1", round=1, findings=(objection,), questions=(objection,), unread=(HOSTILE,)),
        ev.FollowUpNoted(follow_up=FollowUp(title=HOSTILE, detail=HOSTILE, paths=(HOSTILE,), task="T1", ref=HOSTILE)),
        ev.ChecksRan(task="T1", round=1, commit=BASE, results=(checked,)),
        ev.Reviewed(task="T1", round=1, reviewer=HOSTILE, findings=(objection,), evidence=(("C2", HOSTILE),)),
        ev.ChecksRan(task=None, round=0, commit=BASE, results=(checked,)),
        ev.Kept(ref=HOSTILE, commit=BASE, reason=HOSTILE, task="T1"),
        ev.BranchSet(branch=HOSTILE, commit=BASE),
        ev.AgentEnded(agent="a", ending="failed", turns=1, summary=HOSTILE),
        ev.RunEnded(status="failed", summary=HOSTILE + "!", hint=HOSTILE),
    )
