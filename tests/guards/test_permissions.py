"""What is allowed, asked for and denied, and that nothing but a rule of the user's widens it."""

from __future__ import annotations

import itertools
from decimal import Decimal
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

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
from captain.core.policy import Limits, Network, Policy
from captain.guards import (
    AgentRule,
    CommandRule,
    HostRule,
    RefRule,
    Rule,
    ScopeRule,
    SecretRule,
    ServerRule,
    SpendRule,
    decide,
    narrow,
    tightened,
)
from tests.core.values import values

GRANTED = Policy(network=Network.hosts("docs.example.org", "*.wild.example"), protect=("tests", ".github/**"))

COMMAND = RunCommand(argv=("rm", "-rf", "/"), folder="/")
OUTSIDE = RunCommand(argv=("make", "release"), folder="/", boxed=False)


@pytest.mark.parametrize(
    ("action", "effect"),
    [
        (COMMAND, "allow"),
        (OUTSIDE, "ask"),
        (OpenHost(host="docs.example.org"), "allow"),
        (OpenHost(host="a.wild.example", port=80), "allow"),
        (OpenHost(host="docs.example.org", port=22), "ask"),
        (OpenHost(host="other.example"), "ask"),
        (OpenHost(host="127.0.0.1"), "deny"),
        (OpenHost(host="localhost"), "deny"),
        (PublishRef(ref="refs/captain/r/base", commit="c"), "allow"),
        (PublishRef(ref="refs/heads/captain/r/result", commit="c"), "allow"),
        (PublishRef(ref="refs/heads/captain/r/result", commit="c", remote="origin"), "ask"),
        (PublishRef(ref="refs/heads/main", commit="c"), "ask"),
        (PublishRef(ref="refs/captain/../heads/main", commit="c"), "deny"),
        (PublishRef(ref="refs/heads/captain", commit="c"), "ask"),
        (PublishRef(ref="main", commit="c"), "deny"),
        (WidenScope(task="T1", paths=("docs/a.md",)), "ask"),
        (WidenScope(task="T1", paths=("docs/a.md", "tests/test_a.py")), "deny"),
        (WidenScope(task="T1", paths=("**",)), "deny"),
        (WidenScope(task="T1", paths=(".github",)), "deny"),
        (WidenScope(task="T1", paths=("src/../tests/a",)), "deny"),
        (UseSecret(name="PYPI", host="docs.example.org"), "ask"),
        (UseSecret(name="PYPI", host="evil.example"), "deny"),
        (StartServer(name="db", argv=("db",), pin="p"), "ask"),
        (SpendMore(cost_usd=Decimal(1)), "ask"),
        (SpendMore(cost_usd=Decimal(-1)), "deny"),
        (SpendMore(cost_usd=Decimal("NaN")), "deny"),
        (SpawnAgent(depth=1, at_once=4), "allow"),
        (SpawnAgent(depth=2, at_once=1), "ask"),
        (SpawnAgent(depth=1, at_once=100), "ask"),
    ],
)
def test_crossings_are_asked_for_and_what_stays_inside_is_not(action: Action, effect: Effect) -> None:
    assert decide(action, (), GRANTED).effect == effect


def rules(effect: Effect) -> tuple[Rule, ...]:
    """One for every kind of action, as wide as it can be written."""
    return (
        HostRule(effect=effect, network=Network.hosts("other.example", "*.other.example")),
        RefRule(effect=effect, refs=("refs/*",)),
        ScopeRule(effect=effect, paths=("**",)),
        SecretRule(effect=effect, names=("PYPI",), network=Network.hosts("docs.example.org", "evil.example")),
        ServerRule(effect=effect, pins=("p",)),
        SpendRule(effect=effect, cost_usd=Decimal(5)) if effect == "allow" else SpendRule(effect=effect),
        AgentRule(effect=effect, depth=3 if effect == "allow" else 0, at_once=200 if effect == "allow" else 0),
        CommandRule(effect=effect, argv=("make", "release")),
    )


ASKED: tuple[Action, ...] = (
    OUTSIDE,
    OpenHost(host="other.example"),
    PublishRef(ref="refs/heads/main", commit="c"),
    WidenScope(task="T1", paths=("docs/a.md",)),
    UseSecret(name="PYPI", host="docs.example.org"),
    StartServer(name="db", argv=("db",), pin="p"),
    SpendMore(cost_usd=Decimal(1)),
    SpawnAgent(depth=2, at_once=1),
)


