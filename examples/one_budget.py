"""A run that uses up its budget: it says so, and everything it had finished is there.

Here the Captain, two Builds at a time and their reviewers share so many turns that not all tasks come to their end.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import captain
from captain.demo import prepare


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        demo = prepare(Path(folder) / "quaybook", allow_root=True)  # to run in a container too
        outcome = captain.run_sync(
            demo.request,
            repo=demo.repo,
            crew=demo.crew,
            budget=captain.Budget(turns=20),
            sandbox=demo.sandbox,
            options=demo.options,
            state_dir=Path(folder) / "state",
        )
        spend = outcome.view.spend
        print(f"{outcome.status} after {spend.turns} turns, {spend.model_calls} model calls")
        print(outcome.summary)
        for task in outcome.view.tasks.values():
            print(f"{task.id}: {task.state}")
        for kept in outcome.view.kept:
            print(f"kept under {kept.ref}: {kept.reason}")
        print(f"result: {outcome.branch}")


if __name__ == "__main__":
    main()
