"""A program that answers a run's question by itself, and says something to a Build while it works.

Runs offline: the models follow a script.
"""

from __future__ import annotations

import tempfile
from pathlib import Path

import anyio

import captain
from captain.models import ScriptedModel, call
from captain.testing import make_repository


def crew() -> captain.Crew:
    task = {
        "id": "T1",
        "title": "Greet by name",
        "kind": "change",
        "brief": "Make greet take a name.",
        "paths": ["hello.py"],
        "criteria": [{"text": "greet takes a name.", "check": "greets"}],
        "checks": [
            {"name": "greets", "command": "python3 -c \"import hello; assert hello.greet('Ann') == 'Hello, Ann'\""}
        ],
    }
    return captain.Crew(
        captain=ScriptedModel(
            [
                call("submit_triage", kind="clarify", reason="two readings", reply="By first name or by full name?"),
                call("submit_triage", kind="change", reason="a small change"),
                call("submit_plan", summary="One function.", tasks=[task]),
            ]
        ),
        build=ScriptedModel(
            [call("write", path="hello.py", content='def greet(name):\n    return f"Hello, {name}"\n'), "Done."]
        ),
        review=[ScriptedModel([call("submit_review", summary="It greets.", findings=[])], by_turn=True)],
    )


async def answer(question: captain.Question) -> captain.Answered:
    print(f"{question.id}: {question.text}")
    return captain.Answered(text="By first name.")


async def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        repo = make_repository(Path(folder) / "repository", {"hello.py": 'def greet():\n    return "Hello"\n'})
        carrier = captain.Captain(
            crew(),
            state_dir=Path(folder) / "state",
            sandbox=captain.Sandbox.none(),  # the script above is known; do not do this with a model
            options=captain.Options(on_question=answer),
        )
        async with carrier.start("Make `greet` take a name", repo=repo) as run:
            await run.send("Keep it short.")
            outcome = await run.result()
        for heard in outcome.view.heard:
            print(f"{heard.agent} was told: {heard.text}")
        print(outcome.status)


anyio.run(main)
