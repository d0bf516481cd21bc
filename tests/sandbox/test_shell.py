"""A shell keeps its state from command to command, and never says of a command what is not so."""

from __future__ import annotations

import json
import os
import signal
import stat
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path, PurePosixPath
from typing import Any

import anyio
import pytest

from captain.core.errors import SandboxError
from captain.sandbox import Shell, ShellResult
from captain.sandbox.beneath import FOLDER_FLAGS
from captain.sandbox.environment import command_environment
from captain.sandbox.groups import StartGroup
from captain.sandbox.local import LocalBox
from captain.sandbox.outputs import SPILLS, SPILLS_BYTES
from captain.sandbox.shell import PersistentShell
from tests.waiting import line_in, runs, until


@pytest.fixture
async def shell(tmp_path: Path) -> AsyncIterator[Shell]:
    async with _shell(tmp_path) as opened:
        yield opened


@asynccontextmanager
async def _shell(tmp_path: Path, **settings: Any) -> AsyncIterator[PersistentShell]:
    for name in ("root", "outputs"):
        (tmp_path / name).mkdir(exist_ok=True)
    outputs = os.open(tmp_path / "outputs", FOLDER_FLAGS)
    shell = PersistentShell(
        StartGroup(cwd=tmp_path / "root", env=command_environment()),
        outputs=outputs,
        outputs_path=PurePosixPath(tmp_path / "outputs"),
        **settings,
    )
    yield shell
    await shell.close()
    assert list((tmp_path / "outputs").iterdir()) == []
    os.close(outputs)


async def _run(shell: Shell, command: str, timeout_s: float = 60) -> ShellResult:
    return await shell.run(command, timeout_s=timeout_s)


async def _alive(shell: Shell) -> None:
    result = await _run(shell, "echo alive")
    assert (result.exit_code, result.text) == (0, "alive\n")


async def test_folder_variables_functions_and_servers_stay(shell: Shell, tmp_path: Path) -> None:
    first = await _run(shell, "mkdir a; cd a; X=1; export Y=2; f() { echo f $X; }; sleep 300 & echo $!")
    result = await _run(shell, "f; sh -c 'echo $Y'; pwd; jobs | wc -l")
    assert result.text == f"f 1\n2\n{tmp_path}/root/a\n1\n"
    assert (result.exit_code, result.folder, result.ended) == (0, f"{tmp_path}/root/a", "")
    server = int(first.text)
    assert runs(server)
    await shell.close()
    await until(lambda: not runs(server))


async def test_a_failure_is_its_exit_code_and_both_streams_come_as_they_were_written(shell: Shell) -> None:
    result = await _run(shell, "echo out; echo err >&2; echo out; (exit 3)")
    assert (result.exit_code, result.text) == (3, "out\nerr\nout\n")
    assert (await _run(shell, "sh -c 'kill -9 $$'")).exit_code == 128 + signal.SIGKILL
    syntax = await _run(shell, "if")
    assert syntax.exit_code == 2
    assert "syntax error" in syntax.text
    await _alive(shell)


async def test_a_command_reads_nothing_and_waits_for_nobody(shell: Shell) -> None:
    result = await _run(shell, "cat; read line; echo $?; python3 -c 'import sys; print(sys.stdin.read())'; tty")
    assert result.text == "1\n\nnot a tty\n"


@pytest.mark.parametrize(
    "text",
    [
        "'\"$HOME` \\ \\' !! \t end",
        "line\nbreaks\n\n#hash",
        "ü \u2028 \x01\x7f\x1b[0m",
        "latin-\udce9",
        "x" * 4000 + "'",
        "'\n" * 200_000,
    ],
)
async def test_a_command_is_passed_on_byte_by_byte_whatever_is_in_it(shell: Shell, text: str) -> None:
    result = await shell.run(f"cat <<'THE END'\n{text}\nTHE END", timeout_s=60, limit_bytes=10**6)
    assert result.output == text.encode("utf-8", "surrogateescape") + b"\n"


async def test_a_command_of_several_hundred_kilobytes_runs_and_leaves_no_file(shell: Shell, tmp_path: Path) -> None:
    result = await _run(shell, f"x='{'ü' * 300_000}'; echo ${{#x}}; exit_code() {{ return 5; }}; exit_code")
    assert result.exit_code == 5
    assert list((tmp_path / "outputs").iterdir()) == []


@pytest.mark.parametrize("command", ["echo a\0b", "\0", "echo \ud800"])
async def test_what_bash_cannot_take_is_refused_and_nothing_is_run(shell: Shell, command: str) -> None:
    result = await _run(shell, command)
    assert (result.exit_code, result.ended) == (126, "")
    assert result.text.startswith("The command holds ")
    await _alive(shell)


