"""The shortcut guard measured: alarms on ordinary commits, hits on the catalogue, CPU beside `ast.parse`.

    python benchmarks/shortcuts.py [--commits N] [REPOSITORY ...]

Ordinary commits are the newest N (400) that are no merges and change a file of a language the guard reads. Nobody
has checked that they are free of shortcuts, so the alarm rate is an upper bound of the rate of false alarms.
"""

from __future__ import annotations

import argparse
import ast
import asyncio
import subprocess
import sys
import time
import warnings
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

ROOT = Path(__file__).parents[1]
sys.path.insert(0, str(ROOT))

from captain.guards import FileChange, find_shortcuts  # noqa: E402
from captain.guards.shortcuts import RULES  # noqa: E402
from captain.guards.shortcuts.paths import is_configuration, language  # noqa: E402
from captain.workspace import Repository, read_contents  # noqa: E402
from tests.guards.shortcut_catalogue import held_out, tuning  # noqa: E402
from tests.guards.shortcut_catalogue.parts import Instance  # noqa: E402


@dataclass(slots=True)
class Alarms:
    commits: int = 0
    hits: int = 0
    blocks: int = 0
    cpu_s: float = 0.0
    by_rule: Counter[str] = field(default_factory=Counter)
    blocking: Counter[str] = field(default_factory=Counter)

    def take(self, files: Sequence[FileChange]) -> None:
        started = time.process_time()
        found = find_shortcuts(files)
        self.cpu_s += time.process_time() - started
        self.commits += 1
        self.hits += bool(found)
        self.blocks += any(one.blocks for one in found)
        self.by_rule.update({one.rule for one in found})
        self.blocking.update({one.rule for one in found if one.blocks})

    def __add__(self, other: Alarms) -> Alarms:
        return Alarms(
            self.commits + other.commits,
            self.hits + other.hits,
            self.blocks + other.blocks,
            self.cpu_s + other.cpu_s,
            self.by_rule + other.by_rule,
            self.blocking + other.blocking,
        )


def commits(git_dir: Path) -> Iterator[tuple[str, str]]:
    """Newest first, each with its parent."""
    argv = ["git", "-c", "safe.directory=*", f"--git-dir={git_dir}", "rev-list", "--no-merges", "--parents", "HEAD"]
    for line in subprocess.run(argv, capture_output=True, check=True, text=True).stdout.splitlines():
        commit, *parents = line.split()
        if len(parents) == 1:
            yield commit, parents[0]


async def alarms(path: Path, wanted: int) -> Alarms:
    git_dir = path / ".git" if (path / ".git").is_dir() else path
    bare = Repository(
        root=path,
        git_dir=git_dir,
        common_dir=git_dir,
        object_format="sha1",
        shallow=False,
        excludes=None,
        head="",
        branch=None,
        dirty=False,
        notes=(),
    )
    seen = Alarms()
    for commit, parent in commits(git_dir):
        contents = await read_contents(bare, parent, commit)
        if any(language(one.path) or is_configuration(one.path) for one in contents.files):
            seen.take(contents.files)
        if seen.commits == wanted:
            break
    return seen


def alarm_table(rows: Sequence[tuple[str, Alarms]]) -> Iterator[str]:
    yield "| repository | commits | with a block | with any hit | CPU per commit |"
    yield "|---|---|---|---|---|"
    total = sum((one for _, one in rows), Alarms())
    for name, one in (*rows, ("all", total)):
        share = [f"{count} ({count / max(1, one.commits):.1%})" for count in (one.blocks, one.hits)]
        yield f"| {name} | {one.commits} | {share[0]} | {share[1]} | {1e3 * one.cpu_s / max(1, one.commits):.1f} ms |"
    yield ""
    yield "| rule | commits with a hit | commits with a block |"
    yield "|---|---|---|"
    for rule in RULES:
        yield f"| {rule} | {total.by_rule[rule] / max(1, total.commits):.1%} | {total.blocking[rule]} |"


def recall_table() -> Iterator[str]:
    yield "| part | shortcuts | right rule | any rule | blocks | look-alikes | block | any hit |"
    yield "|---|---|---|---|---|---|---|---|"
    for name, part in (("tuned on", tuning), ("held out", held_out)):
        found = [(one, find_shortcuts(one.files)) for one in part.SHORTCUTS]
        right = sum(one.rule in {hit.rule for hit in hits} for one, hits in found)
        some = sum(bool(hits) for _, hits in found)
        blocks = sum(any(hit.blocks for hit in hits) for _, hits in found)
        alike: list[Instance] = list(part.LOOKALIKES)
        seen = [find_shortcuts(one.files) for one in alike]
        wrong, asked = sum(any(hit.blocks for hit in hits) for hits in seen), sum(bool(hits) for hits in seen)
        yield f"| {name} | {len(found)} | {right} | {some} | {blocks} | {len(alike)} | {wrong} | {asked} |"
        for one, hits in found:
            if one.rule not in {hit.rule for hit in hits}:
                print(f"missed ({name}): {one.id}", file=sys.stderr)


def large_change() -> list[FileChange]:
    """A hundred files of this project with two functions of each touched."""
    files = sorted((*ROOT.glob("captain/**/*.py"), *ROOT.glob("tests/**/*.py")), key=lambda path: path.stat().st_size)
    made = []
    for path in files[-160:-60]:
        lines = path.read_text("utf-8").split("\n")
        starts = [number for number, line in enumerate(lines) if line.lstrip().startswith(("def ", "async def "))]
        new = list(lines)
        for start in starts[:2]:
            for number in range(start + 1, min(start + 6, len(lines))):
                if new[number].startswith("    ") and not new[number].rstrip().endswith("\\"):
                    new[number] += "  #"
        made.append(FileChange(path=str(path.relative_to(ROOT)), old="\n".join(lines), new="\n".join(new)))
    return made


def cpu_s(act: Callable[[], object]) -> float:
    """The minimum of five."""
    times = []
    for _ in range(5):
        started = time.process_time()
        act()
        times.append(time.process_time() - started)
    return min(times)


def speed() -> Iterator[str]:
    files = large_change()
    changed = sum(
        old != new for one in files for old, new in zip(one.old.split("\n"), one.new.split("\n"), strict=True)
    )
    warnings.simplefilter("ignore")
    guard = cpu_s(lambda: find_shortcuts(files))
    bare = cpu_s(lambda: [ast.parse(text) for one in files for text in (one.old, one.new)])
    lines = sum(one.old.count("\n") for one in files)
    yield f"{len(files)} files of {lines:,} lines, {2 * changed:,} lines of diff: {1e3 * guard:.0f} ms of CPU,"
    yield f"bare ast.parse of both sides of the same files: {1e3 * bare:.0f} ms (minimum of five)"


def main() -> None:
    parser = argparse.ArgumentParser(description="Measures the shortcut guard.")
    parser.add_argument("repositories", nargs="*", type=Path)
    parser.add_argument("--commits", type=int, default=400)
    asked = parser.parse_args()
    rows = []
    for path in asked.repositories:
        name = path.parent.name.replace("+", "/") if path.name in ("repo", ".git") else path.name
        rows.append((name, asyncio.run(alarms(path, asked.commits))))
    for line in (*(alarm_table(rows) if rows else ()), "", *recall_table(), "", *speed()):
        print(line)


if __name__ == "__main__":
    main()
