"""Finds out what there is to know about a user's repository, and refuses what copies cannot be made of."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

from captain.core.errors import UsageError
from captain.workspace.git import Git, reason_of, require_git, user_excludes
from captain.workspace.staging import unsaved_paths

_FILTER = re.compile(rb"(?m)^[^#\n]*\sfilter=([\w.-]+)")
_BARE_HINT = "Name a work tree of it instead; `git worktree add` makes one."


@dataclass(frozen=True, slots=True, kw_only=True)
class Facts:
    """As `Repository` documents them."""

    root: Path
    git_dir: Path
    common_dir: Path
    object_format: str
    shallow: bool
    excludes: Path | None
    head: str
    branch: str | None
    dirty: bool
    notes: tuple[str, ...]


async def inspect(path: Path) -> Facts:
    """Raises `UsageError`."""
    await require_git()
    root, git_dir = _find(path)
    git = Git(git_dir=git_dir)
    # the folder comes last, as its name may contain line ends
    asked = ("--show-object-format", "--is-shallow-repository", "--path-format=absolute", "--git-common-dir")
    answer = await git.attempt("rev-parse", *asked)
    if answer.exit_code != 0:
        raise UsageError(f"The git repository in {root} cannot be read: {reason_of(answer)}")
    object_format, shallow, common = os.fsdecode(answer.stdout).removesuffix("\n").split("\n", 2)
    common_dir = Path(common)
    await _refuse_unusable(git, root, linked=git_dir != common_dir)
    head = await git.attempt("rev-parse", "--verify", "--quiet", "HEAD^{commit}")
    if head.exit_code != 0:
        raise UsageError(f"The repository in {root} has no commit yet.", hint="Commit something first.")
    commit = head.stdout.decode().strip()
    branch = await git.attempt("symbolic-ref", "--quiet", "HEAD")
    excludes = await user_excludes()
    return Facts(
        root=root,
        git_dir=git_dir,
        common_dir=common_dir,
        object_format=object_format,
        shallow=shallow == "true",
        excludes=excludes,
        head=commit,
        branch=os.fsdecode(branch.stdout).strip().removeprefix("refs/heads/") if branch.exit_code == 0 else None,
        dirty=await _is_dirty(work_tree_git(git_dir, root, excludes), commit),
        notes=await _notes(git, commit, shallow=shallow == "true"),
    )


def work_tree_git(git_dir: Path, root: Path, excludes: Path | None) -> Git:
    """Git that looks at the user's files, ignoring what the user's own git ignores."""
    settings = {"GIT_CONFIG_COUNT": "1", "GIT_CONFIG_KEY_0": "core.excludesFile", "GIT_CONFIG_VALUE_0": str(excludes)}
    return Git(git_dir=git_dir, work_tree=root, env=settings if excludes else {})


def _find(path: Path) -> tuple[Path, Path]:
    """The work tree `path` is in and its git folder; git's own search would ask who owns them."""
    if not path.exists():
        raise UsageError(f"{path} does not exist.", hint="Name a folder inside a git repository.")
    start = path.resolve()
    for folder in (start, *start.parents):
        entry = folder / ".git"
        if entry.is_dir():
            return folder, entry
        if entry.is_file():
            content = entry.read_bytes().rstrip(b"\r\n")
            if content.startswith(b"gitdir: "):
                git_dir = Path(os.path.normpath(folder / os.fsdecode(content.removeprefix(b"gitdir: "))))
                if not git_dir.is_dir():
                    raise UsageError(f"{entry} points to {git_dir}, which does not exist.")
                return folder, git_dir
        if (folder / "HEAD").is_file() and (folder / "objects").is_dir() and (folder / "refs").is_dir():
            raise UsageError(f"{folder} is a bare repository or the inside of one.", hint=_BARE_HINT)
    raise UsageError(
        f"{path} is not in a git repository.", hint="Run `git init` there and commit, or name another folder."
    )


async def _refuse_unusable(git: Git, root: Path, *, linked: bool) -> None:
    pattern = r"^(core\.bare|extensions\.partialclone|remote\..*\.promisor)$"
    answer = await git.attempt("config", "--null", "--get-regexp", pattern)
    settings = [os.fsdecode(entry).split("\n", 1) for entry in answer.stdout.split(b"\0") if entry]
    for name, value in ((entry[0], entry[-1]) for entry in settings):
        if name == "core.bare" and value == "true" and not linked:
            raise UsageError(f"The repository in {root} is bare.", hint=_BARE_HINT)
        if name == "extensions.partialclone" or (name.endswith(".promisor") and value != "false"):
            raise UsageError(
                f"The repository in {root} is a partial clone; copies of it could not fetch the objects it lacks.",
                hint="Use a full clone.",
            )


async def _is_dirty(git: Git, head: str) -> bool:
    if await unsaved_paths(git.run):
        return True
    staged = ("diff-index", "--cached", "--quiet", "--no-ext-diff", "--ignore-submodules=all", head)
    answer = await git.attempt(*staged)
    if answer.exit_code > 1:
        raise git.failed(staged, answer)
    return answer.exit_code == 1


async def _notes(git: Git, commit: str, *, shallow: bool) -> tuple[str, ...]:
    notes = []
    entries = (await git.run("ls-tree", "-r", "-z", "--full-tree", commit)).split(b"\0")
    submodules = [os.fsdecode(entry.partition(b"\t")[2]) for entry in entries if entry.startswith(b"160000 ")]
    if submodules:
        notes.append(f"Submodules stay empty in workspaces: {', '.join(submodules)}.")
    filters: set[bytes] = set()
    for entry in entries:
        facts, _, path = entry.partition(b"\t")
        if path.rpartition(b"/")[2] == b".gitattributes" and facts.startswith(b"100"):
            filters.update(_FILTER.findall(await git.run("cat-file", "blob", facts.split()[2].decode())))
    if filters:
        names = ", ".join(sorted(name.decode() for name in filters))
        notes.append(f"Files with a git filter ({names}) are in workspaces as git stores them, for LFS as pointers.")
    if shallow:
        notes.append("The clone is shallow; agents see only the part of the history that is here.")
    return tuple(notes)
