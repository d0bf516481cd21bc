"""The report as a program reads it."""

from __future__ import annotations

import json

from captain.reports import RunView, to_json
from captain.reports.jsonable import SCHEMA, dumps
from tests.reports.sample import HOSTILE, RUN, hostile_run, opened, record, whole_run


def test_the_report_names_its_schema_first() -> None:
    report = json.loads(to_json(RunView.of(whole_run())))

    assert list(report)[:2] == ["schema", "run"]
    assert (report["schema"], report["run"]) == (SCHEMA, RUN)


def test_the_report_holds_tasks_evidence_and_money_as_text() -> None:
    report = json.loads(to_json(RunView.of(whole_run())))

    task = report["tasks"][0]
    assert (task["state"], task["verdict"], task["weight"]) == ("accepted", "converged_with_residuals", 1)
    assert [entry["proof"] for entry in report["evidence"]] == ["proved", "cited", "none"]
    assert report["reproductions"][0]["state"] == "fixed"
    assert report["spend"]["total"]["cost_usd"] == "0.0375"
    assert report["spend"]["total"]["unpriced_calls"] == 1
    assert report["started_at"] == "2026-11-21T16:05:12+00:00"
    assert report["follow_ups"][0]["ref"] == f"refs/captain/{RUN}/drift/T1/1"


def test_the_fields_are_there_however_little_is_known() -> None:
    empty, whole = (json.loads(to_json(RunView.of(events))) for events in ((), whole_run()))

    assert list(empty) == list(whole)


def test_hostile_text_is_kept_in_full_but_written_in_plain_ascii() -> None:
    text = to_json(RunView.of(hostile_run()))

    assert json.loads(text)["request"] == HOSTILE
    assert all(character == "\n" or " " <= character <= "~" for character in text)
    assert dumps("\x7f") == '"\\u007f"'


def test_a_run_that_goes_on_has_no_status() -> None:
    report = json.loads(to_json(RunView.of(record(opened()))))

    assert (report["status"], report["ended_at"]) == (None, None)
