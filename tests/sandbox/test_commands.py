"""What a command did is data, and nothing of it is left behind."""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import AsyncIterator
from pathlib import Path

import anyio
import pytest

from captain.core.errors import SandboxError, UsageError
from captain.sandbox import Box, Policy, Sandbox
from tests.waiting import line_in, runs, until


@pytest.fixture
async def box(tmp_path: Path) -> AsyncIterator[Box]:
    opened = await Sandbox.none().open(tmp_path, Policy())
    yield opened
    await opened.close()


async def test_a_command_runs_in_the_root_and_its_streams_interleave(box: Box, tmp_path: Path) -> None:
    result = await box.run_shell("pwd; echo one; echo two >&2; echo three; exit 3", timeout_s=20)
    assert result.text.splitlines() == [str(tmp_path), "one", "two", "three"]
    assert (result.exit_code, result.timed_out, result.omitted_bytes) == (3, False, 0)


async def test_stdin_is_what_was_given_and_otherwise_empty(box: Box) -> None:
    data = os.urandom(300_000)
    echoed = await box.run(["cat"], stdin=data, timeout_s=20)
    assert echoed.output == data
    assert (await box.run(["cat"], timeout_s=20)).output == b""


async def test_a_command_that_does_not_read_its_input_is_no_error(box: Box) -> None:
    result = await box.run(["true"], stdin=b"x" * 1_000_000, timeout_s=20)
    assert result.exit_code == 0


async def test_a_program_that_is_missing_or_not_executable_is_data(box: Box, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("hello")
    missing = await box.run(["no-such-program"], timeout_s=20)
    unusable = await box.run(["./notes.txt"], timeout_s=20)
    with_nul = await box.run(["echo", "a\0b"], timeout_s=20)
    assert (missing.exit_code, missing.text) == (127, "no-such-program: command not found\n")
    assert (unusable.exit_code, with_nul.exit_code) == (126, 126)


async def test_a_signal_shows_as_a_negative_exit_code(box: Box) -> None:
    result = await box.run_shell("kill -KILL $$", timeout_s=20)
    assert result.exit_code == -signal.SIGKILL


async def test_ten_megabytes_of_output_are_cut_in_the_middle(box: Box) -> None:
    command = "echo first; head -c 10000000 /dev/zero | tr '\\0' x; echo; echo last"
    result = await box.run_shell(command, timeout_s=60, limit_bytes=2000)
    assert result.output.startswith(b"first\nxxx")
    assert result.output.endswith(b"xxx\nlast\n")
    assert result.omitted_bytes == 10_000_000 + len("first\n\nlast\n") - 2000
    assert f"[... {result.omitted_bytes} bytes omitted ...]" in result.text
    assert len(result.output) < 2100


async def test_a_time_out_ends_grandchildren_and_keeps_what_was_printed(box: Box) -> None:
    result = await box.run_shell("echo started; (sleep 300 & echo $!; wait) & wait", timeout_s=1.0)
    started, grandchild = result.text.split()
    assert (started, result.exit_code, result.timed_out) == ("started", None, True)
    await until(lambda: not runs(int(grandchild)))


async def test_a_process_that_ignores_sigterm_is_killed(box: Box) -> None:
    code = "import signal, os, time; signal.signal(15, signal.SIG_IGN); print(os.getpid()); time.sleep(300)"
    result = await box.run([sys.executable, "-c", code], timeout_s=1.0)
    assert result.timed_out
    await until(lambda: not runs(int(result.text)))


async def test_a_process_may_tidy_up_on_sigterm(box: Box, tmp_path: Path) -> None:
    result = await box.run_shell("trap 'echo tidied > note; exit 0' TERM; echo ready; sleep 300 & wait", timeout_s=1.0)
    assert (result.exit_code, result.timed_out) == (None, True)
    assert (tmp_path / "note").read_text() == "tidied\n"


async def test_a_background_process_that_holds_the_pipe_does_not_hold_the_call(box: Box) -> None:
    result = await box.run_shell("sleep 300 & echo $!", timeout_s=60)
    assert result.exit_code == 0
    await until(lambda: not runs(int(result.text)))


async def test_cancelling_ends_the_command_before_the_scope_is_left(box: Box, tmp_path: Path) -> None:
    note = tmp_path / "pid"
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(lambda: box.run_shell("sleep 300 & echo $! > pid; wait", timeout_s=300))
        pid = int(await line_in(note))
        tasks.cancel_scope.cancel()
    await until(lambda: not runs(pid))


async def test_closing_the_box_ends_what_left_its_process_group(box: Box, tmp_path: Path) -> None:
    server = "setsid sh -c 'echo $$ > pid; exec sleep 300' >/dev/null 2>&1 &"
    await box.run_shell(f"{server} while ! [ -s pid ]; do :; done", timeout_s=60)
    pid = int((tmp_path / "pid").read_text())
    assert runs(pid)
    await box.close()
    await box.close()
    await until(lambda: not runs(pid))
    with pytest.raises(SandboxError, match="closed"):
        await box.run(["true"], timeout_s=20)


async def test_closing_the_box_ends_a_running_command(box: Box, tmp_path: Path) -> None:
    results = []

    async def run() -> None:
        results.append(await box.run_shell("echo x > started; sleep 300", timeout_s=300))

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(run)
        await line_in(tmp_path / "started")
        await box.close()
    assert results[0].exit_code == -signal.SIGKILL


async def test_export_gives_the_exact_stdout(box: Box) -> None:
    data = os.urandom(200_000)
    assert await box.export(["sh", "-c", "echo noise >&2; cat"], stdin=data, timeout_s=20, limit_bytes=200_000) == data


async def test_export_refuses_failure_time_out_and_too_much(box: Box) -> None:
    with pytest.raises(SandboxError, match=r"failed with exit code 2: oh no"):
        await box.export(["sh", "-c", "echo oh no >&2; exit 2"], timeout_s=20, limit_bytes=10)
    with pytest.raises(SandboxError, match=r"not done after 0.2 s"):
        await box.export(["sleep", "300"], timeout_s=0.2, limit_bytes=10)
    with pytest.raises(SandboxError, match="more than the 1000 bytes"):
        await box.export(["yes"], timeout_s=60, limit_bytes=1000)
    with pytest.raises(SandboxError, match="could not be started"):
        await box.export(["no-such-program"], timeout_s=20, limit_bytes=10)


async def test_a_box_whose_folder_is_gone_says_so(tmp_path: Path) -> None:
    root = tmp_path / "root"
    root.mkdir()
    box = await Sandbox.none().open(root, Policy())
    root.rmdir()
    with pytest.raises(SandboxError, match="is gone"):
        await box.run(["true"], timeout_s=20)
    await box.close()
    with pytest.raises(SandboxError, match="not a directory"):
        await Sandbox.none().open(root, Policy())


async def test_a_command_without_a_program_is_a_usage_error(box: Box) -> None:
    with pytest.raises(UsageError):
        await box.run([], timeout_s=1)


async def test_many_commands_run_at_once(box: Box) -> None:
    results: dict[int, str] = {}

    async def run(number: int) -> None:
        results[number] = (await box.run(["echo", str(number)], timeout_s=60)).text

    async with anyio.create_task_group() as tasks:
        for number in range(20):
            tasks.start_soon(run, number)
    assert results == {number: f"{number}\n" for number in range(20)}


def test_no_isolation_is_named_for_what_it_is() -> None:
    assert (Sandbox.none().name, Sandbox.none().isolated) == ("unsandboxed", False)
