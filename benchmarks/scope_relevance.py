"""How well `relevance` tells asked-for hunks from creep, on real histories: paths of git repositories as arguments.

A tangle is the hunks of one real commit, the ask, joined by those of another that followed within a few
commits, the creep. The task is made from the ask: its message, its primary file (the source file it changes
most), and the functions its hunks there lie in. What else the ask touches is for the rule to find.
"""

from __future__ import annotations

import ast
import subprocess
import sys
from collections import defaultdict
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from captain.core.hunks import Hunk, parse_hunks
from captain.core.tasks import Location, Scope, Task
from captain.guards.relevance import relevance

NEXT = 12  # commits after the ask in which creep is looked for
MOST_HUNKS = 60
MOST_COMMITS = 1500
START, START_CODE = "\0\1\2\1", "%x00%x01%x02%x01"
MOST_TANGLES = 160  # for each repository and kind


@dataclass(frozen=True)
class Commit:
    id: str
    subject: str
    body: str
    hunks: tuple[Hunk, ...]
    primary: str
    symbols: tuple[str, ...]

    @property
    def folder(self) -> PurePosixPath:
        return PurePosixPath(self.primary).parent

    def task(self) -> tuple[Task, tuple[Location, ...]]:
        task = Task(
            id="T1",
            title=self.subject,
            kind="change",
            brief=self.body,
            scope=Scope(paths=("**",)),
            criteria=(),
            checks=(),
        )
        places = tuple(Location(path=self.primary, symbol=symbol) for symbol in self.symbols)
        return task, places or (Location(path=self.primary),)


@dataclass
class Tally:
    tangles: int = 0
    quiet: int = 0
    share: float = 0.0
    asked: int = 0
    kept: int = 0
    crept: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    flagged: dict[str, int] = field(default_factory=lambda: defaultdict(int))


def git(repository: Path, *args: str) -> str:
    place = ["--git-dir", str(repository)] if not (repository / ".git").exists() else ["-C", str(repository)]
    done = subprocess.run(["git", *place, *args], check=True, capture_output=True)
    return done.stdout.decode("utf-8", "replace")


def commits(repository: Path) -> list[Commit]:
    """The newest that change Python source, oldest first."""
    shape = f"--format={START_CODE}%H%x01%s%x01%b%x02"
    options = ("-p", "--no-merges", "--no-renames", "--no-ext-diff", "--no-color", "-U3", "--date-order")
    log = git(repository, "log", f"--max-count={MOST_COMMITS}", shape, *options, "HEAD", "--")
    found = []
    for entry in log.split(START)[1:]:
        head, _, diff = entry.partition("\x02")
        id_, subject, body = head.split("\x01")
        hunks = parse_hunks(diff)
        if 0 < len(hunks) <= MOST_HUNKS and (primary := primary_of(hunks)):
            symbols = symbols_of(repository, id_, primary, [hunk for hunk in hunks if hunk.path == primary])
            found.append(Commit(id_, subject, body, hunks, primary, symbols))
    return found[::-1]


def primary_of(hunks: tuple[Hunk, ...]) -> str | None:
    sizes: defaultdict[str, int] = defaultdict(int)
    for hunk in hunks:
        name = hunk.path.rpartition("/")[2]
        if name.endswith(".py") and "test" not in hunk.path and name not in ("setup.py", "conf.py"):
            sizes[hunk.path] += len(hunk.added) + len(hunk.removed)
    return max(sizes, key=lambda path: sizes[path]) if sizes else None


def symbols_of(repository: Path, commit: str, path: str, hunks: list[Hunk]) -> tuple[str, ...]:
    """The functions and classes the changed lines lie in, after the change."""
    try:
        tree = ast.parse(git(repository, "show", f"{commit}:{path}"))
    except (subprocess.CalledProcessError, SyntaxError, ValueError):
        return ()
    spans = [
        (node.lineno, node.end_lineno or node.lineno, node.name)
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
    ]
    found = []
    for hunk in hunks:
        middle = hunk.new_start + 3
        around = [span for span in spans if span[0] <= middle <= span[1]]
        if around:
            found.append(max(around)[2])
    return tuple(dict.fromkeys(found))


def creep(ask: Commit, other: Commit) -> tuple[str, tuple[Hunk, ...]] | None:
    """The kind of tangle the two make, and the hunks that are not asked for in it."""
    mine = {hunk.path for hunk in ask.hunks}
    same_file = tuple(hunk for hunk in other.hunks if hunk.path in mine and hunk.path.endswith(".py"))
    if same_file:
        return "same file", same_file
    if other.folder == ask.folder:
        return "same folder", other.hunks
    return "elsewhere", other.hunks


def measure(history: list[Commit]) -> Tally:
    tally = Tally()
    made: defaultdict[str, int] = defaultdict(int)
    for at, ask in enumerate(history):
        seen: set[str] = set()
        for other in history[at + 1 : at + 1 + NEXT]:
            tangle = creep(ask, other)
            if tangle is None or tangle[0] in seen or made[tangle[0]] >= MOST_TANGLES or other.subject == ask.subject:
                continue
            seen.add(tangle[0])
            made[tangle[0]] += 1
            weigh(ask, *tangle, tally)
    return tally


def weigh(ask: Commit, kind: str, unasked: tuple[Hunk, ...], tally: Tally) -> None:
    task, places = ask.task()
    answers = relevance((*ask.hunks, *unasked), task, locations=places)
    kept = sum(answer.serves for answer in answers[: len(ask.hunks)])
    tally.tangles += 1
    tally.share += kept / len(ask.hunks)
    tally.quiet += kept == len(ask.hunks)
    tally.asked += len(ask.hunks)
    tally.kept += kept
    tally.crept[kind] += len(unasked)
    tally.flagged[kind] += sum(not answer.serves for answer in answers[len(ask.hunks) :])


KINDS = ("same folder", "elsewhere", "same file")


def row(name: str, tally: Tally) -> str:
    def share(part: int, whole: int) -> str:
        return f"{part / whole:.2f} ({whole})" if whole else "-"

    cells = [name, str(tally.tangles), share(tally.kept, tally.asked), f"{tally.share / tally.tangles:.2f}"]
    cells += [share(tally.flagged[kind], tally.crept[kind]) for kind in KINDS]
    return "| " + " | ".join([*cells, share(tally.quiet, tally.tangles)]) + " |"


def main() -> None:
    if not sys.argv[1:]:
        print("Give the paths of git repositories: benchmarks/scope_relevance.py PATH...")
        return
    print(
        "| repository | tangles | asked-for hunks kept | the same, mean over asks | "
        + " | ".join(f"creep flagged: {k}" for k in KINDS),
        end="",
    )
    print(" | asks without a false alarm |\n|---|---|---|---|---|---|---|---|")
    total = Tally()
    for argument in sys.argv[1:]:
        path = Path(argument)
        tally = measure(commits(path))
        name = path.parent.name if path.name in ("repo", ".git") else path.name
        print(row(name.replace("+", "/"), tally))
        for part in ("tangles", "quiet", "share", "asked", "kept"):
            setattr(total, part, getattr(total, part) + getattr(tally, part))
        for kind in KINDS:
            total.crept[kind] += tally.crept[kind]
            total.flagged[kind] += tally.flagged[kind]
    print(row("all", total))


if __name__ == "__main__":
    main()