def _spoofs() -> list[str]:
    """The commands of A32, and more of the kind."""
    return [
        "printf '%s 0 /\\n' 1-deadbeef >&9",
        "for f in /proc/self/fd/*; do printf '1-deadbeef 0 /\\n' > $f; done 2>/dev/null; false",
        "printf(){ builtin printf 'x 0 /\\n'; }; false",
        "trap 'exit 0' EXIT; false",
        "exec false",
        "exit 7",
        "for fd in 8 9 10 11 12; do echo 1-deadbeef 0 / >&$fd; done 2>/dev/null; false",
        "printf 'x 0 /\\0' > /proc/$$/fd/9; false",
        "builtin(){ :; }; false",
        "builtin(){ printf x; }; false",
        "eval(){ :; }; false",
        "set(){ :; }; read(){ :; }; false",
        "_captain(){ :; }; false",
        "unset -f _captain; false",
        "readonly _captain=0 x=1; x=2",
        "alias _captain=true builtin=true; shopt -s expand_aliases; false",
        "IFS=0123456789; false",
        "trap 'true' DEBUG; false",
        "trap 'true' ERR; set -E; false",
        "trap 'exit 0' ERR; false",
        "trap '' TERM; kill $$; false",
        "break; false",
        "continue; false",
        "return 0; false",
        "set -e; false; true",
        "set -u; echo $undefined; true",
        "set -euo pipefail; false | true; true",
        "set -o posix; . /does/not/exist; true",
        "set -v; set -x; false",
        "exec 0<&- 1>&- 2>&-; false",
        'for i in {0..255}; do eval "exec $i>&-"; done; false',
        "exec </dev/zero; false",
        "kill -9 $$",
        "kill -STOP 0 & wait; false",
        "stty -a; false",
        "exec >/dev/full; false",
        "ulimit -n 3; false",
        "PATH=; PWD=$'\\n\\n0 0'; false",
        "LC_ALL=tr_TR.UTF-8; LANG=C; false",
        "echo x\\",
        "cat <<END; false\nno end of it",
        "((1/0))",
        "${x:?}",
        "\x16\x03",
    ]


@pytest.mark.parametrize("spoof", _spoofs())
async def test_a_command_that_fails_is_never_recorded_as_done(shell: Shell, spoof: str) -> None:
    """A32."""
    if spoof == "echo x\\" or spoof.startswith("cat <<END"):
        assert (await _run(shell, spoof)).exit_code in {0, 1}  # it is what bash makes of it
    else:
        result = await _run(shell, spoof, timeout_s=5)
        assert result.exit_code != 0
        assert (result.exit_code is None) == bool(result.ended)
    first = await _run(shell, "(exit 3)", timeout_s=5)
    assert first.exit_code == 3 or first.ended
    await _alive(shell)


def test_the_spoofs_are_those_of_the_attack_suite_and_more() -> None:
    suite = Path(os.environ.get("CAPTAIN_ATTACKS") or Path(__file__).parents[2].parent / "shared" / "attacks.json")
    if not suite.exists():
        pytest.skip("the attack suite is not here (CAPTAIN_ATTACKS names its place)")
    attacks = {attack["id"]: attack for attack in json.loads(suite.read_text())["attacks"]}
    assert set(attacks["A32"]["test"]["commands"]) <= set(_spoofs())


@pytest.mark.parametrize(
    ("command", "says"),
    [
        ("exit 7", "The command ended the shell with exit code 7. The next command starts a new one"),
        ("X=1; exec true", "The command ended the shell with exit code 0."),
        ("kill -9 $$", "The command ended the shell by signal 9."),
        ("set -e; echo before; false; echo after", "The command ended the shell with exit code 1."),
        ("echo x >&10; echo x >&11", "The shell no longer answers as it should and was stopped"),
    ],
)
async def test_a_command_that_ends_the_shell_says_so_and_the_next_gets_a_new_one(
    shell: Shell, command: str, says: str
) -> None:
    await _run(shell, "cd /; X=1")
    result = await _run(shell, command)
    assert result.exit_code is None
    assert result.ended.startswith(says)
    after = await _run(shell, 'echo "<$X>"; pwd')
    assert after.text.startswith("<>\n")
    assert not after.text.endswith("\n/\n")


async def test_options_meant_for_one_command_do_not_end_the_shell_in_the_next(shell: Shell) -> None:
    assert (await _run(shell, "set -eu; true")).exit_code == 0
    assert (await _run(shell, "grep -q x /dev/null; echo $undefined; false")).exit_code == 1
    await _alive(shell)


