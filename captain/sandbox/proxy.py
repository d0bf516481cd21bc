"""The proxy through which a box reaches granted hosts: CONNECT, and plain HTTP one request at a time.

It serves a listening socket that it is handed, which may live in a box's own network. Whatever it cannot
read in one way only is refused. It logs hosts and numbers of bytes, never what was said. A host behind a
shared front can still be another one (domain fronting): TLS hides that from every proxy that does not break it.
"""

from __future__ import annotations

import re
import socket
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Final, TypeAlias

import anyio
from anyio.abc import ByteStream, SocketStream

from captain.core.policy import Network
from captain.sandbox.egress import Authority, Egress, EgressRefusedError, Internet, Outside

if TYPE_CHECKING:
    import h11

_PIECE_BYTES: Final = 64 * 1024
_TARGET: Final = re.compile(r"http://(?P<authority>[^/?]*)(?P<path>[/?][!-\"$-\[\]-~]*)?", re.ASCII)  # no # and no \
_HOP_BY_HOP: Final = frozenset(
    {
        *(b"connection", b"proxy-connection", b"keep-alive", b"proxy-authenticate", b"proxy-authorization"),
        *(b"te", b"trailer", b"upgrade", b"expect", b"host"),
    }
)
_DONE: Final = "HTTP/1.1 200 Connection established\r\n\r\n"


@dataclass(frozen=True, slots=True, kw_only=True)
class ProxyLimits:
    """For each connection, but for `connections`. Sizes are bytes; `head_s` is for a request's head to be complete."""

    connections: int = 128
    head_bytes: int = 32 * 1024
    headers: int = 100
    head_s: float = 10.0
    idle_s: float = 60.0
    out_bytes: int = 64 * 1024**2
    in_bytes: int = 1024**3


@dataclass(frozen=True, slots=True, kw_only=True)
class HostUse:
    """One request that is over. `host` is empty where it could not be read; `refused` says why nothing was sent."""

    host: str
    bytes_out: int = 0
    bytes_in: int = 0
    refused: str = ""


OnUse: TypeAlias = Callable[[HostUse], None]


async def serve(
    listener: socket.socket,
    network: Network,
    *,
    on_use: OnUse | None = None,
    limits: ProxyLimits | None = None,
    outside: Outside | None = None,
) -> None:
    """Serves the connections that `listener` accepts until it is cancelled. The listener stays open."""
    limits = limits or ProxyLimits()
    egress = Egress(network=network, outside=outside or Internet())
    slots = anyio.CapacityLimiter(limits.connections)
    listener.setblocking(False)

    async def answer(accepted: socket.socket) -> None:
        try:
            client = await SocketStream.from_socket(accepted)
        except (OSError, ValueError):  # it has gone already
            accepted.close()
            return
        async with slots, client:
            use = await _Exchange(client, egress, limits).run()
        if on_use is not None and use is not None:
            on_use(use)

    async with anyio.create_task_group() as group:
        while True:
            await anyio.wait_readable(listener)
            try:
                accepted, _ = listener.accept()
            except BlockingIOError:
                continue
            except OSError:  # given up already by its client, or no descriptor is left
                await anyio.sleep(0.05)
                continue
            if slots.available_tokens < 1:
                accepted.close()
                continue
            group.start_soon(answer, accepted)


class _RefusedError(Exception):
    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status


