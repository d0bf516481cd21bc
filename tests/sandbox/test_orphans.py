"""Nothing runs on after the host was killed, when no code of ours runs any more."""

from __future__ import annotations

import signal
import subprocess
import sys
from pathlib import Path

from tests.waiting import line_in, runs, until

HOST = """
import anyio, sys
from pathlib import Path
from captain.sandbox import Policy, Sandbox

async def main():
    box = await Sandbox.none().open(Path(sys.argv[1]), Policy())
    async with anyio.create_task_group() as tasks:
        for command in sys.argv[2:]:
            tasks.start_soon(lambda command=command: box.run_shell(command, timeout_s=600))

anyio.run(main)
"""

COMMANDS = (
    "echo $$ > first.pid; exec sleep 600",
    "sh -c 'echo $$ > second.pid; exec sleep 600' & wait",
    "setsid sh -c 'echo $$ > third.pid; exec sleep 600' & sleep 600",
)


async def test_killing_the_host_ends_every_command_of_its_boxes(tmp_path: Path) -> None:
    with subprocess.Popen([sys.executable, "-c", HOST, str(tmp_path), *COMMANDS]) as host:
        pids = [int(await line_in(tmp_path / f"{name}.pid")) for name in ("first", "second", "third")]
        assert all(runs(pid) for pid in pids)
        host.send_signal(signal.SIGKILL)
    await until(lambda: not any(runs(pid) for pid in pids))
