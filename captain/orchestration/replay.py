"""A run once more from its record alone: no model, no network, no command, not even its repository."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass, replace
from typing import Any, Final, cast

from captain.core import codec
from captain.core.clock import SystemClock
from captain.core.errors import ReplayError, UsageError
from captain.core.events import Recorded, RunEnded, RunOpened
from captain.core.messages import Request, StreamEvent
from captain.core.policy import Policy
from captain.core.usage import Budget
from captain.guards import PermissionDesk
from captain.models import Model, Profile
from captain.orchestration.added import AddedRequests
from captain.orchestration.carry import carry
from captain.orchestration.context import Options, Team, Voyage
from captain.orchestration.questions import QuestionDesk
from captain.orchestration.settings import OpenedFacts
from captain.orchestration.steering import Steering, Stops
from captain.runs import Inbox, Ledger, ReplayJournal, StoredRun, came_to_an_end
from captain.workspace import Repository, Workspaces

_WHY: Final = "A replay has nothing but the record"


@dataclass(frozen=True, slots=True)
class _Silent:
    """A model of the crew, which is never asked."""

    id: str
    profile: Profile

    def stream(self, request: Request, /) -> AbstractAsyncContextManager[AsyncIterator[StreamEvent]]:
        raise _beyond(f"asked {self.id}")

    async def aclose(self) -> None:
        return None


class _Nothing:
    """In place of what a run works on: whoever looks at it has left the record."""

    def __init__(self, what: str) -> None:
        self._what = what

    def __getattr__(self, name: str) -> Any:
        raise _beyond(f"used the {self._what} ({name})")


class _NoRepository(_Nothing):
    async def files(self, commit: str) -> tuple[str, ...]:
        """Only what hands in looks at them, and what was handed in is on record."""
        return ()


class _NoWorkspaces:
    @asynccontextmanager
    async def open(self, name: str, commit: str, *, scratch: bool = False) -> AsyncIterator[_NoWorkspace]:
        yield _NoWorkspace()


class _NoWorkspace:
    box = None
    kept = None


def _beyond(did: str) -> ReplayError:
    return ReplayError(
        f"{_WHY}, and the code that replays this run {did}.",
        path="",
        changes=(),
        hint="The run was carried by another version of Captain; captain report still reads its record.",
    )


async def replay(stored: StoredRun) -> tuple[Recorded, ...]:
    """Every event of a run that came to an end by itself, told anew.

    Raises `UsageError` for a run that did not, and `ReplayError` where the record and the code do not fit.
    """
    entries = stored.entries()
    journal = ReplayJournal(entries)
    if (ended := came_to_an_end(journal.events)) is None:
        raise UsageError(
            f"Run {stored.id} has not come to an end of its own, so there is nothing to hold a replay against.",
            hint=f"captain resume {stored.id} goes on with it.",
        )
    opened = next(one.event for one in journal.events if isinstance(one.event, RunOpened))
    now = await carry(_voyage(stored, opened, ended, journal))
    if codec.to_json(now) != codec.to_json(ended):
        raise _beyond(f"ended it as {now.status} ({now.summary})")
    return journal.produced


def _voyage(stored: StoredRun, opened: RunOpened, ended: RunEnded, journal: ReplayJournal) -> Voyage:
    facts = codec.from_json(OpenedFacts, stored.result("open") or "")
    clock = SystemClock()
    options = replace(facts.settings.held(Options()), stop_after_plan=ended.status == "planned")
    players = [(role, cast("Model", _Silent(name, Profile(family="replay")))) for role, name in opened.crew]
    team = Team(
        captain=next(model for role, model in players if role == "captain"),
        build=next(model for role, model in players if role == "build"),
        review=tuple(model for role, model in players if role == "review"),
        advisor=next((model for role, model in players if role == "advisor"), None),
    )
    return Voyage(
        run=opened.run,
        request=opened.request,
        base=opened.base,
        repository=cast("Repository", _NoRepository("repository")),
        workspaces=cast("Workspaces", _NoWorkspaces()),
        team=team,
        journal=journal,
        ledger=Ledger(Budget(), clock),
        clock=clock,
        memory=facts.memory,
        options=options,
        files=(),
        desk=PermissionDesk(policy=Policy(), clock=clock, tell=journal.record),
        state_dir=stored.project.folder.parent,
        questions=QuestionDesk(opened.run, journal),
        inbox=cast("Inbox", _Nothing("inbox")),
        steering=Steering(journal),
        stops=Stops(journal),
        added=AddedRequests(journal),
    )


def differing(produced: tuple[Recorded, ...], recorded: tuple[Recorded, ...]) -> tuple[Recorded, ...]:
    """What is on record and was not told anew."""
    told = {one.seq for one in produced}
    return tuple(one for one in recorded if one.seq not in told)
