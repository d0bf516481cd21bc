"""Makes and removes private copies: a git folder of their own that borrows the user's objects, and a checkout.

The host runs git in a copy only here, before any agent has touched it.
"""

from __future__ import annotations

import os
import shutil
import stat
import time
from functools import partial
from pathlib import Path
from typing import Final

from anyio import to_thread

from captain.workspace.git import Git, quoted
from captain.workspace.repository import Repository
from captain.workspace.scripts import INDEX
from captain.workspace.staging import copy_index

_SETTLED_NS: Final = 10 * 10**9

_SETTINGS: Final = """
[user]
\tname = Captain
\temail = captain@localhost
[advice]
\tdetachedHead = false
[gc]
\tauto = 0
"""

_BY_PRODUCTS: Final = (
    "__pycache__/",
    "*.py[co]",
    ".pytest_cache/",
    ".mypy_cache/",
    ".ruff_cache/",
    ".hypothesis/",
    ".tox/",
    ".venv/",
    ".coverage",
    "*.egg-info/",
    "node_modules/",
    ".DS_Store",
)
"""What commands leave behind and nobody would commit; files git already tracks are not affected."""


async def make_copy(
    repository: Repository,
    root: Path,
    commit: str,
    *,
    draft: Path,
    owner: tuple[int, int] | None = None,
    settled: bool = False,
) -> None:
    """Made as `draft` and then renamed, so that `root` is complete if it exists. Raises `GitError`, `OSError`.

    All of it belongs to `owner` then. `settled` files are seen to be unchanged without being read.
    """
    git_dir = draft / ".git"
    await to_thread.run_sync(partial(git_dir.mkdir, parents=True))
    bare = Git(git_dir=git_dir, work_tree=draft)
    options = ("--quiet", "--template=", f"--object-format={repository.object_format}", "--initial-branch=captain")
    await bare.run("init", *options)
    await to_thread.run_sync(_furnish, repository, git_dir)
    await bare.run("update-ref", "--no-deref", "HEAD", commit)
    await bare.run("read-tree", "--reset", "-u", commit)
    if settled or owner:
        await to_thread.run_sync(_settle, draft, owner)
        # an exit code of 1 is about files git would write otherwise by now, such as those with other line ends
        await bare.attempt("update-index", "-q", "--ignore-submodules", "--refresh")
    await to_thread.run_sync(copy_index, git_dir / "index", draft / INDEX)
    if owner:
        await to_thread.run_sync(_hand_over, git_dir, owner)
    await to_thread.run_sync(draft.rename, root)


def remove_copy(copy: Path, draft: Path) -> bool:
    """Whether both are gone. What is removed is a draft again first, so that a copy is complete as long as it exists.

    Otherwise a process that is killed meanwhile would leave half a copy, which looks like work that cannot be saved.
    """
    if not _removed(draft):
        return False
    try:
        copy.rename(draft)
    except FileNotFoundError:
        return True
    except OSError:  # something is mounted on it, say
        return _removed(copy)
    return _removed(draft)


def _removed(root: Path) -> bool:
    """Folders made read-only, as module caches are, do not stop it."""
    for _ in range(2):
        shutil.rmtree(root, ignore_errors=True)
        if not os.path.lexists(root):
            return True
        _make_writable(root)
        for folder, names, _files in os.walk(root):
            for name in names:
                _make_writable(Path(folder, name))
    return False


def _settle(root: Path, owner: tuple[int, int] | None) -> None:
    """Files older than the index that is written next: what is not, git reads each time it looks for changes."""
    past_ns = time.time_ns() - _SETTLED_NS
    for folder, names, files in os.walk(root):
        if folder == str(root):
            names.remove(".git")
            if owner:
                os.chown(root, *owner)
        for name in (*names, *files):
            path = Path(folder, name)
            if owner:
                os.chown(path, *owner, follow_symlinks=False)
            os.utime(path, ns=(past_ns, past_ns), follow_symlinks=False)


def _hand_over(root: Path, owner: tuple[int, int]) -> None:
    os.chown(root, *owner)
    for folder, names, files in os.walk(root):
        for name in (*names, *files):
            os.chown(Path(folder, name), *owner, follow_symlinks=False)


def _make_writable(folder: Path) -> None:
    try:
        mode = folder.lstat().st_mode
        if stat.S_ISDIR(mode):
            folder.chmod(stat.S_IMODE(mode) | stat.S_IRWXU)
    except OSError:
        return


def _furnish(repository: Repository, git_dir: Path) -> None:
    lenders = git_dir / "objects" / "info"
    lenders.mkdir(parents=True, exist_ok=True)
    (lenders / "alternates").write_bytes(os.fsencode(f"{quoted(repository.objects)}\n"))
    shallow = repository.common_dir / "shallow"
    if shallow.exists():
        shutil.copyfile(shallow, git_dir / "shallow")
    with (git_dir / "config").open("a") as config:
        config.write(_SETTINGS)
    (git_dir / "info").mkdir(exist_ok=True)
    (git_dir / "info" / "exclude").write_text("".join(f"{pattern}\n" for pattern in _BY_PRODUCTS))
