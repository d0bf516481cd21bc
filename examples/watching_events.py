"""A run watched as it goes on: every event is a typed value.

A host program shows these as it likes. Leaving the block early, or `run.cancel()`, stops the run with all
of its agents and commands.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import anyio

import captain
from captain.core import events as ev
from captain.demo import prepare


def tell(event: captain.Event) -> str | None:
    """What this program finds worth a line."""
    match event:
        case ev.ReproductionRan(diagnosis=bug, seen_to_fail=seen):
            return f"{bug}: the reproduction {'fails, as it should' if seen else 'does not fail'}"
        case ev.Refused(what=what, problems=problems):
            return f"{what} refused: {problems[0]}"
        case ev.DriftPutBack(task=task, paths=paths, ref=ref):
            return f"{task}: {', '.join(paths)} put back, kept under {ref}"
        case ev.LoopEnded(task=task, verdict=verdict, rounds=rounds):
            return f"{task}: {verdict}, rounds: {rounds}"
        case ev.BranchSet(branch=branch):
            return f"branch {branch}"
        case _:
            return None


async def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        demo = prepare(Path(folder) / "quaybook", allow_root=True)  # to run in a container too
        async with captain.start(
            demo.request,
            repo=demo.repo,
            crew=demo.crew,
            sandbox=demo.sandbox,
            options=demo.options,
            state_dir=Path(folder) / "state",
        ) as run:
            async for recorded in run.events():
                if line := tell(recorded.event):
                    print(f"{recorded.seq:>4}  {line}")
            outcome = await run.result()
        print(f"{outcome.status} after {len(outcome.view.agents)} agents, {outcome.view.spend.model_calls} model calls")


if __name__ == "__main__":
    anyio.run(main)
