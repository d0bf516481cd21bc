"""What a run grants comes from its caller, never from the repository it works in."""

from __future__ import annotations

from pathlib import Path

import pytest

import captain
from captain.core import events as ev
from captain.core.errors import ToolError
from captain.core.policy import Network, Policy
from captain.models import ScriptedModel, ScriptedReply, call
from captain.tools import WORKING, Tool, ToolContext
from tests.voyages import UNCONFINED, calc_repository, crew, of, sail

ANSWER = [call("submit_triage", kind="answer", reason="a question", reply="yes")]
SETTINGS = '[permissions]\nallow = ["*"]\n[network]\nhosts = ["evil.example"]\n'


async def test_settings_of_a_repository_that_would_widen_the_policy_are_ignored_with_a_warning(tmp_path: Path) -> None:
    files = {
        "captain.toml": SETTINGS,
        ".captain/config.toml": "not TOML [",
        ".captain/settings.toml": "[crew]\ncaptain = 'x'\n",
        "pyproject.toml": "[project]\nname = 'x'\n[tool.captain]\nallow-host = ['evil.example']\n",
    }
    repo = calc_repository(tmp_path / "repo", files)

    _, events = await sail(repo, tmp_path / "state", crew(ANSWER))

    warned = [event.text for event in of(ev.Noticed, events) if "is ignored" in event.text]
    assert [text.partition(" in the repository sets ")[0] for text in warned] == ["captain.toml", "pyproject.toml"]
    assert "network, permissions" in warned[0]


async def test_the_policy_of_a_run_is_that_of_its_options(tmp_path: Path) -> None:
    policy = Policy(network=Network.hosts("docs.example.org"))
    repo = calc_repository(tmp_path / "repo", {"captain.toml": SETTINGS})
    options = captain.Options(policy=policy)
    carrier = captain.Captain(crew(ANSWER), state_dir=tmp_path / "state", sandbox=UNCONFINED, options=options)

    async with carrier.start("Is it so?", repo=repo) as run:
        await run.result()
        desk = run._voyage.desk

    assert desk.policy == policy
    assert not desk.can_ask


@pytest.mark.parametrize("tool", WORKING, ids=lambda tool: tool.spec.name)
async def test_no_tool_has_a_switch_for_the_sandbox(tool: Tool) -> None:
    with pytest.raises(ToolError, match="disable_sandbox"):
        await tool.call({"disable_sandbox": True}, ToolContext())


async def test_a_host_that_is_not_granted_is_refused_told_to_the_agent_and_stands_in_the_report(tmp_path: Path) -> None:
    model = ScriptedModel(
        [
            call("fetch", url="https://evil.example/?k=1"),
            ScriptedReply(calls=(ANSWER[0],), expects="Not permitted: to open evil.example:443"),
        ],
        id="captain-model",
    )
    options = captain.Options(policy=Policy(network=Network.hosts("docs.example.org")))
    carrier = captain.Captain(
        captain.Crew(captain=model), state_dir=tmp_path / "state", sandbox=UNCONFINED, options=options
    )

    outcome = await carrier.run("Is it so?", repo=calc_repository(tmp_path / "repo"))

    assert outcome.status == "answered"
    assert [decided.decision.effect for decided in outcome.view.permissions] == ["deny"]
    report = (outcome.folder / "report.md").read_text("utf-8")
    assert "## Permissions\n\n- **denied** to `open evil.example:443` for captain: " in report


async def test_agents_have_no_way_to_the_web_where_nothing_is_granted_and_nobody_can_be_asked(tmp_path: Path) -> None:
    model = ScriptedModel([ANSWER], id="captain-model")
    carrier = captain.Captain(captain.Crew(captain=model), state_dir=tmp_path / "state", sandbox=UNCONFINED)

    await carrier.run("Is it so?", repo=calc_repository(tmp_path / "repo"))

    assert "fetch" not in [spec.name for spec in model.requests[0].tools]
