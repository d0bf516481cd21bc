"""The web is read where it is granted, asked for where somebody can be asked, and nowhere else."""

from __future__ import annotations

import shutil
import ssl
import subprocess
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import anyio
import httpx2
import pytest
from anyio.abc import ByteStream, SocketAttribute
from anyio.streams.tls import TLSListener

from captain.core.actions import OpenHost
from captain.core.errors import ToolError
from captain.core.policy import Network, Policy
from captain.guards import HostRule, PermissionDesk
from captain.tools import ToolContext, fetch_tool, web_tools
from captain.tools.fetch import LIMIT_BYTES
from tests.guards.test_grants import RUN, YES, Person, Told, desk
from tests.sandbox.test_proxy import PUBLIC, FakeInternet

POLICY = Policy(network=Network.hosts("docs.example.org", "*.wild.example"))


class Rerouted(httpx2.AsyncHTTPTransport):
    """The real transport, which sends what goes to a public address to a server on loopback."""

    def __init__(self, web: Web) -> None:
        super().__init__(verify=web.trusted or True, trust_env=False)
        self._web = web

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        self._web.dialled.append((request.url.host, request.url.port or {"http": 80, "https": 443}[request.url.scheme]))
        scheme = "https" if self._web.trusted else "http"
        request.url = request.url.copy_with(scheme=scheme, host="127.0.0.1", port=self._web.port)
        return await super().handle_async_request(request)


@dataclass
class Web:
    """`pages` are whole answers by the host and path that are asked for."""

    pages: Mapping[str, bytes]
    port: int = 0
    trusted: ssl.SSLContext | None = None
    asked: list[str] = field(default_factory=list)
    dialled: list[tuple[str, int]] = field(default_factory=list)
    names: dict[str, tuple[str, ...]] = field(default_factory=dict)

    async def answer(self, stream: ByteStream) -> None:
        async with stream:
            head = b""
            while b"\r\n\r\n" not in head:
                head += await stream.receive()
            lines = head.decode().split("\r\n")
            host = next(line[6:] for line in lines if line.lower().startswith("host: "))
            place = host + lines[0].split(" ")[1]
            self.asked.append(place)
            try:
                await stream.send(self.pages.get(place, b"HTTP/1.1 404 No\r\nContent-Length: 0\r\n\r\n"))
            except anyio.BrokenResourceError:
                return

    async def fetch(self, at: PermissionDesk, url: str, **more: int) -> str:
        tool = fetch_tool(at, outside=FakeInternet(0, self.names), transport=lambda: Rerouted(self))
        with anyio.fail_after(30):
            output = await tool.call({"url": url, **more}, ToolContext(agent="build-T1"))
        return "".join(getattr(part, "text", "") for part in output.content)


@asynccontextmanager
async def web(
    pages: Mapping[str, bytes], *, server: ssl.SSLContext | None = None, trusted: ssl.SSLContext | None = None
) -> AsyncIterator[Web]:
    made = Web(pages, trusted=trusted)
    plain = await anyio.create_tcp_listener(local_host="127.0.0.1")
    made.port = plain.extra(SocketAttribute.local_port)
    listener = TLSListener(plain, server, standard_compatible=False) if server else plain
    async with listener, anyio.create_task_group() as group:
        group.start_soon(partial(listener.serve, made.answer))
        yield made
        group.cancel_scope.cancel()


def page(body: bytes | str, media_type: str = "text/plain", more: str = "", status: str = "200 OK") -> bytes:
    data = body.encode() if isinstance(body, str) else body
    head = f"HTTP/1.1 {status}\r\nContent-Type: {media_type}\r\nContent-Length: {len(data)}\r\n{more}\r\n"
    return head.encode() + data


def redirect(to: str) -> bytes:
    return f"HTTP/1.1 302 Found\r\nLocation: {to}\r\nContent-Length: 0\r\n\r\n".encode()


