"""A voyage in which a task below changes and one above conflicts with it, cut off after any commit of its journal.

`python -m tests.restack_crashes FOLDER 90` is one whose process is lost after its ninetieth commit, as in
`tests.crashes`.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

import captain
from captain.models import call
from captain.models.scripted import Scripted
from tests.crashes import play, scripted
from tests.orchestration.test_restacking import BUILDS, CANNOT, tasks
from tests.voyages import plan, review


def as_captain(_: str, turn: int) -> Scripted:
    return (call("submit_triage", kind="change", reason="something new is wanted"), plan(*tasks()))[turn]


def as_build(text: str, turn: int) -> Scripted:
    said: Scripted = next(replies[turn] for needle, replies in {**BUILDS, **CANNOT}.items() if needle in text)
    return said


def as_reviewer(_text: str, _turn: int) -> Scripted:
    return review()


def crew(calls: Path) -> captain.Crew:
    return captain.Crew(
        captain=scripted(calls, "captain", as_captain),
        build=scripted(calls, "build", as_build),
        review=[scripted(calls, "review", as_reviewer)],
    )


if __name__ == "__main__":
    sys.stdout.write(json.dumps(play(Path(sys.argv[1]), [int(loss) for loss in sys.argv[2:]], crew), indent=2))
