"""What the journal costs: CPU per step, a thousand runs at once, the way back after `kill -9`, and growth.

    python benchmarks/durability.py [--runs 5] [--json]

The minimum of the runs. Steps give 4 KB; each is on a disk of this machine, with an fsync per commit.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import closing
from functools import partial
from pathlib import Path

import anyio

from captain.agent import Agent, Crewmate
from captain.core.clock import SystemClock
from captain.core.messages import Text
from captain.models import ScriptedModel, ScriptedReply, call
from captain.runs import RunJournal, SqliteStore
from captain.tools import ToolOutput, tool

FLOOR = "floor: two bare transactions per step, CPU ms"
"""What SQLite itself takes for the same bytes: a step is committed before it begins and when it ends."""

TARGETS = {
    "CPU per step of 4 KB, ms": 0.5,
    "1,000 runs x 5 steps, s": 1.5,
    "1,000 runs x 5 steps, MB": 60.0,
    "first new step after kill -9 of 200 steps, s": 0.5,
    "bytes on disk per byte of new content": 1.3,
    "added to an agent's turn per step, ms": 1.0,
}
CONTENT = "".join(chr(97 + n * n % 26) for n in range(4096))


async def give(number: int) -> str:
    return f"{number:8}{CONTENT[8:]}"


async def steps(path: Path, run: str, count: int) -> None:
    store = await SqliteStore.open(path, run)
    journal = await RunJournal.open(store, SystemClock())
    for number in range(count):
        await journal.step(f"s/{number}", partial(give, number), inputs={"n": number}, gives=str, effect="call")
    await journal.aclose()


async def many(path: Path) -> None:
    async with anyio.create_task_group() as group:
        for number in range(1000):
            group.start_soon(steps, path, f"run-{number}", 5)


def cpu_ms_per_step(folder: Path) -> float:
    began_s = time.process_time()
    anyio.run(steps, folder / "journal.sqlite", "r", 400)
    return (time.process_time() - began_s) * 1000 / 400


def floor_cpu_ms(folder: Path) -> float:
    with closing(sqlite3.connect(folder / "bare.sqlite", isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode=WAL")
        connection.execute("PRAGMA synchronous=FULL")
        connection.execute("CREATE TABLE entries (key TEXT, body TEXT)")
        began_s = time.process_time()
        for number in range(400):
            for body in ("begun", CONTENT):
                connection.execute("BEGIN IMMEDIATE")
                connection.execute("INSERT INTO entries VALUES (?, ?)", (f"s/{number}", body))
                connection.execute("COMMIT")
        return (time.process_time() - began_s) * 1000 / 400


def size_bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def growth(folder: Path) -> float:
    path = folder / "journal.sqlite"
    anyio.run(steps, path, "first", 400)
    before = size_bytes(folder)
    anyio.run(steps, path, "second", 1600)
    return (size_bytes(folder) - before) / (1600 * len(CONTENT))


def thousand(folder: Path) -> tuple[float, float]:
    """Seconds and megabytes, in a process of its own: its peak of memory beside that before it began."""
    program = (
        "import sys, time, anyio, pathlib; sys.path.insert(0, sys.argv[1]); import durability as d;"
        "anyio.run(d.steps, pathlib.Path(sys.argv[2]), 'warm', 5); before = d.peak_mb(); began = time.perf_counter();"
        "anyio.run(d.many, pathlib.Path(sys.argv[2])); print(time.perf_counter() - began, d.peak_mb() - before)"
    )
    argv = [sys.executable, "-c", program, str(Path(__file__).parent), str(folder / "journal.sqlite")]
    took_s, peak_mb = subprocess.run(argv, check=True, capture_output=True, text=True).stdout.split()
    return float(took_s), float(peak_mb)


def peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


async def until_killed(path: Path) -> None:
    store = await SqliteStore.open(path, "r")
    journal = await RunJournal.open(store, SystemClock())
    for number in range(200):
        await journal.step(f"s/{number}", partial(give, number), inputs={"n": number}, gives=str, effect="call")
    print("done", flush=True)
    await anyio.sleep_forever()


def recovery_s(folder: Path) -> float:
    """From the start of the new process, imports and the replay of all steps included."""
    here, path = str(Path(__file__).parent), str(folder / "journal.sqlite")
    head = "import sys, anyio, pathlib; sys.path.insert(0, sys.argv[1]); "
    program = head + "import durability as d; anyio.run(d.until_killed, pathlib.Path(sys.argv[2]))"
    with subprocess.Popen([sys.executable, "-c", program, here, path], stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout is not None
        assert writer.stdout.readline() == "done\n"
        os.kill(writer.pid, signal.SIGKILL)
    again = head + (
        "from functools import partial; from captain.core.clock import SystemClock;"
        "from captain.runs import RunJournal, SqliteStore\n"
        "async def give(n): return 'new'\n"
        "async def main():\n"
        "    journal = await RunJournal.open(await SqliteStore.open(pathlib.Path(sys.argv[2]), 'r'), SystemClock())\n"
        "    for n in range(201):\n"
        "        last = await journal.step(f's/{n}', partial(give, n), inputs={'n': n}, gives=str, effect='call')\n"
        "    assert last == 'new'\n"
        "    await journal.aclose()\n"
        "anyio.run(main)"
    )
    began_s = time.perf_counter()
    subprocess.run([sys.executable, "-c", again, here, path], check=True)
    return time.perf_counter() - began_s


@tool()
async def look(number: int) -> ToolOutput:
    """Looks."""
    return ToolOutput(content=(Text(text=f"{number}{CONTENT}"),))


async def turns(path: Path | None, count: int) -> float:
    """Milliseconds per turn of an agent; a turn has two steps and two events."""
    model = ScriptedModel([*(ScriptedReply(calls=(call("look", number=n),)) for n in range(count)), "Done."])
    store = None if path is None else await SqliteStore.open(path, "r")
    journal = None if store is None else await RunJournal.open(store, SystemClock())
    agent = Agent(mate=Crewmate(model=model, journal=journal), instructions="Look.", tools=(look,))
    began_s = time.perf_counter()
    await agent.run("Look.")
    took_s = time.perf_counter() - began_s
    if journal is not None:
        await journal.aclose()
    return took_s * 1000 / count


def added_ms(folder: Path) -> float:
    plain = min(anyio.run(turns, None, 40) for _ in range(3))
    return (anyio.run(turns, folder / "journal.sqlite", 40) - plain) / 2


def measure(runs: int) -> dict[str, float]:
    found: dict[str, list[float]] = {}

    def add(what: str, value: float) -> None:
        found.setdefault(what, []).append(value)

    singles: dict[str, Callable[[Path], float]] = {
        "CPU per step of 4 KB, ms": cpu_ms_per_step,
        "first new step after kill -9 of 200 steps, s": recovery_s,
        "bytes on disk per byte of new content": growth,
        "added to an agent's turn per step, ms": added_ms,
        FLOOR: floor_cpu_ms,
    }
    for _ in range(runs):
        for what, work in singles.items():
            with tempfile.TemporaryDirectory(prefix="captain-bench-") as name:
                add(what, work(Path(name)))
        with tempfile.TemporaryDirectory(prefix="captain-bench-") as name:
            took_s, used_mb = thousand(Path(name))
        add("1,000 runs x 5 steps, s", took_s)
        add("1,000 runs x 5 steps, MB", used_mb)
    return {what: min(values) for what, values in found.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else "")
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--json", action="store_true", dest="as_json")
    asked = parser.parse_args()
    least = measure(asked.runs)
    if asked.as_json:
        rows = [{"what": what, "least": round(value, 4), "target": TARGETS.get(what)} for what, value in least.items()]
        print(json.dumps({"runs": asked.runs, "rows": rows}, indent=2))
        return
    for what, value in least.items():
        target = f"{TARGETS[what]:9.1f}" if what in TARGETS else ""
        print(f"{what:46} {value:9.3f} {target}".rstrip())


if __name__ == "__main__":
    main()
