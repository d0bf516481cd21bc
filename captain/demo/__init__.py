"""The demo: a sample project with three real bugs, and a crew whose replies are scripted.

Only the models are scripted. Git, workspaces, commands, tests, guards and the review loop are the real
ones: the checks really fail on the wrong fix, and what is out of scope is really put back.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from importlib.resources import as_file, files
from pathlib import Path
from typing import Final

from captain.api import Crew
from captain.core.errors import UsageError
from captain.demo.crew import REQUEST, demo_crew, is_demo
from captain.orchestration import Options
from captain.sandbox import Policy, Sandbox, inspect_machine, sandboxes

__all__ = ["Demo", "demo_crew", "demo_options", "demo_sandbox", "is_demo", "prepare"]

_GITIGNORE: Final = "gitignore.txt"  # under its own name, packaging tools would read it themselves


@dataclass(frozen=True, slots=True, kw_only=True)
class Demo:
    """What a demo run needs. `options` put the running interpreter's folder on the commands' PATH.

    `sandbox` is None for the strongest of this machine. Where it has none, the demo does without, which is told
    like in any other run: what its crew does is known.
    """

    repo: Path
    request: str
    crew: Crew
    options: Options
    sandbox: Sandbox | None


def prepare(into: Path | None = None, *, allow_root: bool = False) -> Demo:
    """Copies the sample to `into`, or to a new temporary folder, and commits it there."""
    repo = _folder(into)
    with as_file(files(__name__).joinpath("sample")) as sample:
        shutil.copytree(sample, repo, dirs_exist_ok=True, ignore=shutil.ignore_patterns("__pycache__"))
    (repo / _GITIGNORE).rename(repo / ".gitignore")
    _git(repo, "init", "--quiet", "--initial-branch=main")
    _git(repo, "add", "--all")
    _git(repo, "commit", "--quiet", "--message=A booking book for a small harbour")
    return Demo(
        repo=repo,
        request=REQUEST,
        crew=demo_crew(),
        options=demo_options(allow_root=allow_root),
        sandbox=demo_sandbox(),
    )


def demo_options(*, allow_root: bool = False) -> Options:
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", os.defpath)])
    return Options(policy=Policy(env={"PATH": path}), allow_root=allow_root)


def demo_sandbox() -> Sandbox | None:
    return None if sandboxes(inspect_machine()) else Sandbox.none()


def _folder(into: Path | None) -> Path:
    if into is None:
        return Path(tempfile.mkdtemp(prefix="captain-demo-")) / "quaybook"
    if into.exists() and (not into.is_dir() or any(into.iterdir())):
        raise UsageError(f"{into} exists and is not an empty folder.", hint="Name a folder that does not exist yet.")
    return into


def _git(repo: Path, *arguments: str) -> None:
    identity = ["-c", "user.name=Quaybook", "-c", "user.email=quaybook@localhost", "-c", "commit.gpgSign=false"]
    try:
        subprocess.run(["git", "-C", str(repo), *identity, *arguments], check=True, capture_output=True, text=True)
    except FileNotFoundError:
        raise UsageError("git was not found.", hint="Install git 2.38 or later.") from None
    except subprocess.CalledProcessError as error:
        raise UsageError(f"git {arguments[0]} failed in {repo}: {error.stderr.strip()}") from error
