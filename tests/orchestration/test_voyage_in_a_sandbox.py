"""A whole run in every sandbox of this machine; what commands may do there is the red team's to try."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

import captain
from captain.core import events as ev
from captain.core.errors import SandboxUnavailableError, UsageError
from captain.core.policy import Guarantee
from captain.models import ScriptedModel, call
from captain.sandbox import Sandbox, detect, inspect_machine, sandboxes
from tests.root import IS_ROOT
from tests.voyages import calc_repository, fingerprint, fix_crew

NAMES = ("bubblewrap", "landlock", "landlock without namespaces")


def sandbox(name: str) -> Sandbox:
    found = {one.name: one for one in sandboxes(inspect_machine(), allow_root=IS_ROOT)}
    if name not in found:
        pytest.skip(f"{name} does not work here: {inspect_machine()}")
    return found[name]


@pytest.mark.parametrize("name", NAMES)
async def test_a_bug_is_mended_behind_walls_and_the_users_files_stay_as_they_are(name: str, tmp_path: Path) -> None:
    repo, state = calc_repository(tmp_path / "a repo"), tmp_path / "state"
    before = fingerprint(repo)

    async with captain.start("Mend it", repo=repo, crew=fix_crew(), state_dir=state, sandbox=sandbox(name)) as run:
        events = [recorded.event async for recorded in run.events()]
        outcome = await run.result()

    assert (outcome.status, outcome.view.sandbox, outcome.view.unsandboxed) == ("succeeded", name, False)
    assert any(isinstance(event, ev.ReproductionRan) and event.seen_to_fail for event in events)
    assert fingerprint(repo) == before
    assert [*state.glob("*/work/*")] == []


@pytest.mark.parametrize("name", NAMES)
async def test_a_build_sees_no_home_and_no_network_whatever_it_tries(name: str, tmp_path: Path) -> None:
    canary = Path.home() / f".captain-canary-{os.getpid()}"
    canary.write_text("canary-in-the-home")
    tries = f"cat {canary}; (exec 3<>/dev/tcp/127.0.0.1/22) && echo REACHED; echo pwned > {tmp_path}/pwned; echo tried"
    crew = captain.Crew(
        captain=ScriptedModel(
            [call("shell", command=tries), call("submit_triage", kind="answer", reason="Tried.", reply="Tried.")]
        )
    )
    try:
        outcome = await captain.run(
            "Try",
            repo=calc_repository(tmp_path / "repo"),
            crew=crew,
            state_dir=tmp_path / "state",
            sandbox=sandbox(name),
        )
    finally:
        canary.unlink()

    record = b"".join(path.read_bytes() for path in (tmp_path / "state").rglob("*") if path.is_file())
    assert outcome.status == "answered"
    assert b"tried" in record
    assert b"canary-in-the-home" not in record
    assert b"REACHED\\n" not in record
    assert not (tmp_path / "pwned").exists()


def test_what_cannot_be_had_is_named_with_how_to_get_it() -> None:
    class Never(str):
        """A guarantee that no sandbox gives."""

    with pytest.raises(SandboxUnavailableError, match="no such thing") as raised:
        detect({*Guarantee, Never("no such thing")}, allow_root=IS_ROOT)  # type: ignore[arg-type]
    assert raised.value.missing == ("no such thing",)
    assert "bubblewrap" in raised.value.hint


@pytest.mark.skipif(not IS_ROOT, reason="only root can be refused for being root")
async def test_root_is_refused_unless_it_is_allowed(tmp_path: Path) -> None:
    repo = calc_repository(tmp_path / "repo")
    options = captain.Options(allow_root=False)
    with pytest.raises(UsageError, match="started as root") as raised:
        await captain.run("x", repo=repo, crew=fix_crew(), state_dir=tmp_path / "state", options=options)
    assert "--allow-root" in raised.value.hint
    assert not (tmp_path / "state").exists()
