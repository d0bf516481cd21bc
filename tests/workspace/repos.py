"""Small real repositories, made with a git that knows nothing of this machine's user."""

from __future__ import annotations

import hashlib
import os
import subprocess
from dataclasses import dataclass
from pathlib import Path

ENV = {
    "PATH": os.environ.get("PATH", os.defpath),
    "LC_ALL": "C",
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_CONFIG_NOSYSTEM": "1",
    **{f"GIT_{role}_{fact}": fact.lower() for role in ("AUTHOR", "COMMITTER") for fact in ("NAME", "EMAIL")},
}


@dataclass(frozen=True)
class Repo:
    root: Path

    def git(self, *args: str, stdin: bytes = b"", env: dict[str, str] | None = None) -> str:
        argv = ["git", "-C", str(self.root), *args]
        done = subprocess.run(argv, input=stdin, env={**ENV, **(env or {})}, capture_output=True, check=False)
        assert done.returncode == 0, (argv, done.stderr)
        return done.stdout.decode("utf-8", "surrogateescape").strip()

    def write(self, files: dict[str, str | bytes]) -> None:
        for path, content in files.items():
            file = self.root / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content.encode() if isinstance(content, str) else content)

    def commit(self, files: dict[str, str | bytes], message: str = "change") -> str:
        self.write(files)
        self.git("add", "-A")
        self.git("commit", "-q", "--allow-empty", "-m", message)
        return self.git("rev-parse", "HEAD")


def new_repo(root: Path, files: dict[str, str | bytes] | None = None, *, options: tuple[str, ...] = ()) -> Repo:
    root.mkdir(parents=True, exist_ok=True)
    repo = Repo(root)
    repo.git("init", "-q", "-b", "main", *options)
    repo.commit({"a.txt": "one\n", "src/b.txt": "two\n"} if files is None else files, "first")
    return repo


def fingerprint(root: Path) -> dict[str, str]:
    """Every file of a work tree and of its git folder, but for objects and Captain's refs, as one comparable value."""
    seen = {}
    for path in sorted(root.rglob("*")):
        name = path.relative_to(root).as_posix()
        if name.startswith((".git/objects/", ".git/refs/captain", ".git/refs/heads/captain/")):
            continue
        facts = path.lstat()
        if path.is_symlink():
            content = str(path.readlink())
        elif path.is_file():
            content = hashlib.sha256(path.read_bytes()).hexdigest() + str(facts.st_mtime_ns)
        else:
            content = "folder"
        seen[name] = f"{facts.st_mode:o} {content}"
    seen.pop(".git/refs/heads/captain", None)
    return seen
