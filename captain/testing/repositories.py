"""Real git repositories for tests, untouched by the configuration of the machine they run on."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Final

_HERMETIC: Final = {
    "GIT_CONFIG_GLOBAL": os.devnull,
    "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_AUTHOR_NAME": "Test",
    "GIT_AUTHOR_EMAIL": "test@localhost",
    "GIT_AUTHOR_DATE": "2026-01-01T00:00:00Z",
    "GIT_COMMITTER_NAME": "Test",
    "GIT_COMMITTER_EMAIL": "test@localhost",
    "GIT_COMMITTER_DATE": "2026-01-01T00:00:00Z",
}


def git(root: Path, *arguments: str) -> str:
    """What a git command prints, without the last line end. Raises `CalledProcessError`."""
    environment = {"PATH": os.environ.get("PATH", os.defpath), **_HERMETIC}
    done = subprocess.run(
        ["git", "-C", str(root), *arguments], check=True, capture_output=True, env=environment, encoding="utf-8"
    )
    return done.stdout.removesuffix("\n")


def make_repository(root: Path, files: Mapping[str, str | bytes]) -> Path:
    """A repository at `root` with one commit of `files` on the branch `main`."""
    root.mkdir(parents=True, exist_ok=True)
    git(root, "init", "--quiet", "--initial-branch=main")
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    git(root, "add", "--all")
    git(root, "commit", "--quiet", "--allow-empty", "--message=Start")
    return root
