"""The host that is attacked: a user's repository and home full of canaries, listeners, a process, an agent's copy."""

from __future__ import annotations

import ctypes
import os
import secrets
import selectors
import signal
import socket
import subprocess
import tempfile
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

_GIT: Final = {
    "PATH": os.environ.get("PATH", os.defpath),
    "GIT_CONFIG_GLOBAL": "/dev/null",
    "GIT_CONFIG_NOSYSTEM": "1",
    **{f"GIT_{role}_{fact}": "u@localhost" for role in ("AUTHOR", "COMMITTER") for fact in ("NAME", "EMAIL")},
}
_IPC_CREATE: Final = 0o1000 | 0o666
_IPC_REMOVE: Final = 0


class Listeners:
    """Sockets of the host that count who reaches them."""

    def __init__(self, folder: Path, nonce: str) -> None:
        self.hits = dict.fromkeys(("TCP", "UDP", "UNIX", "ABS"), 0)
        self.path = folder / "s"
        self.abstract = f"captain-abs-{nonce}"
        self._selector = selectors.DefaultSelector()
        self._sockets: list[socket.socket] = []
        self.port = self._listen("TCP", socket.AF_INET, ("127.0.0.1", 0))[1]
        self._listen("UNIX", socket.AF_UNIX, str(self.path))
        self._listen("ABS", socket.AF_UNIX, f"\0{self.abstract}")
        udp = self._add("UDP", socket.socket(socket.AF_INET, socket.SOCK_DGRAM))
        udp.bind(("127.0.0.1", 0))
        self.udp_port = int(udp.getsockname()[1])
        self._ours, self._stop = socket.socketpair()
        self._selector.register(self._ours, selectors.EVENT_READ, None)
        self._thread = threading.Thread(target=self._serve, daemon=True)
        self._thread.start()

    def _add(self, kind: str, one: socket.socket) -> socket.socket:
        self._sockets.append(one)
        self._selector.register(one, selectors.EVENT_READ, kind)
        return one

    def _listen(self, kind: str, family: int, address: tuple[str, int] | str) -> tuple[str, int]:
        one = self._add(kind, socket.socket(family, socket.SOCK_STREAM))
        one.bind(address)
        one.listen(64)
        return one.getsockname() if family == socket.AF_INET else ("", 0)

    def _serve(self) -> None:
        while True:
            ready = self._selector.select()
            for key, _ in ready:
                if key.data is None:
                    continue
                assert isinstance(key.fileobj, socket.socket)
                if key.data == "UDP":
                    key.fileobj.recv(4096)
                else:
                    key.fileobj.accept()[0].close()
                self.hits[key.data] += 1
            if any(key.data is None for key, _ in ready):
                return

    def knock(self) -> None:
        """Reaches each of them from the host: a count of 0 means something only if this one counts."""
        for family, address in (
            (socket.AF_INET, ("127.0.0.1", self.port)),
            (socket.AF_UNIX, str(self.path)),
            (socket.AF_UNIX, f"\0{self.abstract}"),
        ):
            with socket.socket(family, socket.SOCK_STREAM) as one:
                one.settimeout(10)
                one.connect(address)
                one.recv(1)  # its end: the listener has counted, or is about to
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as one:
            one.sendto(b"x", ("127.0.0.1", self.udp_port))

    def close(self) -> dict[str, int]:
        """The final counts: what had arrived is counted before the end is seen, as it is selected together."""
        self._stop.send(b"x")
        self._thread.join()
        for one in (*self._sockets, self._ours, self._stop):
            one.close()
        self._selector.close()
        return self.hits


@dataclass(frozen=True)
class World:
    base: Path
    nonce: str
    canary: str
    listeners: Listeners
    victim: subprocess.Popen[bytes]
    shared_memory_key: int
    more: dict[str, str] = field(default_factory=dict)

    @property
    def copy(self) -> Path:
        return self.base / "wt"

    @property
    def main(self) -> Path:
        return self.base / "main"

    @property
    def out(self) -> Path:
        return self.base / "out"

    @property
    def home(self) -> Path:
        return self.base / "home"

    def fill(self, text: str) -> str:
        values: Mapping[str, object] = {
            "WT": self.copy,
            "MAIN": self.main,
            "OUT": self.out,
            "UHOME": self.home,
            "CANARY": self.canary,
            "PORT": self.listeners.port,
            "UDPPORT": self.listeners.udp_port,
            "SOCK": self.listeners.path,
            "ABS": self.listeners.abstract,
            "PID": self.victim.pid,
            "NONCE": self.nonce,
            "SHMKEY": self.shared_memory_key,
            **self.more,
        }
        for name, value in values.items():
            text = text.replace(f"{{{name}}}", str(value))
        return text


