"""Grants: a yes is good for exactly what was shown, for a while, and mostly once."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Final

from captain.core.actions import Answer, Grant, NamedFile, PermissionRequest, RunCommand
from captain.core.clock import Clock

LIFETIME_S: Final = 300.0
"""Long enough to carry out what was allowed; whoever comes later asks again."""

_WHOLE_RUN: Final = timedelta(days=365)


class GrantBook:
    """The grants of one run. `redeem` takes one, if there is one for exactly this request."""

    def __init__(self, clock: Clock, *, lifetime_s: float = LIFETIME_S) -> None:
        self._clock = clock
        self._lifetime = timedelta(seconds=lifetime_s)
        self._grants: dict[str, Grant] = {}

    def issue(self, request: PermissionRequest, answer: Answer) -> Grant | None:
        """None for a no. A grant for the run lasts as long as the run, which is as long as this book."""
        if not answer.allow:
            return None
        now = self._clock.now()
        expires_at = now + (_WHOLE_RUN if answer.for_run else self._lifetime)
        grant = Grant(digest=request.digest(), for_run=answer.for_run, expires_at=expires_at)
        self._grants[grant.digest] = grant
        return grant

    def redeem(self, request: PermissionRequest) -> Grant | None:
        """The grant, which is used by this; None where there is none, none any more, or one for something else."""
        grant = self._grants.get(request.digest())
        if grant is None:
            return None
        if self._clock.now() >= grant.expires_at or (grant.used and not grant.for_run):
            del self._grants[grant.digest]
            return None
        used = self._grants[grant.digest] = replace(grant, used=grant.used + 1)
        return used


def command_as_it_is(
    argv: Sequence[str], *, folder: Path, environment: Mapping[str, str], boxed: bool = True
) -> RunCommand:
    """A command as it stands at this moment, with the files it names, to be asked for and looked at again.

    Called once more right before the command runs, it gives another action if anything has changed.
    """
    files = []
    for argument in argv:
        path = folder / argument
        if path.is_file():
            target = Path(os.path.realpath(path))
            digest = hashlib.sha256(target.read_bytes()).hexdigest()
            files.append(NamedFile(path=argument, target=str(target), digest=digest))
    return RunCommand(
        argv=tuple(argv),
        folder=os.path.realpath(folder),
        environment=tuple(sorted(environment.items())),
        files=tuple(files),
        boxed=boxed,
    )
