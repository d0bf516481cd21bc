"""A policy is a value that only gets narrower."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from captain.core.errors import UsageError
from captain.core.policy import Limits, Network, Policy

HOSTS = st.sampled_from(["a.example", "b.a.example", "c.b.a.example", "other.test", "x.other.test"])
PATTERNS = st.one_of(HOSTS, HOSTS.map(lambda host: f"*.{host}"))
NETWORKS = st.lists(PATTERNS, max_size=4).map(lambda patterns: Network.hosts(*patterns))
FOLDERS = st.lists(st.sampled_from(["**", "src", "src/a", "src/ab", "docs"]), max_size=3).map(tuple)
POLICIES = st.builds(
    Policy,
    write=FOLDERS,
    protect=FOLDERS,
    read=st.lists(st.sampled_from([Path("/opt"), Path("/opt/x"), Path("/optional")]), max_size=2).map(tuple),
    env=st.dictionaries(st.sampled_from("AB"), st.sampled_from("12"), max_size=2),
    network=NETWORKS,
    limits=st.builds(Limits, processes=st.integers(1, 9), memory_bytes=st.integers(1, 9)),
    scope=st.sampled_from(["gate", "mount"]),
)


NO_HOSTS = (
    *("", "localhost", "127.0.0.1", "2130706433", "0x7f.1", "A.example", "a..example", "a.example.", "-a.example", "*"),
    *("a.example:443", "a.exa\x00mple", "\N{CYRILLIC SMALL LETTER A}.example", "a.example@evil.test", "[::1]", "*.com"),
    *("a_b.example", "a.example/b", " a.example"),
)


@pytest.mark.parametrize("name", NO_HOSTS)
def test_what_is_no_plain_host_name_cannot_be_granted(name: str) -> None:
    with pytest.raises(UsageError, match="can be granted"):
        Network.hosts(name)


def test_a_wildcard_covers_what_is_below_a_name_and_not_the_name_or_its_look_alikes() -> None:
    network = Network.hosts("docs.example.org", "*.wild.test")
    assert network.allows("docs.example.org")
    assert network.allows("a.wild.test")
    assert network.allows("b.a.wild.test")
    for host in ("wild.test", "evilwild.test", "a.docs.example.org", "docs.example.org.evil.test", "a.wild.test\0"):
        assert not network.allows(host)


@given(NETWORKS, NETWORKS, HOSTS)
def test_an_intersection_of_networks_allows_exactly_what_both_allow(one: Network, other: Network, host: str) -> None:
    assert (one & other).allows(host) == (one.allows(host) and other.allows(host))


@given(POLICIES, POLICIES)
def test_an_intersection_is_no_wider_than_either_side_and_does_not_depend_on_their_order(
    one: Policy, other: Policy
) -> None:
    both = one & other
    assert both.digest() == (other & one).digest()
    assert (both & one).digest() == both.digest()
    assert both.limits.processes <= min(one.limits.processes, other.limits.processes)
    assert set(both.env.items()) == set(one.env.items()) & set(other.env.items())
    assert set(both.protect) == {*one.protect, *other.protect}
    assert both.scope == "mount" or one.scope == other.scope == "gate"


def test_folders_are_narrowed_by_whole_names() -> None:
    one, other = (
        Policy(write=("src",), read=(Path("/opt"),)),
        Policy(write=("src/a", "src2"), read=(Path("/optional"),)),
    )
    assert (one & other).write == ("src/a",)
    assert (one & other).read == ()
    assert (one & Policy()).write == ("src",)


def test_a_digest_tells_policies_apart_whatever_their_order() -> None:
    one = Policy(read=(Path("/a"), Path("/b")), env={"A": "1", "B": "2"})
    same = Policy(read=(Path("/b"), Path("/a")), env={"B": "2", "A": "1"})
    assert one.digest() == same.digest()
    assert one.digest() != Policy(read=(Path("/a"), Path("/b")), env={"A": "1"}).digest()
    assert Policy().digest() != Policy(limits=Limits(processes=2)).digest()


@pytest.mark.parametrize("value", [0, -1, 1.5, True])
def test_a_limit_is_a_whole_number_of_one_or_more(value: int) -> None:
    with pytest.raises(UsageError, match="processes"):
        Limits(processes=value)
