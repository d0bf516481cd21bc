"""Commands see a short list of the host's variables."""

from __future__ import annotations

from pathlib import Path

import pytest

from captain.sandbox import Policy, Sandbox


async def environment_of(root: Path, sandbox: Sandbox, policy: Policy) -> dict[str, str]:
    box = await sandbox.open(root, policy)
    try:
        output = await box.export(["env", "-0"], timeout_s=20, limit_bytes=100_000)
    finally:
        await box.close()
    pairs = (entry.partition("=") for entry in output.decode().split("\0") if entry)
    return {name: value for name, _, value in pairs}


async def test_secrets_of_the_host_do_not_reach_commands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("OPENAI_API_KEY", "GH_TOKEN", "MY_SECRET", "AWS_PROFILE", "LD_PRELOAD", "GIT_DIR", "SSH_AUTH_SOCK"):
        monkeypatch.setenv(name, "")
    monkeypatch.setenv("LC_TIME", "C")
    seen = await environment_of(tmp_path, Sandbox.none(), Policy())
    unexpected = {name for name in seen if name.endswith(("_KEY", "_TOKEN", "_SECRET", "_PROFILE", "_SOCK"))}
    assert not unexpected
    assert not {"LD_PRELOAD", "GIT_DIR"} & seen.keys()
    assert {"PATH", "LC_TIME", "CAPTAIN_BOX"} <= seen.keys()


async def test_commands_cannot_wait_for_a_person_or_read_the_users_git_settings(tmp_path: Path) -> None:
    seen = await environment_of(tmp_path, Sandbox.none(), Policy())
    assert (seen["GIT_TERMINAL_PROMPT"], seen["GIT_PAGER"], seen["GIT_EDITOR"]) == ("0", "cat", "true")
    assert (seen["GIT_CONFIG_GLOBAL"], seen["GIT_CONFIG_NOSYSTEM"]) == ("/dev/null", "1")


async def test_the_policy_adds_to_what_the_sandbox_adds_and_wins(tmp_path: Path) -> None:
    sandbox = Sandbox.none(env={"ONE": "sandbox", "TWO": "sandbox"})
    seen = await environment_of(tmp_path, sandbox, Policy(env={"TWO": "policy", "CAPTAIN_BOX": "mine"}))
    assert (seen["ONE"], seen["TWO"]) == ("sandbox", "policy")
    assert seen["CAPTAIN_BOX"] != "mine"
