"""A run whose process is interrupted, seen from outside: a real process, real signals."""

from __future__ import annotations

import json
import secrets
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import anyio
import pytest
from anyio.abc import Process

from captain.core.messages import ToolCall
from captain.models import call
from captain.testing import git
from tests.root import ALLOW_ROOT
from tests.voyages import CALC_FIXED, calc_repository, fingerprint, fix_task, fix_triage, plan, write
from tests.waiting import command_lines, until

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