async def test_a_page_of_a_granted_host_is_read_as_text() -> None:
    pages = {"docs.example.org/a?b=%20c": page("<h1>Tides</h1><p>High &amp; low", "text/html; charset=utf-8")}
    async with web(pages) as at:
        said = await at.fetch(desk(None, policy=POLICY), "https://Docs.example.org/a?b= c#part")

    assert said.startswith("(200, text/html, https://docs.example.org/a?b=%20c)\n")
    assert said.endswith("\n\n# Tides\n\nHigh & low")
    assert "written by strangers" in said
    assert at.dialled == [(PUBLIC, 443)]


@pytest.mark.parametrize(
    ("media_type", "body", "shown"),
    [
        ("application/json", b'{"a": 1}', '{"a": 1}'),
        ("application/problem+json", b'{"a": 2}', '{"a": 2}'),
        ("text/plain; charset=latin-1", b"caf\xe9", "café"),
        ("text/plain; charset=no-such", "café".encode(), "café"),
        ("text/plain; charset=base64", "café".encode(), "café"),
        ("image/png", b"\x89PNG", "It is no text: 4 bytes that are not shown."),
        ("application/octet-stream", b"\0", "It is no text: 1 bytes that are not shown."),
    ],
)
async def test_text_is_shown_as_it_is_and_everything_else_is_described(
    media_type: str, body: bytes, shown: str
) -> None:
    async with web({"docs.example.org/": page(body, media_type)}) as at:
        assert (await at.fetch(desk(None, policy=POLICY), "http://docs.example.org")).endswith(shown)


async def test_a_long_text_is_read_in_parts_and_no_more_than_two_megabytes_of_it() -> None:
    text = "".join(f"line {n}\n" for n in range(400_000))
    async with web({"docs.example.org/": page(text)}) as at:
        first = await at.fetch(desk(None, policy=POLICY), "http://docs.example.org/")
        next_ = await at.fetch(desk(None, policy=POLICY), "http://docs.example.org/", offset=30_000)

    assert f"the first {LIMIT_BYTES} bytes" in first
    assert first.endswith(f"({LIMIT_BYTES - 30_000} characters more: call again with offset=30000)")
    assert text[30_000:30_100] in next_


@pytest.mark.parametrize(
    "url",
    [
        *("ftp://docs.example.org/", "docs.example.org", "file:///etc/passwd", "https://", "", "javascript:x"),
        *(
            "http://127.0.0.1/",
            "http://[::1]/",
            "http://2130706433/",
            "http://localhost/",
            "http://user@docs.example.org/",
        ),
        *("http://docs.example.org\\@evil.example/", "http://docs.example.org:80:80/", "http://docs.example.org%00/"),
        *("http://döcs.example.org/", "http://docs.example.org./", "http:/docs.example.org/"),
    ],
)
async def test_what_is_no_plain_url_is_refused_before_anybody_is_asked(url: str) -> None:
    person = Person()
    async with web({}) as at:
        with pytest.raises(ToolError):
            await at.fetch(desk(person, policy=POLICY), url)

    assert (at.dialled, person.seen) == ([], [])


async def test_a_host_that_is_not_granted_is_refused_with_how_to_grant_it() -> None:
    async with web({}) as at:
        with pytest.raises(ToolError, match=r"Not permitted: to open evil.example:443 .*--allow-host"):
            await at.fetch(desk(None, policy=POLICY), "https://evil.example/?k=secret")

    assert at.dialled == []


async def test_a_host_that_is_not_granted_is_asked_for_where_somebody_can_be_asked() -> None:
    person, told = Person(answers=[RUN]), Told()
    async with web({"other.example/": page("hello")}) as at:
        asked = desk(person, told, policy=POLICY)
        said = [await at.fetch(asked, "https://other.example/") for _ in range(2)]

    assert all(text.endswith("hello") for text in said)
    assert [(seen.action, seen.asked_by) for seen in person.seen] == [(OpenHost(host="other.example"), "build-T1")]
    assert person.seen[0].why == "to fetch https://other.example/"


