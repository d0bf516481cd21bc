"""A whole run through the library: the demo's scripted crew on the demo's sample repository.

Only the model replies are scripted. Git, workspaces, commands, checks, the scope guard and the review loop
are the real ones.
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
            sandbox=demo.sandbox,
            options=demo.options,
            state_dir=Path(folder) / "state",
        )
        print(f"{outcome.status}: {outcome.summary}")
        print(f"branch: {outcome.branch}")
        for task in outcome.view.tasks.values():
            print(f"{task.id} {task.state}, {task.verdict}, rounds: {task.round}, {task.title}")
        for follow_up in outcome.view.follow_ups:
            print(f"left for later: {follow_up.title}")


if __name__ == "__main__":
    main()
