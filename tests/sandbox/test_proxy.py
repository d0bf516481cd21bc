"""The proxy lets granted hosts through and nothing else, tried over real sockets.

The world outside is a fake resolver, and a dial that leads from public addresses to servers on loopback: what
the proxy checks is checked here as it is anywhere.
"""

from __future__ import annotations

import os
import socket
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import anyio
import pytest
from anyio.abc import ByteStream, SocketAttribute, SocketStream

from captain.core.policy import Network
from captain.sandbox.egress import Authority, EgressRefusedError, Internet, is_public
from captain.sandbox.proxy import HostUse, ProxyLimits, serve

NETWORK = Network.hosts("allowed.test", "*.wild.test")
PUBLIC = "93.184.216.34"

MUST_ALLOW = ["allowed.test:443", "a.wild.test:443"]
MUST_DENY = [
    "evil.invalid\0.allowed.test:443",
    "allowed.test.evil.invalid:443",
    "evilallowed.test:443",
    "wild.test.evil.invalid:443",
    "allowed.test@evil.invalid:443",
    "allowed.test#@evil.invalid:443",
    "ALLOWED.TEST.evil.invalid:443",
    "allowed.test\\.evil.invalid:443",
    "allowed.test\r\nHost: evil.invalid:443",
    "allowed\u3002test.evil.invalid:443",
    "[::ffff:127.0.0.1]:443",
    "0x7f.1:80",
    "2130706433:80",
    "127.1:80",
    "localhost:80",
    "metadata.internal:80",
    ".allowed.test:443",
    "*.wild.test:443",
    "a..wild.test:443",
    "xn--allwed-test:443",
    " allowed.test:443",
    "allowed.test:443:80",
    "evil.invalid/allowed.test:443",
    # and some more
    "allowed.test.:443",
    "ALLOWED.TEST:443",
    "allowed.test:0443",
    "allowed.test:+443",
    "allowed.test:65979",
    "allowed.test:22",
    "allowed.test:",
    "allowed.test",
    "\u0430llowed.test:443",
    "allowed.test%00:443",
    "allowed.test\t:443",
    "169.254.169.254:80",
    "a-.wild.test:443",
    "wild.test:443",
    "",
]


@dataclass
class FakeInternet:
    """`names` are the addresses of hosts; whatever is dialled ends at the server on `port`."""

    port: int
    names: dict[str, tuple[str, ...]] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    dialled: list[tuple[str, int]] = field(default_factory=list)

    async def resolve(self, host: str, port: int, /) -> tuple[str, ...]:
        await anyio.lowlevel.checkpoint()
        self.asked.append(host)
        return self.names.get(host, (PUBLIC,))

    async def dial(self, address: str, port: int, /) -> ByteStream:
        self.dialled.append((address, port))
        return await anyio.connect_tcp("127.0.0.1", self.port)


@dataclass
class Proxy:
    port: int
    outside: FakeInternet
    uses: list[HostUse]
    received: bytearray

    async def say(self, request: bytes, *, more: bytes = b"", then: bytes = b"") -> bytes:
        """Everything that comes back; `more` follows the first answer, and the connection is left half open."""
        with anyio.fail_after(20):
            async with await anyio.connect_tcp("127.0.0.1", self.port) as stream:
                await stream.send(request)
                answer = b""
                if more:
                    answer = await stream.receive()
                    await stream.send(more)
                    await stream.send_eof()
                try:
                    while True:
                        answer += await stream.receive()
                except (anyio.EndOfStream, anyio.BrokenResourceError):
                    return answer

    async def used(self) -> HostUse:
        """The next use, once it is told."""
        with anyio.fail_after(20):
            while not self.uses:
                await anyio.wait_all_tasks_blocked()
        return self.uses.pop(0)


async def echo(stream: SocketStream) -> None:
    async with stream:
        try:
            while True:
                await stream.send(await stream.receive())
        except (anyio.EndOfStream, anyio.BrokenResourceError):
            return


def answering(reply: bytes, received: bytearray) -> Callable[[SocketStream], object]:
    """A server that takes one head of a request, and what comes with it, and replies."""

    async def handle(stream: SocketStream) -> None:
        async with stream:
            try:
                while b"\r\n\r\n" not in received or (b"chunked" in received and b"0\r\n\r\n" not in received):
                    received.extend(await stream.receive())
            except anyio.EndOfStream:
                return
            await stream.send(reply)

    return handle


