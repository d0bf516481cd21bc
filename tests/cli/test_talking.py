"""What is said to a run from another terminal: answers, messages, stops, and what is refused."""

from __future__ import annotations

from pathlib import Path

import anyio
import pytest

import captain
from captain.cli.boundary import guarded
from captain.cli.closing import closing_lines
from captain.core import events as ev
from captain.models import call
from captain.runs import find_run
from tests.orchestration.test_questions import carrier, clarifying
from tests.runs.holding import held
from tests.voyages import calc_repository


@pytest.fixture
def state(tmp_path: Path) -> Path:
    return tmp_path / "state"


@pytest.fixture
def parked(tmp_path: Path, state: Path) -> str:
    """A run that has asked and ended, as nobody answered."""
    repo = calc_repository(tmp_path / "a repository")
    return anyio.run(lambda: carrier(clarifying(), state).run("Mend it", repo=repo)).run


def test_an_open_question_is_listed_answered_and_heard_when_the_run_goes_on(
    parked: str, state: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    at = ["--state-dir", str(state)]
    assert guarded(["answer", parked, *at]) == 0
    assert f'captain answer {parked} Q1 --text "…"' in capsys.readouterr().out
    assert guarded(["runs", "show", parked, *at]) == 0
    assert "open question Q1: Which of the two?" in capsys.readouterr().out
    assert guarded(["answer", parked[:12], "q1", "--text", "The first.", *at]) == 0
    assert f"captain resume {parked} goes on with it" in capsys.readouterr().out

    assert guarded(["answer", parked, "Q1", "--text", "The second.", *at]) == 2
    assert "Q1 is answered already; the answer waits" in capsys.readouterr().err

    async def go_on() -> str:
        async with carrier(clarifying(), state).resume(parked) as run:
            return (await run.result()).status

    assert anyio.run(go_on) == "succeeded"
    answers = [one.event for one in find_run(state, parked).events() if isinstance(one.event, ev.QuestionAnswered)]
    assert [(answer.text, answer.by) for answer in answers] == [("The first.", "person")]
    assert guarded(["answer", parked, "Q1", "--text", "The second.", *at]) == 2
    assert "Q1 is answered already (by a person: The first.)" in capsys.readouterr().err


def test_a_run_that_another_process_carries_is_not_taken_up_and_nothing_happens(
    parked: str, state: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    stored = find_run(state, parked)
    before = stored.events()
    with held(stored.project, parked):
        assert guarded(["resume", parked, "--captain", "openai:gpt-5.5", "--state-dir", str(state)]) == 2
    said = capsys.readouterr().err
    assert f"Run {parked} is going on: it is carried by process" in said
    assert f"captain cancel {parked} stops it" in said
    assert stored.events() == before


def test_a_run_that_goes_on_elsewhere_names_the_repository_where_it_is_now(
    parked: str, state: Path, tmp_path: Path
) -> None:
    moved = (tmp_path / "a repository").rename(tmp_path / "moved")
    assert guarded(["answer", parked, "Q1", "--text", "The first.", "--state-dir", str(state)]) == 0

    async def go_on() -> captain.Outcome:
        async with carrier(clarifying(), state).resume(parked, repo=moved) as run:
            return await run.result()

    outcome = anyio.run(go_on)
    assert outcome.status == "succeeded"
    assert outcome.view.repository == str(moved)
    assert f"  git -C {moved} diff" in "\n".join(closing_lines(outcome))


@pytest.mark.parametrize(
    ("argv", "said"),
    [
        (["answer", "RUN", "Q7", "accept"], ("has no open question 'Q7'", "Open are Q1.")),
        (["answer", "RUN", "Q1", "accept"], ("'accept' is no answer to Q1", "words of your own (--text)")),
        (["answer", "RUN", "Q1"], ("Q1 is not answered by that", "words of your own (--text)")),
        (["answer", "20990101", "Q1"], ("No run on record", "The latest runs:")),
        (["send", "RUN", "Hm."], ("is over (needs_human)", "captain report")),
        (["send", "RUN", " "], ("The message is empty", "Say what")),
        (["send", "RUN", "Hm.", "--queue", "--steer"], ("exclude each other", "Give one of them")),
        (["add", "RUN", " "], ("The request is empty", "Say in a sentence")),
        (["add", "20990101", "More"], ("No run on record", "The latest runs:")),
        (["cancel", "RUN"], ("is over (needs_human)", "captain report")),
        (["resume", "RUN"], ("was started from code", "--captain MODEL")),
    ],
)
def test_what_makes_no_sense_is_refused_and_changes_nothing(
    parked: str, state: Path, capsys: pytest.CaptureFixture[str], argv: list[str], said: tuple[str, str]
) -> None:
    before = find_run(state, parked).events()
    given = [parked if word == "RUN" else word for word in argv]
    assert guarded([*given, "--state-dir", str(state)]) == 2
    shown = capsys.readouterr().err
    assert said[0] in shown
    assert said[1] in shown
    assert find_run(state, parked).events() == before


def test_more_is_asked_for_while_nobody_carries_the_run_and_refused_once_it_is_over(
    parked: str, state: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    at = ["--state-dir", str(state)]
    assert guarded(["answer", parked, "Q1", "--text", "The first.", *at]) == 0
    assert guarded(["add", parked, "And say what two and two is", *at]) == 0
    assert f"the request is on its way; captain resume {parked} goes on with it" in capsys.readouterr().out
    more = call("submit_triage", kind="answer", reason="a question", reply="It is four.")

    async def go_on() -> str:
        async with carrier(clarifying(more), state).resume(parked) as run:
            return (await run.result()).summary

    assert anyio.run(go_on).endswith("Request 2 was answered: It is four.")
    assert guarded(["add", parked, "it's not", *at]) == 2
    said = capsys.readouterr().err
    assert f"Run {parked} is over (succeeded), and nothing can be added to it." in said
    assert "captain run 'it'\"'\"'s not'" in said
