"""What a plan of 20 tasks costs on a repository of 10,000 files: its rules, and a workspace for each task.

    python benchmarks/planning.py [--files 10000] [--tasks 20] [--runs 3] [--walls bubblewrap|landlock|none] [--json]

CPU of this process and of every git it starts, in milliseconds; the minimum of the runs. What agents do is not in it.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import tempfile
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path

import anyio
from workspaces import Walled, generate

from captain.core.tasks import Check, Criterion, Plan, Scope, Task, Triage
from captain.orchestration.lookout import Lookout
from captain.orchestration.plan import plan_problems
from captain.orchestration.stack import Layer, Stack, restack_above
from captain.sandbox import Sandbox
from captain.workspace import Repository, Workspaces

TARGETS = {"planning and a workspace, per task": 1000.0}


def cpu_ms() -> float:
    """Of this process, and of the ended ones it has waited for."""
    used = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(one.ru_utime + one.ru_stime for one in used) * 1000


class Meter:
    """The least CPU of everything that was measured under one name."""

    def __init__(self) -> None:
        self.ms: dict[str, float] = {}

    def add(self, what: str, ms: float) -> None:
        self.ms[what] = min(ms, self.ms.get(what, ms))

    async def each(self, what: str, work: Callable[[], Awaitable[object]], times: int = 1) -> None:
        began_ms = cpu_ms()
        await work()
        self.add(what, (cpu_ms() - began_ms) / times)


def plan_of(files: tuple[str, ...], tasks: int) -> Plan:
    """Each task may change the modules of its share of the packages, and two of three stand on the one before."""
    packages = sorted({path.split("/")[0] for path in files if "/" in path})
    made = []
    for number in range(tasks):
        mine = packages[number::tasks] or [f"new{number}"]
        scope = Scope(paths=tuple(f"/{package}/**/*.py" for package in mine), forbid=("**/generated/**",))
        made.append(
            Task(
                id=f"T{number + 1}",
                title=f"Task {number + 1}",
                kind="change",
                brief="Change what is there.",
                scope=scope,
                criteria=(Criterion(id=f"T{number + 1}.1", text="it works", check="tests"),),
                checks=(Check(name="tests", command="true"),),
                depends_on=(f"T{number}",) if number % 3 else (),
            )
        )
    return Plan(summary="bench", tasks=tuple(made))


async def rules(meter: Meter, repository: Repository, tasks: int) -> Plan:
    files = await repository.files(repository.head)
    plan = plan_of(files, tasks)

    async def judged() -> None:
        problems = plan_problems(plan, Triage(kind="change", reason=""), files)
        assert not problems, problems

    await meter.each("rules of a plan, scopes against each other", judged)
    return plan


async def workspace_each(meter: Meter, repository: Repository, plan: Plan, folder: Path, sandbox: Sandbox) -> list[str]:
    """All open at once, as those of tasks at work are; in each a file is changed and handed back.

    They are removed together at the end. Where ext4 is to make files while others have just been removed, the kernel
    looks for an inode that was not in use a moment ago, which takes ten times as long as making the file.
    """
    workspaces = Workspaces(repository, folder, "bench", sandbox)
    heads: list[str] = []

    async def open_all() -> None:
        async with AsyncExitStack() as stack:
            for number, task in enumerate(plan.tasks):
                workspace = await stack.enter_async_context(workspaces.open(task.id, repository.head, scratch=True))
                await workspace.box.write(f"package{number}/part0/new{number}.py", b"new = 1\n" * 20)
                heads.append(await workspace.snapshot(task.title))
        await workspaces.close()

    await meter.each("a workspace with its snapshot, per task", open_all, len(plan.tasks))
    return heads


async def stacks(meter: Meter, repository: Repository, plan: Plan, heads: list[str]) -> None:
    lookout = Lookout()

    async def look_out() -> None:
        for task, head in zip(plan.tasks, heads, strict=True):
            await lookout.saw(repository, task.id, head)

    await meter.each("collisions with all other tasks, per task", look_out, len(heads))
    layers = [
        Layer(task=task.id, branch=task.id, head=head, start=repository.head, on=(repository.head,))
        for task, head in zip(plan.tasks, heads, strict=True)
    ]
    stack = Stack(base=heads[0], layers=tuple(layers[1:]))

    async def restacked() -> None:
        done = await restack_above(repository, stack)
        assert len(done.moves) == len(layers) - 1

    await meter.each("restacking a branch", restacked, len(layers) - 1)


async def measure(meter: Meter, asked: argparse.Namespace) -> None:
    with tempfile.TemporaryDirectory(prefix="captain-bench-") as name:
        folder = Path(name)
        generate(folder / "repo", asked.files)
        repository = await Repository.open(folder / "repo")
        sandbox = Sandbox.none() if asked.walls == "none" else Walled(asked.walls)
        for _ in range(asked.runs):
            plan = await rules(meter, repository, asked.tasks)
            heads = await workspace_each(meter, repository, plan, folder / "copies", sandbox)
            await stacks(meter, repository, plan, heads)
    rules_ms = meter.ms["rules of a plan, scopes against each other"] / asked.tasks
    meter.add("planning and a workspace, per task", rules_ms + meter.ms["a workspace with its snapshot, per task"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else "")
    parser.add_argument("--files", type=int, default=10_000)
    parser.add_argument("--tasks", type=int, default=20)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--walls", choices=("bubblewrap", "landlock", "none"), default="bubblewrap")
    parser.add_argument("--json", action="store_true", dest="as_json")
    asked = parser.parse_args()
    meter = Meter()
    anyio.run(measure, meter, asked)
    if asked.as_json:
        rows = [{"what": what, "cpu_ms": round(ms, 3), "target_ms": TARGETS.get(what)} for what, ms in meter.ms.items()]
        about = {"files": asked.files, "tasks": asked.tasks, "walls": asked.walls, "runs": asked.runs}
        print(json.dumps({**about, "cores": os.cpu_count(), "rows": rows}, indent=2))
        return
    print(f"{asked.files} files, {asked.tasks} tasks, {asked.walls}, CPU, minimum of {asked.runs} runs")
    for what, ms in meter.ms.items():
        target = f"{TARGETS[what]:8.0f}" if what in TARGETS else ""
        print(f"{what:46} {ms:9.2f} ms {target}")


if __name__ == "__main__":
    main()
