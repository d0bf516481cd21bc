"""A small repository with a bug, and scripted crews to send through it."""

from __future__ import annotations

import hashlib
import shlex
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import captain
from captain.core import events as ev
from captain.core.messages import ToolCall
from captain.models import ScriptedModel, call
from captain.sandbox import Sandbox
from captain.testing import make_repository

E = TypeVar("E", bound=ev.Event)

UNCONFINED = Sandbox.none()
"""Of rules, not of walls, are these scenes; the walls have tests of their own, and one of whole voyages."""

ONE_LOOK = captain.ReviewPolicy(reviewers=(1,))
"""One review a round, so that a script need not say the same three times."""

PYTHON = shlex.quote(sys.executable)

CALC = '''"""Arithmetic, of a kind."""


def add(a, b):
    return a - b


def double(a):
    return 2 * a
'''
CALC_FIXED = CALC.replace("a - b", "a + b")
TEXT = '''"""Words."""


def shout(word):
    return word
'''
TEXT_FIXED = TEXT.replace("return word", "return word.upper()")
FILES: Mapping[str, str] = {"calc.py": CALC, "text.py": TEXT, "AGENTS.md": "Be brief.\n", ".gitignore": "*.log\n"}

REPRODUCTION = f"{PYTHON} -c 'import calc; assert calc.add(2, 2) == 4'"
DOUBLE_WORKS = f"{PYTHON} -c 'import calc; assert calc.double(2) == 4'"
SHOUT_WORKS = f'{PYTHON} -c \'import text; assert text.shout("a") == "A"\''


def calc_repository(root: Path, files: Mapping[str, str | bytes] | None = None) -> Path:
    return make_repository(root, {**FILES, **(files or {})})


def fix_triage(reproduction: str | None = REPRODUCTION, **more: Any) -> ToolCall:
    diagnosis = {"cause": "add subtracts", "locations": [{"path": "calc.py", "symbol": "add"}], **more}
    if reproduction is not None:
        diagnosis["reproduction"] = reproduction
    return call("submit_triage", kind="fix", reason="a bug", diagnoses=[diagnosis])


def change_triage() -> ToolCall:
    return call("submit_triage", kind="change", reason="something new is wanted")


def task(id_: str = "T1", *, paths: Sequence[str] = ("calc.py",), **more: Any) -> dict[str, Any]:
    """A task with one check that holds before and after; `more` replaces any field."""
    return {
        "id": id_,
        "title": f"Title of {id_}",
        "kind": "change",
        "brief": f"Brief of {id_}.",
        "paths": list(paths),
        "criteria": [{"text": "double works", "check": "double"}],
        "checks": [{"name": "double", "command": DOUBLE_WORKS}],
        **more,
    }


def fix_task(**more: Any) -> dict[str, Any]:
    return task(kind="fix", diagnosis="D1", **more)


def shout_task(id_: str, **more: Any) -> dict[str, Any]:
    checks = [{"name": "shout", "command": SHOUT_WORKS}]
    return task(id_, paths=("text.py",), criteria=[{"text": "it shouts", "check": "shout"}], checks=checks, **more)


def plan(*tasks: dict[str, Any]) -> ToolCall:
    return call("submit_plan", summary="the plan", tasks=list(tasks))


def review(*findings: dict[str, str], evidence: Mapping[str, str] | None = None) -> ToolCall:
    cited = [{"criterion": criterion, "shown_by": shown_by} for criterion, shown_by in (evidence or {}).items()]
    return call("submit_review", summary="looked at it", findings=list(findings), evidence=cited)


def finding(severity: str = "major", claim: str = "it is wrong") -> dict[str, str]:
    return {
        "severity": severity,
        "category": "correctness",
        "path": "calc.py",
        "anchor": "return",
        "claim": claim,
        "evidence": "add(2, 2)",
    }


def opinion(holds: bool = True) -> ToolCall:
    return call("submit_opinion", holds=holds, reason="I looked.")


def critic(*reviews: ToolCall, real: bool = True, gone: bool = True) -> dict[str, list[Any]]:
    """The script of a reviewer that gives these reviews in turn, and the same second opinion whenever it is asked."""
    return {
        "Something was wrong in a git repository": [opinion(gone)] * 9,
        "You give a second opinion on one claim": [opinion(real)] * 9,
        "# Task": list(reviews),
    }


def write(path: str, content: str) -> ToolCall:
    return call("write", path=path, content=content)


def fix_crew(build: Any = None, review_script: Any = None) -> captain.Crew:
    """A crew that mends `add`, unless told otherwise."""
    return captain.Crew(
        captain=ScriptedModel([fix_triage(), plan(fix_task())], id="captain-model"),
        build=ScriptedModel(build or [write("calc.py", CALC_FIXED), "Done."], id="build-model"),
        review=[ScriptedModel(review_script or [review()], id="review-model")],
    )


def crew(captain_script: Any, build: Any = (), reviews: Any = ()) -> captain.Crew:
    return captain.Crew(
        captain=ScriptedModel(captain_script, id="captain-model"),
        build=ScriptedModel(build, id="build-model"),
        review=[ScriptedModel(reviews, id="review-model")],
    )


def fingerprint(repo: Path) -> str:
    """Everything of a repository but what a run may add: objects, and refs of its own."""
    digest = hashlib.sha256()
    for path in _files(repo):
        digest.update(f"{path.relative_to(repo)} {path.lstat().st_mode}\0".encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()


def _files(repo: Path) -> Iterator[Path]:
    ours = (repo / ".git/objects", repo / ".git/refs/captain", repo / ".git/refs/heads/captain")
    for path in sorted(repo.rglob("*")):
        if path.is_file() and not any(path.is_relative_to(folder) for folder in ours):
            yield path


async def sail(
    repo: Path,
    state: Path,
    team: captain.Crew,
    *,
    request: str = "Mend it",
    budget: captain.Budget | None = None,
    **options: object,
) -> tuple[captain.Outcome, list[ev.Event]]:
    """The outcome with every event, in order."""
    settings = captain.Options(**{"review": ONE_LOOK, **options})  # type: ignore[arg-type]
    async with captain.start(
        request, repo=repo, crew=team, budget=budget, state_dir=state, options=settings, sandbox=UNCONFINED
    ) as run:
        events = [recorded.event async for recorded in run.events()]
        return await run.result(), events


def of(kind: type[E], events: list[ev.Event]) -> list[E]:
    return [event for event in events if isinstance(event, kind)]
