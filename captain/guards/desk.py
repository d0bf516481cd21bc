"""The permission desk: decides what a rule can decide, asks a person for the rest, and has all of it recorded."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Final, Protocol

import anyio

from captain.core.actions import Action, Answer, Decision, PermissionRequest, describe
from captain.core.clock import Clock
from captain.core.events import Event, PermissionAsked, PermissionDecided
from captain.core.policy import Policy
from captain.guards.grants import GrantBook
from captain.guards.permissions import Hook, decide, narrow, tightened
from captain.guards.rules import HostRule, Rule

MOST_PROMPTS: Final = 10
"""A run. People who are asked more often stop reading: 93 % of prompts are approved."""

ANSWER_WITHIN_S: Final = 300.0


class Approver(Protocol):
    """Whoever answers for the user. Nothing but a clear yes is one."""

    async def ask(self, request: PermissionRequest, /) -> Answer: ...


class PermissionDesk:
    """One for each run. Without an approver, what would be asked is denied."""

    def __init__(
        self,
        *,
        policy: Policy,
        clock: Clock,
        tell: Callable[[Event], Awaitable[None]],
        approver: Approver | None = None,
        rules: tuple[Rule, ...] = (),
        hooks: tuple[Hook, ...] = (),
        answer_within_s: float = ANSWER_WITHIN_S,
        most_prompts: int = MOST_PROMPTS,
    ) -> None:
        self.policy = policy
        self._tell = tell
        self._approver = approver
        self._rules = rules
        self._hooks = hooks
        self._answer_within_s = answer_within_s
        self._most_prompts = most_prompts
        self._grants = GrantBook(clock)
        self._prompts = 0
        self._one_at_a_time = anyio.Lock()

    @property
    def can_ask(self) -> bool:
        return self._approver is not None

    @property
    def grants_hosts(self) -> bool:
        """Whether a rule allows any host that the policy does not name."""
        return any(isinstance(rule, HostRule) and rule.effect == "allow" for rule in self._rules)

    def allows(self, action: Action) -> bool:
        """Whether an action is allowed as things are, without asking anybody."""
        return self._decide(action, self.policy).effect == "allow"

    async def permit(
        self,
        action: Action,
        *,
        asked_by: str,
        why: str,
        policy: Policy | None = None,
        look: Callable[[], Action] | None = None,
    ) -> Decision:
        """Allow or deny, never ask. `policy` is that of the agent, where it is narrower than the run's.

        `look` gives the action as it is by then: it is called once a person has answered, and what has changed
        while they thought is asked anew. Act on an "allow" at once.
        """
        held = self.policy if policy is None else narrow(self.policy, policy)
        decision = self._decide(action, held)
        if decision.effect == "ask":
            request = PermissionRequest(action=action, asked_by=asked_by, why=why, policy=held.digest())
            async with self._one_at_a_time:
                action, decision = await self._by_person(request, decision, held, look)
        await self._tell(PermissionDecided(action=action, asked_by=asked_by, decision=decision))
        return decision

    def _decide(self, action: Action, policy: Policy) -> Decision:
        return tightened(action, decide(action, self._rules, policy), self._hooks)

    async def _by_person(
        self, request: PermissionRequest, decision: Decision, policy: Policy, look: Callable[[], Action] | None
    ) -> tuple[Action, Decision]:
        reason = "it was allowed for this run"
        while decision.effect == "ask":
            if self._grants.redeem(request) is not None:
                return request.action, Decision(effect="allow", reason=reason, rule="grant")
            answer = await self._ask(request, decision.reason)
            if isinstance(answer, Decision):
                return request.action, answer
            self._grants.issue(request, answer)
            reason = answer.reason or f"the user allowed it{' for this run' if answer.for_run else ', once'}"
            if look is not None:
                request = replace(request, action=look())
                decision = self._decide(request.action, policy)
        return request.action, decision

    async def _ask(self, request: PermissionRequest, reason: str) -> Answer | Decision:
        """A yes, or why there is none."""
        if self._approver is None:
            return _denied(f"{reason}, and nobody is there to be asked", "no approver")
        if self._prompts >= self._most_prompts:
            return _denied(f"{reason}, and the user was asked {self._prompts} times already, which is the most", "cap")
        self._prompts += 1
        await self._tell(PermissionAsked(request=request, digest=request.digest(), reason=reason))
        answer: Answer | None = None
        with anyio.move_on_after(self._answer_within_s):
            answer = await self._approver.ask(request)
        if answer is None:
            return _denied(f"nobody answered within {self._answer_within_s:g} s", "no answer")
        return answer if answer.allow else _denied(answer.reason or "the user said no", "answer")


def _denied(reason: str, rule: str) -> Decision:
    return Decision(effect="deny", reason=reason, rule=rule)


def refusal(action: Action, decision: Decision) -> str:
    """What an agent is told, in one sentence."""
    return f"Not permitted: to {describe(action)} ({decision.reason})."
