"""A run on a repository of your own, with every model played by a script.

This is how a program built on Captain can be tested: `expects` says what a model must have been asked, and
a script that runs out or is asked something else ends the run with an error that says so.
"""

from __future__ import annotations

import shlex
import sys
import tempfile
from pathlib import Path

import captain
from captain.testing import ScriptedModel, ScriptedReply, call, git, make_repository

STAY = '''"""Nights between two days."""


def nights(arrival: int, departure: int) -> int:
    return departure - arrival + 1
'''

REPRODUCTION = f"{shlex.quote(sys.executable)} -c 'from stay import nights; assert nights(3, 5) == 2'"


def crew() -> captain.Crew:
    diagnosis = {
        "cause": "nights() counts the day of departure, which nobody stays for.",
        "locations": [{"path": "stay.py", "symbol": "nights"}],
        "reproduction": REPRODUCTION,  # the library itself has to see it fail, and later to see it pass
    }
    task = {
        "id": "T1",
        "title": "Count nights without the day of departure",
        "kind": "fix",
        "brief": "Make nights() in stay.py leave out the day of departure.",
        "paths": ["/stay.py"],
        "criteria": [{"text": "The signature stays as it is.", "evidence": "the line that defines nights()"}],
        "diagnosis": "D1",
    }
    return captain.Crew(
        captain=ScriptedModel(
            [
                call("read", path="stay.py"),
                ScriptedReply(
                    calls=(call("submit_triage", kind="fix", reason="One wrong line.", diagnoses=[diagnosis]),),
                    expects="departure - arrival + 1",
                ),
                call("submit_plan", summary="One fix.", tasks=[task]),
            ]
        ),
        build=ScriptedModel(
            [call("edit", path="stay.py", old=" + 1\n", new="\n"), "The day of departure is left out."]
        ),
        review=[
            ScriptedModel(
                [
                    call(
                        "submit_review",
                        summary="Right.",
                        findings=[],
                        evidence=[{"criterion": "T1.1", "shown_by": "def nights(arrival: int, departure: int)"}],
                    )
                ]
            )
        ],
    )


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        repo = make_repository(Path(folder) / "stay", {"stay.py": STAY})
        outcome = captain.run_sync(
            "A stay from day 3 to day 5 is billed as three nights.",
            repo=repo,
            crew=crew(),
            options=captain.Options(allow_root=True),  # to run in a container too
            state_dir=Path(folder) / "state",
        )
        print(f"{outcome.status}: {outcome.summary}")
        print(git(repo, "diff", "--unified=0", f"main..{outcome.branch}"))


if __name__ == "__main__":
    main()
