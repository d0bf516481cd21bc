"""The agent loop: ask the model, run the tools it calls, until it is done or has to stop."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from typing import Final, Literal, TypeAlias

from captain.agent.advice import Advice, Advisor, CommandWatch
from captain.agent.checkpoints import Checkpoints
from captain.agent.compaction import Compactor
from captain.agent.crewmate import Crewmate
from captain.agent.limits import Limits
from captain.agent.mailbox import Mailbox, quoted
from captain.agent.recall import recall
from captain.agent.stuck import StuckWatch
from captain.agent.toolbox import Toolbox
from captain.agent.window import Transcript, Window
from captain.core.errors import CaptainError, ContextOverflowError
from captain.core.events import AgentEnded, AgentStarted
from captain.core.messages import Message, Reply, Request, Settings, ToolResult, UserMessage, user
from captain.core.tasks import FollowUp
from captain.core.usage import Spend, Usage
from captain.models import reply_cost_usd
from captain.sandbox import Box
from captain.tools import Tool, ToolContext, ToolOutput

Ending: TypeAlias = Literal["done", "turn_limit", "limit", "stuck", "silent"]

_NUDGES: Final = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentResult:
    """How an agent's work ended, with the `reason` if it had to stop.

    `submission` is the JSON of the tool call that ended it, if one did.
    """

    ending: Ending
    text: str
    turns: int
    transcript: Transcript
    reason: str = ""
    submission: str | None = None
    follow_ups: tuple[FollowUp, ...] = ()

    @property
    def messages(self) -> tuple[Message, ...]:
        return self.transcript.messages


@dataclass(frozen=True, slots=True, kw_only=True)
class Agent:
    """A model with instructions and tools. With `submits`, only a submission by that tool ends its work.

    An `advisor` is asked by the tool `ask_advisor`, and by the loop where the agent does not get on.

    An agent keeps no state between runs: hand the `transcript` of a result back in to go on from there.
    """

    mate: Crewmate
    instructions: str
    tools: tuple[Tool, ...] = ()
    submits: str | None = None
    limits: Limits = Limits()
    settings: Settings = Settings()
    advisor: Advisor | None = None

    async def run(
        self,
        brief: str,
        *,
        box: Box | None = None,
        path: str = "agent",
        history: Transcript = Transcript(),
        command_timeout_s: float = 600.0,
        checkpoints: Checkpoints | None = None,
        mailbox: Mailbox | None = None,
    ) -> AgentResult:
        """Works on `brief`. `path` names this work in the journal and must be unique in its run.

        With `checkpoints`, the box's files are kept with the result of every call that may change them. What comes
        into the `mailbox` meanwhile is said to the model.

        Raises `ModelError` and `BudgetExceededError`; a tool's own failure is told to the model.
        """
        mate = self.mate
        await mate.tell(AgentStarted(agent=mate.name, role=mate.role, model=mate.model.id, task=mate.task))
        work = _Work(self, path, history, checkpoints, mailbox)
        profile = mate.model.profile
        context = ToolContext(
            maybe_box=box,
            agent=mate.name,
            clipped=work.window.clipped,
            command_timeout_s=command_timeout_s,
            image_types=profile.image_types if profile.images else (),
            image_bytes=profile.image_bytes,
        )
        try:
            with nullcontext() if mailbox is None else mailbox.attend(path):
                result = await work.go(brief, context)
        except CaptainError as error:
            await mate.tell(AgentEnded(agent=mate.name, ending="failed", turns=work.turn, summary=str(error)))
            raise
        summary = " ".join((result.reason or result.text).split())[:300]
        await mate.tell(AgentEnded(agent=mate.name, ending=result.ending, turns=result.turns, summary=summary))
        return result


@dataclass(slots=True)
class _Work:
    """One run of an agent: its window on the conversation, and what it has used up."""

    agent: Agent
    path: str
    history: Transcript
    checkpoints: Checkpoints | None = None
    mailbox: Mailbox | None = None
    turn: int = 0
    nudges: int = 0
    spent: Spend = Spend()
    worked_s: float = 0.0
    follow_ups: list[FollowUp] = field(default_factory=list)
    window: Window = field(init=False)
    toolbox: Toolbox = field(init=False)
    compactor: Compactor = field(init=False)
    advice: Advice = field(init=False)

    def __post_init__(self) -> None:
        agent = self.agent
        self.window = Window(0, [*self.history.messages], dict(self.history.clipped))
        self.advice = Advice(agent.advisor, agent.mate, self.window, self.path)
        tools = (*agent.tools, *self.advice.tools(), recall) if agent.tools else ()
        self.toolbox = Toolbox(tools, agent.mate, self.checkpoints, self.mailbox)
        self.window.overhead_tokens = (len(agent.instructions) + self.toolbox.chars) // 4
        self.compactor = Compactor(agent.mate, self.window)

    async def go(self, brief: str, context: ToolContext) -> AgentResult:
        agent, window = self.agent, self.window
        window.add(user(agent.mate.masker.mask(brief)))
        watch, commands = StuckWatch(), CommandWatch()
        reply: Reply | None = None
        for self.turn in range(1, agent.limits.turns + 1):
            reply_or_limit = await self._ask_until_heard()
            if isinstance(reply_or_limit, str):
                return self._ended("limit", reply, reason=reply_or_limit)
            reply = reply_or_limit
            calls = reply.message.tool_calls
            if reply.stop == "pause":
                continue
            if not calls:
                if (ended := await self._without_calls(reply)) is not None:
                    return ended
                continue
            self.nudges, self.advice.turn = 0, self.turn
            used = await self.toolbox.use(calls, context, path=f"{self.path}/turn/{self.turn}/tool")
            outputs, took_s = [each.output for each in used], [each.took_s for each in used]
            self._take(reply, outputs, took_s)
            if submission := next((output.submission for output in outputs if output.submission), None):
                return self._ended("done", reply, submission=submission)
            failing = commands.see(calls, outputs)
            match watch.see(calls, outputs, took_s):
                case "nudge":
                    window.say(await self.advice.unasked("stuck") or StuckWatch.ADVICE)
                case "go on" if failing and (advice := await self.advice.unasked("failing")) is not None:
                    window.say(advice)
                case "stop":
                    return self._ended("stuck", reply, reason="it made the same calls with the same outcome")
        return self._ended("turn_limit", reply, reason=f"it used up its {agent.limits.turns} turns")

    async def _without_calls(self, reply: Reply) -> AgentResult | None:
        """How its work ends, if it does; otherwise something is said to it."""
        if reply.message.text.strip() and self.agent.submits is None and reply.stop != "length":
            return None if await self._hear(self.turn + 1, done=True) else self._ended("done", reply)
        if self.nudges == _NUDGES:
            return self._ended("silent", reply, reason="it stopped answering")
        self.nudges += 1
        self.window.say(self._nudge(reply))
        return None

    async def _hear(self, turn: int, *, done: bool = False) -> bool:
        """Whether anything was said to the agent before that turn."""
        if self.mailbox is None:
            return False
        asked = self.agent.mate.knows(f"{self.path}/turn/{turn}/model")
        texts = await self.mailbox.due(turn, asked=asked, done=done)
        if texts:
            self.window.say(quoted(texts))
        return bool(texts)

    async def _ask_until_heard(self) -> Reply | str:
        """The next reply; a call that was cut off for a message is made anew, with the message."""
        while True:
            await self._hear(self.turn)
            with nullcontext() if self.mailbox is None else self.mailbox.cut():
                return await self._ask()

    async def _ask(self) -> Reply | str:
        """The next reply, or why the agent's own limits do not allow to ask for it."""
        mate, window, agent = self.agent.mate, self.window, self.agent
        asked = mate.knows(f"{self.path}/turn/{self.turn}/model")
        await self.compactor.keep_within(self._request(), path=f"{self.path}/turn/{self.turn}/compact", asked=asked)
        wanted = mate.estimate(window.tokens, agent.settings)
        if reason := agent.limits.reached(self.spent, self.worked_s, wanted, mate.price(wanted)):
            return reason
        path = f"{self.path}/turn/{self.turn}/model"
        again = f"{path}/again"
        reply = None if mate.knows(again) else await self._asked(wanted, path)
        if reply is None:  # the window is smaller than was thought: make room once, then ask again
            await self.compactor.make_room(self._request(), path=f"{self.path}/turn/{self.turn}/overflow")
            reply = await mate.ask(self._request(), mate.estimate(window.tokens, agent.settings), path=again)
        self.spent = self.spent.add(reply.usage, reply_cost_usd(mate.model.profile, reply))
        self.worked_s += reply.duration_s
        window.replied(reply)
        return reply

    async def _asked(self, wanted: Usage, path: str) -> Reply | None:
        """None if the conversation is too long for the model."""
        try:
            return await self.agent.mate.ask(self._request(), wanted, path=path, inputs=self.window.fingerprint)
        except ContextOverflowError:
            return None

    def _request(self) -> Request:
        return Request(
            instructions=self.agent.instructions,
            messages=tuple(self.window.messages),
            tools=self.toolbox.specs,
            settings=self.agent.settings,
            conversation=f"{self.agent.mate.name}-{self.path}",
        )

    def _take(self, reply: Reply, outputs: Sequence[ToolOutput], took_s: Sequence[float]) -> None:
        self.worked_s += sum(took_s)
        self.follow_ups.extend(note for output in outputs for note in output.follow_ups)
        self.window.add(
            UserMessage(
                parts=tuple(
                    ToolResult(call_id=call.id, content=output.content, is_error=output.is_error)
                    for call, output in zip(reply.message.tool_calls, outputs, strict=True)
                )
            )
        )

    def _nudge(self, reply: Reply) -> str:
        lead = "Your answer was cut off at its length limit. " if reply.stop == "length" else ""
        if self.agent.submits is None:
            lead = lead or "You answered nothing. "
            return lead + "Go on with the work, or say in a few words what you did."
        return lead + f"Nothing has been handed in yet. Go on, and when you are ready call `{self.agent.submits}`."

    def _ended(
        self, ending: Ending, reply: Reply | None, *, reason: str = "", submission: str | None = None
    ) -> AgentResult:
        return AgentResult(
            ending=ending,
            text=reply.message.text if reply else "",
            turns=self.turn,
            transcript=self.window.transcript,
            reason=reason,
            submission=submission,
            follow_ups=tuple(self.follow_ups),
        )
