"""What may be reached outside: one strict reading of a host, one resolution, and a dial to the address checked.

Names that two parsers read differently are how allow-lists are got around. So a host and port is taken apart
once, by a pattern that knows plain lower-case names only, and what it gives is what is looked up and dialled.
"""

from __future__ import annotations

import ipaddress
import re
import socket
from dataclasses import dataclass, field
from typing import Final, Protocol, TypeAlias

import anyio
from anyio.abc import ByteStream

from captain.core.errors import CaptainError
from captain.core.policy import Network, is_host_name

WEB_PORTS: Final = (80, 443)
CONNECT_WITHIN_S: Final = 10.0

_AUTHORITY: Final = re.compile(r"(?P<host>[a-z0-9.-]{1,253})(?::(?P<port>[1-9][0-9]{0,4}))?", re.ASCII)
_Address: TypeAlias = ipaddress.IPv4Address | ipaddress.IPv6Address

_UNICAST: Final = ipaddress.ip_network("2000::/3")  # all there is of public addresses in version 6
# What `is_global` takes for public and is not, in this or that version of Python: addresses that carry another
# one inside, which would be reached in its place, what is for documentation, and one cloud's metadata.
_NOT_PUBLIC: Final = tuple(
    ipaddress.ip_network(network)
    for network in ("2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20", "192.88.99.0/24", "168.63.129.16/32")
)


class EgressRefusedError(CaptainError):
    """A host, a port or an address that is not granted; the message is a sentence for whoever asked."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Authority:
    """A host and a port, read once."""

    host: str
    port: int

    @classmethod
    def read(cls, text: str, *, default_port: int | None = None) -> Authority:
        """Raises `EgressRefusedError` for whatever is not a plain lower-case name, with a port or the default one."""
        found = _AUTHORITY.fullmatch(text)
        if found is None or not is_host_name(found["host"]):
            raise EgressRefusedError("The host is not a plain lower-case name of letters, digits and dashes.")
        port = int(found["port"]) if found["port"] else default_port
        if port is None or port > 65_535:
            raise EgressRefusedError("The port is missing, or there is no such port.")
        return cls(host=found["host"], port=port)

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


class Outside(Protocol):
    """The world beyond this machine, as a seam. Whatever it says is checked by `Egress`."""

    async def resolve(self, host: str, port: int, /) -> tuple[str, ...]:
        """Addresses of a host. Raises `OSError`."""
        ...

    async def dial(self, address: str, port: int, /) -> ByteStream:
        """A connection to an address, never a name. Raises `OSError`."""
        ...


class Internet:
    """The real one."""

    async def resolve(self, host: str, port: int, /) -> tuple[str, ...]:
        found = await anyio.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        return tuple(dict.fromkeys(str(place[4][0]) for place in found))

    async def dial(self, address: str, port: int, /) -> ByteStream:
        return await anyio.connect_tcp(str(ipaddress.ip_address(address)), port)


@dataclass(frozen=True, slots=True, kw_only=True)
class Egress:
    """The way out for the hosts of `network`. The address check has no switch: tests bring their own `outside`."""

    network: Network
    ports: tuple[int, ...] = WEB_PORTS
    outside: Outside = field(default_factory=Internet)

    def check(self, authority: Authority) -> None:
        """Raises `EgressRefusedError` unless the host and the port are granted."""
        if not self.network.allows(authority.host):
            raise EgressRefusedError(f"The host {authority.host} is not granted to this run.")
        if authority.port not in self.ports:
            ports = " and ".join(map(str, self.ports))
            raise EgressRefusedError(f"Only the ports {ports} can be reached, not {authority.port}.")

    async def addresses(self, authority: Authority) -> tuple[str, ...]:
        """The addresses to dial, all of them public: one that is not spoils the rest, as it is no accident.

        Raises `EgressRefusedError`, and `OSError` where the name is not known.
        """
        self.check(authority)
        with anyio.fail_after(CONNECT_WITHIN_S):
            found = await self.outside.resolve(authority.host, authority.port)
        if not found:
            raise OSError(f"{authority.host} has no address")
        if any(not is_public(address) for address in found):
            raise EgressRefusedError(f"The host {authority.host} leads to an address that is not a public one.")
        return found

    async def open(self, authority: Authority) -> ByteStream:
        """A connection. Raises `EgressRefusedError`, and `OSError` where nobody answers."""
        failure: OSError | None = None
        for address in (await self.addresses(authority))[:3]:
            try:
                with anyio.fail_after(CONNECT_WITHIN_S):
                    return await self.outside.dial(address, authority.port)
            except OSError as error:  # TimeoutError is one
                failure = error
        raise failure or OSError("no address")


def is_public(address: str) -> bool:
    """Neither this machine, nor its network, nor a cloud's metadata, nor anything reserved, in any disguise."""
    try:
        parsed: _Address = ipaddress.ip_address(address)
    except ValueError:
        return False
    if not parsed.is_global or parsed.is_multicast or parsed.is_reserved or parsed.is_unspecified:
        return False
    if parsed.version == 6 and parsed not in _UNICAST:
        return False
    return not any(parsed in network for network in _NOT_PUBLIC if network.version == parsed.version)