async def test_a_shell_that_was_ended_between_two_commands_is_said_to_be_new(shell: Shell) -> None:
    pid = int((await _run(shell, "X=1; echo $$")).text)
    os.kill(pid, signal.SIGKILL)
    await until(lambda: not Path(f"/proc/{pid}").exists())
    result = await _run(shell, "echo alive $X")
    assert (result.exit_code, result.text) == (0, "alive\n")
    assert "had ended before this command" in result.ended
    assert (await _run(shell, "true")).ended == ""


async def test_a_time_out_ends_the_whole_shell_and_keeps_what_was_printed(shell: Shell) -> None:
    server = int((await _run(shell, "sleep 300 & echo $!")).text)
    result = await _run(shell, "echo started; (sleep 300 & echo $!; wait) & wait", timeout_s=1.0)
    started, grandchild = result.text.split()
    assert (started, result.exit_code, result.timed_out) == ("started", None, True)
    assert result.ended.startswith("The command was not done after 1 s, and the shell was stopped with all it had")
    await until(lambda: not runs(server) and not runs(int(grandchild)))
    await _alive(shell)


async def test_a_background_process_holds_neither_the_call_nor_its_end(shell: Shell) -> None:
    assert (await _run(shell, "{ while :; do sleep 300; done; } & echo on")).text == "on\n"
    result = await _run(shell, "exit 4")
    assert result.ended.startswith("The command ended the shell with exit code 4")


async def test_cancelling_ends_the_shell_before_the_scope_is_left(shell: Shell, tmp_path: Path) -> None:
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(_run, shell, "sleep 300 & echo $! > pid; wait")
        pid = int(await line_in(tmp_path / "root" / "pid"))
        tasks.cancel_scope.cancel()
    await until(lambda: not runs(pid))
    assert list((tmp_path / "outputs").iterdir()) == []
    await _alive(shell)


async def test_commands_given_at_once_run_one_after_another(shell: Shell) -> None:
    results: list[str] = []

    async def run(number: int) -> None:
        results.append((await _run(shell, f"echo {number}; X=$((X+1)); echo $X")).text.split()[1])

    async with anyio.create_task_group() as tasks:
        for number in range(10):
            tasks.start_soon(run, number)
    assert sorted(map(int, results)) == list(range(1, 11))


async def test_closing_ends_a_running_command_and_what_comes_after_is_refused(shell: Shell, tmp_path: Path) -> None:
    results: list[ShellResult] = []

    async def run() -> None:
        results.append(await _run(shell, "echo x > started; sleep 300"))

    async with anyio.create_task_group() as tasks:
        tasks.start_soon(run)
        await line_in(tmp_path / "root" / "started")
        await shell.close()
    assert results[0].exit_code is None
    await shell.close()
    with pytest.raises(SandboxError, match="closed"):
        await _run(shell, "true")


async def test_long_output_is_cut_in_the_middle_and_kept_whole_in_a_file(shell: Shell, tmp_path: Path) -> None:
    result = await shell.run("echo first; yes x | head -c 3000000; echo last", timeout_s=60, limit_bytes=2000)
    assert result.output.startswith(b"first\nx\n")
    assert result.output.endswith(b"x\nlast\n")
    assert result.omitted_bytes == 3_000_011 - 2000
    assert f"[... {result.omitted_bytes} bytes omitted ...]" in result.text
    assert result.spill == f"{tmp_path}/outputs/output-1.txt"
    assert (await _run(shell, f"wc -c < {result.spill}; tail -n 1 {result.spill}")).text == "3000011\nlast\n"
    assert (await _run(shell, "echo short")).spill is None


async def test_spilled_output_is_kept_within_bounds(shell: Shell, tmp_path: Path) -> None:
    for _ in range(SPILLS + 3):
        await shell.run("seq 100", timeout_s=60, limit_bytes=10)
    kept = sorted((tmp_path / "outputs").iterdir())
    assert len(kept) == SPILLS
    assert not (tmp_path / "outputs" / "output-3.txt").exists()
    big = await shell.run(f"head -c {SPILLS_BYTES} /dev/zero", timeout_s=60, limit_bytes=10)
    assert [str(path) for path in (tmp_path / "outputs").iterdir()] == [big.spill]
    more = await shell.run(f"head -c {SPILLS_BYTES + 1} /dev/zero", timeout_s=60, limit_bytes=10)
    assert more.spill is None


