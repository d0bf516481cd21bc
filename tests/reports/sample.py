"""A whole run as a list of events made by hand, for the tests of reports and of the command line."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any, Final

from captain.core import events as ev
from captain.core import loop_events as loop
from captain.core.cases import Case, Conclusion, Trial
from captain.core.estimates import Estimate, RoleEstimate
from captain.core.events import Event, Recorded, Role
from captain.core.findings import Finding, Severity
from captain.core.loop_events import LoopEvent
from captain.core.tasks import (
    Check,
    CheckResult,
    Criterion,
    Diagnosis,
    FollowUp,
    Location,
    Plan,
    RequestItem,
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
            cause="parse_date splits on '-' and takes the second part for a month.",
            runs=3,
            failed=3,
        ),
        ev.Triaged(triage=Triage(kind="fix", reason="parse_date rejects week dates.", diagnoses=(diagnosis(),))),
        ev.AgentEnded(agent="captain/triage", ending="done", turns=4),
        ev.Refused(
            what="plan",
            problems=("T2 has no check and names no evidence.", "T1 and T2 overlap."),
            rules=("criteria are provable", "parallel scopes are disjoint"),
        ),
        ev.PlanAdopted(plan=Plan(summary="Fix the parser, then show the week.", tasks=(FIX, CHANGE))),
        ev.TaskChanged(task="T1", state="planned"),
        ev.TaskChanged(task="T2", state="planned"),
    )


def steps(*happened: LoopEvent, task: str = "T1") -> tuple[Event, ...]:
    """Steps of a task's review loop."""
    return tuple(ev.ReviewStep(task=task, step=step) for step in happened)


def proposed(case: str, said: Finding, **more: Any) -> loop.FindingProposed:
    return loop.FindingProposed(case=case, finding=said, **{"reviewer": "review-T1", "round": 1, **more})


def failing_suite() -> Finding:
    return Finding(
        id="",
        severity="critical",
        category="check",
        path="",
        anchor=SUITE.command,
        claim="The check 'suite' fails with exit code 1.",
        evidence="1 failed, 40 passed",
    )


def deleted_test() -> Finding:
    return finding("test-deleted", "major", "Test deleted (line 4 before the change, in test_week).")


def built() -> tuple[Event, ...]:
    """T1 is built, and what is outside its scope put back."""
    return (
        ev.TaskChanged(task="T1", state="building"),
        ev.AgentStarted(agent="T1/build", role="build", model="openai-chat:build-model", task="T1"),
        called("T1/build", "build", duration_s=1.5),
        ev.ToolCalled(agent="T1/build", tool="shell", summary="python -m pytest -q", is_error=True, duration_s=2.0),
        ev.TaskChanged(task="T1", state="checking"),
        ev.SnapshotTaken(task="T1", base=BASE, commit="b" * 40, ref=f"refs/captain/{RUN}/task/T1/1", files=3),
        ev.DriftPutBack(task="T1", paths=("setup.cfg",), ref=f"refs/captain/{RUN}/drift/T1/1"),
        ev.FollowUpNoted(
            follow_up=FollowUp(
                title="setup.cfg pins an old pytest",
                detail="Changed by the way and put back.",
                paths=("setup.cfg",),
                task="T1",
                ref=f"refs/captain/{RUN}/drift/T1/1",
            )
        ),
    )


def first_review() -> tuple[Event, ...]:
    """A failing check, a shortcut and a minor objection; two of them are to be mended."""
    trial = Trial(check=SUITE, fails_on_head=True, output="1 failed, 40 passed")
    return (
        *steps(
            loop.LoopStarted(base=BASE, start="b" * 40, start_tree="1" * 40, ratchet=("reproduction",)),
            loop.ReviewStarted(round=1, commit="b" * 40, reviewers=1),
            loop.CommitChecked(
                round=1, commit="b" * 40, results=(result(FIX.checks[0]), result(SUITE, 1, "1 failed, 40 passed"))
            ),
        ),
        ev.TaskChanged(task="T1", state="reviewing", reason="round 1"),
        called("T1/review", "review"),
        *steps(
            proposed("F1", failing_suite(), reviewer="checks", trusted=True, trial=trial),
            loop.RulesApplied(round=1, commit="b" * 40, findings=(deleted_test(),)),
            proposed("F2", deleted_test(), reviewer="rules", trusted=True),
            proposed("F3", finding("F1", "minor")),
            loop.ReviewEnded(round=1, reviewer="review-T1", findings=1),
            loop.ReviewsEnded(round=1),
            loop.Ruled(case="F1", status="open", reason="", admitted=True),
            loop.Ruled(case="F2", status="open", reason="", admitted=True),
            loop.Ruled(case="F3", status="recorded", reason="an edit would do more harm", admitted=True),
        ),
    )