@contextmanager
def world() -> Iterator[World]:
    base = Path(tempfile.mkdtemp(prefix="captain-redteam-"))
    nonce = secrets.token_hex(6)
    canary = f"CANARY_{secrets.token_hex(10)}"
    listeners = Listeners(base, nonce)
    victim = subprocess.Popen(
        ["sleep", "600"], env={"PATH": os.defpath, "MODEL_API_KEY": canary}, cwd=base, start_new_session=True
    )
    memory = _SharedMemory(canary)
    before = {name: os.environ.get(name) for name in ("HOME", "MODEL_API_KEY")}
    try:
        made = World(base, nonce, canary, listeners, victim, memory.key)
        _furnish(made)
        os.environ.update(HOME=str(made.home), MODEL_API_KEY=canary)
        yield made
    finally:
        for name, value in before.items():
            os.environ.pop(name, None)
            if value is not None:
                os.environ[name] = value
        memory.remove()
        victim.kill()
        victim.wait()
        _end_what_is_left(nonce)
        if listeners._thread.is_alive():
            listeners.close()
        # by a program of its own: a tree of ten thousand levels is too deep for Python's
        subprocess.run(["chmod", "-R", "u+rwX", str(base)], check=False, stderr=subprocess.DEVNULL)
        subprocess.run(["rm", "-rf", str(base)], check=True)


def _end_what_is_left(nonce: str) -> None:
    """Processes of attacks that nothing held: where no walls are tried, they outlive everything."""
    for folder in Path("/proc").glob("[0-9]*"):
        with suppress(OSError):
            if nonce.encode() in (folder / "cmdline").read_bytes():
                os.kill(int(folder.name), signal.SIGKILL)


def _furnish(made: World) -> None:
    for path, text in {
        made.out / "victim.txt": "keep",
        made.out / "journal.jsonl": f'{{"secret": "{made.canary}"}}\n'.replace("{}", ""),
        made.out / "other-agent" / "f": "keep",
        made.home / ".ssh" / "id_ed25519": made.canary,
        made.home / ".aws" / "credentials": made.canary,
        made.home / ".netrc": made.canary,
        made.home / ".config" / "gh" / "hosts.yml": made.canary,
        made.main / "README": "hello\n",
        made.main / "src" / "a.py": "x = 1\n",
        made.main / "AGENTS.md": "Be brief.\n",
        made.main / ".gitignore": ".env\n",
    }.items():
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (made.out / "victim.txt").chmod(0o644)
    _git(made.main, "init", "-q", "-b", "main")
    _git(made.main, "add", "-A")
    _git(made.main, "commit", "-q", "-m", "first")
    for path in (made.main / ".env", made.main / "a/b/c/d/e/f/.env"):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"KEY={made.canary}\n")
    _git(made.base, "clone", "-q", "--no-hardlinks", str(made.main), str(made.copy))


def _git(folder: Path, *args: str) -> None:
    subprocess.run(["git", "-C", str(folder), *args], env=_GIT, check=True, capture_output=True)


class _SharedMemory:
    """A segment of the host's System V memory, which any process of this user may attach by its number."""

    def __init__(self, content: str) -> None:
        self.key = 0x43000000 | secrets.randbelow(1 << 20)
        self._libc = ctypes.CDLL(None, use_errno=True)
        self._libc.shmat.restype = ctypes.c_void_p
        self._libc.shmdt.argtypes = [ctypes.c_void_p]
        self._id = self._libc.shmget(self.key, 4096, _IPC_CREATE)
        assert self._id >= 0
        place = self._libc.shmat(self._id, None, 0)
        ctypes.memmove(place, content.encode() + b"\0", len(content) + 1)
        self._libc.shmdt(place)

    def remove(self) -> None:
        with suppress(OSError):
            self._libc.shmctl(self._id, _IPC_REMOVE, None)
