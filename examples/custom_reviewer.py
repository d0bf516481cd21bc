"""A reviewer of your own: any object with a `name` and an async `review()`.

This one is a rule rather than a model. Nobody is there to give a second opinion, so it names a check: the library
runs that, sees it fail, has the finding mended, and sees the check pass.
"""

from __future__ import annotations

import shlex
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import captain
from captain.testing import ScriptedModel, ScriptedReply, call, make_repository

CHECK = f"{shlex.quote(sys.executable)} -c 'from mean import mean; assert mean([1, 3]) == 2'"
NOISY = "def mean(numbers):\n    print(numbers)\n    return sum(numbers) / len(numbers)\n"


@dataclass(frozen=True)
class NoDebugOutput:
    """Objects to every added line that prints."""

    name: str = "no-debug-output"

    async def review(self, proposal: captain.Proposal, /) -> captain.Review:
        added = [line[1:].strip() for line in proposal.diff.splitlines() if line.startswith("+")]
        return captain.Review(
            reviewer=self.name,
            findings=tuple(
                captain.Finding(
                    id="",  # the loop numbers findings itself
                    severity="major",
                    category="correctness",
                    path="mean.py",
                    anchor=line,
                    claim="A library function prints.",
                    evidence=f"The change adds the line {line!r}.",
                    suggested_check="! grep -n 'print(' mean.py",
                )
                for line in added
                if line.startswith("print(")
            ),
        )


def crew() -> captain.Crew:
    task = {
        "id": "T1",
        "title": "Add mean()",
        "kind": "change",
        "brief": "Add mean(numbers) in mean.py.",
        "paths": ["/mean.py"],
        "criteria": [{"text": "mean() gives the arithmetic mean.", "check": "mean"}],
        "checks": [{"name": "mean", "command": CHECK}],
    }
    return captain.Crew(
        captain=ScriptedModel(
            [
                call("submit_triage", kind="change", reason="Something new is wanted."),
                call("submit_plan", summary="One function.", tasks=[task]),
            ]
        ),
        build=ScriptedModel(
            [
                call("write", path="mean.py", content=NOISY),
                "mean() is there.",
                ScriptedReply(
                    calls=(call("edit", path="mean.py", old="    print(numbers)\n", new=""),),
                    expects="A library function prints.",
                ),
                "It prints nothing any more.",
            ]
        ),
        review=[NoDebugOutput()],
    )


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        repo = make_repository(Path(folder) / "mean", {"README.md": "# Mean\n"})
        outcome = captain.run_sync(
            "Add mean().",
            repo=repo,
            crew=crew(),
            options=captain.Options(allow_root=True),  # to run in a container too
            state_dir=Path(folder) / "state",
        )
        print(f"{outcome.status}: {outcome.summary}")
        for number, shown in sorted(outcome.view.tasks["T1"].rounds.items()):
            claims = sorted({finding.claim for finding in shown.findings})
            print(f"round {number}: {claims or 'no finding'}")


if __name__ == "__main__":
    main()