@pytest.mark.parametrize("address", ["127.0.0.1", "169.254.169.254", "::1", "::ffff:10.0.0.1"])
async def test_a_granted_name_that_leads_to_no_public_address_is_not_dialled_whoever_allowed_it(address: str) -> None:
    async with web({}) as at:
        at.names = {"docs.example.org": (address,), "other.example": (address,)}
        for url in ("http://docs.example.org/", "http://other.example/"):
            with pytest.raises(ToolError, match="not a public one"):
                await at.fetch(desk(Person(answers=[YES]), policy=POLICY), url)

    assert at.dialled == []


async def test_redirects_are_followed_to_granted_hosts_and_nowhere_else() -> None:
    pages = {
        "docs.example.org/": redirect("/next"),
        "docs.example.org/next": redirect("http://a.wild.example/end"),
        "a.wild.example/end": page("the end"),
        "docs.example.org/away": redirect("http://evil.example/?k=1"),
        "docs.example.org/inside": redirect("http://169.254.169.254/latest"),
        "docs.example.org/loop": redirect("/loop"),
        "docs.example.org/file": redirect("file:///etc/passwd"),
    }
    person = Person()
    async with web(pages) as at:
        granted = desk(person, policy=POLICY)
        assert (await at.fetch(granted, "http://docs.example.org/")).endswith("the end")
        for path, why in (("away", "is not granted"), ("inside", "cannot"), ("loop", "redirects"), ("file", "URL")):
            with pytest.raises(ToolError, match=why):
                await at.fetch(granted, f"http://docs.example.org/{path}")

    assert person.seen == []
    assert not any(place.startswith(("evil", "169")) for place in at.asked)


async def test_an_answer_in_an_encoding_nobody_asked_for_is_not_unpacked() -> None:
    async with web({"docs.example.org/": page(b"\x1f\x8b", more="Content-Encoding: gzip\r\n")}) as at:
        with pytest.raises(ToolError, match="encoding"):
            await at.fetch(desk(None, policy=POLICY), "http://docs.example.org/")


async def test_an_error_of_the_server_is_an_answer_and_a_broken_one_is_told() -> None:
    async with web({"docs.example.org/broken": b"\0\0\0\r\n\r\n"}) as at:
        missing = await at.fetch(desk(None, policy=POLICY), "http://docs.example.org/missing")
        with pytest.raises(ToolError, match="could not be fetched"):
            await at.fetch(desk(None, policy=POLICY), "http://docs.example.org/broken")

    assert missing.startswith("(404, ")


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl makes the certificate")
@pytest.mark.parametrize(("host", "trusted"), [("docs.example.org", True), ("a.wild.example", False)])
async def test_the_certificate_has_to_be_that_of_the_host_although_its_address_is_dialled(
    tmp_path: Path, host: str, trusted: bool
) -> None:
    key, certificate = str(tmp_path / "key.pem"), str(tmp_path / "certificate.pem")
    make = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
    names = ["-subj", "/CN=x", "-addext", "subjectAltName=DNS:docs.example.org"]
    subprocess.run([*make, "-keyout", key, "-out", certificate, *names], check=True, capture_output=True)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(certificate, key)
    client = ssl.create_default_context(cafile=certificate)
    async with web({f"{host}/": page("hello")}, server=server, trusted=client) as at:
        fetching = at.fetch(desk(None, policy=POLICY), f"https://{host}/")
        if trusted:
            assert (await fetching).endswith("hello")
        else:
            with pytest.raises(ToolError, match="could not be fetched"):
                await fetching


def test_the_tool_is_there_only_where_it_can_be_of_use() -> None:
    rule = HostRule(effect="allow", network=Network.hosts("docs.example.org"))

    assert web_tools(desk(None)) == ()
    assert [len(web_tools(at)) for at in (desk(None, policy=POLICY), desk(Person()), desk(None, rules=(rule,)))] == [
        1
    ] * 3
    assert web_tools(desk(Person()))[0].effect == "external"
