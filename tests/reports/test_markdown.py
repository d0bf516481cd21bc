"""The report as a person reads it."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.token import Token

from captain.core import events as ev
from captain.core.actions import Decision, OpenHost, PermissionRequest
from captain.core.events import RunStatus
from captain.core.tasks import Triage
from captain.reports import RunView, to_markdown
from captain.reports.jsonable import to_dict
from captain.reports.marks import code, fenced, plain, quoted
from tests.reports.sample import HOSTILE, SUITE, hostile_run, opened, opening, record, result, whole_run
from tests.reports.snapshot import assert_matches
from tests.reports.test_escape import hides_something

SNAPSHOTS = Path(__file__).parent / "snapshots"


def inline(tokens: list[Token]) -> list[Token]:
    return [child for token in tokens for child in token.children or ()]


def text_of(markdown: str) -> str:
    """What is left for the eye once Markdown is rendered."""
    return "".join(child.content for child in inline(MarkdownIt("gfm-like", {"linkify": False}).parse(markdown)))


def test_the_report_of_a_whole_run() -> None:
    assert_matches(to_markdown(RunView.of(whole_run())), SNAPSHOTS / "whole_run.md")


def test_the_report_of_a_run_that_was_interrupted() -> None:
    assert_matches(to_markdown(RunView.of(record(*opening()))), SNAPSHOTS / "interrupted.md")


def test_the_report_of_an_answer() -> None:
    triage = Triage(kind="answer", reason="It is a question.", reply="In two places:\n\n- `dates.py`\n- `cli.py`")
    ended = ev.RunEnded(status="answered", summary=triage.reply)

    report = to_markdown(RunView.of(record(opened(sandbox="unsandboxed"), ev.Triaged(triage=triage), ended)))

    assert_matches(report, SNAPSHOTS / "answer.md")


def test_a_report_is_the_same_every_time() -> None:
    assert to_markdown(RunView.of(whole_run())) == to_markdown(RunView.of(whole_run()))


def test_a_run_without_a_sandbox_says_so_near_the_top() -> None:
    report = to_markdown(RunView.of(hostile_run()))

    assert "\n**unsandboxed**: " in report
    assert report.index("**unsandboxed**") < report.index("## What was done")


@pytest.mark.parametrize("status", ["failed", "planned"])
def test_hostile_text_acts_neither_on_a_terminal_nor_as_markup(status: RunStatus) -> None:
    report = to_markdown(RunView.of(hostile_run(status)))

    tokens = MarkdownIt("gfm-like", {"linkify": False}).parse(report)
    kinds = {token.type for token in (*tokens, *inline(tokens))}
    assert not hides_something(report)
    assert not kinds & {"html_inline", "html_block", "link_open", "image", "em_open", "s_open", "code_block"}


@given(st.text(st.characters()))
def test_escaped_text_renders_as_itself(text: str) -> None:
    shown = text_of(plain(text))

    assert shown.strip() == plain_reading(text)


def plain_reading(text: str) -> str:
    from captain.reports.escape import one_line

    return one_line(text).strip()


@pytest.mark.parametrize(
    "text",
    [
        "# no heading",
        "- no item",
        "1. no item",
        "> no quote",
        "+ no",
        "=== no",
        "10) no",
        "---",
        "```",
        "~~~",
        "| a |",
        "    indented",
    ],
)
def test_text_at_the_start_of_a_line_is_no_block(text: str) -> None:
    tokens = MarkdownIt("gfm-like", {"linkify": False}).parse(plain(text))

    assert [token.type for token in tokens] == ["paragraph_open", "inline", "paragraph_close"]


@given(st.text(alphabet="`a b\n\\", max_size=30))
def test_a_code_span_holds_whatever_is_in_it(text: str) -> None:
    spans = [token for token in inline(MarkdownIt().parse(f"x {code(text)} y")) if token.type == "code_inline"]

    assert [span.content for span in spans] == ([plain_reading(text)] if plain_reading(text) else [])


@given(st.text(alphabet="`a b\n", max_size=40))
def test_a_fence_is_longer_than_any_inside(text: str) -> None:
    tokens = MarkdownIt().parse("\n".join(fenced(text)))

    assert [token.type for token in tokens] == ["fence"]
    assert tokens[0].content.rstrip("\n") == text.rstrip("\n")


def test_long_output_keeps_its_end_and_says_what_is_missing() -> None:
    lines = fenced("\n".join(str(number) for number in range(100)), last_lines=3)

    assert lines == ["```text", "… 97 lines before this …", "97", "98", "99", "```"]


def test_words_on_one_line_are_a_quotation_and_longer_ones_a_block() -> None:
    assert quoted("Fix *it*\n") == ["> Fix \\*it\\*"]
    assert quoted("a\nb") == ["```text", "a", "b", "```"]
    assert len(quoted(HOSTILE)) == 4


def test_permissions_are_told_once_each_with_how_often() -> None:
    action = OpenHost(host="docs.example.org")
    asked = PermissionRequest(action=action, asked_by="build-T1", why="the docs", policy="p")
    allowed = Decision(effect="allow", reason="the user allowed it", rule="grant")
    denied = Decision(effect="deny", reason="the user said `no`", rule="answer")
    view = RunView.of(
        record(
            *opening(),
            ev.PermissionAsked(request=asked, digest=asked.digest(), reason="not granted"),
            ev.PermissionDecided(action=action, asked_by="build-T1", decision=allowed),
            ev.PermissionDecided(action=action, asked_by="build-T1", decision=allowed),
            ev.PermissionDecided(action=OpenHost(host="evil.example"), asked_by="build-T1", decision=denied),
        )
    )

    text = to_markdown(view)

    assert "- **allowed** to `open docs.example.org:443` for build-T1, 2 times: the user allowed it" in text
    assert "- **denied** to `open evil.example:443` for build-T1: the user said \\`no\\`" in text
    assert "- A person was asked 1 time." in text
    assert to_dict(view)["permissions"][2]["decision"] == denied


def test_what_did_not_go_together_is_told_with_the_output_that_shows_it() -> None:
    text = to_markdown(
        RunView.of(
            record(
                *opening(),
                ev.TasksClashed(task="T2", others=("T1",), results=(result(SUITE, 1, "2 != 3"),), ref="refs/x"),
                ev.TaskChanged(task="T2", state="parked", reason="together with T1 it fails suite"),
                ev.CollisionForecast(tasks=("T1", "T2"), paths=("a.py",)),
            )
        )
    )
    section = text.partition("## Accepted, but not together")[2].partition("\n## ")[0]
    assert "- T2 fails `suite` (`python -m pytest -q`, exit 1) together with T1; it was left out." in section
    assert "kept under `refs/x`" in section
    assert "2 != 3" in section
    assert "- T1 and T2 were about to collide in `a.py`" in text
