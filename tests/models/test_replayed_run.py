"""A whole run, recorded around everything else, and sailed again from the recording."""

from __future__ import annotations

import re
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

import captain
from captain.core import events as ev
from captain.models import Model, Profile, Recording, ScriptedModel, ScriptedReply, outfit
from captain.testing import FakeClock
from tests.models.acting import busy
from tests.voyages import (
    CALC_FIXED,
    calc_repository,
    finding,
    fix_task,
    fix_triage,
    of,
    opinion,
    plan,
    review,
    sail,
    write,
)

PRICED = Profile(family="gpt-4.1", pricing=("openai", "gpt-4.1"), edit_dialect="patch")
HICCUP = ScriptedReply(error=busy(0))


def recorded(folder: Path, id_: str, *script: Any) -> Model:
    """Fails once before its first answer."""
    inner = ScriptedModel([HICCUP, *script], id=id_, profile=PRICED)
    return Recording(outfit(inner, clock=FakeClock()), folder)


def timeless(event: Any, run: str) -> Any:
    """Without what differs between two runs: names and places, commits made at other times, the clock's readings."""
    if is_dataclass(event):
        own = {"repository", "base", "commit", "duration_s", "first_event_s"}
        names = [field.name for field in fields(event) if field.name not in own]
        return (type(event).__name__, {name: timeless(getattr(event, name), run) for name in names})
    if isinstance(event, tuple):
        return [timeless(item, run) for item in event]
    return re.sub(r"\b[0-9a-f]{12,40}\b", "ID", event.replace(run, "RUN")) if isinstance(event, str) else event


async def test_a_run_sailed_again_from_its_recording_is_the_same_run(tmp_path: Path) -> None:
    tape = tmp_path / "tape"
    crew = captain.Crew(
        captain=recorded(tape, "captain-model", fix_triage(), plan(fix_task())),
        build=recorded(
            tape,
            "build-model",
            write("calc.py", CALC_FIXED),
            "Done.",
            write("calc.py", CALC_FIXED + "# v2\n"),
            "Mended.",
        ),
        review=[recorded(tape, "review-model", review(finding()), opinion(), opinion(), opinion(), review(), review())],
    )
    outcome, events = await sail(calc_repository(tmp_path / "one"), tmp_path / "state-one", crew)
    assert outcome.succeeded

    again = captain.Crew(
        captain=f"replay:{tape}#captain-model",
        build=f"replay:{tape}#build-model",
        review=[f"replay:{tape}#review-model"],
    )
    same, events_again = await sail(calc_repository(tmp_path / "two"), tmp_path / "state-two", again)

    assert [timeless(event, same.run) for event in events_again] == [timeless(event, outcome.run) for event in events]
    calls = of(ev.ModelCalled, events_again)
    assert len(calls) == 12
    assert all(call.cost_usd is not None and call.cost_usd > 0 for call in calls)