@asynccontextmanager
async def proxy(
    handler: Callable[[SocketStream], object] | None = None,
    *,
    reply: bytes = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi",
    limits: ProxyLimits | None = None,
    names: dict[str, tuple[str, ...]] | None = None,
) -> AsyncIterator[Proxy]:
    received = bytearray()
    server = await anyio.create_tcp_listener(local_host="127.0.0.1")
    listener = socket.create_server(("127.0.0.1", 0))
    outside = FakeInternet(server.extra(SocketAttribute.local_port), names or {})
    uses: list[HostUse] = []
    async with server, anyio.create_task_group() as group:
        group.start_soon(partial(server.serve, handler or answering(reply, received)))
        group.start_soon(partial(serve, listener, NETWORK, on_use=uses.append, limits=limits, outside=outside))
        yield Proxy(listener.getsockname()[1], outside, uses, received)
        group.cancel_scope.cancel()
    listener.close()


def connect(authority: str, host: str | None = None) -> bytes:
    return f"CONNECT {authority} HTTP/1.1\r\nHost: {authority if host is None else host}\r\n\r\n".encode()


def get(authority: str, path: str = "/x", host: str | None = None, more: str = "") -> bytes:
    named = authority if host is None else host
    return f"GET http://{authority}{path} HTTP/1.1\r\nHost: {named}\r\n{more}\r\n".encode()


def status(answer: bytes) -> int:
    return int(answer.split(b" ", 2)[1]) if answer else 0


@pytest.mark.parametrize("authority", MUST_ALLOW)
async def test_granted_hosts_are_connected_and_what_is_said_passes_through(authority: str) -> None:
    async with proxy(echo) as at:
        answer = await at.say(connect(authority), more=b"hello" * 40_000)
        use = await at.used()

    assert answer == b"HTTP/1.1 200 Connection established\r\n\r\n" + b"hello" * 40_000
    assert use == HostUse(host=authority.partition(":")[0], bytes_out=200_000, bytes_in=200_000)
    assert at.outside.dialled == [(PUBLIC, 443)]


@pytest.mark.parametrize("authority", MUST_DENY)
async def test_whatever_two_parsers_could_read_differently_is_refused_and_never_dialled(authority: str) -> None:
    async with proxy() as at:
        tunnel = await at.say(connect(authority))
        plain = [await at.say(get(authority))] if authority != "allowed.test" else []  # which is right in a URL

    assert {status(answer) for answer in (tunnel, *plain)} <= {400, 403}
    assert at.outside.dialled == []
    assert at.outside.asked == []


@pytest.mark.parametrize(
    "host", [each for each in MUST_DENY if each.strip() not in ("allowed.test:443", "allowed.test")]
)
async def test_a_header_host_is_read_as_strictly_as_the_target(host: str) -> None:
    async with proxy() as at:
        answers = [await at.say(connect("allowed.test:443", host)), await at.say(get("allowed.test", host=host))]

    assert {status(answer) for answer in answers} <= {400, 403}
    assert at.outside.dialled == []


@pytest.mark.parametrize(
    "addresses",
    [
        *("169.254.169.254", "127.0.0.1", "10.0.0.1", "172.16.0.1", "192.168.1.1", "100.64.0.1", "100.100.100.200"),
        *("0.0.0.0", "255.255.255.255", "224.0.0.1", "240.0.0.1", "192.0.2.1", "198.18.0.1", "192.88.99.1"),
        *("168.63.129.16", "::1", "::", "fe80::1", "fe80::1%eth0", "fd00:ec2::254", "fec0::1", "ff02::1"),
        *("::ffff:8.8.8.8", "::ffff:127.0.0.1", "::7f00:1", "64:ff9b::7f00:1", "2002:7f00:1::", "2001:0:1::1"),
        *("2001:db8::1", "3fff::1", "not an address", f"{PUBLIC},127.0.0.1", "127.0.0.1," + PUBLIC),
    ],
)
async def test_a_granted_name_that_leads_to_no_public_address_is_refused(addresses: str) -> None:
    async with proxy(names={"allowed.test": tuple(addresses.split(","))}) as at:
        answers = [await at.say(connect("allowed.test:443")), await at.say(get("allowed.test"))]

    assert [status(answer) for answer in answers] == [403, 403]
    assert b"not a public one" in answers[0]
    assert at.outside.dialled == []