@pytest.mark.parametrize("action", ASKED)
def test_deny_wins_over_ask_and_ask_over_allow_in_any_order(action: Action) -> None:
    for order in itertools.permutations((rules("allow"), rules("ask"), rules("deny"))):
        assert decide(action, itertools.chain(*order), GRANTED).effect == "deny"
    for order in itertools.permutations((rules("allow"), rules("ask"))):
        assert decide(action, itertools.chain(*order), GRANTED).effect == "ask"
    assert decide(action, rules("allow"), GRANTED).effect == "allow"


@pytest.mark.parametrize(
    "action",
    [
        OpenHost(host="10.0.0.1"),
        PublishRef(ref="refs/heads/../x", commit="c"),
        WidenScope(task="T1", paths=("tests/test_a.py",)),
        UseSecret(name="PYPI", host="evil.example"),
        SpendMore(tokens=-1),
    ],
)
def test_no_rule_allows_what_is_denied_by_itself(action: Action) -> None:
    assert decide(action, rules("allow"), GRANTED).effect == "deny"


@pytest.mark.parametrize(
    "action",
    [
        OpenHost(host="other.example", port=22),
        OpenHost(host="other.example.evil.example"),
        PublishRef(ref="refs/heads/main", commit="c", remote="origin"),
        SpendMore(cost_usd=Decimal("5.01")),
        SpendMore(tokens=1),
        SpawnAgent(depth=4, at_once=1),
        StartServer(name="db", argv=("db",), pin="q"),
        UseSecret(name="OTHER", host="docs.example.org"),
        RunCommand(argv=("make", "release", ";", "x"), folder="/", boxed=False),
        RunCommand(argv=("make  release",), folder="/", boxed=False),
    ],
)
def test_a_rule_that_allows_reaches_no_further_than_it_says(action: Action) -> None:
    assert decide(action, rules("allow"), GRANTED).effect == "ask"


def test_a_rule_that_forbids_a_host_forbids_it_at_every_port_and_although_the_policy_grants_it() -> None:
    forbid = HostRule(effect="deny", network=Network.hosts("docs.example.org"))

    assert decide(OpenHost(host="docs.example.org"), (forbid,), GRANTED).effect == "deny"
    assert decide(OpenHost(host="docs.example.org", port=8443), (forbid,), GRANTED).effect == "deny"


def test_commands_in_the_box_are_allowed_whatever_rules_say() -> None:
    forbid = CommandRule(effect="deny", argv=COMMAND.argv)

    assert decide(COMMAND, (forbid,), GRANTED).effect == "allow"


@given(st.lists(st.sampled_from(["allow", "ask", "deny"])), st.sampled_from(["allow", "ask", "deny"]))
def test_hooks_only_ever_tighten(answers: list[Effect], first: Effect) -> None:
    strength = {"allow": 0, "ask": 1, "deny": 2}
    hooks = [lambda *_, effect=effect: Decision(effect=effect, reason="hook", rule="hook") for effect in answers]

    ended = tightened(ASKED[0], Decision(effect=first, reason="", rule=""), [*hooks, lambda *_: None])

    assert ended.effect == max([first, *answers], key=strength.__getitem__)


limits = st.builds(Limits, cpu_s=st.integers(1, 9), processes=st.integers(1, 9), disk_bytes=st.integers(1, 9))
policies = st.builds(
    Policy,
    write=st.lists(st.sampled_from(["**", "src", "src/a", "docs"])).map(tuple),
    protect=st.lists(st.sampled_from(["tests", "ci"])).map(tuple),
    read=st.lists(st.sampled_from([Path("/opt"), Path("/opt/tool"), Path("/srv")])).map(tuple),
    env=st.dictionaries(st.sampled_from("AB"), st.sampled_from("12")),
    network=st.lists(st.sampled_from(["a.example", "*.a.example", "b.a.example", "*.example.org"])).map(
        lambda names: Network.hosts(*names)
    ),
    limits=limits,
)


@given(policies, policies)
def test_an_agent_below_another_gets_at_most_what_that_one_has(parent: Policy, requested: Policy) -> None:
    child = narrow(parent, requested)

    assert all(any(p in ("**", w) or w.startswith(p + "/") for p in parent.write) for w in child.write)
    assert set(child.protect) >= set(parent.protect)
    assert child.env.items() <= parent.env.items()
    assert all(
        parent.network.allows(host)
        for host in ("a.example", "x.a.example", "b.a.example", "x.example.org")
        if child.network.allows(host)
    )
    assert child.limits.cpu_s <= parent.limits.cpu_s
    assert child.limits.disk_bytes <= parent.limits.disk_bytes
    for action in ASKED:
        assert (decide(action, (), child).effect == "allow") <= (decide(action, (), parent).effect == "allow")


@given(values(Action))
def test_every_action_there_is_gets_a_decision(action: Action) -> None:
    assert decide(action, (), GRANTED).effect in ("allow", "ask", "deny")