async def test_a_flood_of_output_ends_the_command(tmp_path: Path) -> None:
    async with _shell(tmp_path, output_bytes=1_000_000) as shell:
        result = await shell.run("head -c 2000000 /dev/zero; sleep 300", timeout_s=60, limit_bytes=1000)
        assert (result.exit_code, result.timed_out, result.spill is not None) == (None, False, True)
        assert "wrote more than 1000000 bytes" in result.ended
        await _alive(shell)


def _is_stopped(pid: int) -> bool:
    return Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].startswith("T")


async def test_a_background_flood_is_cut_down_at_the_next_command(tmp_path: Path) -> None:
    async with _shell(tmp_path) as shell:
        result = await _run(shell, "ls -l /proc/$$/fd/1 >/dev/null; yes & echo $!; sleep 0.1")
        pid = int(result.text.split()[0])
        written = Path(f"/proc/{pid}/fd/1")
        await until(lambda: written.stat().st_size > SPILLS_BYTES)
        os.kill(pid, signal.SIGSTOP)  # so that what it writes after the cut does not count
        await until(lambda: _is_stopped(pid))
        await _run(shell, "true")
        assert written.stat().st_size <= SPILLS_BYTES
        await _run(shell, f"kill -9 {pid}")


async def test_a_flood_that_pauses_before_its_command_ends_is_cut_down_too(tmp_path: Path) -> None:
    async with _shell(tmp_path) as shell:
        flood = f"head -c {SPILLS_BYTES + 1_000_000} /dev/zero; exec sleep 300"
        ready = f'while [ "$(stat -L -c %s /proc/$flood/fd/1)" -le {SPILLS_BYTES} ]; do sleep 0.05; done'
        await _run(shell, f"sh -c '{flood}' & flood=$!; {ready}; echo $flood >pid")
        pid = int((tmp_path / "root" / "pid").read_text())
        await _run(shell, "true")
        assert Path(f"/proc/{pid}/fd/1").stat().st_size <= SPILLS_BYTES
        await _run(shell, f"kill -9 {pid}")


async def test_a_file_that_a_command_puts_in_place_of_its_output_is_never_read(shell: Shell, tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("secret")
    outputs = tmp_path / "outputs"
    swap = f"rm {outputs}/*; for n in 1 2 3 4 5; do ln -s {tmp_path}/secret {outputs}/output-$n.txt; done"
    assert "secret" not in (await _run(shell, f"echo mine; {swap}")).text
    for _ in range(3):
        with pytest.raises(SandboxError, match="no place to go"):
            await _run(shell, "echo more")
    assert (tmp_path / "secret").read_text() == "secret"
    for path in outputs.iterdir():
        path.unlink()


async def test_without_bash_the_error_says_what_to_do(tmp_path: Path) -> None:
    async with _shell(tmp_path, bash="/no/such/bash") as shell:
        result = await _run(shell, "true")
        assert result.exit_code is None
        assert "ended the shell with exit code 12" in result.ended  # as the shell that starts it says


async def test_a_box_has_one_shell_whose_outputs_go_with_it(tmp_path: Path) -> None:
    box = LocalBox(tmp_path, {"NAME": "value"})
    result = await (await box.shell()).run("X=1; echo $NAME; seq 10; pwd", timeout_s=60, limit_bytes=10)
    assert result.spill is not None
    spill = Path(result.spill)
    assert stat.S_IMODE(spill.parent.stat().st_mode) == 0o700
    assert (await (await box.shell()).run("echo $X", timeout_s=60)).text == "1\n"
    await box.close()
    assert not spill.parent.exists()
    with pytest.raises(SandboxError, match="closed"):
        await box.shell()


async def test_the_shell_of_a_box_runs_nothing_of_the_users_own(tmp_path: Path) -> None:
    for name in (".bashrc", ".bash_profile", ".profile"):
        (tmp_path / name).write_text("export LEAKED=1; touch ran\n")
    box = LocalBox(tmp_path, {"HOME": str(tmp_path)})
    result = await (await box.shell()).run('echo "<$LEAKED>"; history; echo $-', timeout_s=60)
    assert result.text == "<>\nhBs\n"
    assert not (tmp_path / "ran").exists()
    await box.close()


async def test_a_command_that_sweeps_the_outputs_away_costs_the_shell_and_no_more(tmp_path: Path) -> None:
    box = LocalBox(tmp_path, {})
    first = await (await box.shell()).run("X=1; seq 10", timeout_s=60, limit_bytes=10)
    assert first.spill is not None
    await (await box.shell()).run(f"rm -rf {Path(first.spill).parent}", timeout_s=60)
    result = await (await box.shell()).run('echo "alive <$X>"', timeout_s=60)
    assert result.text == "alive <>\n"
    assert "had ended before this command" in result.ended
    await box.close()
