"""What a triage has to hold before anything is run."""

from __future__ import annotations

from typing import Any

import pytest

from captain.core.tasks import Diagnosis, Location, Triage, TriageKind
from captain.orchestration.triage import triage_problems

FILES = ("src/a.py", "latin-\udce9.py")


def diagnosis(**more: Any) -> Diagnosis:
    fields: dict[str, Any] = {"cause": "It subtracts.", "locations": (Location(path="src/a.py", symbol="add"),)}
    return Diagnosis(id="D1", **{**fields, "reproduction": "false", **more})


def problems(kind: TriageKind, *diagnoses: Diagnosis, reply: str = "") -> tuple[str, ...]:
    triage = Triage(kind=kind, reason="r", reply=reply, diagnoses=diagnoses)
    return tuple(broken.how for broken in triage_problems(triage, FILES))


def test_a_bug_with_a_cause_a_place_and_a_reproduction_is_taken() -> None:
    assert problems("fix", diagnosis()) == ()
    assert problems("fix", diagnosis(reproduction=None, no_reproduction="a race on big machines only")) == ()
    assert problems("fix", diagnosis(locations=(Location(path="latin-\udce9.py"),))) == ()


def test_a_change_needs_no_diagnosis() -> None:
    assert problems("change") == ()


@pytest.mark.parametrize("kind", ["answer", "clarify", "decline"])
def test_a_triage_without_work_needs_words_for_the_user(kind: TriageKind) -> None:
    assert problems(kind, reply="Because.") == ()
    for nothing in ("", " \n"):
        assert problems(kind, reply=nothing) == (f"{kind!r} needs a `reply` for the user",)


@pytest.mark.parametrize(
    ("found", "says"),
    [
        ((), "'fix' needs a diagnosis of every bug"),
        ((diagnosis(cause=" "),), "D1 names no cause"),
        ((diagnosis(locations=()),), "D1 names no location"),
        ((diagnosis(locations=(Location(path="src/gone.py"),)),), "D1 points at 'src/gone.py', which is not in"),
        ((diagnosis(locations=(Location(path="/src/a.py"),)),), "D1 points at '/src/a.py', which is not in"),
        ((diagnosis(locations=(Location(path="src"),)),), "D1 points at 'src', which is not in"),
        ((diagnosis(reproduction=None),), "D1 needs a `reproduction`, or the reason in `no_reproduction`"),
        ((diagnosis(reproduction="", no_reproduction=""),), "D1 needs a `reproduction`"),
    ],
)
def test_a_diagnosis_that_is_not_whole_is_told_what_it_lacks(found: tuple[Diagnosis, ...], says: str) -> None:
    (problem,) = problems("fix", *found)
    assert problem.startswith(says)


def test_all_problems_of_all_diagnoses_are_told_at_once() -> None:
    assert len(problems("fix", diagnosis(cause="", locations=()), diagnosis(reproduction=None))) == 3
