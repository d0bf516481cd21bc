"""A guard beside each box ends what runs in it when the host cannot: after `kill -9` no clean-up code runs.

The guard is a small shell that reads, from a pipe only the host holds, which process groups run; the
kernel closes that pipe however the host ends. On Linux it also finds what has left its group (`setsid`),
by the mark that every process of the box has in its environment. Closing a box is the same end of file.
"""

from __future__ import annotations

import os
import secrets
import signal
import subprocess
from contextlib import suppress
from functools import partial
from typing import Final

import anyio
from anyio import to_thread

from captain.core.errors import SandboxError

MARK: Final = "CAPTAIN_BOX"

_SCRIPT: Final = r"""
groups=' '
while read -r sign group; do
  case $sign in
    +) groups="$groups$group " ;;
    -) groups="${groups%% "$group" *} ${groups#* "$group" }" ;;
  esac
done
for group in $groups; do kill -s KILL -- "-$group"; done
for pass in 1 2 3 4 5; do
  found=$(grep -lzsxF "$1" /proc/[0-9]*/environ)  # its exit code is 2 as soon as one process may not be read
  [ -n "$found" ] || break
  for process in $found; do process=${process#/proc/}; kill -s KILL "${process%/environ}"; done
done
"""
_CLOSE_S: Final = 5.0


class Guard:
    """Knows the process groups of one box; `mark` is the variable its commands carry."""

    def __init__(self) -> None:
        self.mark = {MARK: secrets.token_hex(8)}
        read_end, self._pipe = os.pipe()
        self._groups: set[int] = set()
        self._closed = False
        try:
            self._process = subprocess.Popen(
                ["/bin/sh", "-c", _SCRIPT, "captain-guard", f"{MARK}={self.mark[MARK]}"],
                stdin=read_end,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                env={"PATH": os.defpath},
                cwd="/",
                start_new_session=True,  # Ctrl-C and a closed terminal reach the host's group, not the guard
            )
        except OSError as error:
            os.close(self._pipe)
            raise SandboxError(f"The guard of a box could not be started: {error.strerror}.") from error
        finally:
            os.close(read_end)

    def add(self, group: int, /) -> None:
        if self._closed:  # while this one started
            with suppress(ProcessLookupError):
                os.killpg(group, signal.SIGKILL)
        self._groups.add(group)
        self._tell(f"+ {group}\n")

    def discard(self, group: int, /) -> None:
        if group in self._groups:
            self._groups.discard(group)
            self._tell(f"- {group}\n")

    def _tell(self, line: str) -> None:
        if not self._closed:
            with suppress(BrokenPipeError):  # somebody ended the guard; the box still ends its own commands
                os.write(self._pipe, line.encode())

    async def close(self) -> None:
        if self._closed:
            return
        self._closed = True
        os.close(self._pipe)
        with anyio.CancelScope(shield=True):
            await to_thread.run_sync(partial(_reap, self._process))


def _reap(process: subprocess.Popen[bytes]) -> None:
    try:
        process.wait(_CLOSE_S)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
