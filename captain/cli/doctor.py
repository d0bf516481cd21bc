"""`captain doctor`: what Captain finds on this machine, and what its runs have left here. Changes nothing."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from captain.cli import flags

if TYPE_CHECKING:
    from captain.runs import Project
    from captain.workspace.leftovers import Leftover

_UNITS = ("B", "KB", "MB", "GB")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Found:
    """Of one project. `over` counts refs of runs that are over; `problem` says why the repository was not read."""

    git_dir: Path | None
    left: tuple[Leftover, ...]
    over: int
    living: int
    problem: str


def doctor(
    *,
    state_dir: flags.StateDir = None,
    as_json: Annotated[bool, typer.Option("--json", help="One JSON object.")] = False,
) -> None:
    """Say what Captain finds on this machine, and what runs have left."""
    import anyio

    from captain.runs import default_state_dir, stored_projects
    from captain.workspace.git import OLDEST, git_version

    async def look() -> tuple[str, dict[Project, _Found]]:
        return await git_version(), {project: await _found(project) for project in stored_projects(place)}

    place = (state_dir or default_state_dir()).absolute()
    version, projects = anyio.run(look)
    boxes = _sandboxes(place)
    if as_json:
        print(json.dumps(_as_json(version, place, boxes, projects)))
        return
    print(f"git: {version} ({'.'.join(map(str, OLDEST))} or newer is needed)")
    print("sandbox:")
    for name, state in boxes.items():
        print(f"  {name}: {state}")
    print(f"state: {_shown(place)}{'' if place.is_dir() else ' (not there yet)'}")
    for project, found in projects.items():
        for line in _lines(project, found):
            print(line)
    if not projects:
        print("No run has been here yet.")


def _sandboxes(folder: Path) -> dict[str, str]:
    """What works here, tried below `folder` if it is there already, and what each kind holds."""
    from captain.sandbox import inspect_machine, sandboxes
    from captain.sandbox.detection import EVERY

    machine = inspect_machine(folder if folder.is_dir() else None)
    yes = "works"
    found = {
        "system": machine.system,
        "bubblewrap": machine.bubblewrap_problem or f"{yes} ({machine.bubblewrap})",
        "landlock": f"{yes} (version {machine.landlock})" if machine.landlock else "not in this kernel, or off",
        "namespaces": machine.namespaces_problem or yes,
        "layers": machine.layers_problem or yes,
    }
    for sandbox in sandboxes(machine):
        lost = ", ".join(sorted(EVERY - sandbox.guarantees))
        found[f"sandbox {sandbox.name}"] = f"holds everything but {lost}" if lost else "holds everything"
    return found


async def _found(project: Project) -> _Found:
    from captain.core.errors import GitError
    from captain.workspace.leftovers import leftovers, refs_by_run

    refs: dict[str, int] = {}
    git_dir, problem = project.git_dir, ""
    if git_dir is None:
        problem = "it is not noted which repository this was"
    elif not git_dir.is_dir():
        problem = "the repository is no longer there"
    else:
        try:
            refs = await refs_by_run(git_dir)
        except GitError as error:
            problem = str(error)
    living = sum(count for run, count in refs.items() if project.is_held(run))
    left = leftovers(project.workspaces)
    return _Found(git_dir=git_dir, left=left, over=sum(refs.values()) - living, living=living, problem=problem)


def _lines(project: Project, found: _Found) -> Iterator[str]:
    yield ""
    yield f"project: {_shown(found.git_dir or project.folder)}"
    if found.problem:
        yield f"  {_shown(found.problem)}"
    else:
        yield f"  refs: {found.over} of runs that are over, {found.living} of runs under way"
    for one in found.left:
        state = "in use" if one.alive else "left behind; the next run in this repository takes it back"
        run = f"run {_shown(one.run)}" if one.run else "a run that had only begun"
        yield f"  {one.kind} {_shown(one.name)} of {run}: {_size(one.size_bytes)}, {state}"
    if not found.left:
        yield "  no copies"


def _as_json(version: str, place: Path, boxes: dict[str, str], projects: dict[Project, _Found]) -> dict[str, object]:
    return {
        "git": version,
        "sandbox": boxes,
        "state_dir": str(place),
        "projects": [
            {
                "folder": str(project.folder),
                "git_dir": str(found.git_dir) if found.git_dir else None,
                "problem": found.problem,
                "refs_of_runs_over": found.over,
                "refs_of_runs_under_way": found.living,
                "copies": [
                    {
                        "run": one.run,
                        "name": one.name,
                        "kind": one.kind,
                        "path": str(one.path),
                        "in_use": one.alive,
                        "made_at": one.made_at,
                        "size_bytes": one.size_bytes,
                    }
                    for one in found.left
                ],
            }
            for project, found in projects.items()
        ],
    }


def _shown(value: object) -> str:
    from captain.reports.escape import one_line

    return one_line(str(value))


def _size(count: float) -> str:
    for unit in _UNITS[:-1]:
        if count < 1000:
            return f"{count:.0f} {unit}"
        count /= 1000
    return f"{count:.1f} {_UNITS[-1]}"
