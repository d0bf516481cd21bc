"""A run whose process is interrupted, seen from outside: a real process, real signals, a real terminal."""

from __future__ import annotations

import json
import os
import secrets
import signal
import sqlite3
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest
from anyio import to_thread
from anyio.abc import Process

from captain.core.messages import ToolCall
from captain.models import call
from captain.testing import git
from tests.root import ALLOW_ROOT
from tests.voyages import CALC_FIXED, calc_repository, fingerprint, fix_task, fix_triage, plan, review, write
from tests.waiting import command_lines, runs, until

pytestmark = pytest.mark.slow


def script(path: Path, *replies: ToolCall | str) -> str:
    def line(reply: ToolCall | str) -> Any:
        if isinstance(reply, str):
            return reply
        return {"calls": [{"name": reply.name, "arguments": json.loads(reply.arguments)}]}

    path.write_text(json.dumps([line(reply) for reply in replies]))
    return f"scripted:{path}"


class Scene:
    """A repository, a state folder, and a run whose Build has edited a file and now waits in a command."""

    def __init__(self, folder: Path) -> None:
        self.repo = calc_repository(folder / "répo with spaces")
        self.state = folder / "state"
        self.long_s = f"600.{secrets.randbelow(10**9)}"  # to be told from every other command of the machine
        waiting = call("shell", command=f"sleep {self.long_s}; true", timeout_s=600)
        self.crew = [
            f"--captain={script(folder / 'captain.json', fix_triage(), plan(fix_task()))}",
            f"--build={script(folder / 'build.json', write('calc.py', CALC_FIXED), waiting)}",
            f"--review={script(folder / 'review.json', 'never asked')}",
        ]
        self.nothing = f"--captain={script(folder / 'nothing.json', 'x', 'x', 'x')}"

    def captain(self, *arguments: str) -> list[str]:
        root = ALLOW_ROOT if arguments[0] == "run" else []
        return [sys.executable, "-m", "captain", *arguments, *root, f"--state-dir={self.state}"]

    async def start(self) -> Process:
        """The process, once its Build waits in a command."""
        command = self.captain("run", "Mend it", f"--repo={self.repo}", "--plain", *self.crew)
        process = await anyio.open_process(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT)
        await until(self.waits)
        return process

    def waits(self) -> bool:
        """Whether the command runs, in whatever box it is."""
        return any(argv[:2] == [b"sleep", self.long_s.encode()] for argv in command_lines())

    def finish(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(self.captain(*arguments), capture_output=True, text=True, check=False, timeout=60)

    def refs(self, pattern: str) -> list[str]:
        return git(self.repo, "for-each-ref", "--format=%(refname)", pattern).split()


@pytest.fixture
def scene(tmp_path: Path) -> Scene:
    return Scene(tmp_path)


async def test_kill_9_leaves_nothing_to_clean_and_the_next_run_keeps_the_work(scene: Scene) -> None:
    before = fingerprint(scene.repo)
    async with await scene.start() as process:
        process.kill()
    await until(lambda: not scene.waits())
    listed = scene.finish("runs", "--all")
    assert "interrupted" in listed.stdout
    after = scene.finish("run", "Anything", f"--repo={scene.repo}", "--plain", scene.nothing)
    assert after.returncode == 1
    (salvaged,) = scene.refs("refs/captain/*/salvaged/**")
    assert salvaged in after.stdout
    assert git(scene.repo, "show", f"{salvaged}:calc.py") + "\n" == CALC_FIXED
    assert not [path for path in scene.state.glob("*/work/*/*") if path.is_dir()]
    assert fingerprint(scene.repo) == before


@pytest.mark.parametrize("stop", [signal.SIGINT, signal.SIGTERM])
async def test_a_signal_stops_every_command_and_the_report_names_what_is_kept(
    scene: Scene, stop: signal.Signals
) -> None:
    before = fingerprint(scene.repo)
    async with await scene.start() as process:
        process.send_signal(stop)
        assert process.stdout is not None
        output = b"".join([chunk async for chunk in process.stdout]).decode()
    assert process.returncode == 130
    assert not scene.waits()
    (kept,) = scene.refs("refs/captain/*/salvaged/**")
    assert kept in output
    (report,) = scene.state.glob("*/runs/*/report.md")
    assert kept in report.read_text()
    assert "cancelled" in report.read_text()
    assert git(scene.repo, "show", f"{kept}:calc.py") + "\n" == CALC_FIXED
    assert not [path for path in scene.state.glob("*/work/*/*") if path.is_dir()]
    assert fingerprint(scene.repo) == before


class Terminal:
    """A process at a terminal of its own, and all that it has written there."""

    def __init__(self, argv: list[str]) -> None:
        self._ours, theirs = os.openpty()
        self.process = subprocess.Popen(
            [sys.executable, "-c", AT_A_TERMINAL, *argv], stdin=theirs, stdout=theirs, stderr=theirs, close_fds=True
        )
        os.close(theirs)
        self.shown = ""

    def press(self, keys: bytes) -> None:
        os.write(self._ours, keys)

    async def shows(self, text: str) -> None:
        with anyio.fail_after(60):
            while text not in " ".join(self.shown.split()):
                assert await self._read(), f"it ended, and showed no {text!r}: {self.shown}"

    async def ends(self) -> int:
        with anyio.fail_after(60):
            while await self._read():
                pass
            return await to_thread.run_sync(self.process.wait)

    async def _read(self) -> bool:
        try:
            await anyio.wait_readable(self._ours)
            chunk = os.read(self._ours, 65536)
        except OSError:  # a terminal nobody has open any more
            chunk = b""
        self.shown += chunk.decode("utf-8", "replace")
        return bool(chunk)

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
            self.process.wait()
        os.close(self._ours)


AT_A_TERMINAL = """
import fcntl, os, sys, termios
os.setsid()
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
os.execv(sys.argv[1], sys.argv[1:])
"""


@contextmanager
def nothing_is_written(journal: Path) -> Iterator[None]:
    """Another process has the journal's write lock: a run that is stopped cannot end by itself meanwhile."""
    with closing(sqlite3.connect(journal, isolation_level=None, timeout=30)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield
        other.execute("ROLLBACK")


class Once(Scene):
    """Its Build waits in a command, until an object is in the repository."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self._go_on = folder / "go-on"
        self._go_on.write_text("go on\n")
        blob = git(self.repo, "hash-object", "--no-filters", str(self._go_on))
        waiting = call("shell", command=f"git cat-file -e {blob} || sleep {self.long_s}", timeout_s=600)
        self.crew = [
            f"--captain={script(folder / 'captain.json', fix_triage(), plan(fix_task()))}",
            f"--build={script(folder / 'build.json', write('calc.py', CALC_FIXED), waiting, 'Done.')}",
            f"--review={script(folder / 'review.json', *[review()] * 3)}",
        ]
        last = script(folder / "last.json", "Done.")
        self.rest = [self.crew[0], f"--build={last}", self.crew[2], *ALLOW_ROOT]

    async def at_a_terminal(self) -> Terminal:
        terminal = Terminal(self.captain("run", "Mend it", f"--repo={self.repo}", *self.crew))
        await until(self.waits)
        return terminal

    async def goes_on(self) -> None:
        git(self.repo, "hash-object", "-w", "--no-filters", str(self._go_on))
        (run,) = [folder.name for folder in self.state.glob("*/runs/*")] or [""]
        done = await to_thread.run_sync(lambda: self.finish("resume", run, "--plain", *self.rest))
        assert done.returncode == 0, done.stdout + done.stderr
        (result,) = self.refs("refs/heads/captain/*/result")
        assert git(self.repo, "show", f"{result}:calc.py") + "\n" == CALC_FIXED


@pytest.fixture
def once(tmp_path: Path) -> Once:
    return Once(tmp_path)


async def test_ctrl_c_at_a_terminal_ends_a_run_which_says_so_and_can_be_taken_up(once: Once) -> None:
    before = fingerprint(once.repo)
    with closing(await once.at_a_terminal()) as terminal:
        terminal.press(b"\x03")
        await terminal.shows("Stopping: what is finished is kept. Press Ctrl-C again to leave at once.")
        assert await terminal.ends() == 130
    assert "KeyboardInterrupt" not in terminal.shown
    assert "error of its own" not in terminal.shown
    assert "cancelled" in terminal.shown
    assert not once.waits()
    await once.goes_on()
    assert fingerprint(once.repo) == before


async def test_ctrl_c_twice_at_a_terminal_leaves_at_once_and_the_run_can_be_taken_up(once: Once) -> None:
    before = fingerprint(once.repo)
    with closing(await once.at_a_terminal()) as terminal:
        (journal,) = once.state.glob("*/journal.sqlite")
        with nothing_is_written(journal):
            terminal.press(b"\x03")
            await terminal.shows("Press Ctrl-C again to leave at once.")
            assert runs(terminal.process.pid)
            terminal.press(b"\x03")
            assert await terminal.ends() == 130
    assert "KeyboardInterrupt" not in terminal.shown
    assert "error of its own" not in terminal.shown
    await until(lambda: not once.waits())  # whoever started the command is gone, and it goes with them
    assert "interrupted" in once.finish("runs", "--all").stdout
    await once.goes_on()
    assert fingerprint(once.repo) == before