@pytest.mark.parametrize("address", ["8.8.8.8", "93.184.216.34", "2606:4700::1111", "2a00:1450:4001::1"])
def test_public_addresses_are_public(address: str) -> None:
    assert is_public(address)


async def test_a_name_is_resolved_once_and_the_address_that_was_checked_is_dialled() -> None:
    async with proxy(echo, names={"allowed.test": ("8.8.4.4",)}) as at:
        await at.say(connect("allowed.test:80"), more=b"x")

    assert at.outside.asked == ["allowed.test"]
    assert at.outside.dialled == [("8.8.4.4", 80)]


async def test_a_plain_request_is_written_anew_for_the_host_it_names() -> None:
    more = "Proxy-Authorization: Basic eDp5\r\nConnection: X-Own, close\r\nX-Own: 1\r\nAccept: */*\r\n"
    async with proxy() as at:
        answer = await at.say(get("allowed.test", "/a?b=c", more=more))
        use = await at.used()

    assert answer.endswith(b"\r\n\r\nhi")
    assert (
        bytes(at.received) == b"GET /a?b=c HTTP/1.1\r\nHost: allowed.test\r\nAccept: */*\r\nConnection: close\r\n\r\n"
    )
    assert (use.host, use.bytes_out, use.refused) == ("allowed.test", len(at.received), "")


async def test_a_body_is_passed_on_in_its_own_length_and_nothing_behind_it_is() -> None:
    body = b"4\r\nabcd\r\n0\r\n\r\n"
    smuggled = b"GET http://evil.invalid/ HTTP/1.1\r\nHost: evil.invalid\r\n\r\n"
    head = b"POST http://allowed.test/ HTTP/1.1\r\nHost: allowed.test\r\nTransfer-Encoding: chunked\r\n\r\n"
    async with proxy() as at:
        answer = await at.say(head + body + smuggled)

    assert status(answer) == 200
    assert b"evil" not in at.received
    assert at.received.endswith(body)


@pytest.mark.parametrize(
    "request_",
    [
        get("allowed.test", host="evil.invalid"),
        get("allowed.test", more="Host: evil.invalid\r\n"),
        get("allowed.test", host="allowed.test:443"),
        get("allowed.test", more="Content-Length: 3\r\nTransfer-Encoding: chunked\r\n"),
        get("allowed.test", more="Content-Length: 3\r\nContent-Length: 4\r\n"),
        get("allowed.test", more="Transfer-Encoding: chunked, identity\r\n"),
        get("allowed.test", more="Content-Length : 3\r\n"),
        get("allowed.test", more="X: a\r\n b\0\r\n"),
        get("allowed.test", "/a#b"),
        get("allowed.test", "/a\\b"),
        get("user:secret@allowed.test"),
        b"GET / HTTP/1.1\r\nHost: allowed.test\r\n\r\n",
        b"GET https://allowed.test/ HTTP/1.1\r\nHost: allowed.test\r\n\r\n",
        b"GET ftp://allowed.test/ HTTP/1.1\r\nHost: allowed.test\r\n\r\n",
        b"OPTIONS * HTTP/1.1\r\nHost: allowed.test\r\n\r\n",
        b"GET http://allowed.test/ HTTP/1.0\r\nHost: allowed.test\r\n\r\n",
        b"GET http://allowed.test/ HTTP/1.1\r\n\r\n",
        b"CONNECT allowed.test:443 HTTP/1.1\r\nHost: evil.invalid:443\r\n\r\n",
        b"CONNECT allowed.test:443 HTTP/1.1\r\nHost: allowed.test:80\r\n\r\n",
        b"CONNECT allowed.test:443 HTTP/1.1\r\nHost: allowed.test:443\r\nContent-Length: 5\r\n\r\nhello",
        b"\x05\x01\x00",
        b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
        get("allowed.test", more="A: b\r\n" * 200),
        get("allowed.test", more="A: " + "b" * 40_000 + "\r\n"),
    ],
)
async def test_requests_that_could_be_read_in_two_ways_go_nowhere(request_: bytes) -> None:
    limits = ProxyLimits(head_s=0.2)  # the start of another protocol is no head, and is waited for so long
    async with proxy(limits=limits) as at:
        answer = await at.say(request_)

    assert 400 <= status(answer) < 600
    assert at.outside.dialled == []


