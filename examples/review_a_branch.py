"""The review loop alone, on a branch: first only a review, then the same with a fixer.

Reviewer and fixer are plain objects here; models take their places as `ModelReviewer` and `BuildFixer`. The first
attempt to mend is wrong on purpose: the gate undoes it, and the second one is told why.
"""

from __future__ import annotations

import shlex
import sys
import tempfile
from dataclasses import dataclass, field, replace
from pathlib import Path

import anyio

from captain import Check, Proposal, Review
from captain.core.findings import Finding
from captain.core.loop_events import LoopEvent
from captain.reports import RoundReader, review_to_sarif
from captain.review import FixJob, ReviewLoop, summary
from captain.testing import git, make_repository
from captain.workspace import Workspace

PYTHON = shlex.quote(sys.executable)
BEFORE = "def share(total, people):\n    raise NotImplementedError\n"
CHANGE = "def share(total, people):\n    return total // people\n"
TRIES = (
    "def share(total, people):\n    return round(total / people, 0)\n",
    "def share(total, people):\n    return total / people\n",
)


@dataclass(frozen=True)
class NoLostCents:
    """Objects to whole-number division, with a command that shows what is lost."""

    name: str = "no-lost-cents"

    async def review(self, proposal: Proposal, /) -> Review:
        finding = Finding(
            id="",
            severity="critical",
            category="correctness",
            path="share.py",
            anchor="return total // people",
            claim="share() drops what does not divide evenly.",
            evidence="share(5, 2) is 2.",
            suggested_check=f"{PYTHON} -c 'from share import share; assert share(5, 2) == 2.5'",
        )
        found = any(line.startswith("+") and "//" in line for line in proposal.diff.splitlines())
        return Review(reviewer=self.name, findings=(finding,) if found else ())


@dataclass
class Hasty:
    """Tries one thing after another, whatever it is told."""

    told: list[FixJob] = field(default_factory=list)

    async def fix(self, job: FixJob, workspace: Workspace, /) -> str:
        self.told.append(job)
        await workspace.box.write("share.py", TRIES[len(self.told) - 1].encode())
        return "Mended."


async def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        repo = make_repository(Path(folder) / "share", {"share.py": BEFORE})
        git(repo, "checkout", "-q", "-b", "work")
        (repo / "share.py").write_text(CHANGE)
        git(repo, "commit", "-q", "-a", "-m", "Share a bill")
        rounds = RoundReader()

        async def tell(event: LoopEvent) -> None:
            if (figures := rounds.hear(event)) is not None:
                print(figures.told())

        fast = Check(name="compiles", command=f"{PYTHON} -c 'import share'")
        looking = ReviewLoop(reviewers=(NoLostCents(),), checks=(fast,))
        report = await looking.run(repo, base="main", head="work")
        results = review_to_sarif(report, version="1.0")["runs"][0]["results"]
        print(f"only a review: {report.verdict}, {results[0]['level']} in line 2: {results[0]['message']['text']}")

        fixer = Hasty()
        report = await replace(looking, fixer=fixer, tell=tell).run(repo, base="main", head="work")
        print(summary(report))
        print(f"the second attempt was told: {fixer.told[1].earlier[0].clause} did not hold")
        print(git(repo, "diff", "--unified=0", f"work..{report.ref}"))


if __name__ == "__main__":
    anyio.run(main)
