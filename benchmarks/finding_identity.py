"""How well findings are known again: labelled pairs of real reviews, and lines of real histories.

    python benchmarks/finding_identity.py                       # pairs, if the material is there
    python benchmarks/finding_identity.py REPOSITORY [...]      # lines through the history of git repositories

The pairs are from reports over several rounds; their trees are not at hand, so that only words, and lines within one
round, can speak. Lines are followed through 1, 3 and 10 versions of Python files and compared with a difference made
by another algorithm (Python's own), which knows nothing of git's. The same lines are then looked for by what the
fingerprints of SARIF are made of, which have to do without a difference.
"""

from __future__ import annotations

import difflib
import json
import os
import random
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Hashable, Iterator
from pathlib import Path
from typing import Any

from captain.core.cases import Anchor, Case
from captain.core.findings import Finding
from captain.review.anchors import anchor_at
from captain.review.identity import Known, identify
from captain.review.linemap import TreeMap

SHARED = Path(os.environ.get("CAPTAIN_CONFORMANCE", Path(__file__).parents[2] / "shared" / "conformance"))

KEYS: dict[str, Callable[[Anchor], Hashable]] = {
    "place": lambda anchor: (anchor.symbol, anchor.line_hash),
    "context": lambda anchor: anchor.context_hash,
}


def as_finding(said: dict[str, Any]) -> Finding:
    return Finding(
        id=said["key"],
        severity="major",
        category="",
        path=said["file"] or "",
        anchor="",
        claim=said["title"],
        evidence=said["body"],
    )


def as_anchor(said: dict[str, Any]) -> Anchor | None:
    if not said["file"] or not said["line"]:
        return None
    last = said["end_line"] or said["line"]
    return Anchor(path=said["file"], line=said["line"], lines=max(1, last - said["line"] + 1))


def judged(a: dict[str, Any], b: dict[str, Any], others: list[dict[str, Any]]) -> str:
    """What becomes of `b` when `a`, and what else its round had found, are known."""
    if (a["reviewer"], a["round"]) == (b["reviewer"], b["round"]):
        return "new"  # one reviewer that lists two things in one review holds them to be two

    def known(said: dict[str, Any]) -> Known:
        finding = as_finding(said)
        here = as_anchor(said) if said["round"] == b["round"] else None
        return Known(case=Case(id=said["key"], finding=finding, severity="major"), here=here)

    match = identify(as_finding(b), as_anchor(b), [known(said) for said in (a, *others)])
    if match.case == a["key"]:
        return "same"
    return "ask" if a["key"] in match.ask else "new"


def pairs(folder: Path) -> Counter[tuple[str, str]]:
    findings = {said["key"]: said for said in map(json.loads, (folder / "findings.jsonl").read_text().splitlines())}
    table: Counter[tuple[str, str]] = Counter()
    for pair in json.loads((folder / "pairs.json").read_text()):
        a, b = findings[pair["a"]], findings[pair["b"]]
        others = [
            said
            for said in findings.values()
            if said["ticket"] == a["ticket"] and said["round"] == a["round"] and said["key"] not in (a["key"], b["key"])
            if said["reviewer"] == a["reviewer"]
        ]
        table[pair["relation"], judged(a, b, others)] += 1
    return table


def git(repository: str, *words: str) -> str:
    done = subprocess.run(["git", "-C", repository, *words], check=True, capture_output=True)
    return done.stdout.decode("utf-8", "replace")


def histories(repository: str, files: int, dice: random.Random) -> Iterator[tuple[str, list[str]]]:
    """Python files with the commits that changed them, oldest first."""
    names = [
        name for name in git(repository, "ls-tree", "-r", "--name-only", "HEAD").splitlines() if name.endswith(".py")
    ]
    dice.shuffle(names)
    for name in names:
        commits = git(repository, "log", "--first-parent", "--format=%H", "--", name).split()[::-1]
        if len(commits) > 11:
            files -= 1
            yield name, commits
        if not files:
            return


