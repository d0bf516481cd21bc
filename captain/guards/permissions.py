"""Which actions are allowed, asked for or denied: a plain function of typed rules and the policy.

Deny wins over ask, ask over allow. What stays in the box is never asked for, as the box contains it; what
crosses its border is, unless the policy or a rule allows it. Some things no rule allows.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import singledispatch
from typing import Final, TypeAlias

from captain.core.actions import (
    Action,
    Decision,
    Effect,
    OpenHost,
    PublishRef,
    RunCommand,
    SpawnAgent,
    SpendMore,
    StartServer,
    UseSecret,
    WidenScope,
)
from captain.core.policy import Policy, is_host_name
from captain.guards.rules import WEB_PORTS, Rule, lies_in

FREE_DEPTH: Final = 1
FREE_WIDTH: Final = 16
"""Agents of the plan itself are one level down; so many at once need nobody's leave."""

_OWN_REFS: Final = ("refs/captain/", "refs/heads/captain/")
_STRENGTH: Final[dict[Effect, int]] = {"allow": 0, "ask": 1, "deny": 2}

Hook: TypeAlias = Callable[[Action, Decision], Decision | None]
"""Sees a decision and may make it stricter; what it allows changes nothing."""


def decide(action: Action, rules: Iterable[Rule], policy: Policy) -> Decision:
    """Pure: the same decision for the same values, everywhere."""
    first = _by_default(action, policy)
    if first.effect == "deny" or (isinstance(action, RunCommand) and action.boxed):
        return first
    found = [
        Decision(effect=rule.effect, reason=f"a rule says {rule.effect}", rule=type(rule).__name__)
        for rule in rules
        if rule.holds(action)
    ]
    return max(found, key=lambda decision: _STRENGTH[decision.effect], default=first)


def tightened(action: Action, decision: Decision, hooks: Iterable[Hook]) -> Decision:
    """The decision after every hook has seen it: stricter or the same, never looser."""
    for hook in hooks:
        wanted = hook(action, decision)
        if wanted is not None and _STRENGTH[wanted.effect] > _STRENGTH[decision.effect]:
            decision = wanted
    return decision


def narrow(parent: Policy, requested: Policy) -> Policy:
    """What an agent below another gets of what it asks for: at most what that one has."""
    return parent & requested


@singledispatch
def _by_default(action: Action, _policy: Policy) -> Decision:
    """What is decided where no rule says anything."""
    raise TypeError(f"{type(action).__name__} is not an action")


@_by_default.register
def _(action: RunCommand, _policy: Policy) -> Decision:
    if action.boxed:
        return _allow("the box contains whatever a command in it does", "box")
    return _ask("it would run outside of a box", "box")


@_by_default.register
def _(action: OpenHost, policy: Policy) -> Decision:
    if not is_host_name(action.host):
        return _deny(f"{action.host!r} is not a plain host name", "host name")
    if policy.network.allows(action.host) and action.port in WEB_PORTS:
        return _allow("the policy grants this host", "network")
    return _ask("the policy does not grant this host and port", "network")


@_by_default.register
def _(action: PublishRef, _policy: Policy) -> Decision:
    if not _is_ref(action.ref):
        return _deny(f"{action.ref!r} is not the whole name of a ref", "ref name")
    if action.remote is None and action.ref.startswith(_OWN_REFS):
        return _allow("the ref is Captain's own", "own refs")
    return _ask("the ref is not Captain's own", "own refs")


@_by_default.register
def _(action: WidenScope, policy: Policy) -> Decision:
    held = [path for path in action.paths if any(_meet(path, kept) for kept in policy.protect)]
    if held:
        return _deny(f"the policy protects {', '.join(held)}", "protect")
    return _ask("the task would change more than it was given", "scope")


@_by_default.register
def _(action: UseSecret, policy: Policy) -> Decision:
    if not policy.network.allows(action.host):
        return _deny("a secret is sent to a host only that the policy grants", "network")
    return _ask("a secret would leave this machine", "secret")


@_by_default.register
def _(_action: StartServer, _policy: Policy) -> Decision:
    return _ask("a server brings tools that nobody has looked at", "server")


@_by_default.register
def _(action: SpendMore, _policy: Policy) -> Decision:
    if not action.cost_usd.is_finite() or action.cost_usd < 0 or action.tokens < 0:
        return _deny("that is no amount that can be spent", "amount")
    return _ask("the run would spend more than it was given", "budget")


@_by_default.register
def _(action: SpawnAgent, _policy: Policy) -> Decision:
    if action.depth <= FREE_DEPTH and action.at_once <= FREE_WIDTH:
        return _allow("it is within what a run may start by itself", "agents")
    return _ask("agents would be deeper or wider than a run may start by itself", "agents")


def _meet(path: str, kept: str) -> bool:
    """Whether opening `path` would open something of `kept` too: it lies in it, or the other way round."""
    return ".." in path.split("/") or lies_in(path, kept) or lies_in(kept, path)


def _is_ref(name: str) -> bool:
    """As strict as git, and then some: plain characters only."""
    parts = name.split("/")
    return (
        name.startswith("refs/")
        and len(parts) > 2
        and all(part and not part.startswith((".", "-")) and not part.endswith((".lock", ".")) for part in parts)
        and ".." not in name
        and "@{" not in name
        and name.isascii()
        and name.isprintable()
        and not set(name) & set(" ~^:?*[\\")
    )


def _allow(reason: str, rule: str) -> Decision:
    return Decision(effect="allow", reason=reason, rule=rule)


def _ask(reason: str, rule: str) -> Decision:
    return Decision(effect="ask", reason=reason, rule=rule)


def _deny(reason: str, rule: str) -> Decision:
    return Decision(effect="deny", reason=reason, rule=rule)
