"""Whatever a path and the links on it say, and however they change meanwhile, nothing outside is touched."""

from __future__ import annotations

import ctypes
import os
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from captain.core.errors import ToolError
from captain.sandbox import files
from captain.sandbox.beneath import FOLDER_FLAGS, OpenFolder, open_by_kernel, open_by_steps, usual_opener
from captain.sandbox.files import read_below, read_part_below, remove_below, write_below

SECRET = b"secret"
SWAPS = 2000


@dataclass(frozen=True)
class Tree:
    """A folder, opened, with one way of walking it."""

    root: Path
    directory: int
    open_folder: OpenFolder

    def read(self, path: str, limit_bytes: int = 1000) -> bytes:
        return read_below(self.directory, self.root, path, limit_bytes, open_folder=self.open_folder)

    def write(self, path: str, data: bytes) -> None:
        write_below(self.directory, self.root, path, data, open_folder=self.open_folder)

    def remove(self, path: str) -> None:
        remove_below(self.directory, self.root, path, open_folder=self.open_folder)


def _kernel_has_it() -> bool:
    return usual_opener() is open_by_kernel


@pytest.fixture(params=["by the kernel", "by steps", "by steps, without O_PATH"])
def tree(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Tree]:
    if request.param == "by the kernel" and not _kernel_has_it():
        pytest.skip("this kernel has no openat2")
    if request.param == "by steps, without O_PATH":  # as on macOS
        monkeypatch.setattr(files, "_O_PATH", 0)
    root = tmp_path / "root"
    root.mkdir()
    (tmp_path / "outside").mkdir()
    (tmp_path / "outside" / "secret").write_bytes(SECRET)
    directory = os.open(root, FOLDER_FLAGS)
    yield Tree(root, directory, open_by_kernel if request.param == "by the kernel" else open_by_steps)
    os.close(directory)


HOSTILE = [
    "../outside/secret",
    "../root2/x",
    "a/../../outside/secret",
    "//etc/passwd",
    "/etc/passwd",
    "/proc/self/environ",
    "link-out",
    "link-out/new",
    "link-absolute",
    "link-absolute-inside",
    "folder-out/secret",
    "folder-out/new",
    "folder-out/../root/a/f",
    "folder-absolute/secret",
    "folder-absolute/deep/new",
    "a/up/../outside/secret",
    "a/up-out/secret",
    "a/chain/secret",
    "proc/self/root/etc/passwd",
    "proc-cwd/secret",
    "stdin",
    "zero",
    "hard",
    "fifo",
    "socket",
    "folder",
    "loop",
    "loop-folder/x",
    ".git/config",
    ".GIT/config",
    ".Git/new",
    "a/.git/config",
    ".g\u200cit/config",
    "\ufeff.git/config",
    "git~1/config",
    "GIT~2/new",
    ".git./config",
    ".git /config",
    ".git::$INDEX_ALLOCATION/config",
    "a\\.git\\config",
    "to-git/config",
    "to-git-config",
    "a/to-git-by-way/config",
    ".git",
    "",
    ".",
    "..",
    "/",
    "\0",
    "a/f\0",
    "\ud800",
    "a/f/below",
    "x" * 300,
    "y/" * 3000 + "z",
]


def _lay_traps(root: Path) -> None:
    outside = root.parent / "outside"
    for folder in ("a", "folder", ".git", "a/.git"):
        (root / folder).mkdir()
    (root / ".git/config").write_bytes(SECRET)
    (root / "a/.git/config").write_bytes(SECRET)
    (root / "a/f").write_text("inside")
    links = {
        "link-out": "../outside/secret",
        "link-absolute": str(outside / "secret"),
        "link-absolute-inside": str(root / "a/f"),
        "folder-out": "../outside",
        "folder-absolute": str(outside),
        "a/up": "..",
        "a/up-out": "../../outside",
        "a/chain": "up/folder-out",
        "proc": "/proc",
        "proc-cwd": "/proc/self/cwd",
        "stdin": "/proc/self/fd/0",
        "zero": "/dev/zero",
        "loop": "loop",
        "loop-folder": "a/../loop-folder",
        "to-git": ".git",
        "to-git-config": ".git/config",
        "a/to-git-by-way": "up/./.git",
    }
    for name, target in links.items():
        (root / name).symlink_to(target)
    os.link(outside / "secret", root / "hard")
    os.mkfifo(root / "fifo")
    with socket.socket(socket.AF_UNIX) as server, _working_in(root):
        server.bind("socket")


@contextmanager
def _working_in(folder: Path) -> Iterator[None]:
    """The name of a socket may only have about a hundred characters."""
    before = Path.cwd()
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)


