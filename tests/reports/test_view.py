"""`RunView` says what the events said, and nothing else."""

from __future__ import annotations

from datetime import timedelta
from decimal import Decimal

import pytest

from captain.core import events as ev
from captain.core import loop_events as loop
from captain.core.events import EVENT_TYPES
from captain.core.tasks import Plan, Triage
from captain.reports import RunView
from captain.reports.meter import Percentiles
from tests.reports import sample
from tests.reports.sample import (
    FIX,
    REPRODUCTION,
    RUN,
    START,
    SUITE,
    built,
    called,
    diagnosis,
    ending,
    finding,
    first_review,
    first_round,
    fixes,
    left_over,
    loop_ended,
    opened,
    opening,
    proposed,
    record,
    result,
    second_round,
    steps,
    whole_run,
)


def test_every_kind_of_event_is_taken_in() -> None:
    on = RunView.__dict__["_on"].dispatcher.registry

    assert set(EVENT_TYPES.values()) <= set(on)


def test_an_empty_record_is_a_run_of_which_nothing_is_known() -> None:
    view = RunView.of(())

    assert (view.run, view.status, view.elapsed_s(), view.tasks) == ("", None, 0.0, {})


def test_a_finished_run_is_known_by_its_status_and_its_result() -> None:
    view = RunView.of(whole_run())

    assert view.run == RUN
    assert view.status == "failed"
    assert view.result is not None
    assert view.result.branch == f"captain/{RUN}/result"
    assert view.ended_at == view.last_at
    assert view.elapsed_s(START + timedelta(days=1)) == view.elapsed_s()


def test_a_run_without_an_end_goes_on_until_now() -> None:
    view = RunView.of(record(*opening()))

    assert view.status is None
    assert view.elapsed_s(START + timedelta(seconds=90)) == 90.0


def test_open_is_what_is_to_be_mended_until_the_loop_ends() -> None:
    events = (*opening(), *built(), *first_review())

    assert [case.id for case in RunView.of(record(*events)).tasks["T1"].open_cases] == ["F1", "F2"]
    assert RunView.of(record(*events, *fixes())).tasks["T1"].open_cases == ()


def test_after_the_loop_only_its_residuals_are_open() -> None:
    view = RunView.of(record(*opening(), *first_round(), *second_round(), loop_ended()))

    assert view.tasks["T1"].open_cases == (left_over(),)
    assert view.tasks["T1"].verdict == "converged_with_residuals"


def test_an_objection_of_two_reviewers_is_one_case() -> None:
    twice = steps(
        proposed("F1", finding("F1")),
        proposed("F1", finding("F1"), reviewer="two", matched="anchor", heard="note"),
        proposed("F2", finding("F2", claim="Other."), reviewer="two"),
        loop.ReviewsEnded(round=1),
        *(loop.Ruled(case=case, status="open", reason="", admitted=True) for case in ("F1", "F2")),
    )

    view = RunView.of(record(opened(), *first_review()[:3], *twice))

    assert [case.id for case in view.tasks["T1"].open_cases] == ["F1", "F2"]
    assert view.tasks["T1"].rounds[1].admitted == ["F1", "F2"]


def test_the_last_thing_a_tasks_agent_did_is_its_activity_until_the_agent_ends() -> None:
    events = (*opening(), *first_round()[:4])
    view = RunView.of(record(*events))
    task = view.tasks["T1"]

    assert view.activity(task) == "shell python -m pytest -q (error)"

    view.apply(record(*events, ev.AgentEnded(agent="T1/build", ending="done", turns=3))[-1])
    assert view.activity(task) == ""


def test_a_task_takes_time_from_its_first_building_to_its_end() -> None:
    view = RunView.of(whole_run())
    task = view.tasks["T1"]

    assert task.settled_at is not None
    assert task.elapsed_s(START + timedelta(days=1)) == 105.0


