"""A small real repository whose defects can be read: a line with `BUG` in it is one, named by its word.

Reviewers see what they see, fixers are plain functions of a file's text, and commands are real ones.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from captain.core.cases import Vote
from captain.core.findings import Finding, Proposal, Review, Severity
from captain.core.tasks import Check
from captain.review import FixJob, LoopReport, Question, ReviewLoop
from captain.testing import git, make_repository
from captain.workspace import Workspace

TESTS = Check(name="tests", command="sh tests/run.sh")
FILES = {
    "app.py": "start\nmiddle\nend\n",
    "lib.py": "one\ntwo\nthree\n",
    "tests/run.sh": "! grep -rq BROKEN app.py lib.py\n",
}


def bug(word: str, severity: Severity = "major", path: str = "app.py", **more: Any) -> Finding:
    """A finding with a command that fails while the word is in the file."""
    fields: dict[str, Any] = {
        "category": "logic",
        "anchor": word,
        "claim": f"The line with {word} does the wrong thing.",
        "evidence": f"{word} is there.",
        "suggested_check": f"! grep -q {word} {path}",
    }
    return Finding(id="", severity=severity, path=path, **{**fields, **more})


def opinion(word: str, severity: Severity = "major", path: str = "app.py", **more: Any) -> Finding:
    return bug(word, severity, path, **{"suggested_check": None, **more})


@dataclass
class Sees:
    """An honest reviewer: it reports each known word that stands in the lines a change adds."""

    findings: Sequence[Finding]
    name: str = "critic"
    shown: list[Proposal] = field(default_factory=list)

    async def review(self, proposal: Proposal, /) -> Review:
        self.shown.append(proposal)
        added = "\n".join(line for line in proposal.diff.splitlines() if line.startswith("+"))
        return Review(reviewer=self.name, findings=tuple(said for said in self.findings if said.anchor in added))


@dataclass
class Says:
    """A reviewer with a script: what it says of each full look in turn (the last repeats); of single fixes, nothing."""

    script: Sequence[Sequence[Finding]]
    base: str = ""
    name: str = "critic"
    looks: int = 0

    async def review(self, proposal: Proposal, /) -> Review:
        if self.base in ("", proposal.base):
            self.base = proposal.base
            self.looks += 1
            said = self.script[min(self.looks, len(self.script)) - 1]
            return Review(reviewer=self.name, findings=tuple(said))
        return Review(reviewer=self.name, findings=())


@dataclass
class Votes:
    """A verifier that accepts claims with one of its words, and says "gone" when the word is gone from the diff."""

    accepts: Callable[[Question], bool]
    name: str = "second"
    asked: list[Question] = field(default_factory=list)

    async def verify(self, question: Question, /) -> Vote:
        self.asked.append(question)
        return Vote(voter=self.name, accepts=self.accepts(question), reason="by the script")


ALWAYS = Votes(accepts=lambda _: True)


@dataclass
class Edits:
    """A fixer that is a function from a job and a file's text to its new text."""

    change: Callable[[FixJob, str], str]
    jobs: list[FixJob] = field(default_factory=list)

    async def fix(self, job: FixJob, workspace: Workspace, /) -> str:
        self.jobs.append(job)
        path = job.cases[0].finding.path or "app.py"
        before = (await workspace.box.read(path, limit_bytes=10_000)).decode()
        await workspace.box.write(path, self.change(job, before).encode())
        return "done, as ever"


def removes(job: FixJob, text: str) -> str:
    """An honest fix: the line with the word becomes a fine one."""
    words = {case.finding.anchor for case in job.cases}
    return "".join("fine\n" if any(word in line for word in words) else line for line in text.splitlines(keepends=True))


@dataclass
class Scene:
    """`main` has `FILES`, `work` adds what a test gives."""

    root: Path

    @classmethod
    def of(cls, folder: Path, change: Mapping[str, str], base: Mapping[str, str] | None = None) -> Scene:
        root = make_repository(folder / "r", {**FILES, **(base or {})})
        git(root, "checkout", "-q", "-b", "work")
        for path, text in change.items():
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_text(text)
        git(root, "add", "-A")
        git(root, "commit", "-q", "-m", "The change")
        return cls(root)

    async def run(self, loop: ReviewLoop, **more: Any) -> LoopReport:
        before = git(self.root, "for-each-ref", "refs/heads"), git(self.root, "status", "--porcelain")
        try:
            return await loop.run(self.root, "main", "work", run="r1", **more)
        finally:
            after = git(self.root, "for-each-ref", "refs/heads"), git(self.root, "status", "--porcelain")
            assert after == before, "the loop moves no branch and touches no file of the user's"

    def text(self, commit: str, path: str = "app.py") -> str:
        return git(self.root, "show", f"{commit}:{path}") + "\n"

    def kept(self) -> set[str]:
        return set(re.findall(r"refs/captain/\S+", git(self.root, "for-each-ref")))


def loop(reviewers: Iterable[Any], fixer: Any, **more: Any) -> ReviewLoop:
    return ReviewLoop(reviewers=tuple(reviewers), fixer=fixer, **{"checks": (TESTS,), **more})


def statuses(report: LoopReport) -> dict[str, str]:
    """Anchors, or the first words of a claim, to what became of them."""
    return {case.finding.anchor or case.finding.claim: case.status for case in report.cases}
