"""The Captain's one conversation: triage and plan are submissions in it, over the same tools."""

from __future__ import annotations

from captain.agent import Advisor, Agent, Limits, Transcript
from captain.core.errors import CaptainError
from captain.orchestration.context import Voyage
from captain.orchestration.prompts import prompt
from captain.tools import READING, Tool, follow_up, shell, web_tools


class Conversation:
    """`desks` are the tools by which the Captain hands in; they stay the same, so that prompt caches hit.

    `history` is what was said before, about the run's own request.
    """

    def __init__(self, voyage: Voyage, desks: tuple[Tool, ...], history: Transcript | None = None) -> None:
        self._voyage = voyage
        self._tools = (*READING, shell, follow_up, *web_tools(voyage.desk), *desks)
        self.transcript = history or Transcript()

    async def ask(self, brief: str, *, submits: str, path: str) -> str:
        """What the Captain hands in by the tool `submits`, as JSON. Its commands run in a scratch copy."""
        handed_in = await self.ask_within(
            Limits(turns=self._voyage.options.max_turns), brief, submits=submits, path=path, final=True
        )
        assert handed_in is not None
        return handed_in

    async def ask_within(
        self, limits: Limits, brief: str, *, submits: str, path: str, final: bool = False
    ) -> str | None:
        """As `ask`; None where the limits were reached first, unless it is `final`."""
        voyage = self._voyage
        agent = Agent(
            mate=voyage.mate(voyage.team.captain, "captain", "captain"),
            instructions=prompt("captain"),
            tools=self._tools,
            submits=submits,
            limits=limits,
            advisor=self._advisor(),
        )
        async with voyage.fresh_box(f"captain-{path.replace('/', '-')}", voyage.base) as box:
            result = await agent.run(
                brief,
                box=box,
                path=f"{voyage.part}{path}",
                history=self.transcript,
                command_timeout_s=voyage.options.command_timeout_s,
                mailbox=voyage.steering.mailbox("captain"),
            )
        self.transcript = result.transcript
        await voyage.note(result.follow_ups)
        if result.submission is None:
            if not final and result.ending in ("limit", "turn_limit"):
                return None
            raise CaptainError(
                f"The Captain ({voyage.team.captain.id}) ended before it called {submits}: {result.reason}.",
                hint="Use another model as Captain, or say more precisely what is wanted.",
            )
        return result.submission

    def _advisor(self) -> Advisor | None:
        """Of the Captain's own accord only: nobody looks over its shoulder."""
        player = self._voyage.team.advisor
        return None if player is None else Advisor(mate=self._voyage.mate(player, "advisor", "advice"), unasked=False)