def _content(folder: Path) -> dict[str, bytes | None]:
    return {
        str(path.relative_to(folder)): path.read_bytes() if path.is_file() and not path.is_symlink() else None
        for path in sorted(folder.rglob("*"))
    }


@pytest.mark.parametrize("path", HOSTILE, ids=lambda path: ascii(path)[:40])
def test_a_hostile_path_gives_nothing_away_and_changes_nothing(tree: Tree, path: str) -> None:
    _lay_traps(tree.root)
    before = _content(tree.root.parent)
    with pytest.raises(ToolError):
        tree.read(path)
    if path != "hard":  # of which the name in the workspace may be replaced
        with pytest.raises(ToolError):
            tree.write(path, b"changed")
    assert _content(tree.root.parent) == before


def test_a_hard_link_is_read_with_the_shell_and_replaced_without_its_other_name(tree: Tree) -> None:
    _lay_traps(tree.root)
    with pytest.raises(ToolError, match=r"hard is a hard link: .* 2 names.*Read it with the shell"):
        tree.read("hard")
    tree.write("hard", b"new")
    assert tree.read("hard") == b"new"
    assert (tree.root.parent / "outside" / "secret").read_bytes() == SECRET


def test_links_that_stay_below_are_followed_wherever_they_stand(tree: Tree) -> None:
    (tree.root / "a/b").mkdir(parents=True)
    (tree.root / "a/b/up").symlink_to("../..")
    (tree.root / "a/again").symlink_to("b/up/a/b")
    (tree.root / "a/b/late").symlink_to("../made/deep/file")
    tree.write("a/again/up/a/b/x", b"1")
    assert tree.read("a/b/x") == b"1"
    tree.write("a/again/late", b"2")  # to where nothing is yet
    assert (tree.root / "a/made/deep/file").read_bytes() == b"2"
    assert (tree.root / "a/b/late").is_symlink()


def test_a_link_is_removed_wherever_it_leads_and_nothing_else(tree: Tree) -> None:
    _lay_traps(tree.root)
    for name in ("link-out", "folder-absolute", "to-git", "loop", "zero"):
        tree.remove(name)
        assert not (tree.root / name).is_symlink()
    for name in ("folder-out/secret", "a/up-out/secret", "to-git-config/x", "fifo", "folder", ".git/config"):
        with pytest.raises(ToolError):
            tree.remove(name)
    assert (tree.root.parent / "outside" / "secret").read_bytes() == SECRET
    tree.remove("hard")


@pytest.mark.parametrize(
    ("name", "sentence"),
    [
        ("fifo", "not a regular file"),
        ("socket", "not a regular file"),
        ("zero", "outside"),
        ("folder", "is a directory"),
        ("sparse", r"has 107374182400 bytes, more than the 1000"),
    ],
)
def test_special_files_are_answered_at_once(tree: Tree, name: str, sentence: str) -> None:
    """A47: each of these would block, or never end, in a reader that trusts it."""
    _lay_traps(tree.root)
    with (tree.root / "sparse").open("wb") as file:
        file.truncate(100 * 1024**3)
    with pytest.raises(ToolError, match=sentence):
        tree.read(name)


def test_a_device_is_not_even_opened(tree: Tree) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root can make a device")
    try:
        os.mknod(tree.root / "zero", 0o666 | 0o020000, os.makedev(1, 5))
    except PermissionError:
        pytest.skip("no device can be made here")
    with pytest.raises(ToolError, match="not a regular file"):
        tree.read("zero")


def test_a_file_that_grows_while_it_is_read_is_refused_or_read_as_it_was(tree: Tree) -> None:
    grown = tree.root / "grown"
    grown.write_bytes(b"x" * 900)
    stop = threading.Event()

    def grow() -> None:
        with grown.open("ab", buffering=0) as file:
            while not stop.is_set():
                file.write(b"x" * 10)
                if file.tell() > 100_000:
                    file.truncate(900)

    with _thread(grow, stop):
        for _ in range(500):
            with suppress(ToolError):
                assert len(tree.read("grown", 1000)) <= 1000


def test_a_part_of_a_file_of_any_size_can_be_read(tree: Tree) -> None:
    with (tree.root / "sparse").open("wb") as file:
        file.truncate(100 * 1024**3)
        file.seek(50 * 1024**3)
        file.write(b"middle")
    part = read_part_below(
        tree.directory,
        tree.root,
        "sparse",
        offset_bytes=50 * 1024**3,
        limit_bytes=6,
        open_folder=tree.open_folder,
    )
    assert (part.data, part.size_bytes) == (b"middle", 100 * 1024**3)