def fixes() -> tuple[Event, ...]:
    """The check is mended by the second attempt, and the shortcut goes with it."""
    attempt: Any = {"cases": ("F1",), "round": 1}
    return (
        *steps(loop.FixesPlanned(round=1, lanes=((("F1",), ("F2",)),))),
        ev.TaskChanged(task="T1", state="building", reason="round 1"),
        *steps(loop.FixStarted(rung="first", lane=0, **attempt)),
        called("T1/build", "build", cost=None),
        *steps(
            loop.FixAttempted(rung="first", commit="9" * 40, said="Done.", **attempt),
            loop.GateDecided(
                cases=("F1",),
                rung="first",
                commit="9" * 40,
                accepted=False,
                clause="ratchet",
                reason="passed before the change and fails after it: reproduction",
                ref=f"refs/captain/{RUN}/attempt/T1-9",
            ),
            loop.FixStarted(rung="fresh", lane=0, **attempt),
            loop.FixAttempted(rung="fresh", commit="c" * 40, said="Done.", **attempt),
            loop.GateDecided(
                cases=("F1",),
                rung="fresh",
                commit="c" * 40,
                accepted=True,
                toggled=("F1",),
                ref=f"refs/captain/{RUN}/attempt/T1-c",
                tree="2" * 40,
            ),
            loop.FoundGone(case="F2", by="c" * 40, reason="the test is there again"),
            loop.LanesJoined(round=1, commit="c" * 40, tree="2" * 40),
        ),
    )


def first_round() -> tuple[Event, ...]:
    """The first round of T1, which a failing check keeps from being the last."""
    return (*built(), *first_review(), *fixes())


def second_round() -> tuple[Event, ...]:
    """The second round of T1, with nothing to mend."""
    return (
        ev.TaskChanged(task="T1", state="checking", reason="round 2"),
        *steps(
            loop.ReviewStarted(round=2, commit="c" * 40, reviewers=1),
            loop.CommitChecked(round=2, commit="c" * 40, results=(result(FIX.checks[0]), result(SUITE))),
        ),
        ev.TaskChanged(task="T1", state="reviewing", reason="round 2"),
        *steps(
            loop.RulesApplied(
                round=2,
                commit="c" * 40,
                questions=(finding("expected-changed", "minor", "Expected value changed (line 9, in test_week)."),),
                unread=("tests/data/weeks.bin",),
            ),
            loop.ReviewEnded(round=2, reviewer="review-T1", cited=(("C2", 'dates.py line 12: "ISO week dates"'),)),
            loop.ReviewsEnded(round=2),
        ),
    )


def left_over() -> Case:
    return Case(
        id="F3",
        finding=finding("F1", "minor"),
        severity="minor",
        status="recorded",
        reason="an edit would do more harm",
        admitted=True,
    )


def loop_ended(**more: Any) -> ev.LoopEnded:
    fields: dict[str, Any] = {
        "task": "T1",
        "verdict": "converged_with_residuals",
        "reason": "nothing is open; 1 finding known and not mended",
        "rounds": 2,
        "start": "b" * 40,
        "commit": "c" * 40,
        "start_weight": 13,
        "weight": 1,
        "residuals": (left_over(),),
    }
    return ev.LoopEnded(**{**fields, **more})


