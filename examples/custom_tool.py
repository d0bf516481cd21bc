"""A tool of your own in the hands of every Build agent.

An async function with annotated parameters is all there is to it: its name, docstring and annotations are
what the model is told.
"""

from __future__ import annotations

import shlex
import sys
import tempfile
from pathlib import Path
from typing import Annotated

import captain
from captain.testing import ScriptedModel, ScriptedReply, call, make_repository

HOUSE_RULES = {"greeting": "Greet with 'Ahoy', the name, and an exclamation mark."}
CHECK = f'{shlex.quote(sys.executable)} -c \'from greet import greet; assert greet("Ada") == "Ahoy Ada!"\''


@captain.tool(effect="read")  # reads only: calls of such tools may run side by side
async def house_rule(topic: Annotated[str, "What the rule is about, in one word."]) -> str:
    """Looks up how this house wants something done."""
    if topic not in HOUSE_RULES:
        raise captain.ToolError(f"There is no rule about {topic!r}. There are rules about: {', '.join(HOUSE_RULES)}.")
    return HOUSE_RULES[topic]


def crew() -> captain.Crew:
    task = {
        "id": "T1",
        "title": "Greet as the house does",
        "kind": "change",
        "brief": "Add greet(name) in greet.py, after the house rule for greetings.",
        "paths": ["/greet.py"],
        "criteria": [{"text": "The greeting follows the rule.", "check": "greets"}],
        "checks": [{"name": "greets", "command": CHECK}],
    }
    return captain.Crew(
        captain=ScriptedModel(
            [
                call("submit_triage", kind="change", reason="Something new is wanted."),
                call("submit_plan", summary="One small function.", tasks=[task]),
            ]
        ),
        build=ScriptedModel(
            [
                call("house_rule", topic="hello"),
                ScriptedReply(calls=(call("house_rule", topic="greeting"),), expects="There are rules about: greeting"),
                ScriptedReply(
                    calls=(
                        call(
                            "write",
                            path="greet.py",
                            content='def greet(name: str) -> str:\n    return f"Ahoy {name}!"\n',
                        ),
                    ),
                    expects="exclamation mark",
                ),
                "greet() follows the house rule.",
            ]
        ),
        review=[ScriptedModel([call("submit_review", summary="Fine.", findings=[])])],
    )


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        repo = make_repository(Path(folder) / "greet", {"README.md": "# Greet\n"})
        outcome = captain.run_sync(
            "Add a greeting.",
            repo=repo,
            crew=crew(),
            state_dir=Path(folder) / "state",
            options=captain.Options(extra_tools=(house_rule,), allow_root=True),  # root: to run in a container too
        )
        print(f"{outcome.status}: {outcome.summary}")
        print(f"told to the model: {house_rule.spec.name} {house_rule.spec.parameters['properties']}")


if __name__ == "__main__":
    main()