@dataclass(slots=True)
class _Exchange:
    """One connection of a client: one request, and nothing after it."""

    client: ByteStream
    egress: Egress
    limits: ProxyLimits
    host: str = ""
    bytes_out: int = 0
    bytes_in: int = 0
    _idle: anyio.CancelScope = field(default_factory=anyio.CancelScope)

    async def run(self) -> HostUse | None:
        """None for a connection that was closed before anything was asked."""
        import h11

        refused = ""
        try:
            asked = await self._head()
            if asked is None:
                return None
            refused = await self._forward(*asked)
        except _RefusedError as refusal:
            refused = str(refusal)
            await self._refuse(refusal)
        except h11.LocalProtocolError:
            refused = "the request cannot be passed on"
            await self._refuse(_RefusedError(400, "The request cannot be passed on."))
        except (anyio.BrokenResourceError, anyio.ClosedResourceError):
            pass  # whoever went away knows
        return HostUse(host=self.host, bytes_out=self.bytes_out, bytes_in=self.bytes_in, refused=refused)

    async def _head(self) -> tuple[h11.Connection, h11.Request] | None:
        import h11

        parser = h11.Connection(h11.SERVER, max_incomplete_event_size=self.limits.head_bytes)
        with anyio.move_on_after(self.limits.head_s):
            while True:
                try:
                    event = parser.next_event()
                except h11.RemoteProtocolError as error:
                    raise _RefusedError(400, "The request is not proper HTTP.") from error
                if isinstance(event, h11.Request):
                    size = len(event.target) + sum(len(name) + len(value) for name, value in event.headers)
                    if len(event.headers) > self.limits.headers or size > self.limits.head_bytes:
                        raise _RefusedError(431, "The request has more headers, or longer ones, than are taken.")
                    return parser, event
                if event is not h11.NEED_DATA:
                    return None
                try:
                    parser.receive_data(await self.client.receive(_PIECE_BYTES))
                except anyio.EndOfStream:
                    return None
        raise _RefusedError(408, "The head of the request took too long.")

    async def _forward(self, parser: h11.Connection, request: h11.Request) -> str:
        if request.http_version != b"1.1":
            raise _RefusedError(505, "Only HTTP/1.1 is spoken here.")
        names = [name for name, _ in request.headers]
        if b"content-length" in names and b"transfer-encoding" in names:
            raise _RefusedError(400, "A request says in one way only how long it is.")
        tunnel = request.method == b"CONNECT"
        authority, path = self._where(request, tunnel=tunnel)
        if tunnel and (b"content-length" in names or b"transfer-encoding" in names):
            raise _RefusedError(400, "CONNECT has no body.")
        outside = await self._open(authority)
        async with outside:
            if tunnel:
                await self.client.send(_DONE.encode())
                early, _ = parser.trailing_data
                return await self._shuttle(outside, early)
            return await self._request(outside, parser, request, authority, path)

    def _where(self, request: h11.Request, *, tunnel: bool) -> tuple[Authority, bytes]:
        """Where it goes, said twice, in the target and as Host, and both times the same."""
        target = request.target.decode("latin-1")
        path = ""
        if not tunnel:
            parts = _TARGET.fullmatch(target)
            if parts is None:
                raise _RefusedError(400, "This is a proxy: ask for http://HOST/PATH, or use CONNECT HOST:PORT.")
            target, path = parts["authority"], parts["path"] or "/"
        default_port = None if tunnel else 80
        try:
            authority = Authority.read(target, default_port=default_port)
            hosts = [value.decode("latin-1") for name, value in request.headers if name == b"host"]
            named = [Authority.read(host, default_port=authority.port if tunnel else 80) for host in hosts]
            if named != [authority]:
                raise _RefusedError(400, "The header Host names another host than the request.")
            self.host = authority.host
            self.egress.check(authority)
        except EgressRefusedError as refusal:
            raise _RefusedError(403, str(refusal)) from refusal
        return authority, path.encode() if path.startswith("/") else b"/" + path.encode()

    async def _open(self, authority: Authority) -> ByteStream:
        try:
            return await self.egress.open(authority)
        except EgressRefusedError as refusal:
            raise _RefusedError(403, str(refusal)) from refusal
        except OSError as error:
            raise _RefusedError(502, f"The host {authority.host} does not answer.") from error

    async def _request(
        self, outside: ByteStream, parser: h11.Connection, request: h11.Request, authority: Authority, path: bytes
    ) -> str:
        """Written anew from what was read, so that both sides see the same request, and one only."""
        import h11

        writer = h11.Connection(h11.CLIENT)
        head = writer.send(h11.Request(method=request.method, target=path, headers=_passed_on(request, authority)))
        self._count(out=len(head or b""))
        await outside.send(head or b"")
        if parser.they_are_waiting_for_100_continue:
            await self.client.send(b"HTTP/1.1 100 Continue\r\n\r\n")
        return await self._both(partial(self._body, parser, writer, outside), outside)

    async def _body(self, parser: h11.Connection, writer: h11.Connection, outside: ByteStream) -> None:
        import h11

        while True:
            try:
                event = parser.next_event()
            except h11.RemoteProtocolError:
                break
            if event is h11.NEED_DATA:
                parser.receive_data(await self.client.receive(_PIECE_BYTES))
            elif isinstance(event, h11.Data | h11.EndOfMessage):
                if piece := writer.send(event):
                    self._count(out=len(piece))
                    await outside.send(piece)
                if isinstance(event, h11.EndOfMessage):
                    return
            else:
                break
        self._idle.cancel()  # half a request is none: the other side must not take it for a whole one

    async def _shuttle(self, outside: ByteStream, early: bytes) -> str:
        async def out() -> None:
            piece = early
            try:
                while True:
                    if piece:
                        self._count(out=len(piece))
                        await outside.send(piece)
                    piece = await self.client.receive(_PIECE_BYTES)
            except anyio.EndOfStream:
                await outside.send_eof()

        return await self._both(out, outside)

    async def _both(self, out: Callable[[], Awaitable[None]], outside: ByteStream) -> str:
        """Both ways until the outside ends, a limit is passed, or nothing has moved for a while."""

        async def guarded() -> None:
            try:
                await out()
            except (anyio.EndOfStream, anyio.BrokenResourceError, anyio.ClosedResourceError):
                return

        self._idle = anyio.CancelScope(deadline=anyio.current_time() + self.limits.idle_s)
        with self._idle:
            async with anyio.create_task_group() as group:
                group.start_soon(guarded)
                try:
                    while True:
                        piece = await outside.receive(_PIECE_BYTES)
                        self._count(in_=len(piece))
                        await self.client.send(piece)
                except (anyio.EndOfStream, anyio.BrokenResourceError, anyio.ClosedResourceError):
                    group.cancel_scope.cancel()
        if self.bytes_out > self.limits.out_bytes:
            return f"more than {self.limits.out_bytes} bytes were sent"
        if self.bytes_in > self.limits.in_bytes:
            return f"more than {self.limits.in_bytes} bytes came back"
        return f"nothing moved for {self.limits.idle_s:g} s" if self._idle.cancelled_caught else ""

    def _count(self, *, out: int = 0, in_: int = 0) -> None:
        """Ends the exchange, before more is passed on, once a limit is passed."""
        self.bytes_out += out
        self.bytes_in += in_
        if self.bytes_out > self.limits.out_bytes or self.bytes_in > self.limits.in_bytes:
            self._idle.cancel()
        else:
            self._idle.deadline = anyio.current_time() + self.limits.idle_s

    async def _refuse(self, refusal: _RefusedError) -> None:
        """Says why in a sentence of our own: nothing of what was asked is repeated."""
        body = f"Captain's proxy: {refusal}\n".encode("ascii", "replace")
        head = (
            f"HTTP/1.1 {refusal.status} Refused\r\nContent-Type: text/plain\r\n"
            f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n"
        )
        with anyio.move_on_after(self.limits.head_s):
            try:
                await self.client.send(head.encode() + body)
            except (anyio.BrokenResourceError, anyio.ClosedResourceError):
                return


def _passed_on(request: h11.Request, authority: Authority) -> list[tuple[bytes, bytes]]:
    """The headers for the other side: those for this proxy alone are left out, Host is said anew."""
    dropped = set(_HOP_BY_HOP)
    for name, value in request.headers:
        if name == b"connection":
            dropped |= {token.strip().lower() for token in bytes(value).split(b",")}
    dropped -= {b"content-length", b"transfer-encoding"}  # how long a request is was read and holds
    host = authority.host if authority.port == 80 else str(authority)
    named = [(bytes(name), bytes(value)) for name, value in request.headers.raw_items()]
    kept = [(name, value) for name, value in named if name.lower() not in dropped]
    return [(b"Host", host.encode()), *kept, (b"Connection", b"close")]
