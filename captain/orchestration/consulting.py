"""`ask_captain`: a Build asks the Captain one question; what only the user knows becomes a question of the run."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from typing import Annotated, Final

import anyio

from captain.agent import Agent, Limits
from captain.core import codec
from captain.core.errors import ModelError, ToolError
from captain.core.events import CaptainAsked, PlanAdopted, RequestAdded, Triaged
from captain.core.tasks import Task
from captain.orchestration.added import FIRST
from captain.orchestration.context import Voyage
from captain.orchestration.prompts import prompt
from captain.orchestration.questions import UnansweredError
from captain.tools import READING, Tool, ToolOutput, clip, said, tool
from captain.workspace import Workspace

MAX_ASKED: Final = 3
"""Questions of one task, whichever of its agents asks. The same question again is no other one."""

NOBODY_KNOWS: Final = "Nobody can say; decide as the brief allows and say what you assumed."

_LOOKS: Final = Limits(turns=8, working_s=180)
_QUESTION_CHARS: Final = 600
_ANSWER_CHARS: Final = 2_000


@dataclass(slots=True)
class CaptainLine:
    """Of one run. `slots` are the places of tasks at work: one that waits for a person gives its place away."""

    voyage: Voyage
    slots: anyio.Semaphore
    _turns: defaultdict[str, anyio.Lock] = field(default_factory=lambda: defaultdict(anyio.Lock))

    def tools(self, task: Task, workspace: Workspace) -> tuple[Tool, ...]:
        """What a Build of that task asks by."""

        # no read, although it changes nothing: what happens in it is on record between its beginning and its end
        @tool(effect="execute")
        async def ask_captain(
            question: Annotated[str, "One short question, with the choices you see."],
        ) -> ToolOutput:
            """Asks the Captain, who planned the task, what the brief leaves open and the repository does not say.

            Look first. You may ask three times in a task.
            """
            asked = self.voyage.journal.masker.mask(" ".join(question.split()))
            if not asked:
                raise ToolError("The question is empty.")
            if len(asked) > _QUESTION_CHARS:
                raise ToolError(f"That is {len(asked)} characters; a question has {_QUESTION_CHARS} at most.")
            async with self._turns[task.id]:
                return said(await self._ask(task, asked, workspace.base))

        return (ask_captain,)

    async def _ask(self, task: Task, question: str, base: str) -> str:
        voyage = self.voyage
        number = await self._number(task, question)
        path = f"task/{task.id}/ask/{number}"
        answer = await self._captains(task, question, base, number, path)
        if answer is not None:
            await voyage.tell(CaptainAsked(task=task.id, question=question, answer=answer, by="captain"))
            return f"The Captain says: {answer}"
        asked = await self._persons(task, question, path)
        await voyage.tell(asked)
        return f"The user says: {asked.answer}" if asked.answer else NOBODY_KNOWS

    async def _number(self, task: Task, question: str) -> int:
        """Which question of the task it is. Each place is kept for one question, also when the run is resumed."""

        async def keep() -> str:
            return question

        for number in range(1, MAX_ASKED + 1):
            path = f"task/{task.id}/ask/{number}/question"
            if await self.voyage.step(path, keep, inputs=None, gives=str, effect="read") == question:
                return number
        raise ToolError(f"The Captain was asked {MAX_ASKED} times in this task, which is all. {NOBODY_KNOWS}")

    async def _captains(self, task: Task, question: str, base: str, number: int, path: str) -> str | None:
        """None where the Captain passes, or comes to no answer."""
        voyage = self.voyage
        agent = Agent(
            mate=voyage.mate(voyage.team.captain, "captain", f"captain-{task.id}-ask-{number}"),
            instructions=prompt("answer"),
            tools=READING,
            limits=_LOOKS,
        )
        try:
            async with voyage.reading_box(f"ask-{task.id}", base) as box:
                result = await agent.run(_brief(voyage, task, question), box=box, path=path)
        except ModelError:
            return None  # the task can go on without it
        text = result.text.strip()
        if result.ending != "done" or not text or text.splitlines()[0].strip(" .`*\"'").casefold() == "pass":
            return None
        return clip(text, _ANSWER_CHARS)

    async def _persons(self, task: Task, question: str, path: str) -> CaptainAsked:
        desk = self.voyage.questions
        gives_way = desk.can_ask
        if gives_way:
            self.slots.release()
        try:
            answer = await desk.ask(path, "clarify", question, free_text=True, task=task.id)
        except UnansweredError as open_:
            # the work goes on without an answer, so that one that came later would change nothing
            await desk.answer(open_.question.id, text=NOBODY_KNOWS, by="policy")
            return CaptainAsked(task=task.id, question=question, answer="", by="nobody")
        finally:
            if gives_way:
                with anyio.CancelScope(shield=True):
                    await self.slots.acquire()
        if answer.by == "policy":  # said above, by a process that ended before the Build heard it
            return CaptainAsked(task=task.id, question=question, answer="", by="nobody")
        return CaptainAsked(task=task.id, question=question, answer=clip(answer.text, _ANSWER_CHARS), by=answer.by)


def _brief(voyage: Voyage, task: Task, question: str) -> str:
    events = [recorded.event for recorded in voyage.journal.events]
    plans = [event for event in events if isinstance(event, PlanAdopted)]
    adopted = next((event for event in plans if task in event.plan.tasks), plans[-1] if plans else None)
    number = adopted.request if adopted is not None else FIRST
    triages = [event.triage for event in events if isinstance(event, Triaged) and event.request == number]
    triage = triages[-1] if triages else None
    plan = adopted.plan if adopted is not None else None
    asked = [event.request for event in events if isinstance(event, RequestAdded) and event.number == number]
    parts = [f"# Request\n\n{_quoted(asked[0] if asked else voyage.asked)}"]
    if triage is not None:
        parts.append(f"# Your triage\n\n{_quoted(codec.to_json(triage))}")
    if plan is not None:
        parts.append(f"# Your plan\n\n{_quoted(codec.to_json(plan))}")
    parts.append(f"# The Build of {task.id} ({task.title}) asks\n\n{_quoted(question)}")
    return "\n\n".join(parts)


def _quoted(text: str) -> str:
    return "\n".join(f"> {line}" for line in text.splitlines())
