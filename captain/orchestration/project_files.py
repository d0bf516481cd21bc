"""Settings a repository brings along that would widen what agents may do: they are never taken, and that is said.

Whoever writes a repository's files must not be able to grant its agents anything. What is granted stands in
code, on the command line or in a file that the user names.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterable
from pathlib import PurePosixPath
from typing import Any, Final

from captain.workspace import Repository

LIMIT_BYTES: Final = 100_000

_NAMES: Final = ("captain.toml", ".captain.toml", ".captain/config.toml", ".captain/settings.toml")
_WIDENING: Final = frozenset(
    {
        *("permissions", "permission", "policy", "network", "sandbox", "hosts", "allow", "allow-host", "allow_hosts"),
        *("rules", "hooks", "approver", "approval", "env", "environment", "secrets", "mcp", "servers"),
    }
)


async def ignored_settings(repository: Repository, commit: str, files: Iterable[str]) -> list[str]:
    """A sentence for each file of the commit that sets what only the user may set."""
    present = set(files)
    notes = []
    for path in (*_NAMES, "pyproject.toml"):
        if path in present:
            data = await repository.read(commit, path, limit_bytes=LIMIT_BYTES)
            keys = _widening(path, data or b"")
            if keys:
                notes.append(
                    f"{path} in the repository sets {', '.join(keys)} for Captain. That is ignored: files of a "
                    "repository grant nothing. Use --allow-host, or Options in code."
                )
    return notes


def _widening(path: str, data: bytes) -> list[str]:
    try:
        table: Any = tomllib.loads(data.decode("utf-8", "replace"))
    except (tomllib.TOMLDecodeError, RecursionError):
        return []
    if PurePosixPath(path).name == "pyproject.toml":
        tool = table.get("tool")
        table = tool.get("captain") if isinstance(tool, dict) else None
    return sorted(key for key in table if key.lower() in _WIDENING) if isinstance(table, dict) else []