class TestEvidence:
    def test_a_check_that_passed_on_the_result_proves_a_criterion(self) -> None:
        proofs = {(entry.task, entry.criterion.id): entry for entry in RunView.of(whole_run()).evidence}

        assert proofs["T1", "C1"].proof == "proved"
        assert proofs["T1", "C1"].commit == "e" * 40

    def test_a_reviewers_citation_stands_for_a_criterion_without_a_check(self) -> None:
        proofs = {(entry.task, entry.criterion.id): entry for entry in RunView.of(whole_run()).evidence}

        assert proofs["T1", "C2"].proof == "cited"
        assert proofs["T1", "C2"].reviewer == "review-T1"

    def test_a_task_that_never_got_to_a_check_has_no_evidence(self) -> None:
        proofs = {(entry.task, entry.criterion.id): entry for entry in RunView.of(whole_run()).evidence}

        assert proofs["T2", "C1"].proof == "none"

    def test_a_check_that_fails_on_the_result_takes_the_proof_back(self) -> None:
        broken = ev.ChecksRan(commit="f" * 40, results=(result(FIX.checks[0], 1), result(SUITE)))

        view = RunView.of(record(*opening(), *first_round(), *second_round(), *ending()[:3], broken))

        assert view.evidence[0].proof == "failed"
        assert view.reproductions[0].state == "still failing"

    def test_only_what_is_handed_back_counts(self) -> None:
        kept_first = loop_ended(verdict="diverging", commit="b" * 40)

        view = RunView.of(record(*opening(), *first_round(), *second_round(), kept_first))

        assert [entry.proof for entry in view.evidence[:2]] == ["proved", "none"]
        assert view.evidence[0].commit == "b" * 40


class TestReproductions:
    def test_a_bug_is_fixed_when_its_reproduction_passes_on_what_was_accepted(self) -> None:
        (bug,) = RunView.of(whole_run()).reproductions

        assert bug.state == "fixed"
        assert [where for where, _ in bug.after] == ["T1", "the integrated result"]

    def test_a_bug_is_not_fixed_by_a_task_that_was_not_accepted(self) -> None:
        (bug,) = RunView.of(record(*opening(), *first_round(), *second_round())).reproductions

        assert bug.state == "seen to fail"

    def test_a_reproduction_that_does_not_fail_is_named_so(self) -> None:
        ran = ev.ReproductionRan(
            diagnosis="D1", command=REPRODUCTION, commit="x", exit_code=0, seen_to_fail=False, output=""
        )
        triaged = ev.Triaged(triage=Triage(kind="fix", reason="", diagnoses=(diagnosis(),)))

        assert RunView.of(record(ran, triaged)).reproductions[0].state == "not seen to fail"
        assert RunView.of(record(triaged)).reproductions[0].state == "not run"


class TestSpending:
    def test_spending_is_summed_in_total_by_role_and_by_model(self) -> None:
        view = RunView.of(whole_run())

        assert view.spend.model_calls == 4
        assert view.spend.cost_usd == Decimal("0.0375")
        assert view.spend.unpriced_calls == 1
        assert view.meter.by_role["build"].model_calls == 2
        assert view.meter.by_model["openai-chat:build-model"].unpriced_calls == 1

    def test_latencies_are_kept_per_model_and_role(self) -> None:
        calls = [called("a", "build", duration_s=float(second)) for second in range(1, 101)]

        (latency,) = RunView.of(record(*calls)).latencies

        assert (latency.model, latency.role, latency.calls) == ("openai-chat:build-model", "build", 100)
        assert latency.whole.p50_s == pytest.approx(50.5)
        assert latency.whole.p99_s == pytest.approx(99.01)

    def test_one_call_is_every_percentile(self) -> None:
        assert Percentiles.of([2.5]) == Percentiles(p50_s=2.5, p90_s=2.5, p95_s=2.5, p99_s=2.5)


def test_a_plan_that_is_adopted_again_keeps_what_is_known_of_its_tasks() -> None:
    again = ev.PlanAdopted(plan=Plan(summary="", tasks=(FIX,)))

    view = RunView.of(record(*opening(), *first_round(), again))

    assert view.tasks["T1"].round == 1


def test_a_run_says_that_it_had_no_sandbox() -> None:
    assert RunView.of(record(opened(sandbox="unsandboxed"))).unsandboxed
    assert not RunView.of(record(opened(sandbox="bwrap"))).unsandboxed
    assert RunView.of(sample.hostile_run()).unsandboxed
