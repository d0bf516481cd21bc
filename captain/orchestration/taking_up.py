"""Takes up what was added to a run: looks at what there is by now, and has it triaged and planned like the first."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from captain.agent import Transcript
from captain.core.errors import CaptainError
from captain.core.events import RequestAdded, RequestEnded, RunEnded
from captain.core.tasks import Task, TaskState
from captain.orchestration.added import Standing
from captain.orchestration.context import Voyage
from captain.orchestration.deciding import Decision
from captain.orchestration.endings import ended_by
from captain.orchestration.task import TaskResult


@dataclass(slots=True)
class TakingUp:
    """`without_tasks` are the ends of requests that led to none.

    `history` is the Captain's conversation about the run's own request. Each request goes on from that alone: what came
    of another may be different when the run is taken up again, and what was paid for here is to count all the same.
    """

    voyage: Voyage
    history: Transcript
    without_tasks: dict[int, RunEnded] = field(default_factory=dict)

    async def planned(
        self, added: RequestAdded, tasks: Sequence[Task], results: Mapping[str, TaskResult]
    ) -> tuple[Task, ...]:
        """The tasks of its plan, none if none follow from it. What goes wrong here ends this request only."""
        try:
            found = await self._found(added, tasks, results)
            files = await self.voyage.repository.files(found.commit)
            # what is planned is placed among the tasks there are by now, if the run was taken up for it
            now = replace(found, tasks=tuple(tasks), states=_states(tasks, results))
            asked = self.voyage.with_request(added.number, added.request, now, files)
            reached = await Decision(asked, self.history, found).reach()
        except CaptainError as error:
            reached = ended_by(error)
        if not isinstance(reached, RunEnded):
            return reached.tasks
        self.without_tasks[added.number] = reached
        await self.voyage.tell(
            RequestEnded(request=added.number, status=reached.status, summary=reached.summary, hint=reached.hint)
        )
        return ()

    async def _found(self, added: RequestAdded, tasks: Sequence[Task], results: Mapping[str, TaskResult]) -> Standing:
        """A step: whoever takes the run up again sees what was there then."""
        voyage = self.voyage

        async def look() -> Standing:
            commit, built = voyage.base, list[str]()
            for task in tasks:
                head = results[task.id].head if task.id in results else None
                if head is None:
                    continue
                merged = await voyage.repository.merge(commit, head, f"What request {added.number} finds")
                if merged.commit is not None:
                    commit = merged.commit
                    built.append(task.id)
            states = _states(tasks, results)
            return Standing(base=voyage.base, commit=commit, tasks=tuple(tasks), states=states, built=tuple(built))

        path, inputs = f"request/{added.number}/standing", {"request": added.request}
        return await voyage.step(path, look, inputs=inputs, gives=Standing, effect="read")


def _states(tasks: Sequence[Task], results: Mapping[str, TaskResult]) -> tuple[tuple[str, TaskState], ...]:
    return tuple((task.id, results[task.id].state) for task in tasks if task.id in results)