async def test_a_refusal_says_why_and_repeats_nothing_of_the_request() -> None:
    async with proxy() as at:
        answer = await at.say(connect("evil.invalid:443") + b"SECRET")
        use = await at.used()

    assert answer.startswith(b"HTTP/1.1 403 ")
    assert answer.endswith(b"Captain's proxy: The host evil.invalid is not granted to this run.\n")
    assert use == HostUse(host="evil.invalid", refused="The host evil.invalid is not granted to this run.")


async def test_a_head_that_drips_in_is_not_waited_for() -> None:
    async with proxy(limits=ProxyLimits(head_s=0.05)) as at:
        answer = await at.say(b"CONNECT allowed.test:443 HTTP/1.1\r\nHost: allowed")

    assert status(answer) == 408


async def test_a_connection_on_which_nothing_moves_is_ended() -> None:
    async def silent(stream: SocketStream) -> None:
        async with stream:
            await anyio.sleep_forever()

    async with proxy(silent, limits=ProxyLimits(idle_s=0.05)) as at:
        await at.say(connect("allowed.test:443"))
        use = await at.used()

    assert use.refused == "nothing moved for 0.05 s"


@pytest.mark.parametrize("limit", ["out_bytes", "in_bytes"])
async def test_no_more_passes_than_the_limits_say(limit: str) -> None:
    limits = ProxyLimits(out_bytes=1000) if limit == "out_bytes" else ProxyLimits(in_bytes=1000)
    async with proxy(echo, limits=limits) as at:
        answer = await at.say(connect("allowed.test:443"), more=b"x" * 100_000)
        use = await at.used()

    assert len(answer) < 2000
    assert use.refused == f"more than 1000 bytes {'were sent' if limit == 'out_bytes' else 'came back'}"


async def test_a_host_that_does_not_answer_is_said_so_and_the_next_request_is_served() -> None:
    async with proxy(echo) as at:
        port, at.outside.port = at.outside.port, 1
        failed = await at.say(connect("allowed.test:443"))
        at.outside.port = port
        served = await at.say(connect("allowed.test:443"), more=b"x")

    assert status(failed) == 502
    assert status(served) == 200


async def test_clients_that_go_away_at_any_point_leave_the_proxy_at_work() -> None:
    async with proxy(echo) as at:
        for part in (b"", b"CONN", connect("allowed.test:443"), connect("allowed.test:443") + b"x"):
            gone = socket.create_connection(("127.0.0.1", at.port))
            gone.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")  # ends with a reset
            gone.send(part)
            gone.close()
        served = await at.say(connect("allowed.test:443"), more=b"x")

    assert status(served) == 200


async def test_hosts_are_dialled_by_address_alone() -> None:
    with pytest.raises(ValueError, match="localhost"):
        await Internet().dial("localhost", 80)


@pytest.mark.parametrize("authority", MUST_DENY)
def test_an_authority_is_read_in_one_way_or_not_at_all(authority: str) -> None:
    try:
        read = Authority.read(authority)
    except EgressRefusedError:
        return
    assert str(read) == authority
    assert not NETWORK.allows(read.host) or read.port == 22


def test_the_lists_are_those_of_the_attack() -> None:
    import json

    path = Path(os.environ.get("CAPTAIN_ATTACKS") or Path(__file__).parents[2].parent / "shared" / "attacks.json")
    if not path.is_file():
        pytest.skip("the list of attacks is not here (CAPTAIN_ATTACKS names its place)")
    attack = next(each for each in json.loads(path.read_text("utf-8"))["attacks"] if each["id"] == "A18")
    assert set(attack["test"]["must_deny"]) <= set(MUST_DENY)
    assert attack["test"]["must_allow"] == MUST_ALLOW