@contextmanager
def _thread(work: Callable[[], None], stop: threading.Event) -> Iterator[None]:
    thread = threading.Thread(target=work)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def _exchange(folder: int, one: str, other: str) -> None:
    """Both names change places in one step, so that neither is ever missing."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.renameat2(folder, one.encode(), folder, other.encode(), 2):
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()))


@pytest.mark.skipif(sys.platform != "linux", reason="names are exchanged in one step on Linux only")
@pytest.mark.parametrize("link", ["folder-out", "folder-absolute"])
def test_a_race_between_a_folder_and_a_link_never_leads_outside(tree: Tree, link: str) -> None:
    """A46: a thread exchanges a folder and a link to the outside while files below it are read and written."""
    _lay_traps(tree.root)
    (tree.root / "swap").mkdir()
    (tree.root / "swap" / "secret").write_bytes(b"inside")
    stop, swapped, outcomes = threading.Event(), 0, {"inside": 0, "refused": 0}

    def swap() -> None:
        nonlocal swapped
        while not stop.is_set():
            _exchange(tree.directory, "swap", link)
            swapped += 1

    with _thread(swap, stop):
        while swapped < SWAPS or not all(outcomes.values()):
            try:
                assert tree.read("swap/secret") == b"inside"
                tree.write("swap/secret", b"inside")
                tree.write("swap/made/new", b"inside")
                tree.remove("swap/made/new")
                outcomes["inside"] += 1
            except ToolError:
                outcomes["refused"] += 1
    assert _content(tree.root.parent / "outside") == {"secret": SECRET}


@pytest.mark.skipif(sys.platform != "linux", reason="names are exchanged in one step on Linux only")
def test_a_race_at_the_last_name_never_leads_outside(tree: Tree) -> None:
    _lay_traps(tree.root)
    (tree.root / "swap").write_bytes(b"inside")
    stop, swapped = threading.Event(), 0

    def swap() -> None:
        nonlocal swapped
        while not stop.is_set():
            with suppress(FileNotFoundError):
                _exchange(tree.directory, "swap", "link-absolute")
            swapped += 1

    with _thread(swap, stop):
        while swapped < SWAPS:
            with suppress(ToolError):
                assert tree.read("swap") == b"inside"
            with suppress(ToolError):
                tree.write("swap", b"inside")
    assert _content(tree.root.parent / "outside") == {"secret": SECRET}


def test_new_files_belong_to_whom_the_root_belongs(tree: Tree) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root makes files for others")
    os.chown(tree.root, 12345, 23456)
    (tree.root / "run.sh").write_text("old")
    (tree.root / "run.sh").chmod(0o4755)
    tree.write("run.sh", b"new")
    tree.write("a/b/c", b"new")
    for name in ("run.sh", "a", "a/b", "a/b/c"):
        facts = (tree.root / name).stat()
        assert (facts.st_uid, facts.st_gid) == (12345, 23456)
    assert (tree.root / "run.sh").stat().st_mode & 0o7777 == 0o755


def test_no_descriptor_is_left_open(tree: Tree) -> None:
    _lay_traps(tree.root)

    def use() -> None:
        for path in ("a/f", *HOSTILE):
            with suppress(ToolError):
                tree.read(path)
            with suppress(ToolError):
                tree.remove(f"{path}/x")
        tree.write("n/e/w", b"1")

    use()
    before = len(list(Path("/proc/self/fd").iterdir()))
    use()
    assert len(list(Path("/proc/self/fd").iterdir())) == before


@pytest.mark.skipif(shutil.which("bwrap") is None, reason="bubblewrap is not installed")
def test_a_folder_of_another_mount_namespace_is_used_by_its_descriptor(tree: Tree) -> None:
    script = "mkdir -p /mnt/a /mnt/.git; echo inside > /mnt/a/f; ln -s ../.git /mnt/a/g; echo $$; exec cat"
    argv = ["bwrap", "--ro-bind", "/", "/", "--tmpfs", "/mnt", "--die-with-parent"]
    with subprocess.Popen(
        [*argv, "sh", "-c", script], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as box:
        assert box.stdin is not None
        assert box.stdout is not None
        said = box.stdout.readline()
        if not said:
            box.stdin.close()
            pytest.skip("bubblewrap cannot be used here")
        directory = os.open(f"/proc/{int(said)}/root/mnt", FOLDER_FLAGS)
        there = Tree(Path("/mnt"), directory, tree.open_folder)
        assert there.read("/mnt/a/f") == b"inside\n"
        there.write("b/c", b"new")
        assert there.read("b/c") == b"new"
        for path in ("a/g/config", "/etc/passwd", "../etc/passwd", "/mnt/x"):
            with pytest.raises(ToolError):
                there.read(path)
        os.close(directory)
        box.stdin.close()