def ending() -> tuple[Event, ...]:
    """T1 accepted with a residual, T2 given up, the result integrated."""
    return (
        *steps(
            loop.LoopConcluded(
                conclusion=Conclusion(verdict="converged_with_residuals", reason=loop_ended().reason),
                handed_back="c" * 40,
                weight=1,
            )
        ),
        loop_ended(),
        ev.TaskChanged(task="T1", state="accepted"),
        ev.BranchSet(branch=f"captain/{RUN}/task/T1", commit="c" * 40, task="T1"),
        ev.TaskChanged(task="T2", state="building", reason="round 1"),
        ev.AgentStarted(agent="T2/build", role="build", model="openai-chat:build-model", task="T2"),
        ev.AgentEnded(agent="T2/build", ending="stuck", turns=9, summary="I could not find the template."),
        ev.Kept(
            ref=f"refs/captain/{RUN}/salvaged/T2", commit="d" * 40, reason="The agent stopped half-way.", task="T2"
        ),
        ev.TaskChanged(task="T2", state="failed", reason="The agent made no progress for 6 turns."),
        ev.ChecksRan(commit="e" * 40, results=(result(FIX.checks[0]), result(SUITE))),
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


def hostile_run(status: ev.RunStatus = "failed") -> tuple[Recorded, ...]:
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
    unseen = Diagnosis(id=HOSTILE, cause=HOSTILE, locations=(), no_reproduction=HOSTILE)
    items = (
        RequestItem(id=HOSTILE, text=HOSTILE),
        RequestItem(id="R2", text=HOSTILE, declined=HOSTILE),
        RequestItem(id="R3", text=HOSTILE, context=True),
    )
    cost = Estimate(
        roles=(
            RoleEstimate(role="build", model=HOSTILE, low=Usage(), high=Usage(), low_usd=None, high_usd=None),
            RoleEstimate(role="review", model="m", low=Usage(), high=Usage(), low_usd=Decimal(0), high_usd=Decimal(0)),
        ),
        basis=(HOSTILE,),
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
            diagnosis=HOSTILE,
            command=HOSTILE,
            commit=BASE,
            exit_code=1,
            seen_to_fail=True,
            output=HOSTILE,
            cause=HOSTILE,
            runs=3,
            failed=2,
        ),
        ev.ReproductionRan(
            diagnosis=HOSTILE, command="", commit=BASE, exit_code=0, seen_to_fail=False, output="", refuted=HOSTILE
        ),
        ev.Refused(what="plan", problems=(HOSTILE,)),
        ev.Refused(what="plan", problems=(HOSTILE,), rules=("nothing unasked",)),
        ev.Triaged(triage=Triage(kind="fix", reason=HOSTILE, reply=HOSTILE, diagnoses=(bug, unseen), items=items)),
        ev.SearchPlanned(tasks=(task,), reason=HOSTILE),
        ev.Investigated(task="T1", report=HOSTILE, problem=HOSTILE),
        ev.PlanAdopted(plan=Plan(summary=HOSTILE, tasks=(task,), declined=((HOSTILE, HOSTILE),))),
        ev.PlanEstimated(estimate=cost),
        ev.PlanEstimated(estimate=cost, crew=HOSTILE),
        ev.PlanDecided(decision="replied", words=HOSTILE),
        ev.TaskChanged(task="T1", state="building", reason=HOSTILE),
        ev.DriftPutBack(task="T1", paths=(HOSTILE,), ref=HOSTILE),
        ev.FollowUpNoted(follow_up=FollowUp(title=HOSTILE, detail=HOSTILE, paths=(HOSTILE,), task="T1", ref=HOSTILE)),
        *steps(
            loop.LoopStarted(base=BASE, start=BASE, start_tree=BASE),
            loop.ReviewStarted(round=1, commit=BASE, reviewers=1),
            loop.CommitChecked(round=1, commit=BASE, results=(checked,)),
            loop.RulesApplied(round=1, commit=BASE, findings=(objection,), questions=(objection,), unread=(HOSTILE,)),
            proposed("F1", objection, reviewer=HOSTILE),
            loop.ReviewEnded(round=1, reviewer=HOSTILE, findings=1, cited=(("C2", HOSTILE),)),
            loop.ReviewEnded(round=1, reviewer=HOSTILE, problem=HOSTILE),
            loop.ReviewsEnded(round=1),
            loop.Ruled(case="F1", status="open", reason=HOSTILE, admitted=True),
            loop.FixesPlanned(round=1, lanes=((("F1",),),)),
            loop.FixStarted(cases=("F1",), rung="first", round=1, lane=0),
            loop.FixAttempted(cases=("F1",), rung="first", round=1, commit=None, said=HOSTILE),
            loop.GateDecided(cases=("F1",), rung="fresh", commit=BASE, accepted=False, clause="gone", reason=HOSTILE),
            loop.CheckTurnedFlaky(check=HOSTILE),
        ),
        ev.Advised(agent=HOSTILE, task=HOSTILE, trigger="stuck", advice=HOSTILE),
        ev.CaptainAsked(task=HOSTILE, question=HOSTILE, answer=HOSTILE, by="captain"),
        ev.ChecksRan(commit=BASE, results=(checked,)),
        ev.TasksClashed(task="T1", others=(HOSTILE,), conflicts=(HOSTILE,)),
        ev.TasksClashed(task=HOSTILE, others=(), results=(checked,), ref=HOSTILE),
        ev.TaskRestacked(task=HOSTILE, below=(HOSTILE,), before=BASE, after=BASE, how="small task"),
        ev.CollisionForecast(tasks=(HOSTILE, "T1"), paths=(HOSTILE,)),
        ev.Kept(ref=HOSTILE, commit=BASE, reason=HOSTILE, task="T1"),
        ev.BranchSet(branch=HOSTILE, commit=BASE),
        ev.AgentEnded(agent="a", ending="failed", turns=1, summary=HOSTILE),
        ev.RunEnded(status=status, summary=HOSTILE + "!", hint=HOSTILE),
    )
