"""Reports as files."""

from __future__ import annotations

from pathlib import Path

import pytest

from captain.reports import RunView, save, to_json, to_markdown
from tests.reports.sample import hostile_run, whole_run


def test_both_reports_are_written_and_nothing_else(tmp_path: Path) -> None:
    view = RunView.of(whole_run())

    save(view, tmp_path / "runs" / "one")

    written = {path.name: path.read_text("utf-8") for path in (tmp_path / "runs" / "one").iterdir()}
    assert written == {"report.md": to_markdown(view), "report.json": to_json(view)}


def test_saving_again_replaces_the_reports(tmp_path: Path) -> None:
    save(RunView.of(whole_run()), tmp_path)

    save(RunView.of(hostile_run()), tmp_path)

    assert (tmp_path / "report.md").read_text("utf-8") == to_markdown(RunView.of(hostile_run()))


def test_a_report_that_cannot_be_put_in_place_leaves_no_pieces(tmp_path: Path) -> None:
    (tmp_path / "report.md").mkdir()

    with pytest.raises(OSError, match=r"report\.md"):
        save(RunView.of(whole_run()), tmp_path)

    assert [path.name for path in tmp_path.iterdir()] == ["report.md"]
