"""Git on the host: plumbing only, told exactly which repository, and deaf to the user's hooks and settings.

An explicit `GIT_DIR` keeps git from searching (a folder shaped like a repository would be taken for one)
and from refusing repositories that belong to another user.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from captain.core.errors import GitError, UsageError
from captain.sandbox.groups import StartGroup
from captain.sandbox.process import HeadTail, Whole, execute
from captain.workspace.stale_locks import lock_hint

OLDEST: Final = (2, 38)  # the first with `merge-tree --write-tree`
_ANSWER_BYTES: Final = 256 * 1024 * 1024
_COMPLAINT_BYTES: Final = 20_000
_NO_INDEX: Final = "captain-reads-no-index"

_CONFIG: Final = (
    "core.hooksPath=/dev/null",
    "core.fsmonitor=false",
    "core.untrackedCache=false",
    "core.splitIndex=false",  # a split index writes a second file beside the user's
    "core.attributesFile=/dev/null",
    "core.logAllRefUpdates=false",
    "core.quotePath=false",
    "commit.gpgSign=false",
    "gc.auto=0",
    "maintenance.auto=false",
    "protocol.allow=never",
    "submodule.recurse=false",
)
_COMMAND: Final = ("git", *(word for setting in _CONFIG for word in ("-c", setting)))


def git_environment() -> dict[str, str]:
    """All that git gets to see of the host's environment is where programs are found."""
    return {
        "PATH": os.environ.get("PATH", os.defpath),
        "LC_ALL": "C",
        "GIT_CONFIG_GLOBAL": "/dev/null",
        "GIT_CONFIG_NOSYSTEM": "1",
        "GIT_ATTR_NOSYSTEM": "1",
        "GIT_TERMINAL_PROMPT": "0",
        "GIT_OPTIONAL_LOCKS": "0",
        "GIT_LITERAL_PATHSPECS": "1",
        "GIT_NO_REPLACE_OBJECTS": "1",  # an agent's copy has the objects, not the user's replacements
        "GIT_NO_LAZY_FETCH": "1",
    }


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    exit_code: int
    stdout: bytes
    stderr: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Git:
    """Git in one repository. Without a `work_tree` neither files nor an index are looked at.

    That also means that no `.gitattributes` decides what a diff or a merge shows.
    """

    git_dir: Path
    work_tree: Path | None = None
    env: Mapping[str, str] = field(default_factory=dict)

    def with_env(self, **variables: str | Path) -> Git:
        return replace(self, env={**self.env, **{name: str(value) for name, value in variables.items()}})

    async def run(self, *args: str, stdin: bytes = b"") -> bytes:
        """Raises `GitError`."""
        answer = await self.attempt(*args, stdin=stdin)
        if answer.exit_code != 0:
            raise self.failed(args, answer)
        return answer.stdout

    async def text(self, *args: str, stdin: bytes = b"") -> str:
        """The answer without the line end that closes it. Raises `GitError`."""
        return (await self.run(*args, stdin=stdin)).decode("utf-8", "surrogateescape").removesuffix("\n")

    async def attempt(self, *args: str, stdin: bytes = b"", head_bytes: int | None = None) -> Answer:
        """For commands whose failure is an answer. With `head_bytes`, only that much of stdout is taken."""
        stdout, stderr = Whole(_ANSWER_BYTES if head_bytes is None else head_bytes), HeadTail(_COMPLAINT_BYTES)
        place = self.work_tree or self.git_dir
        located = {"GIT_DIR": str(self.git_dir), "GIT_WORK_TREE": str(place)}
        if self.work_tree is None:
            located["GIT_INDEX_FILE"] = str(self.git_dir / _NO_INDEX)
        argv = (*_COMMAND, *args)
        try:
            ended = await execute(
                argv,
                start=StartGroup(cwd=place, env={**git_environment(), **located, **self.env}),
                stdin=stdin,
                stdout=stdout,
                stderr=stderr,
            )
        except FileNotFoundError as error:
            raise _not_started(place) from error
        complaint = stderr.take().decode("utf-8", "replace")
        if stdout.overflowed and head_bytes is None:
            raise GitError(f"git {args[0]} gave more than {_ANSWER_BYTES} bytes.", argv=argv, stderr=complaint)
        exit_code = 0 if stdout.overflowed or ended.exit_code is None else ended.exit_code
        return Answer(exit_code=exit_code, stdout=stdout.take(), stderr=complaint)

    def failed(self, args: tuple[str, ...], answer: Answer) -> GitError:
        return GitError(
            f"git {args[0]} failed in {self.git_dir}: {reason_of(answer)}",
            argv=(*_COMMAND, *args),
            stderr=answer.stderr,
            hint=lock_hint(answer.stderr, self.git_dir),
        )


def reason_of(answer: Answer) -> str:
    """What git said, as the end of a sentence."""
    lines = (line.removeprefix("fatal: ").removeprefix("error: ") for line in answer.stderr.splitlines())
    return "; ".join(line.rstrip(".") for line in lines if line) + "." if answer.stderr.strip() else "no reason given."


async def git_version() -> str:
    """What git says of itself, such as `git version 2.39.5`. Raises `UsageError` if it is missing."""
    output = Whole(1000)
    try:
        await execute(("git", "version"), start=StartGroup(cwd=Path("/"), env=git_environment()), stdout=output)
    except FileNotFoundError as error:
        raise _not_started(Path("/")) from error
    return output.take().decode("utf-8", "replace").strip()


async def require_git() -> None:
    """Raises `UsageError` if git is missing or too old."""
    stated = await git_version()
    found = re.search(r"(\d+)\.(\d+)", stated)
    if found is None or (int(found[1]), int(found[2])) < OLDEST:
        oldest = ".".join(map(str, OLDEST))
        raise UsageError(
            f"The git on this machine is too old: it says {stated!r}, and {oldest} is the oldest that works.",
            hint=f"Install git {oldest} or newer.",
        )


async def user_excludes() -> Path | None:
    """The file of patterns the user has git ignore everywhere: the one global setting that is heeded.

    What it hides (`.env`, editor files) must not get into a snapshot of the user's work tree.
    """
    home = os.environ.get("HOME")
    if not home:
        return None
    variables = {"HOME": home, "XDG_CONFIG_HOME": os.environ.get("XDG_CONFIG_HOME") or f"{home}/.config"}
    env = {name: value for name, value in git_environment().items() if name != "GIT_CONFIG_GLOBAL"} | variables
    output = Whole(10_000)
    argv = ("git", "config", "--global", "--null", "--type=path", "--get", "core.excludesFile")
    ended = await execute(argv, start=StartGroup(cwd=Path("/"), env=env), stdout=output, stderr=HeadTail(0))
    named = os.fsdecode(output.take().removesuffix(b"\0")) if ended.exit_code == 0 else ""
    return Path(named or f"{variables['XDG_CONFIG_HOME']}/git/ignore")


def quoted(path: Path) -> str:
    """A path as git wants it in lists of object folders, where a colon or a line end would start the next one."""
    escaped = (f"\\{byte:03o}" if byte < 32 or byte in b'"\\' else chr(byte) for byte in os.fsencode(path))
    return '"' + "".join(escaped).encode("latin-1").decode("utf-8", "surrogateescape") + '"'


def _not_started(place: Path) -> UsageError | GitError:
    if not place.is_dir():
        return GitError(f"The folder {place} is gone.", argv=("git",), stderr="")
    return UsageError("git was not found on this machine.", hint=f"Install git {'.'.join(map(str, OLDEST))} or newer.")
