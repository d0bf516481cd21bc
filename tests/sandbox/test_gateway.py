"""The only way out of a box with walls is the proxy, and only to granted hosts."""

from __future__ import annotations

from pathlib import Path

import pytest

from captain.core.policy import Network, Policy
from captain.sandbox import Sandbox, inspect_machine, sandboxes
from tests.root import IS_ROOT

_ASK = (
    "exec 3<>/dev/tcp/127.0.0.1/3128; printf 'CONNECT {host}:443 HTTP/1.1\\r\\nHost: {host}:443\\r\\n\\r\\n' >&3;"
    " head -1 <&3; exec 3>&-"
)


def _with_network() -> list[Sandbox]:
    return [one for one in sandboxes(inspect_machine(), allow_root=IS_ROOT) if "without" not in one.name]


@pytest.mark.slow  # the name that does not exist is looked up for real
@pytest.mark.parametrize("name", ["bubblewrap", "landlock"])
async def test_a_box_reaches_its_proxy_which_refuses_what_was_not_granted(name: str, tmp_path: Path) -> None:
    sandbox = next((one for one in _with_network() if one.name == name), None)
    if sandbox is None:
        pytest.skip(f"{name} with a network of its own does not work here")
    box = await sandbox.open(tmp_path, Policy(network=Network.hosts("granted.invalid")))
    try:
        refused = await box.run_shell(_ASK.format(host="other.invalid"), timeout_s=20)
        granted = await box.run_shell(_ASK.format(host="granted.invalid"), timeout_s=20)
        told = await box.run_shell("echo $HTTPS_PROXY; getent hosts granted.invalid || echo nothing", timeout_s=20)
    finally:
        await box.close()
    assert " 403 " in refused.text
    assert " 403 " not in granted.text
    assert " 5" in granted.text  # it was let through, and there is no such host in the world
    assert told.text.split() == ["http://127.0.0.1:3128", "nothing"]


@pytest.mark.parametrize("name", ["bubblewrap", "landlock"])
async def test_without_a_granted_host_nobody_listens(name: str, tmp_path: Path) -> None:
    sandbox = next((one for one in _with_network() if one.name == name), None)
    if sandbox is None:
        pytest.skip(f"{name} with a network of its own does not work here")
    box = await sandbox.open(tmp_path, Policy())
    try:
        result = await box.run_shell("(exec 3<>/dev/tcp/127.0.0.1/3128) 2>&1; echo $HTTPS_PROXY", timeout_s=20)
    finally:
        await box.close()
    assert "refused" in result.text
    assert "3128\n" not in result.text.partition("refused")[2]
