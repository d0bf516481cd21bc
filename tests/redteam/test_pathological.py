"""Commands that go wrong are stopped and told about, and the box goes on; nothing here is an attack."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest
from anyio import to_thread

from captain.sandbox import Box, Policy
from tests.redteam.attacks import LIMITS
from tests.redteam.backends import BACKENDS, NAIVE, missing, sandbox
from tests.waiting import command_lines, runs, until

SMALL = replace(LIMITS, processes=48, memory_bytes=512 * 1024**2, disk_bytes=60_000_000, file_bytes=32_000_000)
"""What a command may use in these tests. Without walls nothing holds them, so what would do harm is not run there."""

LIVES = "/bin/sh -c 'while :; do sleep 1; done'"


def _params() -> list[object]:
    """The strongest and none in every run of the tests; the others, which take as long, with the slow ones."""
    quick = ("bubblewrap", NAIVE)
    return [pytest.param(name, marks=[] if name in quick else pytest.mark.slow) for name in BACKENDS]


@pytest.fixture(params=_params())
async def box(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Box]:
    name = str(request.param)
    if reason := await to_thread.run_sync(missing, name):
        pytest.skip(f"{name} cannot be used here: {reason}")
    if name == NAIVE and "walls" in request.keywords:
        pytest.skip("without walls this would harm the machine")
    opened = await sandbox(name).open(tmp_path, Policy(limits=SMALL))
    yield opened
    await opened.close()


async def goes_on(box: Box) -> None:
    result = await box.run_shell("echo it goes on", timeout_s=60)
    assert (result.exit_code, result.text) == (0, "it goes on\n")


WALLS = pytest.mark.walls


@WALLS
async def test_a_fork_bomb_meets_the_limit_of_processes(box: Box) -> None:
    bomb = "bomb() { bomb | bomb & }; bomb 2>/dev/null; sleep 1; echo survived"
    result = await box.run_shell(bomb, timeout_s=20)
    assert result.exceeded in (None, "processes")
    await goes_on(box)


@WALLS
async def test_one_process_does_not_get_more_memory_than_all_may_have(box: Box) -> None:
    result = await box.run_shell("python3 -c 'print(len(bytearray(900_000_000)))'", timeout_s=30)
    assert "900000000" not in result.text
    assert result.exit_code != 0
    await goes_on(box)


@WALLS
async def test_many_processes_do_not_get_more_memory_than_all_may_have(box: Box) -> None:
    hog = "python3 -c 'x = bytearray(b\"x\") * 100_000_000; import time; time.sleep(60)'"
    result = await box.run_shell(f"for i in 1 2 3 4 5 6 7 8; do {hog} & done; wait", timeout_s=60)
    assert (result.exceeded, result.exit_code, result.timed_out) == ("memory", None, False)
    await goes_on(box)


@WALLS
async def test_a_full_disk_stops_the_command_and_can_be_cleared(box: Box, tmp_path: Path) -> None:
    fill = "i=0; while :; do i=$((i + 1)); head -c 5000000 /dev/zero > fill$i; sleep 0.05; done"
    result = await box.run_shell(fill, timeout_s=60)
    assert (result.exceeded, result.exit_code) == ("disk", None)
    assert sum(path.stat().st_size for path in tmp_path.glob("fill*")) < 200_000_000
    assert (await box.run_shell("rm fill*; ls", timeout_s=60)).text == ""
    await goes_on(box)


@WALLS
async def test_empty_files_count_too(box: Box) -> None:
    fill = "import os\nfor n in range(100_000): os.close(os.open(str(n), os.O_CREAT | os.O_WRONLY))\nprint('all')"
    result = await box.run(["python3", "-c", fill], timeout_s=60)
    assert result.exceeded == "disk"
    await goes_on(box)


async def test_a_flood_of_output_is_cut_in_the_middle_and_counted(box: Box) -> None:
    result = await box.run_shell("echo first; head -c 50000000 /dev/zero; echo; echo last", timeout_s=60)
    assert result.exit_code == 0
    assert result.output.startswith(b"first\n")
    assert result.output.endswith(b"\nlast\n")
    assert len(result.output) < 1_100_000
    assert result.omitted_bytes > 48_000_000
    await goes_on(box)


async def test_a_process_left_behind_does_not_keep_the_command_and_ends_with_the_box(box: Box, tmp_path: Path) -> None:
    left = f"(setsid {LIVES} & echo $! > pid) & while ! [ -s pid ]; do :; done; echo done"
    result = await box.run_shell(left, timeout_s=60)
    assert (result.exit_code, result.text, result.timed_out) == (0, "done\n", False)
    await goes_on(box)
    await box.close()


async def test_a_command_that_ignores_signals_is_ended_at_its_time_limit(box: Box) -> None:
    result = await box.run_shell(f"trap '' TERM INT HUP; {LIVES}", timeout_s=1)
    assert (result.timed_out, result.exit_code) == (True, None)
    await goes_on(box)


async def test_a_read_that_never_ends_is_ended_at_its_time_limit(box: Box) -> None:
    hang = "import socket; print('reads', flush=True); a, b = socket.socketpair(); a.recv(1)"
    result = await box.run(["python3", "-c", hang], timeout_s=2)
    assert (result.timed_out, result.text) == (True, "reads\n")
    await goes_on(box)


async def test_a_warden_that_is_killed_takes_its_commands_along(tmp_path: Path) -> None:
    from captain.core.errors import SandboxError
    from captain.sandbox.walled import WalledBox

    for name in BACKENDS:
        if name == NAIVE or (await to_thread.run_sync(missing, name)) != "":
            continue
        box = await sandbox(name).open(tmp_path, Policy(limits=SMALL))
        assert isinstance(box, WalledBox)
        long_s = f"300.{secrets.randbelow(10**9)}"  # to be told from every other command of the machine
        started = await box._start(own=False)(["sleep", long_s], stdin=0, stdout=1, stderr=2)
        box._link._process.kill()
        with pytest.raises(SandboxError, match="The box is gone"):
            await started.wait()
        with pytest.raises(SandboxError, match="The box is gone"):
            await box.run(["true"], timeout_s=20)
        await box.close()
        assert not runs(box._link._process.pid)
        await until(lambda: [b"sleep", long_s.encode(), b""] not in list(command_lines()))  # noqa: B023
