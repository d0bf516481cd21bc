"""Waiting for what other processes do, of which nothing but a look tells."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import anyio


def runs(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):  # the latter if it ends between the opening and the reading
        return False
    return state != "Z"


async def until(holds: Callable[[], bool], *, within_s: float = 30) -> None:
    with anyio.fail_after(within_s):
        while not holds():  # noqa: ASYNC110
            await anyio.sleep(0.01)


async def line_in(path: Path) -> str:
    """The content of a file once it ends with a line end."""
    await until(lambda: path.exists() and path.read_text().endswith("\n"))
    return path.read_text()


def files_below(folder: Path) -> set[str]:
    """The names of the files in a folder that is being worked in: what vanishes meanwhile is no error."""
    return {name for _, _, names in os.walk(folder) for name in names}


def command_lines() -> Iterator[list[bytes]]:
    """Of everything that runs on the machine, inside boxes too."""
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):  # it has ended meanwhile
            yield (folder / "cmdline").read_bytes().split(b"\0")
