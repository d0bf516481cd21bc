"""What private copies cost on a repository of 10,000 files, beside what git itself takes.

    python benchmarks/workspaces.py [--files 10000] [--runs 5] [--walls bubblewrap|landlock] [--json]

`git worktree add` is the floor of what writes a checkout, `clone --shared` the plain way to a private copy. The
minimum of the runs, in milliseconds; load on the machine shows in the larger ones only.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from pathlib import Path

import anyio

from captain.sandbox import Box, Policy, Sandbox, bubblewrap, landlock
from captain.sandbox.place import Layers
from captain.sandbox.walled import WalledBox
from captain.sandbox.warden import kernel
from captain.workspace import Repository, Workspaces, quarantine
from captain.workspace.scripts import SNAPSHOT

ENV = {
    "PATH": os.environ.get("PATH", os.defpath),
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_CONFIG_NOSYSTEM": "1",
    **{f"GIT_{role}_{fact}": "bench" for role in ("AUTHOR", "COMMITTER") for fact in ("NAME", "EMAIL")},
}
TARGETS = {
    "private copy with its box, warm": 50.0,
    "eight at once, with their boxes": 500.0,
    "first command in a box": 40.0,
    "import of a result with the gate": 30.0,
    "persistent shell over plain bash": 1.0,
}


class Walled(Sandbox):
    isolated = True
    layers = True

    def __init__(self, name: str) -> None:
        self.name = name
        if name == "bubblewrap" and os.geteuid() == 0:
            self.owner = (bubblewrap.BOX_USER, bubblewrap.BOX_USER)

    async def open(self, place: Path | Layers, policy: Policy, /) -> Box:
        if self.name == "bubblewrap":
            program = shutil.which("bwrap") or "bwrap"
            return await WalledBox.open(bubblewrap.walls(Path(program), place, policy))
        return await WalledBox.open(landlock.walls(kernel.landlock_version(), place, policy, namespaces=True))


def git(root: Path, *args: str) -> None:
    subprocess.run(["git", "-c", "gc.auto=0", "-C", str(root), *args], check=True, env=ENV, stdout=subprocess.DEVNULL)


def generate(root: Path, files: int) -> None:
    """A hundred folders of files of 2 to 14 KB."""
    root.mkdir()
    for number in range(files):
        folder = root / f"package{number % 100}" / f"part{number % 7}"
        folder.mkdir(parents=True, exist_ok=True)
        line = f"def function_{number}(value): return value + {number}\n"
        (folder / f"module{number}.py").write_text(line * (40 + number % 250))
    git(root, "init", "-q", "-b", "main")
    git(root, "add", "-A")
    git(root, "commit", "-q", "-m", "first")
    git(root, "gc", "-q")


class Stopwatch:
    """Collects times by what was measured."""

    def __init__(self, runs: int) -> None:
        self.runs = runs
        self.ms: dict[str, list[float]] = {}

    def add(self, what: str, began_s: float) -> None:
        self.ms.setdefault(what, []).append((time.perf_counter() - began_s) * 1000)

    async def each(self, what: str, work: Callable[[], Awaitable[object]]) -> None:
        began_s = time.perf_counter()
        await work()
        self.add(what, began_s)


def plain_git(watch: Stopwatch, repo: Path, folder: Path) -> None:
    for number in range(watch.runs):
        began_s = time.perf_counter()
        git(repo, "worktree", "add", "-q", "--detach", str(folder / f"tree{number}"))
        watch.add("git worktree add (floor)", began_s)
        git(repo, "worktree", "remove", "--force", str(folder / f"tree{number}"))
        began_s = time.perf_counter()
        git(folder, "clone", "-q", "--shared", str(repo), str(folder / f"clone{number}"))
        watch.add("git clone --shared", began_s)
        shutil.rmtree(folder / f"clone{number}")


async def copies(watch: Stopwatch, repository: Repository, folder: Path, sandbox: Sandbox) -> None:
    for _ in range(watch.runs):
        workspaces = Workspaces(repository, folder, "bench", sandbox)
        for what in ("private copy with its box, cold", "private copy with its box, warm"):
            began_s = time.perf_counter()
            async with workspaces.open("T1", repository.head, scratch=True) as workspace:
                watch.add(what, began_s)
                await watch.each("first command in a box", lambda: workspace.box.run(("true",), timeout_s=60))
                await watch.each("git status in a box", lambda: workspace.box.run(("git", "status"), timeout_s=60))
                closing_s = time.perf_counter()
            watch.add("closing a copy", closing_s)
        began_s = time.perf_counter()
        async with AsyncExitStack() as stack:
            async with anyio.create_task_group() as tasks:
                for number in range(8):
                    opening = workspaces.open(f"E{number}", repository.head, scratch=True)
                    tasks.start_soon(stack.enter_async_context, opening)
            watch.add("eight at once, with their boxes", began_s)
        await workspaces.close()


async def shell(watch: Stopwatch, repository: Repository, folder: Path, sandbox: Sandbox) -> None:
    """Each command through the persistent shell, beside a bash that is written to and read from directly."""
    workspaces = Workspaces(repository, folder, "bench", sandbox)
    commands = 40 * watch.runs
    async with workspaces.open("T1", repository.head, scratch=True) as workspace:
        kept = await workspace.box.shell()
        await kept.run("true", timeout_s=60)
        for _ in range(commands):
            await watch.each("later command, persistent shell", lambda: kept.run("echo x", timeout_s=60))
    await workspaces.close()
    plain_bash(watch, commands)


def plain_bash(watch: Stopwatch, commands: int) -> None:
    with subprocess.Popen(["bash"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0) as bash:
        assert bash.stdin is not None
        assert bash.stdout is not None
        for _ in range(commands):
            began_s = time.perf_counter()
            bash.stdin.write(b"echo x\n")
            bash.stdout.read(2)
            watch.add("later command, plain bash", began_s)
        bash.stdin.close()


async def imports(watch: Stopwatch, repository: Repository, folder: Path, sandbox: Sandbox) -> None:
    workspaces = Workspaces(repository, folder, "bench", sandbox)
    async with workspaces.open("T1", repository.head, scratch=True) as workspace:
        for number in range(2 * watch.runs):
            for changed in range(5):
                path = f"package{changed}/part{changed}/module{changed}.py"
                await workspace.box.write(path, f"changed {number}\n".encode() * 50)
            await workspace.box.write(f"new/{number}.py", b"new\n")
            last = await repository.tree(workspace.head)
            argv = ("/bin/sh", "-c", SNAPSHOT, "captain", last)
            began_s = time.perf_counter()
            packed = await workspace.box.export(argv, timeout_s=60, limit_bytes=1 << 28)
            watch.add("  of that, in the box", began_s)
            tree, _, pack = packed.partition(b"\n")
            entered_s = time.perf_counter()
            await quarantine.import_tree(repository.git, repository.objects, pack, tree=tree.decode(), base=last)
            watch.add("  host: index-pack, diff and gate", entered_s)
            watch.add("import of a result with the gate", began_s)
            await watch.each("snapshot() as a whole", lambda: workspace.snapshot("Bench"))
            await watch.each("snapshot() of nothing new", lambda: workspace.snapshot("Bench"))
    await workspaces.close()


async def measure(watch: Stopwatch, files: int, walls: str) -> None:
    with tempfile.TemporaryDirectory(prefix="captain-bench-") as name:
        folder = Path(name)
        generate(folder / "repo", files)
        plain_git(watch, folder / "repo", folder)
        repository = await Repository.open(folder / "repo")
        sandbox = Walled(walls)
        for part in (copies, shell, imports):
            await part(watch, repository, folder / "copies", sandbox)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0] if __doc__ else "")
    parser.add_argument("--files", type=int, default=10_000)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--walls", choices=("bubblewrap", "landlock"), default="bubblewrap")
    parser.add_argument("--json", action="store_true", dest="as_json")
    asked = parser.parse_args()
    watch = Stopwatch(asked.runs)
    anyio.run(measure, watch, asked.files, asked.walls)
    least = {what: min(found) for what, found in watch.ms.items()}
    least["persistent shell over plain bash"] = (
        least["later command, persistent shell"] - least["later command, plain bash"]
    )
    if asked.as_json:
        rows = [
            {"what": what.strip(), "ms": round(ms, 3), "target_ms": TARGETS.get(what)} for what, ms in least.items()
        ]
        print(json.dumps({"files": asked.files, "walls": asked.walls, "runs": asked.runs, "rows": rows}, indent=2))
        return
    print(f"{asked.files} files, {asked.walls}, minimum of {asked.runs} runs or more")
    for what, ms in least.items():
        target = f"{TARGETS[what]:8.0f}" if what in TARGETS else ""
        print(f"{what:40} {ms:9.2f} ms {target}")


if __name__ == "__main__":
    main()
