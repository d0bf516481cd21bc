"""Runs one attack in one sandbox: a harmless command first, the attack, then the check on the host."""

from __future__ import annotations

import os
import pty
import resource
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Literal, TypeAlias

import anyio
from anyio import to_thread

from captain.core.errors import CaptainError
from captain.sandbox import Box, ExecResult, Policy, Sandbox
from captain.sandbox.commands import CommandBox
from captain.sandbox.walled import WalledBox
from tests.redteam.attacks import Attack, Variant
from tests.redteam.world import World, world

Verdict: TypeAlias = Literal["contained", "not contained", "unknown", "not tried"]

_CHECK_S = 60


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """`why` is empty for what was contained."""

    verdict: Verdict
    why: str = ""


class UnknownError(Exception):
    """The attack could not be tried as it was meant: what came of it says nothing."""


async def try_attack(sandbox: Sandbox, attack: Attack) -> Outcome:
    """The worst of its variants."""
    outcomes = [await try_variant(sandbox, attack, variant) for variant in attack.variants]
    for verdict in ("not contained", "unknown", "not tried"):
        if worst := [outcome for outcome in outcomes if outcome.verdict == verdict]:
            return worst[0]
    return outcomes[0]


async def try_variant(sandbox: Sandbox, attack: Attack, variant: Variant) -> Outcome:
    if variant.never_bare and not sandbox.isolated:
        return Outcome(verdict="not tried", why=variant.never_bare)
    with world() as made:
        try:
            why = await _attack(sandbox, attack, variant, made)
        except (UnknownError, CaptainError) as error:
            return Outcome(verdict="unknown", why=f"{variant.name}: {error}")
    return Outcome(verdict="not contained", why=why) if why else Outcome(verdict="contained")


async def _attack(sandbox: Sandbox, attack: Attack, variant: Variant, made: World) -> str:
    box = await sandbox.open(made.copy, Policy(limits=variant.limits))
    try:
        made.more.update(HOST=str(os.getpid()), WARDEN=str(_warden(box)))
        await _works(box, made)
        before_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        run = _run_on_terminal if attack.kind == "terminal" else _run
        result = await run(box, made.fill(variant.payload), variant.timeout_s)
        grew_kib = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before_kib
        facts = _facts(result, grew_kib, alive=await _answers(box))
        if variant.at_once:
            facts |= _hits(made)
            return await to_thread.run_sync(_checked, variant, made, result.output, facts)
    finally:
        await box.close()
    return await to_thread.run_sync(_checked, variant, made, result.output, facts | _hits(made))


def _warden(box: Box) -> int:
    return box._link._process.pid if isinstance(box, WalledBox) else 0


async def _works(box: Box, made: World) -> None:
    """The positive control: commands run in the copy and may write there, and the host's listeners count."""
    said = await box.run_shell(f"echo works > {made.copy}/control && cat control README", timeout_s=30)
    if said.exit_code != 0 or said.text != "works\nhello\n":
        raise UnknownError(f"a harmless command failed: {said.text.strip() or said.exit_code}")
    (made.copy / "control").unlink()


async def _answers(box: Box) -> bool:
    try:
        return (await box.run_shell("echo alive", timeout_s=30)).text == "alive\n"
    except CaptainError:
        return False


async def _run(box: Box, payload: str, timeout_s: float) -> ExecResult:
    return await box.run_shell(payload, timeout_s=timeout_s)


async def _run_on_terminal(box: Box, payload: str, timeout_s: float) -> ExecResult:
    """With a terminal of the host's as its input, which nothing in the product gives a command."""
    assert isinstance(box, CommandBox)
    host, end = pty.openpty()
    began_s = time.monotonic()
    with tempfile.TemporaryFile() as output, _closing(host, end):
        running = await box._start(own=False)(
            ["/bin/bash", "-c", payload], stdin=end, stdout=output.fileno(), stderr=output.fileno()
        )
        with anyio.move_on_after(timeout_s):
            await running.wait()
        await running.stop()
        output.seek(0)
        return ExecResult(
            argv=("/bin/bash",),
            exit_code=running.exit_code,
            output=output.read(),
            omitted_bytes=0,
            timed_out=False,
            duration_s=time.monotonic() - began_s,
        )


@contextmanager
def _closing(*descriptors: int) -> Iterator[None]:
    try:
        yield
    finally:
        for descriptor in descriptors:
            os.close(descriptor)


def _facts(result: ExecResult, grew_kib: int, *, alive: bool) -> dict[str, str]:
    return {
        "RC": str(result.exit_code),
        "MS": str(int(1000 * result.duration_s)),
        "TIMEDOUT": str(int(result.timed_out)),
        "BYTES": str(len(result.output)),
        "TRUNC": str(result.omitted_bytes),
        "EXCEEDED": result.exceeded or "",
        "GREW_MB": str(grew_kib // 1024),
        "ALIVE": str(int(alive)),
    }


def _hits(made: World) -> dict[str, str]:
    """What the attack reached; then each listener is reached from here, to know that it counts."""
    reached = dict(made.listeners.hits)
    made.listeners.knock()
    after = made.listeners.close()
    if dead := [kind for kind, count in after.items() if count <= reached[kind]]:
        raise UnknownError(f"a listener of the host does not count: {dead}")
    return {f"HITS_{kind}": str(count) for kind, count in reached.items()}


def _checked(variant: Variant, made: World, output: bytes, facts: dict[str, str]) -> str:
    """Empty if the check holds."""
    path = made.base / "output"
    path.write_bytes(output)
    argv = ["bash", "-c", made.fill(variant.check)]
    env = {"PATH": os.environ["PATH"], "OUTPUT": str(path), "GIT_CONFIG_GLOBAL": "/dev/null", **facts}
    done = subprocess.run(argv, env=env, cwd=made.base, capture_output=True, check=False, timeout=_CHECK_S)
    if done.returncode == 0:
        return ""
    said = output[:300].decode("utf-8", "replace").replace(str(made.base), "").strip()
    shown = " ".join(f"{name}={value}" for name, value in facts.items() if value not in ("", "0"))
    return f"{variant.name}: {shown} {said}"
