"""What a workspace may not hand back is told to the Build, once."""

from __future__ import annotations

from pathlib import Path

from captain.core import events as ev
from captain.models import ScriptedReply, call
from tests.voyages import CALC_FIXED, calc_repository, fix_crew, of, sail, write

LINK = call("shell", command="ln -s /etc/passwd passwords")


async def test_a_build_that_leaves_a_link_is_told_and_can_take_it_back(tmp_path: Path) -> None:
    repo = calc_repository(tmp_path / "repo")
    build = [
        (write("calc.py", CALC_FIXED), LINK),
        "Done.",
        ScriptedReply(calls=(call("shell", command="rm passwords"),), expects="passwords"),
        "Gone.",
    ]
    outcome, events = await sail(repo, tmp_path / "state", fix_crew(build=build))
    assert outcome.status == "succeeded"
    ended = [(event.agent, event.ending) for event in of(ev.AgentEnded, events) if event.agent.startswith("build")]
    assert ended == [("build-T1", "done"), ("build-T1-import", "done")]


async def test_a_build_that_insists_on_a_link_fails_its_task(tmp_path: Path) -> None:
    repo = calc_repository(tmp_path / "repo")
    build = [(write("calc.py", CALC_FIXED), LINK), "Done.", "I need it."]
    outcome, _ = await sail(repo, tmp_path / "state", fix_crew(build=build))
    assert outcome.status == "failed"
    assert "passwords" in outcome.summary
