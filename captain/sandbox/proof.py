"""Tries a sandbox from inside before anything of an agent's runs in it: promises are proved on this machine."""

from __future__ import annotations

import secrets
import shlex
import socket
import subprocess
import tempfile
from collections.abc import Awaitable, Callable
from contextlib import suppress
from pathlib import Path
from typing import Final, TypeAlias

import anyio
from anyio import to_thread

from captain.core.errors import SandboxError
from captain.core.policy import Guarantee, Policy
from captain.sandbox.box import Box
from captain.sandbox.place import Layers

Open: TypeAlias = Callable[[Path | Layers, Policy], Awaitable[Box]]

_TRY_S: Final = 20.0
_PROBES: Final = r"""
echo outside > {outside}/written
cat {outside}/secret
(exec 3<>/dev/tcp/127.0.0.1/{port}) 2>/dev/null
kill -9 {pid} 2>/dev/null
grep -q '^NoNewPrivs:[[:space:]]*1' /proc/self/status || echo MORE-PRIVILEGES
grep -q '^CapEff:[[:space:]]*0000000000000000' /proc/self/status || echo CAPABILITIES
grep -q '^Seccomp:[[:space:]]*2' /proc/self/status || echo NO-FILTER
perl -e 'socket(my $s, 40, 1, 0) and print "VSOCK\n"' 2>/dev/null \
  || python3 -c 'import socket; socket.socket(40, 1, 0); print("VSOCK")' 2>/dev/null
echo {done}
"""


async def prove(open_: Open, name: str) -> None:
    """Raises `SandboxError` that names what did not hold."""
    ground = await to_thread.run_sync(_Ground)
    try:
        box = await open_(ground.inside, Policy())
        try:
            result = await box.run_shell(ground.script, timeout_s=_TRY_S)
        finally:
            with anyio.CancelScope(shield=True):
                await box.close()
        broken = ground.broken(result.text)
    finally:
        with anyio.CancelScope(shield=True):
            await to_thread.run_sync(ground.clear)
    if ground.done not in result.text:
        said = result.text.strip()[-300:] or "no reason"
        raise SandboxError(f"The sandbox {name} does not run commands here: {said}.")
    if broken:
        raise SandboxError(
            f"The sandbox {name} does not hold on this machine: {', '.join(broken)}.",
            hint="Do not use it. Please report this with the output of captain doctor.",
        )


class _Ground:
    """What must stay as it is: a folder outside, a secret in it, a listener, a process."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="captain-proof-")
        self._outside, self.inside = Path(self._folder.name, "outside"), Path(self._folder.name, "inside")
        self._outside.mkdir(mode=0o777)
        self.inside.mkdir()
        self._secret, self.done = secrets.token_hex(16), secrets.token_hex(8)
        (self._outside / "secret").write_text(self._secret)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._listener.setblocking(False)
        self._victim = subprocess.Popen(["/bin/sleep", "60"], start_new_session=True)

    @property
    def script(self) -> str:
        outside, port = shlex.quote(str(self._outside)), self._listener.getsockname()[1]
        return _PROBES.format(outside=outside, port=port, pid=self._victim.pid, done=self.done)

    def broken(self, said: str) -> list[str]:
        broken = []
        if (self._outside / "written").exists():
            broken.append(Guarantee.FS_WRITE)
        if self._secret in said:
            broken.append(Guarantee.FS_READ)
        with suppress(BlockingIOError):
            self._listener.accept()[0].close()
            broken.append(Guarantee.NET)
        if self._victim.poll() is not None:
            broken.append(Guarantee.PROC)
        if "VSOCK" in said or "NO-FILTER" in said:
            broken.append(Guarantee.FAMILIES)
        if "MORE-PRIVILEGES" in said or "CAPABILITIES" in said:
            broken.append(Guarantee.NO_USERNS)
        return [str(one) for one in broken]

    def clear(self) -> None:
        self._victim.kill()
        self._victim.wait()
        self._listener.close()
        self._folder.cleanup()