def follow(repository: str, steps: int, files: int, dice: random.Random) -> Counter[str]:
    """Samples lines near changes: survivors that were found, and removed ones that were claimed to be there."""
    table: Counter[str] = Counter()
    for name, commits in histories(repository, files, dice):
        start = dice.randrange(len(commits) - steps)
        old_commit, new_commit = commits[start], commits[start + steps]
        try:
            old, new = (git(repository, "show", f"{commit}:{name}").splitlines() for commit in (old_commit, new_commit))
        except subprocess.CalledProcessError:
            continue  # it was deleted in between
        shape = ("--no-color", "--no-ext-diff", "--no-renames", "--unified=3")
        there = TreeMap.from_diff(git(repository, "diff", *shape, old_commit, new_commit, "--", name))
        truth, touched = _truth(old, new)
        anchors = [anchor_at(name, "\n".join(new), line) for line in range(1, len(new) + 1)]
        keyed = {key: Counter(key(anchor) for anchor in anchors) for key in KEYS.values()}
        near = {line + step for line in touched for step in range(-5, 6)}
        for line in dice.sample(sorted(near & set(truth)), min(200, len(near & set(truth)))):
            if not old[line - 1].strip():
                continue
            said = there.forward(name, line)
            was = anchor_at(name, "\n".join(old), line)
            for what, key in KEYS.items():
                if (goal := truth[line]) is None:
                    table[f"{what} claimed"] += keyed[key][key(was)] > 0
                else:
                    table[f"{what} found"] += key(anchors[goal - 1]) == key(was)
                    table[f"{what} alone"] += key(anchors[goal - 1]) == key(was) and keyed[key][key(was)] == 1
            if truth[line] is None:
                table["gone"] += 1
                claimed = said is not None
                table["claimed"] += claimed
            else:
                table["survived"] += 1
                table["found"] += said == (name, truth[line])
    return table


def _truth(old: list[str], new: list[str]) -> tuple[dict[int, int | None], set[int]]:
    """White space aside, since a line that was indented is not another; a line that is unique in both has moved."""
    first, second = (["".join(line.split()) for line in lines] for lines in (old, new))
    often = (Counter(first), Counter(second))
    truth: dict[int, int | None] = {}
    touched: set[int] = set()
    for kind, a, b, c, _ in difflib.SequenceMatcher(None, first, second, autojunk=False).get_opcodes():
        for line in range(a, b):
            unique = len(first[line]) >= 8 and often[0][first[line]] == often[1][first[line]] == 1
            moved = second.index(first[line]) + 1 if unique else None
            truth[line + 1] = c + line - a + 1 if kind == "equal" else moved
        if kind != "equal":
            touched.update({a + 1, b})
    return truth, touched


def main(repositories: list[str]) -> None:
    folder = SHARED / "review"
    if folder.is_dir():
        table = pairs(folder)
        print("labelled pairs            same   ask   new")
        for relation in ("same", "different", "related"):
            print(f"{relation:24}" + "".join(f"{table[relation, said]:6}" for said in ("same", "ask", "new")))
    else:
        print(f"no labelled pairs: {folder} is not there")
    for steps in (1, 3, 10):
        total: Counter[str] = Counter()
        for repository in repositories:
            total += follow(repository, steps, 60, random.Random(f"{repository} {steps}"))  # noqa: S311
        if total["survived"] and total["gone"]:
            print(
                f"after {steps:2} versions: recall {total['found'] / total['survived']:.3f} of {total['survived']}, "
                f"false {total['claimed'] / total['gone']:.3f} of {total['gone']}"
            )
            for what in KEYS:
                print(
                    f"  by its {what}: recall {total[f'{what} found'] / total['survived']:.3f} "
                    f"({total[f'{what} alone'] / total['survived']:.3f} the only such line), "
                    f"false {total[f'{what} claimed'] / total['gone']:.3f}"
                )


if __name__ == "__main__":
    main(sys.argv[1:])
