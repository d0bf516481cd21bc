"""The agent loop by itself: a model, tools and a box, without a run, a repository or a record on disk."""

from __future__ import annotations

import tempfile
from pathlib import Path

import anyio

import captain
from captain.sandbox import Policy
from captain.testing import ScriptedModel, ScriptedReply, call
from captain.tools import read, shell


async def main() -> None:
    model = ScriptedModel(
        [
            [call("read", path="log.txt"), call("shell", command="wc -l < log.txt")],  # two calls in one turn
            ScriptedReply(text="Berth B4 is free; the log has two lines.", expects=("berth B4 free", "exit code 0")),
        ]
    )
    agent = captain.Agent(
        mate=captain.Crewmate(model=model),
        instructions="You read harbour logs.",
        tools=(read, shell),
        limits=captain.Limits(turns=10),
    )
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        (root / "log.txt").write_text("berth A1 taken\nberth B4 free\n")
        box = await captain.Sandbox.none().open(root, Policy())
        try:
            result = await agent.run("Which berth is free?", box=box)
        finally:
            await box.close()
    print(f"{result.ending} after {result.turns} turns: {result.text}")
    print(f"tokens: {agent.mate.ledger.spend.usage.total_tokens}")


if __name__ == "__main__":
    anyio.run(main)
