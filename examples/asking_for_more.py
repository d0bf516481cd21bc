"""A program that asks a run for something more while it is under way: the new task is stacked on what it could meet.

Runs offline: the models follow a script.
"""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import anyio

import captain
from captain.core.events import RequestAdded, TaskChanged
from captain.models import ScriptedModel, call
from captain.testing import make_repository

GREET = 'def greet(name):\n    return f"Hello, {name}"\n'
PART = 'def part(name):\n    return f"Bye, {name}"\n'


def task(id_: str, title: str, shows: str) -> dict[str, Any]:
    return {
        "id": id_,
        "title": title,
        "kind": "change",
        "brief": f"{title}, in hello.py.",
        "paths": ["hello.py"],
        "criteria": [{"text": title, "check": "works"}],
        "checks": [{"name": "works", "command": f'python3 -c "import hello; assert {shows}"'}],
    }


def crew() -> captain.Crew:
    change = call("submit_triage", kind="change", reason="a small change")
    greet = task("T1", "Greet by name", "hello.greet('Ann') == 'Hello, Ann'")
    part = task("T2", "Say goodbye by name", "hello.part('Ann') == 'Bye, Ann'")
    return captain.Crew(
        captain=ScriptedModel(
            [
                change,
                call("submit_plan", summary="One function.", tasks=[greet]),
                change,
                call("submit_plan", summary="Another function.", tasks=[part]),
            ]
        ),
        build=ScriptedModel(
            {
                "Task T1:": [call("write", path="hello.py", content=GREET), "It greets."],
                "Task T2:": [call("write", path="hello.py", content=f"{GREET}\n\n{PART}"), "It says goodbye."],
            }
        ),
        review=[ScriptedModel([call("submit_review", summary="It does.", findings=[])], by_turn=True)],
    )


async def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        repo = make_repository(Path(folder) / "repository", {"hello.py": 'def greet():\n    return "Hello"\n'})
        carrier = captain.Captain(
            crew(),
            state_dir=Path(folder) / "state",
            sandbox=captain.Sandbox.none(),  # the script above is known; do not do this with a model
            options=captain.Options(review=captain.ReviewPolicy(reviewers=(1,))),
        )
        async with carrier.start("Make `greet` take a name", repo=repo) as run:
            async for recorded in run.events():
                match recorded.event:
                    case TaskChanged(task="T1", state="planned"):
                        await run.add("Add `part`, which says goodbye by name")
                    case RequestAdded(number=number, request=request):
                        print(f"request {number}: {request}")
            outcome = await run.result()
        for name, view in outcome.view.tasks.items():
            stands_on = view.task.depends_on if view.task is not None else ()
            print(f"{name} {view.state}, on {', '.join(stands_on) or 'the base'}")
        print(outcome.status)


anyio.run(main)
