"""What `captain runs gc` says and does, project by project."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any

from captain.reports import words
from captain.reports.escape import one_line
from captain.reports.jsonable import dumps

if TYPE_CHECKING:
    from captain.runs import Project
    from captain.sandbox import Sandbox
    from captain.workspace.clearing import Clearance, Cleared, Rules
    from captain.workspace.run_refs import RunRef


def clear_all(projects: Sequence[Project], rules: Rules, *, dry_run: bool, as_json: bool, allow_root: bool) -> None:
    import anyio

    from captain.workspace.clearing import clear

    done = []
    for project in projects:
        box = partial(_sandbox, project, allow_root)
        done.append(anyio.run(partial(clear, project, rules, dry_run=dry_run, sandbox=box)))
    if as_json:
        print(dumps({"schema": 1, "dry_run": dry_run, "projects": [_as_dict(one) for one in done]}))
        return
    for one in done:
        for line in _lines(one, dry_run=dry_run):
            print(line)


def _sandbox(project: Project, allow_root: bool) -> Sandbox:
    from captain.sandbox import detect

    return detect(allow_root=allow_root, folder=project.folder)


def _lines(cleared: Cleared, *, dry_run: bool) -> Iterator[str]:
    if cleared.problem:
        yield one_line(cleared.problem)
    for one in cleared.runs:
        if one.stays:
            yield f"{one_line(one.run)} stays: {one_line(one.stays)}"
            continue
        yield f"{'would remove' if dry_run else 'removed'} {one_line(one.run)}: {_parts(one)}"
        for ref in one.going:
            if not ref.elsewhere:
                what = f"{ref.holds} ({one_line(ref.subject, 80)})"
                yield f"  {one_line(ref.name)} at {ref.commit[:12]}, nowhere else: {what}"
        for ref in one.branches_kept:
            where = f", checked out in {one_line(ref.checked_out)}" if ref.checked_out else ""
            yield f"  the branch {one_line(ref.name.removeprefix('refs/heads/'))} stays{where}"
    freed = cleared.freed
    yield (
        f"{words.count(len(cleared.done), 'run')}, {freed.entries} entries ({freed.entries_bytes} bytes), "
        f"{words.count(freed.files, 'file')} ({freed.files_bytes} bytes)"
    )


def _parts(one: Clearance) -> str:
    branches = sum(ref.is_branch for ref in one.going)
    parts = ["record"] * one.on_record + ["report"] * one.report
    parts += [words.count(len(one.going) - branches, "ref")] + [words.count(branches, "branch")] * bool(branches)
    copies = sum(copy.kind != "base" for copy in one.copies)
    return ", ".join(parts + [f"{copies} {'copy' if copies == 1 else 'copies'}"] * bool(copies))


def _as_dict(cleared: Cleared) -> dict[str, Any]:
    freed = cleared.freed
    return {
        "folder": str(cleared.project.folder),
        "git_dir": str(cleared.git_dir) if cleared.git_dir else None,
        "problem": cleared.problem,
        "runs": [
            {
                "run": one.run,
                "state": one.status or "interrupted",
                "at": one.at,
                "removed": not one.stays,
                "stays": one.stays,
                "record": one.on_record,
                "report": one.report,
                "refs": [ref_to_dict(ref) for ref in one.going],
                "branches_kept": [ref_to_dict(ref) for ref in one.branches_kept],
                "copies": [str(copy.path) for copy in one.copies],
                "salvaged": list(one.salvaged),
            }
            for one in cleared.runs
        ],
        "entries": freed.entries,
        "entries_bytes": freed.entries_bytes,
        "files": freed.files,
        "files_bytes": freed.files_bytes,
    }


def ref_to_dict(ref: RunRef) -> dict[str, Any]:
    return {"ref": ref.name, "commit": ref.commit, "holds": ref.holds, "elsewhere": ref.elsewhere}
